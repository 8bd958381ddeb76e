"""Fits of laws: many starts, variable projection, Levenberg-Marquardt, a polish, and a verdict on each.

Nothing fails silently: a solution says how flat its objective is (``gradient_norm``), which parameters stand at a
bound, how much worse the next best valley is (``gap``) and which parameters the data fix (``identified``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.laws.law import Law
from ttscale.scaling.solving.counts import solve_counts
from ttscale.scaling.solving.descent import descend, polish
from ttscale.scaling.solving.ends import best_per_replicate, best_solution, distinct_ends, each_solution
from ttscale.scaling.solving.losses import Binomial, Huber, Loss, Squares
from ttscale.scaling.solving.objective import Objective, State
from ttscale.scaling.solving.solution import TOLERANCE, Solution
from ttscale.scaling.solving.starts import promising_starts

__all__ = ["solve", "solve_counts", "solve_many"]

_FOLLOWED = 12
_FIRST = 12  # rounds for all that are followed
_LEADING = 4  # then these places are followed to their ends,
_ROUGHLY = 0.05  # places that differ by less in every searched parameter being one
_ROUNDS = 15  # what is not flat then takes Newton's steps
_FOLLOWED_OF_MANY = 4
_AGAIN = 2  # starts of a replicate that did not converge near the solution
_POLISHED = 2
_LONG = 400  # rounds of what is flat after neither
_LAST = 3  # turns of both methods for an end that is not flat after one of each
_FLAT = 1e-8  # no polish below


def solve(
    law: Law,
    inputs: Sequence[np.ndarray],
    y: np.ndarray,
    loss: Loss | None = None,
    *,
    starts: np.ndarray | None = None,
    also: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Solution:
    """Fit one law to one set of points.

    Args:
        inputs: one ``[point]`` per input of the law.
        y: ``[point]``, finite; positive for ``Huber(log=True)``, in [0, 1] for ``Binomial``.
        loss: ``Squares()`` by default.
        starts: nonlinear parameters to start from instead of the law's own grid, ``[start, nonlinear]``.
        also: the same, in addition to the grid; all of these are followed.
        weights: of the points' losses, ``[point]``, at least 0 (0 leaves a point out); None for 1. Not with a
            covariance.

    Raises:
        TtscaleError: shapes that do not fit, values that the loss cannot compare, or a law that is finite at no start.
    """
    loss = loss or Squares()
    ys = np.asarray(y, dtype=np.float64)[None]
    weights = None if weights is None else np.asarray(weights, dtype=np.float64)[None]
    check_data(law, inputs, ys, loss, weights)
    objective = Objective(law, inputs, ys, loss, weights)
    return best_solution(objective, *_search(objective, _starts(law, starts, "starts"), _starts(law, also, "also")))


def solve_many(
    law: Law,
    inputs: Sequence[np.ndarray],
    ys: np.ndarray,
    loss: Loss | None = None,
    near: Solution | None = None,
    *,
    weights: np.ndarray | None = None,
) -> Solution:
    """Fit one law to many sets of points of the same inputs, such as bootstrap replicates.

    Args:
        ys: ``[replicate, point]``; with weights also ``[point]``, the same for all.
        weights: of the points' losses, ``[replicate, point]``, as in :func:`solve`.
        loss: its covariance may be one for all or ``[replicate, point, point]``.
        near: the solution of the points that the replicates are made from: every replicate starts there and at the
            other good ends of that search; of many replicates, each starts at its own. Without it every replicate is
            searched from the law's grid.
    """
    loss = loss or Squares()
    ys = np.atleast_2d(np.asarray(ys, dtype=np.float64))
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
        ys = np.broadcast_to(ys, weights.shape)
    check_data(law, inputs, ys, loss, weights)
    objective = Objective(law, inputs, ys, loss, weights)
    every = np.arange(len(ys))
    if near is None:
        q, rows, n_starts = promising_starts(objective, every, _FOLLOWED_OF_MANY)
    else:
        q, rows, n_starts = _near(objective, near)
    found = _best_of(objective, q, rows, every)
    _finish(objective, found, every)
    late = _not_flat(objective, found, every)
    if len(late):
        q, rows, _ = promising_starts(objective, late, _AGAIN)
        again = _best_of(objective, np.concatenate([found.q[late], q]), np.concatenate([late, rows]), late)
        _finish(objective, again, late)
        closer = (again.objective < found.objective[late]) | (objective.gradient_norm(again, late) <= TOLERANCE)
        level = again.objective <= found.objective[late] * (1.0 + 1e-9)
        found.put(late[closer & level], again, closer & level)
        late = _not_flat(objective, found, every)
    if len(late):
        found.put(late, descend(objective, found.q[late], late, rounds=_LONG, settled=0.0), np.arange(len(late)))
        _finish(objective, found, every)
    return each_solution(objective, found, n_starts)


def _starts(law: Law, starts: np.ndarray | None, argument: str) -> np.ndarray | None:
    """Starts within the bounds, ``[start, nonlinear]``."""
    if starts is None:
        return None
    values, n = np.atleast_2d(np.asarray(starts, dtype=np.float64)), law.n_linear
    if (
        values.ndim != 2
        or values.shape[1] != len(law.parameters) - n
        or not len(values)
        or not np.isfinite(values).all()
    ):
        raise TtscaleError(
            argument, expected=f"finite values of {', '.join(law.names[n:]) or 'no parameter'}, one row a start",
            got=f"shape {values.shape}", fix="Leave the linear parameters out.",
        )  # fmt: skip
    return np.clip(values, law.low[n:], law.high[n:])


def _near(objective: Objective, near: Solution) -> tuple[np.ndarray, np.ndarray, int]:
    every = np.arange(len(objective.ys))
    if near.parameters.ndim == 2:
        return objective.to_search(near.parameters), every, 1
    ends = np.concatenate([near.parameters[None], near.others])
    return np.repeat(objective.to_search(ends), len(every), axis=0), np.tile(every, len(ends)), len(ends)


def _best_of(objective: Objective, q: np.ndarray, rows: np.ndarray, replicates: np.ndarray) -> State:
    """Where the best of each replicate's starts ends."""
    state = descend(objective, q, rows, tolerance=1e-8, rounds=_ROUNDS, settled=1e-9)
    return state.take(best_per_replicate(state.objective, rows, replicates))


