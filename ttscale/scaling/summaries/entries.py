"""The parts of a summary as plain dictionaries: curves, parts of the items, the tradeoff and the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ttscale.scaling.curves.combined import gain_per_flop
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.quality.breakdown import Part
from ttscale.scaling.strategy import is_subset
from ttscale.scaling.summaries.words import kind_words
from ttscale.scaling.tradeoff.exchanges import Exchange
from ttscale.scaling.tradeoff.pareto import pareto
from ttscale.scaling.tradeoff.tradeoff import Tradeoff
from ttscale.scaling.tradeoff.verdicts import Verdict


def json_ready(value: Any) -> Any:
    """Plain Python throughout, with None for NaN and infinity."""
    if isinstance(value, Interval):
        return json_ready(value.as_dict())
    if isinstance(value, Mapping):
        return {str(key): json_ready(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [json_ready(one) for one in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def curve_entry(curve: Curve) -> dict[str, Any]:
    return {
        "id": curve.name, "label": kind_words(curve), "kind": curve.kind,
        "size": None if curve.subject == "all" or is_subset(curve) else curve.subject, "subject": curve.subject,
        "members": curve.members, "vote": curve.vote,
        "budgets": curve.budgets, "multiplier": curve.multiplier, "flops": curve.flops,
        "flops_worst": curve.flops_worst, "accuracy": curve.accuracy, "low": curve.low, "high": curve.high,
        "gain_per_gflop": gain_per_flop(curve), "seconds": curve.seconds, "weight_bytes": curve.weight_bytes,
        "estimator": curve.estimator, "ties": curve.ties, "sampling_error": curve.sampling_error,
        "interval": curve.method,
    }  # fmt: skip


def tradeoff_entry(trade: Tradeoff) -> dict[str, Any]:
    ladder = [
        {
            "size": rung.name, "n_seeds": rung.n_seeds, "n_params": rung.n_params or None, "flops": rung.flops,
            "train_flops": rung.train_flops, "weight_bytes": rung.weight_bytes, "seconds": rung.seconds,
            "accuracy": rung.accuracy.value, "low": rung.accuracy.low, "high": rung.accuracy.high,
        }
        for rung in trade.ladder
    ]  # fmt: skip
    return {
        "ladder": ladder, "verdicts": [_verdict(v) for v in trade.verdicts],
        "exchange": [_exchange(e) for e in trade.exchange], "note": " ".join(trade.notes),
    }  # fmt: skip


def _verdict(v: Verdict) -> dict[str, Any]:
    return {
        "at_flops": v.at_flops, "big": v.big, "small": v.small, "strategy": v.strategy, "k": v.k,
        "choices": [{"curve": choice.curve, "k": choice.k} for choice in v.choices], "difference": v.difference,
        "detectable": v.detectable, "winner": v.winner, "text": v.text,
    }  # fmt: skip


def _exchange(e: Exchange) -> dict[str, Any]:
    return {
        "small": e.small, "big": e.big, "curve": e.curve, "axis": e.axis, "train_ratio": e.train_ratio,
        "test_ratio": e.test_ratio, "rate": e.rate, "ten_x_training_equals": e.ten_x_training_equals,
        "crosses": e.crosses, "share_crossing": e.share_crossing, "gap": e.gap, "text": e.text,
    }  # fmt: skip


def breakdown_entry(part: Part) -> dict[str, Any]:
    return {
        "curve": part.curve, "k": part.k, "against": part.against, "by": part.by, "group": part.group,
        "n_items": part.n_items, "plain": part.plain, "spent": part.spent, "gain": part.gain,
    }  # fmt: skip


def front_entry(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    points = [(curve, row) for curve in curves for row in range(len(curve.budgets))]
    front = pareto(
        np.array([curve.flops[row] for curve, row in points]), np.array([curve.accuracy[row] for curve, row in points])
    )
    return [
        {
            "curve": curve.name, "k": curve.budgets[row], "flops": curve.flops[row], "accuracy": curve.accuracy[row],
            "low": curve.low[row], "high": curve.high[row],
        }
        for curve, row in (points[i] for i in front)
    ]  # fmt: skip
