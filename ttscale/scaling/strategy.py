"""Strategies: which draws, in which order, under which vote. A budget of k uses the first k draws.

Those of images are made here, those of language models in :mod:`ttscale.scaling.sampled`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.voting.votes import DEFAULT, AnswerVote, get_vote, resolve
from ttscale.voting.weighting import Weighting

Draw = tuple[str, str] | TextDraw


@dataclass(frozen=True)
class Strategy:
    """An ordered list of draws and the vote that merges them.

    Attributes:
        name: ``kind/subject`` (and ``/vote`` when that is not the outcome's default), unique among the candidates of a
            run.
        kind: of images ``single``, ``tta`` (one member, many views), ``ensemble`` (many members, one view) or
            ``product``; of text see :mod:`ttscale.scaling.sampled`.
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


def tta(records: Records, member: str, *, vote: str = "mean") -> Strategy:
    """Test-time augmentation: every view of one member, in the order collected."""
    name = records.member(member).name
    kind = "tta" if len(records.variants) > 1 else "single"
    return _strategy(kind, name, [(name, variant) for variant in records.variants], vote)


def ensemble(records: Records, members: Sequence[str], *, vote: str = "mean", subject: str | None = None) -> Strategy:
    """The plain view of each member, in the order given. ``subject`` names the group in the strategy's name."""
    names = check_members(records, members)
    kind = "ensemble" if len(names) > 1 else "single"
    return _strategy(kind, subject or "+".join(names), [(name, records.variants[0]) for name in names], vote)


def product(records: Records, members: Sequence[str], *, vote: str = "mean", subject: str | None = None) -> Strategy:
    """Every member × every view, view by view: all members see the first view, then all see the second, and so on."""
    names = check_members(records, members)
    draws = [(name, variant) for variant in records.variants for name in names]
    if len(names) == 1:
        kind = "tta" if len(draws) > 1 else "single"
    else:
        kind = "product" if len(records.variants) > 1 else "ensemble"
    return _strategy(kind, subject or "+".join(names), draws, vote)


def without_vote(strategy: Strategy) -> Strategy:
    """The same draws of text under the plurality."""
    name = strategy.name.removesuffix(f"/{strategy.vote}")
    return replace(strategy, name=name, vote=DEFAULT["text"])


def by_size(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Members grouped by ``card["size"]`` (a member without one is its own size), cheapest size first."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(str(member.card.get("size") or member.name), []).append(member)
    return dict(sorted(groups.items(), key=lambda group: sum(m.flops for m in group[1]) / len(group[1])))


def check_draws(records: Records, strategy: Strategy) -> None:
    """Refuse a strategy whose draws the Records do not hold, or whose vote is not one over their outcomes."""
    if not isinstance(strategy, Strategy):
        raise TtscaleError(
            "strategy", expected="a Strategy", got=repr(strategy), fix="Make one with tta, ensemble or product."
        )
    vote = get_vote(strategy.vote, records.outcome)
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
        return
    graded = records.graded()
    held = set(graded.draws)
    for draw in strategy.draws:
        if draw not in held:
            raise unknown_name("strategy", "/".join(map(str, draw)), ("/".join(map(str, one)) for one in held))
    if isinstance(vote, AnswerVote) and vote.score is not None and vote.score not in graded.scores:
        known = (f"{rule}:{score}" for rule in ("weighted", "best") for score in graded.scores)
        raise unknown_name("vote", vote.name, ("plurality", *known))


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
