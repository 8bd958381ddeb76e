"""The smallest value of functions of a few variables in boxes, of a whole batch at once and without derivatives."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

_STAR = (-1.0, -0.5, 0.0, 0.5, 1.0)
_LONGEST = 20.0  # of a step to the least point of a quadratic, in widths of the star


def least(
    cost: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray, *, grid: int = 17, rounds: int = 30
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The smallest value of positive functions of a few variables in boxes, all of a batch at once.

    A grid, then a star of points about the best so far (within the box), and the least point of the quadratic through
    the star before; the star halves whenever its best lies well within it. NaN counts as ∞.

    Args:
        cost: takes ``[batch, point, variable]`` and gives ``[batch, point]``.
        low, high: ends of the boxes, ``[batch, variable]``; where they are equal a variable is fixed.
        grid: points of the grid along each variable. rounds: of the star.

    Returns:
        Where, ``[batch, variable]``, and the values ``[batch]``; ∞ where no point has one.
    """
    free = [bool((high[:, i] > low[:, i]).any()) for i in range(high.shape[1])]
    first = _product([np.linspace(0, 1, grid) if moves else np.zeros(1) for moves in free])
    star = _product([np.array(_STAR) if moves else np.zeros(1) for moves in free])
    x = low[:, None] + first * (high - low)[:, None]
    x, value = _best_of(x, _finite(cost(x)))
    width, guess = (high - low) / (grid - 1), x
    for _ in range(rounds if any(free) else 0):
        centre = np.clip(x, low + width, high - width)
        around = np.concatenate([centre[:, None] + star * width[:, None], guess[:, None]], axis=1)
        around = np.clip(around, low[:, None], high[:, None])
        values = _finite(cost(around))
        near, found = _best_of(around, values)
        guess = centre + width * _valley(star, values[:, :-1])
        better = found < value
        moved = np.where(better[:, None], np.abs(near - x), 0.0)
        x, value = np.where(better[:, None], near, x), np.where(better, found, value)
        width = np.where((moved > 0.75 * width).any(axis=1)[:, None], width, width / 2)
    return x, value


def _valley(star: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where the quadratic that fits ln of the values ``[batch, point]`` at a star is least, in its units and not far
    from it; 0 where it has no least point. ``[batch, variable]``."""
    free = np.flatnonzero(np.ptp(star, axis=0) > 0)
    pairs = list(itertools.combinations_with_replacement(range(len(free)), 2))
    u = star[:, free]
    columns = [np.ones(len(u)), *u.T, *(u[:, i] * u[:, j] for i, j in pairs)]
    usable = np.isfinite(values).all(axis=1) & (values > 0).all(axis=1)
    fitted = np.log(np.where(usable[:, None], values, 1.0)) @ np.linalg.pinv(np.stack(columns, axis=1)).T
    slope, bent = fitted[:, 1 : 1 + len(free)], np.zeros((len(values), len(free), len(free)))
    for at, (i, j) in enumerate(pairs):
        bent[:, i, j] += fitted[:, 1 + len(free) + at]
        bent[:, j, i] += fitted[:, 1 + len(free) + at]
    usable &= (np.linalg.eigvalsh(bent) > 0).all(axis=1)
    step = np.linalg.solve(np.where(usable[:, None, None], bent, np.eye(len(free))), -slope[..., None])[..., 0]
    out = np.zeros((len(values), star.shape[1]))
    out[:, free] = np.where(usable[:, None], np.clip(step, -_LONGEST, _LONGEST), 0.0)
    return out


def _product(axes: list[np.ndarray]) -> np.ndarray:
    return np.array(list(itertools.product(*axes)))


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)


def _best_of(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best of some points ``[batch, point, variable]`` each: where and how much."""
    at, rows = values.argmin(axis=1), np.arange(len(x))
    return x[rows, at], values[rows, at]
