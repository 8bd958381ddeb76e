"""Levenberg-Marquardt and Newton steps within bounds, for many problems at once."""

from __future__ import annotations

import numpy as np

from ttscale.scaling.solving.objective import SearchSpace, State

_LONGEST = 2.0  # a step in a logarithm; in a plain parameter a quarter of its range
_DIFFERENCE = 1e-5
_UNDAMPED = 1e-2  # a step damped more than this may be short for that alone
_ROUNDING = 1e-12  # of an objective: sums of thousands of terms


def descend(
    objective: SearchSpace,
    q: np.ndarray,
    rows: np.ndarray,
    *,
    tolerance: float = 1e-11,
    rounds: int = 120,
    settled: float = 1e-13,
) -> State:
    """Follow every row of ``q [batch, searched]`` down to a stationary point of its replicate's objective.

    Levenberg-Marquardt with Marquardt's scaling (1963) and a damping that follows the gain ratio. Parameters at a bound
    that are pulled outwards stand still; the others' step is cut off at the bounds. A row ends when its gradient norm
    is at most ``tolerance``, when a step is expected to gain less than ``settled`` of the objective, or after
    ``rounds``.
    """
    state = objective.at(q, rows)
    if not q.shape[1]:
        return state
    longest = np.where(objective.is_log, _LONGEST, (objective.high - objective.low) / 4)
    damping = np.full(len(q), 1e-3)
    active = np.flatnonzero(np.isfinite(state.objective))
    for _ in range(rounds):
        if not len(active):
            break
        here = state.take(active)
        pull = (here.tangent @ here.residual[..., None])[..., 0]
        curvature = here.tangent @ np.swapaxes(here.tangent, 1, 2)
        step = _damped_step(objective, here, pull, curvature, damping[active], longest)
        trial = objective.at(np.clip(here.q + step, objective.low, objective.high), rows[active])
        moved = trial.q - here.q
        expected = (moved * pull).sum(-1) - 0.5 * (moved * (curvature @ moved[..., None])[..., 0]).sum(-1)
        with np.errstate(invalid="ignore"):  # an infinite objective is no gain
            gain = (here.objective - trial.objective) / np.where(expected > 0, expected, np.inf)
        better = trial.objective < here.objective
        state.put(active[better], trial, better)
        factor = np.where(gain > 0.75, 0.1, np.where(gain > 0.25, 1.0, np.where(better, 3.0, 8.0)))
        damping[active] = np.maximum(damping[active] * factor, 1e-12)
        still = (np.abs(moved) <= 1e-14 * (1.0 + np.abs(here.q))).all(-1) | (damping[active] > 1e13)
        settling = better & (damping[active] < _UNDAMPED) & (expected <= settled * here.objective)
        flat = objective.gradient_norm(state.take(active), rows[active]) <= tolerance
        done = still | settling | flat
        active = active[~done]
    return state


def _damped_step(
    objective: SearchSpace,
    here: State,
    pull: np.ndarray,
    curvature: np.ndarray,
    damping: np.ndarray,
    longest: np.ndarray,
) -> np.ndarray:
    free = ~objective.held(here.q, pull)
    own = np.diagonal(curvature, axis1=1, axis2=2)
    scale = np.maximum(own, 1e-12 * own.max(-1, keepdims=True)) + 1e-300
    return np.clip(_solve(curvature, damping[:, None] * scale, pull, free), -longest, longest)


def _solve(curvature: np.ndarray, added: np.ndarray, pull: np.ndarray, free: np.ndarray) -> np.ndarray:
    """``(curvature + diag(added))⁻¹ pull`` over the free parameters, scaled to a unit diagonal first."""
    own = np.diagonal(curvature, axis1=1, axis2=2) + added
    root = np.sqrt(np.where(free, own, 1.0))
    scaled = np.where(free[:, :, None] & free[:, None, :], curvature, 0.0) / (root[:, :, None] * root[:, None, :])
    n = curvature.shape[-1]
    scaled[:, np.arange(n), np.arange(n)] = 1.0 + 1e-15
    right = np.where(free, pull, 0.0) / root
    return np.linalg.solve(scaled, right[..., None])[..., 0] / root


def polish(objective: SearchSpace, state: State, rows: np.ndarray, *, rounds: int = 12) -> State:
    """Newton's steps with the Hessian from central differences of the exact gradient; uphill only by rounding."""
    n = state.q.shape[1]
    if not n:
        return state
    for _ in range(rounds):
        norm = objective.gradient_norm(state, rows)
        active = np.flatnonzero((norm > 1e-12) & np.isfinite(norm) & (state.objective > objective.floor[rows] * 1e-6))
        if not len(active):
            break
        here = state.take(active)
        pull = (here.tangent @ here.residual[..., None])[..., 0]
        step = _newton_step(objective, here, pull, rows[active])
        better = np.zeros(len(active), dtype=bool)
        for length in (1.0, 0.25, 0.03):
            left = np.flatnonzero(~better)
            trial = objective.at(
                np.clip(here.q + length * step, objective.low, objective.high)[left], rows[active][left]
            )
            lower = trial.objective < here.objective[left]
            level = trial.objective <= here.objective[left] + _ROUNDING * np.abs(here.objective[left])
            closer = objective.gradient_norm(trial, rows[active][left]) < norm[active][left]
            good = lower | (level & closer)
            state.put(active[left[good]], trial, good)
            better[left[good]] = True
            if better.all():
                break
        if not better.any():
            break
    return state


def _newton_step(objective: SearchSpace, here: State, pull: np.ndarray, rows: np.ndarray) -> np.ndarray:
    n = here.q.shape[1]
    width = _DIFFERENCE * np.maximum(1.0, np.abs(here.q))
    moves = np.concatenate([np.eye(n), -np.eye(n)])[:, None] * width
    sides = objective.at((here.q + moves).reshape(-1, n), np.tile(rows, 2 * n))
    up, down = (sides.tangent @ sides.residual[..., None]).reshape(2, n, len(rows), n)
    slopes = np.moveaxis((down - up) / (2.0 * width.T[:, :, None]), 0, -1)
    hessian = 0.5 * (slopes + np.swapaxes(slopes, 1, 2))
    free = ~objective.held(here.q, pull)
    size = np.sqrt((here.tangent**2).sum(-1))
    size = np.maximum(size, 1e-12 * size.max(-1, keepdims=True)) + 1e-300
    scaled = np.where(free[:, :, None] & free[:, None, :], hessian / (size[:, :, None] * size[:, None, :]), 0.0)
    scaled[:, np.arange(n), np.arange(n)] += np.where(free, 0.0, 1.0)
    values, vectors = np.linalg.eigh(np.where(np.isfinite(scaled), scaled, 0.0))
    floored = np.maximum(np.abs(values), 1e-12 * np.abs(values).max(-1, keepdims=True) + 1e-300)
    along = np.swapaxes(vectors, 1, 2) @ (np.where(free, pull, 0.0) / size)[..., None]
    step = (vectors @ (along / floored[..., None]))[..., 0] / size
    return np.clip(step, -_LONGEST, _LONGEST)
