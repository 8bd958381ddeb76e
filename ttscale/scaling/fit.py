"""Fitting laws to a curve: parameters with intervals, a typed status, a back-test, predictions.

A law is fitted to budgets spaced evenly in log k. Of a curve with every budget from 1 to 80, sixty lie in the last two
doublings: they share nearly all their draws and so tell little more than a few of them, yet would outweigh the
budgets where accuracy changes; and the covariance of so many correlated points is so nearly singular that weighted
least squares can leave the points altogether (Fröhner, "Assigning uncertainties to scientific data", Nucl. Sci. Eng.
126 (1997), on Peelle's pertinent puzzle).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.backtest import Backtest, Folds, backtest, folds_of
from ttscale.scaling.curves import Curve
from ttscale.scaling.interval import Interval, normal_quantile, percentiles
from ttscale.scaling.laws import LAWS, Law, check_law, get_law
from ttscale.scaling.separable import fit_many, fit_points, mean_covariance, with_misfit

Status = Literal["converged", "at_bound", "not_identified", "off_the_data", "falls"]

FAR = 10.0  # beyond this many times the fitted range a prediction warns
_PER_DOUBLING = 2  # budgets fitted
_AT_LEAST = 9  # budgets fitted, where the curve has them
_SIMPLER_WINS = 1.02  # a law with fewer parameters is preferred when its back-test error is within 2 % of the best


@dataclass(frozen=True, eq=False)
class Fit:
    """A law fitted to a curve.

    Attributes:
        law, formula: name and form.
        unit: what the law's ``k`` is: ``"draws"``, or ``"multiplier"`` (cost in units of the first draw's) for a
            curve whose draws differ in cost.
        params: each parameter with the percentile interval of its bootstrap refits.
        status: ``converged``; ``at_bound`` when a parameter sits on its limit; ``not_identified`` when the data do
            not say what a shape parameter is: its interval reaches a limit or spans more than half the range between
            them (in logarithm), or the part of the law that it shapes may be 0, or there are no more points than
            parameters; ``off_the_data`` when a law of several parameters describes the points worse than their mean
            does (``r2 < 0``); ``falls`` when more compute makes the accuracy worse (the whole interval of the law's
            change over the fitted range is below 0): its ``A`` is then no ceiling, but what it sinks to.
        r2, rmse: of the fitted points, unweighted. ``r2`` is NaN when accuracy does not vary, and may be negative,
            since the fit weighs points by their covariance.
        backtest, backtest_rmse, backtest_gain_rmse: error at budgets and items not seen; see ``scaling.backtest``.
        candidates: with ``law="auto"``, every law's fit, best back-test first.
        level: of every interval.
        budgets: those fitted, evenly spaced in log k, ``int64 [k]``.
        replicate_params: ``float64 [boot, parameter]``.
        curve: what was fitted; it keeps the map from k to cost.
    """

    law: str
    formula: str
    unit: str
    params: dict[str, Interval]
    status: Status
    r2: float
    rmse: float
    backtest: Backtest
    level: float
    budgets: np.ndarray
    definition: Law = field(repr=False)
    replicate_params: np.ndarray = field(repr=False)
    curve: Curve = field(repr=False)
    candidates: tuple[Fit, ...] = field(default=(), repr=False)

    @property
    def backtest_rmse(self) -> float:
        return self.backtest.rmse

    @property
    def backtest_gain_rmse(self) -> float:
        return self.backtest.gain_rmse

    def predict(self, k: float | None = None, *, flops: float | None = None) -> Interval:
        """Expected accuracy at a budget of k draws, or at a cost per item in FLOPs.

        The interval adds in quadrature (1) the percentile interval of the bootstrap refits; (2) z times the back-test
        error of the gain, once within twice the fitted range and once more per further doubling; (3) for a law chosen
        among several, z times their disagreement about the gain beyond the fitted range. It is for the expected
        accuracy on items of this kind; the sampling error of a new set of items comes on top. Where no back-test was
        possible the interval is NaN. Beyond 10 times the fitted range it warns.

        Raises:
            TtscaleError: not exactly one of ``k`` and ``flops``, or one that no budget of at least one draw has.
        """
        if (k is None) == (flops is None):
            raise TtscaleError(
                "k, flops", expected="exactly one of them", got=f"k={k!r}, flops={flops!r}", fix="Give one."
            )
        k = self.k_at(flops) if k is None and flops is not None else k
        if not isinstance(k, (int, float, np.integer, np.floating)) or not 1 <= k < math.inf:
            raise TtscaleError("k", expected="a number of draws of at least 1", got=repr(k), fix="Give for example 16.")
        reach = float(self._x(np.array([float(k)]))[0] / self._x(self.curve.budgets[-1:].astype(float))[0])
        if reach > FAR:
            warnings.warn(
                f"{self.law} is asked for {reach:.0f} times its fitted range: the interval is widened by a guess",
                stacklevel=2,
            )
        value, low, high = (float(line[0]) for line in self.line(np.array([float(k)])))
        return Interval(value, low, high, self.level, f"bootstrap refits and back-test error, {self.curve.method}")

    def line(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Prediction, low and high at many budgets ``float64 [k]``; see :meth:`predict`."""
        x = self._x(k)
        value = self._point(x)
        low, high = percentiles(self._value(x, self.replicate_params), self.level)
        if _all_agree(self.curve):
            low, high = np.minimum(low, self.curve.low[0]), np.maximum(high, self.curve.high[0])
        last = self._x(self.curve.budgets[-1:].astype(float))
        doublings = np.maximum(1.0, np.log2(np.maximum(x / last, 1.0)))
        misfit = normal_quantile(self.level) * np.hypot(self.backtest_gain_rmse * doublings, self._disagreement(k))
        return (
            value,
            np.maximum(value - np.hypot(np.maximum(value - low, 0), misfit), 0.0),
            np.minimum(value + np.hypot(np.maximum(high - value, 0), misfit), 1.0),
        )

    def flops_at(self, k: np.ndarray) -> np.ndarray:
        """Cost per item of budgets ``[k]``: the curve's own, and beyond its end its mean cost per further draw."""
        budgets, flops = self.curve.budgets.astype(float), self.curve.flops
        beyond = flops[-1] + (k - budgets[-1]) * self._per_draw
        return np.where(k > budgets[-1], beyond, np.interp(k, np.append(0.0, budgets), np.append(0.0, flops)))

    def k_at(self, flops: float) -> float:
        """The budget that costs ``flops`` per item, in draws (fractions allowed)."""
        budgets, costs = np.append(0.0, self.curve.budgets), np.append(0.0, self.curve.flops)
        if not (np.isfinite(costs).all() and (np.diff(costs) > 0).all() and costs[1] / budgets[1] <= flops < math.inf):
            raise TtscaleError(
                "flops", expected=f"a cost of at least one draw ({costs[1] / budgets[1]:g} FLOPs)", got=repr(flops),
                fix="Give a larger cost, or k.",
            )  # fmt: skip
        beyond = budgets[-1] + (flops - costs[-1]) / self._per_draw
        return float(np.interp(flops, costs, budgets) if flops <= costs[-1] else beyond)

    @property
    def _per_draw(self) -> float:
        """Mean cost of a draw; of text, whose prompt is paid once, of a draw after the first."""
        budgets, flops = self.curve.budgets, self.curve.flops
        if self.curve.tokens is None or len(budgets) < 2:
            return float(flops[-1] / budgets[-1])
        return float((flops[-1] - flops[0]) / (budgets[-1] - budgets[0]))

    def _disagreement(self, k: np.ndarray) -> np.ndarray:
        """Root mean square difference between the candidates' and this law's gain beyond the largest budget, ``[k]``.

        The mean is weighted by the inverse square of each candidate's back-test error. 0 within the fitted range.
        """
        known = [fit for fit in self.candidates if fit.backtest_gain_rmse > 0]
        if not known or self.backtest_gain_rmse == 0:
            return np.zeros_like(k)
        x = self._x(np.maximum(k, float(self.curve.budgets[-1])))
        last = self._x(self.curve.budgets[-1:].astype(float))
        gains = np.array([fit._point(x) - fit._point(last) for fit in known])
        weights = np.array([fit.backtest_gain_rmse**-2 for fit in known])
        return np.sqrt(np.average((gains - (self._point(x) - self._point(last))) ** 2, axis=0, weights=weights))

    def _point(self, x: np.ndarray) -> np.ndarray:
        return self._value(x, np.array([p.value for p in self.params.values()]))

    def _x(self, k: np.ndarray) -> np.ndarray:
        return k if self.unit == "draws" else self.flops_at(k) / self.flops_at(np.array([1.0]))

    def _value(self, x: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        return np.clip(self.definition.value(x, parameters), 0.0, 1.0)


def fit_law(curve: Curve, law: str | Law = "auto", *, n_splits: int = 5) -> Fit:
    """Fit one law, or choose among all of ``LAWS`` by back-test.

    Generalised least squares on the sampling covariance of points spaced evenly in log k (shrunk towards independence
    by the law's own misfit); every bootstrap replicate of the curve is refitted for the intervals. The law chosen is
    the one whose back-test error of the gain is least; a law of fewer parameters wins when it is within 2 % of that.

    Args:
        curve: from :func:`ttscale.scaling.curves.accuracy_curve`, with at least 2 budgets.
        law: ``"auto"``, a name in ``LAWS``, or a :class:`~ttscale.scaling.laws.Law` of your own.
        n_splits: splits of the items for the back-test, each used both ways.

    Raises:
        TtscaleError: unknown law, fewer budgets (evenly spaced in log k) than the law has parameters, or too few
            items to halve.
    """
    if not isinstance(curve, Curve):
        raise TtscaleError(
            "curve", expected="a Curve", got=type(curve).__name__, fix="Make one with ttscale.accuracy_curve(records)."
        )
    if isinstance(n_splits, bool) or not isinstance(n_splits, int) or n_splits < 1:
        raise TtscaleError("n_splits", expected="a whole number of at least 1", got=repr(n_splits), fix="Give 5.")
    laws = _laws(law, len(log_spaced(curve.budgets)))
    unit, x = _abscissa(curve)
    rows = log_spaced(curve.budgets)
    points, x = curve.at_rows(rows), x[rows]
    covariance = mean_covariance(points.credit, points.units)
    folds = folds_of(points, n_splits=n_splits)
    fits = [replace(_fit(one, points, unit, x, covariance, folds), curve=curve) for one in laws]
    if law != "auto":
        return fits[0]
    ranked = sorted(fits, key=lambda fit: (not math.isfinite(fit.backtest_gain_rmse), fit.backtest_gain_rmse))
    return replace(_choose(ranked), candidates=tuple(ranked))


def log_spaced(budgets: np.ndarray) -> np.ndarray:
    """Rows of the budgets nearest to points spaced evenly in log k, the first and the last among them: ``int [row]``.

    There are two points per doubling, or more where the budgets would otherwise give fewer than 9.
    """
    n = max(_AT_LEAST, 1 + math.ceil(_PER_DOUBLING * math.log2(budgets[-1] / budgets[0])))
    wanted = np.geomspace(budgets[0], budgets[-1], n)
    return np.unique(np.abs(np.log(budgets[:, None] / wanted)).argmin(axis=0))


def _choose(ranked: Sequence[Fit]) -> Fit:
    limit = ranked[0].backtest_gain_rmse * _SIMPLER_WINS
    close = [fit for fit in ranked if fit is ranked[0] or fit.backtest_gain_rmse <= limit]
    return min(close, key=lambda fit: len(fit.params))


def _laws(law: str | Law, n_points: int) -> list[Law]:
    if n_points < 2:
        raise TtscaleError(
            "curve", expected="at least 2 budgets", got=str(n_points),
            fix="Collect more draws per item, or add members.",
        )  # fmt: skip
    if isinstance(law, str) and law == "auto":
        chosen = [one for one in LAWS.values() if len(one.parameters) <= n_points]
    else:
        chosen = [law if isinstance(law, Law) else get_law(law)]
    for one in chosen:
        check_law(one)
        if len(one.parameters) > n_points:
            raise TtscaleError(
                "law", expected=f"at least {len(one.parameters)} budgets for {one.name!r}", got=str(n_points),
                fix='Use more budgets, or law="constant".',
            )  # fmt: skip
    return chosen


def _abscissa(curve: Curve) -> tuple[str, np.ndarray]:
    """k itself, or cost relative to the first draw where draws differ in cost by more than 5 % (ensembles of sizes).

    Draws of text are always counted: a prompt paid once makes the first dearer, and a law in cost no law in draws.
    """
    if curve.tokens is not None:
        return "draws", curve.budgets.astype(np.float64)
    per_draw = np.diff(curve.flops, prepend=0.0) / np.diff(curve.budgets, prepend=0)
    if np.isfinite(per_draw).all() and (per_draw > 0).all() and per_draw.max() > 1.05 * per_draw.min():
        return "multiplier", curve.flops / per_draw[0]
    return "draws", curve.budgets.astype(np.float64)


def _fit(law: Law, curve: Curve, unit: str, x: np.ndarray, covariance: np.ndarray, folds: Folds) -> Fit:
    weights = with_misfit(covariance, curve.accuracy - law.value(x, fit_points(law, x, curve.accuracy)))
    values = fit_points(law, x, curve.accuracy, weights)
    replicates = fit_many(law, x, curve.replicates, weights)
    low, high = percentiles(replicates, curve.level)
    if _all_agree(curve):
        low[0], high[0] = curve.low[0], curve.high[0]
    # A shape at its limit is exact in the fit, and a grid point beside it in the refits.
    low, high = np.minimum(low, values), np.maximum(high, values)
    method = f"refits to the {curve.method}"
    params = {
        name: Interval(float(values[i]), float(low[i]), float(high[i]), curve.level, method)
        for i, name in enumerate(law.parameters)
    }
    change = percentiles(np.diff(law.value(x[[0, -1]], replicates))[:, 0], curve.level)
    residual = curve.accuracy - law.value(x, values)
    total = float(((curve.accuracy - curve.accuracy.mean()) ** 2).sum())
    varies = total > 1e-24 * len(x)
    r2 = 1.0 - float((residual**2).sum()) / total if varies else math.nan
    return Fit(
        law=law.name, formula=law.formula, unit=unit, params=params,
        status=_status(law, params, n_points=len(x), varies=varies, r2=r2, falls=float(change[1]) < 0), r2=r2,
        rmse=math.sqrt(float((residual**2).mean())),
        backtest=backtest(law, curve, folds, x), level=curve.level, budgets=curve.budgets, definition=law,
        replicate_params=replicates, curve=curve,
    )  # fmt: skip


def _all_agree(curve: Curve) -> bool:
    """Whether every item has the same credit at every budget, so that resamples show no spread at all."""
    return bool((curve.credit == curve.credit[0, 0]).all())


def _status(
    law: Law, params: dict[str, Interval], *, n_points: int, varies: bool, r2: float, falls: bool = False
) -> Status:
    if r2 < 0 and len(params) > 1:
        return "off_the_data"
    if falls and varies:
        return "falls"
    level = params[law.linear[0]]
    on_limit = level.value in (0.0, 1.0) and varies
    if not law.shape:
        return "at_bound" if on_limit else "converged"
    shaped = [params[name] for name in law.linear[1:]]
    unclear = n_points <= len(params) or not varies or not any(amplitude.excludes_zero for amplitude in shaped)
    for name, (lowest, highest) in zip(law.shape, law.bounds, strict=True):
        p = params[name]
        at_low, at_high = p.value <= lowest * 1.001, p.value >= highest / 1.001
        on_limit |= at_low or at_high
        reaches = (p.low <= lowest * 1.001 and not at_low) or (p.high >= highest / 1.001 and not at_high)
        unclear |= reaches or math.log(p.high / p.low) > 0.5 * math.log(highest / lowest)
    unclear |= level.high >= 1.0 > level.value
    return "not_identified" if unclear else "at_bound" if on_limit else "converged"
