"""At the cost of one plain decision of a bigger size: that size, or a smaller one with test-time compute?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.intervals.crossfit import Choice, Contest
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import detectable_words, flops_words, option_words, points_words
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.training_noise import noise_between


@dataclass(frozen=True)
class Verdict:
    """At the cost of one plain decision of a bigger size: that size, or a smaller one with test-time compute?

    Attributes:
        at_flops: the cost per item that both may spend.
        big: the bigger size; ``small``, ``strategy``, ``k``: the option that most folds of the items chose.
        choices: the different options that the folds chose, that of most folds first.
        difference: accuracy of the chosen options minus the bigger size's, cross-fitted, as a fraction; it includes
            the noise of training where some rung has several seeds.
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


def verdict(big: Rung, smaller: Sequence[Rung], options: Sequence[Option]) -> Verdict:
    """Of a rung and all options of smaller ones."""
    mine = {rung.name: rung for rung in smaller}
    rows = [np.flatnonzero(option.curve.flops <= big.flops * (1 + 1e-9)) for option in options]
    part = [(one, some) for one, some in zip(options, rows, strict=True) if one.rung in mine and some.size]
    contest = Contest.among([(option.curve, some) for option, some in part])
    luck = np.array([noise_between([(mine[option.rung], big)]) for option, _ in part])
    difference, choices, smallest = contest.against(big.plain.credit[0], noise=luck[contest.of])
    rung_of = {option.curve.name: option.rung for option, _ in part}
    curve_of = {option.curve.name: option.curve for option, _ in part}
    words = list(dict.fromkeys(option_words(curve_of[c.curve], c.k) for c in choices))
    others = "" if len(words) == 1 else f" or {words[1]}" if len(words) == 2 else f" or one of {len(words) - 1} others"
    small = words[0] + (f"{others} (which is best differs between parts of the items)" if others else "")
    winner = "small" if difference.low > 0 else "big" if difference.high < 0 else "too close to call"
    one = big.plainly
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
        big.flops, big.name, rung_of[first.curve], first.curve, first.k, choices, difference, smallest, winner, text
    )


def _negated(x: Interval) -> Interval:
    return Interval(-x.value, -x.high, -x.low, x.level, x.method)