def _finish(objective: Objective, found: State, rows: np.ndarray) -> None:
    """Newton's steps for those of the replicates ``rows [batch]`` that are not flat yet.

    At a kink of Huber's loss they may stall, which reweighted squares pass.
    """
    for _ in range(1 if objective.projects else 3):
        late = _not_flat(objective, found, rows)
        if not len(late):
            break
        further = polish(objective, found.take(late), rows[late])
        if not objective.projects:
            further = descend(objective, further.q, rows[late], rounds=_ROUNDS, settled=1e-14)
        found.put(late, further, np.arange(len(late)))


def _not_flat(objective: Objective, found: State, rows: np.ndarray) -> np.ndarray:
    return np.flatnonzero(objective.gradient_norm(found, rows) > TOLERANCE)


def _search(objective: Objective, starts: np.ndarray | None, also: np.ndarray | None) -> tuple[State, int]:
    row = np.zeros(1, dtype=np.intp)
    q, rows, n_starts = promising_starts(objective, row, _FOLLOWED, starts)
    if also is not None:
        rows = np.zeros(len(q) + len(also), dtype=np.intp)
        q, n_starts = np.concatenate([q, objective.seeds(also, rows[len(q) :])]), n_starts + len(also)
    state = descend(objective, q, rows, rounds=_FIRST, settled=1e-4)
    if not np.isfinite(state.objective).any():
        raise TtscaleError(
            "law", expected="a law that is finite and can be compared with the data somewhere on its start grid",
            got=f"{objective.law.name!r}, which is not", fix="Give other starts or bounds.",
        )  # fmt: skip
    leading = distinct_ends(state, _ROUGHLY)[:_LEADING]
    rows = rows[leading]
    ends = descend(objective, state.q[leading], rows, rounds=_ROUNDS, settled=1e-9)
    best = np.argsort(ends.objective, kind="stable")[:_POLISHED]
    late = best[(objective.gradient_norm(ends, rows)[best] > _FLAT) & np.isfinite(ends.objective[best])]
    if len(late):
        further = polish(objective, ends.take(late), rows[late])
        ends.put(late, further, np.arange(len(late)))
        late = late[objective.gradient_norm(further, rows[late]) > TOLERANCE]
    for _ in range(_LAST):
        if not len(late):
            break
        further = descend(objective, ends.q[late], rows[late], rounds=_LONG)
        ends.put(late, polish(objective, further, rows[late]), np.arange(len(late)))
        late = late[objective.gradient_norm(ends, rows)[late] > TOLERANCE]
    return ends, n_starts


