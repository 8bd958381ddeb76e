"""Expectations over success probabilities that follow a beta distribution, scaled to a largest value.

``p = m·x`` with ``x ~ Beta(a, b)``. With ``x = σ(s)`` the density in ``s`` is ``σ(s)^a·σ(−s)^b / B(a, b)``, smooth and
falling off exponentially on both sides, so the trapezoid rule converges exponentially (Trefethen and Weideman, SIAM
Review 56, 2014). Far out the nodes are spread exponentially, as in double-exponential quadrature (Takahasi and Mori
1974), so that even ``a = 0.001`` keeps its tail. Derivatives in a and b are covariances with ``ln x`` and
``ln (1 − x)``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from ttscale.scaling.laws.log_gamma import log_beta

_WIDEST = 0.2
_PER_WIDTH = 0.6  # of the width of the sharpest peak; its transform at 2π over the step is then below 1e-13
_TAIL = 40.0  # e^−40 is below rounding
_NEGLIGIBLE = 50.0
_COARSE = 4  # steps between the nodes by which a window is found
_BLOCK = 32  # pairs of like shares, and
_ROWS = 128  # parameters of like m, summed over the same nodes
_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Places ``x`` in (0, 1), each ``[node]``: ``x``, ``1 − x``, their logarithms, and ``ln ds`` of each step."""

    x: np.ndarray
    rest: np.ndarray
    log_x: np.ndarray
    log_rest: np.ndarray
    log_step: np.ndarray


@dataclass(frozen=True, eq=False)
class _Betas:
    """Parameters ``[batch]``."""

    a: np.ndarray
    b: np.ndarray
    m: np.ndarray

    def take(self, rows: slice) -> _Betas:
        return _Betas(self.a[rows], self.b[rows], self.m[rows])

    def corners(self) -> _Betas:
        """The corners of the box around all, or all if they are as few."""
        if len(self.a) <= 8:
            return self
        return _Betas(*np.array(list(itertools.product(*((x.min(), x.max()) for x in (self.a, self.b, self.m))))).T)

    def log_failure(self, nodes: _Nodes) -> np.ndarray:
        """``ln(1 − m·x)``, ``[batch, node]``, exact near 0 and near 1."""
        m = self.m[:, None]
        near_one = (1.0 - m) + m * nodes.rest
        return np.where(
            m * nodes.x < 0.5, np.log1p(-np.minimum(m * nodes.x, 0.5)), np.log(np.maximum(near_one, 1e-300))
        )

    def log_weight(self, nodes: _Nodes) -> np.ndarray:
        """Logarithms of the quadrature's weights, ``[batch, node]``."""
        a, b = self.a[:, None], self.b[:, None]
        return a * nodes.log_x + b * nodes.log_rest + nodes.log_step - log_beta(a, b)

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """``E ln x`` and ``E ln (1 − x)``, ``[batch, 1]``."""
        both = digamma(self.a + self.b)
        return (digamma(self.a) - both)[:, None], (digamma(self.b) - both)[:, None]

    def sharpest(self, n: np.ndarray, c: np.ndarray) -> float:
        """The largest curvature in ``s`` of the posteriors after c of n; those of ``m < 1`` are less curved."""
        a, b = self.a[:, None], self.b[:, None]
        return float(((c + a) * (n - c + b) / (n + a + b)).max())


class _Line:
    """The whole line of ``t``, of which nodes are taken: ``s = t`` in the middle, exponentially spread at the ends."""

    def __init__(self, betas: _Betas, n: float) -> None:
        self.left, self.right = (math.log(float(other.max()) + n + 2.0) + 4.0 for other in (betas.b, betas.a))
        self.start = -self.left - math.log1p(_TAIL / float(betas.a.min()))
        self.end = self.right + math.log1p(_TAIL / float(betas.b.min()))

    def nodes(self, start: float, end: float, step: float) -> _Nodes:
        t = np.arange(start, end + step, step)
        out, back = np.exp(-t - self.left), np.exp(t - self.right)
        s = t - out + back
        log_x, log_rest = -np.logaddexp(0.0, -s), -np.logaddexp(0.0, s)
        return _Nodes(np.exp(log_x), np.exp(log_rest), log_x, log_rest, np.log(step * (1.0 + out + back)))

    def window(self, n: np.ndarray, c: np.ndarray, betas: _Betas, step: float) -> _Nodes:
        """The nodes that matter to any pair for any of the parameters.

        A posterior's place moves one way with each parameter, so those at the corners enclose the others.
        """
        coarse = _COARSE * step
        nodes, corners = self.nodes(self.start, self.end, coarse), betas.corners()
        powers = np.stack([c, n - c, np.ones(len(c))], axis=1)
        exponent = powers @ _exponents(corners, nodes)
        inside = (exponent > exponent.max(-1, keepdims=True) - _NEGLIGIBLE).any(axis=(0, 1))
        first, last = inside.argmax(), len(inside) - 1 - inside[::-1].argmax()
        low, high = self.start + (first - 1) * coarse, self.start + (last + 1) * coarse
        return self.nodes(max(low, self.start), min(high, self.end), step)


