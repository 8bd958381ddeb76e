"""The probability that samples drawn without replacement hold none of some of them."""

from __future__ import annotations

import numpy as np


def log_misses(n: int, k: int) -> np.ndarray:
    """``ln(C(n−c, k) / C(n, k))`` for c from 0 to n, ``float64 [n + 1]``: k of n samples hold none of c.

    The sum of ``ln(1 − k/i)`` for i from n−c+1 to n; −∞ where fewer than k others are left.
    """
    i = np.arange(n, k, -1.0)
    out = np.full(n + 1, -np.inf)
    out[: len(i) + 1] = np.append(0.0, np.cumsum(np.log1p(-k / i)))
    return out
