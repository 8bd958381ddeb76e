"""Numbers and strategies in plain English, for verdicts and headlines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ttscale.records.graded import TextDraw
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.strategy import Draw, is_subset
from ttscale.voting.votes import DEFAULT

_RATIO = 1e6  # from which a ratio is but told to be beyond
_PREFIXES = ((1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def flops_words(flops: float) -> str:
    """Three significant digits with a prefix: ``12.3 MFLOPs``."""
    if not math.isfinite(flops):
        return "an unknown number of FLOPs"
    for size, prefix in _PREFIXES:
        if flops >= size:
            return f"{_digits(flops / size)} {prefix}FLOPs"
    return f"{_digits(flops)} FLOP{'' if flops == 1 else 's'}"


def number_words(x: float) -> str:
    """Three significant digits without powers of ten: ``18,100``, ``1.5 million``, ``10 billion``."""
    if not math.isfinite(x):
        return "an unknown number of"
    rounded = float(f"{x:.3g}")
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if rounded >= size:
            return f"{rounded / size:,.3f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:.3g}"


def accuracy_words(accuracy: Interval) -> str:
    """``91.2% (95% interval 90.6% to 91.8%)``; without bounds that are unknown."""
    if math.isnan(accuracy.value):
        return "an unknown accuracy"
    if math.isnan(accuracy.low) or math.isnan(accuracy.high):
        return f"{100 * accuracy.value:.1f}%"
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
    """``3.1 ×``, or that it is unbounded or unknown; of one beyond a million, either way, that it is."""
    if math.isnan(ratio):
        return "unknown"
    if math.isinf(ratio):
        return "no upper limit"
    if ratio > _RATIO:
        return f"more than {_RATIO:,.0f} ×"
    return f"less than 1/{_RATIO:,.0f} ×" if 0 < ratio < 1 / _RATIO else f"{_digits(ratio)} ×"


def count_words(n: int, noun: str) -> str:
    """``1 member``, ``2 members``."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def members_words(members: float, n_members: int) -> str:
    """``1.4``, or ``more than 5`` for what a whole ensemble does not reach."""
    return f"{members:.1f}" if math.isfinite(members) else f"more than {n_members}"


def kind_words(curve: Curve) -> str:
    """A curve without a budget: ``TTA of resnet8-w16``, ``samples of smollm2 (T0.8)``."""
    group = "all members" if curve.subject == "all" else curve.subject
    heads = {
        "tta": "TTA of ", "ensemble": "ensemble of ", "product": "ensemble with TTA of ",
        "greedy": "one greedy answer of ", "samples": "samples of ", "variants": "prompt variants of ",
        "mixture": "prompt variants × samples of ", "quotas": "ensemble of ", "learned": "ensemble of ",
        "spread": "ensemble of ",
    }  # fmt: skip
    head = heads.get(_drawn(curve), "")
    return f"{head}{group}{_decoding_words(curve)}{_shares_words(curve)}{_vote_words(curve)}"


def option_words(curve: Curve, k: int) -> str:
    """A curve at a budget: ``8 views of resnet8-w16``, ``8 samples of smollm2 (T0.8)``."""
    subject, everyone = curve.subject, curve.subject == "all"
    if curve.tokens is not None:
        return _answers_words(curve, k)
    if k == 1:
        return f"one view of {'the cheapest member' if everyone else curve.members[0] if is_subset(curve) else subject}"
    drawn = _drawn(curve)
    if drawn == "tta":
        words = f"{k} views of {subject}"
    elif drawn in ("ensemble", "spread"):
        words = f"an ensemble of {_some_words(curve, k)}"
    else:
        words = f"{k} draws of the {'ensemble of all members' if everyone else f'{subject} ensemble'} with TTA"
    return words + _shares_words(curve) + _vote_words(curve)


def _some_words(curve: Curve, k: int) -> str:
    """``k`` members of a curve that takes them one by one: ``3 w8``, ``the 2 cheapest members``."""
    whole = k == len(curve.members)
    if curve.kind == "policy":
        return f"{k} of {'all' if curve.subject == 'all' else f'the {curve.subject}'} members"
    if is_subset(curve):
        return f"{'' if whole else f'the {k} cheapest of '}{curve.subject}"
    if curve.subject == "all":
        return f"all {k} members" if whole else f"the {k} cheapest members"
    return f"{k} {curve.subject}"


def draws_words(draws: Sequence[Draw], vote: str) -> str:
    """Draws by what they are made of: ``an ensemble of 3 members (a, b, c)``, ``8 samples of a (T0.8)``."""
    members = list(dict.fromkeys(draw[0] for draw in draws))
    names = ", ".join(members) if len(members) <= 4 else f"{members[0]} … {members[-1]}"
    if isinstance(draws[0], TextDraw):
        return _samples_words([draw for draw in draws if isinstance(draw, TextDraw)], names, vote)
    suffix = "" if vote == "mean" or len(draws) == 1 else f" under the {vote} vote"
    if len(draws) == 1:
        return f"one view of {members[0]}"
    if len(members) == 1:
        return f"{len(draws)} views of {members[0]}{suffix}"
    if len(members) == len(draws):
        own = ", each with a view of its own" if len({draw[1] for draw in draws}) > 1 else ""
        return f"an ensemble of {len(members)} members ({names}){own}{suffix}"
    return f"{len(draws)} draws from {len(members)} members ({names}) and their views{suffix}"