def log_expected(
    n: np.ndarray, c: np.ndarray, a: np.ndarray, b: np.ndarray, m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``ln E[p^c (1 − p)^(n − c)]`` ``[batch, pair]`` and its derivatives in a, b, m ``[3, batch, pair]``.

    Args:
        n, c: ``[pair]``; a, b, m: ``[batch]``.
    """
    value, slopes = np.empty((len(a), len(n))), np.empty((3, len(a), len(n)))
    for rows in np.array_split(np.lexsort((a, m)), -(-len(a) // _ROWS)):
        betas = _Betas(a[rows], b[rows], m[rows])
        line = _Line(betas, float(n.max()))
        for some in np.array_split(np.lexsort((n, c / n)), -(-len(n) // _BLOCK)):
            step = min(_WIDEST, _PER_WIDTH / math.sqrt(betas.sharpest(n[some], c[some])))
            at = np.ix_(rows, some)
            value[at], parts = _block(n[some], c[some], betas, line.window(n[some], c[some], betas, step))
            for slope, part in zip(slopes, parts, strict=True):
                slope[at] = part
    return value, slopes


def _block(
    n: np.ndarray, c: np.ndarray, betas: _Betas, nodes: _Nodes
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    powers = np.stack([c, n - c, np.ones(len(c))], axis=1)
    terms = _exponents(betas, nodes)
    exponent = powers @ terms
    top = exponent.max(-1, keepdims=True)
    exponent -= top
    share = np.exp(exponent, out=exponent)
    total, in_a, in_b = np.moveaxis(
        share @ np.stack([np.ones_like(nodes.x), nodes.log_x, nodes.log_rest], axis=1), -1, 0
    )
    odds = nodes.x * np.exp(-terms[:, 1])
    in_m = (share @ odds[..., None])[..., 0]
    of_a, of_b = betas.means()
    m = betas.m[:, None]
    value = top[..., 0] + np.log(total) + c * np.log(m)
    return value, (in_a / total - of_a, in_b / total - of_b, c / m - (n - c) * in_m / total)


def _exponents(betas: _Betas, nodes: _Nodes) -> np.ndarray:
    """What ``c``, ``n − c`` and 1 are to be multiplied with, ``[batch, 3, node]``."""
    failure = betas.log_failure(nodes)
    return np.stack([np.broadcast_to(nodes.log_x, failure.shape), failure, betas.log_weight(nodes)], axis=1)


def expected_coverage(k: np.ndarray, a: np.ndarray, b: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``1 − E[(1 − p)^k]`` ``[batch, point]`` and its derivatives in a, b, m ``[3, batch, point]``.

    Args:
        k: ``[point]``, real; a, b, m: ``[batch]``.
    """
    value, slopes = np.empty((len(a), len(k))), np.empty((3, len(a), len(k)))
    line = _Line(_Betas(a, b, m), float(k.max()))
    step = min(_WIDEST, _PER_WIDTH / math.sqrt(_Betas(a, b, m).sharpest(k, np.zeros_like(k))))
    nodes = line.nodes(line.start, line.end, step)
    for rows in _pieces(len(a), len(k) * len(nodes.x)):
        betas = _Betas(a, b, m).take(rows)
        weight, failure = np.exp(betas.log_weight(nodes)), betas.log_failure(nodes)
        exponent = k[:, None] * failure[:, None, :]
        some = -np.expm1(exponent)
        value[rows] = (some @ weight[..., None])[..., 0]
        for slope, log, mean in zip(slopes, (nodes.log_x, nodes.log_rest), betas.means(), strict=False):
            slope[rows] = (some @ (weight * (log - mean))[..., None])[..., 0]
        per_m = np.exp(exponent - failure[:, None, :])
        slopes[2, rows] = k * (per_m @ (weight * nodes.x)[..., None])[..., 0]
    return value, slopes


def _pieces(n_rows: int, per_row: int) -> Iterator[slice]:
    step = max(1, _AT_ONCE // per_row)
    return (slice(first, first + step) for first in range(0, n_rows, step))
