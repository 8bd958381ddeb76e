"""What the solver found, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

TOLERANCE = 1e-6  # of the gradient norm: steps left are then a millionth of the parameters' own uncertainty


@dataclass(frozen=True, eq=False)
class Solution:
    """Parameters that minimise a loss; the leading axes are those of the data (none, or replicates).

    Attributes:
        parameters: ``float64 [..., p]``, in the law's order.
        objective: ``float64 [...]``: half the sum of squares, Huber's sum, half the deviance, or minus the
            log-likelihood of counts.
        gradient_norm: ``float64 [...]``: the largest over free parameters of the slope divided by its scale (square
            root of curvature times twice the objective; of curvature alone for likelihoods), slopes that point out of
            the bounds left out. For squares it is the cosine between residual and tangent.
        at_bound: ``bool [..., p]``.
        gap: by how much the logarithm of the likelihood is lower where the best start that ended elsewhere did: the
            difference of the objectives over the variance of a residual (for counts the difference itself). Below
            about 2 the other place is as likely. NaN when all starts ended in one place.
        n_starts: how many points of the grid were tried (not how many were followed to their end).
        identified: ``bool [..., p]``: whether the data, at their resolution, fix the parameter; False at a bound.
        converged: ``bool [...]``: whether ``gradient_norm`` is at most 1e-6 (1e-4 for likelihoods).
        others: parameters of up to two other places where starts ended, ``[end, p]``.
    """

    parameters: np.ndarray
    objective: np.ndarray
    gradient_norm: np.ndarray
    at_bound: np.ndarray
    gap: float
    n_starts: int
    identified: np.ndarray
    converged: np.ndarray = field(repr=False)
    others: np.ndarray = field(repr=False)
