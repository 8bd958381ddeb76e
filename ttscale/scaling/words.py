"""Numbers and strategies in plain English, for verdicts and headlines."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale.scaling.curves import Curve
from ttscale.scaling.interval import Interval

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def flops_words(flops: float) -> str:
    """Three significant digits with a prefix: ``12.3 MFLOPs``."""
    if not math.isfinite(flops):
        return "an unknown number of FLOPs"
    for size, prefix in _PREFIXES:
        if flops >= size:
            return f"{_digits(flops / size)} {prefix}FLOPs"
    return f"{_digits(flops)} FLOP{'' if flops == 1 else 's'}"


def accuracy_words(accuracy: Interval) -> str:
    """``91.2% (95% interval 90.6% to 91.8%)``."""
    return (
        f"{100 * accuracy.value:.1f}% ({100 * accuracy.level:g}% interval "
        f"{100 * accuracy.low:.1f}% to {100 * accuracy.high:.1f}%)"
    )


def points_words(difference: Interval) -> str:
    """``+0.42 percentage points (95% interval +0.20 to +0.63)``, from a difference of fractions."""
    return (
        f"{_signed(difference.value)} percentage points ({100 * difference.level:g}% interval "
        f"{_signed(difference.low)} to {_signed(difference.high)})"
    )


def detectable_words(difference: float) -> str:
    """``a difference of 0.42 percentage points would have been detected with 80% probability``."""
    points = "an unknown number of" if math.isnan(difference) else f"{100 * difference:.2f}"
    return f"a difference of {points} percentage points would have been detected with 80% probability"


def ratio_words(ratio: float) -> str:
    """``3.1 ×``, or that it is unbounded or unknown."""
    if math.isnan(ratio):
        return "unknown"
    return f"{_digits(ratio)} ×" if math.isfinite(ratio) else "no upper limit"


def kind_words(curve: Curve) -> str:
    """A curve without a budget: ``TTA of resnet8-w16``."""
    group = "all members" if curve.subject == "all" else curve.subject
    heads = {"tta": "TTA of ", "ensemble": "ensemble of ", "product": "ensemble with TTA of "}
    return f"{heads.get(curve.kind, '')}{group}{_vote_words(curve)}"


def option_words(curve: Curve, k: int) -> str:
    """A curve at a budget: ``8 views of resnet8-w16``."""
    subject, everyone = curve.subject, curve.subject == "all"
    if k == 1:
        return f"one view of {'the cheapest member' if everyone else subject}"
    if curve.kind == "tta":
        words = f"{k} views of {subject}"
    elif curve.kind == "ensemble":
        words = f"an ensemble of {f'the {k} cheapest members' if everyone else f'{k} {subject}'}"
    else:
        words = f"{k} draws of the {'ensemble of all members' if everyone else f'{subject} ensemble'} with TTA"
    return words + _vote_words(curve)


def draws_words(draws: Sequence[tuple[str, str]], vote: str) -> str:
    """Draws by what they are made of: ``an ensemble of 3 members (a, b, c)``."""
    members = list(dict.fromkeys(member for member, _ in draws))
    names = ", ".join(members) if len(members) <= 4 else f"{members[0]} … {members[-1]}"
    suffix = "" if vote == "mean" or len(draws) == 1 else f" under the {vote} vote"
    if len(draws) == 1:
        return f"one view of {members[0]}"
    if len(members) == 1:
        return f"{len(draws)} views of {members[0]}{suffix}"
    if len({view for _, view in draws}) == 1:
        return f"an ensemble of {len(members)} members ({names}){suffix}"
    return f"{len(draws)} draws from {len(members)} members ({names}) and their views{suffix}"


def sentence_start(words: str) -> str:
    """The words with a capital first letter."""
    return words[0].upper() + words[1:]


def rate_words(gain: Interval) -> str:
    """``1.58 percentage points per extra GFLOP (95% interval 1.2 to 1.9)``, from :func:`curves.gain_per_flop`."""
    low, high = (f"{bound:.3g}".replace("-", "−") for bound in (gain.low, gain.high))
    value = f"{gain.value:.3g}".replace("-", "−")
    return f"{value} percentage points per extra GFLOP ({100 * gain.level:g}% interval {low} to {high})"


def _vote_words(curve: Curve) -> str:
    return "" if curve.vote == "mean" else f" under the {curve.vote} vote"


def _signed(fraction: float) -> str:
    points = 100 * fraction
    return "unknown" if math.isnan(points) else f"{points:+.2f}".replace("-", "−")


def _digits(x: float) -> str:
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"
