"""Published models, with what was measured laid on them.

A line joins the models of one family that were trained by one recipe: between recipes there is nothing to follow.
"""

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
Families = dict[str, dict[str, list[Point]]]  # points by family and recipe, by increasing test FLOPs
_PLACES = ((1.0, 0.0), (0.8, -0.8), (0.8, 0.8), (0.0, 1.2), (0.0, -1.2))


def reference_families(summary: Row, *, narrow: bool = False) -> Figure | None:
    """Accuracy against test FLOPs: a mark a published family, a line for each recipe of its training, and the measured
    strategies on the same scale.

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
        lines = [some for recipes in families.values() for some in recipes.values()]
        points = [point for some in (*lines, *(p for _, p in laid.values())) for point in some]
        x, y = [p[0] for p in points], [v for p in points for v in p[1:] if v is not None]
        ax.set(xlim=(min(x) / 1.6, max(x) * 2.6), ylim=(min(y) - 0.012, min(max(y) + 0.012, 1.0)))
        percent_axis(ax)
        for mark, recipes in zip(_MARKS, families.values(), strict=False):
            for some in recipes.values():
                ax.plot(
                    [p[0] for p in some], [p[1] for p in some], color=colour["muted"], linewidth=1.0,
                    linestyle=_DASHES, marker=mark, markersize=4.6, markerfacecolor=colour["surface"], zorder=2,
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


def _families(models: Sequence[Row]) -> Families:
    """By family and recipe; the summary of an older version tells no recipes."""
    out: Families = {}
    for one in models:
        if is_number(one["accuracy"]) and is_number(one["test_flops"]):
            some = out.setdefault(one["family"], {}).setdefault(one.get("recipe", ""), [])
            some.append((one["test_flops"], one["accuracy"], None, None))
    for recipes in out.values():
        for some in recipes.values():
            some.sort()
    return out


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


def _entries(families: Families, colour: Mapping[str, str]) -> list[Entry]:
    look: dict[str, Any] = {"color": colour["muted"], "linewidth": 1.0, "linestyle": _DASHES, "markersize": 4.6}
    return [
        (Line2D([], [], marker=mark, markerfacecolor=colour["surface"], **look), clean(family, 24))
        for mark, family in zip(_MARKS, families, strict=False)
    ] + [(Line2D([], [], color=colour["ink"], linewidth=2.0, marker="o", markersize=6.0), "measured, more draws")]


def _write_labels(
    ax: Axes, grid: Grid, families: Families, laid: Mapping[str, tuple[str, list[Point]]], colour: Mapping[str, str],
) -> None:  # fmt: skip
    labels, named = Labels(ax), set()
    lines = [some for recipes in families.values() for some in recipes.values()]
    for some in (*lines, *(points for _, points in laid.values())):
        labels.avoid_line([p[0] for p in some], [p[1] for p in some])
    for rung, some in laid.values():
        if rung not in named:
            named.add(rung)
            labels.put(
                grid.short(grid.by_name[rung]["size"]), some[0][0], some[0][1], color=colour[grid.role_of(rung)],
                fontweight="bold", distance=8, zorder=9, always=True,
            )  # fmt: skip
    for x, y, *_ in (point for some in lines for point in some):
        labels.avoid_point(x, y, 2.5)
    ends = [(recipe, some[-1]) for recipes in families.values() for recipe, some in recipes.items() if recipe]
    for recipe, (x, y, *_) in ends:
        labels.put(
            clean(recipe, 24),
            x,
            y,
            color=colour["muted"],
            fontsize=8.0,
            distance=7,
            zorder=8,
            places=_PLACES,
            always=True,
        )
