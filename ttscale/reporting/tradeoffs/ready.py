"""A tradeoff's summary made ready to show: plain JSON, of this schema version, with the parts that the page is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.tradeoffs import KIND, SCHEMA_VERSION

_PARTS = (
    "text", "run", "axis_words", "plain", "ladder", "rivals", "curves", "front", "matched", "verdicts", "exchange",
    "laws", "lives", "reference", "notes", "conventions",
)  # fmt: skip


def is_tradeoff(summary: Any) -> bool:
    return isinstance(summary, Mapping) and summary.get("kind") == KIND


def check_tradeoff(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary, JSON-ready; TtscaleError when it is of another schema version or lacks a part."""
    if summary.get("schema_version") != SCHEMA_VERSION:
        raise TtscaleError(
            "summary", expected=f"schema version {SCHEMA_VERSION}", got=f"version {summary.get('schema_version')!r}",
            fix="Show it with the version of ttscale that wrote it, or compare the Records again.",
        )  # fmt: skip
    missing = [name for name in _PARTS if name not in summary]
    if missing:
        raise TtscaleError(
            "summary", expected="all parts of a tradeoff", got=f"one without {', '.join(missing)}",
            fix="Run ttscale tradeoff on the Records again.",
        )  # fmt: skip
    ready: dict[str, Any] = json_ready(summary)
    return ready
