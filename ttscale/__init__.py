"""Test-time compute scaling: wrap a pretrained model, spend more compute on it, know exactly what that bought."""

import importlib
from typing import Any

_HOME = {
    "TtscaleError": "ttscale.errors",
    "load_model": "ttscale.models.load",
    "fetch": "ttscale.models.fetch",
    "numeric": "ttscale.models.numeric",
    "soup": "ttscale.models.soup",
    "greedy_soup": "ttscale.models.soup",
    "load_data": "ttscale.data.load",
    "leakage": "ttscale.data.leakage",
    "views": "ttscale.draws.grammar",
    "sampling": "ttscale.draws.sampling",
    "collect": "ttscale.collecting.collect",
    "Records": "ttscale.records.records",
    "read_records": "ttscale.records.read",
    "read_shifts": "ttscale.records.shifts",
    "regrade": "ttscale.records.grading",
    "verify": "ttscale.collecting.verify",
    "profile": "ttscale.collecting.profile",
    "accuracy_curve": "ttscale.scaling.curves",
    "coverage_curve": "ttscale.scaling.coverage",
    "vote_ceiling": "ttscale.scaling.coverage",
    "pass_at_k": "ttscale.scaling.coverage",
    "quality": "ttscale.scaling.quality",
    "compare": "ttscale.scaling.compare",
    "equivalent": "ttscale.scaling.equivalent",
    "tta": "ttscale.scaling.strategy",
    "ensemble": "ttscale.scaling.strategy",
    "product": "ttscale.scaling.strategy",
    "spread": "ttscale.scaling.strategy",
    "Policy": "ttscale.scaling.learners",
    "Weights": "ttscale.scaling.learners",
    "cross_fitted": "ttscale.scaling.crossed",
    "fit_law": "ttscale.scaling.fit",
    "tradeoff": "ttscale.scaling.tradeoff",
    "plan": "ttscale.scaling.plan",
    "load_plan": "ttscale.scaling.planned",
    "summarize": "ttscale.scaling.summary",
    "summarize_shifts": "ttscale.scaling.shifts",
    "wrap": "ttscale.deploy.wrap",
    "report": "ttscale.reporting.report",
    "train_ladder": "ttscale.training.ladder",
    "Recipe": "ttscale.training.recipe",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ttscale' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
