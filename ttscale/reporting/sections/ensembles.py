"""Ensembles of language models: uniform, by quotas, and with weights learned on held-out items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, joined, known, paragraph, table
from ttscale.reporting.sections.cells import accuracy, detectable, name
from ttscale.reporting.series import Series

_HEADS = (
    "Ensemble", "Weights", "Scored on", "Accuracy", "Optimism, points", "Minus the best model, points",
    "Detectable, points",
)  # fmt: skip
_NOTE = (
    "Every model's shares of answers are added with its weight, and the answer with most is taken. What was chosen by "
    "looking at labels was chosen on other items than those that score it; the optimism is what it would have looked "
    "better by on its own items."
)
_NAMES = {"single": "the best model alone", "learned": "learned weights"}


def ensembles(series: Series) -> Markup:
    rows = (series.summary.get("language") or {}).get("ensembles") or []
    if not rows:
        return Markup("")
    body: list[list[Cell]] = [
        [
            _NAMES.get(row.get("kind"), words.clean(row.get("kind"), 40)),
            _weights(row),
            "other items than chose it" if row.get("cross_fitted") else "all items; nothing was chosen",
            accuracy(row),
            known(words.points(row.get("optimism")), "nothing was chosen by looking at labels"),
            known(words.points_interval(row.get("difference") or {}), "it is what the others are compared with"),
            detectable(row),
        ]
        for row in rows
    ]
    return joined([paragraph(_NOTE), table("Ensembles of several models", _HEADS, body, text_columns=3, tight=True)])


def _weights(row: Mapping[str, Any]) -> Markup:
    weights = (row.get("weights") or {}).items()
    return Markup("<br>").join(
        name(f"{words.clean(member, 24)} {words.percent(share, 0)}") for member, share in weights
    )
