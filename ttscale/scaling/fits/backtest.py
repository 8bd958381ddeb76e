"""Back-tests: how well a law predicts budgets that it was not fitted to, on items that it was not fitted to.

The items are split in two (keyed, clusters kept whole). A law is fitted to the lower budgets of one half and predicts
the higher budgets of the other half; then the halves change places; and this for several splits. Two errors come out:

- ``rmse``: of the predicted accuracy. Most of it is often the sampling difference between two halves of the items,
  which no law can know and which is the same for every law.
- ``gain_rmse``: of the predicted *gain*, that is accuracy at a held-out budget minus accuracy at the smallest one,
  predicted by the law from one half and observed on the other. The level of a half cancels, so this is what tells laws
  apart; it chooses the law and widens its predictions. The constant wins only where more draws gain nothing.

Part of that error is no fault of the law: the gain that is observed on a half has a sampling error of its own. It is
known, and its variance is taken off where the error says how far a prediction may be wrong (``gain_misfit``).

A law that is fitted to counts of right samples sees them thinned to as many samples as the largest of the lower
budgets, so that it knows no more of its half than the other laws do. No law sees a draw of the half it is scored on.

Fitting the smaller and predicting the larger is the test of scaling laws of Alabdulmohsin et al., "Revisiting neural
scaling laws in language and vision", NeurIPS 2022; the exchanged halves are twofold cross-validation (Stone 1974).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ttscale.scaling.fits.covariance import mean_covariance
from ttscale.scaling.fits.fitted import CONVERGED
from ttscale.scaling.fits.pairs import thinned
from ttscale.scaling.fits.points import Points
from ttscale.scaling.intervals.bootstrap import mean_credit
from ttscale.scaling.intervals.halves import first_half


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a law predicted and what came.

    Attributes:
        fitted, held_out: the budgets of either kind, ``int64 [k]``.
        predicted, observed: accuracy at the held-out budgets, ``float64 [fold, k]``. Fold ``i + n_splits`` is fold
            ``i`` with its halves exchanged.
        predicted_gain, observed_gain: the same minus accuracy at the smallest budget.
        noise: root mean square sampling error of the observed gains.
        converged: share of the folds whose fit converged.
    """

    fitted: np.ndarray
    held_out: np.ndarray
    predicted: np.ndarray = field(repr=False)
    observed: np.ndarray = field(repr=False)
    predicted_gain: np.ndarray = field(repr=False)
    observed_gain: np.ndarray = field(repr=False)
    noise: float
    converged: float = 1.0

    @cached_property
    def rmse(self) -> float:
        """Error of the accuracy, a fraction; NaN where there was no budget to hold out, or too few to fit."""
        return _rms(self.predicted - self.observed)

    @cached_property
    def gain_rmse(self) -> float:
        """Error of the gain; likewise."""
        return _rms(self.predicted_gain - self.observed_gain)

    @property
    def gain_misfit(self) -> float:
        """Error of the gain that sampling does not explain, neither of what was observed nor of what was fitted.

        It is at least half of the whole. The sampling variance of a prediction from one half of the items is half the
        mean square difference of those from both halves, which share no item.
        """
        one, other = np.split(self.predicted_gain, 2)
        fitted = 0.5 * float(((one - other) ** 2).mean()) if one.size else math.nan
        return math.sqrt(max(self.gain_rmse**2 - self.noise**2 - fitted, 0.25 * self.gain_rmse**2))

    @cached_property
    def squares(self) -> np.ndarray:
        """Mean squared error of the gain in each fold, ``float64 [fold]``."""
        return np.asarray(((self.predicted_gain - self.observed_gain) ** 2).mean(axis=1))

    @property
    def possible(self) -> bool:
        return math.isfinite(self.gain_rmse)

    @property
    def sound(self) -> bool:
        """Whether it tells of the law: its fits to (nearly all of) the folds converged."""
        return self.possible and self.converged >= CONVERGED


@dataclass(frozen=True, eq=False)
class Folds:
    """Halves of a curve's items: what fold ``i`` is fitted on and scored on.

    Attributes:
        points: of the curve.
        halves: the items that each fold is fitted on, ``bool [fold, item]``.
        fitted_on, scored_on: accuracy, ``float64 [fold, k]``.
        covariance: of the lower budgets of ``fitted_on``, ``float64 [fold, k, k]``.
        n_fitted: how many of the lower budgets are fitted.
        noise: root mean square sampling error of the gains of ``scored_on`` at the higher budgets.
    """

    points: Points
    halves: np.ndarray
    fitted_on: np.ndarray
    scored_on: np.ndarray
    covariance: np.ndarray
    n_fitted: int
    noise: float

    @property
    def fitted(self) -> np.ndarray:
        """The lower budgets, ``int64 [k]``."""
        return self.points.curve.budgets[: self.n_fitted]

    @cached_property
    def thinned(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``n`` and ``c`` of the thinned counts ``[pair]``, and their weights ``[fold, pair]``."""
        pairs, m = self.points.pairs, int(self.fitted[-1])
        assert pairs is not None
        right, share = thinned(pairs, m)
        weights = np.array([pairs.weights(half) for half in self.halves]) @ share
        return np.full(len(right), m), right, weights


def folds_of(points: Points, *, n_splits: int = 5) -> Folds:
    """Both directions of ``n_splits`` splits of the curve's items.

    The budgets held out are those above half the largest one; at least the first 4 budgets are fitted, and at least the
    last one is held out.
    """
    curve = points.curve
    firsts = [first_half(curve.item_ids, curve.clusters, seed=curve.seed, repeat=repeat) for repeat in range(n_splits)]
    halves = np.array(firsts + [~first for first in firsts])
    n = len(curve.budgets)
    n_fitted = max(int((curve.budgets <= curve.budgets[-1] / 2).sum()), min(4, n - 1))
    accuracy = np.array([mean_credit(curve.credit[:, half]) for half in halves])
    low = slice(0, n_fitted)
    every = np.array([
        mean_covariance(curve.credit[:, half], None if curve.units is None else curve.units[half]) for half in halves
    ])  # fmt: skip
    # Half the items: the random subsets of their samples leave twice the variance.
    every += 2 * points.monte_carlo
    to_gain = np.eye(n)[n_fitted:] - np.eye(n)[0]
    noise = math.sqrt(np.einsum("gi,fij,gj->fg", to_gain, every, to_gain).clip(min=0.0).mean())
    scored_on = np.roll(accuracy, n_splits, axis=0)
    return Folds(points, halves, accuracy, scored_on, every[:, low, low], n_fitted, noise)


def scored(folds: Folds, accuracy: np.ndarray, converged: float) -> Backtest:
    """The back-test of what was said of the folds of a curve.

    Args:
        accuracy: at every budget, from what each fold was fitted on, ``[fold, k]``; NaN where nothing could be fitted.
        converged: share of the fits that converged.
    """
    curve, observed = folds.points.curve, folds.scored_on
    high = slice(folds.n_fitted, None)
    return Backtest(
        folds.fitted, curve.budgets[high], accuracy[:, high], observed[:, high], accuracy[:, high] - accuracy[:, :1],
        observed[:, high] - observed[:, :1], folds.noise, converged,
    )  # fmt: skip


def _rms(error: np.ndarray) -> float:
    return math.sqrt((error**2).mean()) if error.size else math.nan
