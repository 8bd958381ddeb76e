"""What a model costs over its life: its training, and every query that it will answer.

For Q queries::

    total FLOPs = train(n) · d · models(k)  +  Q · test(n, k)

``cheapest`` finds the n, d and k of least total with which an error is reached, ``best`` those of least error that a
total pays for. Sardana et al. 2023 ("Beyond Chinchilla-optimal") is the case of one draw, and Roberts et al. 2026
("Test-time scaling makes overtraining compute-optimal") that of several.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ttscale.scaling.intervals.interval import Interval, undefined
from ttscale.scaling.numbers import positive
from ttscale.scaling.summaries.words import flops_words, number_words, ratio_words
from ttscale.scaling.tradeoff.contours import error_words
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.search import BEYOND, INPUTS, Box, Surface, box_of, interval_of, refits
from ttscale.scaling.tradeoff.spending import Goal, Of, Spending, cheapest_point

_NAMES = {"n": "this size", "d": "these data", "k": "these draws"}

_PARTS = ("n", "d", "k", "train_flops", "test_flops", "total_flops")
_ROUND = 1e-9  # relative: a k so near to a whole number is that number
_ROUNDINGS = ((math.floor, 1), (math.ceil, -1))
_EVERY = 32  # so many draws are all tried for the best whole number


@dataclass(frozen=True)
class Lifetime:
    """The best way to spend on training and on answering a number of queries.

    Intervals are percentiles of what each refit finds best: they hold the law's form for true. That of ``error`` is for
    a new measurement at the n, d and k that are given here, as of ``predict``, and holds the law's back-test error. All
    is NaN, and ``total_flops`` of ``cheapest`` ∞, where the error is out of reach; intervals also without refits.

    Attributes:
        queries: how many; ``wanted``: the error that was asked for, or NaN of ``best``.
        n, d, k: size, data and draws. k is not rounded, but of ``whole``.
        train_flops, test_flops, total_flops: of all models, per query, and over the life.
        error: expected there, as a fraction.
        inside: whether n, d and k lie within what was measured: d within the data that models of such a size had.
        at_end: which of them lie on an end of what was searched, and might go on beyond it.
        whole: the same with the best whole number of draws, which is what can be run; None of itself.
        text: the same in a sentence.
    """

    queries: float
    wanted: float
    n: Interval
    d: Interval
    k: Interval
    train_flops: Interval
    test_flops: Interval
    total_flops: Interval
    error: Interval
    inside: bool
    at_end: tuple[str, ...]
    text: str
    whole: Lifetime | None = field(default=None, repr=False)

    @property
    def reached(self) -> bool:
        return math.isfinite(self.n.value)


@dataclass(frozen=True)
class Question:
    """What is asked of a life: an error, or total FLOPs; the other is NaN."""

    queries: float
    error: float
    total: float
    unit: str

    @property
    def wants_error(self) -> bool:
        return not math.isnan(self.error)


def cheapest(
    surface: Surface, costs: Costs, queries: float, error: float, *, unit: str = "", beyond: float = BEYOND,
    warn: bool = True,
) -> Lifetime:  # fmt: skip
    """The least total FLOPs with which an error is reached, for a number of queries.

    Args:
        surface: a law of n and d, or of n, d and k. costs: of the same n and d.
        error: as a fraction (of a law of loss: the loss).
        unit: what d counts, for the sentence: ``"training tokens"``.
        beyond: how many times outside of the measured sizes, data and draws is searched.
        warn: whether an answer outside of them is warned of; ``inside`` and ``text`` say so in any case.

    Raises:
        TtscaleError: queries or an error that are not finite and above 0, or as
            :func:`ttscale.scaling.tradeoff.search.box_of`.
    """
    asked, wanted, box = _queries(queries), positive("error", error), box_of(surface, costs, beyond)

    def goal(parameters: np.ndarray) -> Goal:
        def error(n: np.ndarray, d: np.ndarray, k: np.ndarray, of: np.ndarray) -> np.ndarray:
            return np.log(surface.errors_at(parameters[of], n, d, k)) - math.log(wanted)

        def total(n: np.ndarray, d: np.ndarray, k: np.ndarray, of: np.ndarray) -> np.ndarray:
            return costs.train_flops(n, d, k) + asked * costs.test_flops(n, k)

        return Goal(error, False, total, costs.most_models)

    return _answer(surface, costs, Question(asked, wanted, math.nan, unit), box, goal, warn)


def best(
    surface: Surface, costs: Costs, queries: float, total_flops: float, *, unit: str = "", beyond: float = BEYOND,
    warn: bool = True,
) -> Lifetime:  # fmt: skip
    """The least error that total FLOPs pay for, training and a number of queries together.

    Where more would not help, because data end at what is searched, less than the total is spent. Arguments and errors
    as for :func:`cheapest`.
    """
    asked, total, box = _queries(queries), positive("total_flops", total_flops), box_of(surface, costs, beyond)

    def goal(parameters: np.ndarray) -> Goal:
        def left(n: np.ndarray, d: np.ndarray, k: np.ndarray, of: np.ndarray) -> np.ndarray:
            return math.log(total) - np.log(costs.train_flops(n, d, k) + asked * costs.test_flops(n, k))

        def error(n: np.ndarray, d: np.ndarray, k: np.ndarray, of: np.ndarray) -> np.ndarray:
            return surface.errors_at(parameters[of], n, d, k)

        return Goal(left, True, error, costs.most_models)

    return _answer(surface, costs, Question(asked, math.nan, total, unit), box, goal, warn)


def _answer(
    surface: Surface, costs: Costs, question: Question, box: Box, goal: Callable[[np.ndarray], Goal], warn: bool
) -> Lifetime:  # fmt: skip
    """The best spending, with k as it comes and with k whole."""
    several = np.concatenate([surface.best[None], refits(surface)])
    anything, price = cheapest_point(goal(several), box, len(several))
    if math.isinf(price[0]):
        return _lifetime(surface, costs, question, box, anything)
    draws = np.full(len(several), _whole(goal(surface.best[None]), box, float(anything[2][0])))
    whole, dearer = cheapest_point(goal(several), box, len(several), draws)
    found = tuple(np.where(dearer <= price, x, y) for x, y in zip(whole, anything, strict=True))
    free, runs = (_lifetime(surface, costs, question, box, one) for one in ((found[0], found[1], found[2]), whole))
    if warn and not (free.inside and runs.inside):
        warnings.warn(f"the law extrapolates: {free.text}", stacklevel=3)
    return replace(free, whole=runs)


def _whole(goal: Goal, box: Box, k: float) -> float:
    """The best whole number of draws: of all in the box, or where these are many of the first and of those about k and
    about the kink of the price."""
    most = math.floor(math.exp(box.high[2]) * (1 + _ROUND))
    around = {round_it(x * (1 + s * _ROUND)) for x in (k, goal.bend) if x < most for round_it, s in _ROUNDINGS}
    tried = np.array(sorted({*range(1, min(most, _EVERY) + 1), *(x for x in around if 1 <= x <= most), most}), float)
    alike = replace(goal, falls=_first_row(goal.falls), price=_first_row(goal.price))
    return float(tried[cheapest_point(alike, box, len(tried), tried)[1].argmin()])


def _first_row(function: Of) -> Of:
    return lambda n, d, k, of: function(n, d, k, np.zeros_like(of))


def _lifetime(surface: Surface, costs: Costs, question: Question, box: Box, found: Spending) -> Lifetime:
    n, d, k = found
    train, test = costs.train_flops(n, d, k), costs.test_flops(n, k)
    total = train + question.queries * test
    if question.wants_error:
        total = np.where(np.isfinite(total), total, np.inf)
    at = tuple(float(x[0]) for x in found)
    reached = math.isfinite(at[0])
    spent = {
        name: interval_of(surface, float(x[0]), x[1:])
        for name, x in zip(_PARTS, (n, d, k, train, test, total), strict=True)
    }
    spent["error"] = _expected(surface, at) if reached else undefined(surface.level)
    inside, at_end = (bool(box.inside(*found)[0]), box.at_end(*at)) if reached else (False, ())
    text = _words(question, list(spent.values()), inside, at_end)
    return Lifetime(question.queries, question.error, **spent, inside=inside, at_end=at_end, text=text, whole=None)


def _expected(surface: Surface, at: tuple[float, ...]) -> Interval:
    """The error at n, d and k, as ``predict`` says; that it may lie outside is told elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = dict(zip(INPUTS, (at[0], at[1], max(at[2], 1.0)), strict=True))
        return surface.predict(**{name: known[name] for name in surface.points.names})


