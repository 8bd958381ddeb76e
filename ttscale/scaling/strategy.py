"""Strategies: which draws, in which order, under which vote. A budget of k uses the first k draws.

Those of images are made here, those of language models in :mod:`ttscale.scaling.sampled`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.voting.votes import DEFAULT, MORE_SCORES, AnswerVote, get_vote, resolve
from ttscale.voting.weighting import Weighting, check_weighting

Draw = tuple[str, str] | TextDraw


@dataclass(frozen=True)
class Strategy:
    """An ordered list of draws and the vote that merges them.

    Attributes:
        name: ``kind/subject`` (and ``/vote`` when that is not the outcome's default), unique among the candidates of a
            run.
        kind: of images ``single``, ``tta`` (one member, many views), ``ensemble`` (many members, one view),
            ``product`` or ``spread`` (every member another view), or what was learned about one of these (see
            :mod:`ttscale.scaling.learning.learners`); of text see :mod:`ttscale.scaling.sampled`.
        draws: (member, variant) of images, or :class:`TextDraw`, in the order in which a growing budget takes them.
        vote: a name that :func:`ttscale.voting.votes.get_vote` knows.
        subject: what it is made of, in words for people: a member, a size, or ``all``.
        weightings: of images, per budget k the weights and temperatures of its k draws; a budget without one counts all
            draws alike. They are not part of what makes two strategies equal: the name is.
    """

    name: str
    kind: str
    draws: tuple[Draw, ...]
    vote: str
    subject: str = ""
    weightings: Mapping[int, Weighting] = field(default_factory=dict, compare=False, repr=False)

    @property
    def members(self) -> tuple[str, ...]:
        """The members that it uses, in order of first use."""
        return tuple(dict.fromkeys(draw[0] for draw in self.draws))


class Subject(Protocol):
    """A strategy or a curve: what it is made of."""

    @property
    def members(self) -> tuple[str, ...]: ...

    @property
    def subject(self) -> str: ...


def tta(records: Records, member: str, *, vote: str = "mean") -> Strategy:
    """Test-time augmentation: every view of one member, in the order collected."""
    name = records.member(member).name
    kind = "tta" if len(records.variants) > 1 else "single"
    return _strategy(kind, name, [(name, variant) for variant in records.variants], vote)


def ensemble(records: Records, members: Sequence[str], *, vote: str = "mean", subject: str | None = None) -> Strategy:
    """The plain view of each member, in the order given. ``subject`` names the group in the strategy's name."""
    names = check_members(records, members)
    kind = "ensemble" if len(names) > 1 else "single"
    return _strategy(kind, subject or together(names), [(name, records.variants[0]) for name in names], vote)


def product(records: Records, members: Sequence[str], *, vote: str = "mean", subject: str | None = None) -> Strategy:
    """Every member × every view, view by view: all members see the first view, then all see the second, and so on."""
    names = check_members(records, members)
    draws = [(name, variant) for variant in records.variants for name in names]
    if len(names) == 1:
        kind = "tta" if len(draws) > 1 else "single"
    else:
        kind = "product" if len(records.variants) > 1 else "ensemble"
    return _strategy(kind, subject or together(names), draws, vote)


def spread(records: Records, members: Sequence[str], *, vote: str = "mean", subject: str | None = None) -> Strategy:
    """One view per member: the first member sees the first view, the second the second, and so on around the views."""
    names = check_members(records, members)
    views = len(records.variants)
    draws = [(name, records.variants[number % views]) for number, name in enumerate(names)]
    kind = "spread" if min(len(names), views) > 1 else "ensemble" if len(names) > 1 else "single"
    return _strategy(kind, subject or together(names), draws, vote)


def without_vote(strategy: Strategy) -> Strategy:
    """The same draws of text under the default vote, which a strategy's name does not say."""
    name = strategy.name.removesuffix(f"/{strategy.vote}")
    return strategy if name == strategy.name else replace(strategy, name=name, vote=DEFAULT["text"])


def by_rung(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Members grouped by rung (see :func:`rung_of`), those of the cheapest plain decision first, and of equal ones
    those that cost less to train."""

    def cost(group: tuple[str, list[Member]]) -> tuple[float, float]:
        trained = [card_number(member, "train_flops") for member in group[1]]
        training = math.fsum(trained) / len(trained)
        return sum(m.flops for m in group[1]) / len(group[1]), 0.0 if math.isnan(training) else training

    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(rung_of(member), []).append(member)
    return dict(sorted(groups.items(), key=cost))


def rung_of(member: Member) -> str:
    """What exchangeable members share, the seeds of one training: ``card["size"]`` (a member without one is its own
    size) and, where the card names one, ``card["budget"]`` of training: ``resnet8-w4-e16``."""
    size, budget = str(member.card.get("size") or member.name), str(member.card.get("budget") or "")
    return f"{size}-{budget}" if budget else size


def rivals(members: Sequence[Member]) -> dict[str, str]:
    """Rungs that were made of another rung at hand (numeric formats, pruning, weight soups, students of ensembles),
    each with that rung: no rungs of the training ladder, but what is to be had beside them at a single draw.

    ``card["of"]`` names a rung, or a size, which is the rung of that size under the member's own budget."""
    made_of = _made_of(by_rung(members))
    return {rung: of for rung, of in made_of.items() if of in set(made_of) - {rung}}


def _made_of(groups: Mapping[str, Sequence[Member]]) -> dict[str, str]:
    """Of each rung what its first member was made of, as its card says; empty where it says nothing."""
    out = {}
    for rung, some in groups.items():
        of, budget = (str(some[0].card.get(key) or "") for key in ("of", "budget"))
        out[rung] = f"{of}-{budget}" if of not in groups and f"{of}-{budget}" in groups else of
    return out


def kin(members: Sequence[Member], names: Sequence[str]) -> set[str]:
    """Those named, and every member that shares weights with one of them: its copies in other numeric formats, the
    soups that it is in, and of such a copy or soup the members that it was made of. Members of one rung that were
    trained by themselves are no kin."""
    groups = by_rung(members)
    made_of = _made_of(groups)

    def origin(rung: str) -> str:
        passed: list[str] = []
        while made_of.get(rung) and rung not in passed:
            passed.append(rung)
            rung = made_of[rung]
        return rung

    traits = {member.name: (origin(rung), bool(made_of[rung])) for rung, some in groups.items() for member in some}
    used = [traits[name] for name in names]
    shared = (
        name
        for name, (first, made) in traits.items()
        if any(first == other and (made or other_made) for other, other_made in used)
    )
    return {*names, *shared}


def card_number(member: Member, key: str) -> float:
    """A positive number on a member's card; NaN where there is none."""
    return positive_or_nan(member.card.get(key))


def positive_or_nan(value: object) -> float:
    """A positive number as it is; NaN for anything else."""
    return float(value) if isinstance(value, (int, float)) and value > 0 else math.nan


def together(members: Sequence[str]) -> str:
    """The subject of some members that make up neither a size nor the whole run: ``a+b``."""
    return "+".join(members)


def is_subset(one: Subject) -> bool:
    """Whether a strategy or curve is of several members that only their names say: a subset of those of a run."""
    return len(one.members) > 1 and one.subject == together(one.members)


def check_draws(records: Records, strategy: Strategy) -> None:
    """Refuse a strategy whose draws the Records do not hold, whose vote is not one over their outcomes, or whose
    weightings do not fit its draws."""
    if not isinstance(strategy, Strategy):
        raise TtscaleError(
            "strategy", expected="a Strategy", got=repr(strategy), fix="Make one with tta, ensemble or product."
        )
    vote = get_vote(strategy.vote, records.vote_kind)
    if not strategy.draws:
        raise TtscaleError("strategy", expected="at least one draw", got="none", fix="Give (member, variant) pairs.")
    if len(set(strategy.draws)) < len(strategy.draws):
        raise TtscaleError(
            "strategy", expected="different draws", got=f"a repeated draw in {strategy.name!r}",
            fix="List each (member, variant) once: the same draw again adds nothing.",
        )  # fmt: skip
    if records.outcome != "text":
        for draw in strategy.draws:
            records.draw_flops(draw[0], draw[1])
        for k, weighting in strategy.weightings.items():
            check_weighting(weighting, k, records.n_classes)
        return
    graded = records.graded()
    held = set(graded.draws)
    for draw in strategy.draws:
        if draw not in held:
            raise unknown_name("strategy", "/".join(map(str, draw)), ("/".join(map(str, one)) for one in held))
    if isinstance(vote, AnswerVote) and vote.score is not None and vote.score not in graded.scores:
        raise unknown_name("vote", vote.name, vote.at_hand(graded.answers, graded.scores), fix=MORE_SCORES)


def check_members(records: Records, members: Sequence[str]) -> tuple[str, ...]:
    """The members' names; TtscaleError unless they are a list of different members of the Records."""
    if isinstance(members, str) or not members or len(set(members)) < len(members):
        raise TtscaleError(
            "members", expected="a list of different member names", got=repr(members),
            fix=f"Give for example {[m.name for m in records.members][:2]}.",
        )  # fmt: skip
    return tuple(records.member(name).name for name in members)


def _strategy(kind: str, subject: str, draws: Sequence[Draw], vote: str) -> Strategy:
    name = get_vote(resolve(vote, "log_probs"), "log_probs").name
    suffix = "" if name == "mean" else f"/{name}"
    return Strategy(f"{kind}/{subject}{suffix}", kind, tuple(draws), name, subject)
