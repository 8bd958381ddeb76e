"""The Pareto front of cost and accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.summaries.words import option_words
from ttscale.scaling.tradeoff.entrants import Entrants


@dataclass(frozen=True)
class FrontPoint:
    """What no other measured way to spend test-time compute beats: none costs less and is as accurate.

    Attributes:
        rung, curve, k: its key, the name of its curve, and the draws; words: the same in words.
        flops: per item. train_flops: of every model that it uses; NaN where unknown.
        rival: whether it was made of another rung with further training.
        accuracy: as measured, as a fraction: optimistic, since the same items say that it is on the front.
        honest: accuracy of the best within this cost, each tenth of the items scored by what the others chose.
    """

    rung: str
    curve: str
    k: int
    flops: float
    train_flops: float
    rival: bool
    accuracy: float
    honest: Interval
    words: str


def front(entrants: Entrants) -> tuple[FrontPoint, ...]:
    """The front of test FLOPs and accuracy over all entrants, whatever they cost to train, cheapest first."""
    contest, out = entrants.contest, []
    where = list(zip(contest.of, contest.row, strict=True))
    for candidate in pareto(contest.flops, np.array([contest.curves[i].accuracy[row] for i, row in where])):
        option, row = entrants.option(candidate), int(contest.row[candidate])
        curve, k = option.curve, int(option.curve.budgets[row])
        honest = entrants.accuracy(contest.credit(contest.choose(entrants.within(float(contest.flops[candidate])))))
        out.append(FrontPoint(
            option.rung, curve.name, k, float(curve.flops[row]), float(option.train_flops[row]),
            bool(entrants.rung(candidate).of), float(curve.accuracy[row]), honest, option_words(curve, k),
        ))  # fmt: skip
    return tuple(out)


def pareto(costs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions of the points that no other point beats, in order of increasing cost: ``int64 [point]``.

    A point is beaten by one that costs no more and is worth more, or costs less and is worth as much. Of equal points
    the first stays. Points with a NaN are left out.
    """
    costs, values = np.asarray(costs, dtype=np.float64), np.asarray(values, dtype=np.float64)
    known = np.flatnonzero(~(np.isnan(costs) | np.isnan(values)))
    order = known[np.lexsort((known, -values[known], costs[known]))]
    if not len(order):
        return order
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(values[order])[:-1]])
    return order[values[order] > best_before]
