"""The answer of a tradeoff in a few sentences: train or buy a bigger model, or spend more at test time?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale.scaling.summaries.words import count_words, flops_words
from ttscale.scaling.tradeoff.answers import Answers
from ttscale.scaling.tradeoff.lifetime import Lifetime
from ttscale.scaling.tradeoff.matched import Matched
from ttscale.scaling.tradeoff.tradeoff import Tradeoff

_DRAWS = {"tta": "views", "ensemble": "members", "product": "members × views", "samples": "samples"}


def headline(found: Tradeoff) -> tuple[str, ...]:
    """What a reader should know first: matched budgets, exchange rates, lifetimes, where draws stop paying."""
    laws = [one for one in found.laws if one.joint.kind != "coverage"]
    sentences = [
        _matched([one for one in found.matched if math.isinf(one.at_training)]),
        *_exchange(found, laws), *_lifetimes(laws), *(_ceiling(one) for one in _of_kinds(laws)),
    ]  # fmt: skip
    return tuple(sentence for sentence in sentences if sentence) or found.notes


def _matched(rows: Sequence[Matched]) -> str:
    """How often the best at a test budget is a plain decision, and how often several draws."""
    rows = [row for row in rows if row.best is not None and row.runner_up is not None]
    if not rows:
        return ""
    drawn = [row for row in rows if row.best is not None and row.best.k > 1]
    plain = [row for row in rows if row.best is not None and row.best.k == 1]
    between = f"from {flops_words(rows[0].at_flops)} to {flops_words(rows[-1].up_to)} per item"
    head = f"Of {count_words(len(rows), 'step')} of the test budget {between}"
    if not drawn:
        return f"{head}, none is best spent on several draws; one decision of what it pays for is {_clear(rows)}."
    if not plain:
        return f"{head}, all are best spent on several draws, {_clear(rows)}."
    return (
        f"{head}, {len(plain)} {'is' if len(plain) == 1 else 'are'} best spent on one decision of the model that they "
        f"pay for ({_clear(plain)}) and {len(drawn)} on several draws ({_clear(drawn)})."
    )


def _clear(rows: Sequence[Matched]) -> str:
    clear = sum(row.winner == "best" for row in rows)
    if clear == len(rows):
        return "clearly ahead of the runner-up"
    if not clear:
        return "too close to call against the runner-up"
    return f"clearly ahead of the runner-up at {clear}, too close to call at {len(rows) - clear}"


def _exchange(found: Tradeoff, laws: Sequence[Answers]) -> list[str]:
    """Of the first kind of strategy, one rate along each axis of training; by measured rungs where no law has any."""
    told: dict[str, str] = {}
    for answers in laws:
        for one in answers.joint.exchange:
            what = answers.joint.axis if one.along == "d" else "size"
            if answers.joint.kind == laws[0].joint.kind:
                told.setdefault(what, one.text)
    if told:
        return list(told.values())
    crossing = [one for one in found.exchange if one.crosses]
    return [one.text for one in (crossing or list(found.exchange))[:1]] + [one.text for one in found.verdicts[-1:]]


def _lifetimes(laws: Sequence[Answers]) -> list[str]:
    """The first and the last number of queries of the first law that has any within reach."""
    for answers in laws:
        reached = [one for one in answers.lifetimes if one.reached and math.isfinite(one.wanted)]
        if reached:
            return [_whole(one).text for one in (reached[0], *reached[1:][-1:])]
    return []


def _whole(one: Lifetime) -> Lifetime:
    return one.whole if one.whole is not None else one


def _of_kinds(laws: Sequence[Answers]) -> list[Answers]:
    """The first law of each kind."""
    return list({one.joint.kind: one for one in reversed(laws)}.values())[::-1]


def _ceiling(answers: Answers) -> str:
    ceilings, kind = answers.joint.ceilings, _DRAWS.get(answers.joint.kind)
    stops = [one.stops for one in ceilings if one.stops is not None]
    if not stops or kind is None:
        return ""
    paying = len(ceilings) - len(stops)
    first = f"{min(stops)}" if min(stops) == max(stops) else f"{min(stops)} to {max(stops)}"
    still = f"; on {paying} the last doubling measured still pays" if paying else ""
    return (
        f"From {first} {kind} on, depending on the rung, twice as many are not surely better on {len(stops)} of "
        f"{count_words(len(ceilings), 'rung')}{still}."
    )
