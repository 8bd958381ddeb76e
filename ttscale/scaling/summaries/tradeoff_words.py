"""The answer of a tradeoff in a few sentences: train or buy a bigger model, or spend more at test time?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ttscale.scaling.summaries.words import count_words, flops_words
from ttscale.scaling.tradeoff.answers import Answers
from ttscale.scaling.tradeoff.lifetime import Lifetime
from ttscale.scaling.tradeoff.matched import Matched
from ttscale.scaling.tradeoff.tradeoff import Tradeoff

_DRAWS = {"tta": "views", "ensemble": "members", "product": "members × views", "samples": "samples"}


def headline(found: Tradeoff) -> tuple[str, ...]:
    """What a reader should know first: the answer, matched budgets, exchange rates, lifetimes, where draws stop
    paying."""
    laws = [one for one in found.laws if one.joint.kind != "coverage"]
    sentences = [
        _answer(found),
        _matched([one for one in found.matched if math.isinf(one.at_training)]),
        *_exchange(found, laws), *_lifetimes(laws), *(_ceiling(one) for one in _of_kinds(laws)),
    ]  # fmt: skip
    return tuple(sentence for sentence in sentences if sentence) or found.notes


def together(told: Iterable[tuple[str, str]]) -> list[str]:
    """Sentences ``(of what, sentence)``, each once: ``TTA along epochs; Ensembles along epochs: sentence``."""
    names: dict[str, list[str]] = {}
    for name, sentence in told:
        names.setdefault(sentence, []).append(name)
    return [f"{'; '.join(dict.fromkeys(of))}: {sentence}" for sentence, of in names.items()]


def _answer(found: Tradeoff) -> str:
    """Whether one decision of a bigger model or test-time compute on smaller ones is the better use of test FLOPs."""
    won, n = Counter(one.winner for one in found.verdicts), len(found.verdicts)
    if not n:
        return ""
    big, small = won["big"], won["small"]
    lead = (
        "Too close to call" if not big + small
        else "Mostly too close to call, and where not, train bigger" if not small and 2 * big < n
        else "Mostly too close to call, and where not, spend more at test time" if not big and 2 * small < n
        else "Train bigger, rather than spend more at test time" if not small
        else "Spend more at test time, rather than train bigger" if not big
        else "It depends: mostly train bigger" if big > small
        else "It depends: mostly spend more at test time" if small > big
        else "It depends"
    )  # fmt: skip
    budgets = {rung.budget for rung in found.ladder}
    alike = " trained under the same budget" if 1 < len(budgets) < len(found.ladder) else ""
    counts = [(big, "the bigger is better in"), (small, "a smaller one is better in")]
    told = ", ".join(f"{words} {count}" for count, words in counts if count)
    close = n - big - small
    if close:
        told += f"{', ' if told else ''}{close} {'is' if close == 1 else 'are'} too close to call"
    return (
        f"{lead}: one decision of a bigger model against the best that smaller ones{alike} do with the same test "
        f"FLOPs, in {count_words(n, 'comparison')}: {told}."
    )


def _matched(rows: Sequence[Matched]) -> str:
    """How often the best at a test budget is a plain decision, and how often several draws."""
    rows = [row for row in rows if row.best is not None and row.runner_up is not None]
    if not rows:
        return ""
    drawn = [row for row in rows if row.best is not None and row.best.k > 1]
    plain = [row for row in rows if row.best is not None and row.best.k == 1]
    between = f"from {flops_words(rows[0].at_flops)} to {flops_words(rows[-1].up_to)} per item"
    head = f"Of all models trained, whatever their training cost, at {count_words(len(rows), 'test budget')} {between}"
    if not drawn:
        return f"{head}: one decision is best at each, {_clear(rows)}."
    if not plain:
        return f"{head}: several draws are best at each, {_clear(rows)}."
    return (
        f"{head}: one decision is best at {len(plain)} ({_clear(plain)}), several draws at {len(drawn)} "
        f"({_clear(drawn)})."
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
    unfit = together((one.joint.names, one.joint.cannot[0]) for one in laws if not one.joint.describes)
    crossing = [one for one in found.exchange if one.crosses]
    rated = [one.text for one in crossing if math.isfinite(one.rate.value)]
    return [
        *unfit,
        *_measured(len(crossing), len(found.exchange)),
        *(rated or [one.text for one in found.exchange])[:1],
    ]


def _measured(crossing: int, n: int) -> list[str]:
    if n < 2:
        return []
    reach = "reaches" if crossing == 1 else "reach"
    return [
        f"Of {n} curves of a smaller or less trained model, {crossing} {reach} one decision of another with more "
        "training, whatever they spend at test time."
    ]


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
    still = f"; on the other {paying if paying > 1 else 'one'} the last doubling measured still pays" if paying else ""
    return (
        f"On {len(stops)} of {count_words(len(ceilings), 'rung')}, doubling the {kind} is not surely better from "
        f"{first} on{still}."
    )
