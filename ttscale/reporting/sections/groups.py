"""The gain of test-time compute by groups of items, and under shifts of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, bullets, fold, joined, known, paragraph, table
from ttscale.reporting.series import WHOLE, Series
from ttscale.reporting.words import is_number

_NOT_MEASURED = "it was not measured"
_VALUES = ("Draws k", "Items", "One view", "All k draws", "Gain, points")
_SHIFTS = ("Shift", "Strategy", *_VALUES, "Minus the clean gain, points", "Minus the collected order, points")


def breakdown(series: Series) -> Markup:
    rows, note = series.summary.get("breakdown") or [], series.summary.get("breakdown_note")
    if not rows:
        return Markup("")
    said = paragraph(words.sentence(words.clean(note))) if note else ""
    return joined([said, fold("The numbers", _by_group(series, rows))])


def shifts(series: Series) -> Markup:
    found = series.summary.get("shifts") or {}
    rows, hard = found.get("rows") or [], found.get("breakdown") or []
    if not rows:
        return Markup("")
    every: list[list[Cell]] = [
        [words.clean(row.get("shift"), 48), series.title_of_row(row), *_values(row), *_beside(row)] for row in rows
    ]
    return joined(
        [
            bullets(words.clean(text) for text in found.get("text") or []),
            paragraph(words.sentence(words.clean(found["note"]))) if found.get("note") else "",
            _plain(series, rows),
            fold("The gains", table("Clean and shifted", _SHIFTS, every, text_columns=2, tight=True)),
            fold("The gains by groups of items", _by_group(series, hard)) if hard else "",
        ]
    )


def _plain(series: Series, rows: Sequence[Mapping[str, Any]]) -> Markup:
    """What every shift leaves of one view: a row a shift, a column a size."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        size = series.place(row)[1]
        if size != WHOLE:
            found.setdefault(words.clean(row.get("shift"), 48), {}).setdefault(size, row.get("plain") or {})
    sizes = series.ordered(size for values in found.values() for size in values)
    body: list[list[Cell]] = [
        [shift, *(known(words.percent_interval(values.get(size, {}), "value"), _NOT_MEASURED) for size in sizes)]
        for shift, values in found.items()
    ]
    heads = ("Shift", *(words.clean(size, 40) for size in sizes))
    return table(f"Accuracy of {series.plain} under each shift", heads, body) if sizes else Markup("")


def _beside(row: Mapping[str, Any]) -> list[Cell]:
    """The gain less that on clean data, and of what was learned there what it adds to the same draws unlearned."""
    beside = words.points_interval(row.get("over_collected") or {})
    k = row.get("collected_k")
    if is_number(k) and k != row.get("k"):
        beside += f", of {words.count(k)} for no more FLOPs"
    return [
        known(words.points_interval(row.get("minus_clean") or {}), "the clean data, or other items than those"),
        known(beside, "nothing was learned"),
    ]


def _by_group(series: Series, rows: Sequence[Mapping[str, Any]]) -> Markup:
    shifted = any("shift" in row for row in rows)
    body: list[list[Cell]] = [
        [
            words.clean(row.get("group"), 60),
            words.clean(row.get("by"), 24),
            *([words.clean(row.get("shift"), 48)] if shifted else []),
            series.title_of_row(row),
            *_values(row),
        ]
        for row in rows
    ]
    heads = ("Group", "By", *(["Shift"] if shifted else []), "Strategy", *_VALUES)
    return table("Gain by group of items", heads, body, text_columns=3 + shifted, tight=True)


def _values(row: Mapping[str, Any]) -> list[Cell]:
    return [
        words.count(row.get("k")),
        words.count(row.get("n_items")),
        *(known(words.percent_interval(row.get(of) or {}, "value"), _NOT_MEASURED) for of in ("plain", "spent")),
        known(words.points_interval(row.get("gain") or {}), _NOT_MEASURED),
    ]
