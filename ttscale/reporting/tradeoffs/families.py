"""Published models, with what was measured laid on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import flops_axis, percent_axis, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.labels import Labels
from ttscale.reporting.panels import draw_band, one_panel
from ttscale.reporting.points import Point
from ttscale.reporting.tradeoffs.grid import Grid, Row
from ttscale.reporting.words import clean, is_number

_DASHES = (0.0, (2.4, 1.4))
_MARKS = "osD^vPXp*<>"
_PLACES = ((1.0, 0.0), (0.8, -0.8), (0.8, 0.8), (0.0, 1.2), (0.0, -1.2))


def reference_families(summary: Row, *, narrow: bool = False) -> Figure | None:
    """Accuracy against test FLOPs: a line a published family, and the measured strategies on the same scale.

    Returns:
        None without published accuracies, or where those measured may not be compared with them.
    """
    reference = summary.get("reference")
    if not reference or reference["basis"] == "costs":
        return None
    families = _families(reference["models"])
    grid, laid = Grid(summary), _laid(reference["laid"])
    if not families or not laid:
        return None
    colour = grid.colours
    with style():
        entries = _entries(families, colour)
        key = key_height(entries, narrow=narrow)
        figure, ax = one_panel(narrow=narrow, key=key, height=5.6)
        flops_axis(ax)
        points = [point for some in (*families.values(), *(p for _, p in laid.values())) for point in some]
        x, y = [p[0] for p in points], [v for p in points for v in p[1:] if v is not None]
        ax.set(xlim=(min(x) / 1.6, max(x) * 2.6), ylim=(min(y) - 0.012, min(max(y) + 0.012, 1.0)))
        percent_axis(ax)
        for mark, some in zip(_MARKS, families.values(), strict=False):
            ax.plot(
                [p[0] for p in some], [p[1] for p in some], color=colour["muted"], linewidth=1.0, linestyle=_DASHES,
                marker=mark, markersize=4.6, markerfacecolor=colour["surface"], zorder=2,
            )  # fmt: skip
        for rung, some in laid.values():
            own = colour[grid.role_of(rung)]
            draw_band(ax, some, own, 0.12)
            ax.plot([p[0] for p in some], [p[1] for p in some], color=own, linewidth=2.0, zorder=4)
            ax.plot([some[0][0]], [some[0][1]], "o", color=own, markersize=6.5, zorder=5)
        draw_key(figure, entries, narrow=narrow)
        name = f"accuracy, {clean(reference['benchmark'], 60)}"
        name_axes(figure, name, "test FLOPs per item, log scale", colour=colour["muted"], below=key)
        _write_labels(ax, grid, families, laid, colour)
    return figure


def _families(models: Sequence[Row]) -> dict[str, list[Point]]:
    out: dict[str, list[Point]] = {}
    for one in models:
        if is_number(one["accuracy"]) and is_number(one["test_flops"]):
            out.setdefault(one["family"], []).append((one["test_flops"], one["accuracy"], None, None))
    return {family: sorted(points) for family, points in out.items()}


def _laid(rows: Sequence[Row]) -> dict[str, tuple[str, list[Point]]]:
    """By curve its rung and its points on the scale of the benchmark."""
    out: dict[str, tuple[str, list[Point]]] = {}
    for row in rows:
        at: Mapping[str, Any] = row["scaled"]
        if is_number(at["value"]) and is_number(row["flops"]):
            out.setdefault(row["curve"], (row["rung"], []))[1].append(
                (row["flops"], at["value"], at["low"], at["high"])
            )
    return out


def _entries(families: Mapping[str, Sequence[Point]], colour: Mapping[str, str]) -> list[Entry]:
    look: dict[str, Any] = {"color": colour["muted"], "linewidth": 1.0, "linestyle": _DASHES, "markersize": 4.6}
    return [
        (Line2D([], [], marker=mark, markerfacecolor=colour["surface"], **look), clean(family, 24))
        for mark, family in zip(_MARKS, families, strict=False)
    ] + [(Line2D([], [], color=colour["ink"], linewidth=2.0, marker="o", markersize=6.0), "measured, more draws")]


def _write_labels(
    ax: Axes, grid: Grid, families: Mapping[str, Sequence[Point]], laid: Mapping[str, tuple[str, list[Point]]],
    colour: Mapping[str, str],
) -> None:  # fmt: skip
    labels, named = Labels(ax), set()
    for some in (*families.values(), *(points for _, points in laid.values())):
        labels.avoid_line([p[0] for p in some], [p[1] for p in some])
    for rung, some in laid.values():
        if rung not in named:
            named.add(rung)
            labels.put(
                grid.short(grid.by_name[rung]["size"]), some[0][0], some[0][1], color=colour[grid.role_of(rung)],
                fontweight="bold", distance=8, zorder=9, always=True,
            )  # fmt: skip
