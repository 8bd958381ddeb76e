"""The pairs of strategies that a summary of images sets side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.image_costs import image_flops
from ttscale.scaling.quality.compare import Comparison, compare_measured, holm
from ttscale.scaling.quality.measured import Measured
from ttscale.scaling.summaries.words import (
    count_words,
    draws_words,
    flops_words,
    learned_words,
    option_words,
    points_words,
    sentence_start,
)
from ttscale.scaling.tradeoff.tradeoff import Tradeoff

_IDS_SHOWN = 20
_SAME_COST = 1e-6


@dataclass(frozen=True)
class Side:
    """One side of a pair: ``k`` draws of a strategy; ``part`` says which of those that its curve is the mean of."""

    measured: Measured
    k: int
    part: int = 0

    def flops(self, records: Records) -> float:
        beside = self.measured.beside
        if beside is not None:
            return beside.learned_flops
        return float(image_flops(records, self.measured.strategies[self.part], np.array([self.k]))[0])

    @property
    def label(self) -> str:
        """What it is, in words; a learned order of several members took others of their draws for either half."""
        curve, strategy = self.measured.curve, self.measured.strategies[self.part]
        if curve.kind == "policy" and len(strategy.members) > 1:
            return option_words(curve, self.k)
        return draws_words(strategy.draws[: self.k], curve.vote) + learned_words(curve.kind)


def comparisons_table(records: Records, trade: Tradeoff, measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """The pairs that one asks about, each of single strategies (of the first seed), so that a decision is a decision.

    Per size all views, and all members, against one view; both against either; all members of all sizes, and every
    rival, against one view of the size that they compete with; and what was learned (for the first seed that something
    was learned for) against as many of the same draws as collected as cost no more FLOPs.
    """
    of = {one.curve.name: one for one in measured}
    pairs = [*_of_sizes(trade, of), *_of_rivals(trade, of), *_of_learned(of)]
    found = [
        compare_measured(a.measured.quality, a.k, b.measured.quality, b.k, part=a.part) for a, b in pairs
    ]  # fmt: skip
    adjusted = holm([one.p for one in found])
    return [_entry(records, one, *pair, p) for one, pair, p in zip(found, pairs, adjusted, strict=True)]


def _of_sizes(trade: Tradeoff, of: Mapping[str, Measured]) -> Iterator[tuple[Side, Side]]:
    for rung in trade.ladder:
        alone, team, both = (
            next((one for one in of.values() if one.curve.kind in kinds and one.curve.subject == rung.name), None)
            for kinds in (("tta", "single"), ("ensemble",), ("product",))
        )
        yield from ((Side(one, one.last), Side(one, 1)) for one in (alone, team) if one is not None and one.last > 1)
        if both is not None:
            yield from ((Side(both, both.last), Side(one, one.last)) for one in (team, alone) if one is not None)


def _of_rivals(trade: Tradeoff, of: Mapping[str, Measured]) -> Iterator[tuple[Side, Side]]:
    plain = {one.curve.subject: Side(one, 1) for one in of.values() if one.curve.kind in ("tta", "single")}
    for rung in trade.rivals:
        if rung.of in plain:
            yield plain[rung.name], plain[rung.of]
    for one in of.values():
        if one.curve.subject == "all" and one.beside is None:
            yield Side(one, one.last), plain[trade.ladder[-1].name]


def _of_learned(of: Mapping[str, Measured]) -> Iterator[tuple[Side, Side]]:
    for one in of.values():
        beside = one.beside
        if beside is not None:
            k = int(one.quality.budgets[0])
            yield Side(one, k, beside.part), Side(of[beside.curve], beside.k, beside.part)


def _entry(records: Records, one: Comparison, a: Side, b: Side, adjusted: float) -> dict[str, Any]:
    flops_a, flops_b = a.flops(records), b.flops(records)
    return {
        "a": one.a, "k_a": one.k_a, "label_a": a.label, "flops_a": flops_a, "b": one.b, "k_b": one.k_b,
        "label_b": b.label, "flops_b": flops_b,
        "difference": one.difference, "fixed": len(one.fixed), "broken": len(one.broken), "p": one.p,
        "p_adjusted": adjusted, "detectable": one.detectable, "nll_difference": one.nll_difference,
        "calibrated_nll_difference": one.calibrated_nll_difference, "fixed_ids": one.fixed[:_IDS_SHOWN],
        "broken_ids": one.broken[:_IDS_SHOWN], "text": _words(one, a.label, b.label, flops_a, flops_b),
    }  # fmt: skip


def _words(one: Comparison, label_a: str, label_b: str, flops_a: float, flops_b: float) -> str:
    same = math.isclose(flops_a, flops_b, rel_tol=_SAME_COST)
    cost = "" if same else f", at {flops_words(flops_a)} against {flops_words(flops_b)}"
    changed = f"{count_words(len(one.fixed), 'decision')} fixed and {len(one.broken)} broken"
    test = "" if math.isnan(one.p) else f" (McNemar's exact p {_p_words(one.p)})"
    return f"{sentence_start(label_a)} against {label_b}: {points_words(one.difference)}{cost}; {changed}{test}."


def _p_words(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"
