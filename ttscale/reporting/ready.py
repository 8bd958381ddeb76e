"""A summary made ready to show: plain JSON, of this schema version, with the parts that the page is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.reporting.parts import NAMES
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.summary import KIND, SCHEMA_VERSION

_AGAIN = "Analyse the Records again."

# What each row of a part must have; columns of a curve or of a fitted line are lists of one length.
_ROWS: dict[str, tuple[str, ...]] = {
    "curves": ("id", "label", "kind", "members"),
    "fits": ("curve", "law", "params"),
    "pareto": ("curve", "k"),
    "rivals": ("size",),
    "policies": ("curve", "kind"),
    "quality": ("curve", "k"),
    "comparisons": ("a", "b"),
    "equivalents": ("curve", "k", "metric"),
    "ensembles": ("curve", "members"),
    "breakdown": ("by", "group"),
}
_COLUMNS = ("budgets", "multiplier", "flops", "accuracy")
_OPTIONAL = ("low", "high", "flops_worst", "tokens", "seconds", "weight_bytes")
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
    """The summary, JSON-ready; TtscaleError when it is none, of another schema version, or damaged.

    A summary of several parts has them by name under ``parts``, each a summary by itself.
    """
    _check_kind("summary", summary)
    if "parts" not in summary:
        return _whole("summary", summary)
    parts = check_parts("summary", summary["parts"])
    for name, part in parts.items():
        _check_kind(f"summary, part {name}", part)
    return joined({name: _whole(f"summary, part {name}", part) for name, part in parts.items()})


def check_parts(argument: str, parts: Any) -> Mapping[str, Any]:
    """Parts by name; TtscaleError when there are none or a name cannot stand in the name of a file."""
    if not isinstance(parts, Mapping) or not parts:
        raise TtscaleError(argument, expected="parts by name", got=repr(parts)[:80], fix="Give at least one.")
    for name in parts:
        if not isinstance(name, str) or not NAMES.fullmatch(name):
            raise TtscaleError(
                argument, expected="names of small letters, digits, - and _", got=repr(name), fix="Rename that part."
            )
    return parts


def joined(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One summary of several parts."""
    return {"schema_version": SCHEMA_VERSION, "kind": KIND, "parts": dict(parts)}


def _check_kind(argument: str, summary: Any) -> None:
    if not isinstance(summary, Mapping) or summary.get("kind") != KIND:
        got = f"kind {summary.get('kind')!r}" if isinstance(summary, Mapping) else type(summary).__name__
        raise TtscaleError(
            argument, expected=f"a dict of kind {KIND!r}", got=got, fix="Give what `summarize` or `report` wrote."
        )
    if summary.get("schema_version") != SCHEMA_VERSION:
        raise TtscaleError(
            argument, expected=f"schema version {SCHEMA_VERSION}", got=f"version {summary.get('schema_version')!r}",
            fix="Show it with the version of ttscale that wrote it, or analyse the Records again.",
        )  # fmt: skip


def _whole(argument: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    ready: dict[str, Any] = json_ready(summary)
    problem = _problem(ready)
    if problem:
        raise TtscaleError(argument, expected="all parts of a summary", got=problem, fix=_AGAIN)
    return ready


def _problem(summary: Mapping[str, Any]) -> str:
    """What is wrong with the parts of a summary; empty when nothing is."""
    missing = [key for key in ("run", "curves", "fits", "tradeoff", "pareto", "headline") if key not in summary]
    if missing:
        return f"one without {', '.join(missing)}"
    for part, keys in _ROWS.items():
        for i, row in enumerate(summary.get(part) or []):
            lacking = [key for key in keys if key not in row]
            if lacking:
                return f"{part}[{i}] without {', '.join(lacking)}"
    tables: list[tuple[str, Mapping[str, Any], tuple[str, ...]]]
    tables = [(f"curves[{i}]", curve, _COLUMNS) for i, curve in enumerate(summary["curves"])]
    tables += [(f"fits[{i}].line", fit["line"], _LINE) for i, fit in enumerate(summary["fits"]) if fit.get("line")]
    for name, table, columns in tables:
        lengths = {len(table.get(column) or []) for column in columns}
        lengths |= {len(table[column]) for column in _OPTIONAL if table.get(column)}
        if len(lengths) != 1 or 0 in lengths:
            return f"{name} with columns that are missing, empty or of unequal length"
    unnamed = [i for i, row in enumerate((summary.get("shifts") or {}).get("rows") or []) if "shift" not in row]
    if unnamed:
        return f"shifts.rows[{unnamed[0]}] without shift"
    unsized = [i for i, rung in enumerate(summary["tradeoff"].get("ladder") or []) if "size" not in rung]
    return f"tradeoff.ladder[{unsized[0]}] without size" if unsized else ""
