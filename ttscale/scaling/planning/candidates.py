"""The strategies that a plan chooses among, and the votes it considers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.sampled_credits import vote_possible, weightless
from ttscale.scaling.learning.learned import can_share, equal_compute, team, team_pools
from ttscale.scaling.strategy import Strategy, by_rung, ensemble, product, rivals, spread, tta
from ttscale.voting.votes import AUTO, DEFAULT, AnswerVote, resolve

MOST_IN_SUBSETS = 4  # members; the subsets of more are too many
PLAN_VOTES = ("mean", "log_mean")  # of images, unless the user names others


def candidates(records: Records, *, votes: Sequence[str] | str = AUTO) -> tuple[Strategy, ...]:
    """The strategies that ``plan`` considers, under each vote.

    Of images: per member its views; per rung (size and training budget) with several members their ensemble,
    its product with the views, and one view per member; the same of all members, cheapest first, where there are
    several rungs (those made of another at hand, such as its weights in fewer bits, are not among all members); and of
    at most 4 such members every subset of two or more, as an ensemble and as its product with the views.

    Of text: per member one greedy answer, the samples of each decoding, and where there are prompt variants one sample
    of each and their mixture; where there are several members their ensemble, and the one whose quotas spend as many
    FLOPs on each (that of learned shares depends on which items may be learned from: see
    :mod:`ttscale.scaling.learning.learned`). Votes other than the first are considered for the samples of the main
    decoding and for the ensemble. A vote by a score is considered where every draw that answers has the score, so that
    a member without log-probabilities takes it from no other.

    Args:
        votes: ``"auto"`` is the outcome's default vote alone.
    """
    given = (votes,) if votes == AUTO else votes
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        example = [votes if isinstance(votes, str) and votes else DEFAULT[records.vote_kind]]
        raise TtscaleError("votes", expected="a list of votes", got=repr(votes), fix=f"Give for example {example}.")
    names = [resolve(vote, records.vote_kind) for vote in given]
    return _possible(records, _of_text(records, names)) if records.outcome == "text" else _of_images(records, names)


def plan_votes(records: Records) -> tuple[str, ...]:
    """The votes that a plan considers by itself: of text, the plurality and every score as a weight, where some
    member's samples have it (the probability of the whole text, which favours short ones, aside).
    Where only right and wrong are known, a perfect checker."""
    if records.outcome != "text":
        return PLAN_VOTES
    if records.vote_kind == "verdicts":
        return (DEFAULT["verdicts"],)
    return ("plurality", *(vote for vote in _scored_votes(records, "weighted") if vote != "weighted:sum_logprob"))


def compared_votes(records: Records) -> tuple[str, ...]:
    """The votes over answers to compare: the plurality, and every score that some member's samples have, as a weight
    and for best-of-n; where only right and wrong are known, best-of-n alone, by a perfect checker first."""
    if records.vote_kind == "verdicts":
        return tuple(dict.fromkeys((DEFAULT["verdicts"], *_scored_votes(records, "best"))))
    return ("plurality", *_scored_votes(records, "weighted"), *_scored_votes(records, "best"))


def _scored_votes(records: Records, rule: str) -> list[str]:
    """The votes of this rule that the samples of at least one member can be merged by."""
    graded = records.graded()
    held = graded.pools
    main = [held[pool] for pool in team_pools(records) if pool in held]
    answering = [columns for columns in main if (graded.answers[:, columns] >= 0).any()]
    out = []
    for name, values in graded.scores.items():
        vote = AnswerVote(f"{rule}:{name}", name, rule == "best")
        if any(_possible_with(vote, graded.answers[:, columns], values[:, columns]) for columns in answering):
            out.append(vote.name)
    return out


def _possible_with(vote: AnswerVote, answers: np.ndarray, score: np.ndarray) -> bool:
    """Whether a vote by a score is: it is known of every answer, and as a weight is not 0 throughout."""
    scores = {str(vote.score): score}
    return vote.possible(answers, scores) and not weightless(vote.log_weights(answers, scores), answers)


def _possible(records: Records, strategies: Sequence[Strategy]) -> tuple[Strategy, ...]:
    """Those whose draws have the score of their vote; a vote that none can take stays, to be refused by name."""
    check = {strategy: _has_score(records, strategy) for strategy in strategies}
    possible = {strategy.vote for strategy, good in check.items() if good}
    return tuple(strategy for strategy, good in check.items() if good or strategy.vote not in possible)


def _has_score(records: Records, strategy: Strategy) -> bool:
    return strategy.vote == DEFAULT[records.vote_kind] or vote_possible(records, strategy)


def plain_members(records: Records) -> list[str]:
    """The members that were not made of another size at hand, cheapest first."""
    made = rivals(records.members)
    plain = [member for rung, some in by_rung(records.members).items() if rung not in made for member in some]
    return [member.name for member in sorted(plain, key=lambda member: member.flops)]


def mixed_subsets(records: Records) -> list[tuple[str, ...]]:
    """Every subset of two or more of the plain members, but for all of them and all of a size: where these are of
    several sizes and few enough; the members of each cheapest first."""
    names = plain_members(records)
    if len(names) > MOST_IN_SUBSETS or not several_rungs(records):
        return []
    sizes = [{member.name for member in members} for members in by_rung(records.members).values()]
    several = (one for n in range(2, len(names)) for one in combinations(names, n))
    return [one for one in several if set(one) not in sizes]


def several_rungs(records: Records) -> bool:
    """Whether the plain members are of more than one rung: sizes, or training budgets."""
    return len(by_rung(records.members)) - len(rivals(records.members)) > 1


def _of_images(records: Records, votes: Sequence[str]) -> tuple[Strategy, ...]:
    groups = by_rung(records.members)
    teams = [(rung, [one.name for one in members]) for rung, members in groups.items() if len(members) > 1]
    if several_rungs(records):
        teams.append(("all", plain_members(records)))
    viewed = len(records.variants) > 1
    makers = (ensemble, product, spread) if viewed else (ensemble,)
    out: list[Strategy] = []
    for vote in votes:
        out += [tta(records, member.name, vote=vote) for member in records.members]
        out += [make(records, names, vote=vote, subject=subject) for subject, names in teams for make in makers]
        out += [
            make(records, names, vote=vote) for names in mixed_subsets(records)
            for make in ((ensemble, product) if viewed else (ensemble,))
        ]  # fmt: skip
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
        quotas = equal_compute(records) if can_share(records) else None
        if quotas is not None:
            out.append(team(records, quotas, kind="quotas", vote=votes[0]))
    return tuple(dict.fromkeys(out))
