"""One law fitted to the points of a curve, and to every bootstrap resample of them.

Three losses. ``gls``: generalised least squares on the sampling covariance of the points, shrunk towards independence
by the law's own misfit. ``huber``: the same residuals, whitened, under Huber's loss (Huber, "Robust estimation of a
location parameter", Ann. Math. Stat. 35, 1964), so that a point which is off by more than ``delta`` standard errors
pulls with bounded force. ``binomial``: the likelihood of how many items are right. Laws of coverage that say how likely
``c`` right samples of ``n`` are, are fitted to these counts by likelihood, with ``auto`` as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.fits.covariance import with_misfit
from ttscale.scaling.fits.points import Points
from ttscale.scaling.intervals.bootstrap import count_units
from ttscale.scaling.intervals.interval import Interval, percentiles
from ttscale.scaling.laws.law import Law
from ttscale.scaling.solving.losses import Binomial, Huber, Loss, Squares
from ttscale.scaling.solving.solution import Solution
from ttscale.scaling.solving.solver import solve, solve_counts, solve_many

LOSSES = ("auto", "gls", "huber", "binomial")
CONVERGED = 0.9  # share of refits below which nothing is read off them
DELTA = 1.345  # standard errors; 95 % as efficient as least squares where errors are normal (Huber 1981, §4.5)


@dataclass(frozen=True)
class Fitting:
    """How laws are fitted: ``loss``, one of ``LOSSES``, and Huber's ``delta`` in standard errors."""

    loss: str = "auto"
    delta: float = DELTA

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise TtscaleError("loss", expected=f"one of {', '.join(LOSSES)}", got=repr(self.loss), fix='Give "auto".')
        Huber(self.delta)

    def of(self, law: Law, points: Points) -> str:
        """The loss that a law is fitted by: ``gls``, ``huber``, ``binomial`` or ``counts`` (their likelihood)."""
        if law.log_pmf is not None and points.pairs is not None and self.loss in ("auto", "binomial"):
            return "counts"
        return "gls" if self.loss == "auto" else self.loss


@dataclass(frozen=True, eq=False)
class Fitted:
    """A law with the parameters that fit some points, and, when they are first asked for, those of their resamples.

    Attributes:
        loss: by which it was fitted: ``gls``, ``huber``, ``binomial`` or ``counts``.
        weighed: that loss with its weights; None of counts.
        solution: the parameters, and how the solver found them.
    """

    law: Law
    points: Points
    loss: str
    weighed: Loss | None = field(repr=False)
    solution: Solution = field(repr=False)

    @property
    def name(self) -> str:
        return self.law.name

    @property
    def formula(self) -> str:
        return self.law.formula

    @property
    def purpose(self) -> str:
        return self.law.purpose

    @property
    def n_parameters(self) -> int:
        return len(self.law.parameters)

    @property
    def solved(self) -> tuple[Fitted, ...]:
        """Itself: the laws in a forecast, whose parameters were solved for."""
        return (self,)

    @property
    def forecasts(self) -> bool:
        """Whether the law may be chosen, or averaged, for a curve of this kind."""
        kinds = self.law.of if self.law.forecasts is None else self.law.forecasts
        return self.points.of in kinds

    @property
    def values(self) -> np.ndarray:
        """``float64 [parameter]``."""
        return self.solution.parameters

    @property
    def named(self) -> dict[str, float]:
        """The same by name."""
        return dict(zip(self.law.names, self.values.tolist(), strict=True))

    @property
    def shares(self) -> dict[str, float]:
        """None: a law is no average."""
        return {}

    def at(self, x: np.ndarray) -> np.ndarray:
        """Accuracy at ``x [k]``, within [0, 1]: ``float64 [k]``."""
        return np.clip(self.law.at((x,), self.values), 0.0, 1.0)

    def resampled_at(self, x: np.ndarray) -> np.ndarray:
        """The same for every resample: ``float64 [boot, k]``."""
        return np.clip(self.law.at((x,), self.replicates), 0.0, 1.0)

    @property
    def replicates(self) -> np.ndarray:
        """``float64 [boot, parameter]``."""
        return self.refits.parameters

    @property
    def refits_converged(self) -> float:
        """Share of the refits that converged."""
        return float(self.refits.converged.mean())

    @cached_property
    def refits(self) -> Solution:
        """The fits to the resamples."""
        points, pairs = self.points, self.points.pairs
        if self.weighed is None:
            assert pairs is not None
            return solve_counts(self.law, pairs.n, pairs.c, points.pair_weights, near=self.solution)
        means = points.curve.replicates
        return solve_many(self.law, (points.x,), means, self.weighed, near=self.solution)

    @cached_property
    def params(self) -> dict[str, Interval]:
        """Each parameter with the percentile interval of its refits."""
        curve = self.points.curve
        low, high = percentiles(self.replicates, curve.level)
        if self.points.all_agree and not self.points.varies and self.law.parameters[0].linear:
            low[0], high[0] = curve.low[0], curve.high[0]
        # A parameter on its limit is exact in the fit, and a rounding error beside it in the refits.
        low, high = np.minimum(low, self.values), np.maximum(high, self.values)
        return {
            one.name: Interval(float(self.values[i]), float(low[i]), float(high[i]), curve.level, self.method)
            for i, one in enumerate(self.law.parameters)
        }

    @property
    def method(self) -> str:
        """How its intervals are made, and how many of the refits did not converge."""
        late = int((~self.refits.converged).sum())
        of_these = f", of which {late} did not converge" if late else ""
        return f"percentiles of refits to {self.points.curve.n_boot} resamples{of_these}"

    @property
    def has_limit(self) -> bool:
        """Whether the law tends to something that the data decide, and not its form alone."""
        corners = np.clip(np.stack([self.law.low, self.law.high]), -1.0, 1.0)
        with np.errstate(all="ignore"):
            first, second = self.law.asymptote(corners)
        return self.law.limit is not None and first != second

    @property
    def limit(self) -> float:
        """What the law tends to with ever more draws; NaN where it tends to nothing."""
        return float(self.law.asymptote(self.values))

    @property
    def resampled_limits(self) -> np.ndarray:
        """The same for every resample: ``float64 [boot]``."""
        return self.law.asymptote(self.replicates)