def check_data(law: Law, inputs: Sequence[np.ndarray], ys: np.ndarray, loss: Loss, weights: np.ndarray | None) -> None:
    """Refuse data that do not fit together or that the loss cannot compare."""
    shapes = [np.shape(x) for x in inputs]
    n = ys.shape[-1]
    if len(inputs) != len(law.inputs) or any(shape != (n,) for shape in shapes) or ys.ndim != 2 or not n:
        raise TtscaleError(
            "inputs", expected=f"{', '.join(law.inputs)}: one array of as many points as y",
            got=f"shapes {shapes}, y {ys.shape}",
            fix="Give a list of one-dimensional arrays.",
        )  # fmt: skip
    problem = ""
    if not (np.isfinite(ys).all() and all(np.isfinite(x).all() for x in inputs)):
        problem = "a value that is not finite"
    elif isinstance(loss, Huber) and loss.log and ys.min() <= 0:
        problem = f"{ys.min():g}, which has no logarithm"
    elif isinstance(loss, Binomial) and (ys.min() < 0 or ys.max() > 1):
        problem = f"values from {ys.min():g} to {ys.max():g}, which are no shares"
    if problem:
        raise TtscaleError("y", expected="numbers that the loss can compare", got=problem, fix="Leave such points out.")
    _check_loss(loss, ys.shape)
    if weights is None:
        return
    if weights.shape != ys.shape or not np.isfinite(weights).all() or weights.min() < 0 or not weights.any(-1).all():
        raise TtscaleError(
            "weights", expected="one a point, at least 0, some above 0",
            got=f"shape {weights.shape}, least {weights.min():g}",
            fix="Give as many weights as points.",
        )  # fmt: skip
    if not isinstance(loss, Binomial) and loss.covariance is not None:
        raise TtscaleError(
            "weights", expected="no weights beside a covariance", got="both", fix="Put the weights into the covariance."
        )


def _check_loss(loss: Loss, shape: tuple[int, ...]) -> None:
    """Refuse a covariance or trials that are none of ``shape [replicate, point]``."""
    if isinstance(loss, Binomial):
        trials = np.asarray(loss.n)
        if trials.shape not in ((), shape[1:], shape) or not (np.isfinite(trials) & (trials > 0)).all():
            raise TtscaleError(
                "loss", expected="trials above 0, one number a point", got=f"shape {trials.shape}",
                fix="Give Binomial(np.full(len(y), n_items)).",
            )  # fmt: skip
    elif loss.covariance is not None:
        square = (shape[1], shape[1])
        if np.shape(loss.covariance) not in (square, (shape[0], *square)):
            raise TtscaleError(
                "loss", expected=f"a covariance of {square[0]} points", got=f"shape {np.shape(loss.covariance)}",
                fix="Give [point, point], or [replicate, point, point].",
            )  # fmt: skip
