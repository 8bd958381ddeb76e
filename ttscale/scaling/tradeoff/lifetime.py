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

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.numbers import is_number
from ttscale.scaling.summaries.words import flops_words, ratio_words
from ttscale.scaling.tradeoff.contours import error_words
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.search import BEYOND, Box, Surface, box_of, data_for, interval_of, least, refits

_NAMES = {"n": "this size", "d": "these data", "k": "these draws"}

_PARTS = ("n", "d", "k", "train_flops", "test_flops", "total_flops", "error")
_ROUND = 1e-9  # relative: a k so near to a whole number is that number

Spending = tuple[np.ndarray, np.ndarray, np.ndarray]  # n, d and k, each [boot]; NaN where there is no answer


@dataclass(frozen=True)
class Lifetime:
    """The best way to spend on training and on answering a number of queries.

    Intervals are percentiles of what each refit finds best; that of ``error`` is what the refits expect of the n, d and
    k that are given here. All is NaN, and ``total_flops`` of ``cheapest`` ∞, where the error is out of reach.

    Attributes:
        queries: how many; ``wanted``: the error that was asked for, or NaN of ``best``.
        n, d, k: size, data and draws. k is not rounded, but of ``whole``.
        train_flops, test_flops, total_flops: of all models, per query, and over the life.
        error: expected there, as a fraction.
        inside: whether n, d and k lie within what was measured.
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
    asked, wanted, box = _queries(queries), _number("error", error), box_of(surface, costs, beyond)

    def search(parameters: np.ndarray, draws: float | None) -> tuple[Spending, np.ndarray]:
        def total(x: np.ndarray) -> np.ndarray:
            n, k = np.exp(x[..., 0]), np.exp(x[..., 1])
            d = data_for(surface, parameters[:, None], n, k, wanted, box)
            return costs.train_flops(n, d, k) + asked * costs.test_flops(n, k)

        n, k, value = _least(total, len(parameters), box, draws)
        return (n, data_for(surface, parameters, n, k, wanted, box), k), value

    return _answer(surface, costs, Question(asked, wanted, math.nan, unit), box, search, warn)


def best(
    surface: Surface, costs: Costs, queries: float, total_flops: float, *, unit: str = "", beyond: float = BEYOND,
    warn: bool = True,
) -> Lifetime:  # fmt: skip
    """The least error that total FLOPs pay for, training and a number of queries together.

    Where more would not help, because data end at what is searched, less than the total is spent. Arguments and errors
    as for :func:`cheapest`.
    """
    asked, total, box = _queries(queries), _number("total_flops", total_flops), box_of(surface, costs, beyond)
    most = float(np.exp(box.high[1]))

    def affordable(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        d = costs.data(n, total - asked * costs.test_flops(n, k), k)
        return np.where(d >= np.exp(box.low[1]), np.minimum(d, most), math.nan)

    def search(parameters: np.ndarray, draws: float | None) -> tuple[Spending, np.ndarray]:
        def error(x: np.ndarray) -> np.ndarray:
            n, k = np.exp(x[..., 0]), np.exp(x[..., 1])
            return surface.errors_at(parameters[:, None], n, affordable(n, k), k)

        n, k, value = _least(error, len(parameters), box, draws)
        return (n, affordable(n, k), k), value

    return _answer(surface, costs, Question(asked, math.nan, total, unit), box, search, warn)


def _least(
    cost: Callable[[np.ndarray], np.ndarray], count: int, box: Box, draws: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The n and k ``[boot]`` of least cost in a box, at a given k or the best one, and the cost."""
    ends = np.stack([box.low[[0, 2]], box.high[[0, 2]]])
    if draws is not None:
        ends[:, 1] = math.log(draws)
    x, value = least(cost, *(np.tile(end, (count, 1)) for end in ends))
    n, k = np.where(np.isfinite(value)[:, None], np.exp(x), math.nan).T
    return n, k if draws is None else np.where(np.isfinite(value), draws, math.nan), value