def fit_points(law: Law, points: Points, how: Fitting) -> Fitted:
    """Fit one law to the points of a curve."""
    loss, x, y = how.of(law, points), (points.x,), points.y
    if loss == "counts":
        assert points.pairs is not None
        weights = points.pairs.weights(np.ones(len(points.pairs.of_item), dtype=bool))
        return Fitted(law, points, loss, None, solve_counts(law, points.pairs.n, points.pairs.c, weights))
    if loss == "binomial":
        trials = Binomial(np.full(len(y), float(count_units(points.curve.n_items, points.curve.units))))
        return Fitted(law, points, loss, trials, solve(law, x, y, trials))
    plain = solve_many(law, x, y, Squares()).parameters[0]
    weighed = _weighed(loss, how.delta, points.covariance, y - law.at(x, plain))
    return Fitted(law, points, loss, weighed, solve(law, x, y, weighed, also=plain[law.n_linear :]))


def fit_folds(
    law: Law, x: np.ndarray, ys: np.ndarray, covariances: np.ndarray, n_units: float, loss: str, delta: float
) -> Solution:
    """A law fitted to each ``ys [fold, k]`` with its own covariance ``[fold, k, k]``."""
    if loss == "binomial":
        return solve_many(law, (x,), ys, Binomial(np.full(len(x), n_units)))
    plain = solve_many(law, (x,), ys, Squares())
    residual = ys - law.at((x,), plain.parameters)
    if loss == "huber":
        residual = _typical(residual)
    weighting = np.stack([with_misfit(one, off) for one, off in zip(covariances, residual, strict=True)])
    weighed = Huber(delta, weighting) if loss == "huber" else Squares(weighting)
    return solve_many(law, (x,), ys, weighed, near=plain)


def _weighed(loss: str, delta: float, covariance: np.ndarray, residual: np.ndarray) -> Squares | Huber:
    if loss == "huber":
        return Huber(delta, with_misfit(covariance, _typical(residual)))
    return Squares(with_misfit(covariance, residual))


def _typical(residual: np.ndarray) -> np.ndarray:
    """Residuals ``[..., k]`` that are all as large as most of them are, so that a few that are far off do not count.

    The normalised median absolute deviation (Huber 1981, §5.1), as errors that points do not share: their squares sum
    to that of one point.
    """
    size = 1.4826 * np.median(np.abs(residual), axis=-1, keepdims=True) / math.sqrt(residual.shape[-1])
    return np.broadcast_to(size, residual.shape)
