"""The tables of a summary of images: quality, equivalents and rivals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves import Curve
from ttscale.scaling.equivalent import METRICS, Equivalent, equivalent
from ttscale.scaling.halves import first_half
from ttscale.scaling.item_scores import item_scores
from ttscale.scaling.ladder import Rung
from ttscale.scaling.policies import LearnedGroup
from ttscale.scaling.quality import Metrics, Quality, doublings, quality, quality_of
from ttscale.scaling.strategy import Strategy
from ttscale.scaling.words import members_words, option_words, sentence_start

ORDERED = 4  # draws at which a learned order is compared


@dataclass(frozen=True)
class Measured:
    """A curve of the summary with the strategies that it is the mean of, and their quality.

    Attributes:
        beside: of what was learned, the name of the curve of the same draws as collected; else empty.
    """

    curve: Curve
    strategies: tuple[Strategy, ...]
    quality: Quality
    beside: str = ""

    @property
    def last(self) -> int:
        return int(self.curve.budgets[-1])


def measure(
    records: Records, options: Sequence[tuple[Curve, Sequence[Strategy]]], *, on_progress: Callable[[float], None],
    **settings: Any,
) -> list[Measured]:  # fmt: skip
    """The quality of every curve; of ensembles at every budget, of others at 1, 2, 4, … and the last."""
    out: list[Measured] = []
    for curve, strategies in options:
        on_progress(len(out) / len(options))
        last = int(curve.budgets[-1])
        budgets = range(1, last + 1) if curve.kind == "ensemble" else doublings(last)
        found = quality(records, strategies, list(budgets), **settings)
        out.append(Measured(curve, tuple(strategies), replace(found, name=curve.name)))
    return out


def measure_learned(
    records: Records, found: Sequence[LearnedGroup], *, ci: float, n_boot: int, seed: int,
    on_progress: Callable[[float], None],
) -> list[Measured]:  # fmt: skip
    """The quality of learned strategies at the budget at which they are compared: what either half of the items taught
    is scored on the other. Those that nothing was learned for are left out."""
    first = first_half(records.item_ids, records.clusters, seed=seed)
    out: list[Measured] = []
    for number, group in enumerate(found):
        on_progress(number / len(found))
        if not taught(group):
            continue
        budgets = np.array([told_budget(group.curve)])
        if group.parts:
            halves = [(part.halves[0].strategy, part.halves[1].strategy) for part in group.parts]
            strategies = tuple(part.learned.strategy for part in group.parts)
        else:
            halves, strategies = [(one, one) for one in group.strategies], group.strategies
        parts = [item_scores(records, both, budgets, first) for both in halves]
        scored = quality_of(records, group.curve.name, budgets, parts, level=ci, n_boot=n_boot, seed=seed)
        out.append(Measured(group.curve, strategies, scored, group.beside.name))
    return out


def taught(group: LearnedGroup) -> bool:
    """Whether anything was learned, or is to be compared without: one view per member."""
    return not group.parts or any(not part.note for part in group.parts)


def told_budget(curve: Curve) -> int:
    """The budget at which a strategy is compared: of an order that of ``ORDERED``, since all draws are the same in any
    order; of any other, all."""
    last = int(curve.budgets[-1])
    return min(ORDERED, last) if curve.kind == "policy" else last


def quality_table(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Two rows, of the probabilities as they are and calibrated, of the first and last budget of every curve."""
    return [
        {"curve": one.curve.name, "k": k, "calibrated": warm, **_metrics(one.quality.metrics(k, calibrated=warm))}
        for one in measured
        for warm in (False, True)
        for k in dict.fromkeys(one.quality.budgets[[0, -1]].tolist())
    ]


def _metrics(row: Metrics) -> dict[str, Any]:
    return {
        "temperature": row.temperature, "accuracy": row.accuracy, "top5": row.top5, "nll": row.nll, "brier": row.brier,
        "ece": row.ece,
    }  # fmt: skip


def find_equivalents(measured: Sequence[Measured]) -> list[tuple[Curve, Equivalent]]:
    """Every other curve of a size that has an ensemble, at each budget measured, by likelihood and by accuracy."""
    ensembles = {one.curve.subject: one.quality for one in measured if one.curve.kind == "ensemble"}
    return [
        (one.curve, equivalent(one.quality, k, ensembles[one.curve.subject], metric))
        for one in measured
        if one.curve.kind not in ("ensemble", "single") and one.curve.subject in set(ensembles) - {"all"}
        for metric in METRICS
        for k in one.quality.budgets.tolist()
    ]


def equivalents_table(found: Sequence[tuple[Curve, Equivalent]]) -> list[dict[str, Any]]:
    return [
        {
            "curve": curve.name, "k": one.k, "flops": curve.flops[curve.row(one.k)], "ensemble": one.ensemble,
            "metric": one.metric, "members": one.members, "beyond": one.beyond, "n_members": one.n_members,
            "share_beyond": one.share_beyond, "text": equivalent_words(curve, one),
        }
        for curve, one in found
    ]  # fmt: skip


def equivalent_words(curve: Curve, found: Equivalent) -> str:
    """``18 views of w8 are worth 1.4 ensemble members by calibrated likelihood (95% interval 1.2 to 1.6).``"""
    head = sentence_start(option_words(curve, found.k))
    if math.isnan(found.members.value):
        return f"{head} cannot be set beside the ensemble by {found.metric}."
    singular = found.k == 1 or curve.kind == "spread"
    return f"{head} {'is' if singular else 'are'} {worth_words(found)}."


def worth_of_views(found: Sequence[tuple[Curve, Equivalent]]) -> dict[str, str]:
    """By the name of every TTA curve, what all its views are worth, to end a sentence with."""
    return {
        curve.name: f", {worth_words(one)}"
        for curve, one in found
        if curve.kind == "tta" and one.metric == "nll" and one.k == curve.budgets[-1]
    }


def worth_words(found: Equivalent) -> str:
    """``worth 1.4 ensemble members by calibrated likelihood (95% interval 1.2 to 1.6)``."""
    by = {"nll": "calibrated likelihood", "accuracy": "accuracy"}[found.metric]
    x = found.members
    value, low, high = (members_words(one, found.n_members) for one in (x.value, x.low, x.high))
    noun = "member" if value == "1.0" else "members"
    return f"worth {value} ensemble {noun} by {by} ({100 * x.level:g}% interval {low} to {high})"


def rivals_table(rungs: Sequence[Rung]) -> list[dict[str, Any]]:
    """What was made of a size without training, plainly used."""
    return [
        {
            "size": rung.size, "of": rung.of, "what": rung.how, "n_seeds": rung.n_seeds, "flops": rung.flops,
            "weight_bytes": rung.weight_bytes, "seconds": rung.seconds, "train_flops": rung.train_flops,
            "accuracy": rung.accuracy.value, "low": rung.accuracy.low, "high": rung.accuracy.high,
        }
        for rung in rungs
    ]  # fmt: skip
