"""At most ten plain sentences that say what a run found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ttscale.records.records import Records
from ttscale.scaling.curves.combined import gain_per_flop, paired_difference
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.fits.fit_law import STACKED, Fit
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.learning.policies import LearnedGroup
from ttscale.scaling.planning.candidates import plain_members
from ttscale.scaling.planning.options import beside_plain
from ttscale.scaling.planning.planned import Plan
from ttscale.scaling.summaries.words import (
    accuracy_words,
    count_words,
    draws_words,
    flops_words,
    kind_words,
    learned_words,
    option_words,
    points_words,
    rate_words,
    ratio_words,
    sentence_start,
)
from ttscale.scaling.tradeoff.tradeoff import Tradeoff

_SENTENCES = 10
_FEW = 10  # items, or clusters of items: of fewer nothing is said to have changed
_FIRST_TO_GO = ("telling", "learned", "law", "shift")  # where there is more to say than that


def headline(
    records: Records, trade: Tradeoff, curves: Sequence[Curve], fits: Sequence[Fit], chosen: Plan | None, *,
    worth: Mapping[str, str], learned: str = "", shift: str = "",
) -> list[str]:  # fmt: skip
    """Sentences for the terminal and the top of the page, most general first; none of a size made of another.

    Args:
        trade: of the same Records; ``curves``: all curves of the summary; ``fits``: the chosen fit of each curve that
            has one.
        chosen: the plan, or None.
        worth: by the name of a curve, how many ensemble members its last budget is worth, in words.
        learned, shift: a sentence of what was learned, and of what shifts do; empty where nothing.
    """
    made = {rung.name for rung in trade.rivals}
    curves = [curve for curve in curves if curve.subject not in made]
    fits = [fit for fit in fits if fit.curve.subject not in made]
    base = {curve.name: plain for curve, plain in beside_plain(curves) if plain is not curve}
    spent = [
        (kind, spending_words(strongest, base.get(strongest.name), worth=worth.get(strongest.name, "")))
        for kind in ("tta", "ensemble", "product")
        if (strongest := _strongest([c for c in curves if c.kind == kind])) is not None
    ]
    told = [
        ("what", _what(records, trade)), ("note", str(records.manifest.dataset.get("note") or "")),
        ("ladder", ladder_words(trade)), *spent,
        *(("law", law_words(fit)) for fit in most_told(fits)), ("learned", learned), ("shift", shift),
        *(("verdicts", words) for words in tally_words(trade)), *(("telling", words) for words in _most_telling(trade)),
        ("plan", "" if chosen is None else plan_words(chosen)),
    ]  # fmt: skip
    told = [(what, words) for what, words in told if words]
    for what in _FIRST_TO_GO:
        if len(told) > _SENTENCES:
            told = [one for one in told if one[0] != what]
    return [words for _, words in told]


def taught_words(learned: Sequence[LearnedGroup]) -> str:
    """What learning an order of the views of the costliest size gained; empty where there are no views."""
    orders = [group for group in learned if group.curve.kind == "policy" and group.of == "tta"]
    if not orders:
        return ""
    group = max(orders, key=lambda one: one.beside.reference_flops)
    if not group.taught:
        note = min(part.note for part in group.parts)
        return f"Nothing was learned about the views of {group.curve.subject}: {note}."
    k = group.told
    gained, beside = group.gain(k)
    verb = verb_words(gained, group.curve, singular=True)
    many = "" if beside == k else f", which has {count_words(beside, 'view')} for no more FLOPs"
    return (
        f"An order of the views of {group.curve.subject} learned on one half of the items and scored on the other "
        f"{verb} {points_words(gained)} with {count_words(k, 'view')} against the order collected{many}."
    )


def plan_words(chosen: Plan) -> str:
    """The plan in a sentence."""
    half = chosen.scored_on
    scored = Interval(half.accuracy, half.low, half.high, chosen.confidence, "")
    plainly = f"{chosen.unit} of {chosen.reference_member}"
    known = math.isfinite(chosen.multiplier)
    times = f", {ratio_words(chosen.multiplier)} {plainly}" if chosen.k > 1 and known else ""
    target = chosen.target.get("min_accuracy")
    if target is None:
        goal, met = f"The most accurate plan within {flops_words(chosen.target['max_flops'])} per item", ""
    else:
        goal = f"The cheapest plan for {100 * target:g}% accuracy"
        met = ", so the target may or may not be met"
        if half.lower_bound >= target:
            met = ", so it meets the target"
        elif half.high < target:
            met = ", so it misses the target"
    what = f"{draws_words(chosen.draws, chosen.vote)}{learned_words(chosen.kind, weighted=chosen.weights is not None)}"
    return (
        f"{goal} is {what} at {flops_words(chosen.flops)} per item{times}: on the half of the items that did not "
        f"choose it, it scores {accuracy_words(scored)}{met}."
    )


def _what(records: Records, trade: Tradeoff) -> str:
    sizes, members, views = len(trade.ladder), len(plain_members(records)), len(records.variants)
    made = len(records.members) - members
    beside = f", and {made} made of {'it' if members == 1 else 'them'} without training," if made else ""
    verb, each = ("was", "") if members + made == 1 else ("were", " each")
    name = records.manifest.dataset.get("name") or "the data"
    return (
        f"{count_words(members, 'member')} of {count_words(sizes, 'size')}{beside} {verb} measured with "
        f"{count_words(views, 'view')}{each} on {records.n_items:,} items of {name} ({records.n_classes} classes)."
    )


def ladder_words(trade: Tradeoff) -> str:
    first, last = trade.ladder[0], trade.ladder[-1]
    if len(trade.ladder) == 1:
        cost = flops_words(first.flops)
        one = sentence_start(first.plain.unit)
        return f"{one} of {first.name} scores {accuracy_words(first.accuracy)} at {cost} per item."
    return (
        f"{sentence_start(first.plain.unit)} scores from {accuracy_words(first.accuracy)} with {first.name} at "
        f"{flops_words(first.flops)} per item to {accuracy_words(last.accuracy)} with {last.name} at "
        f"{flops_words(last.flops)}."
    )


def _strongest(curves: Sequence[Curve]) -> Curve | None:
    """The curve of the costliest model: a choice that looks at no label."""
    return max(curves, key=lambda curve: (curve.subject != "all", curve.reference_flops), default=None)


def spending_words(curve: Curve, base: Curve | None = None, *, worth: str = "") -> str:
    """What a curve gains from its first budget (or that of ``base``) to its last, and in other words what that is
    ``worth``."""
    if base is not None:
        return _over_words(curve, base, worth)
    k = int(curve.budgets[-1])
    gained = paired_difference(curve, k, curve, int(curve.budgets[0]))
    name = sentence_start(option_words(curve, k))
    singular = curve.kind == "ensemble" and curve.tokens is None
    known = math.isfinite(float(curve.multiplier[-1]))
    head = f"{name}, at {ratio_words(float(curve.multiplier[-1]))} the compute of {_first(curve)},"
    if not known:
        tokens = math.nan if curve.tokens is None else float(curve.tokens[-1])
        head = f"{name}, generating {tokens:,.0f} tokens," if math.isfinite(tokens) else name
    verb = verb_words(gained, curve, singular=singular)
    if not gained.excludes_zero:
        return f"{head} {verb} {points_words(gained)}{worth}."
    rate = gain_per_flop(curve)[-1]
    each = f", or {rate_words(rate)}" if math.isfinite(rate.value) else ""  # not where the draws cost nothing more
    over = "" if curve.tokens is None else " over one sample"
    return f"{head} {verb} {points_words(gained)}{over}{each}{worth}."


def verb_words(difference: Interval, curve: Curve, *, singular: bool = False) -> str:
    """What may be said of a difference on the items of a curve, up to its points. A few items tell nothing: the least
    p-value of a sign test is 2 / 2ⁿ, and the resamples of so few are too alike."""
    end, n = "s" * singular, curve.resampled.n_units
    if n < _FEW:
        what = count_words(n, "item" if curve.units is None else "cluster")
        return f"make{end} a difference that {what} {'is' if n == 1 else 'are'} too few to tell:"
    return f"change{end} accuracy by" if difference.excludes_zero else f"make{end} no clear difference:"


def _over_words(curve: Curve, base: Curve, worth: str) -> str:
    """Of members of several sizes, over one view of another size: more than compute lies between the cheapest and all
    of them."""
    k, first = int(curve.budgets[-1]), int(base.budgets[0])
    gained = paired_difference(curve, k, base, first)
    ratio = ratio_words(float(curve.flops[-1] / base.flops[0]))
    verb = verb_words(gained, curve, singular=curve.kind == "ensemble")
    return (
        f"{sentence_start(option_words(curve, k))}, at {ratio} the compute of {option_words(base, first)}, {verb} "
        f"{points_words(gained)} over it{worth}."
    )


def _first(curve: Curve) -> str:
    return "the first draw" if curve.tokens is None else f"{curve.unit} of {curve.reference_member}"


def tally_words(trade: Tradeoff) -> list[str]:
    """How the verdicts came out, and the one at the largest size."""
    if not trade.verdicts:
        return []
    won = {winner: sum(v.winner == winner for v in trade.verdicts) for winner in ("small", "big", "too close to call")}
    last = trade.verdicts[-1].text
    if len(trade.verdicts) == 1:
        return [last]
    return [
        f"At the cost of {trade.ladder[0].plain.unit} of each of the {len(trade.verdicts)} bigger sizes, a smaller "
        f"size with test-time compute wins {count_words(won['small'], 'time')}, loses "
        f"{count_words(won['big'], 'time')}, and is too close to call {count_words(won['too close to call'], 'time')}.",
        last,
    ]


def _most_telling(trade: Tradeoff) -> list[str]:
    """One exchange: the clearest crossing with the largest difference in training, or else the smallest gap."""
    known = [e for e in trade.exchange if not math.isnan(e.gap.value)]
    crossing = [e for e in known if e.crosses and not math.isnan(e.rate.value)]
    if not known:
        return []
    if crossing:
        best = max(crossing, key=lambda e: (e.gap.low > 0, e.share_crossing > 0.5, e.train_ratio))
    else:
        best = max(known, key=lambda e: e.gap.value)
    if len(known) == 1:
        return [best.text]
    return [f"The most telling of {len(known)} comparisons looked at (not adjusted for that choice): {best.text}"]


def most_told(fits: Sequence[Fit]) -> list[Fit]:
    """The fit with most budgets, of draws of equal cost and with known parameters if there is one; none of few
    items."""
    fits = [fit for fit in fits if fit.curve.resampled.n_units >= _FEW]

    def rank(fit: Fit) -> tuple[bool, bool, int, float]:
        unclear = fit.status not in ("converged", "falls")
        return fit.unit != "draws", unclear, -len(fit.curve.budgets), -fit.curve.reference_flops

    return sorted(fits, key=rank)[:1]


def law_words(fit: Fit) -> str:
    label = kind_words(fit.curve)
    label = sentence_start(label if fit.curve.tokens is None else f"the accuracy of {label}")
    error = f"{100 * fit.backtest_rmse:.2f} percentage points at budgets and items not seen"
    if fit.choice is not None and len(fit.candidates) > 1 and math.isfinite(fit.choice.rmse):
        others = f"{100 * fit.choice.rmse:.2f}"
        error += "" if error.startswith(f"{others} ") else f" ({others} where other splits choose the law)"
    if fit.law == "constant":
        missed = "; yet it misses the points: no law with a trend could be tested, or none did better"
        yet = missed if fit.status == "off_the_data" else ""
        return f"{label} is predicted best by a constant, with a back-test error of {error}{yet}."
    if fit.law == STACKED:
        several = count_words(len(fit.weights), "law")
        return f"{label} is predicted by an average of {several}, weighted by back-test, with an error of {error}."
    if not _predicts(fit):
        gain = 100 * float(fit.curve.accuracy[-1] - fit.curve.accuracy[0])
        return (
            f"{label} is predicted by no law: the back-test of {fit.formula} errs by "
            f"{100 * fit.backtest_gain_rmse:.2f} points on a gain of {gain:.2f}."
        )
    more = ""
    if fit.status == "not_identified":
        more = "; its parameters are not identified by these data"
    elif fit.status == "off_the_data":
        more = "; yet it describes the points worse than their mean does"
    elif fit.status == "falls":
        more = "; it falls with more compute, and so has no ceiling"
    elif fit.status == "not_converged":
        more = "; yet its fit did not converge"
    elif fit.status == "at_bound":
        more = "; one of its parameters is at its bound, which the data do not limit"
    elif fit.status == "converged" and fit.asymptote is not None:
        more = f" and a ceiling of {accuracy_words(fit.asymptote)}"
    best = f" best of {len(fit.candidates)} laws" if fit.candidates else ""
    return f"{label} follows {fit.formula}{best}, with a back-test error of {error}{more}."


def _predicts(fit: Fit) -> bool:
    """Whether a law's back-test errs by less than the whole gain, and by less than that of the constant."""
    rivals = [one.backtest_gain_rmse for one in fit.candidates if one.law == "constant"]
    gain = abs(float(fit.curve.accuracy[-1] - fit.curve.accuracy[0]))
    return not fit.backtest_gain_rmse >= min([gain, *rivals])
