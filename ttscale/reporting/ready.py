"""A summary made ready to show: plain JSON, of this schema version, with the parts that the page is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.scaling.summary import KIND, SCHEMA_VERSION, json_ready

_AGAIN = "Analyse the Records again."

# What each row of a part must have; columns of a curve or of a fitted line are lists of one length.
_ROWS: dict[str, tuple[str, ...]] = {
    "curves": ("id", "label", "kind", "members"),
    "fits": ("curve", "law", "params"),
    "pareto": ("curve", "k"),
}
_COLUMNS = ("budgets", "multiplier", "flops", "accuracy")
_LINE = ("k", "accuracy")


def read_summary(file: Path) -> Any:
    """The JSON of a ``summary.json``; TtscaleError when there is none."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TtscaleError(
            "summary", expected="the path of a summary.json", got=f"{file} ({error.strerror})", fix="Check the path."
        ) from error
    except ValueError as error:
        raise TtscaleError("summary", expected="JSON", got=f"{file}: {error}", fix=_AGAIN) from error


def check_summary(summary: Any) -> dict[str, Any]:
    """The summary, JSON-ready; TtscaleError when it is none, of another schema version, or damaged."""
    if not isinstance(summary, Mapping) or summary.get("kind") != KIND:
        got = f"kind {summary.get('kind')!r}" if isinstance(summary, Mapping) else type(summary).__name__
        raise TtscaleError(
            "summary", expected=f"a dict of kind {KIND!r}", got=got, fix="Give what `summarize` or `report` wrote."
        )
    if summary.get("schema_version") != SCHEMA_VERSION:
        raise TtscaleError(
            "summary", expected=f"schema version {SCHEMA_VERSION}", got=f"version {summary.get('schema_version')!r}",
            fix="Show it with the version of ttscale that wrote it, or analyse the Records again.",
        )  # fmt: skip
    ready: dict[str, Any] = json_ready(summary)
    problem = _problem(ready)
    if problem:
        raise TtscaleError("summary", expected="all parts of a summary", got=problem, fix=_AGAIN)
    return ready


def _problem(summary: Mapping[str, Any]) -> str:
    """What is wrong with the parts of a summary; empty when nothing is."""
    missing = [key for key in ("run", "curves", "fits", "tradeoff", "pareto", "headline") if key not in summary]
    if missing:
        return f"one without {', '.join(missing)}"
    for part, keys in _ROWS.items():
        for i, row in enumerate(summary[part] or []):
            lacking = [key for key in keys if key not in row]
            if lacking:
                return f"{part}[{i}] without {', '.join(lacking)}"
    tables: list[tuple[str, Mapping[str, Any], tuple[str, ...]]]
    tables = [(f"curves[{i}]", curve, _COLUMNS) for i, curve in enumerate(summary["curves"])]
    tables += [(f"fits[{i}].line", fit["line"], _LINE) for i, fit in enumerate(summary["fits"]) if fit.get("line")]
    for name, table, columns in tables:
        lengths = {len(table.get(column) or []) for column in columns}
        lengths |= {len(table[column]) for column in ("low", "high", "flops_worst") if table.get(column)}
        if len(lengths) != 1 or 0 in lengths:
            return f"{name} with columns that are missing, empty or of unequal length"
    unsized = [i for i, rung in enumerate(summary["tradeoff"].get("ladder") or []) if "size" not in rung]
    return f"tradeoff.ladder[{unsized[0]}] without size" if unsized else ""
