"""One comparison of two runs on some of their items: accuracies, paired difference, flipped decisions and the test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from ttscale.scaling.comparison.paired_test import paired_p
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.intervals.resampled import Resampled
from ttscale.scaling.quality.compare import mcnemar

FEWEST_ITEMS = 10  # of a group that is tested
_ROUNDING = 1e-9
BETTER, WORSE, UNCLEAR, UNTESTED = "better", "worse", "no clear difference", "not tested"


class Costs(TypedDict):
    """Mean cost an item in either run; NaN where unknown."""

    flops_old: float
    flops_new: float
    tokens_old: float
    tokens_new: float


@dataclass(frozen=True)
class RunDifference:
    """New against old at one budget each, paired by item.

    Attributes:
        about: ``headline``, ``budgets`` (equal numbers of draws), ``costs`` (equal costs) or ``groups`` (some of the
            items, at the headline's budgets). group: which class or family, as ``class shirt``; ``""`` for all items.
        k_old, k_new: draws an item. flops_old, flops_new, tokens_old, tokens_new: mean cost an item over all items of
            the comparison; NaN where unknown.
        old, new: accuracies. difference: accuracy of new minus accuracy of old, a fraction.
        n_units: independent units among the items: items, or clusters of them.
        fixed, broken: how many items new decides right and old wrong, and the reverse; of text, whose credit is a mean
            over which samples are taken, right is more than half and wrong less. half: how many go to or from a tie,
            a credit of exactly one half.
        mcnemar: exact two-sided p-value of so many fixed and broken (McNemar, Psychometrika 12, 1947); NaN where items
            come in clusters, and where shares come of other numbers of draws or samples in old than in new: then the
            one side is more often beyond one half though nothing differs. p is the same unless credits are shares.
        p: two-sided p-value of no difference (see :func:`ttscale.scaling.comparison.paired_test.paired_p`).
        error: standard error of the difference, of the resamples; NaN where they do not vary.
        p_adjusted: by Holm over all comparisons that can decide the exit status; NaN for others.
        detectable: the true difference that these items would have shown with 80 % probability, at the level at which
            this comparison is tested beside the others; NaN where unknown.
        verdict: ``better``, ``worse``, ``no clear difference``, or ``not tested`` for those that cannot decide.
    """

    about: str
    group: str
    k_old: int
    k_new: int
    flops_old: float
    flops_new: float
    tokens_old: float
    tokens_new: float
    n_items: int
    n_units: int
    old: Interval
    new: Interval
    difference: Interval
    fixed: int
    broken: int
    half: int
    mcnemar: float
    p: float
    error: float
    p_adjusted: float = math.nan
    detectable: float = math.nan
    verdict: str = UNTESTED


@dataclass(frozen=True)
class Flip:
    """An item whose decision changed: its credit in either run, in [0, 1]."""

    item_id: str
    old: float
    new: float


@dataclass(frozen=True, eq=False)
class Measured:
    """Credits of the shared items, and how they are resampled.

    Attributes:
        old, new: by budget, ``float64 [item]``.
        samples: how many draws each item has in old and in new, ``int64 [item]``.
        units: cluster index of each item, or None.
    """

    old: dict[int, np.ndarray]
    new: dict[int, np.ndarray]
    samples: tuple[np.ndarray, np.ndarray]
    units: np.ndarray | None
    level: float
    n_boot: int
    seed: int
    interval: str

    @property
    def unchanged(self) -> bool:
        """Whether every item earns the same in both, at the same budgets."""
        return self.old.keys() == self.new.keys() and all(np.array_equal(self.old[k], self.new[k]) for k in self.old)

    def row(
        self, about: str, group: str, k_old: int, k_new: int, costs: Costs, items: np.ndarray | None = None
    ) -> RunDifference:
        """The comparison of these budgets on all items, or on some (``bool [item]``)."""
        old, new, units = self.old[k_old], self.new[k_new], self.units
        alike = k_old == k_new and np.array_equal(*self.samples)
        if items is not None:
            old, new = old[items], new[items]
            units = None if units is None else np.unique(units[items], return_inverse=True)[1]
        one = Resampled(np.stack([old, new]), units, self.level, self.n_boot, self.seed, self.interval)
        fixed, broken, half = (int(changed.sum()) for changed in flipped(old, new))
        counted = units is None and (alike or _decisions(old, new))
        alone = one.n_units < 2
        before, after = self._accuracies(one)
        gap = self._unknown(after.value - before.value) if alone else one.minus(1, one, 0)
        return RunDifference(
            about, group, k_old, k_new, **costs, n_items=len(old), n_units=one.n_units, old=before, new=after,
            difference=gap, fixed=fixed, broken=broken, half=half,
            mcnemar=mcnemar(fixed, broken) if counted else math.nan,
            p=math.nan if alone else paired_p(new - old, units, seed=self.seed),
            error=math.nan if alone else _spread(one.replicates[:, 1] - one.replicates[:, 0]),
        )  # fmt: skip

    def _accuracies(self, one: Resampled) -> tuple[Interval, Interval]:
        """Those of both rows; without an interval where there is one item, or cluster, alone."""
        values = [float(value) for value in one.accuracy]
        if one.n_units < 2:
            return self._unknown(values[0]), self._unknown(values[1])
        return one.interval(0), one.interval(1)

    def _unknown(self, value: float) -> Interval:
        return Interval(value, math.nan, math.nan, self.level, "one item, or cluster of items, has no interval")


def flipped(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which items are fixed, which broken, and which go to or from a tie, ``bool [item]`` each: a credit of more than
    half is right, of less wrong, and of half neither."""
    before, after = (np.sign(np.where(np.abs(credit - 0.5) < _ROUNDING, 0.0, credit - 0.5)) for credit in (old, new))
    return (before < 0) & (after > 0), (before > 0) & (after < 0), (before != after) & (before * after == 0)


def _decisions(*credits: np.ndarray) -> bool:
    """Whether every credit is of one decision, right or wrong."""
    return all(bool(np.isin(np.round(credit, 9), (0.0, 1.0)).all()) for credit in credits)


def _spread(replicates: np.ndarray) -> float:
    return float(np.std(replicates, ddof=1)) if np.ptp(replicates) > 0 else math.nan
