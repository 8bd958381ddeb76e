"""The quality of the curves of a summary of images, and of what was learned beside the draws as collected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.budgets import last_within
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.image_costs import image_flops
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.learning.policies import LearnedGroup
from ttscale.scaling.quality.item_scores import item_scores
from ttscale.scaling.quality.quality import Quality, doublings, quality, quality_of
from ttscale.scaling.strategy import Strategy, is_subset

Option = tuple[Curve, tuple[Strategy, ...]]  # a curve, and the strategies that it is the mean of


@dataclass(frozen=True)
class Beside:
    """A learned strategy beside the same draws as collected, as many as cost no more FLOPs.

    Attributes:
        curve, k, flops: of the draws as collected. learned_flops: of the learned ones.
        part: which of the strategies that either curve is the mean of.
    """

    curve: str
    k: int
    flops: float
    learned_flops: float
    part: int


@dataclass(frozen=True)
class Measured:
    """A curve of the summary with the strategies that it is the mean of, and their quality.

    Attributes:
        beside: of what was learned, what it is compared with.
    """

    curve: Curve
    strategies: tuple[Strategy, ...]
    quality: Quality
    beside: Beside | None = None

    @property
    def last(self) -> int:
        return int(self.curve.budgets[-1])


def pair_up(records: Records, options: Sequence[Option], learned: Sequence[LearnedGroup]) -> dict[str, Beside]:
    """By the name of a learned curve, what it is compared with; those that nothing was learned for are left out.

    Of several strategies the first is compared that something was learned for, with its own base.
    """
    collected = {curve.name: strategies for curve, strategies in options}
    return {
        group.curve.name: _beside(records, group, collected[group.beside.name])
        for group in learned
        if group.taught and group.beside.name in collected
    }


def _beside(records: Records, group: LearnedGroup, collected: Sequence[Strategy]) -> Beside:
    part = next((number for number, one in enumerate(group.parts) if not one.note), 0)
    if group.parts:
        curve = group.parts[part].curve
        flops = float(curve.flops[curve.row(group.told)])
    else:
        flops = float(image_flops(records, group.strategies[part], np.array([group.told]))[0])
    base = collected[part]
    costs = image_flops(records, base, np.arange(1, len(base.draws) + 1))
    at = last_within(costs, flops)
    return Beside(group.beside.name, at + 1, float(costs[at]), flops, part)


def measure(
    records: Records, options: Sequence[Option], beside: Mapping[str, Beside], *, on_progress: Callable[[float], None],
    **settings: Any,
) -> list[Measured]:  # fmt: skip
    """The quality of every curve: of ensembles at every budget, of subsets of the members at the last, of others at
    1, 2, 4, … and the last; and at those at which something learned is set beside them."""
    more: dict[str, set[int]] = {}
    for one in beside.values():
        more.setdefault(one.curve, set()).add(one.k)
    out: list[Measured] = []
    for curve, strategies in options:
        on_progress(len(out) / len(options))
        budgets = sorted({*_budgets(curve), *more.get(curve.name, ())})
        found = quality(records, strategies, budgets, **settings)
        out.append(Measured(curve, strategies, replace(found, name=curve.name)))
    return out


def _budgets(curve: Curve) -> Sequence[int]:
    last = int(curve.budgets[-1])
    if is_subset(curve):
        return [last]
    return range(1, last + 1) if curve.kind == "ensemble" else doublings(last)


def measure_learned(
    records: Records, found: Sequence[LearnedGroup], beside: Mapping[str, Beside], *, ci: float, n_boot: int,
    seed: int, on_progress: Callable[[float], None],
) -> list[Measured]:  # fmt: skip
    """The quality of learned strategies at the budget at which they are compared: what either half of the items taught
    is scored on the other. Those that nothing was learned for are left out."""
    first = first_half(records.item_ids, records.clusters, seed=seed)
    out: list[Measured] = []
    for number, group in enumerate(found):
        on_progress(number / len(found))
        if group.curve.name not in beside:
            continue
        budgets = np.array([group.told])
        if group.parts:
            halves = [(part.halves[0].strategy, part.halves[1].strategy) for part in group.parts]
            strategies = tuple(part.learned.strategy for part in group.parts)
        else:
            halves, strategies = [(one, one) for one in group.strategies], group.strategies
        parts = [item_scores(records, both, budgets, first) for both in halves]
        name, kind = group.curve.name, group.curve.kind
        scored = quality_of(records, name, kind, budgets, parts, level=ci, n_boot=n_boot, seed=seed)
        out.append(Measured(group.curve, strategies, scored, beside[group.curve.name]))
    return out
