"""The plan, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, bullets, facts, fold, joined, known, paragraph, table
from ttscale.reporting.sections.cells import NO_FLOPS, NOT_RECORDED, cost, plan_target
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number

_UNASKED = "No target accuracy was asked for: give min_accuracy to get the cheapest strategy that meets it."


def plan(series: Series) -> Markup:
    chosen, error = series.summary.get("plan"), series.summary.get("plan_error")
    if not chosen:
        return paragraph(f"No plan. {words.clean(error or _UNASKED)}", "notice")
    draws = _draws(chosen)
    rows: list[list[Cell]] = [
        [
            words.clean(member.get("name"), 80),
            words.clean(member.get("spec"), 120),
            words.clean(str(member.get("fingerprint") or words.DASH)[:12]),
        ]
        for member in chosen.get("members") or []
    ]
    members = table("Members of the plan", ("Member", "Spec", "Fingerprint"), rows, text_columns=3)
    return joined(
        [
            facts(_facts(chosen)),
            paragraph(words.clean(error), "notice") if error else "",
            fold(f"Its {words.plural(len(draws), 'draw')} in order", bullets(draws, "draws")),
            fold(f"Its {words.plural(len(rows), 'member')}", members),
        ]
    )


def _draws(chosen: Mapping[str, Any]) -> list[str]:
    """Its draws in order, each with its weight where it has one."""
    draws = [" · ".join(words.clean(part, 60) for part in draw) for draw in chosen.get("draws") or []]
    weights = chosen.get("weights") or []
    if len(weights) == len(draws) and all(is_number(share) for share in weights):
        draws = [f"{draw}: {words.percent(share)}" for draw, share in zip(draws, weights, strict=True)]
    return [f"{i}. {draw}" for i, draw in enumerate(draws, start=1)]


def _weights(chosen: Mapping[str, Any]) -> Cell:
    weights = chosen.get("weights")
    if not weights:
        return "all draws count alike"
    return "one of each draw" if is_number(weights[0]) else "one of each draw and class"


def _temperatures(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Of each member, what its log-probabilities are divided by."""
    draws, own = chosen.get("draws") or [], chosen.get("temperatures") or []
    return {str(draw[0]): one for draw, one in zip(draws, own, strict=False)}


def _facts(chosen: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    on, other = chosen.get("chosen_on") or {}, chosen.get("scored_on") or {}
    tokens, sure = chosen.get("tokens"), chosen.get("temperature")
    reference = f" of {words.clean(chosen['reference_member'], 60)}" if chosen.get("reference_member") else ""
    return [
        ("Strategy", words.clean(chosen.get("strategy"), 60)),
        ("Draws k", words.count(chosen.get("k"))),
        ("Vote", words.clean(chosen.get("vote"), 40)),
        *([] if chosen.get("outcome") == "text" else [("Weights", _weights(chosen))]),
        *([("Temperatures before the vote", words.temperatures(own))] if (own := _temperatures(chosen)) else []),
        *([("Temperature after the vote", words.significant(sure))] if is_number(sure) else []),
        ("Target", plan_target(chosen)),
        ("Confidence of bounds and intervals", known(words.percent(chosen.get("confidence"), 0), NOT_RECORDED)),
        ("Strategies and budgets considered", known(words.count(chosen.get("n_candidates")), NOT_RECORDED)),
        (f"Accuracy on the {words.count(on.get('n_items'))} items it was chosen on", known(_half(on), NOT_RECORDED)),
        (f"Accuracy on the other {words.count(other.get('n_items'))} items", known(_half(other), NOT_RECORDED)),
        ("Optimism, their difference in points", known(words.points(chosen.get("optimism")), NOT_RECORDED)),
        ("Mean cost per item", cost(chosen)),
        ("Worst cost of an item", cost(chosen, "flops_worst")),
        *([("Generated tokens per item", words.significant(tokens))] if is_number(tokens) else []),
        (f"Compute over one plain decision{reference}", known(words.times(chosen.get("multiplier")), NO_FLOPS)),
        ("Ties", words.clean(chosen.get("ties") or words.DASH, 80)),
    ]


def _half(half: Mapping[str, Any]) -> str:
    bound = f", lower bound {words.percent(half['lower_bound'])}" if is_number(half.get("lower_bound")) else ""
    return words.percent_interval(half) + bound
