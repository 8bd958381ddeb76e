"""Exchange rates between measured rungs: what test-time compute on one buys of the training of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttscale.scaling.intervals.crossfit import Contest
from ttscale.scaling.intervals.interval import Interval, percentiles, undefined
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import kind_words, points_words, ratio_words, sentence_start
from ttscale.scaling.tradeoff.breakeven import BreakEven, Priced, break_even
from ttscale.scaling.tradeoff.exchange import crossing, exchange_rate, ten_x_training_equals
from ttscale.scaling.tradeoff.ladder import Rung

_UNITS = {
    "train_flops": ("training FLOPs", "training", "less training"),
    "n_params": ("parameters", "size", "less of parameters"),
}
_MOST = 300.0  # a power of ten that float64 can hold
_ENOUGH_TRAINING = 1.5  # the ratio of training costs from which a sentence extrapolates to 10 × training


@dataclass(frozen=True)
class Exchange:
    """What test-time compute on a rung buys of the training of one that is bigger or was trained longer; see
    ``scaling.tradeoff.exchange`` for the formula.

    Attributes:
        small, big: their keys. curve: name of the small one's curve.
        axis: in what training is counted: ``"train_flops"``, or ``"n_params"`` where that is not known of every rung.
        crosses: whether that curve, as measured, reaches the big one's plain accuracy with less training. A curve that
            hovers about the target crosses it by chance: see ``share_crossing`` and ``gap``.
        share_crossing: in which share of the resamples it does.
        test_ratio, train_ratio: F*/F_b and T_b/T_s at the crossing, T in the unit of ``axis``; NaN where it does not
            cross, or training is unknown.
        rate: exchange rate; NaN where it does not cross. In resamples that never cross it counts as +∞, so that the
            interval may have no upper limit.
        ten_x_training_equals: 10^rate.
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
    """What an option of ``small`` buys of ``big``; ``contest``: of all its budgets, where it is at hand."""
    curve, target = option.curve, big.plain.accuracy[0]
    contest = Contest.among([(curve, np.arange(len(curve.budgets)))]) if contest is None else contest
    spent = option.train_flops if axis == "train_flops" else small.n_params * option.models
    afforded = float(getattr(big, axis))
    rows = np.flatnonzero(~(spent >= afforded))
    common = {"small": small.name, "big": big.name, "curve": curve.name, "axis": axis}
    label = sentence_start(kind_words(curve)) if curve.kind != "single" else kind_words(curve)
    if not rows.size:
        what = "needs at least the training" if axis == "train_flops" else "has at least the parameters"
        text = f"{label} {what} of {big.name} at every budget: nothing is exchanged."
        return Exchange(
            **common, crosses=False, share_crossing=math.nan, test_ratio=math.nan, train_ratio=math.nan,
            rate=undefined(curve.level), ten_x_training_equals=math.nan, gap=undefined(curve.level), break_even=None,
            text=text,
        )  # fmt: skip
    gap, _, _ = contest.against(np.isin(contest.row, rows), big.plain.credit[0])
    cost, row = crossing(curve.flops[rows], curve.accuracy[rows], target)
    costs, reached = crossing(curve.flops[rows], curve.replicates[:, rows], big.plain.replicates[:, 0])
    crosses, share = bool(np.isfinite(cost)), float(np.isfinite(costs).mean())
    train_ratio = afforded / spent[rows]
    rates = exchange_rate(costs / big.flops, train_ratio[reached])
    method = f"crossing of the curves in log FLOPs, {curve.method}"
    rate = undefined(curve.level, method)
    if crosses and np.isfinite(train_ratio).all():
        low, high = percentiles(rates, curve.level)
        value = exchange_rate(cost / big.flops, train_ratio[row])
        rate = Interval(float(value), float(low), float(high), curve.level, method)
    test_ratio = float(cost / big.flops) if crosses else math.nan
    trained = float(train_ratio[row]) if crosses else math.nan
    exchange = Exchange(
        **common, crosses=crosses, share_crossing=share, test_ratio=test_ratio, train_ratio=trained, rate=rate,
        ten_x_training_equals=ten_x_training_equals(min(rate.value, _MOST)), gap=gap, text="",
        break_even=_break_even(big, option, rows, (cost, row), (costs, reached)) if crosses else None,
    )  # fmt: skip
    return replace(exchange, text=_exchange_words(exchange, label, big.plainly, bool(crosses and row == 0)))


def _break_even(
    big: Rung, option: Option, rows: np.ndarray, measured: tuple[np.ndarray, np.ndarray],
    resampled: tuple[np.ndarray, np.ndarray],
) -> BreakEven | None:  # fmt: skip
    """Of the cost and the row at which an option's affordable ``rows`` reach a rung, as measured and resampled."""
    (cost, row), (costs, reached), trained = measured, resampled, option.train_flops[rows]
    if not np.isfinite([big.train_flops, *trained]).all():
        return None
    name = kind_words(option.curve)
    name = f"the {name}" if option.curve.kind in ("ensemble", "product") else name
    small = Priced(name, float(trained[row]), float(cost), trained[reached], costs)
    return break_even(Priced(big.plainly, big.train_flops, big.flops), small, level=option.curve.level)


def _exchange_words(e: Exchange, label: str, plainly: str, at_once: bool) -> str:
    unit, what, less = _UNITS[e.axis]
    share = f"{100 * e.share_crossing:.0f}% of the resamples cross"
    if e.crosses and not e.gap.excludes_zero:
        share += f", and at its best budget the two are too close to call: {points_words(e.gap)}"
    if not e.crosses:
        return f"{label} does not reach {plainly}: {points_words(e.gap)} at its best budget; {share}."
    if at_once:
        cost = ratio_words(e.test_ratio)
        return f"{label} is already as accurate as {e.big} with a single draw, at {cost} its test FLOPs; {share}."
    head = f"{label} reaches {plainly} at {ratio_words(e.test_ratio)} its test FLOPs"
    if math.isnan(e.rate.value):
        return f"{head}; training FLOPs are not known, so there is no exchange rate; {share}."
    if e.test_ratio <= 1:
        return f"{head} and {ratio_words(1 / e.train_ratio)} its {unit}, cheaper on both counts; {share}."
    head = f"{head} and {ratio_words(1 / e.train_ratio)} its {unit}"
    if e.train_ratio < _ENOUGH_TRAINING:
        return f"{head}, too little difference in {what} to speak of a rate; {share}."
    low, high = (ratio_words(ten_x_training_equals(rate)) for rate in (e.rate.low, e.rate.high))
    return (
        f"{head}: at this rate 10 × {less} costs {ratio_words(e.ten_x_training_equals)} the test compute "
        f"({100 * e.rate.level:g}% interval {low} to {high}); {share}."
    )
