"""Test-time compute beside training-time compute: verdicts at matched FLOPs, and exchange rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.estimate import check_estimation
from ttscale.scaling.intervals.crossfit import FOLDS, Choice, best_against
from ttscale.scaling.intervals.interval import Interval, percentiles, undefined
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import (
    detectable_words,
    flops_words,
    kind_words,
    option_words,
    points_words,
    ratio_words,
    sentence_start,
)
from ttscale.scaling.tradeoff.exchange import crossing, exchange_rate, ten_x_training_equals
from ttscale.scaling.tradeoff.ladder import Rung, climb, same_items

_ENOUGH_TRAINING = 1.5  # the ratio of training costs from which a sentence extrapolates to 10 × training


@dataclass(frozen=True)
class Verdict:
    """At the cost of one plain decision of a bigger size: that size, or a smaller one with test-time compute?

    Attributes:
        at_flops: the cost per item that both may spend.
        big: the bigger size; ``small``, ``strategy``, ``k``: the option that most folds of the items chose.
        choices: the different options that the folds chose, that of most folds first.
        difference: accuracy of the chosen options minus the bigger size's, cross-fitted, as a fraction.
        detectable: the true difference that these items would have shown with 80 % probability, as a fraction.
        winner: ``"big"``, ``"small"``, or ``"too close to call"`` when the interval holds 0.
        text: the same in a sentence.
    """

    at_flops: float
    big: str
    small: str
    strategy: str
    k: int
    choices: tuple[Choice, ...]
    difference: Interval
    detectable: float
    winner: str
    text: str


@dataclass(frozen=True)
class Exchange:
    """What test-time compute on a small size buys of a bigger size's training; see ``scaling.tradeoff.exchange`` for
    the formula.

    Attributes:
        curve: name of the small size's curve.
        crosses: whether that curve, as measured, reaches the bigger size's plain accuracy with less training. A curve
            that hovers about the target crosses it by chance: see ``share_crossing`` and ``gap``.
        share_crossing: in which share of the resamples it does.
        test_ratio, train_ratio: F*/F_b and T_b/T_s at the crossing; NaN where it does not cross, or training is
            unknown.
        rate: exchange rate; NaN where it does not cross. In resamples that never cross it counts as +∞, so that the
            interval may have no upper limit.
        ten_x_training_equals: 10^rate.
        gap: the small curve's accuracy at its best budget (cross-fitted) minus the bigger size's, as a fraction.
        text: the same in a sentence.
    """

    small: str
    big: str
    curve: str
    crosses: bool
    share_crossing: float
    test_ratio: float
    train_ratio: float
    rate: Interval
    ten_x_training_equals: float
    gap: Interval
    text: str


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """The training ladder at k = 1 beside the test-time curves of its sizes.

    Attributes:
        ladder: the sizes, cheapest first. rivals: what was made of them without training (numeric formats, pruning,
            weight soups), plainly used; they take no part in the verdicts.
        options: per size, TTA (mean over seeds), ensemble and product.
        verdicts: for each size but the cheapest; exchange: for each pair of sizes and each curve of the smaller.
        note: what could not be said, and why; empty when all could.
    """

    ladder: tuple[Rung, ...]
    rivals: tuple[Rung, ...]
    options: tuple[Option, ...]
    verdicts: tuple[Verdict, ...]
    exchange: tuple[Exchange, ...]
    note: str

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves of the options."""
        return tuple(option.curve for option in self.options)


def tradeoff(
    records: Records | Sequence[Records], *, vote: str = "auto", ci: float = 0.95, n_boot: int = 1000, seed: int = 0,
    interval: str = "percentile", on_progress: Callable[[float], None] = lambda share: None,
) -> Tradeoff:  # fmt: skip
    """Compare model size with test-time compute.

    Of text, one greedy answer of a bigger model is compared with the samples of smaller ones.

    Members are grouped into sizes by ``card["size"]``; training costs come from ``card["train_flops"]``. Tied answers
    share the credit: what a size can do does not hang on a rule for ties.

    Args:
        records: one Records with several sizes, or several Records of the same items.
        vote: of every option; ``"auto"`` is the mean, of text the plurality.
        ci, n_boot, seed, interval: as for :func:`ttscale.scaling.curves.curve.accuracy_curve`.
        on_progress: told the share of the work that is done, in [0, 1].

    Raises:
        TtscaleError: Records of different items, labels or classes; a member twice; options out of range.
    """
    check_estimation("shared", interval)
    sizes, options = climb(
        same_items(records), vote=vote, on_progress=on_progress, ci=ci, n_boot=n_boot, seed=seed, interval=interval
    )
    rungs = [rung for rung in sizes if not rung.of]
    verdicts, exchanges = [], []
    for position, big in enumerate(rungs):
        smaller = [rung for rung in rungs[:position] if rung.flops < big.flops]
        for_small = {rung.size: [option for option in options if option.size == rung.size] for rung in smaller}
        if smaller:
            verdicts.append(_verdict(big, [option for some in for_small.values() for option in some]))
        exchanges += [_exchange(rung, big, option) for rung in smaller for option in for_small[rung.size]]
    made = tuple(rung for rung in sizes if rung.of)
    return Tradeoff(tuple(rungs), made, tuple(options), tuple(verdicts), tuple(exchanges), _note(rungs, verdicts))


