"""How named views are made and their parameters checked; a ValueError says what a parameter must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ttscale.draws.views import IDENTITY, Step, View

Views = tuple[View, ...]
Numbers = float | range  # of numbered views: how many, or which

MOST_VIEWS = 10_000
LEAST, MOST = 1e-6, 1e6  # of a positive parameter: its square and its inverse are still numbers in float32
HALF_A_LEVEL = 0.49999  # parameters that are rounded reach so far beyond their ends, each level equally likely


def called(name: str, *values: float) -> str:
    """The name of a view with its parameters."""
    return f"{name}({','.join(_written(value) for value in values)})" if values else name


def _written(value: float) -> str:
    """The shortest text that reads back as the same number: a view is found again by its name. One text a number:
    9 for 9.0 too, and 0 for -0.0."""
    value += 0.0
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def fixed(transform: str, *values: float) -> View:
    """One transform, the same for all items."""
    limited(values)
    return View(called(transform, *values), (Step(transform, values, values),))


def unless(nothing: bool, transform: str, *values: float) -> View:
    """:func:`fixed`, or the identity where these parameters change nothing."""
    return IDENTITY if nothing else fixed(transform, *values)


def numbered(name: str, n: Numbers, steps: Callable[[int], Sequence[Step]]) -> Views:
    """Views by the steps of each number: the first n, or those of a range."""
    numbers = n if isinstance(n, range) else range(whole(n, 1, MOST_VIEWS, "n"))
    return tuple(View(f"{name}[{i}]", tuple(steps(i))) for i in numbers)


def random(transform: str, low: Sequence[float], high: Sequence[float], label: float, n: Numbers) -> Views:
    """n views ``random_TRANSFORM(label)[i]``, the parameters drawn anew for every item."""
    limited((label,))
    step = Step(transform, tuple(low), tuple(high))
    return numbered(called(f"random_{transform}", label), n, lambda _: (step,))


def whole(value: float, least: int, most: int, what: str) -> int:
    if value != int(value) or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most}")
    return int(value)


def fraction(value: float, what: str) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"{what} must lie in (0, 1]")
    return value


def positive(value: float, what: str) -> float:
    if not LEAST <= value <= MOST:
        raise ValueError(f"{what} must be positive, from {LEAST:g} to {MOST:g}")
    return value


def limited(values: Sequence[float]) -> None:
    if not all(abs(value) <= MOST for value in values):
        raise ValueError(f"parameters must lie from {-MOST:g} to {MOST:g}")


def place(x: float, y: float) -> tuple[float, float]:
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError("x and y must lie in [0, 1]")
    return x, y
