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
    "merge_records": "ttscale.records.merge",
    "save_records": "ttscale.records.save",
    "read_shifts": "ttscale.records.shifts",
    "regrade": "ttscale.records.grading",
    "verify": "ttscale.collecting.verify",
    "profile": "ttscale.collecting.profile",
    "accuracy_curve": "ttscale.scaling.curves.curve",
    "coverage_curve": "ttscale.scaling.curves.coverage",
    "pass_at_k": "ttscale.scaling.curves.coverage",
    "vote_limit": "ttscale.scaling.limits.limit",
    "sample_noise": "ttscale.scaling.curves.sample_noise",
    "spending": "ttscale.scaling.curves.spending",
    "proportion": "ttscale.scaling.intervals.interval",
    "quality": "ttscale.scaling.quality.quality",
    "compare": "ttscale.scaling.quality.compare",
    "compare_runs": "ttscale.scaling.comparison.compare",
    "equivalent": "ttscale.scaling.quality.equivalent",
    "tta": "ttscale.scaling.strategy",
    "ensemble": "ttscale.scaling.strategy",
    "product": "ttscale.scaling.strategy",
    "spread": "ttscale.scaling.strategy",
    "Policy": "ttscale.scaling.learning.learners",
    "Weights": "ttscale.scaling.learning.learners",
    "cross_fitted": "ttscale.scaling.learning.crossed",
    "fit_law": "ttscale.scaling.fits.fit_law",
    "fit_surface": "ttscale.scaling.surfaces.fit_surface",
    "Law": "ttscale.scaling.laws.law",
    "Parameter": "ttscale.scaling.laws.law",
    "LAWS": "ttscale.scaling.laws.table",
    "rank_laws": "ttscale.scaling.fits.ranking",
    "tradeoff": "ttscale.scaling.tradeoff.tradeoff",
    "reference_families": "ttscale.scaling.tradeoff.families",
    "beside": "ttscale.scaling.tradeoff.beside",
    "break_even": "ttscale.scaling.tradeoff.breakeven",
    "contours": "ttscale.scaling.tradeoff.contours",
    "cheapest": "ttscale.scaling.tradeoff.lifetime",
    "snell_exchange": "ttscale.scaling.tradeoff.formulas",
    "sardana_optimum": "ttscale.scaling.tradeoff.formulas",
    "plan": "ttscale.scaling.planning.plan",
    "load_plan": "ttscale.scaling.planning.planned",
    "summarize": "ttscale.scaling.summaries.summary",
    "summarize_shifts": "ttscale.scaling.summaries.shifts",
    "wrap": "ttscale.deploy.wrap",
    "report": "ttscale.reporting.report",
    "train_ladder": "ttscale.training.ladder",
    "train_language_ladder": "ttscale.training.language_ladder",
    "train_soups": "ttscale.training.soups",
    "distill": "ttscale.training.distill",
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
