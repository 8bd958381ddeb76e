"""What makes forecasts of a curve: every law of the table, and the average over populations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.fits.backtest import Folds
from ttscale.scaling.fits.fitted import Fitted, Fitting, fit_folds, fit_points
from ttscale.scaling.fits.forecast import Forecast
from ttscale.scaling.fits.points import Points
from ttscale.scaling.fits.populations import OverPopulations
from ttscale.scaling.intervals.bootstrap import count_units
from ttscale.scaling.laws.law import Law
from ttscale.scaling.laws.populations import NAME
from ttscale.scaling.laws.table import check_law, get_law
from ttscale.scaling.solving.solution import Solution
from ttscale.scaling.solving.solver import solve_counts


class Forecaster(Protocol):
    """Makes forecasts of curves, and of the folds of their back-tests."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> int:
        """How many budgets, evenly spaced in log k."""
        ...

    def check(self, how: Fitting) -> None:
        """Refuse what cannot be fitted, or not in this way."""
        ...

    def tries(self, points: Points, how: Fitting) -> bool:
        """Whether it is one of those that a law is chosen among for such a curve."""
        ...

    def fit(self, points: Points, how: Fitting) -> Forecast: ...

    def predict(self, folds: Folds, how: Fitting) -> tuple[np.ndarray, float]:
        """Accuracy at every budget by what each fold is fitted on, ``float64 [fold, k]``, and which share of these fits
        converged; NaN where the folds have too few budgets."""
        ...


@dataclass(frozen=True)
class OfLaw:
    """Fits a law."""

    law: Law

    @property
    def name(self) -> str:
        return self.law.name

    @property
    def needs(self) -> int:
        return max(2, len(self.law.parameters))

    def check(self, how: Fitting) -> None:
        check_law(self.law)

    def tries(self, points: Points, how: Fitting) -> bool:
        return points.of in self.law.of and len(self.law.inputs) == 1

    def fit(self, points: Points, how: Fitting) -> Fitted:
        return fit_points(self.law, points, how)

    def predict(self, folds: Folds, how: Fitting) -> tuple[np.ndarray, float]:
        if len(self.law.parameters) > folds.n_fitted:
            return np.full_like(folds.scored_on, np.nan), math.nan
        solved = _solved(self.law, folds, how)
        accuracy = np.clip(self.law.at((folds.points.x,), solved.parameters), 0.0, 1.0)
        return accuracy, float(solved.converged.mean())


def _solved(law: Law, folds: Folds, how: Fitting) -> Solution:
    """The law's fits to the folds."""
    points, low = folds.points, slice(0, folds.n_fitted)
    loss = how.of(law, points)
    if loss == "counts":
        n, c, weights = folds.thinned
        return solve_counts(law, n, c, weights)
    n_units = count_units(points.curve.n_items, points.curve.units) / 2
    return fit_folds(law, points.x[low], folds.fitted_on[:, low], folds.covariance, n_units, loss, how.delta)


def forecaster(law: str | Law) -> Forecaster:
    """The one of a name, or of a law of one's own.

    Raises:
        TtscaleError: an unknown name, or a law of other inputs than k.
    """
    if law == NAME:
        return OverPopulations()
    named = law if isinstance(law, Law) else get_law(law)
    if len(named.inputs) != 1:
        raise TtscaleError(
            "law", expected="a law of one input, the number of draws k",
            got=f"{named.name!r} of {', '.join(named.inputs)}", fix="Fit it with ttscale.fit_surface.",
        )  # fmt: skip
    return OfLaw(named)
