"""Fits of laws to counts by likelihood: ``c`` of ``n`` samples right, one pair a problem.

Equal pairs are counted once with their weights added up. The curvature is the sum of products of scores (Berndt, Hall,
Hall and Hausman 1974), which needs first derivatives only; the polish takes Newton's steps. The objective is minus the
log-likelihood, and its gradient is measured in standard errors. A prior of a parameter counts as one pair more, whose
log-probability is that of the parameter's logarithm.
"""

from __future__ import annotations

import math

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.laws.law import Law
from ttscale.scaling.solving.descent import descend, polish
from ttscale.scaling.solving.ends import best_per_replicate, best_solution, distinct_ends, each_solution
from ttscale.scaling.solving.objective import SearchSpace, State
from ttscale.scaling.solving.solution import Solution
from ttscale.scaling.solving.starts import promising_starts

_FOLLOWED = 6
_ROUNDS = 30  # what is not flat then takes Newton's steps
_CLOSE = 1e-4  # standard errors that are left to go; one fit is polished further
_LEAST = 1e-6


class Likelihood(SearchSpace):
    """Minus the log-likelihood of weighted pairs.

    Args:
        n, c: ``[pair]``; weights: ``[replicate, pair]``.
    """

    def __init__(self, law: Law, n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> None:
        super().__init__(law, 0)
        self.flat = _CLOSE
        self.n, self.c, self.weights, self.root = n, c, weights, np.sqrt(weights)
        self.floor = np.full(len(weights), 1e-300)
        priors = [(i, *p.prior) for i, p in enumerate(law.parameters) if p.prior is not None]
        self.priors = [(i, math.log(median), deviation) for i, median, deviation in priors]

    def at(self, q: np.ndarray, rows: np.ndarray) -> State:
        parameters = self._from_search(q)
        columns = [parameters[:, i, None] for i in range(parameters.shape[1])]
        assert self.law.log_pmf is not None and self.law.log_pmf_gradient is not None
        with np.errstate(all="ignore"):
            log_pmf = self.law.log_pmf(self.n, self.c, *columns)
            scores = np.stack(self.law.log_pmf_gradient(self.n, self.c, *columns), axis=1)
        scores = scores * np.where(self.is_log, parameters, 1.0)[:, :, None]
        root = self.root[rows]
        objective = -(self.weights[rows] * log_pmf).sum(-1)
        for i, median, deviation in self.priors:
            off = (q[:, i] - median) / deviation
            objective += 0.5 * off**2
            score = np.zeros((len(q), q.shape[1], 1))
            score[:, i, 0] = -off / deviation
            scores, root = np.concatenate([scores, score], axis=2), np.pad(root, ((0, 0), (0, 1)), constant_values=1.0)
        bad = ~(np.isfinite(objective) & np.isfinite(scores).all(axis=(1, 2)))
        objective[bad] = np.inf
        tangent = np.where(bad[:, None, None], 0.0, scores * root[:, None, :])
        return State(q, parameters, objective, root.copy(), tangent)

    def heights(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The law is evaluated once a start, however many replicates there are."""
        assert self.law.log_pmf is not None
        with np.errstate(all="ignore"):
            log_pmf = self.law.log_pmf(self.n, self.c, *np.moveaxis(values, 1, 0)[..., None])
        height = -np.where(np.isfinite(log_pmf), log_pmf, -np.inf) @ self.weights[rows].T
        for i, median, deviation in self.priors:
            height += 0.5 * ((np.log(values[:, i]) - median) / deviation)[:, None] ** 2
        return np.where(np.isfinite(height), height, np.inf)

    def gradient_norm(self, state: State, rows: np.ndarray) -> np.ndarray:
        """In standard errors; where all scores vanish together, and the curvature made of them, those of a law that
        tells a millionth of what one pair can."""
        pull = (state.tangent @ state.residual[..., None])[..., 0]
        least = _LEAST * self.weights[rows].sum(-1, keepdims=True)
        size = np.sqrt((state.tangent**2).sum(-1) + least)
        norm = np.where(self.held(state.q, pull), 0.0, np.abs(pull) / size).max(-1)
        return np.where(np.isfinite(state.objective), norm, np.inf)

    def whole_jacobian(self, state: State, rows: np.ndarray) -> np.ndarray:
        return np.swapaxes(state.tangent / np.where(self.is_log, state.parameters, 1.0)[:, :, None], 1, 2)

    def noise(self, state: State, rows: np.ndarray) -> np.ndarray:
        return np.ones(len(rows))

    def spread(self, rows: np.ndarray) -> np.ndarray:
        return np.ones(len(rows))


def solve_counts(
    law: Law, n: np.ndarray, c: np.ndarray, weights: np.ndarray | None = None, near: Solution | None = None
) -> Solution:
    """Fit a law that has a ``log_pmf`` to counts.

    Args:
        n, c: samples and right ones of each pair, whole numbers ``[pair]``, ``0 <= c <= n``, ``n >= 1``.
        weights: how often each pair counts, ``[pair]``, or ``[replicate, pair]`` for many fits at once; None for 1.
        near: start every replicate at this solution instead of on the law's grid.

    Raises:
        TtscaleError: a law without ``log_pmf``, or counts or weights that are none.
    """
    n, c = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    weights = np.ones(n.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    _check(law, n, c, weights)
    likelihood = _grouped(law, n, c, np.atleast_2d(weights))
    n_replicates = len(likelihood.weights)
    every = np.arange(n_replicates)
    if near is None:
        q, rows, n_starts = promising_starts(likelihood, every, _FOLLOWED)
    else:
        q, rows, n_starts = np.repeat(likelihood.to_search(near.parameters)[None], n_replicates, axis=0), every, 1
    state = descend(likelihood, q, rows, tolerance=_CLOSE, rounds=_ROUNDS)
    if weights.ndim == 1:
        best = distinct_ends(state)[:1]
        state.put(best, polish(likelihood, state.take(best), rows[best]), every)
        return best_solution(likelihood, state, n_starts)
    found = state.take(best_per_replicate(state.objective, rows, every))
    late = np.flatnonzero(likelihood.gradient_norm(found, every) > _CLOSE)
    if len(late):
        found.put(late, polish(likelihood, found.take(late), late), np.arange(len(late)))
    return each_solution(likelihood, found, n_starts)


def _grouped(law: Law, n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> Likelihood:
    """Equal pairs put together; pairs that no replicate counts left out."""
    pairs, of = np.unique(np.stack([n, c], axis=1), axis=0, return_inverse=True)
    order = np.argsort(of.ravel(), kind="stable")
    starts = np.searchsorted(of.ravel()[order], np.arange(len(pairs)))
    summed = np.add.reduceat(weights[:, order], starts, axis=1)
    used = summed.any(axis=0)
    return Likelihood(law, pairs[used, 0], pairs[used, 1], summed[:, used])


def _check(law: Law, n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> None:
    if law.log_pmf is None:
        raise TtscaleError(
            "law", expected="a law with a likelihood of counts", got=repr(law.name), fix="Fit it to a curve's points."
        )
    if n.ndim != 1 or c.shape != n.shape or not len(n):
        raise TtscaleError("counts", expected="n and c of one length", got=f"{n.shape} and {c.shape}", fix="Pair them.")
    if not ((n >= 1) & (c >= 0) & (c <= n) & (n == np.floor(n)) & (c == np.floor(c))).all():
        raise TtscaleError(
            "counts",
            expected="whole numbers with 0 <= c <= n and n >= 1",
            got="others among them",
            fix="Check the file.",
        )
    if weights.shape[-1:] != n.shape or weights.ndim > 2 or not (np.isfinite(weights) & (weights >= 0)).all():
        raise TtscaleError(
            "weights", expected="one a pair, at least 0", got=f"shape {weights.shape}",
            fix="Give [pair] or [replicate, pair].",
        )  # fmt: skip
    if not np.atleast_2d(weights).any(axis=-1).all():
        raise TtscaleError("weights", expected="some above 0", got="a sum of 0", fix="Leave that replicate out.")
