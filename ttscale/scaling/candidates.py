"""The strategies that a plan chooses among, and the votes it considers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.strategy import Strategy, by_size, ensemble, product, tta
from ttscale.voting.votes import AUTO, OWN_SCORES, resolve

PLAN_VOTES = ("mean", "log_mean")  # of images, unless the user names others


def candidates(records: Records, *, votes: Sequence[str] | str = AUTO) -> tuple[Strategy, ...]:
    """The strategies that ``plan`` considers, under each vote.

    Of images: per member its views; per size (``card["size"]``) with several members their ensemble and its product
    with the views; the ensemble and product of all members, cheapest first, where there are several sizes.

    Of text: per member one greedy answer, the samples of each decoding, and where there are prompt variants one sample
    of each and their mixture; the ensemble of all members where there are several. Votes other than the first are
    considered for the samples of the main decoding and for the ensemble.

    Args:
        votes: ``"auto"`` is the outcome's default vote alone.
    """
    given = (votes,) if votes == AUTO else votes
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise TtscaleError("votes", expected="a list of votes", got=repr(votes), fix='Give for example ("mean",).')
    names = [resolve(vote, records.outcome) for vote in given]
    return _of_text(records, names) if records.outcome == "text" else _of_images(records, names)


def plan_votes(records: Records) -> tuple[str, ...]:
    """The votes that a plan considers by itself: of text, the plurality and every score as a weight, where each draw
    that answers has it and none is negative (the probability of the whole text, which favours short ones, aside)."""
    if records.outcome != "text":
        return PLAN_VOTES
    graded = records.graded()
    answered = graded.answers >= 0
    positive = [
        name for name in known_scores(records) if name in OWN_SCORES or graded.scores[name][answered].min() >= 0
    ]
    return ("plurality", *(f"weighted:{name}" for name in positive if name != "sum_logprob"))


def best_of_n(records: Records) -> tuple[str, ...]:
    """Best-of-n by every score that each answering draw has."""
    return tuple(f"best:{name}" for name in known_scores(records) if name != "sum_logprob")


def known_scores(records: Records) -> list[str]:
    """The scores of text that every draw with an answer has."""
    graded = records.graded()
    answered = graded.answers >= 0
    return [name for name, values in graded.scores.items() if answered.any() and np.isfinite(values[answered]).all()]


def _of_images(records: Records, votes: Sequence[str]) -> tuple[Strategy, ...]:
    groups = {size: tuple(m.name for m in members) for size, members in by_size(records.members).items()}
    everyone = tuple(m.name for m in sorted(records.members, key=lambda m: m.flops))
    teams = [(size, names) for size, names in groups.items() if len(names) > 1]
    if len(groups) > 1:
        teams.append(("all", everyone))
    out: list[Strategy] = []
    for vote in votes:
        out += [tta(records, member.name, vote=vote) for member in records.members]
        for subject, names in teams:
            out.append(ensemble(records, names, vote=vote, subject=subject))
            if len(records.variants) > 1:
                out.append(product(records, names, vote=vote, subject=subject))
    return tuple(out)


def _of_text(records: Records, votes: Sequence[str]) -> tuple[Strategy, ...]:
    names = [member.name for member in records.members]
    decodings, main = sampled.sampled_decodings(records), sampled.main_decoding(records)
    out: list[Strategy] = []
    for name in names:
        if sampled.has_greedy(records, name):
            out.append(sampled.greedy(records, name))
        for decoding in decodings:
            out += [
                sampled.samples(records, name, decoding=decoding, vote=vote)
                for vote in (votes if decoding == main else votes[:1])
            ]
        if len(records.variants) > 1:
            out.append(sampled.variants(records, name, vote=votes[0]))
            if decodings.get(main, 1) > 1:
                out.append(sampled.mixture(records, name, vote=votes[0]))
    if len(names) > 1:
        out += [sampled.ensemble(records, names, vote=vote, subject="all") for vote in votes]
    return tuple(dict.fromkeys(out))
