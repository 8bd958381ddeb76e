"""Covariance of a curve's points: what the sampling of items makes of them, and what a law's misfit adds."""

from __future__ import annotations

import numpy as np

from ttscale.scaling.intervals.bootstrap import unit_sums


def mean_covariance(values: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    """Covariance of means over items, ``[row, row]``, for ``values`` ``[row, item]``.

    It is what the covariance of the bootstrap means tends to with many resamples. With clusters (``units [item]``) it
    is the linearised covariance of the ratio estimator (Cochran 1977, §9A).
    """
    sums = unit_sums(values - values.mean(axis=1, keepdims=True, dtype=np.float64), units)[0]
    n_units = sums.shape[1]
    return sums @ sums.T * (n_units / (n_units - 1) / values.shape[1] ** 2)


def with_misfit(covariance: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """The covariance of a curve's points with a law's misfit added to its diagonal: ``[k, k]``.

    Neighbouring budgets share nearly all their draws, so the sampling covariance alone is almost singular: its inverse
    trusts differences of neighbours so much that a law which is only nearly right would be pulled far away from the
    points (Fröhner 1997, see :mod:`ttscale.scaling.fits.points`). The mean squared residual of an unweighted fit
    (``residual [k]``), times the number of points, is added as independent error of each point, as a nugget is in
    kriging (Cressie, "Statistics for Spatial Data", 1993): what a law misses is shared by neighbouring points too, so
    it must not average out over them, and the mean of n independent errors has an n-th of their variance. 1 % of the
    mean sampling variance keeps the sum invertible where the law fits exactly.
    """
    spread = float((residual**2).sum()) + 0.01 * float(np.trace(covariance)) / len(covariance) + 1e-14
    return covariance + spread * np.eye(len(covariance))
