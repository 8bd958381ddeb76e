"""What a curve of a summary has beside its accuracy: how far new samples would move it, and what its budgets cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.records.records import Records
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.sample_noise import METHOD, sample_noise
from ttscale.scaling.curves.spending import spending
from ttscale.scaling.quality.quality import doublings
from ttscale.scaling.strategy import Strategy


def same_items_entry(records: Records, curve: Curve, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of text: accuracy with its interval over new samples of the same items, at budgets of powers of two; NaN ends and
    a note where it is not known."""
    assert curve.strategy is not None
    budgets = _budgets(curve)
    found = sample_noise(
        records, curve.strategy, budgets=budgets, ci=settings["ci"], seed=settings["seed"], ties=curve.ties
    )
    return {
        "budgets": budgets, "accuracy": [one.value for one in found], "low": [one.low for one in found],
        "high": [one.high for one in found], "notes": [None if one.method == METHOD else one.method for one in found],
        "method": METHOD,
    }  # fmt: skip


def spending_entry(records: Records, curve: Curve, strategy: Strategy, seed: int) -> dict[str, Any]:
    """Cost per item at budgets of powers of two: mean, quantiles and worst, per measure.

    Args:
        strategy: of the curve; of the mean over training seeds, whose members cost alike, the first.
    """
    return spending(records, strategy, budgets=_budgets(curve), seed=seed).as_dict()


def _budgets(curve: Curve) -> list[int]:
    return [k for k in doublings(int(curve.budgets[-1])) if k in curve.budgets]
