"""Where searches ended: which ends are one place, the best of each replicate, and which parameters stand at bounds."""

from __future__ import annotations

import math

import numpy as np

from ttscale.scaling.laws.law import Law
from ttscale.scaling.solving.identify import identified
from ttscale.scaling.solving.objective import SearchSpace, State
from ttscale.scaling.solving.solution import Solution

_APART = 1e-3
_AS_LIKELY = 1.92  # half the 95th percentile of chi-square with one degree of freedom


def distinct_ends(state: State, apart_by: float = _APART) -> np.ndarray:
    """Rows of the ends that are places of their own, the best first; at least one end is finite.

    Ends that differ by less than ``apart_by`` in every searched parameter are one place.
    """
    order = np.argsort(state.objective, kind="stable")
    apart: list[int] = []
    for i in order[np.isfinite(state.objective[order])]:
        q = state.q[apart]
        if (np.abs(state.q[i] - q) > apart_by * np.maximum(1.0, np.abs(q))).any(axis=1).all():
            apart.append(int(i))
    return np.array(apart, dtype=np.intp)


def best_per_replicate(objective: np.ndarray, rows: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """Which end ``[batch]`` is the best of each of some ``replicates``; ``rows [batch]`` says whose each is."""
    order = np.lexsort((objective, rows))
    return order[np.searchsorted(rows[order], replicates)]


def at_bounds(law: Law, parameters: np.ndarray) -> np.ndarray:
    """Parameters ``[batch, p]`` at a bound."""
    return (parameters <= law.low) | (parameters >= law.high)


def best_solution(space: SearchSpace, ends: State, n_starts: int) -> Solution:
    """The best end of the search of one fit, and what the others say of it."""
    apart = distinct_ends(ends)
    best, row = ends.take(apart[:1]), np.zeros(1, dtype=np.intp)
    behind = (ends.objective[apart] - best.objective) / space.noise(best, row)
    parameters = ends.parameters[apart]
    out = _solution(space, best, row, n_starts, parameters[None, 1:][:, behind[1:] < _AS_LIKELY])
    one = {name: getattr(out, name)[0] for name in _PER_REPLICATE}
    gap = float(behind[1]) if len(apart) > 1 else math.nan
    return Solution(**one, gap=gap, n_starts=n_starts, others=parameters[1:3])


def each_solution(space: SearchSpace, state: State, n_starts: int) -> Solution:
    """The solutions of all replicates."""
    rows, n_parameters = np.arange(len(state.q)), state.parameters.shape[1]
    return _solution(space, state, rows, n_starts, np.empty((len(rows), 0, n_parameters)))


_PER_REPLICATE = ("parameters", "objective", "gradient_norm", "at_bound", "identified", "converged")


def _solution(space: SearchSpace, state: State, rows: np.ndarray, n_starts: int, rivals: np.ndarray) -> Solution:
    law, norm = space.law, space.gradient_norm(state, rows)
    at_bound = at_bounds(law, state.parameters)
    known = identified(
        law, state.parameters, space.whole_jacobian(state, rows), space.noise(state, rows), at_bound,
        space.spread(rows), rivals,
    )  # fmt: skip
    return Solution(
        parameters=state.parameters, objective=state.objective, gradient_norm=norm, at_bound=at_bound, gap=math.nan,
        n_starts=n_starts, identified=known, converged=norm <= space.flat, others=np.empty((0, len(law.parameters))),
    )  # fmt: skip
