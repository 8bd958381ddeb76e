"""A law fitted to a curve: parameters with intervals, a typed status, a back-test, predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.fits.backtest import Backtest
from ttscale.scaling.fits.choice import pick
from ttscale.scaling.fits.curve_costs import budget_at, flops_at
from ttscale.scaling.fits.doubt import doubt_of
from ttscale.scaling.fits.forecast import Forecast, alone
from ttscale.scaling.fits.prediction import asymptote, band, times_outside, warn_far
from ttscale.scaling.fits.stacking import STACKED, Stack, chosen_backtest, stacked_backtest, weights_of
from ttscale.scaling.fits.status import Status, point_status, status_of
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.laws.law import Law
from ttscale.scaling.numbers import is_number

__all__ = ["STACKED", "Fit", "choose", "fit_of", "stacked_fit"]


@dataclass(frozen=True, eq=False)
class Fit:
    """A law fitted to a curve, the stacked average of several, or the average over populations.

    Attributes:
        law, formula, purpose: name, form, and what it is for.
        unit: what the law's ``k`` is: ``"draws"``, or ``"multiplier"`` (cost in units of the first draw's) for a
            curve whose draws differ in cost.
        loss: ``gls``, ``huber`` or ``binomial``, of the points; ``counts``, the likelihood of the counts of right
            samples; ``stacked``.
        r2, rmse: of the fitted points, unweighted. ``r2`` is NaN when accuracy does not vary, and may be negative,
            since the fit weighs points by their covariance.
        backtest: error at budgets and items not seen; see :mod:`ttscale.scaling.fits.backtest`.
        forecast: the law with its parameters, or the average, and, made when first asked for, those of every resample.
        curve: what was fitted; it keeps the map from k to cost.
        candidates: of a law chosen among several, every law's fit, best back-test first; also of the laws that may not
            be chosen for such a curve.
        skipped: laws that could not be fitted, or not averaged though they may be, and why.
        choice: of a law chosen among several, the back-test of the choosing: each fold is predicted by the law that the
            other splits choose. Its error over ``backtest``'s is the optimism of having taken the least of several.
    """

    law: str
    formula: str
    purpose: str
    unit: str
    loss: str
    r2: float
    rmse: float
    backtest: Backtest
    forecast: Forecast = field(repr=False)
    curve: Curve = field(repr=False)
    candidates: tuple[Fit, ...] = field(default=(), repr=False)
    skipped: dict[str, str] = field(default_factory=dict, repr=False)
    choice: Backtest | None = field(default=None, repr=False)

    @property
    def definition(self) -> Law | None:
        """The law; None of an average."""
        law = alone(self.forecast)
        return None if law is None else law.law

    @property
    def params(self) -> dict[str, Interval]:
        """Each parameter with the percentile interval of its bootstrap refits; none of an average."""
        law = alone(self.forecast)
        return {} if law is None else law.params

    @property
    def values(self) -> dict[str, float]:
        """Each parameter, without the refits that its interval takes."""
        law = alone(self.forecast)
        return {} if law is None else law.named

    @property
    def weights(self) -> dict[str, float]:
        """Of an average, the share of each law, or of each family of populations; of a law none."""
        return self.forecast.shares

    @property
    def level(self) -> float:
        """Of every interval."""
        return self.curve.level

    @property
    def budgets(self) -> np.ndarray:
        """Those fitted, evenly spaced in log k, ``int64 [k]``."""
        return self.forecast.points.curve.budgets

    @cached_property
    def status(self) -> Status:
        """What the fit can be taken for.

        - ``converged``.
        - ``not_converged``: the solver's gradient is not 0, or more than a tenth of the refits did not converge.
        - ``off_the_data``: a law of several parameters describes the points worse than their mean (``r2 < 0``); a
          constant, or the average over populations, lies outside the interval of one of them.
        - ``falls``: more compute makes the accuracy worse; the whole interval of the law's change over the fitted
          range is below 0. What it tends to is then no ceiling, but what it sinks to.
        - ``not_identified``: the data do not say what a shape parameter is: the slopes of the law in its parameters
          cannot be told apart at the points, its interval reaches a limit or spans more than half the range between
          them, the part of the law that it shapes may be 0, or there are no more points than parameters.
        - ``at_bound``: a parameter sits on its limit.

        An average has no parameters to read: it is ``converged`` where its laws are, if it neither falls nor is off.
        """
        return status_of(self.forecast, self.r2)

    @property
    def point_status(self) -> Status:
        """The status as far as it can be told without refits: what no interval tells is left out."""
        return point_status(self.forecast, self.r2)

    @property
    def gradient_norm(self) -> float:
        """Of the loss at the solution (see :mod:`ttscale.scaling.solving.solution`); the largest of an average, NaN
        where nothing was solved for."""
        return max((float(law.solution.gradient_norm) for law in self.forecast.solved), default=math.nan)

    @property
    def start_gap(self) -> float:
        """How much worse the best start was that ended elsewhere, relative; NaN when all ended in one place."""
        gaps = [law.solution.gap for law in self.forecast.solved if math.isfinite(law.solution.gap)]
        return min(gaps, default=math.nan)

    @property
    def backtest_rmse(self) -> float:
        return self.backtest.rmse

    @property
    def backtest_gain_rmse(self) -> float:
        return self.backtest.gain_rmse

    @property
    def usable(self) -> bool:
        """Whether the law may be chosen or averaged: it was back-tested, and its fits to curve and folds converged."""
        return self.backtest.sound and all(law.solution.converged for law in self.forecast.solved)

    @cached_property
    def asymptote(self) -> Interval | None:
        """The accuracy that the law tends to with ever more draws, within [0, 1].

        None where it has no limit (so of an average in which a logarithm has a share), or one that its form says
        whatever the data (1 of coverage by a power). The interval is made as that of :meth:`predict` at 10 times the
        fitted range.
        """
        return asymptote(self.forecast, misfit=self.backtest.gain_misfit, others=self._others)

    @cached_property
    def stacked(self) -> Fit | None:
        """The average of all candidates, weighted by their back-tests; None where no law could be back-tested."""
        return stacked_fit(self.candidates, self.skipped)

    def predict(self, k: float | None = None, *, flops: float | None = None) -> Interval:
        """Expected accuracy at a budget of k draws, or at a cost per item in FLOPs.

        The interval adds in quadrature (1) the percentile interval of the bootstrap refits; (2) z times the back-test
        error of the gain, less the sampling error of what it was scored on, once within twice the fitted range and once
        more per further doubling; (3) for a law chosen among several, z times their disagreement about the gain outside
        the fitted range. It is for the expected accuracy on items of this kind; the sampling error of a new set of
        items comes on top. Where no back-test was possible the interval is NaN. Beyond 10 times the fitted range it
        warns, and widens twice as fast; below the first fitted budget likewise.

        Raises:
            TtscaleError: not exactly one of ``k`` and ``flops``, or one that no budget of at least one draw has.
        """
        if (k is None) == (flops is None):
            raise TtscaleError(
                "k, flops", expected="exactly one of them", got=f"k={k!r}, flops={flops!r}", fix="Give one."
            )
        k = self.k_at(flops) if k is None and flops is not None else k
        if not is_number(k) or not 1 <= k < math.inf:
            raise TtscaleError("k", expected="a number of draws of at least 1", got=repr(k), fix="Give for example 16.")
        budget, fitted = np.array([float(k)]), self.forecast.points.x
        warn_far(self.law, float(times_outside(self._x(budget), fitted[0], fitted[-1])[0]))
        value, low, high = (float(line[0]) for line in self.line(budget))
        return Interval(value, low, high, self.level, f"{self.forecast.method} and back-test error")

    def line(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Prediction, low and high at many budgets ``float64 [k]``; see :meth:`predict`."""
        return band(self.forecast, self._x(k), misfit=self.backtest.gain_misfit, others=self._others)

    def point_line(self, k: np.ndarray) -> np.ndarray:
        """Prediction at many budgets ``[k]``, without the refits that its interval takes."""
        return self.forecast.at(self._x(k))

    def flops_at(self, k: np.ndarray) -> np.ndarray:
        """Cost per item of budgets ``[k]``: the curve's own, and beyond its end its mean cost per further draw."""
        return flops_at(self.curve, k)

    def k_at(self, flops: float) -> float:
        """The budget that costs ``flops`` per item, in draws (fractions allowed); TtscaleError where none does."""
        return budget_at(self.curve, flops)

    @cached_property
    def _others(self) -> list[tuple[Forecast, float]]:
        """The laws that it was chosen among or is an average of, as far as they hold, and their weights."""
        meant = _meant(self.candidates)
        held = [fit for fit in meant if fit.usable and fit.point_status != "off_the_data"]
        return [(fit.forecast, weight) for fit, weight in zip(held, _weights(held), strict=True)]

    def _x(self, k: np.ndarray) -> np.ndarray:
        return k if self.unit == "draws" else self.flops_at(k) / self.flops_at(np.array([1.0]))


