"""At most ten plain sentences that say what a run of language models found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.records.records import Records
from ttscale.scaling.curves import Curve, paired_difference
from ttscale.scaling.fit import Fit
from ttscale.scaling.headline import (
    ladder_words,
    law_words,
    most_told,
    plan_words,
    spending_words,
    tally_words,
)
from ttscale.scaling.interval import Interval
from ttscale.scaling.planned import Plan
from ttscale.scaling.sampled import GREEDY, KINDS
from ttscale.scaling.text_tables import main_samples
from ttscale.scaling.tradeoff import Tradeoff
from ttscale.scaling.words import accuracy_words, count_words, points_words, sentence_start
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
        spending_words(max((c for c in usual if c.kind == kind), key=lambda c: (len(c.budgets), c.subject)))
        for kind in _TOLD
        if any(c.kind == kind and len(c.budgets) > 1 for c in usual)
    ]
    out += _against_greedy(curves, main_samples(usual)[:2])
    out += [_limit(curve, coverage[curve.name], ceiling[curve.name]) for curve in main_samples(usual)[:2]]
    out += _worth(language["variant_worth"])
    out += [law_words(fit) for fit in most_told(fits)]
    out += tally_words(trade)[:1] if trade is not None else []
    last = [] if chosen is None else [plan_words(chosen)]
    return [*out[: 10 - len(last)], *last]


def _what(records: Records) -> str:
    graded, name = records.graded(), records.manifest.dataset.get("name") or "the data"
    one = len(records.members) == 1
    share = graded.abstained / graded.answers.size
    return (
        f"{count_words(len(records.members), 'language model')} answered {records.n_items:,} problems of {name}, "
        f"{count_words(len(graded.draws), 'draw')} a problem{'' if one else ' in all'}; {100 * share:.1f}% of the "
        "draws have no answer that could be extracted."
    )


def _against_greedy(curves: Sequence[Curve], samples: Sequence[Curve]) -> list[str]:
    """What the vote of all samples is worth beside the answer that needs no sampling."""
    greedy = {curve.members[0]: curve for curve in curves if curve.kind == GREEDY}
    out = []
    for curve in samples:
        if curve.members[0] in greedy:
            k = int(curve.budgets[-1])
            difference = paired_difference(curve, k, greedy[curve.members[0]], 1)
            verb = "change accuracy by" if difference.excludes_zero else "make no clear difference:"
            out.append(
                f"Against one greedy answer of {curve.subject}, its {k} samples {verb} {points_words(difference)}."
            )
    return out


def _limit(curve: Curve, covered: Curve, ceiling: Interval) -> str:
    k = int(curve.budgets[-1])
    head = f"Of {curve.subject}'s problems, {accuracy_words(covered.at(k))} have a right answer among {k} samples"
    if math.isnan(ceiling.value):
        return f"{head}; best-of-n picks it for {accuracy_words(curve.at(k))}."
    leads = "it is the most frequent one" if curve.vote == DEFAULT["text"] else f"it leads the {curve.vote} vote"
    return f"{head}, and for {accuracy_words(ceiling)} {leads}, where the vote's accuracy ends."


def _worth(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    last = rows[-1]
    head = f"{last['k']} draws of {last['member']} spread over its prompt variants instead of the plain prompt"
    if not last["difference"].excludes_zero:
        return [sentence_start(f"{head} make no clear difference: {points_words(last['difference'])}.")]
    return [sentence_start(f"{head} change accuracy by {points_words(last['difference'])}.")]
