"""Surfaces: error over model size, training data and test-time draws, fitted as Chinchilla's law is.

The loss is Huber's with δ = 1e-3 on residuals of ln y (Hoffmann et al. 2022, §3.3; Besiroglu et al. 2024, "Chinchilla
scaling: a replication attempt", whose optimum the tests reach). It is minimised from a start grid by the same solver
as the laws in k, in units in which sizes, data and errors are near 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.fits.choice import pick
from ttscale.scaling.fits.fitted import CONVERGED, DELTA
from ttscale.scaling.fits.status import Status
from ttscale.scaling.intervals.bootstrap import check_resampling
from ttscale.scaling.intervals.interval import Interval, check_level
from ttscale.scaling.laws.law import Law
from ttscale.scaling.laws.table import check_law
from ttscale.scaling.solving.losses import Huber, terms
from ttscale.scaling.solving.solution import Solution
from ttscale.scaling.solving.solver import solve, solve_many
from ttscale.scaling.solving.starts import grid, most_promising
from ttscale.scaling.surfaces.backtest import Refit, refits_of, score
from ttscale.scaling.surfaces.compared import missed
from ttscale.scaling.surfaces.fit import SurfaceFit, refit_interval
from ttscale.scaling.surfaces.laws import SURFACES, form_of, law_named, laws_of, of_odds_alone, to_units, unit_of
from ttscale.scaling.surfaces.points import Points, check_points
from ttscale.scaling.surfaces.quantity import QUANTITIES, error_of

_FOLLOWED = 2  # starts of a refit without a cell
_STRICT = 1e-3  # Huber's δ of ln y where nothing is known of the noise (Hoffmann et al. 2022)
_FARTHEST = 1.5  # times as far off the points as another quantity's nearest law
_WIDE = 100.0  # an exponent whose interval spans more than this factor is not known


def fit_surface(
    n: Sequence[float] | np.ndarray | None, d: Sequence[float] | np.ndarray | None,
    y: Sequence[float] | np.ndarray, k: Sequence[float] | np.ndarray | None = None, *, law: str | Law = "auto",
    delta: float | None = None, groups: Sequence[object] | np.ndarray | None = None, ci: float = 0.95,
    n_boot: int = 500, seed: int = 0, replicates: np.ndarray | None = None, quantity: str = "error",
) -> SurfaceFit:  # fmt: skip
    """Fit error over size and data, and over draws, with intervals and a back-test.

    Args:
        n: model sizes, ``[point]``: parameters, or FLOPs of a forward pass. None where there is one only.
        d: training data, ``[point]``: tokens, images, or steps. None where there is one amount only.
        y: loss or error rate above 0, ``[point]``.
        k: test-time draws, ``[point]``; None for a law of n and d.
        law: ``"auto"`` (``chinchilla``; with k the law with the least back-test error), ``"draws"`` (that of the laws
            of k alone), a name in ``SURFACES`` (without n or d, the reduced form of that law), or a
            :class:`~ttscale.scaling.laws.law.Law` of your own whose inputs are among n, d, k. Of odds the steep forms
            are tried, of other quantities the plain ones.
        delta: Huber's δ for residuals of ln y; by default 1e-3, with ``replicates`` 1.345 of their standard errors.
        groups: which points are resampled together, ``[point]``. By default single points; with k, those of one
            model (the same n and d).
        ci, n_boot, seed: of the bootstrap.
        replicates: errors of resamples that you made, such as of items and training seeds together, ``[boot, point]``:
            the refits are to these (``n_boot`` plays no part), and each point counts by the inverse of their variance.
        quantity: what is fitted: ``"error"``; ``"log_accuracy"``, −ln(1 − y); ``"odds"``, y/(1 − y); or ``"auto"``,
            the one whose best law is least off in held-out cells, in the error's own unit, among those whose laws are
            not half again as far off as another's from the points that they are fitted to; where y reaches 1 the error
            itself, and of a law of odds alone the odds. Whatever it is, the fit predicts errors. Laws are compared by
            :func:`ttscale.scaling.surfaces.compared.missed`.

    Raises:
        TtscaleError: values that are not above 0 or of unlike lengths, an input that never varies, fewer points than
            the law has parameters, an unknown law or quantity, a quantity that the law or the errors do not have, too
            few replicates.
    """
    level = check_level(ci)
    points = check_points(n, d, y, k, groups, replicates)
    check_resampling(n_boot if replicates is None else len(points.replicates), level, seed)  # type: ignore[arg-type]
    every = [points.fitted_as(one) for one in _quantities(quantity, law, points)]
    tried = [(one, some) for some in every for one in _laws(law, some)]
    without = refits_of(points, max(len(one.parameters) for one, _ in tried), seed)
    weights = _resampled(points, n_boot, seed) if replicates is None else None
    solved = [_solve(one, some, Huber(_delta(delta, some), log=True)) for one, some in tried]
    fits = [_fit(one, level, weights, without) for one in _near_the_points(solved)]
    if len(fits) == 1:
        return fits[0]
    error = {id(fit): one for fit, one in zip(fits, missed(fits), strict=True)}
    ranked = sorted(fits, key=lambda fit: error[id(fit)])
    sound = [fit for fit in ranked if fit.status != "not_converged" and fit.backtest.converged >= CONVERGED] or ranked
    errors = np.array([error[id(fit)] for fit in sound])
    at = pick(errors, np.array([len(fit.params) for fit in sound]), _unsure(sound[0], float(errors[0])))
    return replace(sound[at], candidates=tuple(ranked))


def _unsure(best: SurfaceFit, error: float) -> float:
    """Standard error of the best law's squared back-test error by the scatter of what it is scored on: of the part of
    it that is scatter, the residuals of the fit, √(2/m) with m units that vary by themselves."""
    missed = best.backtest.ranking
    scatter = min(1.0, (best.rmse / missed) ** 2) if missed > 0 else 0.0
    return error**2 * scatter * math.sqrt(2 / best.points.n_units) if math.isfinite(error) else 0.0


def _quantities(quantity: str, law: str | Law, points: Points) -> list[str]:
    """The quantities to fit; TtscaleError for an unknown one, or where the law is one of odds alone and the quantity
    another. Errors of 1 and above, and losses, have no other quantity than themselves."""
    if quantity not in (*QUANTITIES, "auto"):
        raise unknown_name("quantity", quantity, (*QUANTITIES, "auto"))
    named = SURFACES.get(law) if isinstance(law, str) else law
    if isinstance(named, Law) and of_odds_alone(named):
        if quantity not in ("odds", "auto"):
            raise TtscaleError(
                "quantity", expected=f"'odds' or 'auto': {named.name!r} is a law of odds alone", got=repr(quantity),
                fix='Give quantity="odds", or choose another law.',
            )  # fmt: skip
        return ["odds"]
    if quantity == "auto":
        return list(QUANTITIES) if points.y.max() < 1 else ["error"]
    return [quantity]


def _delta(delta: float | None, points: Points) -> float:
    """Huber's δ of ln y: as given, or what :func:`fit_surface` says."""
    if delta is not None:
        return delta
    return _STRICT if points.spread is None else DELTA * float(np.median(points.spread))


