"""How well a back-test knows which of two laws errs less.

Every split halves the same items, so its folds are no independent witnesses: a mean over five splits is hardly better
known than one over a single split, and whatever it says of two laws may be the luck of these items. The unit here is a
split, both directions together. Of ``J`` splits, whose differences between two laws' squared errors have the variance
``S²``, the variance of the mean difference is not ``S²/J`` but ``(1/J + held-out/fitted items)·S²`` (Nadeau and Bengio,
"Inference for the generalization error", Machine Learning 52, 2003), here ``(1/J + 1)·S²``, and the true difference has
Student's t distribution about the mean, of ``J − 1`` degrees of freedom (Corani and Benavoli, "A Bayesian approach for
comparing cross-validated algorithms on multiple data sets", Machine Learning 100, 2015). It is a difference between two
laws on the same folds: what halves of the items have in common is no doubt about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from ttscale.scaling.fits.backtest import Backtest

NOTHING = 5e-5  # an error that no page shows
_TWO_TO_ONE = 2 / 3


@dataclass(frozen=True, eq=False)
class Doubt:
    """What several laws' back-tests on the same folds leave open.

    Attributes:
        unsure: standard errors of the differences between their mean squared errors, ``float64 [law, law]``.
        freedom: their degrees of freedom.
    """

    unsure: np.ndarray
    freedom: int

    def odds(self, squares: np.ndarray) -> np.ndarray:
        """The odds, at most 1, that a law errs less than the best one does: ``float64 [law]``.

        Args:
            squares: mean squared errors ``[law]``, some of them finite; the odds of a law whose error is NaN are 0.
        """
        known, best = np.isfinite(squares), int(np.nanargmin(squares))
        behind = np.where(known & (squares > max(squares[best], NOTHING**2)), squares - squares[best], 0.0)
        unsure = self.unsure[best]
        steps = np.divide(behind, unsure, out=np.where(behind > 0, np.inf, 0.0), where=unsure > 0)
        less = np.where(known, stdtr(self.freedom, -steps), 0.0)
        return np.asarray(less / (1.0 - less))

    def margins(self, squares: np.ndarray) -> np.ndarray:
        """How far a mean squared error may lie above the least ``[law]``, at odds of two to one that it is larger."""
        return np.asarray(self.unsure[int(np.nanargmin(squares))] * stdtrit(self.freedom, _TWO_TO_ONE))


def doubt_of(backtests: Sequence[Backtest]) -> Doubt:
    """Of laws that were back-tested on the same folds; of a single split the units are its two directions."""
    squares = np.array([tested.squares for tested in backtests])
    of_splits = 0.5 * np.add(*np.split(squares, 2, axis=1)) if squares.shape[1] > 2 else squares
    apart = of_splits[:, None] - of_splits[None]
    n = of_splits.shape[1]
    return Doubt(np.sqrt((1 / n + 1) * apart.var(axis=2, ddof=1)), n - 1)