def fit_of(forecast: Forecast, curve: Curve, tested: Backtest) -> Fit:
    """The fit that a forecast is, with its back-test."""
    r2, rmse = _errors(forecast)
    return Fit(
        law=forecast.name, formula=forecast.formula, purpose=forecast.purpose, unit=forecast.points.unit,
        loss=forecast.loss, r2=r2, rmse=rmse, backtest=tested, forecast=forecast, curve=curve,
    )  # fmt: skip


def stacked_fit(candidates: Sequence[Fit], skipped: dict[str, str]) -> Fit | None:
    """The average of fits, best back-test first, weighted by their back-tests; None where none could be back-tested.

    What did not converge has no part in it, unless nothing did; nor have laws that may not be chosen for such a curve.
    """
    possible = [fit for fit in candidates if fit.backtest.possible]
    if not possible:
        return None
    meant = _meant(possible)
    known = [fit for fit in meant if fit.usable] or meant
    left = {fit.law: "did not converge, and has no part in the average" for fit in meant if fit not in known}
    used = [(fit, weight) for fit, weight in zip(known, _weights(known), strict=True) if weight > 0]
    stack = Stack(tuple(fit.forecast for fit, _ in used), np.array([weight for _, weight in used]))
    tested = stacked_backtest([fit.backtest for fit in known], _sizes(known))
    return replace(fit_of(stack, known[0].curve, tested), candidates=tuple(candidates), skipped=skipped | left)


