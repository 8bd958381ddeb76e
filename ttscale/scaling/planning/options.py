"""The ways to spend test-time compute on each rung: groups of exchangeable strategies, and their mean curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttscale.models.training_cost import added_train_flops
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling import sampled
from ttscale.scaling.checks import check_costs
from ttscale.scaling.curves.combined import mean_curve
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.curves.member_subsets import members_curve
from ttscale.scaling.planning.candidates import candidates
from ttscale.scaling.strategy import Strategy, by_rung, ensemble, is_subset, product, tta
from ttscale.voting.votes import DEFAULT, resolve


@dataclass(frozen=True, eq=False)
class Option:
    """A way to spend test-time compute on one rung.

    Attributes:
        rung: its key (see :func:`ttscale.scaling.strategy.rung_of`).
        curve: the mean over exchangeable strategies (training seeds, subsets of members).
        train_flops: of the members among the first k draws, ``float64 [k]``.
        strategies: those that were averaged, each with the Records that it is of; of a team, its orders.
        parts: the curves of the views of single members; of a team, in its first order.
    """

    rung: str
    curve: Curve
    train_flops: np.ndarray
    strategies: tuple[tuple[Records, Strategy], ...] = ()
    parts: tuple[Curve, ...] = ()

    @property
    def models(self) -> np.ndarray:
        """How many different members the first k draws use, ``int64 [k]``."""
        if not self.strategies:
            return np.ones(len(self.curve.budgets), dtype=np.int64)
        drawn = [draw[0] for draw in self.strategies[0][1].draws]
        return np.array([len(set(drawn[:k])) for k in self.curve.budgets.tolist()])


@dataclass(frozen=True)
class Group:
    """Exchangeable strategies of a rung whose curves are averaged under one name.

    Attributes:
        views: whether their first budget is the plain decision of an image: TTA.
        turns: whether they are one team with each of its exchangeable members at the head in turn.
    """

    name: str
    rung: str
    subject: str
    strategies: list[tuple[Records, Strategy]]
    views: bool
    turns: bool = False

    @property
    def work(self) -> int:
        return sum(len(strategy.draws) for _, strategy in self.strategies)


def groups(records: Sequence[Records], *, vote: str) -> dict[str, list[Group]]:
    """What each rung can do with test-time compute, cheapest rung of the first Records first."""
    parts: dict[str, list[tuple[Records, list[Member]]]] = {}
    vote = resolve(vote, records[0].vote_kind)
    marks = {id(one): f" (records {number})" if len(records) > 1 else "" for number, one in enumerate(records, 1)}
    for one in records:
        check_costs(one)
        for rung, members in by_rung(one.members).items():
            parts.setdefault(rung, []).append((one, members))
    return {rung: [*_views(rung, some, marks, vote), *_teams(rung, some, marks, vote)] for rung, some in parts.items()}


def _views(
    rung: str, parts: Sequence[tuple[Records, list[Member]]], marks: Mapping[int, str], vote: str
) -> list[Group]:
    by_views: dict[tuple[str, ...], list[tuple[Records, Strategy]]] = {}
    for one, members in parts:
        for member in members:
            for strategy in _alone(one, member.name, vote):
                views = (strategy.kind, str(len(strategy.draws)), *one.variants)
                by_views.setdefault(views, []).append((one, strategy))
    several = Counter(kind for kind, *_ in by_views)
    return [
        _group(kind, rung, marks[id(group[0][0])] if several[kind] > 1 else "", group, views=kind in ("tta", "single"))
        for (kind, *_), group in by_views.items()
    ]


def _alone(records: Records, member: str, vote: str) -> list[Strategy]:
    """What one member alone can do: its views; or a greedy answer, its samples, and their mixture with variants."""
    if records.outcome != "text":
        return [tta(records, member, vote=vote)]
    makers = [sampled.samples, *([sampled.mixture] if len(records.variants) > 1 else [])]
    plainly = [sampled.greedy(records, member)] if sampled.has_greedy(records, member) else []
    return [*plainly, *(make(records, member, vote=vote) for make in makers)]


def _teams(
    rung: str, parts: Sequence[tuple[Records, list[Member]]], marks: Mapping[int, str], vote: str
) -> list[Group]:
    several = [(one, [member.name for member in members]) for one, members in parts if len(members) > 1]
    out = []
    for one, names in several:
        turns = [names[i:] + names[:i] for i in range(len(names))]
        makers: list[Callable[..., Strategy]] = [ensemble, *([product] if len(one.variants) > 1 else [])]
        for make in [sampled.ensemble] if one.outcome == "text" else makers:
            strategies = [(one, make(one, turn, vote=vote)) for turn in turns]
            mark = marks[id(one)] if len(several) > 1 else ""
            out.append(_group(strategies[0][1].kind, rung, mark, strategies, views=False, turns=True))
    return out


def _group(
    kind: str, rung: str, mark: str, strategies: list[tuple[Records, Strategy]], *, views: bool, turns: bool = False
) -> Group:
    records, strategy = strategies[0]
    subject = f"{rung}{mark}"
    sampled_by = [draw.decoding for draw in strategy.draws[:1] if isinstance(draw, TextDraw)]
    detail = [] if kind == "greedy" else sampled_by
    suffix = [strategy.vote] if strategy.vote != DEFAULT[records.vote_kind] else []
    return Group("/".join([kind, subject, *detail, *suffix]), rung, subject, strategies, views, turns)


def averages(records: Records, *, vote: str, **settings: Any) -> list[Option]:
    """The mean curves of everything that each rung can do; ``settings`` as for :func:`average`."""
    return [average(group, **settings) for several in groups([records], vote=vote).values() for group in several]


def average(group: Group, *, ci: float, budgets: Sequence[int] | None = None, **settings: Any) -> Option:
    """The mean over a group's strategies, of a team over all subsets of its members; by default at every budget.

    Args:
        settings: ``n_boot`` and ``seed``, and ``ties`` and ``interval`` where they are not the usual ones, as for
            :func:`ttscale.scaling.curves.curve.accuracy_curve`.
    """
    alone = group.strategies[: 1 if group.turns else None]
    curves = [accuracy_curve(r, s, ci=ci, budgets=budgets, **settings) for r, s in alone]
    training = np.mean([_training_flops(r, s) for r, s in group.strategies], axis=0)
    if group.turns:
        records, strategies = group.strategies[0][0], [strategy for _, strategy in group.strategies]
        curve = members_curve(
            records, strategies, curves[0].budgets, name=group.name, subject=group.subject, level=ci, **settings
        )
    else:
        curve = mean_curve(curves, group.name, subject=group.subject)
    parts = tuple(curves if group.views else curves[:1])
    return Option(group.rung, curve, training[curve.budgets - 1], tuple(group.strategies), parts)


def of_all(records: Records, vote: str) -> list[Strategy]:
    """The ensemble and the product of all members, of images, where there are several sizes."""
    found = candidates(records, votes=(vote,))
    return [one for one in found if one.subject == "all" and one.kind in ("ensemble", "product")]


def of_subsets(records: Records, vote: str) -> list[Strategy]:
    """The ensembles and products of some of the members, of images, where these are few and of several sizes."""
    return [one for one in candidates(records, votes=(vote,)) if is_subset(one)]


def beside_plain(curves: Sequence[Curve], made: Collection[str] = ()) -> list[tuple[Curve, Curve]]:
    """Each curve of more than one budget with the one whose first budget it is to beat: its own, or for all members
    together one view of the costliest rung, since more than test-time compute lies between these and the cheapest.

    Args:
        made: rungs made of others (see :func:`ttscale.scaling.strategy.rivals`), which the costliest is none of.
    """
    alone = [curve for curve in curves if curve.kind in ("tta", "single") and curve.subject not in made]
    costliest = max(alone, key=lambda curve: curve.reference_flops)
    return [(curve, costliest if curve.subject == "all" else curve) for curve in curves if len(curve.budgets) > 1]


def _training_flops(records: Records, strategy: Strategy) -> np.ndarray:
    """Training FLOPs of the distinct members among the first k draws together, for every k."""
    members = [records.member(name) for name in strategy.members]
    of_each = added_train_flops([(member.fingerprint, member.card) for member in members])
    added = dict(zip(strategy.members, of_each, strict=True))
    return np.cumsum([added.pop(draw[0], 0.0) for draw in strategy.draws])
