"""Least squares for laws that are linear but for a few shape parameters (variable projection).

For given shape parameters the linear ones solve a linear least-squares problem, so only the shape is searched: on a
logarithmic grid over its bounds, then by zooming in (one curve, to machine precision) or by a parabola through the
neighbours of the best grid point (many bootstrap replicates at once). The first linear parameter is kept in [0, 1]:
where the free solution leaves it, it is set to the bound and the others are solved again, which is the exact
constrained optimum because only that one parameter is bounded. Nothing here can fail to converge; whether the answer
means anything is for :mod:`ttscale.scaling.fit` to say.
"""

from __future__ import annotations

import itertools

import numpy as np

from ttscale.scaling.bootstrap import unit_sums
from ttscale.scaling.laws import Law

_GRID_POINTS = 257  # one shape parameter; several share about as many
_ZOOM_STENCIL = 7
_ZOOM_ROUNDS = 60
_VALUES_AT_ONCE = 250_000  # shape × budget × curve


def fit_points(law: Law, x: np.ndarray, y: np.ndarray, covariance: np.ndarray | None = None) -> np.ndarray:
    """Generalised least squares of one curve: parameters ``[linear + shape]``.

    Args:
        x: ``[k]``, at least 1, different, at least as many as the law has parameters.
        y: ``[k]``.
        covariance: of ``y``, ``[k, k]``, positive definite; None weighs all points alike.
    """
    whitener = _whitener(len(x), covariance)
    target = (whitener @ y)[:, None]
    axes = _grid_axes(law)
    best = _best_of(law, x, target, whitener, axes)
    half = np.array([axis[1] - axis[0] for axis in axes])
    for _ in range(_ZOOM_ROUNDS if axes else 0):
        ticks = [
            np.unique(np.clip(np.linspace(at - width, at + width, _ZOOM_STENCIL), axis[0], axis[-1]))
            for at, width, axis in zip(best, half, axes, strict=True)
        ]
        best = _best_of(law, x, target, whitener, ticks)
        half = half / 2
    shape = np.exp(best)
    linear, _ = _solve(whitener @ law.columns(x, shape), target)
    return np.concatenate([linear[:, 0], shape])


def fit_many(law: Law, x: np.ndarray, ys: np.ndarray, covariance: np.ndarray | None = None) -> np.ndarray:
    """The same for many curves at once: ``ys`` ``[curve, k]`` to parameters ``[curve, linear + shape]``.

    Shape parameters are exact to about 1e-4 relative, far below their bootstrap spread.
    """
    whitener = _whitener(len(x), covariance)
    targets = whitener @ ys.T
    axes = _grid_axes(law)
    shape = np.exp(_refined_grid_minimum(law, x, targets, whitener, axes)) if axes else np.empty((len(ys), 0))
    linear, _ = _solve(whitener @ law.columns(x, shape), targets.T[:, :, None])
    return np.concatenate([linear[..., 0], shape], axis=-1)


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
    points (Fröhner 1997, see :mod:`ttscale.scaling.fit`). The mean squared residual of an unweighted fit
    (``residual [k]``) is added as independent error of each point, as a nugget is in kriging (Cressie, "Statistics for
    Spatial Data", 1993). 1 % of the mean sampling variance keeps the sum invertible where the law fits exactly.
    """
    spread = float((residual**2).mean()) + 0.01 * float(np.trace(covariance)) / len(covariance) + 1e-14
    return covariance + spread * np.eye(len(covariance))


def _grid_axes(law: Law) -> list[np.ndarray]:
    """Logarithms of each shape parameter's grid."""
    points = max(9, round(_GRID_POINTS ** (1 / len(law.shape)))) if law.shape else 0
    return [np.linspace(np.log(low), np.log(high), points) for low, high in law.bounds]


def _best_of(law: Law, x: np.ndarray, target: np.ndarray, whitener: np.ndarray, ticks: list[np.ndarray]) -> np.ndarray:
    """The log shape parameters on a grid with the smallest sum of squares, computed from residuals."""
    points = np.array(list(itertools.product(*ticks)))
    columns = whitener @ law.columns(x, np.exp(points))
    _, residual = _solve(columns, target)
    return points[int(np.argmin((residual**2).sum(axis=(-2, -1))))]


def _refined_grid_minimum(
    law: Law, x: np.ndarray, targets: np.ndarray, whitener: np.ndarray, axes: list[np.ndarray]
) -> np.ndarray:
    """Per curve, the grid minimum moved to the vertex of the parabola along each axis: ``[curve, shape]``."""
    points = np.array(list(itertools.product(*axes)))
    pieces = 1 + len(points) * targets.size // _VALUES_AT_ONCE
    squares = np.concatenate([
        _sum_of_squares(whitener @ law.columns(x, np.exp(some)), targets) for some in np.array_split(points, pieces)
    ])  # fmt: skip
    cube = squares.reshape(*(len(axis) for axis in axes), -1)
    flat = squares.argmin(axis=0)
    at = np.unravel_index(flat, cube.shape[:-1])
    curve = np.arange(cube.shape[-1])
    out = []
    for i, axis in enumerate(axes):
        inner = np.clip(at[i], 1, len(axis) - 2)
        left, mid, right = (cube[(*at[:i], inner + step, *at[i + 1 :], curve)] for step in (-1, 0, 1))
        bend = left - 2 * mid + right
        offset = np.where(bend > 0, 0.5 * (left - right) / np.where(bend > 0, bend, 1.0), 0.0)
        moved = axis[inner] + np.clip(offset, -1, 1) * (axis[1] - axis[0])
        edge = (at[i] == 0) | (at[i] == len(axis) - 1)
        out.append(np.where(edge & (np.abs(offset) >= 1), axis[at[i]], moved))
    return np.stack(out, axis=-1)


def _sum_of_squares(columns: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Residual sums of squares ``[point, curve]`` for columns ``[point, k, linear]`` and targets ``[k, curve]``."""
    linear = _clamped(columns, np.linalg.pinv(columns, rcond=1e-13) @ targets, targets)
    gram = np.swapaxes(columns, -1, -2) @ columns
    cross = np.swapaxes(columns, -1, -2) @ targets
    return (targets**2).sum(0) - 2 * (linear * cross).sum(-2) + (linear * (gram @ linear)).sum(-2)


def _solve(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Linear parameters ``[..., linear, 1]`` and residuals ``[..., k, 1]``."""
    linear = _clamped(columns, np.linalg.pinv(columns, rcond=1e-13) @ target, target)
    return linear, target - columns @ linear


def _clamped(columns: np.ndarray, linear: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The solution with its first parameter in [0, 1] and the others solved again where that moved it."""
    first = np.clip(linear[..., :1, :], 0.0, 1.0)
    if columns.shape[-1] == 1:
        return first
    others = np.linalg.pinv(columns[..., 1:], rcond=1e-13) @ (target - columns[..., :1] * first)
    return np.where(first == linear[..., :1, :], linear, np.concatenate([first, others], axis=-2))


def _whitener(n: int, covariance: np.ndarray | None) -> np.ndarray:
    """W with Wᵀ W = covariance⁻¹."""
    return np.eye(n) if covariance is None else np.linalg.inv(np.linalg.cholesky(covariance))
