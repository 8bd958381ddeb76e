"""Training-time scaling: the sizes of a run as rungs, and the test-time options of each size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling import sampled
from ttscale.scaling.checks import check_records
from ttscale.scaling.curves.combined import mean_curve
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.planning.options import Option, average, card_number, groups
from ttscale.scaling.strategy import by_size, rivals, tta

_OWN_KERNELS = ("torchao-int8",)  # the formats of members that are run as they are stored


@dataclass(frozen=True)
class Rung:
    """One size, plainly used: one view (or one greedy answer), one model, averaged over its training seeds.

    Attributes:
        size: ``card["size"]``, or the member's name.
        n_params: of one model.
        flops: of one plain decision.
        train_flops: of training one model, the mean over seeds; NaN when a card does not say.
        accuracy: mean over seeds, with its interval over items given these seeds.
        of, how: of a rival, the size that it was made of and how: ``int8``, ``soup of 5``; empty for a rung.
        weight_bytes: of one model as it is stored, seconds: of one plain decision; NaN when unknown, and seconds of
            a rival whose weights are rounded or pruned and then run in float32, which are those of float32.
    """

    size: str
    members: tuple[str, ...]
    n_params: float
    flops: float
    train_flops: float
    accuracy: Interval
    plain: Curve = field(repr=False, compare=False)
    of: str = ""
    how: str = ""
    weight_bytes: float = math.nan
    seconds: float = math.nan

    @property
    def n_seeds(self) -> int:
        return len(self.members)


def climb(
    records: Sequence[Records], *, vote: str, on_progress: Callable[[float], None] = lambda share: None, **settings: Any
) -> tuple[list[Rung], list[Option]]:
    """The rungs, cheapest first, and every option: per size TTA, ensemble and their product; of text one greedy
    answer, its samples and their mixture with prompt variants.

    TTA is averaged over the size's seeds, and an ensemble over all subsets of its seeds, so that no budget depends on
    the luck of one seed. Ensembles stay within one Records, and TTA is averaged over members that saw the same views;
    where several Records make several such curves of a size, their names say which.
    """
    found = groups(records, vote=vote)
    made_of = rivals([member for one in records for member in one.members])
    total, done = sum(group.work for several in found.values() for group in several), 0
    options: list[Option] = []
    rungs: list[Rung] = []
    for size, several in found.items():
        mine: list[Option] = []
        for group in several:
            mine.append(average(group, **settings))
            done += group.work
            on_progress(done / total)
        viewed = [option for option, group in zip(mine, several, strict=True) if group.views]
        everyone = [(one, member) for one in records for member in by_size(one.members).get(size, ())]
        rungs.append(_rung(size, everyone, viewed, of=made_of.get(size, ""), **settings))
        options += mine
    order = np.argsort([rung.flops for rung in rungs], kind="stable")
    return [rungs[i] for i in order], options


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
    size: str, members: Sequence[tuple[Records, Member]], viewed: Sequence[Option], *, of: str, **settings: Any
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
                accuracy_curve(one, single, budgets=[1], **settings)
                for (one, _), single in zip(members, singles, strict=True)
            ],
            f"single/{size}",
        )
    as_float = bool(of) and any(member.card.get("format") not in (None, *_OWN_KERNELS) for _, member in members)
    training = [card_number(member, "train_flops") for _, member in members]
    return Rung(
        size=size, members=tuple(member.name for _, member in members),
        n_params=float(np.mean([member.n_params for _, member in members])), flops=float(plain.flops[0]),
        train_flops=float(np.mean(training)), accuracy=plain.at(1), plain=plain, of=of,
        how=str(members[0][1].card.get("how", "")) if of else "",
        weight_bytes=float(np.mean([card_number(member, "weight_bytes") for _, member in members])),
        seconds=math.nan if plain.seconds is None or as_float else float(plain.seconds[0]),
    )  # fmt: skip
