"""Every ensemble that can be made of a few members of several sizes, beside its costliest member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, joined, known, paragraph, table
from ttscale.reporting.sections.cells import NOT_COMPARED, accuracy, cost, detectable
from ttscale.reporting.series import Series, shortened

_HEADS = (
    "Members", "Views each", "FLOPs per item", "Accuracy", "Minus its costliest member, points", "Detectable, points",
    "Best member alone",
)  # fmt: skip
_NOTE = (
    "Each ensemble stands beside its costliest member with as many views, paired by item: a choice that looks at no "
    "label, and that the ensemble always costs more than. The best member alone was chosen and scored on these very "
    "items, so it looks better than it is; where it is another one, or ahead of the ensemble, there is little to gain. "
    "Intervals are not adjusted for the number of ensembles."
)


def teams(series: Series) -> Markup:
    rows = series.summary.get("ensembles") or []
    if not rows:
        return Markup("")
    short = shortened([str(name) for row in rows for name in row.get("members") or []])
    cells = [_row(row, short) for row in rows]
    return joined([paragraph(_NOTE), table("Every ensemble", _HEADS, cells, tight=True)])


def _row(row: Mapping[str, Any], short: Mapping[str, str]) -> list[Cell]:
    best = row.get("best") or {}
    named = f"{short.get(str(best.get('member')), '')} {words.percent(best.get('accuracy'))}"
    return [
        words.clean(" + ".join(short[str(name)] for name in row.get("members") or []), 160),
        words.count(row.get("views")),
        cost(row),
        accuracy(row),
        known(words.points_interval(row.get("gain") or {}), NOT_COMPARED),
        detectable(row),
        words.clean(named, 60) if best else Missing(NOT_COMPARED),
    ]
