"""Lines of equal error over training FLOPs and test FLOPs per item.

The **frontier** of an error says, at each training budget, the least test FLOPs per item with which some size of model
reaches it (:mod:`ttscale.scaling.tradeoff.frontier`). A **slice** keeps the size or the data: its draws make up for the
data, or the size, that a model lacks.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.numbers import positive
from ttscale.scaling.summaries.words import flops_words, number_words
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.frontier import Frontier, frontier
from ttscale.scaling.tradeoff.search import BEYOND, INPUTS, Box, Surface, box_of, draws_for, refit_ends, refits

_POINTS = 41
_LEVELS = (0.2, 0.4, 0.6, 0.8)  # quantiles of the measured errors


@dataclass(frozen=True, eq=False)
class Contour:
    """The points of one line of equal error, by increasing training FLOPs; none where it is never reached.

    Attributes:
        error: the level, as a fraction.
        along: ``"frontier"``; ``"d"``, data at one size; ``"n"``, size at one amount of data.
        fixed: that size or that data; NaN of a frontier.
        train_flops, test_flops: of all models that take part, and per item, ``float64 [point]``.
        n, d, k: what they are spent on; k is not rounded.
        low, high: interval of the test FLOPs from the refits, which holds the law's form for true; ∞ where these do not
            reach the error, NaN where there are no refits. Of a frontier at
            the same training FLOPs, of a slice for the same n and d.
        inside: whether n, d and k lie within what was measured, ``bool [point]``; elsewhere the law extrapolates.
        text: what there is to say in a sentence.
    """

    error: float
    along: str
    fixed: float
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
        _contour(level, "frontier", math.nan, frontier(surface, costs, level, budgets, box), surface.level, box)
        for level in _levels(surface, errors)
    )
    _warn(found, warn)
    return found


def slice_contours(
    surface: Surface, costs: Costs, errors: Sequence[float] | None = None, *, n: Sequence[float] = (),
    d: Sequence[float] = (), beyond: float = BEYOND, warn: bool = True,
) -> tuple[Contour, ...]:  # fmt: skip
    """Lines of equal error at fixed sizes ``n``, along the data, and at fixed amounts of data ``d``, along the size.

    Arguments and errors as for :func:`contours`; without ``n`` and ``d`` at the sizes of the costs.
    """
    box = box_of(surface, costs, beyond)
    sizes, data = (_numbers(name, given) if len(given) else np.empty(0) for name, given in (("n", n), ("d", d)))
    sizes = sizes if len(sizes) + len(data) else costs.n
    lines = [("d", float(x)) for x in sizes] + [("n", float(x)) for x in data]
    levels = _levels(surface, errors)
    found = tuple(_slice(surface, costs, level, along, x, box) for level in levels for along, x in lines)
    _warn(found, warn)
    return found


def _slice(surface: Surface, costs: Costs, error: float, along: str, fixed: float, box: Box) -> Contour:
    """A line at a fixed size, over data, or at fixed data, over the size; of what is measured, with its draws."""
    varied = 1 if along == "d" else 0
    moving = np.exp(np.linspace(box.low[varied], box.high[varied], _POINTS))
    n, d = (np.full(_POINTS, fixed), moving) if along == "d" else (moving, np.full(_POINTS, fixed))
    k = draws_for(surface, surface.best, n, d, error, box)
    n, d, k = (x[np.isfinite(k)] for x in (n, d, k))
    several = draws_for(surface, refits(surface)[:, None], n, d, error, box)
    low, high = refit_ends(surface, costs.test_flops(n, several))
    line = Frontier(costs.train_flops(n, d, k), costs.test_flops(n, k), n, d, k, low, high)
    return _contour(error, along, fixed, line, surface.level, box)


def _contour(error: float, along: str, fixed: float, line: Frontier, level: float, box: Box) -> Contour:
    order = np.argsort(line.train_flops, kind="stable")
    parts = {name: values[order] for name, values in vars(line).items()}
    inside = box.inside(parts["n"], parts["d"], parts["k"])
    text = _words(error, along, fixed, parts["train_flops"], parts["test_flops"], inside)
    return Contour(error=error, along=along, fixed=fixed, **parts, inside=inside, level=level, text=text)


def _words(
    error: float, along: str, fixed: float, trained: np.ndarray, tests: np.ndarray, inside: np.ndarray
) -> str:  # fmt: skip
    at = number_words(fixed)
    where = {"frontier": "", "d": f" at {at} parameters", "n": f" with data {at}"}[along]
    line = f"An error of {error_words(error)}{where}"
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
