"""The budgets of a curve: checked, found again, and bought for a cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttscale.errors import TtscaleError

_ROUNDING = 1e-9  # of costs that are sums of the same numbers in another order


def check_budgets(budgets: Sequence[int] | None, n_draws: int) -> np.ndarray:
    """The budgets as ``int64 [k]``, all of them by default; TtscaleError unless increasing and within the draws."""
    if budgets is None:
        return np.arange(1, n_draws + 1)
    try:
        given = np.asarray(budgets)
    except ValueError:  # a ragged list
        given = np.empty(0)
    if given.ndim != 1 or not given.size or not np.issubdtype(given.dtype, np.integer) or (np.diff(given) <= 0).any():
        raise TtscaleError(
            "budgets", expected="increasing whole numbers", got=repr(budgets), fix="Give for example [1, 2, 4, 8]."
        )
    if given[0] < 1 or given[-1] > n_draws:
        raise TtscaleError(
            "budgets", expected=f"budgets from 1 to the {n_draws} draws at hand", got=_listed(given),
            fix="Leave out the larger budgets, or collect more draws.",
        )  # fmt: skip
    return given.astype(np.int64)


def row_of(budgets: np.ndarray, k: int, name: str) -> int:
    """The position of budget ``k`` among those of what is called so; TtscaleError when it is none of them."""
    rows = np.flatnonzero(budgets == k)
    if not rows.size:
        raise TtscaleError(
            "k", expected=f"one of the budgets of {name!r}, {_listed(budgets)}", got=repr(k),
            fix="Choose one of these, or measure the budget wanted.",
        )  # fmt: skip
    return int(rows[0])


def last_within(costs: np.ndarray, most: float) -> int:
    """The position of the last of growing costs that is no more than ``most``, up to rounding; 0 where none is."""
    return max(0, int(np.searchsorted(costs, most * (1 + _ROUNDING), side="right")) - 1)


def _listed(budgets: np.ndarray) -> str:
    return ", ".join(map(str, budgets)) if len(budgets) <= 8 else f"{budgets[0]}, {budgets[1]}, … {budgets[-1]}"
