"""Votes compared over the same samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, joined, known, paragraph, table
from ttscale.reporting.sections.cells import accuracy, cost, detectable, name
from ttscale.reporting.series import Series, vote_words

_HEADS = (
    "Model", "Vote", "Samples k", "FLOPs per item", "Accuracy", "Minus the plurality, points", "Detectable, points",
)  # fmt: skip
_NOTE = (
    "Plurality gives every answer one vote a sample; a weighted vote gives each sample the weight of its score; best "
    "takes the answer of the sample with the best score. Differences are paired by item; detectable is the "
    "difference that these items would have shown with 80% probability."
)


def votes(series: Series) -> Markup:
    rows = (series.summary.get("language") or {}).get("votes") or []
    if not rows:
        return Markup("")
    body: list[list[Cell]] = [
        [
            name(row.get("member")),
            name(vote_words(row.get("vote"))),
            words.count(row.get("k")),
            cost(row),
            accuracy(row),
            _difference(row),
            detectable(row),
        ]
        for row in rows
    ]
    return joined([paragraph(_NOTE), table("Votes over the same samples", _HEADS, body, text_columns=2, tight=True)])


def _difference(row: Mapping[str, Any]) -> Cell:
    return known(words.points_interval(row.get("difference") or {}), "it is what the others are compared with")
