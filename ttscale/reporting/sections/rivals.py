"""Number formats, pruning and weight soups beside the sizes that they were made of, each at one plain decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, joined, known, paragraph, table
from ttscale.reporting.sections.cells import NOT_RECORDED, accuracy, cost, training_cost
from ttscale.reporting.series import Series

_HEADS = ("Model", "What was done", "Bytes of weights", "Seconds", "FLOPs per item", "Training FLOPs", "Accuracy")
_NOTE = (
    "They need no more draws, so they stand at one plain decision. FLOPs do not see number formats; bytes do, and "
    "seconds do where the format was run as it is stored: weights that are rounded or pruned and then run in float32 "
    "have no seconds of their own. A soup averages the weights of members, and its training is that of them all."
)


def rivals(series: Series) -> Markup:
    """Each size that has rivals, with them below it."""
    made: dict[str, list[Mapping[str, Any]]] = {}
    for row in series.rivals:
        made.setdefault(str(row.get("of")), []).append(row)
    rows = [
        _row(row)
        for base, several in made.items()
        for row in (*(rung for rung in series.ladder if str(rung["size"]) == base), *several)
    ]
    if not rows:
        return Markup("")
    return joined([paragraph(_NOTE), table(f"At {series.plain}", _HEADS, rows, text_columns=2)])


def _row(row: Mapping[str, Any]) -> list[Cell]:
    return [
        words.clean(row["size"], 60),
        words.clean(row.get("what") or "as it was trained", 40),
        known(words.scaled(row.get("weight_bytes"), "B"), NOT_RECORDED),
        known(words.significant(row.get("seconds"), 2), "it was not profiled, or not in its own format"),
        cost(row),
        training_cost(row),
        accuracy(row),
    ]
