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
    "save_records": "ttscale.records.save",
    "read_shifts": "ttscale.records.shifts",
    "regrade": "ttscale.records.grading",
    "verify": "ttscale.collecting.verify",
    "profile": "ttscale.collecting.profile",
    "accuracy_curve": "ttscale.scaling.curves",
    "coverage_curve": "ttscale.scaling.coverage",
    "pass_at_k": "ttscale.scaling.coverage",
    "vote_limit": "ttscale.scaling.limit",
    "sample_noise": "ttscale.scaling.sample_noise",
    "spending": "ttscale.scaling.spending",
    "proportion": "ttscale.scaling.interval",
    "quality": "ttscale.scaling.quality",
    "compare": "ttscale.scaling.compare",
    "compare_runs": "ttscale.scaling.runs",
    "equivalent": "ttscale.scaling.equivalent",
    "tta": "ttscale.scaling.strategy",
    "ensemble": "ttscale.scaling.strategy",
    "product": "ttscale.scaling.strategy",
    "spread": "ttscale.scaling.strategy",
    "Policy": "ttscale.scaling.learners",
    "Weights": "ttscale.scaling.learners",
    "cross_fitted": "ttscale.scaling.crossed",
    "fit_law": "ttscale.scaling.fit",
    "fit_surface": "ttscale.scaling.surfaces",
    "Law": "ttscale.scaling.law",
    "Parameter": "ttscale.scaling.law",
    "LAWS": "ttscale.scaling.laws",
    "rank_laws": "ttscale.scaling.law_ranking",
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
