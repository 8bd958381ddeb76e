"""Where a search begins: a grid over the nonlinear parameters, and the best of it."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ttscale.scaling.laws.law import Law, Parameter
from ttscale.scaling.solving.objective import SearchSpace

_TICKS = {1: 17, 2: 7, 3: 5}  # evenly spaced starts by the number of parameters without their own; else 4
_ROWS_AT_ONCE = 20_000


def grid(law: Law) -> tuple[np.ndarray, tuple[int, ...]]:
    """Starts of the nonlinear parameters ``[start, nonlinear]``, the last one fastest, and the number along each."""
    searched = law.parameters[law.n_linear :]
    ticks = _TICKS.get(sum(not p.starts for p in searched), 4)
    axes = [np.array(p.starts) if p.starts else _even(p, ticks) for p in searched]
    points = np.array(list(itertools.product(*axes)), dtype=np.float64).reshape(math.prod(map(len, axes)), len(axes))
    return points, tuple(len(axis) for axis in axes)


def _even(p: Parameter, n: int) -> np.ndarray:
    """The middles of equal parts of the range."""
    at = (np.arange(n) + 0.5) / n
    if p.searched_in_log:
        return np.exp(np.log(p.low) + at * np.log(p.high / p.low))
    return p.low + at * (p.high - p.low)


def most_promising(objective: np.ndarray, shape: tuple[int, ...], n: int) -> np.ndarray:
    """Which starts to follow: ``int [replicate, n]`` for objectives ``[start, replicate]``.

    Local minima of the grid (no neighbour along an axis is lower) come first, then the lowest of the others: a valley
    that the grid cuts badly still gets a start.
    """
    cube = objective.reshape(*shape, -1)
    valley = np.isfinite(cube)
    for axis, length in enumerate(shape):
        first, last = np.take(cube, [0], axis), np.take(cube, [length - 1], axis)
        before = np.concatenate([first, np.take(cube, range(length - 1), axis)], axis)
        after = np.concatenate([np.take(cube, range(1, length), axis), last], axis)
        valley &= (cube <= before) & (cube <= after)
    order = np.lexsort((objective, ~valley.reshape(objective.shape)), axis=0)
    return order[: min(n, len(objective))].T


def promising_starts(
    space: SearchSpace, rows: np.ndarray, n: int, starts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, int]:
    """The ``n`` best starts for each of some replicates.

    Args:
        rows: the replicates.
        starts: nonlinear parameters ``[start, nonlinear]``; None for the law's grid.

    Returns:
        Searched coordinates ``[batch, searched]``, the replicate of each, and how many points were tried.
    """
    values, shape = grid(space.law) if starts is None else (starts, (len(starts),))
    if len(values) <= n:
        every = np.repeat(rows, len(values))
        return space.seeds(np.tile(values, (len(rows), 1)), every), every, len(values)
    parts = np.array_split(rows, -(-len(rows) * len(values) // _ROWS_AT_ONCE))
    chosen = np.concatenate([most_promising(space.heights(values, part), shape, n) for part in parts])
    every = np.repeat(rows, chosen.shape[1])
    return space.seeds(values[chosen.ravel()], every), every, len(values)