def _laws(law: str | Law, points: Points) -> list[Law]:
    """The laws to fit; TtscaleError for an unknown one, one of other inputs, or one that needs more points."""
    if law == "auto" or (law == "draws" and "k" in points.names):
        known = laws_of(points.names, odds=points.quantity == "odds").values()
        chosen = [one for one in known if law == "auto" or "k" in one.inputs]
        fitting = [one for one in chosen if len(one.parameters) <= len(points.y)]
        chosen = fitting or chosen[:1]
    elif isinstance(law, Law):
        check_law(law)
        chosen = [law]
    elif isinstance(law, str) and law in SURFACES:
        chosen = [law_named(law, points.names)]
    else:
        raise unknown_name("law", law, SURFACES, fix='Or "auto", or with k "draws".')
    for one in chosen:
        if not {"n", "d"} & set(one.inputs):
            raise TtscaleError(
                "law", expected="a law of n, d or both", got=f"{one.name!r} of {', '.join(one.inputs)}",
                fix="ttscale.fit_law fits laws of draws alone to a curve.",
            )  # fmt: skip
        if not set(one.inputs) <= set(points.names):
            missing = ", ".join(name for name in one.inputs if name not in points.names)
            raise TtscaleError(
                "law", expected=f"a law of {', '.join(points.names)}", got=f"{one.name!r} of {', '.join(one.inputs)}",
                fix=f"Give {missing} as well, or choose another law.",
            )  # fmt: skip
        if len(one.parameters) > len(points.y):
            raise TtscaleError(
                "y", expected=f"at least {len(one.parameters)} points for {one.name!r}", got=str(len(points.y)),
                fix="Measure more sizes or amounts of data.",
            )  # fmt: skip
    return chosen


