"""What a fit minimises: squares, Huber's loss, or the deviance of binomial counts.

Every loss is a sum over points of ``rho(e)``, where ``e`` is the residual after a transformation of the value (its
logarithm, if asked) and whitening by a covariance. The solver needs ``rho``, its first derivative ``slope`` and a
positive ``weight`` in place of its second one (Huber's own is 0 in the tails).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.numbers import is_number

_EDGE = 1e-6  # beyond it the logarithms of the binomial deviance go on as parabolas


@dataclass(frozen=True, eq=False)
class Squares:
    """Half the sum of squared residuals, after whitening by ``covariance [point, point]`` (generalised)."""

    covariance: np.ndarray | None = field(default=None, repr=False)

    @cached_property
    def whitener(self) -> np.ndarray | None:
        """Inverse of the covariance's Cholesky factor, ``[point, point]``."""
        return None if self.covariance is None else _whitener(self.covariance)


@dataclass(frozen=True, eq=False)
class Huber:
    """Huber's loss (1964): squares up to ``delta``, straight lines beyond.

    Attributes:
        delta: in units of the residuals (of standard deviations where a covariance whitens them).
        covariance: ``[point, point]`` or None.
        log: residuals are those of ``ln y`` (Hoffmann et al. 2022 fit losses so, with ``delta=1e-3``).
    """

    delta: float
    covariance: np.ndarray | None = field(default=None, repr=False)
    log: bool = False

    def __post_init__(self) -> None:
        if not is_number(self.delta) or not 0 < self.delta < np.inf:
            raise TtscaleError("delta", expected="a number above 0", got=repr(self.delta), fix="Give 0.001.")

    @cached_property
    def whitener(self) -> np.ndarray | None:
        return None if self.covariance is None else _whitener(self.covariance)


@dataclass(frozen=True, eq=False)
class Binomial:
    """Half the deviance of ``y`` as shares of ``n`` (``[point]``, trials of each point, above 0).

    It is the negative log-likelihood less that of the saturated model. Points are taken to be independent: where all
    are shares of the same items, as along a curve, its gradient norm and what it calls identified are too sure by up to
    the root of the number of points. Within 1e-6 of 0 and 1 the logarithms continue
    as parabolas, so that a law may step outside on its way; shares beyond it count as if they were there.
    """

    n: np.ndarray = field(repr=False)


Loss = Squares | Huber | Binomial


def compared(loss: Loss, value: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What of a value is compared with the data, and its derivative (None for 1): the value or its logarithm."""
    if not (isinstance(loss, Huber) and loss.log):
        return value, None
    positive = value > 0
    safe = np.where(positive, value, 1.0)
    return np.where(positive, np.log(safe), np.nan), 1.0 / safe


def terms(loss: Loss, value: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``rho``, minus its slope in the (whitened) value, and its positive weight; ``[batch, point]`` each.

    Args:
        value, target: what is compared, ``[batch, point]``; whitened but for binomials.
    """
    if isinstance(loss, Binomial):
        n = np.broadcast_to(loss.n, target.shape)
        return _deviance(value, np.clip(target, _EDGE, 1.0 - _EDGE), n)
    residual = target - value
    if isinstance(loss, Squares):
        return 0.5 * residual**2, residual, np.ones_like(residual)
    size = np.abs(residual)
    weight = loss.delta / np.maximum(size, loss.delta)
    rho = np.where(size <= loss.delta, 0.5 * residual**2, loss.delta * (size - 0.5 * loss.delta))
    return rho, weight * residual, weight


def whitened(loss: Loss, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``vectors [..., batch, point]`` times the whitener of each row's replicate ``rows [batch]``."""
    if isinstance(loss, Binomial) or loss.whitener is None:
        return vectors
    if loss.whitener.ndim == 2:
        return vectors @ loss.whitener.T
    return (vectors[..., None, :] @ np.swapaxes(loss.whitener[rows], -1, -2))[..., 0, :]


def _deviance(p: np.ndarray, share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    right, right_slope = _log(p)
    wrong, wrong_slope = _log(1.0 - p)
    best = _entropy(share) + _entropy(1.0 - share)
    rho = n * (best - share * right - (1.0 - share) * wrong)
    inside = np.clip(p, _EDGE, 1.0 - _EDGE)
    return rho, n * (share * right_slope - (1.0 - share) * wrong_slope), n / (inside * (1.0 - inside))


def _log(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm and its slope, continued by its parabola below the edge."""
    safe = np.maximum(p, _EDGE)
    below = np.minimum(p - _EDGE, 0.0) / _EDGE
    return np.log(safe) + below - 0.5 * below**2, np.where(p < _EDGE, (1.0 - below) / _EDGE, 1.0 / safe)


def _entropy(p: np.ndarray) -> np.ndarray:
    return p * np.log(np.where(p > 0, p, 1.0))


def _whitener(covariance: np.ndarray) -> np.ndarray:
    """W with Wᵀ W = covariance⁻¹."""
    try:
        return np.linalg.inv(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        raise TtscaleError(
            "loss", expected="a covariance that is positive definite", got="one that is singular or no covariance",
            fix="Add the points' own errors to its diagonal.",
        ) from None  # fmt: skip
