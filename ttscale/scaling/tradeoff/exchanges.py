"""Exchange rates between measured rungs: what test-time compute on one buys of the training of another."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.crossfit import Contest
from ttscale.scaling.intervals.interval import Interval, percentiles, undefined
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import kind_words, points_words, ratio_words, sentence_start
from ttscale.scaling.tradeoff.breakeven import BreakEven, Priced, break_even
from ttscale.scaling.tradeoff.crossing import crossing, exchange_rate, ten_x_training_equals
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.training_noise import noise_between, with_seeds

_UNITS = {
    "train_flops": ("training FLOPs", "training", "less training"),
    "n_params": ("parameters", "size", "less of parameters"),
}
_ENOUGH_TRAINING = 1.5  # the ratio of training costs from which a sentence extrapolates to 10 × training


@dataclass(frozen=True)
class Exchange:
    """What test-time compute on a rung buys of the training of one that is bigger or was trained longer; see
    ``scaling.tradeoff.crossing`` for the formula.

    Attributes:
        small, big: their keys. curve: name of the small one's curve.
        axis: in what training is counted: ``"train_flops"``, or ``"n_params"`` where that is not known of every rung.
        crosses: whether that curve, as measured, reaches the big one's plain accuracy with less training. A curve that
            hovers about the target crosses it by chance: see ``share_crossing`` and ``gap``.
        share_crossing: in which share of the resamples it does. These, and the intervals, include the noise of training
            where some rung has several seeds.
        test_ratio, train_ratio: F*/F_b and T_b/T_s at the crossing, T in the unit of ``axis``; NaN where it does not
            cross, or training is unknown.
        rate: exchange rate; NaN where it does not cross. In resamples that never cross it counts as +∞, so that the
            interval may have no upper limit.
        ten_x_training_equals: 10^rate; ∞ beyond what a number holds.
        gap: the small curve's accuracy at its best budget (cross-fitted) minus the big one's, as a fraction.
        break_even: from how many queries on the big one is the cheaper in all, its plain decision against the small
            one's first budget that is as accurate; None where the small one is never so with less training, or where
            training FLOPs are unknown.
        text: the same in a sentence.
    """

    small: str
    big: str
    curve: str
    axis: str
    crosses: bool
    share_crossing: float
    test_ratio: float
    train_ratio: float
    rate: Interval
    ten_x_training_equals: float
    gap: Interval
    break_even: BreakEven | None
    text: str


def training_axis(rungs: Sequence[Rung]) -> str:
    """``"train_flops"``; ``"n_params"`` where the training FLOPs of some rung are unknown and the parameters of all are
    known."""
    counted = all(math.isfinite(rung.train_flops) for rung in rungs)
    return "train_flops" if counted or not all(rung.n_params > 0 for rung in rungs) else "n_params"


def exchange_between(
    small: Rung, big: Rung, option: Option, *, axis: str = "train_flops", contest: Contest | None = None
) -> Exchange:
    """What an option of ``small`` buys of ``big``; ``contest``: of all its budgets, where it is at hand.

    Resamples are of items and, where some rung has several, of training seeds.
    """
    curve, unknown = option.curve, undefined(option.curve.level)
    spent = option.train_flops if axis == "train_flops" else small.n_params * option.models
    rows = np.flatnonzero(~(spent >= getattr(big, axis)))
    label = sentence_start(kind_words(curve)) if curve.kind != "single" else kind_words(curve)
    found = Exchange(
        small.name, big.name, curve.name, axis, crosses=False, share_crossing=math.nan, test_ratio=math.nan,
        train_ratio=math.nan, rate=unknown, ten_x_training_equals=math.nan, gap=unknown, break_even=None, text="",
    )  # fmt: skip
    if not rows.size:
        what = "needs at least the training" if axis == "train_flops" else "has at least the parameters"
        return replace(found, text=f"{label} {what} of {big.name} at every budget: nothing is exchanged.")
    contest = Contest.among([(curve, np.arange(len(curve.budgets)))]) if contest is None else contest
    gap, _, _ = contest.against(big.plain.credit[0], np.isin(contest.row, rows), noise=noise_between([(small, big)]))
    reach = _Reach.of(small, big, curve, rows)
    found = replace(found, gap=gap, share_crossing=float(np.isfinite(reach.costs).mean()))
    if math.isfinite(reach.cost):
        found = _crossed(found, reach, big, option, spent)
    return replace(found, text=_exchange_words(found, label, big.plainly, reach.row == rows[0]))


@dataclass(frozen=True, eq=False)
class _Reach:
    """Where a curve reaches a rung's plain accuracy.

    Attributes:
        cost: interpolated between budgets; ∞ where it never does. row: of the first budget that does, or the last.
        costs, rows: the same of each resample, ``[boot]``.
    """

    cost: float
    row: int
    costs: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, small: Rung, big: Rung, curve: Curve, rows: np.ndarray) -> _Reach:
        """``rows``: the budgets that take part."""
        cost, row = crossing(curve.flops[rows], curve.accuracy[rows], big.plain.accuracy[0])
        again = with_seeds(curve.replicates[:, rows], small, curve.seed)
        targets = with_seeds(big.plain.replicates[:, :1], big, curve.seed)[:, 0]
        costs, reached = crossing(curve.flops[rows], again, targets)
        return cls(float(cost), int(rows[row]), costs, rows[reached])


def _crossed(found: Exchange, reach: _Reach, big: Rung, option: Option, spent: np.ndarray) -> Exchange:
    """The exchange of a curve that reaches the rung, with its rate where training is known; ``spent``: on training at
    each budget, in the unit of the axis."""
    curve, ratios = option.curve, getattr(big, found.axis) / spent
    rate = undefined(curve.level)
    if np.isfinite(ratios[[reach.row, *reach.rows]]).all():
        low, high = percentiles(exchange_rate(reach.costs / big.flops, ratios[reach.rows]), curve.level)
        value = exchange_rate(reach.cost / big.flops, ratios[reach.row])
        method = f"crossing of the curves in log FLOPs, {curve.method}"
        rate = Interval(float(value), float(low), float(high), curve.level, method)
    return replace(
        found, crosses=True, test_ratio=reach.cost / big.flops, train_ratio=float(ratios[reach.row]), rate=rate,
        ten_x_training_equals=ten_x_training_equals(rate.value), break_even=_break_even(big, option, reach),
    )  # fmt: skip


def _break_even(big: Rung, option: Option, reach: _Reach) -> BreakEven | None:
    """Of a rung's plain decision, and the first budget of an option that is as accurate."""
    curve, trained = option.curve, option.train_flops
    if not np.isfinite([big.train_flops, trained[reach.row], *trained[reach.rows]]).all():
        return None
    name = kind_words(curve)
    name = f"the {name}" if curve.kind in ("ensemble", "product") else name
    tests = np.where(np.isfinite(reach.costs), curve.flops[reach.rows], np.inf)
    small = Priced(name, float(trained[reach.row]), float(curve.flops[reach.row]), trained[reach.rows], tests)
    return break_even(Priced(big.plainly, big.train_flops, big.flops), small, level=curve.level)