@dataclass(frozen=True, eq=False)
class _Solved:
    """A law fitted to the points, in units in which inputs and values are near 1.

    Attributes:
        inputs, y: in these units; ``scales`` and ``unit`` are the units. exact: what each point counts.
    """

    law: Law
    points: Points
    loss: Huber
    scales: list[float]
    inputs: list[np.ndarray]
    unit: float
    y: np.ndarray
    exact: np.ndarray
    solution: Solution

    @cached_property
    def off(self) -> float:
        """Root mean square of predicted − measured error at the points."""
        values = self.unit * self.law.at(self.inputs, self.solution.parameters)
        return math.sqrt(float((_missed(self.points, values) ** 2).mean()))


def _solve(law: Law, points: Points, loss: Huber) -> _Solved:
    known, unit = bool(form_of(law)), unit_of(law, points.y)
    scales, inputs = [], []
    for name in law.inputs:
        x = points.inputs[points.names.index(name)]
        scales.append(math.exp(float(np.log(x).mean())) if known and name != "k" else 1.0)
        inputs.append(x / scales[-1])
    y, exact = points.y / unit, _exactness(points)
    return _Solved(law, points, loss, scales, inputs, unit, y, exact, solve(law, inputs, y, loss, weights=exact))


def _near_the_points(solved: list[_Solved]) -> list[_Solved]:
    """The laws of those quantities of which one is nearly as near to the points as any law is: the refits of the rest
    would be work for nothing."""
    nearest: dict[str, float] = {}
    for one in solved:
        nearest[one.points.quantity] = min(one.off, nearest.get(one.points.quantity, math.inf))
    return [one for one in solved if nearest[one.points.quantity] <= _FARTHEST * min(nearest.values())]


def _fit(solved: _Solved, level: float, weights: np.ndarray | None, without: list[Refit]) -> SurfaceFit:
    """The law with its refits: to resamples, of ``weights [boot, point]`` or the caller's, and without cells."""
    law, points, loss, solution = solved.law, solved.points, solved.loss, solved.solution
    inputs, y, unit, exact = solved.inputs, solved.y, solved.unit, solved.exact
    if points.replicates is None:
        refits = solve_many(law, inputs, y, loss, solution, weights=weights)
    else:
        ys = points.replicates / unit
        refits = solve_many(law, inputs, ys, loss, solution, weights=np.broadcast_to(exact, ys.shape))
    without_cells = _refits_without(law, inputs, y, loss, without, exact, solution)
    log_errors = np.log(without_cells[0]) - np.log(y)
    plain = _missed(points, unit * without_cells[0])
    backtest = score(without, log_errors, plain, without_cells[1])
    share = float(refits.converged.mean())
    residual = np.log(law.at(inputs, solution.parameters)) - np.log(y)
    parameters, replicates = (to_units(law, p, solved.scales, unit) for p in (solution.parameters, refits.parameters))
    params = {
        name: refit_interval(float(parameters[i]), replicates[:, i], level, points.grouping)
        for i, name in enumerate(law.names)
    }
    bound = tuple(name for name, bounded in zip(law.names, solution.at_bound, strict=True) if bounded)
    unclear = _unclear(law, params, solution.identified | solution.at_bound, len(y))
    off = float((residual**2).mean()) > float(np.log(y).var()) and len(law.parameters) > 1
    status: Status = (
        "not_converged" if not solution.converged else "off_the_data" if off else "not_identified" if unclear
        else "not_converged" if share < CONVERGED else "at_bound" if bound else "converged"
    )  # fmt: skip
    return SurfaceFit(
        law=law.name, formula=law.formula, purpose=law.purpose, params=params, status=status, at_bound=bound,
        not_identified=unclear, objective=float(solution.objective), gradient_norm=float(solution.gradient_norm),
        start_gap=solution.gap, n_starts=solution.n_starts, delta=loss.delta,
        rmse=math.sqrt(float((residual**2).mean())), backtest=backtest, level=level, definition=law, points=points,
        replicates=replicates, refits_converged=share,
    )  # fmt: skip