def _verdict(big: Rung, options: Sequence[Option]) -> Verdict:
    affordable = [(option.curve, np.flatnonzero(option.curve.flops <= big.flops * (1 + 1e-9))) for option in options]
    affordable = [(curve, rows) for curve, rows in affordable if rows.size]
    difference, choices, smallest = best_against(affordable, big.plain.credit[0])
    size_of = {option.curve.name: option.size for option in options}
    curve_of = {option.curve.name: option.curve for option in options}
    words = list(dict.fromkeys(option_words(curve_of[c.curve], c.k) for c in choices))
    others = "" if len(words) == 1 else f" or {words[1]}" if len(words) == 2 else f" or one of {len(words) - 1} others"
    small = words[0] + (f"{others} (what {FOLDS} folds of the items chose for each other)" if others else "")
    winner = "small" if difference.low > 0 else "big" if difference.high < 0 else "too close to call"
    one = _plainly(big)
    head = f"At {flops_words(big.flops)} per item"
    if winner == "too close to call":
        text = f"{head}, {small} against {one} is too close to call: {points_words(difference)}"
        text += f"; {detectable_words(smallest)}." if math.isfinite(smallest) else "."
    else:
        better, worse = (small, one) if winner == "small" else (one, small)
        shown = difference if winner == "small" else _negated(difference)
        beats = "beat" if winner == "small" and words[-1][0].isdigit() and len(words) < 3 else "beats"
        text = f"{head}, {better} {beats} {worse}: {points_words(shown)}."
    first = choices[0]
    return Verdict(
        big.flops, big.size, size_of[first.curve], first.curve, first.k, choices, difference, smallest, winner, text
    )


def _exchange(small: Rung, big: Rung, option: Option) -> Exchange:
    curve, target = option.curve, big.plain.accuracy[0]
    rows = np.flatnonzero(~(option.train_flops >= big.train_flops))
    common = {"small": small.size, "big": big.size, "curve": curve.name}
    label = sentence_start(kind_words(curve)) if curve.kind != "single" else kind_words(curve)
    if not rows.size:
        text = f"{label} needs at least the training of {big.size} at every budget: nothing is exchanged."
        return Exchange(
            **common, crosses=False, share_crossing=math.nan, test_ratio=math.nan, train_ratio=math.nan,
            rate=undefined(curve.level), ten_x_training_equals=math.nan, gap=undefined(curve.level), text=text,
        )  # fmt: skip
    gap, _, _ = best_against([(curve, rows)], big.plain.credit[0])
    cost, row = crossing(curve.flops[rows], curve.accuracy[rows], target)
    costs, reached = crossing(curve.flops[rows], curve.replicates[:, rows], big.plain.replicates[:, 0])
    crosses, share = bool(np.isfinite(cost)), float(np.isfinite(costs).mean())
    train_ratio = big.train_flops / option.train_flops[rows]
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
        ten_x_training_equals=ten_x_training_equals(rate.value), gap=gap, text="",
    )  # fmt: skip
    return replace(exchange, text=_exchange_words(exchange, label, _plainly(big), bool(crosses and row == 0)))


def _plainly(rung: Rung) -> str:
    return f"{rung.plain.unit} of {rung.size}"


def _exchange_words(e: Exchange, label: str, plainly: str, at_once: bool) -> str:
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
        return f"{head} and {ratio_words(1 / e.train_ratio)} its training FLOPs, cheaper on both counts; {share}."
    head = f"{head} and {ratio_words(1 / e.train_ratio)} its training FLOPs"
    if e.train_ratio < _ENOUGH_TRAINING:
        return f"{head}, too little difference in training to speak of a rate; {share}."
    low, high = (ratio_words(ten_x_training_equals(rate)) for rate in (e.rate.low, e.rate.high))
    return (
        f"{head}: at this rate 10 × less training costs {ratio_words(e.ten_x_training_equals)} the test compute "
        f"({100 * e.rate.level:g}% interval {low} to {high}); {share}."
    )


def _note(rungs: Sequence[Rung], verdicts: Sequence[Verdict]) -> str:
    if len(rungs) == 1:
        return f"All members are of one size ({rungs[0].size}): there is no training ladder to compare with."
    if not verdicts:
        return "All sizes cost the same per decision: there is nothing to compare at matched FLOPs."
    unknown = [rung.size for rung in rungs if math.isnan(rung.train_flops)]
    return f"Training FLOPs are not known for {', '.join(unknown)}: no exchange rates with these." if unknown else ""


def _negated(x: Interval) -> Interval:
    return Interval(-x.value, -x.high, -x.low, x.level, x.method)
