"""A fitted surface: its parameters, what it predicts, and what it says about spending."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.fits.prediction import growth, times_outside, warn_far
from ttscale.scaling.fits.status import Status
from ttscale.scaling.intervals.interval import Interval, normal_quantile, percentiles
from ttscale.scaling.laws.law import Law
from ttscale.scaling.numbers import is_number
from ttscale.scaling.surfaces.backtest import Backtest, HeldOut
from ttscale.scaling.surfaces.isoquant import exchange_slope, solve_input, split_compute, value_at
from ttscale.scaling.surfaces.points import Points
from ttscale.scaling.surfaces.quantity import error_of, fitted_of

_LARGEST = 690.0  # e to the power of it is a float64 still
FLOPS_PER_PARAMETER_AND_TOKEN = 6.0  # forward and backward pass (Kaplan et al. 2020); a multiply-add is 2 FLOPs


@dataclass(frozen=True)
class Split:
    """The compute-optimal split of a training budget: size, data, their ratio and the error, with intervals."""

    flops: float
    n: Interval
    d: Interval
    d_per_n: Interval
    error: Interval


@dataclass(frozen=True, eq=False)
class SurfaceFit:
    """A law fitted to a surface.

    Attributes:
        law, formula, purpose: which and what for.
        params: each parameter with the percentile interval of its bootstrap refits.
        status: ``converged``; ``at_bound`` when a parameter sits on its limit (``at_bound`` lists them; E at its lowest
            says that the data show no floor); ``not_identified`` when the data do not say what a parameter is
            (``not_identified`` lists them); ``not_converged`` when the gradient did not vanish, of this fit or of more
            than a tenth of the refits to resamples (``refits_converged`` is the share that converged);
            ``off_the_data`` when the law describes ln y worse than its mean does.
        objective: Huber's loss summed over the points. gradient_norm, start_gap, n_starts: as in
            :class:`ttscale.scaling.solving.solution.Solution`.
        delta: of Huber's loss. rmse: root mean square residual of ln y.
        backtest: the errors (ln y) in cells left out: ``held_out``, one by one; ``backtest_rmse``, of those at either
            end of an input, NaN when none could be left out.
        candidates: where several fits were compared, all of them, best back-test first (by
            :func:`ttscale.scaling.surfaces.compared.missed`): of every law that was tried for those quantities whose
            laws come near the points; empty where there was one only.
        quantity: what was fitted, see :mod:`ttscale.scaling.surfaces.quantity`; every answer is in errors.
        level: of every interval. points: what was fitted. replicates: parameters ``float64 [boot, parameter]``.
    """

    law: str
    formula: str
    purpose: str
    params: dict[str, Interval]
    status: Status
    at_bound: tuple[str, ...]
    not_identified: tuple[str, ...]
    objective: float
    gradient_norm: float
    start_gap: float
    n_starts: int
    delta: float
    rmse: float
    backtest: Backtest
    level: float
    definition: Law = field(repr=False)
    points: Points = field(repr=False)
    replicates: np.ndarray = field(repr=False)
    refits_converged: float
    candidates: tuple[SurfaceFit, ...] = field(default=(), repr=False)

    @property
    def quantity(self) -> str:
        return self.points.quantity

    @property
    def held_out(self) -> tuple[HeldOut, ...]:
        return self.backtest.cells

    @property
    def backtest_rmse(self) -> float:
        return self.backtest.rmse

    def errors(
        self, n: np.ndarray | float | None = None, d: np.ndarray | float | None = None,
        k: np.ndarray | float | None = None, *, refits: bool = False,
    ) -> np.ndarray:  # fmt: skip
        """Errors at many points, without intervals: inputs that broadcast to ``[...]`` (k may be ∞) give ``[...]``, and
        those of the refits ``[boot, ...]``. Inputs that the law does not depend on may be left out.

        Raises:
            TtscaleError: an input of the law that is missing.
        """
        given = {"n": n, "d": d, "k": k}
        shape = np.broadcast_shapes(*(np.shape(x) for x in given.values() if x is not None))
        parameters = self.best
        if refits:
            parameters = self.replicates.reshape(len(self.replicates), *[1] * len(shape), -1)
        return self.errors_at(parameters, **given)

    def errors_at(
        self, parameters: np.ndarray, n: np.ndarray | float | None = None, d: np.ndarray | float | None = None,
        k: np.ndarray | float | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Errors for ``parameters [..., p]``, with which the inputs broadcast element by element: ``[...]``; otherwise
        as :meth:`errors`."""
        given = {"n": n, "d": d, "k": k}
        if missing := [name for name in self.definition.inputs if given[name] is None]:
            raise TtscaleError(missing[0], expected=f"given: {self.law} depends on it", got="None", fix="Give it.")
        shape = np.broadcast_shapes(parameters.shape[:-1], *(np.shape(x) for x in given.values() if x is not None))
        at = [np.asarray(given[name], dtype=np.float64)[..., None] for name in self.definition.inputs]
        with np.errstate(all="ignore"):  # far from the data a law may overflow, or vanish
            values = self.definition.at(at, parameters)[..., 0]
        return np.broadcast_to(error_of(self.quantity, values), shape)

    def predict(self, n: float | None = None, d: float | None = None, k: float | None = None) -> Interval:
        """Error of a model of size ``n`` trained on ``d``, at ``k`` draws.

        The interval is for a new measurement, with the scatter that the points have. It adds in quadrature, in ln y,
        the percentile interval of the refits and z times the back-test error: within the fitted range that of the cells
        between its ends, outside of it ever more that of the cells at the ends, from twice the range on multiplied by
        :func:`ttscale.scaling.fits.prediction.growth`. Beyond 10 times the range it warns. Without a back-test it is
        NaN.

        Raises:
            TtscaleError: an input that is not a number above 0, k below 1, or a k that is missing, or given where the
                points have none.
        """
        point = self._point(n=n, d=d, k=k)
        outside = self._outside(point)
        warn_far(self.law, outside)
        value = math.log(float(value_at(self.definition, self.best, point)))
        low, high = percentiles(np.log(value_at(self.definition, self.replicates, point)), self.level)
        share = min(math.log2(outside), 1.0)
        missed = (1 - share) * self.backtest.inside_rmse + share * self.backtest_rmse
        misfit = normal_quantile(self.level) * missed * float(growth(np.array(outside)))
        bounds = (
            value - math.hypot(max(value - float(low), 0.0), misfit),
            value + math.hypot(max(float(high) - value, 0.0), misfit),
        )
        method = f"refits to resampled {self.points.grouping} and back-test error"
        exponents = np.clip([value, *bounds], -_LARGEST, _LARGEST)
        error, least, most = (float(one) for one in error_of(self.quantity, np.exp(exponents)))
        return Interval(error, least, most, self.level, method)

    def optimum(self, flops: float, k: float | None = None, *, per: float = FLOPS_PER_PARAMETER_AND_TOKEN) -> Split:
        """The size and data of least error for a training budget ``per · n · d`` (6ND by default) at ``k`` draws.

        Intervals are percentiles of the refits' own optima. NaN where error falls all the way to n = 1 or d = 1, or
        hardly depends on the split; an interval is NaN also where that holds of more refits than lie beyond either of
        its ends.

        Raises:
            TtscaleError: a budget or a ``per`` that is no number, too small a budget, or a k as in :meth:`predict`.
        """
        per = _number("per", per)
        flops = _number("flops", flops, above=per)
        fixed = {name: value for name, value in self._point(n=1.0, d=1.0, k=k).items() if name == "k"}
        best = self.best[None]
        n, d = split_compute(self.definition, best, flops, fixed, per)
        ns, ds = split_compute(self.definition, self.replicates, flops, fixed, per)
        error, errors = (
            value_at(self.definition, p, {**fixed, "n": a, "d": b})
            for a, b, p in ((n, d, best), (ns, ds, self.replicates))
        )
        error, errors = error_of(self.quantity, error), error_of(self.quantity, errors)
        pairs = ((n, ns), (d, ds), (d / n, ds / ns), (error, errors))
        return Split(flops, *(self._interval(float(one[0]), many) for one, many in pairs))

    def solve(self, name: str, y: float, **fixed: float) -> Interval:
        """The value of one input at which the error is ``y``, the others given: a line of equal error, point by point.

        ∞ where no value reaches it; 0 (for k, 1) where every value does.

        Raises:
            TtscaleError: ``name`` is no input of the law, or is given as well; another input is missing, or unknown.
        """
        if name not in self.definition.inputs:
            raise unknown_name("input", name, self.definition.inputs)
        if name in fixed:
            raise TtscaleError(
                name, expected="not to be given: it is asked for", got=repr(fixed[name]), fix="Leave it out."
            )
        y, point = float(fitted_of(self.quantity, _number("y", y))), self._point(**fixed | {name: 1.0})
        middle = math.exp(float(np.log(self.points.inputs[self.points.names.index(name)]).mean()))
        del point[name]
        found = solve_input(self.definition, self.best[None], name, y, point, middle)
        return self._interval(float(found[0]), solve_input(self.definition, self.replicates, name, y, point, middle))

    def exchange(
        self, of: str, against: str, n: float | None = None, d: float | None = None, k: float | None = None
    ) -> Interval:
        """``d ln against / d ln of`` along the line of equal error through a point.

        −0.5 of ``of="n", against="k"`` says that a model 1 % smaller needs 0.5 % more draws.
        """
        point = self._point(n=n, d=d, k=k)
        for name in (of, against):
            if name not in point:
                raise unknown_name("input", name, point)
        one = exchange_slope(self.definition, self.best[None], of, against, point)
        return self._interval(float(one[0]), exchange_slope(self.definition, self.replicates, of, against, point))

    @property
    def best(self) -> np.ndarray:
        """The parameters, ``float64 [parameter]``, as the law orders them."""
        return np.array([p.value for p in self.params.values()])

    def _interval(self, value: float, replicates: np.ndarray) -> Interval:
        return refit_interval(value, replicates, self.level, self.points.grouping)

    def _point(self, **given: float | None) -> dict[str, float]:
        """The law's inputs as numbers; TtscaleError for what is missing, no number, or no input of the points. An input
        of theirs that this law does not depend on may be given."""
        known = {name: value for name, value in given.items() if value is not None}
        for name in known:
            if name not in self.points.names:
                raise unknown_name("input", name, self.points.names)
        asked = dict.fromkeys((*self.definition.inputs, *known))
        numbers = {name: _number(name, known.get(name), least=1.0 if name == "k" else 0.0) for name in asked}
        return {name: numbers[name] for name in self.definition.inputs}

    def _outside(self, point: dict[str, float]) -> float:
        """How many times outside the fitted range the farthest input lies; at least 1."""
        known = [
            (point[x], values) for x, values in zip(self.points.names, self.points.inputs, strict=True) if x in point
        ]
        return max(float(times_outside(np.array(x), values.min(), values.max())) for x, values in known)


def refit_interval(value: float, replicates: np.ndarray, level: float, grouping: str) -> Interval:
    """A value with the percentiles of its refits.

    Refits without a value may lie beyond either end: where the value is NaN, or they are more than a percentile
    interval leaves out at one end, the interval is NaN; it is as well without refits.
    """
    if not len(replicates):
        return Interval(value, math.nan, math.nan, level, "no refits")
    missing, tail = np.isnan(replicates), (1.0 - level) / 2
    low = high = math.nan
    if not math.isnan(value) and missing.mean() <= tail:
        low, high = (float(bound) for bound in percentiles(replicates[~missing], level))
    lost = f", {missing.sum()} of {len(replicates)} without one" if missing.any() else ""
    return Interval(value, low, high, level, f"refits to resampled {grouping}, percentiles{lost}")


def _number(name: str, value: object, *, above: float = 0.0, least: float = 0.0) -> float:
    """The value as a float; TtscaleError unless it is a finite number, above ``above`` and not below ``least``."""
    if not is_number(value) or not above < value < math.inf or value < least:
        bound = f"of at least {least:g}" if least > above else f"above {above:g}"
        raise TtscaleError(name, expected=f"a finite number {bound}", got=repr(value), fix="Give one.")
    return float(value)