def sentence_start(words: str) -> str:
    """The words with a capital first letter."""
    return words[0].upper() + words[1:]


def rate_words(gain: Interval) -> str:
    """``1.58 percentage points per extra GFLOP (95% interval 1.2 to 1.9)``, from
    :func:`ttscale.scaling.curves.combined.gain_per_flop`."""
    low, high = (f"{bound:.3g}".replace("-", "−") for bound in (gain.low, gain.high))
    value = f"{gain.value:.3g}".replace("-", "−")
    return f"{value} percentage points per extra GFLOP ({100 * gain.level:g}% interval {low} to {high})"


def _answers_words(curve: Curve, k: int) -> str:
    """Draws of text: a curve of language at a budget."""
    everyone = curve.subject == "all"
    if curve.kind == "greedy":
        return f"one greedy answer of {curve.subject}"
    if k == 1:
        return f"one sample of {curve.members[0] if everyone else curve.subject}{_decoding_words(curve)}"
    group = "all members" if everyone else curve.subject
    if curve.kind == "ensemble" and not everyone and not is_subset(curve):
        group = f"the {len(curve.members)} {curve.subject} in turn"
    what = f"{k} prompt variants" if curve.kind == "variants" else f"{k} samples"
    over = " over its prompt variants" if curve.kind == "mixture" else ""
    return f"{what} of {group}{_decoding_words(curve)}{over}{_shares_words(curve)}{_vote_words(curve)}"


def _samples_words(draws: Sequence[TextDraw], names: str, vote: str) -> str:
    decodings = list(dict.fromkeys(draw.decoding for draw in draws))
    if decodings == ["greedy"] and len(draws) == 1:
        return f"one greedy answer of {names}"
    one = "one sample" if len(draws) == 1 else f"{len(draws)} samples"
    taken = Counter(draw.member for draw in draws)
    if len(taken) > 1 and max(taken.values()) > min(taken.values()) + 1:
        names = ", ".join(f"{n} of {member}" for member, n in taken.items())
    variants = len({draw.variant for draw in draws})
    over = f" over {variants} prompt variants" if variants > 1 else ""
    suffix = "" if vote == "plurality" or len(draws) == 1 else f" under the {vote} vote"
    suffix = " with a perfect checker" if suffix and vote == DEFAULT["verdicts"] else suffix
    of = ":" if " of " in names else " of"
    return f"{one}{of} {names} ({', '.join(decodings)}){over}{suffix}"


def _decoding_words(curve: Curve) -> str:
    """The decodings of a curve of sampled answers, ``" (T0.8)"``."""
    drawn = curve.strategy.draws if curve.strategy is not None else ()
    decodings = dict.fromkeys(draw.decoding for draw in drawn if isinstance(draw, TextDraw))
    return f" ({', '.join(decodings)})" if decodings and curve.kind != "greedy" else ""


def _shares_words(curve: Curve) -> str:
    told = {
        "quotas": " at equal compute each", "learned": " in learned shares", "spread": ", each with a view of its own",
    }  # fmt: skip
    return told.get(curve.kind, "") + learned_words(curve.kind)


def learned_words(kind: str, *, weighted: bool | None = None) -> str:
    """What was learned about draws of images, as an addition to their words; empty where nothing.

    Args:
        weighted: whether it came to weights: of draws that were chosen more than once, or not all alike.
    """
    if kind == "policy" and weighted:
        return " in learned order, some counted more than once"
    if kind in ("weights", "class_weights") and weighted is False:
        return " at learned temperatures"
    return {
        "policy": " in learned order", "weights": " with learned weights",
        "class_weights": " with learned weights of each class",
    }.get(kind, "")  # fmt: skip


def _drawn(curve: Curve) -> str:
    """The kind of a curve's draws; of a learned strategy over images, which its name ends with, that of the draws
    collected: ``policy/w8`` learned about the TTA of w8, ``policy/w8/product`` about its product."""
    if curve.kind not in ("policy", "weights", "class_weights"):
        return curve.kind
    return next((kind for kind in ("product", "ensemble") if kind in curve.name.split("/")[2:]), "tta")


def _vote_words(curve: Curve) -> str:
    usual = "mean" if curve.tokens is None else "plurality"
    if curve.vote == DEFAULT["verdicts"]:
        return " with a perfect checker"
    return "" if curve.vote == usual else f" under the {curve.vote} vote"


def _signed(fraction: float) -> str:
    points = 100 * fraction
    return "unknown" if math.isnan(points) else f"{points:+.2f}".replace("-", "−")


def _digits(x: float) -> str:
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"
