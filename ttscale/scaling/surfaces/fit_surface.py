"""Surfaces: error over model size, training data and test-time draws, fitted as Chinchilla's law is.

The loss is Huber's with δ = 1e-3 on residuals of ln y (Hoffmann et al. 2022, §3.3; Besiroglu et al. 2024, "Chinchilla
scaling: a replication attempt", whose optimum the tests reach). It is minimised from a start grid by the same solver
as the laws in k, in units in which sizes, data and errors are near 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.fits.choice import pick
from ttscale.scaling.fits.fitted import CONVERGED
from ttscale.scaling.fits.status import Status
from ttscale.scaling.intervals.bootstrap import check_resampling
from ttscale.scaling.intervals.interval import Interval, check_level
from ttscale.scaling.laws.law import Law
from ttscale.scaling.laws.table import check_law
from ttscale.scaling.solving.losses import Huber
from ttscale.scaling.solving.solver import solve, solve_many
from ttscale.scaling.surfaces.backtest import Refit, refits_of, score
from ttscale.scaling.surfaces.fit import SurfaceFit, refit_interval
from ttscale.scaling.surfaces.laws import SURFACES, to_units
from ttscale.scaling.surfaces.points import Points, check_points

_WIDE = 100.0  # an exponent whose interval spans more than this factor is not known


def fit_surface(
    n: Sequence[float] | np.ndarray, d: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray,
    k: Sequence[float] | np.ndarray | None = None, *, law: str | Law = "auto", delta: float = 1e-3,
    groups: Sequence[object] | np.ndarray | None = None, ci: float = 0.95, n_boot: int = 500, seed: int = 0,
) -> SurfaceFit:  # fmt: skip
    """Fit error over size and data, and over draws, with intervals and a back-test.

    Args:
        n: model sizes, ``[point]``: parameters, or FLOPs of a forward pass.
        d: training data, ``[point]``: tokens, images, or steps.
        y: loss or error rate above 0, ``[point]``.
        k: test-time draws, ``[point]``; None for a law of n and d.
        law: ``"auto"`` (``chinchilla``; with k the law with the least back-test error), a name in ``SURFACES``, or a
            :class:`~ttscale.scaling.laws.law.Law` of your own whose inputs are among n, d, k.
        delta: Huber's δ for residuals of ln y.
        groups: which points are resampled together, ``[point]``. By default single points; with k, those of one
            model (the same n and d).
        ci, n_boot, seed: of the bootstrap.

    Raises:
        TtscaleError: values that are not above 0 or of unlike lengths, an input that never varies, fewer points than
            the law has parameters, an unknown law.
    """
    level = check_level(ci)
    check_resampling(n_boot, level, seed)
    points = check_points(n, d, y, k, groups)
    loss, laws = Huber(delta, log=True), _laws(law, points)
    without = refits_of(points, max(len(one.parameters) for one in laws), seed)
    weights = _resampled(points, n_boot, seed)
    fits = [_fit(one, points, loss, level, weights, without) for one in laws]
    if len(fits) == 1:
        return fits[0]
    ranked = sorted(fits, key=_error)
    sound = [fit for fit in ranked if fit.status != "not_converged" and fit.backtest.converged >= CONVERGED] or ranked
    at = pick(np.array([_error(fit) for fit in sound]), np.array([len(fit.params) for fit in sound]))
    return replace(sound[at], candidates=tuple(ranked))


def _error(fit: SurfaceFit) -> float:
    return fit.backtest_rmse if math.isfinite(fit.backtest_rmse) else math.inf


def _laws(law: str | Law, points: Points) -> list[Law]:
    """The laws to fit; TtscaleError for an unknown one, one of other inputs, or one that needs more points."""
    if law == "auto":
        chosen = [one for one in SURFACES.values() if set(one.inputs) <= set(points.names)]
        fitting = [one for one in chosen if len(one.parameters) <= len(points.y)]
        chosen = fitting or chosen[:1]
    elif isinstance(law, Law):
        check_law(law)
        chosen = [law]
    elif isinstance(law, str) and law in SURFACES:
        chosen = [SURFACES[law]]
    else:
        raise unknown_name("law", law, SURFACES, fix='Or "auto".')
    for one in chosen:
        if not {"n", "d"} & set(one.inputs):
            raise TtscaleError(
                "law", expected="a law of n, d or both", got=f"{one.name!r} of {', '.join(one.inputs)}",
                fix="ttscale.fit_law fits laws of draws alone to a curve.",
            )  # fmt: skip
        if not set(one.inputs) <= set(points.names):
            raise TtscaleError(
                "law", expected=f"a law of {', '.join(points.names)}", got=f"{one.name!r} of {', '.join(one.inputs)}",
                fix="Give k as well, or choose another law." if "k" in one.inputs else "Choose another law.",
            )  # fmt: skip
        if len(one.parameters) > len(points.y):
            raise TtscaleError(
                "y", expected=f"at least {len(one.parameters)} points for {one.name!r}", got=str(len(points.y)),
                fix="Measure more sizes or amounts of data.",
            )  # fmt: skip
    return chosen


def _fit(
    law: Law, points: Points, loss: Huber, level: float, weights: np.ndarray, without: list[Refit]
) -> SurfaceFit:  # fmt: skip
    """One law with its refits: to resamples, of ``weights [boot, point]``, and without cells."""
    raw = [points.inputs[points.names.index(name)] for name in law.inputs]
    known = law.name in SURFACES
    scales = tuple(math.exp(float(np.log(x).mean())) if known and i < 2 else 1.0 for i, x in enumerate(raw))
    unit = math.exp(float(np.log(points.y).mean())) if known else 1.0
    inputs, y = [x / scale for x, scale in zip(raw, scales, strict=True)], points.y / unit
    solution = solve(law, inputs, y, loss)
    refits = solve_many(law, inputs, y, loss, solution, weights=weights)
    backtest = score(without, *_errors_without(law, inputs, y, loss, without))
    share = float(refits.converged.mean())
    residual = np.log(law.at(inputs, solution.parameters)) - np.log(y)
    parameters, replicates = (to_units(law, p, scales, unit) for p in (solution.parameters, refits.parameters))
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


def _errors_without(
    law: Law, inputs: list[np.ndarray], y: np.ndarray, loss: Huber, without: list[Refit]
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Errors of ln y ``[refit, point]`` of fits to parts of the points, each searched from the law's whole start grid
    and not from the solution, which has seen all points; and whether each converged, ``bool [refit]``."""
    if not without:
        return np.empty((0, len(y))), np.empty(0, dtype=bool)
    seen = np.stack([one.seen for one in without]).astype(np.float64)
    refits = solve_many(law, inputs, y, loss, weights=seen)
    return np.log(law.at(inputs, refits.parameters)) - np.log(y), refits.converged


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
