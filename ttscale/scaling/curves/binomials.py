"""How likely a random subset takes so many of some samples: binomial coefficients that do not overflow or cancel.

Every count is scaled by the probability ``p^s (1−p)^(n−s)`` of taking just these samples when each is taken with
probability p: then every coefficient is a probability, all terms are positive, and none overflows or cancels. One p
serves all budgets whose own binomial probability does not underflow; more than one is needed from n of about 500 on.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

_SMALLEST = -500.0  # log-probability: what is smaller than it by a rounding error is still far from underflow
_TABLE = 2e6  # cells of a table of all of them


class Binomials:
    """Probabilities ``C(m, s) p^s (1−p)^(m−s)`` of taking s of m samples, for all ``m ≤ n``."""

    def __init__(self, n: int, p: float) -> None:
        self.p = p
        self.log_taken, self.log_left = math.log(p), math.log1p(-p)
        wide = np.cumsum(np.log(np.arange(1, n + 1, dtype=np.longdouble)))
        self.log_factorial = np.concatenate([np.zeros(1, np.longdouble), wide])
        self.table = np.stack([self._row(m, n) for m in range(n + 1)]) if (n + 1) ** 2 <= _TABLE else None

    def _row(self, m: int, n: int) -> np.ndarray:
        return np.append(self._direct(np.arange(m + 1), np.full(m + 1, m)), np.zeros(n - m))

    def __call__(self, s: np.ndarray | int, m: np.ndarray) -> np.ndarray:
        """0 where ``s > m``; shapes broadcast."""
        return self._direct(s, m) if self.table is None else self.table[m, s]

    def none(self, m: np.ndarray) -> np.ndarray:
        """Of taking none of them."""
        return np.exp(m * self.log_left)

    def _direct(self, s: np.ndarray | int, m: np.ndarray) -> np.ndarray:
        s, m = np.broadcast_arrays(s, m)
        left = np.maximum(m - s, 0)
        f = self.log_factorial
        log = (f[m] - f[np.minimum(s, m)] - f[left] + s * np.longdouble(self.log_taken)
               + left * np.longdouble(self.log_left))  # fmt: skip
        return np.where(s <= m, np.exp(np.float64(log)), 0.0)


@lru_cache(maxsize=4)
def table_of(n: int, p: float) -> Binomials:
    """Those of n samples, kept for the next call."""
    return Binomials(n, p)


@lru_cache(maxsize=64)
def tilts(n: int) -> tuple[tuple[float, int, int], ...]:
    """Probabilities p, each with the first and the last budget that it serves; they depend on n alone."""
    from scipy.special import gammaln

    out = []
    k = np.arange(n + 1.0)
    log_choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    low = 1
    while low <= n:
        p = np.arange(low, n + 1) / (n + 1)
        serves = log_choose[low] + low * np.log(p) + (n - low) * np.log1p(-p) >= _SMALLEST
        chosen = float(p[np.flatnonzero(serves)[-1]])
        good = log_choose + k * math.log(chosen) + (n - k) * math.log1p(-chosen) >= _SMALLEST
        high = int(np.flatnonzero(good)[-1])
        out.append((chosen, low, high))
        low = high + 1
    return tuple(out)