def _words(question: Question, parts: list[Interval], inside: bool, at_end: tuple[str, ...]) -> str:
    n, d, k, train, _, total, error = parts
    queries = number_words(question.queries)
    goal = f"an error of {error_words(question.error)}" if question.wants_error else flops_words(question.total)
    if not math.isfinite(n.value):
        verb = "is out of reach" if question.wants_error else "are not enough"
        return f"For {queries} queries {goal} {verb}: no size, data and draws that were searched suffices."
    count = f"{k.value:.3g}"
    count += " draw a query" if count == "1" else " draws a query"
    data = number_words(d.value)
    data = f"{data} {question.unit.removesuffix('s') if data == '1' else question.unit}".strip()
    spent = f"a model of {number_words(n.value)} parameters trained on {data}, {count}"
    trained = 100 * train.value / total.value
    share = f"{f'{trained:.0f}%' if trained >= 1 else 'less than 1%'} of it training"
    if question.wants_error:
        far = _between(total, lambda x: flops_words(x) if math.isfinite(x) else ratio_words(x))
        got = f"takes {flops_words(total.value)}{far}, {share}: {spent}"
    else:
        reach = f"an error of {error_words(error.value)}{_between(error, error_words)}"
        got = f"give at best {reach}: {spent}, {share}"
    ends = f"; the search goes no further than {' and '.join(_NAMES[x] for x in at_end)}" if at_end else ""
    far = "" if inside else "; this lies outside of what was measured"
    return f"For {queries} queries {goal} {got}{ends}{far}."


def _between(interval: Interval, words: Callable[[float], str]) -> str:
    """The interval in brackets; nothing where it is not known."""
    if math.isnan(interval.low):
        return ""
    return f" ({100 * interval.level:g}% interval by this law {words(interval.low)} to {words(interval.high)})"


def _queries(value: object) -> float:
    without = "For training alone see SurfaceFit.optimum; without end to the queries only their own cost counts."
    return positive("queries", value, fix=without)
