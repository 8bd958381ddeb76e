"""A number with its interval, which states its level and method.

Three methods: the percentiles of bootstrap replicates; BCa, which corrects them for bias and for a spread that changes
with the value; and Wilson's score interval, for the plain proportion of independent items that are right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from ttscale.errors import TtscaleError, unknown_name

METHODS = ("percentile", "bca", "wilson")
ENOUGH = 30  # units of a bootstrap that needs no widening


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


def bca(
    replicates: np.ndarray, value: np.ndarray, acceleration: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected and accelerated intervals (Efron, "Better bootstrap confidence intervals", JASA 82, 1987, 2.3).

    The ends are the order statistics of rank ``Φ(z0 + (z0 + z) / (1 − a (z0 + z)))`` for ``z`` the normal quantile of
    either tail, where ``z0 = Φ⁻¹(share of replicates below the value)`` is the bias. Means of right and wrong take few
    values, so replicates equal to the value count half. Where the value lies outside all of them, they count as if half
    of one lay beyond it.

    Args:
        replicates: ``[boot, row]``. value: the estimate, ``[row]``.
        acceleration: ``a``, ``[row]``: of a mean see :func:`ttscale.scaling.intervals.bootstrap.acceleration`.

    Returns:
        Lower and upper ends, ``float64 [row]``.
    """
    n_boot = len(replicates)
    below = ((replicates < value).sum(axis=0) + 0.5 * (replicates == value).sum(axis=0)) / n_boot
    bias = ndtri(np.clip(below, 0.5 / n_boot, 1 - 0.5 / n_boot))
    ordered = np.sort(replicates, axis=0)
    ends = []
    for z in (-normal_quantile(level), normal_quantile(level)):
        stretch = np.maximum(1 - acceleration * (bias + z), 1e-9)
        rank = np.ceil(n_boot * ndtr(bias + (bias + z) / stretch) - 1e-9).astype(np.int64)
        at = np.clip(rank, 1, n_boot) - 1
        ends.append(np.take_along_axis(ordered, at[None], axis=0)[0])
    return ends[0], ends[1]


def level_of_few(level: float, n_units: int) -> float:
    """The level to take of the resamples of few units, so that their interval covers with this one.

    Resamples of n units spread by ``√((n − 1)/n)`` too little, and by normal where Student's t would be right; the
    tails are those of ``−√(n/(n − 1)) t`` (Hesterberg, "What teachers should know about the bootstrap", The American
    Statistician 69, 2015, 5.2: the expanded percentile interval). Of ``ENOUGH`` units and more it is the level itself.
    """
    if not 2 <= n_units < ENOUGH:
        return level
    t = float(stdtrit(n_units - 1, 0.5 + level / 2))
    return min(2 * NormalDist().cdf(math.sqrt(n_units / (n_units - 1)) * t) - 1, 1 - 1e-9)


def few_words(n_units: int) -> str:
    """That few units widened an interval, as the end of a sentence."""
    return ", widened as Student's t for so few" if 2 <= n_units < ENOUGH else ""


def difference_bounds(
    replicates: np.ndarray, level: float, n_units: int, *, limit: float = 1.0,
    corrected: tuple[float, float] | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Interval of a paired difference of accuracies: percentiles of its replicates ``[boot]``, or BCa.

    Where the difference is the same in every unit no resample can vary; the interval is then widened by the upper
    Wilson limit of 0 in ``n_units``, times ``limit``: so large a share of differing units may have gone unseen.

    Args:
        limit: the largest difference that there can be: 1 of two accuracies, 2 of two differences of such.
        corrected: the difference and its acceleration, for a BCa interval (see :func:`bca`).
    """
    wide = level_of_few(level, n_units)
    if corrected is None:
        low, high = (float(bound) for bound in percentiles(replicates, wide))
    else:
        value, acceleration = (np.array([one]) for one in corrected)
        low, high = (float(bound[0]) for bound in bca(replicates[:, None], value, acceleration, wide))
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


def proportion(successes: int, n: int, level: float = 0.95) -> Interval:
    """A plain proportion with Wilson's score interval (see :func:`wilson`).

    Args:
        successes: how many of ``n`` independent items, 0 to n. n: at least 1. level: for example 0.95.

    Raises:
        TtscaleError: what are no such whole numbers, or a level that is no probability.
    """
    whole = all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in (successes, n))
    if not whole or n < 1 or not 0 <= successes <= n:
        raise TtscaleError(
            "successes, n", expected="whole numbers, n ≥ 1 and 0 ≤ successes ≤ n", got=f"{successes!r} of {n!r}",
            fix="Give counts of items.",
        )  # fmt: skip
    level = check_level(level, "level")
    low, high = wilson(successes, int(n), level)
    return Interval(successes / n, low, high, level, f"Wilson, {n} items")


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


def check_method(interval: str) -> str:
    """TtscaleError unless the name of a method."""
    if interval not in METHODS:
        raise unknown_name("interval", str(interval), METHODS)
    return interval
