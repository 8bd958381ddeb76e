"""A number with its interval, which states its level and method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ttscale.errors import TtscaleError


@dataclass(frozen=True)
class Interval:
    """An estimate with a two-sided interval.

    Attributes:
        value, low, high: in the unit of the estimate; NaN where undefined, ±inf where the data set no limit.
        level: probability that the interval is built to cover with, for example 0.95.
        method: how it was made.
    """

    value: float
    low: float
    high: float
    level: float
    method: str

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0 (False when it is undefined)."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def undefined(level: float, method: str = "undefined") -> Interval:
    """NaN with a NaN interval."""
    return Interval(math.nan, math.nan, math.nan, level, method)


def percentiles(replicates: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The two-sided percentile interval over the first axis (Efron and Tibshirani 1993, ch. 13).

    Order statistics are not interpolated, so replicates may be infinite.
    """
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(replicates, [tail, 1.0 - tail], axis=0, method="inverted_cdf")
    return low, high


def difference_bounds(replicates: np.ndarray, level: float, n_units: int, *, limit: float = 1.0) -> tuple[float, float]:
    """Interval of a paired difference of accuracies: percentiles of its replicates ``[boot]``.

    Where the difference is the same in every unit no resample can vary; the interval is then widened by the upper
    Wilson limit of 0 in ``n_units``, times ``limit``: so large a share of differing units may have gone unseen.

    Args:
        limit: the largest difference that there can be: 1 of two accuracies, 2 of two differences of such.
    """
    low, high = (float(bound) for bound in percentiles(replicates, level))
    unseen = limit * wilson(0, n_units, level)[1] if low == high and np.ptp(replicates) == 0 else 0.0
    return max(-limit, low - unseen), min(limit, high + unseen)


def detectable(replicates: np.ndarray, level: float, power: float = 0.8) -> float:
    """The true difference that an interval of this level would have excluded 0 for, with this probability.

    ``(z_level + z_power)`` bootstrap standard errors, as for a two-sided test of a normal estimate (Lehr 1992,
    "Sixteen s-squared over d-squared", is the same sum for two groups).

    Args:
        replicates: resampled differences, ``[boot]``; NaN when they do not vary.
    """
    if np.ptp(replicates) == 0:
        return math.nan
    return float((normal_quantile(level) + NormalDist().inv_cdf(power)) * np.std(replicates, ddof=1))


def wilson(successes: float, n: int, level: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson, JASA 22, 1927).

    Used where all items agree: a bootstrap of identical values would give an interval of width 0.
    """
    z = normal_quantile(level)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def normal_quantile(level: float) -> float:
    """z such that a standard normal lies within ±z with this probability."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def check_level(level: float, argument: str = "ci") -> float:
    """The level as a float; TtscaleError unless it lies strictly between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        percent = isinstance(level, (int, float)) and 1 < level < 100
        raise TtscaleError(
            argument, expected="a probability strictly between 0 and 1", got=repr(level),
            fix=f"Give {level / 100:g} for {level:g} %." if percent else "Give for example 0.95.",
        )  # fmt: skip
    return float(level)
