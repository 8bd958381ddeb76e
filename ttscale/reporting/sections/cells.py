"""Cells that several sections share, and the reasons that stand for what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, joined, known
from ttscale.reporting.words import is_number

NO_FLOPS = "its FLOPs are not known"
NO_TRAINING = "its card does not say how much compute its training took"
NO_GAIN = "one draw has no extra compute"
NOT_RECORDED = "not recorded"
NOT_COMPARED = "nothing to compare"


def name(value: Any) -> Markup:
    """A foreign name, on one line where it is short."""
    shown = words.clean(value, 60)
    return joined([Markup("<span class=keep>"), shown, Markup("</span>")]) if len(shown) <= 30 else joined([shown])


def cost(row: Mapping[str, Any], key: str = "flops") -> Cell:
    return known(words.flops(row.get(key)), NO_FLOPS)


def training_cost(row: Mapping[str, Any]) -> Cell:
    return known(words.flops(row.get("train_flops")), NO_TRAINING)


def ten_x_training(row: Mapping[str, Any], reason: str) -> Cell:
    """What ten times the training equals, of an exchange; ``reason`` stands for it where that has no rate.

    JSON has no infinity: of a rate that is known, nothing means that it is beyond what a number holds.
    """
    if is_number((row.get("rate") or {}).get("value")) and not is_number(row.get("ten_x_training_equals")):
        return "more than 10³⁰⁸×"
    return known(words.times(row.get("ten_x_training_equals")), reason)


def accuracy(row: Mapping[str, Any]) -> Cell:
    return known(words.percent_interval(row), "it was not measured")


def coverage_at(curve: Mapping[str, Any], i: int) -> Cell:
    """Coverage of a curve at its i-th budget, with the interval."""
    covered = curve.get("coverage") or {}
    found = {key: covered[key][i] for key in ("accuracy", "low", "high") if covered.get(key)}
    return known(words.percent_interval(found), "it was not computed")


def tokens_at(curve: Mapping[str, Any], i: int) -> Cell:
    """Mean generated tokens of an item at a curve's i-th budget."""
    return known(words.significant((curve.get("tokens") or [None])[i]), NOT_RECORDED)


def accuracy_at(curve: Mapping[str, Any], i: int) -> Cell:
    """Accuracy of a curve at its i-th budget, with the interval."""
    return accuracy({key: curve[key][i] for key in ("accuracy", "low", "high") if curve.get(key)})


def detectable(row: Mapping[str, Any], reason: str = NOT_COMPARED) -> Cell:
    """The true difference that the items would have shown with 80% probability; a fraction in the summary."""
    share = row.get("detectable")
    return known(words.significant(100 * share, 2) if is_number(share) else words.DASH, reason)


def nats(interval: Mapping[str, Any], sign: str = "") -> str:
    """A likelihood, Brier score or calibration error: ``0.310 (0.298 to 0.322)``; with ``sign`` ``"+"`` a difference of
    such. A dash where it is not finite."""
    shown = [f"{v:{sign}.3f}".replace("-", "−") for v in map(interval.get, ("value", "low", "high")) if is_number(v)]
    if not is_number(interval.get("value")):
        return words.DASH
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if len(shown) == 3 else shown[0]


def parameters(row: Mapping[str, Any]) -> Cell:
    n = row.get("n_params")
    return words.scaled(n, "") if is_number(n) and n > 0 else Missing(NOT_RECORDED)


def at_cost(row: Mapping[str, Any]) -> str:
    """The cost as the end of a phrase; nothing when it is not known."""
    return f", {words.flops(row['flops'])} per item" if is_number(row.get("flops")) else ""


def plan_target(plan: Mapping[str, Any]) -> str:
    """What a plan was asked for."""
    target = plan.get("target") or {}
    if is_number(target.get("min_accuracy")):
        return f"at least {words.percent(target['min_accuracy'])}"
    return f"at most {words.flops(target.get('max_flops'))} per item"
