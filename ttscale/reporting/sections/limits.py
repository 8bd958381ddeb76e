"""Where votes end with ever more samples, beside where the fitted law ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, bullets, joined, known, paragraph, table
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number

_HEADS = ("Strategy", "The fitted law ends at", "They", "The vote ends at", "Its leading answer right now")
_NOTE = (
    "With ever more samples a vote settles, for each item, on the answer that the model gives most often. Which that "
    "is follows from the posterior of each item's answers, and does not use the fitted law; "
    "where its interval and the law's lie apart, the law is wrong beyond the data."
)


def limits(series: Series) -> Markup:
    """Nothing where no limit was computed."""
    rows = [row for row in (series.summary.get("language") or {}).get("ceiling") or [] if row.get("prior")]
    rows = rows if any(is_number(row.get("value")) for row in rows) else []
    if not rows:
        return Markup("")
    body: list[list[Cell]] = [
        [
            _label(series, row),
            _law(row),
            _verdict(row),
            known(words.percent_interval(row, "value"), words.clean(row.get("method") or "", 120)),
            known(words.percent(row.get("leading")), words.clean(row.get("method") or "", 120)),
        ]
        for row in rows
    ]
    apart = [
        f"{words.capital(_label(series, row))}: {words.clean(row['check'])}"
        for row in rows
        if row.get("agrees") is False and row.get("check")
    ]
    prior = next((words.clean(row["prior"], 200) for row in rows if row["prior"] != "none"), "")
    return joined(
        [
            paragraph(_NOTE),
            table("Where each vote ends", _HEADS, body, text_columns=3),
            paragraph(f"Prior of the answers: {prior}.", "why") if prior else "",
            bullets(apart),
        ]
    )


def _label(series: Series, row: Mapping[str, Any]) -> str:
    name = str(row.get("curve"))
    return words.clean((series.curves.get(name) or {}).get("label") or name, 80)


def _law(row: Mapping[str, Any]) -> Cell:
    asymptote = row.get("asymptote") or {}
    if not is_number(asymptote.get("value")):
        return Missing("its law has no limit, or none was fitted")
    return f"{words.percent_interval(asymptote, 'value')}, {words.clean(row.get('law'), 40).replace('_', ' ')}"


def _verdict(row: Mapping[str, Any]) -> Cell:
    agrees = row.get("agrees")
    return Missing("there is one of them only") if agrees is None else "agree" if agrees else "disagree"
