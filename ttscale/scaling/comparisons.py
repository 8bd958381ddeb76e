"""The pairs of strategies that a summary of images sets side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ttscale.scaling.compare import Comparison, compare_measured, holm
from ttscale.scaling.image_tables import Measured, told_budget
from ttscale.scaling.tradeoff import Tradeoff
from ttscale.scaling.words import count_words, draws_words, learned_words, points_words, sentence_start

_IDS_SHOWN = 20

Side = tuple[Measured, int]


def comparisons_table(trade: Tradeoff, measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """The pairs that one asks about, each of single strategies (of the first seed), so that a decision is a decision.

    Per size all views, and all members, against one view; both against either; all members of all sizes, and every
    rival, against one view of the size that they compete with; and what was learned against the same draws as
    collected.
    """
    of = {one.curve.name: one for one in measured}
    taught = [(one, told_budget(one.curve)) for one in measured if one.beside in of]
    pairs = [
        *_of_sizes(trade, of), *_of_rivals(trade, of), *(((one, k), (of[one.beside], k)) for one, k in taught),
    ]  # fmt: skip
    found = [compare_measured(a.quality, k_a, b.quality, k_b, part=0) for (a, k_a), (b, k_b) in pairs]
    adjusted = holm([one.p for one in found])
    return [_entry(one, *pair, p) for one, pair, p in zip(found, pairs, adjusted, strict=True)]


def _of_sizes(trade: Tradeoff, of: Mapping[str, Measured]) -> Iterator[tuple[Side, Side]]:
    for rung in trade.ladder:
        alone, team, both = (
            next((one for one in of.values() if one.curve.kind in kinds and one.curve.subject == rung.size), None)
            for kinds in (("tta", "single"), ("ensemble",), ("product",))
        )
        yield from (((one, one.last), (one, 1)) for one in (alone, team) if one is not None and one.last > 1)
        if both is not None:
            yield from (((both, both.last), (one, one.last)) for one in (team, alone) if one is not None)


def _of_rivals(trade: Tradeoff, of: Mapping[str, Measured]) -> Iterator[tuple[Side, Side]]:
    plain = {one.curve.subject: (one, 1) for one in of.values() if one.curve.kind in ("tta", "single")}
    for rung in trade.rivals:
        if rung.of in plain:
            yield plain[rung.size], plain[rung.of]
    for one in of.values():
        if one.curve.subject == "all" and not one.beside:
            yield (one, one.last), plain[trade.ladder[-1].size]


def _entry(one: Comparison, a: Side, b: Side, adjusted: float) -> dict[str, Any]:
    label_a, label_b = (_label(*side) for side in (a, b))
    return {
        "a": one.a, "k_a": one.k_a, "label_a": label_a, "b": one.b, "k_b": one.k_b, "label_b": label_b,
        "difference": one.difference, "fixed": len(one.fixed), "broken": len(one.broken), "p": one.p,
        "p_adjusted": adjusted, "detectable": one.detectable, "nll_difference": one.nll_difference,
        "calibrated_nll_difference": one.calibrated_nll_difference, "fixed_ids": one.fixed[:_IDS_SHOWN],
        "broken_ids": one.broken[:_IDS_SHOWN], "text": _words(one, label_a, label_b),
    }  # fmt: skip


def _label(of: Measured, k: int) -> str:
    return draws_words(of.strategies[0].draws[:k], of.curve.vote) + learned_words(of.curve.kind)


def _words(one: Comparison, label_a: str, label_b: str) -> str:
    changed = f"{count_words(len(one.fixed), 'decision')} fixed and {len(one.broken)} broken"
    test = "" if math.isnan(one.p) else f" (McNemar's exact p {_p_words(one.p)})"
    return f"{sentence_start(label_a)} against {label_b}: {points_words(one.difference)}; {changed}{test}."


def _p_words(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"
