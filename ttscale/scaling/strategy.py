"""Strategies: which draws, in which order, under which vote. A budget of k uses the first k draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.voting.merges import get_vote


@dataclass(frozen=True)
class Strategy:
    """An ordered list of draws and the vote that merges them.

    Attributes:
        name: ``kind/subject`` (and ``/vote`` when that is not ``mean``), unique among the candidates of a run.
        kind: ``single``, ``tta`` (one member, many views), ``ensemble`` (many members, one view) or ``product``.
        draws: (member, variant) in the order in which a growing budget takes them.
        vote: a name in ``voting.merges.VOTES``.
        subject: what it is made of, in words for people: a member, a size, or ``all``.
    """

    name: str
    kind: str
    draws: tuple[tuple[str, str], ...]
    vote: str
    subject: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        """The members that it uses, in order of first use."""
        return tuple(dict.fromkeys(member for member, _ in self.draws))


def tta(records: Records, member: str, *, vote: str = "mean") -> Strategy:
    """Test-time augmentation: every view of one member, in the order collected."""
    name = records.member(member).name
    kind = "tta" if len(records.variants) > 1 else "single"
    return _strategy(kind, name, [(name, variant) for variant in records.variants], vote)


def ensemble(records: Records, members: Sequence[str], *, vote: str = "mean", subject: str | None = None) -> Strategy:
    """The plain view of each member, in the order given. ``subject`` names the group in the strategy's name."""
    names = _members(records, members)
    kind = "ensemble" if len(names) > 1 else "single"
    return _strategy(kind, subject or "+".join(names), [(name, records.variants[0]) for name in names], vote)


def product(records: Records, members: Sequence[str], *, vote: str = "mean", subject: str | None = None) -> Strategy:
    """Every member × every view, view by view: all members see the first view, then all see the second, and so on."""
    names = _members(records, members)
    draws = [(name, variant) for variant in records.variants for name in names]
    if len(names) == 1:
        kind = "tta" if len(draws) > 1 else "single"
    else:
        kind = "product" if len(records.variants) > 1 else "ensemble"
    return _strategy(kind, subject or "+".join(names), draws, vote)


def candidates(records: Records, *, votes: Sequence[str] = ("mean",)) -> tuple[Strategy, ...]:
    """The strategies that ``plan`` considers, under each vote.

    Per member its views; per size (``card["size"]``) with several members their ensemble and its product with the
    views; the ensemble and product of all members, cheapest first, where there are several sizes.
    """
    if not isinstance(votes, Sequence) or isinstance(votes, str) or not votes:
        raise TtscaleError("votes", expected="a list of votes", got=repr(votes), fix='Give for example ("mean",).')
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


def by_size(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Members grouped by ``card["size"]`` (a member without one is its own size), cheapest size first."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(str(member.card.get("size") or member.name), []).append(member)
    return dict(sorted(groups.items(), key=lambda group: sum(m.flops for m in group[1]) / len(group[1])))


def check_draws(records: Records, strategy: Strategy) -> None:
    """Refuse a strategy whose draws the Records do not hold."""
    if not isinstance(strategy, Strategy):
        raise TtscaleError(
            "strategy", expected="a Strategy", got=repr(strategy), fix="Make one with tta, ensemble or product."
        )
    get_vote(strategy.vote)
    if not strategy.draws:
        raise TtscaleError("strategy", expected="at least one draw", got="none", fix="Give (member, variant) pairs.")
    if len(set(strategy.draws)) < len(strategy.draws):
        raise TtscaleError(
            "strategy", expected="different draws", got=f"a repeated draw in {strategy.name!r}",
            fix="List each (member, variant) once: the same draw again adds nothing.",
        )  # fmt: skip
    for member, variant in strategy.draws:
        records.draw_flops(member, variant)


def _members(records: Records, members: Sequence[str]) -> tuple[str, ...]:
    if isinstance(members, str) or not members or len(set(members)) < len(members):
        raise TtscaleError(
            "members", expected="a list of different member names", got=repr(members),
            fix=f"Give for example {[m.name for m in records.members][:2]}.",
        )  # fmt: skip
    return tuple(records.member(name).name for name in members)


def _strategy(kind: str, subject: str, draws: Sequence[tuple[str, str]], vote: str) -> Strategy:
    suffix = "" if get_vote(vote).name == "mean" else f"/{vote}"
    return Strategy(f"{kind}/{subject}{suffix}", kind, tuple(draws), vote, subject)
