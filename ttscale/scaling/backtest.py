"""Back-tests: how well a law predicts budgets that it was not fitted to, on items that it was not fitted to.

The items are split in two (keyed, clusters kept whole). A law is fitted to the lower budgets of one half and predicts
the higher budgets of the other half; then the halves change places; and this for several splits. Two errors come out:

- ``rmse``: of the predicted accuracy. Most of it is often the sampling difference between two halves of the items,
  which no law can know and which is the same for every law.
- ``gain_rmse``: of the predicted *gain*, that is accuracy at a held-out budget minus accuracy at the smallest one,
  predicted by the law from one half and observed on the other. The level of a half cancels, so this is what tells laws
  apart; it chooses the law and widens its predictions. The constant wins only where more draws gain nothing.

Fitting the smaller and predicting the larger is the test of scaling laws of Alabdulmohsin et al., "Revisiting neural
scaling laws in language and vision", NeurIPS 2022; the exchanged halves are twofold cross-validation (Stone 1974).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ttscale.scaling.bootstrap import mean_credit
from ttscale.scaling.curves import Curve
from ttscale.scaling.halves import first_half
from ttscale.scaling.laws import Law
from ttscale.scaling.separable import fit_many, mean_covariance, with_misfit


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a law predicted and what came.

    Attributes:
        fitted, held_out: the budgets of either kind, ``int64 [k]``.
        predicted, observed: accuracy at the held-out budgets, ``float64 [fold, k]``.
        rmse, gain_rmse: see the module; fractions, NaN when there was no budget to hold out or too few to fit.
    """

    fitted: np.ndarray
    held_out: np.ndarray
    predicted: np.ndarray = field(repr=False)
    observed: np.ndarray = field(repr=False)
    rmse: float
    gain_rmse: float


@dataclass(frozen=True, eq=False)
class Folds:
    """Halves of a curve's items: what fold ``i`` is fitted on and scored on.

    Attributes:
        fitted_on, scored_on: accuracy, ``float64 [fold, k]``.
        covariance: of ``fitted_on``, ``float64 [fold, k, k]``.
        n_fitted: how many of the lower budgets are fitted.
    """

    fitted_on: np.ndarray
    scored_on: np.ndarray
    covariance: np.ndarray
    n_fitted: int


def folds_of(curve: Curve, *, n_splits: int = 5) -> Folds:
    """Both directions of ``n_splits`` splits of the curve's items.

    The budgets held out are those above half the largest one; at least the first 4 budgets are fitted, and at least the
    last one is held out.
    """
    firsts = [first_half(curve.item_ids, curve.clusters, seed=curve.seed, repeat=repeat) for repeat in range(n_splits)]
    halves = firsts + [~first for first in firsts]
    accuracy = np.array([mean_credit(curve.credit[:, half]) for half in halves])
    covariance = np.array([
        mean_covariance(curve.credit[:, half], None if curve.units is None else curve.units[half]) for half in halves
    ])  # fmt: skip
    n = len(curve.budgets)
    n_fitted = max(int((curve.budgets <= curve.budgets[-1] / 2).sum()), min(4, n - 1))
    return Folds(accuracy, np.roll(accuracy, n_splits, axis=0), covariance, n_fitted)


def backtest(law: Law, curve: Curve, folds: Folds, x: np.ndarray) -> Backtest:
    """Back-test one law on the folds of a curve; ``x [k]`` is what the law is a function of."""
    low, high = slice(0, folds.n_fitted), slice(folds.n_fitted, None)
    fitted, held_out = curve.budgets[low], curve.budgets[high]
    observed = folds.scored_on[:, high]
    if len(law.parameters) > len(fitted):
        return Backtest(fitted, held_out, np.full_like(observed, np.nan), observed, math.nan, math.nan)
    everywhere = np.clip([
        _fitted(law, x[low], accuracy[None, low], covariance[low, low], x)
        for accuracy, covariance in zip(folds.fitted_on, folds.covariance, strict=True)
    ], 0.0, 1.0)  # fmt: skip
    error = everywhere - folds.scored_on
    gain_error = error[:, high] - error[:, :1]
    return Backtest(
        fitted, held_out, everywhere[:, high], observed, math.sqrt((error[:, high] ** 2).mean()),
        math.sqrt((gain_error**2).mean()),
    )  # fmt: skip


def _fitted(law: Law, x: np.ndarray, y: np.ndarray, covariance: np.ndarray, everywhere: np.ndarray) -> np.ndarray:
    residual = y - law.value(x, fit_many(law, x, y))
    return law.value(everywhere, fit_many(law, x, y, with_misfit(covariance, residual)))[0]
