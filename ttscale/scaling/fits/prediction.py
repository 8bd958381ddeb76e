"""Bands of a fitted law: what its parameters leave open, how far it was off before, and what other laws would say.

Intervals from the parameters alone assume that the law is true. A power law with a floor that extrapolates twofold
misses by several percent of the error, far outside of them; so what it missed on held-out budgets is added.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ttscale.scaling.fits.forecast import Forecast
from ttscale.scaling.fits.points import Points
from ttscale.scaling.intervals.interval import Interval, normal_quantile, percentiles

FAR = 10.0  # beyond this many times the fitted range a prediction warns


def band(
    forecast: Forecast, x: np.ndarray, *, misfit: float, others: Sequence[tuple[Forecast, float]] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, low and high at ``x [k]``, each ``float64 [k]``.

    Three parts are added in quadrature: the percentile interval of the refits; z times the back-test error of the
    gain, times :func:`growth`; and z times the disagreement with other laws outside the fitted range.

    Args:
        misfit: the forecast's ``gain_misfit`` in its back-test; NaN makes the band NaN.
        others: the laws that it was chosen among, with their weights.
    """
    points = forecast.points
    first, last = float(points.x[0]), float(points.x[-1])
    far = growth(times_outside(x, first, last))
    edge = np.clip(x, first, last)
    moves = [(law.at(x) - law.at(edge), weight) for law, weight in others]
    apart = disagreement(forecast.at(x) - forecast.at(edge), moves)
    low, high = percentiles(forecast.resampled_at(x), points.curve.level)
    return _widened(points, edge, forecast.at(x), low, high, np.hypot(misfit * far, apart))


def asymptote(forecast: Forecast, *, misfit: float, others: Sequence[tuple[Forecast, float]] = ()) -> Interval | None:
    """What a forecast tends to with ever more draws; None where it tends to nothing, or to 1 by its form alone.

    The interval is made as that of a prediction ``FAR`` times outside the fitted range, with the disagreement with the
    limits of the laws that have one. Where some refits tend to nothing it is all of [0, 1].
    """
    if not np.isfinite(forecast.limit) or not forecast.has_limit:
        return None
    points, at, replicates = forecast.points, np.clip([forecast.limit], 0.0, 1.0), forecast.resampled_limits
    level, last = points.curve.level, points.x[-1:]
    low, high = np.zeros(1), np.ones(1)
    if np.isfinite(replicates).all():
        low, high = percentiles(np.clip(replicates, 0.0, 1.0)[:, None], level)
    limits = [(law, np.clip(law.limit, 0.0, 1.0), weight) for law, weight in others if law.has_limit]
    moves = [(limit - law.at(last), weight) for law, limit, weight in limits if np.isfinite(limit)]
    apart = disagreement(at - forecast.at(last), moves)
    _, low, high = _widened(points, last, at, low, high, np.hypot(misfit * growth(np.array([FAR])), apart))
    return Interval(float(at[0]), float(low[0]), float(high[0]), level, f"{forecast.method} and back-test error")


def times_outside(x: np.ndarray, first: float, last: float) -> np.ndarray:
    """How many times outside the range from ``first`` to ``last`` each ``x`` lies, at least 1."""
    return np.maximum(np.maximum(x / last, first / x), 1.0)


def growth(beyond: np.ndarray) -> np.ndarray:
    """How many back-test errors a prediction may be off, ``float64 [k]``: a guess that grows with the distance.

    One up to twice the fitted range, which is as far as the back-test looks ahead; one more for each further doubling;
    and two more for each beyond ``FAR`` times the range.

    Args:
        beyond: how many times outside the fitted range, from :func:`times_outside`.
    """
    return np.maximum(1.0, np.log2(beyond)) + np.maximum(0.0, np.log2(beyond / FAR))


def warn_far(law: str, outside: float) -> None:
    """Warn of a prediction more than ``FAR`` times outside the fitted range."""
    if outside > FAR:
        warnings.warn(
            f"{law} is asked for {outside:.0f} times its fitted range: the interval is widened by a guess",
            stacklevel=3,
        )


def disagreement(move: np.ndarray, others: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    """Root mean square difference between what laws say of one ``move [k]`` from the edge of the fitted range.

    It is the spread of a model average about one of its models (Burnham and Anderson 2002, §4.3): the law itself is one
    of them, at no distance, and the more it weighs the less the others matter.
    """
    total = sum(weight for _, weight in others)
    if not total > 0:
        return np.zeros_like(move)
    return np.sqrt(sum((weight / total * (other - move) ** 2 for other, weight in others), np.zeros_like(move)))


def _widened(
    points: Points, edge: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray, missed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, low and high, of which the interval of the refits is widened by z times the rest, within [0, 1].

    Where resamples do not vary it includes the curve's own at the ``edge [k]`` of the fitted range that is nearest.
    """
    curve = points.curve
    if points.all_agree:
        low = np.minimum(low, np.interp(edge, points.x, curve.low))
        high = np.maximum(high, np.interp(edge, points.x, curve.high))
    far = normal_quantile(curve.level) * missed
    below, above = np.maximum(value - low, 0.0), np.maximum(high - value, 0.0)
    return value, np.maximum(value - np.hypot(below, far), 0.0), np.minimum(value + np.hypot(above, far), 1.0)