def _answer(
    surface: Surface, costs: Costs, question: Question, box: Box,
    search: Callable[[np.ndarray, float | None], tuple[Spending, np.ndarray]], warn: bool,
) -> Lifetime:  # fmt: skip
    """The best spending, with k as it comes and with k whole."""
    several = np.concatenate([surface.best[None], refits(surface)])
    free = _lifetime(surface, costs, question, box, search(several, None)[0])
    if not free.reached:
        return free
    most = math.floor(math.exp(box.high[2]) * (1 + _ROUND))
    around = {min(most, round_it(free.k.value)) for round_it in (_down, _up)}
    chosen = min(sorted(around), key=lambda k: float(search(surface.best[None], k)[1][0]))
    whole = _lifetime(surface, costs, question, box, search(several, chosen)[0])
    if warn and not (free.inside and whole.inside):
        warnings.warn(f"the law extrapolates: {free.text}", stacklevel=3)
    return replace(free, whole=whole)


def _down(k: float) -> int:
    return max(1, math.floor(k * (1 + _ROUND)))


def _up(k: float) -> int:
    return math.ceil(k * (1 - _ROUND))


def _lifetime(surface: Surface, costs: Costs, question: Question, box: Box, found: Spending) -> Lifetime:
    n, d, k = found
    train, test = costs.train_flops(n, d, k), costs.test_flops(n, k)
    total = train + question.queries * test
    if question.wants_error:
        total = np.where(np.isfinite(total), total, np.inf)
    at = tuple(float(x[0]) for x in found)
    several = np.concatenate([surface.best[None], refits(surface)])
    errors = surface.errors_at(several, *(np.array(x) for x in at))
    spent = {
        name: interval_of(surface, float(x[0]), x[1:])
        for name, x in zip(_PARTS, (n, d, k, train, test, total, errors), strict=True)
    }
    reached = math.isfinite(at[0])
    inside, at_end = (bool(box.inside(*found)[0]), box.at_end(*at)) if reached else (False, ())
    text = _words(question, list(spent.values()), inside, at_end)
    return Lifetime(question.queries, question.error, **spent, inside=inside, at_end=at_end, text=text, whole=None)


def _words(question: Question, parts: list[Interval], inside: bool, at_end: tuple[str, ...]) -> str:
    n, d, k, train, _, total, error = parts
    queries = f"{question.queries:,.0f}" if question.queries < 1e9 else f"{question.queries:.3g}"
    goal = f"an error of {error_words(question.error)}" if question.wants_error else flops_words(question.total)
    if not math.isfinite(n.value):
        verb = "is out of reach" if question.wants_error else "are not enough"
        return f"For {queries} queries {goal} {verb}: no size, data and draws that were searched suffices."
    count = f"{k.value:.3g} draw{'' if k.value == 1 else 's'} a query"
    spent = f"a model of {n.value:.3g} parameters trained on {f'{d.value:.3g} {question.unit}'.strip()}, {count}"
    trained = 100 * train.value / total.value
    share = f"{f'{trained:.0f}%' if trained >= 1 else 'less than 1%'} of it training"
    if question.wants_error:
        low, high = (flops_words(x) if math.isfinite(x) else ratio_words(x) for x in (total.low, total.high))
        got = f"takes {flops_words(total.value)} ({100 * total.level:g}% interval {low} to {high}), {share}: {spent}"
    else:
        low, high = error_words(error.low), error_words(error.high)
        reach = f"an error of {error_words(error.value)} ({100 * error.level:g}% interval {low} to {high})"
        got = f"give at best {reach}: {spent}, {share}"
    ends = f"; the search goes no further than {' and '.join(_NAMES[x] for x in at_end)}" if at_end else ""
    far = "" if inside else "; this lies outside of what was measured"
    return f"For {queries} queries {goal} {got}{ends}{far}."


def _queries(value: object) -> float:
    if not is_number(value) or not 0 < value < math.inf:
        raise TtscaleError(
            "queries", expected="a finite number above 0", got=repr(value),
            fix="For training alone see SurfaceFit.optimum; without end to the queries only their own cost counts.",
        )  # fmt: skip
    return float(value)


def _number(name: str, value: object) -> float:
    if not is_number(value) or not 0 < value < math.inf:
        raise TtscaleError(name, expected="a finite number above 0", got=repr(value), fix="Give one.")
    return float(value)
