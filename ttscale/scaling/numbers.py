"""What counts as a number where users give one (Python's and numpy's, no truth values), and which amounts are one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from ttscale.errors import TtscaleError

SAME = 0.01  # relative: sizes or amounts of data that differ by less are one


def is_number(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a real number, of Python or numpy; NaN and infinities are, True and False are not."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether ``value`` is an integer, of Python or numpy; True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def positive(name: str, value: object, *, least: float = 0.0, fix: str = "Give one.") -> float:
    """``value`` as a float; TtscaleError of the argument ``name`` unless it is a finite number above 0, not below
    ``least``."""
    if not is_number(value) or not 0 < value < math.inf or value < least:
        bound = f"of at least {least:g}" if least > 0 else "above 0"
        raise TtscaleError(name, expected=f"a finite number {bound}", got=repr(value), fix=fix)
    return float(value)


def levels(values: Sequence[float] | np.ndarray, apart: float = SAME) -> np.ndarray:
    """To which of the different amounts each belongs, ``int [value]``, smallest first: amounts that follow each other
    by less than ``apart``, a difference of their logarithms, are one. What is no amount above 0 comes before all."""
    given = np.asarray(values, dtype=np.float64)
    logs = np.log(np.where(np.isfinite(given) & (given > 0), given, 1e-300))
    ordered = np.sort(logs)
    starts = np.concatenate([ordered[:1], ordered[1:][np.diff(ordered) > apart]])
    return np.searchsorted(starts, logs, side="right") - 1
