"""The one error that a user's mistake raises, and the two ways it most often comes about."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any


class TtscaleError(Exception):
    """Input that ttscale cannot work with: which argument, what it expects, what came, and what to do.

    Args:
        argument: name of the argument, config key or file at fault.
        expected: what would have been accepted.
        got: what came instead (shown as given; pass ``repr`` of a value where quotes help).
        fix: one sentence that says what to change.
    """

    def __init__(self, argument: str, *, expected: str, got: str, fix: str) -> None:
        self.argument, self.expected, self.got, self.fix = argument, expected, got, fix
        super().__init__(f"{argument}: expected {expected}, got {got}. {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keyword arguments do not survive pickling by themselves, and errors cross processes."""
        return _rebuild, (type(self), self.argument, self.expected, self.got, self.fix)


def _rebuild(kind: type[TtscaleError], argument: str, expected: str, got: str, fix: str) -> TtscaleError:
    return kind(argument, expected=expected, got=got, fix=fix)


def in_a_line(error: BaseException) -> str:
    """An error of somebody else's code in a line: its kind and the first line of what it says."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def unknown_name(argument: str, name: object, known: Iterable[str], *, fix: str = "") -> TtscaleError:
    """The error for a name outside a known set; it offers the nearest known names."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known[:20])}."
    return TtscaleError(
        argument, expected="a known name", got=repr(name), fix=" ".join(part for part in (hint, fix) if part)
    )


def require(package: str, *, install: str, needed_for: str) -> ModuleType | Any:
    """Import an optional package, or say how to install it.

    Args:
        package: import name, for example ``"transformers"``.
        install: what follows ``pip install``, for example ``"ttscale[lm]"``.
        needed_for: what the caller wanted to do.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise TtscaleError(
            "environment",
            expected=f"the package {package} (for {needed_for})",
            got="no such package",
            fix=f"Install it with: pip install '{install}'",
        ) from error
