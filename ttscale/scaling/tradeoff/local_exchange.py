"""The rate at which test-time compute replaces training compute along a line of equal error of a fitted surface.

More training at the same error leaves fewer draws to make. With one training input u (the size n or the data d) moving
and the other fixed, the law says how the draws k follow, ``s = d ln k / d ln u`` at equal error, and the costs of both
how the FLOPs do::

    slope = d ln F / d ln T = (∂ln F/∂ln u + s ∂ln F/∂ln k) / (∂ln T/∂ln u + s ∂ln T/∂ln k)

with F the test FLOPs per item and T the training FLOPs. Jones 2021 ("Scaling scaling laws with board games") measures
−1.2, ten times the training for 10^1.2 = 15.8 times the test compute. Along the data F depends on k alone; along the
size a larger model also makes each draw dearer, so that the slope may be above 0: nothing is saved.

A slope is of one point. Where ten times the training is worth more test compute than the draws measured span, the
sentence tells what fits into them instead, such as twice the test compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.numbers import levels
from ttscale.scaling.summaries.words import flops_words, number_words, ratio_words
from ttscale.scaling.surfaces.fit import SurfaceFit, refit_interval
from ttscale.scaling.surfaces.isoquant import exchange_slope
from ttscale.scaling.surfaces.near import near, over_laws
from ttscale.scaling.surfaces.points import Points
from ttscale.scaling.tradeoff.axes import AXES
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.crossing import ten_x_training_equals, training_replaced

_TWICE = 2.0  # times the test compute, of a rate that is steeper than the draws measured
_STEP = 1e-3  # of the logarithm of an input, for slopes of costs


@dataclass(frozen=True)
class LocalExchange:
    """An exchange rate at one point of a surface.

    Attributes:
        along: ``"n"`` or ``"d"``, the training input that moves while the other is fixed.
        at: (n, d, k); NaN for an input that the grid does not vary.
        slope: d ln(test FLOPs) / d ln(training FLOPs) at equal error; −∞ where more draws do not help, NaN where more
            of the input takes less training in all (of an ensemble, whose models are each trained). Its interval is
            over the refits of this law and of those whose back-test is nearly as good.
        ten_x: 10^−slope: ten times the training is worth this many times the test compute.
        laws: least and largest slope by these laws.
        valid_from, valid_to: training FLOPs of one model between which the moving input was measured at the level of
            the other that is nearest to this point, the other being as at this point; NaN where they are unknown.
        k_from, k_to: draws between which it was measured. test_span: how many times the test FLOPs of the fewest those
            of the most are, at this size.
        text: the same in a sentence.
    """

    along: str
    at: tuple[float, float, float]
    slope: Interval
    ten_x: Interval
    laws: tuple[float, float]
    valid_from: float
    valid_to: float
    k_from: float
    k_to: float
    test_span: float
    text: str


def local_exchange(
    surface: SurfaceFit, costs: Costs, along: str, at: tuple[float, float, float], *, axis: str, subject: str = "",
) -> LocalExchange:  # fmt: skip
    """The exchange rate at a point.

    Args:
        at: (n, d, k); NaN for an input that the law does not depend on.
        axis: what d counts. subject: of the sentence, such as ``"TTA"``.
    """
    points = surface.points
    own, *others = (_slope(one, costs, along, at) for one in (surface, *near(surface, (along, "k"))))
    slope = over_laws(own, others)
    value, low, high = (ten_x_training_equals(-x) for x in (slope.value, slope.high, slope.low))
    ten_x = Interval(value, low, high, slope.level, slope.method)
    known = [one.value for one in (own, *others) if not math.isnan(one.value)]
    laws = (min(known), max(known)) if known else (math.nan, math.nan)
    other = at[1] if along == "n" else at[0]
    first, last = (_training(costs, along, at, end) for end in measured_at(points, along, other))
    k = points.inputs[points.names.index("k")]
    draws = float(k.min()), float(k.max())
    least, most = (float(costs.test_flops(at[0], k)) for k in draws)
    found = LocalExchange(along, at, slope, ten_x, laws, first, last, *draws, most / least, "")
    return replace(found, text=_words(found, axis, subject))


def measured_at(points: Points, along: str, other: float) -> tuple[float, float]:
    """Least and most of a training input among the points whose other training input is at the measured level that is
    nearest to ``other``, in logarithms: a grid need not hold every size on every amount of data.

    Of levels equally near, the one with the narrower range. Of all points where the other is not varied, or not given
    (NaN).

    Args:
        along: ``"n"`` or ``"d"``, the input whose range is asked for.
    """
    known = dict(zip(points.names, points.inputs, strict=True))
    moving, fixed = known[along], known.get("d" if along == "n" else "n")
    if fixed is None or not math.isfinite(other):
        return float(moving.min()), float(moving.max())
    of = levels(fixed)
    found = []
    for level in np.unique(of):
        here = moving[of == level]
        away = abs(math.log(other) - float(np.log(fixed[of == level]).mean()))
        found.append((round(away, 6), float(here.max() / here.min()), float(here.min()), float(here.max())))
    return min(found)[2:]


def _slope(surface: SurfaceFit, costs: Costs, along: str, at: tuple[float, float, float]) -> Interval:
    """The slope by one law, with the interval of its refits."""
    own = float(_slopes(surface, costs, along, at, surface.best[None])[0])
    refits = _slopes(surface, costs, along, at, surface.replicates)
    return refit_interval(own, refits, surface.level, surface.points.grouping)


def _slopes(
    surface: SurfaceFit, costs: Costs, along: str, at: tuple[float, float, float], parameters: np.ndarray
) -> np.ndarray:
    """``[...]`` for parameters ``[..., p]``."""
    point = dict(zip(("n", "d", "k"), at, strict=True))
    law = surface.definition
    follows = exchange_slope(law, parameters, along, "k", {name: point[name] for name in law.inputs})

    def test(p: dict[str, float]) -> float:
        return float(costs.test_flops(p["n"], p["k"]))

    def train(p: dict[str, float]) -> float:
        return float(costs.train_flops(p["n"], p["d"] if math.isfinite(p["d"]) else 1.0, p["k"]))

    tests, trains = ([_log_slope(of, point, name) for name in (along, "k")] for of in (test, train))
    with np.errstate(invalid="ignore"):
        test_slope = tests[0] + follows * tests[1]
        train_slope = trains[0] + (follows * trains[1] if trains[1] else 0.0)
        return np.where(train_slope > 0, test_slope / train_slope, np.nan)


def _log_slope(of: Callable[[dict[str, float]], float], point: dict[str, float], name: str) -> float:
    """Its derivative at a point, in logarithms, by central differences; to 1e-9, so that a cost that does not depend on
    the input has a slope of exactly 0."""
    up, down = (of({**point, name: point[name] * math.exp(step)}) for step in (_STEP, -_STEP))
    return round((math.log(up) - math.log(down)) / (2 * _STEP), 9) if up > 0 and down > 0 else math.nan


def _training(costs: Costs, along: str, at: tuple[float, float, float], value: float) -> float:
    n, d, _ = at
    n, d = (value, d) if along == "n" else (n, value)
    return float(costs.train_flops(n, d))


def _words(one: LocalExchange, axis: str, subject: str) -> str:
    (n, d, k), slope = one.at, one.slope
    what = "model size" if one.along == "n" else AXES[axis]
    data = number_words(d)
    unit = AXES[axis].removesuffix("s") if data == "1" else AXES[axis]
    other = f"{data} {unit}" if one.along == "n" else f"{number_words(n)} parameters"
    fixed = [other] if math.isfinite(n + d) else []
    of = f"{subject}, along" if subject else "Along"
    head = f"{of} {what} at {' and '.join([*fixed, f'about {k:.2g} draws'])}"
    if math.isnan(slope.value):
        return f"{head}: no exchange rate, since fewer draws of better trained models take less training in all."
    if slope.value == -math.inf:
        return f"{head}: more draws do not lower the error, so that no test compute replaces training."
    told = [_rate(one), f"measured with {number_words(one.k_from)} to {number_words(one.k_to)} draws"]
    if math.isfinite(one.valid_from + one.valid_to):
        first, last = flops_words(one.valid_from), flops_words(one.valid_to)
        told[-1] += f" and {f'from {first} to {last}' if first != last else f'at {first}'} of training"
    return f"{head}: {'; '.join(told)}."


def _rate(one: LocalExchange) -> str:
    """The slope as a ratio: of ten times the training, or where that is worth more than the draws measured span, of
    the test compute that fits into them."""
    if one.slope.value > 0:
        ratio, bounds = _ratio(one, ten_x_training_equals)
        dearer = "dearer draws outweigh their smaller number"
        return f"10 × training takes {ratio} the test compute at equal error, not less{bounds}: {dearer}"
    if one.ten_x.value <= one.test_span:
        ratio, bounds = _ratio(one, lambda x: ten_x_training_equals(-x))
        return f"10 × training = {ratio} test compute{bounds}"
    factor = min(_TWICE, one.test_span)
    ratio, bounds = _ratio(one, lambda x: training_replaced(factor, x))
    return (
        f"{ratio_words(factor)} test compute = {ratio} training{bounds}; 10 × training is worth more test "
        f"compute than was measured ({ratio_words(one.test_span)})"
    )


def _ratio(one: LocalExchange, of: Callable[[float], float]) -> tuple[str, str]:
    """What a slope is worth, in words, and its interval in brackets."""
    slope = one.slope
    bounds = "refits without a rate are too many for an interval"
    if not math.isnan(slope.low):
        low, high = sorted((of(slope.low), of(slope.high)))
        bounds = f"{100 * slope.level:g}% interval {ratio_words(low)} to {ratio_words(high)}"
    return ratio_words(of(slope.value)), f" ({bounds})"
