"""Training-time scaling: the sizes and training budgets of a run as rungs, and the test-time options of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ttscale.records.aligned import on_same_items
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling import sampled
from ttscale.scaling.checks import check_records
from ttscale.scaling.curves.combined import mean_curve
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.planning.options import Option, average, groups
from ttscale.scaling.strategy import by_rung, card_number, positive_or_nan, rivals, tta
from ttscale.scaling.tradeoff.seed_noise import seed_noise

_OWN_KERNELS = ("torchao-int8",)  # the formats of members that are run as they are stored


@dataclass(frozen=True)
class Rung:
    """One size under one training budget, plainly used: one view (or one greedy answer), one model, averaged over its
    training seeds.

    Attributes:
        name: the key that exchangeable members share (see :func:`ttscale.scaling.strategy.rung_of`).
        size, budget: ``card["size"]``, or the member's name; ``card["budget"]``, empty where none is named.
        unique: different items that one model was trained on (images, or tokens of text), ``card["n_train"]``; epochs:
            how often it saw each, ``card["recipe"]["epochs"]`` or ``card["epochs"]``. NaN where unknown.
        of_seeds: the accuracy of each member, in their order. seed_sd: the standard deviation of the accuracy
            between training seeds in excess of what their items explain (see
            :func:`ttscale.scaling.tradeoff.seed_noise.seed_noise`); NaN where no rung has two seeds.
        n_params: of one model; 0 where unknown.
        flops: of one plain decision.
        train_flops: of training one model, the mean over seeds; NaN when a card does not say. Of a rival all that went
            into it: an ensemble's members into the student of that ensemble.
        accuracy: mean over seeds, with its interval over items given these seeds.
        of, how: of a rival, the rung that it was made of and how: ``int8``, ``soup of 5``; empty for a rung.
        weight_bytes: of one model as it is stored, seconds: of one plain decision; NaN when unknown, and seconds of
            a rival whose weights are rounded or pruned and then run in float32, which are those of float32.
    """

    name: str
    members: tuple[str, ...]
    n_params: float
    flops: float
    train_flops: float
    accuracy: Interval
    plain: Curve = field(repr=False, compare=False)
    size: str = ""
    budget: str = ""
    unique: float = math.nan
    epochs: float = math.nan
    of_seeds: tuple[float, ...] = ()
    seed_sd: float = math.nan
    of: str = ""
    how: str = ""
    weight_bytes: float = math.nan
    seconds: float = math.nan

    @property
    def plainly(self) -> str:
        """Its plain decision: ``one view of resnet8-w8-e16``."""
        return f"{self.plain.unit} of {self.name}"

    @property
    def n_seeds(self) -> int:
        return len(self.members)


def climb(
    records: Sequence[Records], *, vote: str, on_progress: Callable[[float], None] = lambda share: None, **settings: Any
) -> tuple[list[Rung], list[Option]]:
    """The rungs, cheapest first, and every option: per rung TTA, ensemble and their product; of text one greedy
    answer, its samples and their mixture with prompt variants.

    TTA is averaged over the rung's seeds, and an ensemble over all subsets of its seeds, so that no budget depends on
    the luck of one seed. Ensembles stay within one Records, and TTA is averaged over members that saw the same views;
    where several Records make several such curves of a rung, their names say which.
    """
    found = groups(records, vote=vote)
    made_of = rivals([member for one in records for member in one.members])
    total, done = sum(group.work for several in found.values() for group in several), 0
    options: list[Option] = []
    rungs: list[Rung] = []
    seeds: list[np.ndarray] = []
    for name, several in found.items():
        mine: list[Option] = []
        for group in several:
            mine.append(average(group, **settings))
            done += group.work
            on_progress(done / total)
        viewed = [option for option, group in zip(mine, several, strict=True) if group.views]
        everyone = [(one, member) for one in records for member in by_rung(one.members).get(name, ())]
        rung, singles = _rung(name, everyone, viewed, of=made_of.get(name, ""), **settings)
        rungs.append(rung)
        seeds.append(np.array([one.credit[0] for one in singles]))
        options += mine
    order = np.lexsort([[rung.train_flops for rung in rungs], [rung.flops for rung in rungs]])
    noise = seed_noise(seeds, [bool(rung.of) for rung in rungs])
    return [replace(rungs[i], seed_sd=noise[i]) for i in order], options


def same_items(records: Records | Sequence[Records]) -> list[Records]:
    """One or several Records as a list, all in the item order of the first; TtscaleError unless items and labels
    agree."""
    several: list[Any] = list(records) if isinstance(records, (list, tuple)) else [records]
    for one in several:
        check_records(one)
    return on_same_items(several)


def _rung(
    name: str, members: Sequence[tuple[Records, Member]], viewed: Sequence[Option], *, of: str, **settings: Any
) -> tuple[Rung, list[Curve]]:
    """A rung and the curves of its members whose first budgets are their plain decisions."""
    if len(viewed) == 1:
        plain, singles = viewed[0].curve, list(viewed[0].parts)
    else:
        singles = [
            accuracy_curve(
                one, sampled.plain(one, member.name) if one.outcome == "text" else tta(one, member.name), budgets=[1],
                **settings,
            )
            for one, member in members
        ]  # fmt: skip
        plain = mean_curve(singles, f"single/{name}")
    card = members[0][1].card
    as_float = bool(of) and any(member.card.get("format") not in (None, *_OWN_KERNELS) for _, member in members)
    rung = Rung(
        name=name, members=tuple(member.name for _, member in members),
        n_params=float(np.mean([_parameters(member) for _, member in members])), flops=float(plain.flops[0]),
        train_flops=_card_mean(members, "train_flops"), accuracy=plain.at(1), plain=plain,
        size=str(card.get("size") or members[0][1].name), budget=str(card.get("budget") or ""),
        unique=_card_mean(members, "n_train"), epochs=_card_mean(members, "epochs"),
        of_seeds=tuple(float(one.accuracy[0]) for one in singles), of=of, how=str(card.get("how", "")) if of else "",
        weight_bytes=_card_mean(members, "weight_bytes"),
        seconds=math.nan if plain.seconds is None or as_float else float(plain.seconds[0]),
    )  # fmt: skip
    return rung, singles


def _parameters(member: Member) -> float:
    """As counted, or else as the card says; 0 where neither knows."""
    known = float(member.n_params) or card_number(member, "n_params")
    return known if known > 0 else 0.0


def _card_mean(members: Sequence[tuple[Records, Member]], key: str) -> float:
    """The mean of a number on the members' cards, or on their recipes; NaN where one of them does not say."""
    values = [card_number(member, key) for _, member in members]
    recipes = [member.card.get("recipe") for _, member in members]
    for i, recipe in enumerate(recipes):
        if isinstance(recipe, Mapping) and math.isnan(values[i]):
            values[i] = positive_or_nan(recipe.get(key))
    return float(np.mean(values))