def choose(ranked: Sequence[Fit]) -> Fit:
    """The simplest of the fits that the back-test cannot tell from the best, with the back-test of this choice."""
    meant = _meant(ranked)
    known = [fit for fit in meant if fit.usable] or [fit for fit in meant if fit.backtest.possible]
    if not known:
        return ranked[0]
    errors, tested = np.array([fit.backtest_gain_rmse for fit in known]), [fit.backtest for fit in known]
    chosen = known[pick(errors, _sizes(known), doubt_of(tested).margins(errors**2))]
    return replace(chosen, choice=chosen_backtest(tested, _sizes(known)))


def _meant(fits: Sequence[Fit]) -> list[Fit]:
    """Those whose laws may be chosen for curves of this kind; all where there are none."""
    return [fit for fit in fits if fit.forecast.forecasts] or list(fits)


def _weights(fits: Sequence[Fit]) -> list[float]:
    """Of laws by their back-tests, summing to 1."""
    if not fits:
        return []
    errors = np.array([fit.backtest_gain_rmse for fit in fits])
    doubt = doubt_of([fit.backtest for fit in fits])
    return [float(weight) for weight in weights_of(errors, _sizes(fits), doubt)]


def _sizes(fits: Sequence[Fit]) -> np.ndarray:
    """How many parameters laws have, ``int [law]``; an average has none, and is held to be as simple as a constant."""
    return np.array([max(1, len(fit.values)) for fit in fits])


def _errors(forecast: Forecast) -> tuple[float, float]:
    """``r2`` and ``rmse`` of the points."""
    points = forecast.points
    residual = points.y - forecast.at(points.x)
    total = float(((points.y - points.y.mean()) ** 2).sum())
    r2 = 1.0 - float((residual**2).sum()) / total if points.varies else math.nan
    return r2, math.sqrt(float((residual**2).mean()))
