"""What a fit can be taken for, in one word."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ttscale.scaling.fits.fitted import CONVERGED, Fitted
from ttscale.scaling.fits.forecast import Forecast, alone
from ttscale.scaling.intervals.interval import Interval, normal_quantile, percentiles
from ttscale.scaling.laws.law import Parameter

Status = Literal["converged", "at_bound", "not_identified", "not_converged", "off_the_data", "falls"]

_ROUNDING = 1e-9
_SHOWN = 5e-4  # half of what a page shows of an accuracy
_AT = 1e-3  # relative distance to a limit that counts as on it
_OF_RANGE = 0.5  # an interval longer than this share of what the bounds allow says nothing


def falls(x: np.ndarray, resampled: np.ndarray, level: float) -> bool:
    """Whether more compute makes accuracy worse: the whole interval of the change over ``x`` is below 0.

    Args:
        resampled: a law at the first and the last of ``x``, ``[boot, 2]``.
    """
    return bool(percentiles(np.diff(resampled), level)[1][0] < 0)


def status_of(forecast: Forecast, r2: float) -> Status:
    """The status of a fit; see :class:`ttscale.scaling.fits.fit.Fit`.

    Args:
        r2: of the points; NaN where accuracy does not vary.
    """
    points, law = forecast.points, alone(forecast)
    if found := _unsound(forecast, r2):
        return found
    if law is not None and law.refits_converged < CONVERGED:
        return "not_converged"
    if points.varies and falls(points.x, forecast.resampled_at(points.x[[0, -1]]), points.curve.level):
        return "falls"
    if law is None:
        return "converged"
    return "not_identified" if _open(law) or _vague(law) else _bounded(law)


def point_status(forecast: Forecast, r2: float) -> Status:
    """The same from the solution alone, without a refit to any resample.

    That a curve falls is judged by the standard error of its change, and no parameter by its interval.
    """
    points, law = forecast.points, alone(forecast)
    if found := _unsound(forecast, r2):
        return found
    step = np.zeros(len(points.x))
    step[[0, -1]] = -1.0, 1.0
    error = math.sqrt(max(0.0, step @ points.covariance @ step))
    change = float(np.diff(forecast.at(points.x[[0, -1]]))[0])
    if points.varies and change < -normal_quantile(points.curve.level) * error:
        return "falls"
    if law is None:
        return "converged"
    return "not_identified" if _open(law) else _bounded(law)


def _unsound(forecast: Forecast, r2: float) -> Status | None:
    if not all(law.solution.converged for law in forecast.solved):
        return "not_converged"
    law = alone(forecast)
    if not forecast.solved:
        off = _misses(forecast, _SHOWN)
    else:
        off = _misses(forecast) if law is not None and law.n_parameters == 1 else r2 < 0
    return "off_the_data" if off else None


def _misses(forecast: Forecast, slack: float = _ROUNDING) -> bool:
    """Whether it lies outside the interval of one of its points."""
    curve, seen = forecast.points.curve, forecast.at(forecast.points.x)
    return bool(((seen < curve.low - slack) | (seen > curve.high + slack)).any())


def _bounded(fitted: Fitted) -> Status:
    return "at_bound" if fitted.points.varies and fitted.solution.at_bound.any() else "converged"


def _open(fitted: Fitted) -> bool:
    """Whether the points leave a shape parameter open, whatever their error."""
    known = fitted.solution.identified | fitted.solution.at_bound
    return _shaped(fitted) and bool(not fitted.points.varies or _too_few(fitted) or not known.all())


def _shaped(fitted: Fitted) -> bool:
    return any(not one.linear for one in fitted.law.parameters)


def _vague(fitted: Fitted) -> bool:
    """Whether the refits leave a shape parameter open."""
    parameters = fitted.law.parameters
    if not _shaped(fitted):
        return False
    amplitudes = [fitted.params[one.name] for one in parameters[1:] if one.linear]
    if amplitudes and not any(amplitude.excludes_zero for amplitude in amplitudes):
        return True
    level = fitted.params[parameters[0].name]
    if parameters[0].linear and level.high >= 1.0 > level.value:
        return True
    return any(_is_vague(one, fitted.params[one.name]) for one in parameters if not one.linear)


def _too_few(fitted: Fitted) -> bool:
    """No more points than parameters, which any numbers would fit; of counts, no more samples of any item."""
    pairs = fitted.points.pairs
    if fitted.loss == "counts" and pairs is not None:
        return int(pairs.n.max()) <= fitted.n_parameters
    return len(fitted.points.x) <= fitted.n_parameters


def _is_vague(parameter: Parameter, p: Interval) -> bool:
    """Whether its interval reaches a limit that its value is not on, or spans most of what the bounds allow."""
    low, high, value, least, most = p.low, p.high, p.value, parameter.low, parameter.high
    if parameter.log:
        low, high, value, least, most = (math.log(one) for one in (low, high, value, least, most))
    edge = _AT * (1.0 if parameter.log else most - least)
    reaches_low = low <= least + edge < value
    reaches_high = high >= most - edge > value
    return reaches_low or reaches_high or high - low > _OF_RANGE * (most - least)
