"""Gains where they arise: under every shift, in every class, on easy and on hard items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting.dots import Panel, Row, dot_plot, gain_dots
from ttscale.reporting.kinds import LEARNED
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import MAX_PANELS
from ttscale.reporting.series import WHOLE, Series

MOST_ROWS = 40  # of one figure; the tables hold the rest
_BY = {"difficulty": "by difficulty", "family": "by family", "class": "by class"}


def shifts(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """One row a shift, the clean data first: what each kind gains at its full budget, one panel a size.

    Of what was learned on the clean data, the order of views stands beside the collected kinds; the table has the rest.

    Returns:
        None when the summary has no shifts.
    """
    found = summary.get("shifts") or {}
    rows = [row for row in found.get("rows") or [] if row.get("shift") is not None]
    names = dict.fromkeys([*(found.get("order") or []), *(row["shift"] for row in rows)])
    heads = [Row(str(name), str(name)) for name in names]
    return _gains(Series(summary), rows, heads, lambda row: str(row["shift"]), narrow)


def breakdown(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """One row a group of items, by difficulty, family and class: what each kind gains there, one panel a size.

    Returns:
        None when the summary has no breakdown.
    """
    series = Series(summary)
    rows = [row for row in summary.get("breakdown") or [] if row.get("by") in _BY]
    heads: list[Row] = []
    for by, head in _BY.items():
        groups = _groups(series, [row for row in rows if row["by"] == by])
        if groups and len(heads) + len(groups) < MOST_ROWS:
            heads += [Row(by, head, head=True), *(Row(f"{by}/{name}", str(name)) for name in groups)]
    return _gains(series, rows, heads, lambda row: f"{row['by']}/{row['group']}", narrow)


def _groups(series: Series, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The groups of the sizes; without any, those of all members together, which may be grouped in another way."""
    names = dict.fromkeys(str(row["group"]) for row in rows if series.place(row)[1] != WHOLE)
    return list(names or dict.fromkeys(str(row["group"]) for row in rows))


def _gains(
    series: Series,
    rows: Iterable[Mapping[str, Any]],
    heads: list[Row],
    key: Callable[[Mapping[str, Any]], str],
    narrow: bool,
) -> Figure | None:
    """Those rows that have a head among the first ``MOST_ROWS``, in one panel a size; a kind once in each row of it."""
    heads = heads[:MOST_ROWS]
    colour, known = roles(len(series.keys)), {head.key for head in heads}
    kinds = {**series.kinds, "policy": LEARNED["policy"]}
    shown: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
    for row in rows:
        kind, size = series.place(row)
        if kind in kinds and key(row) in known:
            shown.setdefault(size, {}).setdefault((key(row), kind), row)
    panels = [
        Panel(series.short(size), colour[series.role(size)], gain_dots(shown[size]))
        for size in series.ordered(shown)[:MAX_PANELS]
    ]
    panels = [panel for panel in panels if panel.dots]
    if not panels:
        return None
    present = {dot.kind for panel in panels for dot in panel.dots}
    return dot_plot(
        panels, heads, {name: kind for name, kind in kinds.items() if name in present}, colour=colour, narrow=narrow
    )