def _missed(points: Points, fitted: np.ndarray) -> np.ndarray:
    """Predicted − measured error ``[refit, point]``; where all that is measured is rates, no rate is above 1."""
    measured = error_of(points.quantity, points.y)
    predicted = error_of(points.quantity, fitted)
    return (np.minimum(predicted, 1.0) if measured.max() <= 1 else predicted) - measured


def _exactness(points: Points) -> np.ndarray:
    """What each point counts, ``float64 [point]``: the inverse of its variance where resamples tell it, in units of
    that of the median."""
    spread = points.spread
    return np.ones(len(points.y)) if spread is None else (np.median(spread) / spread) ** 2


def _refits_without(
    law: Law, inputs: list[np.ndarray], y: np.ndarray, loss: Huber, without: list[Refit], exact: np.ndarray,
    solution: Solution,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Values ``[refit, point]`` of fits to parts of the points, each searched from the law's start grid and not from
    the solution, which has seen all points; and whether each converged, ``bool [refit]``."""
    if not without:
        return np.empty((0, len(y))), np.empty(0, dtype=bool)
    seen = np.stack([one.seen for one in without]) * exact
    if law.n_linear:
        found = solve_many(law, inputs, y, loss, weights=seen)
        return law.at(inputs, found.parameters), found.converged
    starts = _best_starts(law, inputs, y, loss, seen)
    ends = [solve_many(law, inputs, y, loss, replace(solution, parameters=start), weights=seen) for start in starts]
    at, every = np.argmin([end.objective for end in ends], axis=0), np.arange(len(seen))
    parameters, converged = (
        np.stack([getattr(end, of) for end in ends])[at, every] for of in ("parameters", "converged")
    )
    return law.at(inputs, parameters), converged


def _best_starts(law: Law, inputs: list[np.ndarray], y: np.ndarray, loss: Huber, weights: np.ndarray) -> np.ndarray:
    """The most promising starts of the law's grid for each refit, ``[start, refit, parameter]``.

    The refits differ in the weights of the points alone, so that one table of losses serves all of them.
    """
    values, shape = grid(law)
    losses = terms(loss, np.log(law.at(inputs, values)), np.log(y))[0]
    return values[most_promising(losses @ weights.T, shape, _FOLLOWED)].swapaxes(0, 1)


def _unclear(law: Law, params: dict[str, Interval], identified: np.ndarray, n_points: int) -> tuple[str, ...]:
    """Parameters that the data do not fix: flat at the solution, or an exponent known to no better than a factor of
    100; all of them when there are no more points than parameters."""
    if n_points <= len(params):
        return law.names
    exponents = {"alpha", "beta", "gamma"}
    return tuple(
        name
        for (name, p), known in zip(params.items(), identified, strict=True)
        if not known or (name in exponents and p.high > _WIDE * p.low)
    )


def _resampled(points: Points, n_boot: int, seed: int) -> np.ndarray:
    """How often each point comes up when the units are drawn with replacement, ``float64 [boot, point]``."""
    rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, points.n_units])
    counts = rng.multinomial(points.n_units, np.full(points.n_units, 1 / points.n_units), size=n_boot)
    return counts[:, points.units].astype(np.float64)
