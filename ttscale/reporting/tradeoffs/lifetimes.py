"""Total FLOPs over a model's life, of the measured options that reach an accuracy and by the joint law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import flops_axis, panel_grid, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.labels import Labels
from ttscale.reporting.tradeoffs.contours import accuracy_words
from ttscale.reporting.tradeoffs.grid import Grid, Row
from ttscale.reporting.tradeoffs.scales import flops_y, log_range
from ttscale.reporting.words import clean, is_number, scaled

_MOST = 4  # panels
_PLACES = ((-0.8, 0.8), (0.0, 1.2), (0.8, -0.8), (0.0, -1.2), (0.8, 0.8), (-0.8, -0.8))
_ALIKE = 1e-6  # relative


def total_flops(summary: Row, *, narrow: bool = False) -> Figure | None:
    """One panel an accuracy: a thin line an option, thick where it is the cheapest, with the break-evens.

    Returns:
        None where no measured option reaches any of the accuracies, or training is unknown.
    """
    panels = [one for one in summary["lives"] if one["options"]][:_MOST]
    if not panels:
        return None
    grid = Grid(summary)
    colour = grid.colours
    with style():
        laws = [_of_laws(summary, one["error"]) for one in panels]
        entries = _entries(any(laws), colour)
        key = key_height(entries, narrow=narrow)
        columns = 1 if narrow or len(panels) == 1 else 2
        figure, axes = panel_grid(
            len(panels), columns, width=3.7 if narrow else 9.6,
            height=3.4 if narrow else 4.4 if len(panels) == 1 else 3.3, top=0.62 + key, bottom=0.55, left=0.6,
            right=0.12 if narrow else 0.2, gap_x=0.7, gap_y=0.6,
        )  # fmt: skip
        for ax, one, dots in zip(axes, panels, laws, strict=True):
            ax.set_title(f"at least {accuracy_words(one['error'])}", color=colour["ink"])
            _draw(ax, one, dots, grid, colour)
        draw_key(figure, entries, narrow=narrow)
        name_axes(
            figure, "total FLOPs: training and all queries, log scale", "number of queries, log scale",
            colour=colour["muted"], below=key,
        )  # fmt: skip
    return figure


def _draw(ax: Axes, one: Row, dots: Sequence[Row], grid: Grid, colour: Mapping[str, str]) -> None:
    queries = one["queries"]
    options = [option for option in one["options"] if option["total_flops"]]
    flops_axis(ax)
    flops_y(ax)
    dots = [life for life in dots if queries[0] <= life["queries"] <= queries[-1]]
    cheapest = [min(option["total_flops"][i] for option in options) for i in range(len(queries))]
    tops = [life["total_flops"]["high"] for life in dots if is_number(life["total_flops"]["high"])]
    lows = [life["total_flops"]["low"] for life in dots if is_number(life["total_flops"]["low"])]
    log_range(ax, queries[0], queries[-1])
    ax.set_ylim(min([*cheapest, *lows]) / 3, max([*cheapest, *tops]) * 3)
    labels = Labels(ax)
    parts = [_part(option, queries) for option in options]
    for option, (x, y) in zip(options, parts, strict=True):
        own = colour[grid.role_of(option["rung"])]
        ax.plot(queries, option["total_flops"], color=own, linewidth=0.9, alpha=0.7, zorder=2)
        ax.plot(x, y, color=own, linewidth=3.4, zorder=3, solid_capstyle="butt")
        labels.avoid_line(x, y)
        if option["cheapest_from"] > queries[0]:
            ax.plot(x[:1], y[:1], "o", color=colour["ink"], markersize=5.5, zorder=5)
            labels.avoid_point(x[0], y[0], 4.0)
    _draw_dots(ax, dots, labels, colour)
    for option, (x, y) in zip(options, parts, strict=True):
        if option["cheapest_from"] > queries[0]:
            labels.put(
                scaled(x[0], "", 2).rstrip(), x[0], y[0], color=colour["ink"], fontsize=8.0, distance=7, zorder=9,
                places=((0.8, -0.8), (0.0, -1.2), (1.2, 0.0)),
            )  # fmt: skip
    for option, (x, y) in sorted(zip(options, parts, strict=True), key=lambda one: -one[1][0][-1] / one[1][0][0]):
        middle = len(x) // 2
        labels.put(
            _words(option, grid), x[middle], y[middle], color=colour[grid.role_of(option["rung"])], zorder=9,
            fontweight="bold", fontsize=8.5, distance=8, places=_PLACES, crossings=8.0,
        )  # fmt: skip


def _part(option: Row, queries: Sequence[float]) -> tuple[list[float], list[float]]:
    """Queries and totals where an option is the cheapest."""
    low = max(option["cheapest_from"], queries[0])
    high = queries[-1] if option["cheapest_to"] is None else min(option["cheapest_to"], queries[-1])
    x = [low, *(q for q in queries if low < q < high), max(low, high)]
    return x, [option["train_flops"] + q * option["test_flops"] for q in x]


def _draw_dots(ax: Axes, dots: Sequence[Row], labels: Labels, colour: Mapping[str, str]) -> None:
    for life in dots:
        total, x, own = life["total_flops"], life["queries"], colour["whole"]
        if is_number(total["low"]) and is_number(total["high"]):
            ax.plot([x, x], [total["low"], total["high"]], color=own, linewidth=1.2, zorder=4)
        face = own if life["inside"] else colour["surface"]
        ax.plot([x], [total["value"]], "D", color=own, markersize=5.0, markerfacecolor=face, zorder=6)
        labels.avoid_point(x, total["value"], 4.0)


def _words(option: Row, grid: Grid) -> str:
    """``8 views, w8-e16``; a plain decision is the rung alone."""
    rung = grid.by_name.get(option["rung"])
    name = option["rung"] if rung is None else option["rung"].replace(rung["size"], grid.short(rung["size"]))
    kind = grid.kind_of.get(option["curve"], "")
    if option["k"] == 1 or kind not in grid.kinds:
        return clean(name, 30)
    if kind == "ensemble":
        return clean(f"{option['k']} × {name}", 34)
    return clean(f"{option['k']} {grid.kinds[kind].name}, {name}", 44)


def _of_laws(summary: Row, error: float) -> list[Row]:
    """What the first law with an answer says of this error, by number of queries."""
    for law in (one for one in summary["laws"] if one["kind"] != "coverage"):
        found = [
            life for life in law["lifetimes"]
            if is_number(life["wanted"]) and abs(life["wanted"] / error - 1) < _ALIKE
            and is_number(life["total_flops"]["value"])
        ]  # fmt: skip
        if found:
            return found
    return []


def _entries(of_laws: bool, colour: Mapping[str, str]) -> list[Entry]:
    entries: list[Entry] = [
        (Line2D([], [], color=colour["muted"], linewidth=3.0), "cheapest of what was measured"),
        (Line2D([], [], color=colour["muted"], linewidth=0.9), "the same, where another is cheaper"),
        (Line2D([], [], color=colour["ink"], linestyle="", marker="o", markersize=5.5), "break-even, queries"),
    ]
    if of_laws:
        own = colour["whole"]
        entries.append((Line2D([], [], color=own, linewidth=1.2, marker="D", markersize=5.0), "cheapest by the law"))
    return entries
