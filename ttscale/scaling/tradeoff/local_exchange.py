"""The rate at which test-time compute replaces training compute along a line of equal error of a fitted surface.

More training at the same error leaves fewer draws to make. With one training input u (the size n or the data d) moving
and the other fixed, the law says how the draws k follow, ``s = d ln k / d ln u`` at equal error, and the costs of both
how the FLOPs do::

    slope = d ln F / d ln T = (∂ln F/∂ln u + s ∂ln F/∂ln k) / (∂ln T/∂ln u + s ∂ln T/∂ln k)

with F the test FLOPs per item and T the training FLOPs. Jones 2021 ("Scaling scaling laws with board games") measures
−1.2, ten times the training for 10^1.2 = 15.8 times the test compute. Along the data F depends on k alone; along the
size a larger model also makes each draw dearer, so that the slope may be above 0: nothing is saved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.summaries.words import flops_words, ratio_words
from ttscale.scaling.surfaces.fit import SurfaceFit, refit_interval
from ttscale.scaling.surfaces.isoquant import exchange_slope
from ttscale.scaling.tradeoff.axes import AXES
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.exchange import ten_x_training_equals

_FAR = 100.0  # beyond what anyone measures: such a rate is told the other way round
_STEP = 1e-3  # of the logarithm of an input, for slopes of costs
_CLOSE = 1.25  # laws whose back-test errors are within this factor of the best one's count as well


@dataclass(frozen=True)
class LocalExchange:
    """An exchange rate at one point of a surface.

    Attributes:
        along: ``"n"`` or ``"d"``, the training input that moves while the other is fixed.
        at: (n, d, k); NaN for an input that the grid does not vary.
        slope: d ln(test FLOPs) / d ln(training FLOPs) at equal error; −∞ where more draws do not help, NaN where more
            of the input takes less training in all (of an ensemble, whose models are each trained).
        ten_x: 10^−slope: ten times the training is worth this many times the test compute.
        laws: least and largest slope by the laws whose back-test is nearly as good, this one's too.
        valid_from, valid_to: training FLOPs of one model between which the moving input was measured, the other being
            as at this point; NaN where they are unknown.
        text: the same in a sentence.
    """

    along: str
    at: tuple[float, float, float]
    slope: Interval
    ten_x: Interval
    laws: tuple[float, float]
    valid_from: float
    valid_to: float
    text: str


def local_exchange(
    surface: SurfaceFit, costs: Costs, along: str, at: tuple[float, float, float], *, axis: str, subject: str = "",
) -> LocalExchange:  # fmt: skip
    """The exchange rate at a point.

    Args:
        at: (n, d, k); NaN for an input that the law does not depend on.
        axis: what d counts. subject: of the sentence, such as ``"TTA"``.
    """
    grouping, level = surface.points.grouping, surface.level
    values = _slopes(surface, costs, along, at, surface.replicates)
    own = float(_slopes(surface, costs, along, at, surface.best[None])[0])
    slope = refit_interval(own, values, level, grouping)
    value, low, high = (ten_x_training_equals(-x) for x in (slope.value, slope.high, slope.low))
    ten_x = Interval(value, low, high, level, slope.method)
    near = [
        one for one in surface.candidates
        if "k" in one.definition.inputs and along in one.definition.inputs and one.quantity == surface.quantity
        and one.backtest.ranking <= _CLOSE * surface.backtest.ranking
    ]  # fmt: skip
    others = [float(_slopes(one, costs, along, at, one.best[None])[0]) for one in near]
    known = [x for x in (own, *others) if not math.isnan(x)]
    points = surface.points
    moving = points.inputs[points.names.index(along)]
    first, last = (_training(costs, along, at, float(end)) for end in (moving.min(), moving.max()))
    laws = (min(known), max(known)) if known else (math.nan, math.nan)
    text = _words(along, at, slope, ten_x, laws, (first, last), axis, subject)
    return LocalExchange(along, at, slope, ten_x, laws, first, last, text)


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


def _words(
    along: str, at: tuple[float, float, float], slope: Interval, ten_x: Interval, laws: tuple[float, float],
    valid: tuple[float, float], axis: str, subject: str,
) -> str:  # fmt: skip
    n, d, k = at
    what = "model size" if along == "n" else AXES[axis]
    fixed = [f"{AXES[axis]} {d:.3g}" if along == "n" else f"{n:.3g} parameters"] if math.isfinite(n + d) else []
    of = f"{subject}, along" if subject else "Along"
    head = f"{of} {what} at {', '.join([*fixed, f'about {k:.3g} draws'])}"
    if math.isnan(slope.value):
        return f"{head}: no exchange rate, since fewer draws of better trained models take less training in all."
    if slope.value == -math.inf:
        return f"{head}: more draws do not lower the error, so that no test compute replaces training."
    interval = f"{100 * slope.level:g}% interval {ratio_words(ten_x.low)} to {ratio_words(ten_x.high)}"
    if slope.value > 0:
        low, high = ratio_words(1 / ten_x.high), ratio_words(1 / ten_x.low)
        told = (
            f"10 × training takes {ratio_words(1 / ten_x.value)} the test compute at equal error, not less "
            f"({100 * slope.level:g}% interval {low} to {high}): dearer draws outweigh their smaller number"
        )
    elif ten_x.value > _FAR and slope.high < 0:
        x, least, most = (ratio_words(10 ** (-1 / end)) for end in (slope.value, slope.low, slope.high))
        told = f"10 × test compute = {x} training ({100 * slope.level:g}% interval {least} to {most})"
    else:
        told = f"10 × training = {ratio_words(ten_x.value)} test compute ({interval})"
    if math.isnan(slope.low):
        told += "; refits without a rate are too many for an interval"
    if laws[1] - laws[0] > 0.1:
        told += f"; by other laws of nearly as good a back-test a slope from {_signed(laws[0])} to {_signed(laws[1])}"
    if all(math.isfinite(end) for end in valid):
        told += f"; measured from {flops_words(valid[0])} to {flops_words(valid[1])} of training"
    return f"{head}: {told}."


def _signed(slope: float) -> str:
    return f"{slope:.2f}".replace("-", "−")
