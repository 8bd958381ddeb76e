"""Ratios of gamma functions, where the difference of two logarithms would cancel."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln

_SERIES_FROM = 10.0


def log_rising(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """``ln Γ(x + k) − ln Γ(x)`` for ``x > 0``, ``k >= 0``: by Stirling's series from ``x = 10`` on."""
    large = np.maximum(x, _SERIES_FROM)
    series = (large - 0.5) * np.log1p(k / large) + k * (np.log(large + k) - 1.0) + _left(large + k) - _left(large)
    return np.where(x >= _SERIES_FROM, series, gammaln(x + k) - gammaln(x))


def rising_slope(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """The derivative of :func:`log_rising` in ``x``, by the same series."""
    large = np.maximum(x, _SERIES_FROM)
    series = np.log1p(k / large) - _digamma_left(large + k) + _digamma_left(large)
    return np.where(x >= _SERIES_FROM, series, digamma(x + k) - digamma(x))


def log_beta(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``ln B(a, b)``."""
    small, large = np.minimum(a, b), np.maximum(a, b)
    return gammaln(small) - log_rising(large, small)


def log_choices(n: np.ndarray, c: np.ndarray) -> np.ndarray:
    """``ln C(n, c)``."""
    return gammaln(n + 1.0) - gammaln(c + 1.0) - gammaln(n - c + 1.0)


def _left(x: np.ndarray) -> np.ndarray:
    """What Stirling's formula leaves, to 1e-16 from 10 on."""
    u = 1.0 / x**2
    return (1 / 12 - u * (1 / 360 - u * (1 / 1260 - u * (1 / 1680 - u * (1 / 1188 - u * 691 / 360360))))) / x


def _digamma_left(x: np.ndarray) -> np.ndarray:
    """``ln x − ψ(x)``, likewise."""
    u = 1.0 / x**2
    series = u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240 - u * (1 / 132 - u * 691 / 32760)))))
    return 0.5 / x + series
