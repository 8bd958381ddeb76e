"""Training-time scaling: the sizes of a run as rungs, and the test-time options of each size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling import sampled
from ttscale.scaling.checks import check_costs, check_records
from ttscale.scaling.curves import Curve, accuracy_curve, mean_curve
from ttscale.scaling.interval import Interval
from ttscale.scaling.strategy import Strategy, by_size, ensemble, product, tta
from ttscale.voting.votes import DEFAULT, resolve


@dataclass(frozen=True)
class Rung:
    """One size, plainly used: one view (or one greedy answer), one model, averaged over its training seeds.

    Attributes:
        size: ``card["size"]``, or the member's name.
        n_params: of one model.
        flops: of one plain decision.
        train_flops: of training one model, the mean over seeds; NaN when a card does not say.
        accuracy: mean over seeds, with its interval over items given these seeds.
    """

    size: str
    members: tuple[str, ...]
    n_params: float
    flops: float
    train_flops: float
    accuracy: Interval
    plain: Curve = field(repr=False, compare=False)

    @property
    def n_seeds(self) -> int:
        return len(self.members)


@dataclass(frozen=True, eq=False)
class Option:
    """A way to spend test-time compute on one size: its curve, and the training FLOPs that its first k draws need."""

    size: str
    curve: Curve
    train_flops: np.ndarray


def climb(
    records: Sequence[Records], *, vote: str, ci: float, n_boot: int, seed: int,
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[list[Rung], list[Option]]:  # fmt: skip
    """The rungs, cheapest first, and every option: per size TTA, ensemble and their product; of text one greedy
    answer, its samples and their mixture with prompt variants.

    TTA is averaged over the size's seeds. An ensemble is averaged over which seed comes first (its cyclic orders), so
    that no budget depends on the luck of one seed. Ensembles stay within one Records, and TTA is averaged over members
    that saw the same views; where several Records make several such curves of a size, their names say which.
    """
    groups: dict[str, list[tuple[Records, list[Member]]]] = {}
    vote = resolve(vote, records[0].outcome)
    marks = {id(one): f" (records {number})" if len(records) > 1 else "" for number, one in enumerate(records, 1)}
    for one in records:
        check_costs(one)
        for size, members in by_size(one.members).items():
            groups.setdefault(size, []).append((one, members))
    wanted = {
        size: [*_views(size, parts, marks, vote), *_teams(size, parts, marks, vote)] for size, parts in groups.items()
    }
    total, done = sum(group.work for several in wanted.values() for group in several), 0
    options: list[Option] = []
    rungs: list[Rung] = []
    for size, parts in groups.items():
        for group in wanted[size]:
            options.append(_average(group, size, ci=ci, n_boot=n_boot, seed=seed))
            done += group.work
            on_progress(done / total)
        viewed = [
            option for option, group in zip(options[-len(wanted[size]) :], wanted[size], strict=True) if group.views
        ]
        everyone = [(one, member) for one, members in parts for member in members]
        rungs.append(_rung(size, everyone, viewed, ci=ci, n_boot=n_boot, seed=seed))
    order = np.argsort([rung.flops for rung in rungs], kind="stable")
    return [rungs[i] for i in order], options


@dataclass(frozen=True)
class _Group:
    """Exchangeable strategies whose curves are averaged under one name.

    Attributes:
        views: whether their first budget is the plain decision of an image: TTA.
    """

    name: str
    subject: str
    strategies: list[tuple[Records, Strategy]]
    views: bool

    @property
    def work(self) -> int:
        return sum(len(strategy.draws) for _, strategy in self.strategies)


def _views(
    size: str, parts: Sequence[tuple[Records, list[Member]]], marks: Mapping[int, str], vote: str
) -> list[_Group]:
    by_views: dict[tuple[str, ...], list[tuple[Records, Strategy]]] = {}
    for one, members in parts:
        for member in members:
            for strategy in _alone(one, member.name, vote):
                views = (strategy.kind, str(len(strategy.draws)), *one.variants)
                by_views.setdefault(views, []).append((one, strategy))
    several = Counter(kind for kind, *_ in by_views)
    return [
        _group(kind, size, marks[id(group[0][0])] if several[kind] > 1 else "", group, views=kind in ("tta", "single"))
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
    size: str, parts: Sequence[tuple[Records, list[Member]]], marks: Mapping[int, str], vote: str
) -> list[_Group]:
    several = [(one, [member.name for member in members]) for one, members in parts if len(members) > 1]
    out = []
    for one, names in several:
        turns = [names[i:] + names[:i] for i in range(len(names))]
        makers: list[Callable[..., Strategy]] = [ensemble, *([product] if len(one.variants) > 1 else [])]
        for make in [sampled.ensemble] if one.outcome == "text" else makers:
            strategies = [(one, make(one, turn, vote=vote)) for turn in turns]
            mark = marks[id(one)] if len(several) > 1 else ""
            out.append(_group(strategies[0][1].kind, size, mark, strategies, views=False))
    return out


def _group(kind: str, size: str, mark: str, strategies: list[tuple[Records, Strategy]], *, views: bool) -> _Group:
    records, strategy = strategies[0]
    subject = f"{size}{mark}"
    sampled_by = [draw.decoding for draw in strategy.draws[:1] if isinstance(draw, TextDraw)]
    detail = [] if kind == "greedy" else sampled_by
    suffix = [strategy.vote] if strategy.vote != DEFAULT[records.outcome] else []
    return _Group("/".join([kind, subject, *detail, *suffix]), subject, strategies, views)


def _average(group: _Group, size: str, *, ci: float, n_boot: int, seed: int) -> Option:
    curves = [accuracy_curve(r, s, ci=ci, n_boot=n_boot, seed=seed) for r, s in group.strategies]
    training = np.mean([_training_flops(r, s) for r, s in group.strategies], axis=0)
    return Option(size, mean_curve(curves, group.name, subject=group.subject), training)


def same_items(records: Records | Sequence[Records]) -> list[Records]:
    """One or several Records as a list, all in the item order of the first; TtscaleError unless items and labels
    agree."""
    several: list[Any] = list(records) if isinstance(records, (list, tuple)) else [records]
    if not several:
        raise TtscaleError("records", expected="at least one Records", got="an empty list", fix="Give Records.")
    for one in several:
        check_records(one)
    first: Records = several[0]
    out: list[Records] = []
    names = [member.name for one in several for member in one.members]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise TtscaleError("records", expected="different members", got=f"{twice} twice", fix="Leave one of them out.")
    for one in several:
        at = {item: position for position, item in enumerate(one.item_ids)}
        if set(at) != set(first.item_ids) or (one.outcome, one.n_classes) != (first.outcome, first.n_classes):
            raise TtscaleError(
                "records", expected="Records of the same items and classes",
                got=f"{one.n_items} items and {one.n_classes} classes beside {first.n_items} and {first.n_classes}",
                fix="Collect all members on the same data.",
            )  # fmt: skip
        same: Records = one
        if not np.array_equal(one.item_ids, first.item_ids):
            same = one.take([at[item] for item in first.item_ids])
        if not np.array_equal(_gold(same), _gold(first)):
            raise TtscaleError(
                "records", expected="equal labels", got="items whose labels differ between Records",
                fix="Check that all were collected on the same data.",
            )  # fmt: skip
        out.append(same)
    return out


def _gold(records: Records) -> np.ndarray:
    return records.labels if records.golds is None else records.golds


def _rung(
    size: str, members: Sequence[tuple[Records, Member]], viewed: Sequence[Option], *, ci: float, n_boot: int, seed: int
) -> Rung:
    if len(viewed) == 1:
        plain = viewed[0].curve
    else:
        singles = [
            sampled.plain(one, member.name) if one.outcome == "text" else tta(one, member.name)
            for one, member in members
        ]
        plain = mean_curve(
            [
                accuracy_curve(one, single, ci=ci, n_boot=n_boot, seed=seed, budgets=[1])
                for (one, _), single in zip(members, singles, strict=True)
            ],
            f"single/{size}",
        )
    training = [_train_flops(member) for _, member in members]
    return Rung(
        size=size, members=tuple(member.name for _, member in members),
        n_params=float(np.mean([member.n_params for _, member in members])), flops=float(plain.flops[0]),
        train_flops=float(np.mean(training)), accuracy=plain.at(1), plain=plain,
    )  # fmt: skip


def _training_flops(records: Records, strategy: Strategy) -> np.ndarray:
    """Training FLOPs of the distinct members among the first k draws, for every k."""
    seen: set[str] = set()
    added = []
    for member, *_ in strategy.draws:
        added.append(0.0 if member in seen else _train_flops(records.member(member)))
        seen.add(member)
    return np.cumsum(added)


def _train_flops(member: Member) -> float:
    value = member.card.get("train_flops")
    return float(value) if isinstance(value, (int, float)) and value > 0 else math.nan
