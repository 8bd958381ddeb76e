"""A fit as a function of the parameters that are searched: residuals and their tangents, many at once.

Nonlinear parameters are searched in their logarithms where the law says so. For squares the linear ones are solved
exactly at every step and their columns projected out of the tangents (variable projection: Golub and Pereyra 1973,
with Kaufman's (1975) shorter Jacobian, whose gradient is exact). For other losses all parameters are searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.laws.law import Law
from ttscale.scaling.solving.losses import Binomial, Huber, Loss, Squares, compared, terms, whitened
from ttscale.scaling.solving.projection import Projected, project
from ttscale.scaling.solving.solution import TOLERANCE

_NOTHING = 1e-9  # residuals below this share of the data's size count as none


@dataclass(frozen=True, eq=False)
class State:
    """A fit at ``q [batch, searched]``.

    Attributes:
        parameters: all of the law's, ``[batch, p]``.
        objective: ``[batch]``, infinite where the law is not defined.
        residual: ``[batch, point]``; tangent: ``[batch, searched, point]``: ``tangent @ residual`` is minus the
            gradient and ``tangent @ tangentᵀ`` the curvature, weights included.
    """

    q: np.ndarray
    parameters: np.ndarray
    objective: np.ndarray
    residual: np.ndarray
    tangent: np.ndarray

    def put(self, at: np.ndarray, other: State, where: np.ndarray) -> None:
        """Take ``other``'s rows ``where`` into the rows ``at``."""
        for name in ("q", "parameters", "objective", "residual", "tangent"):
            getattr(self, name)[at] = getattr(other, name)[where]

    def take(self, rows: np.ndarray) -> State:
        return State(self.q[rows], self.parameters[rows], self.objective[rows], self.residual[rows], self.tangent[rows])


