"""Linear parameters solved exactly within their bounds, for many problems at once.

Columns are made orthogonal one after the other (modified Gram-Schmidt), which for least squares is as stable as
Householder's QR (Björck 1967) and runs over all problems of the batch in a few array operations.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

_DEPENDENT = 1e-13  # a column that keeps less of its length than this is a combination of those before it


@dataclass(frozen=True, eq=False)
class Projected:
    """Least squares of ``target [batch, point]`` on ``columns [linear, batch, point]``.

    Attributes:
        coefficients: ``[linear, batch]``.
        residual: ``[batch, point]``.
        basis: orthonormal columns of the coefficients that are free, ``[linear, batch, point]``, 0 for the others.
    """

    coefficients: np.ndarray
    residual: np.ndarray
    basis: np.ndarray

    def off(self, vectors: np.ndarray) -> np.ndarray:
        """``vectors [..., batch, point]`` less their parts in the span of the basis."""
        for column in self.basis:
            vectors = vectors - (vectors * column).sum(-1, keepdims=True) * column
        return vectors


def project(columns: np.ndarray, target: np.ndarray, low: np.ndarray, high: np.ndarray) -> Projected:
    """The least-squares solution with ``low <= coefficients <= high`` (``[linear]`` each, infinite where free).

    The problem is convex. Where the free solution leaves the bounds, a single bounded coefficient is therefore held at
    the bound that it crossed; of several, every choice held at one of their bounds is solved and the best feasible one
    taken. Either way is exact.
    """
    n_linear, n_batch = columns.shape[:2]
    out = _solve(columns, target, np.full((n_linear, n_batch), np.nan))
    bounded = np.flatnonzero(np.isfinite(low) | np.isfinite(high))
    if not len(bounded):
        return out
    outside = ((out.coefficients < low[:, None]) | (out.coefficients > high[:, None])).any(axis=0)
    if not outside.any():
        return out
    rows = np.flatnonzero(outside)
    if len(bounded) == 1:
        held = np.full((n_linear, len(rows)), np.nan)
        only = bounded[0]
        held[only] = np.clip(out.coefficients[only, rows], low[only], high[only])
        best = _solve(columns[:, rows], target[rows], held)
    else:
        best = _best_held(columns[:, rows], target[rows], low, high, bounded)
    out.coefficients[:, rows], out.residual[rows], out.basis[:, rows] = best.coefficients, best.residual, best.basis
    return out


def _best_held(
    columns: np.ndarray, target: np.ndarray, low: np.ndarray, high: np.ndarray, bounded: np.ndarray
) -> Projected:
    n_linear, n_batch = columns.shape[:2]
    least = np.full(n_batch, np.inf)
    out = Projected(np.zeros((n_linear, n_batch)), target.copy(), np.zeros_like(columns))
    for choice in itertools.product(*([np.nan, *(b for b in (low[i], high[i]) if np.isfinite(b))] for i in bounded)):
        if np.isnan(choice).all():
            continue
        held = np.full((n_linear, n_batch), np.nan)
        held[bounded] = np.array(choice)[:, None]
        found = _solve(columns, target, held)
        squares = (found.residual**2).sum(-1)
        inside = ((found.coefficients >= low[:, None]) & (found.coefficients <= high[:, None])).all(axis=0)
        better = inside & (squares < least)
        least[better] = squares[better]
        out.coefficients[:, better], out.residual[better] = found.coefficients[:, better], found.residual[better]
        out.basis[:, better] = found.basis[:, better]
    return out


def _solve(columns: np.ndarray, target: np.ndarray, held: np.ndarray) -> Projected:
    """Least squares with the coefficients that are not NaN in ``held [linear, batch]`` kept at that value."""
    fixed = ~np.isnan(held)
    basis, residual = columns.copy(), target
    if fixed.any():
        residual = residual - (np.where(fixed, held, 0.0)[..., None] * columns).sum(0)
        basis[fixed] = 0.0
    length = np.sqrt((basis**2).sum(-1))
    n_linear = len(columns)
    above = np.zeros((n_linear, n_linear, len(target)))
    onto = np.zeros((n_linear, len(target)))
    for i in range(n_linear):
        norm = np.sqrt((basis[i] ** 2).sum(-1))
        above[i, i] = np.where(norm > _DEPENDENT * length[i], norm, np.inf)
        basis[i] /= above[i, i][:, None]
        for j in range(i + 1, n_linear):
            above[i, j] = (basis[i] * basis[j]).sum(-1)
            basis[j] -= above[i, j][:, None] * basis[i]
        onto[i] = (basis[i] * residual).sum(-1)
        residual = residual - onto[i][:, None] * basis[i]
    coefficients = onto
    for i in reversed(range(n_linear)):
        for j in range(i + 1, n_linear):
            coefficients[i] -= above[i, j] * coefficients[j]
        coefficients[i] /= above[i, i]
    return Projected(np.where(fixed, held, coefficients), residual, basis)
