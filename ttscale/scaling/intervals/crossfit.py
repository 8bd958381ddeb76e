"""Choosing an option by its accuracy and scoring it on items that did not choose it.

The items are dealt into ten folds; each fold is scored by the option that is most accurate on the other nine (the
cheapest of equals). Choosing and scoring on the same items would favour the options, the more so the more there are;
choosing on half of the items alone would often pick a worse one than all of them would. Intervals resample items with
the choices held fixed. Cross-fitting: Stone, "Cross-validatory choice and assessment of statistical predictions", JRSS
B 36 (1974); with all folds averaged, Chernozhukov et al., "Double/debiased machine learning", Econometrics Journal 21
(2018), definition 3.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.bootstrap import bootstrap_means, count_units, mean_credit
from ttscale.scaling.intervals.halves import check_halves, folds
from ttscale.scaling.intervals.interval import Interval, detectable, difference_bounds

FOLDS = 10
_DECIMALS = 12  # as of mean_credit: equal accuracies come out as equal numbers


@dataclass(frozen=True)
class Choice:
    """A curve's name and the budget chosen."""

    curve: str
    k: int


@dataclass(frozen=True, eq=False)
class Contest:
    """Budgets of curves, all on the same items and resamples, that the folds of the items choose among.

    Attributes:
        curves: their curves.
        of, row: of each candidate its curve and its position in that curve's ``budgets``, ``int64 [candidate]``; the
            cheapest candidates first.
        fold: of each item, ``int64 [item]``.
        elsewhere: accuracy of each candidate on the items of the other folds, ``float64 [fold, candidate]``.
    """

    curves: tuple[Curve, ...]
    of: np.ndarray
    row: np.ndarray
    fold: np.ndarray
    elsewhere: np.ndarray

    @classmethod
    def among(cls, options: Sequence[tuple[Curve, np.ndarray]]) -> Contest:
        """Of curves, each with the rows (positions in ``budgets``) to choose from.

        Raises:
            TtscaleError: too few items (or clusters) to choose on some and score on others.
        """
        first = options[0][0]
        check_halves(first.item_ids, first.clusters)
        fold = folds(first.item_ids, first.clusters, FOLDS, seed=first.seed)
        of = np.repeat(np.arange(len(options)), [len(rows) for _, rows in options])
        row = np.concatenate([rows for _, rows in options]).astype(np.int64)
        right = np.concatenate([_fold_sums(curve.credit[rows], fold) for curve, rows in options])
        flops = np.concatenate([curve.flops[rows] for curve, rows in options])
        order = np.lexsort((row, of, flops))
        sizes = np.bincount(fold)
        elsewhere = (right.sum(axis=1, keepdims=True) - right).T[:, order] / (sizes.sum() - sizes)[:, None]
        curves = tuple(curve for curve, _ in options)
        return cls(curves, of[order], row[order], fold, np.round(elsewhere, _DECIMALS))

    @cached_property
    def flops(self) -> np.ndarray:
        """Cost per item of each candidate, ``float64 [candidate]``, increasing."""
        return np.array([self.curves[i].flops[row] for i, row in zip(self.of, self.row, strict=True)])

    def choose(self, allowed: np.ndarray) -> np.ndarray:
        """The candidate that each fold is scored by, ``int64 [fold]``: of those allowed the best on the others.

        Args:
            allowed: ``bool [candidate]``, or ``[fold, candidate]``; at least one (of each fold).
        """
        return np.where(allowed, self.elsewhere, -np.inf).argmax(axis=1)

    def credit(self, chosen: np.ndarray) -> np.ndarray:
        """Of each item that of the candidate chosen for its fold, ``float64 [item]``."""
        out = np.empty(len(self.fold))
        for number, candidate in enumerate(chosen):
            scored = self.fold == number
            out[scored] = self.curves[self.of[candidate]].credit[self.row[candidate], scored]
        return out

    def choice(self, candidate: int) -> Choice:
        curve = self.curves[self.of[candidate]]
        return Choice(curve.name, int(curve.budgets[self.row[candidate]]))

    def choices(self, chosen: np.ndarray) -> tuple[Choice, ...]:
        """The different choices, that of most folds first."""
        return tuple(self.choice(candidate) for candidate, _ in Counter(chosen.tolist()).most_common())

    def against(
        self, rival: np.ndarray, allowed: np.ndarray | None = None, *, noise: np.ndarray | float = 0.0
    ) -> tuple[Interval, tuple[Choice, ...], float]:
        """The best candidate's accuracy minus a rival's, cross-fitted.

        Args:
            rival: credit of the rival, ``[item]``.
            allowed: as for :meth:`choose`; None: all.
            noise: as for :meth:`difference`, of all candidates or of each, ``[candidate]``.

        Returns:
            The difference as a fraction; the different choices, that of most folds first; and the difference that
            would have been detected with 80 % power (see :func:`ttscale.scaling.intervals.interval.detectable`).
        """
        everyone = np.ones(len(self.of), dtype=bool)
        chosen = self.choose(everyone if allowed is None else allowed)
        of_folds = (noise * everyone)[chosen]
        interval, smallest = self.difference(self.credit(chosen), rival, noise=float(np.sqrt(np.mean(of_folds**2))))
        return interval, self.choices(chosen), smallest

    def difference(self, credit: np.ndarray, rival: np.ndarray, *, noise: float = 0.0) -> tuple[Interval, float]:
        """The mean of cross-fitted credits minus that of a rival's, ``[item]`` each, paired by item, and the difference
        that would have been detected with 80 % power (see :func:`ttscale.scaling.intervals.interval.detectable`).

        Args:
            noise: standard deviation of what else the difference varies by, normally distributed: training seeds.
        """
        curve = self.curves[0]
        apart = credit - rival
        replicates = bootstrap_means(apart[None], units=curve.units, n_boot=curve.n_boot, seed=curve.seed)[:, 0]
        method = f"cross-fitted choice, paired {curve.method}"
        if noise > 0:
            rng = np.random.default_rng([curve.seed & 0xFFFFFFFFFFFFFFFF, curve.n_boot, len(self.fold)])
            replicates = replicates + noise * rng.standard_normal(len(replicates))
            method += ", and over training seeds"
        low, high = difference_bounds(replicates, curve.level, count_units(curve.n_items, curve.units))
        interval = Interval(float(mean_credit(apart)), low, high, curve.level, method)
        return interval, detectable(replicates, curve.level)


def _fold_sums(credit: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Sums over the items of each fold, ``float64 [row, fold]``, of ``credit [row, item]``."""
    member = (fold[:, None] == np.arange(fold.max() + 1)).astype(np.float64)
    return np.asarray(credit, dtype=np.float64) @ member
