"""Answers by family of problems, and draws that gave none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, joined, known, paragraph, table
from ttscale.reporting.sections.cells import NOT_RECORDED, name
from ttscale.reporting.series import Series

_FAMILIES = ("Family", "Model", "Items", "Plain answer", "One sample", "Draws k", "Vote of k", "Coverage of k")
_ABSTAINED = ("Model", "Draws", "Without an answer", "Share", "How generation ended")
_NOTE = (
    "A draw from which no answer can be extracted abstains: its cost counts, and it votes for nothing. An item "
    "where no draw answers scores 0."
)


def answers(series: Series) -> Markup:
    language = series.summary.get("language") or {}
    families: list[list[Cell]] = [
        [
            name(row.get("family")),
            name(row.get("member")),
            words.count(row.get("n_items")),
            _share(row, "plain"),
            _share(row, "one_sample"),
            words.count(row.get("k")),
            _share(row, "vote"),
            _share(row, "coverage"),
        ]
        for row in language.get("families") or []
    ]
    reasons = language.get("finish_reasons") or {}
    known_answers = (series.summary.get("run") or {}).get("answers_known") is not False
    abstained: list[list[Cell]] = [
        [
            words.clean(member, 60),
            words.count(row.get("draws")),
            words.count(row.get("abstained")),
            words.percent(row.get("share")),
            _ended(reasons.get(member) or {}),
        ]
        for member, row in ((language.get("abstained") or {}) if known_answers else {}).items()
    ]
    return joined(
        [
            table("Accuracy by family of problems", _FAMILIES, families, text_columns=2, tight=True)
            if families
            else "",
            Markup("<h3>Draws without an answer</h3>\n") if abstained else "",
            paragraph(_NOTE) if abstained else "",
            table("Draws without an extractable answer", _ABSTAINED, abstained) if abstained else "",
        ]
    )


def _share(row: Mapping[str, Any], key: str) -> Cell:
    return known(words.percent_interval(row.get(key) or {}, "value"), "it was not collected")


def _ended(reasons: Mapping[str, Any]) -> Cell:
    listed = (f"{words.clean(reason, 24)} {words.count(n)}" for reason, n in reasons.items())
    return known(", ".join(listed) or words.DASH, NOT_RECORDED)