class SearchSpace:
    """Searched coordinates of some of a law's parameters, their bounds, and how flat an objective is in them.

    Args:
        first: the first of the law's parameters that is searched.
    """

    floor: np.ndarray  # [replicate]: objectives below it count as zero
    flat: float  # the gradient norm below which a fit has converged

    def __init__(self, law: Law, first: int) -> None:
        self.law, self.first = law, first
        self.is_log = np.array([p.searched_in_log for p in law.parameters[first:]], dtype=bool)
        self.lowest, self.highest = law.low[first:], law.high[first:]
        self.low, self.high = self._to_search(self.lowest), self._to_search(self.highest)

    def at(self, q: np.ndarray, rows: np.ndarray) -> State:
        """The fit at ``q [batch, searched]`` to the replicates ``rows [batch]``."""
        raise NotImplementedError

    def heights(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The objective of starts ``values [start, nonlinear]`` for replicates: ``[start, row]``."""
        q = self.seeds(np.repeat(values, len(rows), axis=0), np.tile(rows, len(values)))
        return self.at(q, np.tile(rows, len(values))).objective.reshape(len(values), len(rows))

    def seeds(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Searched coordinates ``[batch, searched]`` for starts of the nonlinear parameters ``[batch, nonlinear]``."""
        return np.clip(self._to_search(values), self.low, self.high)

    def whole_jacobian(self, state: State, rows: np.ndarray) -> np.ndarray:
        """Tangents of all parameters at a solution, as the loss weighs them: ``[batch, point, p]``."""
        raise NotImplementedError

    def noise(self, state: State, rows: np.ndarray) -> np.ndarray:
        """Variance of a weighted residual, ``[batch]``: objectives divided by it are logarithms of likelihoods."""
        raise NotImplementedError

    def spread(self, rows: np.ndarray) -> np.ndarray:
        """Range of the data, ``[batch]``."""
        raise NotImplementedError

    def to_search(self, parameters: np.ndarray) -> np.ndarray:
        """Searched coordinates ``[..., searched]`` of a law's parameters ``[..., p]``."""
        return np.clip(self._to_search(parameters[..., self.first :]), self.low, self.high)

    def _to_search(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.is_log, np.log(np.where(self.is_log, values, 1.0)), values)

    def _from_search(self, q: np.ndarray) -> np.ndarray:
        """Parameters at ``q``: never outside their bounds by rounding, and at them where ``q`` is."""
        values = np.where(self.is_log, np.exp(np.where(self.is_log, q, 0.0)), q)
        inside = np.clip(values, self.lowest, self.highest)
        inside = np.where(q == self.low, self.lowest, np.where(q == self.high, self.highest, inside))
        return np.where((q < self.low) | (q > self.high), values, inside)

    def held(self, q: np.ndarray, pull: np.ndarray) -> np.ndarray:
        """Searched parameters at a bound that the data pull outwards, ``bool [batch, searched]``."""
        return ((q <= self.low) & (pull <= 0)) | ((q >= self.high) & (pull >= 0))

    def scale(self, state: State, rows: np.ndarray) -> np.ndarray:
        """What a slope over the root of its curvature is measured against, ``[batch]``."""
        return np.sqrt(2.0 * np.maximum(state.objective, self.floor[rows]))

    def gradient_norm(self, state: State, rows: np.ndarray) -> np.ndarray:
        """The largest slope over its scale among parameters free to move, ``[batch]``; see ``Solution``."""
        if not state.q.shape[1]:
            return np.where(np.isfinite(state.objective), 0.0, np.inf)
        pull = (state.tangent @ state.residual[..., None])[..., 0]
        size = np.sqrt((state.tangent**2).sum(-1))
        free = ~self.held(state.q, pull) & (size > 0)
        with np.errstate(invalid="ignore"):  # no slope at all, where the objective is infinite
            scale = size * self.scale(state, rows)[:, None]
        norm = np.where(free, np.abs(pull) / np.where(free, scale, 1.0), 0.0).max(-1)
        return np.where(np.isfinite(state.objective), norm, np.inf)


class Objective(SearchSpace):
    """A law, its data and a loss.

    Args:
        ys: ``[replicate, point]``.
        weights: of the points' losses, ``[replicate, point]``, or None for 1.
    """

    def __init__(
        self, law: Law, inputs: Sequence[np.ndarray], ys: np.ndarray, loss: Loss, weights: np.ndarray | None = None
    ) -> None:
        self.projects, self.flat = isinstance(loss, Squares), TOLERANCE
        super().__init__(law, law.n_linear if self.projects else 0)
        self.inputs, self.loss = [np.asarray(x, dtype=np.float64) for x in inputs], loss
        self.n_linear = law.n_linear
        self.has_offset = _has_offset(law, self.inputs)
        self.ys, self.weights = ys, weights
        self.root = None if weights is None else np.sqrt(weights)
        target, _ = compared(loss, ys)
        self.target = self._whitened(target, np.arange(len(ys)))
        self.floor = np.maximum(0.5 * _NOTHING**2 * (self.target**2).sum(-1), 1e-300)

    def _whitened(self, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """``vectors [..., batch, point]`` as the loss sees them; squares with their points' weights."""
        out = whitened(self.loss, vectors, rows)
        return out * self.root[rows] if self.root is not None and self.projects else out

    def at(self, q: np.ndarray, rows: np.ndarray) -> State:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            state = self._projected(q, rows) if self.projects else self._joint(q, rows)
        bad = ~(np.isfinite(state.objective) & np.isfinite(state.tangent).all(axis=(1, 2)))
        state.objective[bad] = np.inf
        state.tangent[bad] = 0.0
        state.residual[bad] = 0.0
        return state

    def _projected(self, q: np.ndarray, rows: np.ndarray) -> State:
        values = self._from_search(q)
        parameters, found = self._linear(values, rows)
        slopes = self.law.slopes(self.inputs, parameters)[self.n_linear :]
        slopes *= np.where(self.is_log, values, 1.0).T[:, :, None]
        slopes = self._whitened(slopes, rows)
        if found is None:
            residual = self.target[rows] - self._whitened(self.law.at(self.inputs, parameters), rows)
        else:
            residual, slopes = found.residual, found.off(slopes)
        tangent = np.ascontiguousarray(np.swapaxes(slopes, 0, 1))
        return State(q, parameters, 0.5 * (residual**2).sum(-1), residual, tangent)

    def heights(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Of squares the law is evaluated once a start, however many replicates there are."""
        if not (self.projects and self.n_linear):
            return super().heights(values, rows)
        parameters = np.concatenate([np.zeros((len(values), self.n_linear)), self._inside(values)], axis=1)
        every, each = np.tile(rows, len(values)), np.repeat(np.arange(len(values)), len(rows))
        with np.errstate(all="ignore"):
            columns = self._whitened(self.law.slopes(self.inputs, parameters)[: self.n_linear, each], every)
            target = self.target[every]
            if self.has_offset:
                target = target - self._whitened(self.law.at(self.inputs, parameters)[each], every)
            found = project(columns, target, self.law.low[: self.n_linear], self.law.high[: self.n_linear])
            height = 0.5 * (found.residual**2).sum(-1)
        return np.where(np.isfinite(height), height, np.inf).reshape(len(values), len(rows))

    def _inside(self, values: np.ndarray) -> np.ndarray:
        n = self.n_linear
        return np.clip(values, self.law.low[n:], self.law.high[n:])

    def _linear(self, values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, Projected | None]:
        """All parameters, with the linear ones solved by least squares for the searched ``values``."""
        n = self.n_linear
        parameters = np.zeros((len(values), n + values.shape[1]))
        parameters[:, n:] = values
        if not n:
            return parameters, None
        columns = self._whitened(self.law.slopes(self.inputs, parameters)[:n], rows)
        target = self.target[rows]
        if self.has_offset:
            target = target - self._whitened(self.law.at(self.inputs, parameters), rows)
        found = project(columns, target, self.law.low[:n], self.law.high[:n])
        parameters[:, :n] = found.coefficients.T
        return parameters, found

    def _joint(self, q: np.ndarray, rows: np.ndarray) -> State:
        parameters = self._from_search(q)
        value, chain = compared(self.loss, self.law.at(self.inputs, parameters))
        slopes = self.law.slopes(self.inputs, parameters) * np.where(self.is_log, parameters, 1.0).T[:, :, None]
        if chain is not None:
            slopes = slopes * chain
        slopes = self._whitened(slopes, rows)
        rho, pull, weight = terms(self.loss, self._whitened(value, rows), self.target[rows])
        if self.weights is not None:
            of_points = self.weights[rows]
            rho, pull, weight = of_points * rho, of_points * pull, of_points * weight
        root = np.sqrt(weight)
        residual = np.divide(pull, root, out=np.zeros_like(pull), where=root > 0)
        tangent = np.ascontiguousarray(np.swapaxes(slopes * root, 0, 1))
        return State(q, parameters, rho.sum(-1), residual, tangent)

    def seeds(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Searched coordinates ``[batch, searched]`` for starts of the nonlinear parameters ``[batch, nonlinear]``.

        Where linear parameters are searched too, they start from least squares: of relative residuals for losses of
        logarithms, of plain ones otherwise.
        """
        if self.projects or not self.n_linear:
            return super().seeds(values, rows)
        ys = self.ys
        relative = isinstance(self.loss, Huber) and self.loss.log
        plain = Objective(self.law, self.inputs, ys, Squares(), 1.0 / ys**2 if relative else None)
        parameters, _ = plain._linear(values, rows)
        return self.to_search(parameters)

    def whole_jacobian(self, state: State, rows: np.ndarray) -> np.ndarray:
        if self.projects:
            return np.moveaxis(self._whitened(self.law.slopes(self.inputs, state.parameters), rows), 0, -1)
        in_log = np.where(self.is_log, state.parameters, 1.0)
        return np.swapaxes(self._joint(state.q, rows).tangent / in_log[:, :, None], 1, 2)

    def noise(self, state: State, rows: np.ndarray) -> np.ndarray:
        """From the residuals and their degrees of freedom; at least 1 where a covariance or counts say what it is."""
        n_points = state.residual.shape[1] if self.weights is None else (self.weights[rows] > 0).sum(-1)
        freedom = np.maximum(n_points - state.parameters.shape[1], 1)
        noise = 2.0 * np.maximum(state.objective, self.floor[rows]) / freedom
        known = isinstance(self.loss, Binomial) or self.loss.covariance is not None
        return np.maximum(noise, 1.0) if known else noise

    def spread(self, rows: np.ndarray) -> np.ndarray:
        """Never below rounding."""
        ys = self.ys[rows]
        return np.maximum(np.ptp(ys, axis=1), 1e-9 * np.abs(ys).max(axis=1))


def _has_offset(law: Law, inputs: Sequence[np.ndarray]) -> bool:
    """Whether the law is not 0 where its linear parameters are, at some corner of the others' bounds or between."""
    searched = law.parameters[law.n_linear :]
    if not law.n_linear:
        return False
    at = np.array([[p.low, p.high, *p.starts[:1]] if p.starts else [p.low, p.high, p.low] for p in searched])
    parameters = np.concatenate([np.zeros((3, law.n_linear)), at.T.reshape(3, len(searched))], axis=1)
    with np.errstate(all="ignore"):
        return bool(np.nan_to_num(law.at(inputs, parameters)).any())
