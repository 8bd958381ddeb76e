"""What measured options cost over a life of many queries, when all must be as accurate.

Every option is taken at its first budget that reaches the accuracy: T of training (of every model that it uses) and F
per query. Over Q queries it costs T + Q · F, a straight line; the lower envelope of the lines says which option is the
cheapest from how many queries on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ttscale.scaling.summaries.words import option_words
from ttscale.scaling.tradeoff.breakeven import BreakEven, Priced, break_even
from ttscale.scaling.tradeoff.entrants import Entrants
from ttscale.scaling.tradeoff.training_noise import with_seeds

_POINTS = 61
_BEYOND = 30.0  # times the outermost break-even: how far lines are told


@dataclass(frozen=True, eq=False)
class Life:
    """An option that reaches an accuracy.

    Attributes:
        rung, curve, k: its key, the name of its curve, and the draws; words: the same in words.
        rival: whether it was made of another rung with further training.
        share_reaching: in which share of the resamples (of items, and of training seeds where they are known) these
            draws reach the accuracy. An option is taken for what it measured: of many that are near the accuracy,
            some reach it by luck.
        train_flops: of every model that it uses. test_flops: per query.
        cheapest_from, cheapest_to: between these numbers of queries no other option costs less in all; NaN where one
            always does, ∞ for no end.
        total_flops: over each number of queries of :class:`Lives`.
    """

    rung: str
    curve: str
    k: int
    words: str
    rival: bool
    share_reaching: float
    train_flops: float
    test_flops: float
    cheapest_from: float
    cheapest_to: float
    total_flops: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Lives:
    """The options that reach an accuracy.

    Attributes:
        error: at most so much, as a fraction. queries: numbers of them, ascending, ``float64 [q]``.
        options: least training first. break_evens: between neighbours of those that are the cheapest somewhere.
    """

    error: float
    queries: np.ndarray = field(repr=False)
    options: tuple[Life, ...]
    break_evens: tuple[BreakEven, ...]


def lives(entrants: Entrants, error: float) -> Lives | None:
    """The options whose measured accuracy is at least 1 − ``error``; None where none is, or none whose training FLOPs
    are known.

    Intervals of the break-evens are over items, and over training seeds where some rung has several: each resample
    with the first budgets that reach the accuracy in it.
    """
    found = [one for number in range(len(entrants.options)) if (one := _reaching(entrants, number, error)) is not None]
    found.sort(key=lambda one: (one[1].train_flops, one[1].test_flops))
    if not found:
        return None
    prices = [priced for _, priced in found]
    chain, met = cheapest_in_turn([p.train_flops for p in prices], [p.test_flops for p in prices])
    queries = _queries([prices[at] for at in chain], met)
    ends = dict(zip(chain, zip([0.0, *met], [*met, math.inf], strict=True), strict=True))
    never = (math.nan, math.nan)
    level = entrants.contest.curves[0].level
    options = tuple(
        Life(*way, one.train_flops, one.test_flops, *ends.get(at, never), one.train_flops + queries * one.test_flops)
        for at, (way, one) in enumerate(found)
    )
    evens = (break_even(prices[b], prices[a], level=level) for a, b in pairwise(chain))
    return Lives(error, queries, options, tuple(evens))


def cheapest_in_turn(train: Sequence[float], test: Sequence[float]) -> tuple[list[int], list[float]]:
    """The lower envelope of the lines ``train + Q · test`` over Q ≥ 0: the positions of those on it, from few queries
    to many, and the numbers of queries at which one follows another."""
    at = min(range(len(train)), key=lambda i: (train[i], test[i]))
    chain, met = [at], list[float]()
    while True:
        leaner = [i for i in range(len(train)) if test[i] < test[at]]
        if not leaner:
            return chain, met
        crossed = {i: (train[i] - train[at]) / (test[at] - test[i]) for i in leaner}
        following = min(leaner, key=lambda i: (crossed[i], test[i]))
        met.append(crossed[following])
        chain.append(following)
        at = following


def _reaching(
    entrants: Entrants, number: int, error: float
) -> tuple[tuple[str, str, int, str, bool, float], Priced] | None:  # fmt: skip
    """An option's way and its price at its first budget that reaches an accuracy; None where there is no such budget,
    or its training is unknown."""
    option, rows = entrants.options[number], entrants.contest.row[entrants.contest.of == number]
    curve, wanted = option.curve, 1 - error
    rows = np.sort(rows)
    reached = curve.accuracy[rows] >= wanted
    if not reached.any() or not np.isfinite(option.train_flops[rows]).all():
        return None
    row = int(rows[reached.argmax()])
    again = with_seeds(curve.replicates[:, rows], entrants.rungs[option.rung], curve.seed) >= wanted
    first = rows[np.where(again.any(axis=1), again.argmax(axis=1), len(rows) - 1)]
    tests = np.where(again.any(axis=1), curve.flops[first], np.inf)
    k = int(curve.budgets[row])
    words = option_words(curve, k)
    share = float(again[:, rows == row].mean())
    way = (option.rung, curve.name, k, words, bool(entrants.rungs[option.rung].of), share)
    price = Priced(words, float(option.train_flops[row]), float(curve.flops[row]), option.train_flops[first], tests)
    return way, price


def _queries(prices: Sequence[Priced], met: Sequence[float]) -> np.ndarray:
    """Numbers of queries around those at which options meet, or at which their queries cost as much as training."""
    known = [q for q in met if q > 0] + [one.train_flops / one.test_flops for one in prices if one.train_flops > 0]
    low, high = (min(known) / _BEYOND, max(known) * _BEYOND) if known else (1.0, 1e6)
    return np.geomspace(max(low, 1.0), max(high, 100.0), _POINTS)
