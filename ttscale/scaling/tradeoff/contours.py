"""Lines of equal error over training FLOPs and test FLOPs per item.

The **frontier** of an error says, at each training budget, the least test FLOPs per item with which some size of model
reaches it (:mod:`ttscale.scaling.tradeoff.frontier`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.numbers import positive
from ttscale.scaling.summaries.words import flops_words
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.frontier import Frontier, frontier
from ttscale.scaling.tradeoff.search import BEYOND, INPUTS, Box, Surface, box_of

_POINTS = 41
_LEVELS = (0.2, 0.4, 0.6, 0.8)  # quantiles of the measured errors


@dataclass(frozen=True, eq=False)
class Contour:
    """The points of one line of equal error, by increasing training FLOPs; none where it is never reached.

    Attributes:
        error: the level, as a fraction.
        train_flops, test_flops: of all models that take part, and per item, ``float64 [point]``.
        n, d, k: what they are spent on; k is not rounded.
        low, high: interval of the test FLOPs from the refits, which holds the law's form for true; ∞ where these do not
            reach the error at the same training FLOPs, NaN where there are no refits.
        inside: whether n, d and k lie within what was measured, ``bool [point]``; elsewhere the law extrapolates.
        text: what there is to say in a sentence.
    """

    error: float
    train_flops: np.ndarray = field(repr=False)
    test_flops: np.ndarray = field(repr=False)
    n: np.ndarray = field(repr=False)
    d: np.ndarray = field(repr=False)
    k: np.ndarray = field(repr=False)
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)
    level: float
    text: str

    @property
    def reached(self) -> bool:
        return len(self.train_flops) > 0


def contours(
    surface: Surface, costs: Costs, errors: Sequence[float] | None = None, *,
    train_flops: Sequence[float] | np.ndarray | None = None, beyond: float = BEYOND, warn: bool = True,
) -> tuple[Contour, ...]:  # fmt: skip
    """The frontier of each error.

    Args:
        surface: a fitted law of n, d and k. costs: of the same n and d.
        errors: levels; by default 4 between the errors that were measured.
        train_flops: training budgets near which points are wanted, ``[point]``; by default each line is drawn from end
            to end.
        beyond: how many times outside of the measured sizes, data and draws is looked.
        warn: whether a line that lies partly outside of them is warned of; ``inside`` and ``text`` say so in any case.

    Raises:
        TtscaleError: errors or budgets that are not finite numbers above 0, or as
            :func:`ttscale.scaling.tradeoff.search.box_of`.
    """
    box = box_of(surface, costs, beyond)
    budgets = None if train_flops is None else np.sort(_numbers("train_flops", train_flops))
    found = tuple(
        _contour(level, frontier(surface, costs, level, budgets, box), surface.level, box)
        for level in _levels(surface, errors)
    )
    _warn(found, warn)
    return found


def _contour(error: float, line: Frontier, level: float, box: Box) -> Contour:
    order = np.argsort(line.train_flops, kind="stable")
    parts = {name: values[order] for name, values in vars(line).items()}
    inside = box.inside(parts["n"], parts["d"], parts["k"])
    text = _words(error, parts["train_flops"], parts["test_flops"], inside)
    return Contour(error=error, **parts, inside=inside, level=level, text=text)


def _words(error: float, trained: np.ndarray, tests: np.ndarray, inside: np.ndarray) -> str:
    line = f"An error of {error_words(error)}"
    if not len(trained):
        return f"{line} is reached nowhere in what was searched, by this law."
    low, high = (f"{flops_words(trained[i])} of training and {flops_words(tests[i])} per item" for i in (0, -1))
    out = int((~inside).sum())
    far = f"; {out} of {len(inside)} points lie outside of what was measured" if out else ""
    ways = f"from {low} to {high}" if len(trained) > 1 else low
    return f"{line} takes {ways}, by this law{far}."


def error_words(error: float) -> str:
    """``8.5%`` of an error rate; of a loss of 1 and above, the number."""
    return f"{100 * error:.3g}%" if error < 1 else f"{error:.4g}"


def _warn(found: Sequence[Contour], warn: bool) -> None:
    lines = [one for one in found if not one.inside.all()]
    if warn and lines:
        warnings.warn(
            f"{len(lines)} of {len(found)} lines of equal error leave what was measured: there the law extrapolates",
            stacklevel=3,
        )


def _levels(surface: Surface, errors: Sequence[float] | None) -> np.ndarray:
    """The errors asked for; by default quantiles of those that the law gives for the measured points, to 2 digits."""
    if errors is not None:
        return _numbers("errors", errors)
    known = dict(zip(surface.points.names, surface.points.inputs, strict=True))
    n, d, k = (known.get(name, np.ones(1)) for name in INPUTS)
    fitted = surface.errors_at(surface.best, n, d, k)
    return np.array(sorted({float(f"{x:.2g}") for x in np.quantile(fitted, _LEVELS)}))


def _numbers(name: str, values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The values as an array; TtscaleError unless finite numbers above 0, at least one."""
    given = list(np.atleast_1d(values))
    if not given:
        raise TtscaleError(name, expected="finite numbers above 0", got="none", fix="Leave it out for the usual ones.")
    return np.array([positive(name, x, fix="Leave others out.") for x in given])
