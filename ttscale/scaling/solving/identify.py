"""Which parameters the data fix.

Three things can leave a parameter open. Its effect on the data may be one that the other parameters can imitate: then
the tangents, each scaled to unit length, are nearly dependent (Belsley, Kuh and Welsch, "Regression diagnostics", 1980,
chapter 3), and no amount of replicates of the same points would help. Or the data may be too noisy for it. Or another
place, far away, may be as likely.

- Imitated: directions whose singular value is below 1e-5 of the largest, and all that fewer points than parameters do
  not reach. Moving along one by as much as the parameters' own size changes the data by less than their fifth digit,
  which no measured curve has; a parameter with a tenth or more of its (squared) length in such directions is open.
- Noisy: twice the standard error, from the residuals or the covariance, is more than its scale.
- As likely: a place where another start ended is within the 95 % region, and the parameter there differs by more than
  its scale.

The scale is 1 for a parameter searched in its logarithm (a factor of e), the larger of its own size and the spread of
the data for a free one, and half the range for a bounded one, or the larger of its own size and the narrowest gap of
its starts if that is less.
"""

from __future__ import annotations

import numpy as np

from ttscale.scaling.laws.law import Law

RESOLUTION = 1e-5
_SHARE = 0.1


def identified(
    law: Law,
    parameters: np.ndarray,
    jacobian: np.ndarray,
    noise: np.ndarray,
    at_bound: np.ndarray,
    spread: np.ndarray,
    rivals: np.ndarray,
) -> np.ndarray:
    """``bool [batch, p]``.

    Args:
        parameters: ``[batch, p]``.
        jacobian: whitened and weighted, ``[batch, point, p]``, in the law's own parameters.
        noise: variance of a residual, ``[batch]``.
        at_bound: ``[batch, p]``: these are fixed by their bound, and what the others do is judged without them.
        spread: of the data, ``[batch]``.
        rivals: parameters that are as likely, ``[batch, rival, p]``.
    """
    in_log = np.array([p.searched_in_log for p in law.parameters])
    scaled = jacobian * np.where(in_log, parameters, 1.0)[:, None, :] * ~at_bound[:, None, :]
    length = np.sqrt((scaled**2).sum(1))
    seen = (length > 0) & np.isfinite(length)
    unit = np.where(seen[:, None, :], scaled / np.where(seen, length, 1.0)[:, None, :], 0.0)
    missing = max(unit.shape[2] - unit.shape[1], 0)  # fewer points than parameters leave directions open
    _, values, directions = np.linalg.svd(np.pad(unit, ((0, 0), (0, missing), (0, 0))), full_matrices=False)
    open_ = values <= RESOLUTION * values[:, :1]
    share = (np.where(open_[..., None], directions**2, 0.0)).sum(1)
    inverse = np.where(open_, 0.0, 1.0 / np.where(open_, 1.0, values))
    error = np.sqrt(noise)[:, None] * np.sqrt((inverse[..., None] ** 2 * directions**2).sum(1))
    error = error / np.where(seen, length, 1.0)
    scale = _scale(law, parameters, spread)
    there = np.log(rivals[..., in_log] / parameters[:, None, in_log])
    away = rivals - parameters[:, None]
    away[..., in_log] = there
    far = (np.abs(away) > scale[:, None]).any(axis=1)
    return seen & (share < _SHARE) & (2.0 * error <= scale) & ~far


def _scale(law: Law, parameters: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """By how much a parameter may be uncertain, ``[batch, p]``; in the logarithm of those searched in theirs."""
    out = np.empty_like(parameters)
    for i, p in enumerate(law.parameters):
        size = np.abs(parameters[:, i])
        if p.searched_in_log:
            out[:, i] = 1.0
        elif p.linear and not np.isfinite(p.high - p.low):
            out[:, i] = np.maximum(size, spread)
        else:
            gap = np.diff(np.sort(p.starts)).min() if len(p.starts) > 1 else np.inf
            out[:, i] = np.minimum(0.5 * (p.high - p.low), np.maximum(size, 0.1 * gap))
    return out
