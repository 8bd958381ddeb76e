"""At most ten plain sentences that say what a run of language models found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.records.records import Records
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.fits.fit_law import Fit
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.planning.planned import Plan
from ttscale.scaling.sampled import GREEDY, KINDS
from ttscale.scaling.summaries.headline import (
    ladder_words,
    law_words,
    most_told,
    plan_words,
    spending_words,
    tally_words,
    verb_words,
)
from ttscale.scaling.summaries.text_tables import main_samples
from ttscale.scaling.summaries.words import (
    accuracy_words,
    count_words,
    option_words,
    points_words,
    ratio_words,
    sentence_start,
)
from ttscale.scaling.tradeoff.tradeoff import Tradeoff
from ttscale.voting.votes import DEFAULT

_TOLD = tuple(kind for kind in KINDS if kind not in (GREEDY, "quotas", "learned"))  # the last two have a table


def text_headline(
    records: Records, trade: Tradeoff | None, curves: Sequence[Curve], coverage: Mapping[str, Curve],
    ceiling: Mapping[str, Interval], fits: Sequence[Fit], language: Mapping[str, Any], chosen: Plan | None, *,
    vote: str,
) -> list[str]:  # fmt: skip
    """Sentences for the terminal and the top of the page, most general first.

    Args:
        trade: None where costs are not known. curves: all of the summary. coverage, ceiling: per curve's name.
        fits: the chosen fit of each curve that has one. language: the summary's section of that name. vote: the one
            that the summary is about.
    """
    usual = [curve for curve in curves if curve.vote == vote]
    out = [_what(records), *([ladder_words(trade)] if trade is not None else [])]
    out += [
        _spent(max((c for c in usual if c.kind == kind), key=lambda c: (len(c.budgets), c.subject)), usual)
        for kind in _TOLD
        if any(c.kind == kind and len(c.budgets) > 1 for c in usual)
    ]
    out += _against_greedy(curves, main_samples(usual)[:2])
    out += [_limit(curve, coverage[curve.name], ceiling[curve.name]) for curve in main_samples(usual)[:2]]
    out += _worth(language["variant_worth"], curves)
    out += [law_words(fit) for fit in most_told(fits)]
    out += tally_words(trade)[:1] if trade is not None else []
    last = [] if chosen is None else [plan_words(chosen)]
    return [*out[: 10 - len(last)], *last]


def _what(records: Records) -> str:
    graded, name = records.graded(), records.manifest.dataset.get("name") or "the data"
    one = len(records.members) == 1
    share = graded.abstained / graded.n_draws
    counts = graded.exists.sum(axis=1)
    few, many = int(counts.min()), int(counts.max())
    draws = count_words(many, "draw") if few == many else f"{few} to {many} draws"
    said = f"{100 * share:.1f}% of the draws have no answer that could be extracted"
    return (
        f"{count_words(len(records.members), 'language model')} answered {records.n_items:,} problems of {name}, "
        f"{draws} a problem{'' if one else ' in all'}; "
        f"{said if graded.answers_known else 'only right and wrong are known of the draws'}."
    )


def _against_greedy(curves: Sequence[Curve], samples: Sequence[Curve]) -> list[str]:
    """What the vote of all samples is worth beside the answer that needs no sampling."""
    greedy = {curve.members[0]: curve for curve in curves if curve.kind == GREEDY}
    out = []
    for curve in samples:
        if curve.members[0] in greedy:
            k = int(curve.budgets[-1])
            difference = paired_difference(curve, k, greedy[curve.members[0]], 1)
            its = f"its {count_words(k, 'sample')} {verb_words(difference, curve, singular=k == 1)}"
            out.append(f"Against one greedy answer of {curve.subject}, {its} {points_words(difference)}.")
    return out


def _spent(curve: Curve, usual: Sequence[Curve]) -> str:
    """What a curve gains over one sample; of several models over the samples of the best single one, which the same
    items chose."""
    alone = [one for one in main_samples(usual) if one.subject in curve.members]
    if len(curve.members) < 2 or not alone:
        return spending_words(curve)
    best = max(alone, key=lambda one: float(one.accuracy[-1]))
    k, own = int(curve.budgets[-1]), int(best.budgets[-1])
    difference = paired_difference(curve, k, best, own)
    ratio = float(curve.flops[-1] / best.flops[-1])
    cost = f", at {ratio_words(ratio)} the compute," if math.isfinite(ratio) else ""
    return (
        f"{sentence_start(option_words(curve, k))}{cost} {verb_words(difference, curve, singular=k == 1)} "
        f"{points_words(difference)} over {option_words(best, own)}, the best single model on these items."
    )


def _limit(curve: Curve, covered: Curve, ceiling: Interval) -> str:
    k = int(curve.budgets[-1])
    among = f"among {k} samples" if k > 1 else "in one sample"
    head = f"Of the problems of {curve.subject}, {accuracy_words(covered.at(k))} have a right answer {among}"
    if curve.vote == DEFAULT["verdicts"]:
        return f"{head}."
    if math.isnan(ceiling.value):
        return f"{head}; best-of-n picks it for {accuracy_words(curve.at(k))}."
    votes = "the vote" if curve.vote == DEFAULT["text"] else f"the {curve.vote} vote"
    return f"{head}; with ever more samples {votes} would be right on {accuracy_words(ceiling)}."


def _worth(rows: Sequence[Mapping[str, Any]], curves: Sequence[Curve]) -> list[str]:
    if not rows:
        return []
    last = rows[-1]
    head = f"{last['k']} draws of {last['member']} spread over its prompt variants instead of the plain prompt"
    verb = verb_words(last["difference"], curves[0])
    return [sentence_start(f"{head} {verb} {points_words(last['difference'])}.")]