def _exchange_words(e: Exchange, label: str, plainly: str, at_once: bool) -> str:
    unit, what, less = _UNITS[e.axis]
    share = f"it does so in {100 * e.share_crossing:.0f}% of the resamples"
    if e.crosses and not e.gap.excludes_zero:
        share += f", and at its best budget the two are too close to call: {points_words(e.gap)}"
    if not e.crosses:
        return f"{label} does not reach {plainly}: {points_words(e.gap)} at its best budget; {share}."
    if at_once:
        cost = ratio_words(e.test_ratio)
        return f"{label}: a single draw is already as accurate as {e.big}, at {cost} its test FLOPs; {share}."
    head = f"{label} reaches {plainly} at {ratio_words(e.test_ratio)} its test FLOPs"
    if math.isnan(e.rate.value):
        return f"{head}; training FLOPs are not known, so there is no exchange rate; {share}."
    if e.test_ratio <= 1:
        return f"{head} and {ratio_words(1 / e.train_ratio)} its {unit}, cheaper on both counts; {share}."
    head = f"{head} and {ratio_words(1 / e.train_ratio)} its {unit}"
    if e.train_ratio < _ENOUGH_TRAINING:
        return f"{head}, too little difference in {what} to speak of a rate; {share}."
    low, high = (ratio_words(ten_x_training_equals(rate)) for rate in (e.rate.low, e.rate.high))
    costs = ratio_words(min(e.ten_x_training_equals, sys.float_info.max))  # ∞ is told as what it is: very many times
    return (
        f"{head}: at this rate 10 × {less} costs {costs} the test compute "
        f"({100 * e.rate.level:g}% interval {low} to {high}); {share}."
    )
