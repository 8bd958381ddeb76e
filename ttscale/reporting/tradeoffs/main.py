"""The main figure: the training ladder and the test-time curves that grow from it, on one pair of axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import flops_axis, style
from ttscale.reporting.key import Entry, draw_key, key_height, kind_entries, name_axes
from ttscale.reporting.labels import Labels
from ttscale.reporting.panels import draw_band, one_panel
from ttscale.reporting.points import Point
from ttscale.reporting.rivals import Rival, avoid_rivals, draw_rivals, in_range, name_rivals
from ttscale.reporting.tradeoffs.grid import MARKS, Grid, Row, interval_points
from ttscale.reporting.tradeoffs.scales import accuracy_axis, log_range
from ttscale.reporting.words import clean, is_number

Line = tuple[str, str, list[Point]]  # colour role, kind, points


def ladder_and_curves(summary: Row, *, narrow: bool = False) -> Figure | None:
    """Accuracy against test FLOPs per item.

    Circles joined by a bold line are the sizes under the best training budget, each with its test-time curves; thin
    lines are the sizes under other budgets, plainly used.

    Returns:
        None when fewer than two points have both an accuracy and a cost.
    """
    grid = Grid(summary)
    ladders = {budget: interval_points(rungs, "flops") for budget, rungs in grid.budgets.items()}
    lines = [
        (grid.role(rung["size"]), kind, points)
        for rung in grid.best for kind, points in grid.curves_of(rung["name"])
    ]  # fmt: skip
    heights = [y for points in (*ladders.values(), *(p for _, _, p in lines)) for p in points for y in p[1:] if y]
    costs = [p[0] for points in (*ladders.values(), *(p for _, _, p in lines)) for p in points]
    if len(set(costs)) < 2:
        return None
    colour, rivals = grid.colours, in_range(grid.rivals("flops"), heights)
    with style():
        entries = _entries(grid, {kind for _, kind, _ in lines}, rivals, len(ladders) > 1, colour)
        key = key_height(entries, narrow=narrow)
        figure, ax = one_panel(narrow=narrow, key=key, height=6.2)
        flops_axis(ax)
        log_range(ax, min(costs) / 1.6, max(costs) * 1.9)
        name = accuracy_axis(ax, [*heights, *(rival.y for rival in rivals)])
        _draw_front(ax, summary, colour)
        for budget, points in ladders.items():
            _draw_ladder(ax, points, colour, bold=budget == next(iter(ladders)))
        _draw_curves(ax, lines, grid, colour)
        _draw_rungs(ax, grid, colour)
        draw_rivals(ax, rivals, colour)
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, name, "test FLOPs per item, log scale", colour=colour["muted"], below=key)
        _write_labels(ax, grid, ladders, lines, rivals, colour)
    return figure


def _draw_front(ax: Axes, summary: Row, colour: Mapping[str, str]) -> None:
    front = sorted((p["flops"], p["accuracy"]) for p in summary["front"] if is_number(p["flops"]))
    if len(front) > 1:
        x, y = zip(*front, strict=True)
        ax.plot(
            [*x, ax.get_xlim()[1]], [*y, y[-1]], drawstyle="steps-post", color=colour["front"], linewidth=6.0,
            solid_joinstyle="round", zorder=1,
        )  # fmt: skip


def _draw_ladder(ax: Axes, points: Sequence[Point], colour: Mapping[str, str], *, bold: bool) -> None:
    look: dict[str, Any] = (
        {"color": colour["ink"], "linewidth": 2.2, "zorder": 4} if bold
        else {"color": colour["muted"], "linewidth": 0.9, "marker": ".", "markersize": 3.5, "zorder": 2}
    )  # fmt: skip
    ax.plot([p[0] for p in points], [p[1] for p in points], **look)


def _draw_curves(ax: Axes, lines: Sequence[Line], grid: Grid, colour: Mapping[str, str]) -> None:
    """The longest curve of a size with its band."""
    longest: dict[str, list[Point]] = {}
    for role, kind, points in lines:
        ax.plot(
            [p[0] for p in points], [p[1] for p in points], color=colour[role], linewidth=1.7,
            linestyle=grid.kinds[kind].linestyle, zorder=3,
        )  # fmt: skip
        if role not in longest or points[-1][0] > longest[role][-1][0]:
            longest[role] = points
    for role, points in longest.items():
        draw_band(ax, points, colour[role], 0.10)


def _draw_rungs(ax: Axes, grid: Grid, colour: Mapping[str, str]) -> None:
    for rung in grid.best:
        at = rung["accuracy"]
        if is_number(at["low"]) and is_number(at["high"]):
            ax.plot([rung["flops"]] * 2, [at["low"], at["high"]], color=colour["ink"], linewidth=1.1, zorder=4)
        ax.plot(
            [rung["flops"]], [at["value"]], "o", markersize=8.5, markerfacecolor=colour[grid.role(rung["size"])],
            markeredgecolor=colour["ink"], markeredgewidth=1.5, zorder=5,
        )  # fmt: skip


def _entries(
    grid: Grid, kinds: set[str], rivals: Sequence[Rival], several: bool, colour: Mapping[str, str]
) -> list[Entry]:  # fmt: skip
    ink, muted = colour["ink"], colour["muted"]
    rung = Line2D([], [], color=ink, linewidth=2.2, marker="o", markersize=6.5, markerfacecolor=muted)
    best = clean(grid.best[0]["budget"], 24)
    entries: list[Entry] = [
        (rung, f"sizes, trained on {best}" if several and best else f"sizes, {grid.summary['plain']}")
    ]
    if several:
        thin = Line2D([], [], color=muted, linewidth=0.9, marker=".", markersize=4)
        entries.append((thin, "sizes under other training budgets"))
    entries += kind_entries([kind for name, kind in grid.kinds.items() if name in kinds], colour)
    entries += rival_marks(rivals, colour)
    if len(grid.summary["front"]) > 1:
        entries.append((Line2D([], [], color=colour["front"], linewidth=6.0, solid_capstyle="butt"), "Pareto front"))
    return entries


def rival_marks(rivals: Sequence[Rival], colour: Mapping[str, str]) -> list[Entry]:
    look: dict[str, Any] = {
        "markersize": 6.5,
        "markerfacecolor": colour["surface"],
        "markeredgewidth": 1.5,
        "color": colour["muted"],
    }
    marks = [mark for mark in MARKS if any(rival.mark == mark for rival in rivals)]
    return [(Line2D([], [], linestyle="", marker=mark, **look), MARKS[mark]) for mark in marks]


def _write_labels(
    ax: Axes, grid: Grid, ladders: Mapping[str, Sequence[Point]], lines: Sequence[Line], rivals: Sequence[Rival],
    colour: Mapping[str, str],
) -> None:  # fmt: skip
    labels = Labels(ax)
    avoid_rivals(labels, rivals)
    for points in (*ladders.values(), *(points for _, _, points in lines)):
        labels.avoid_line([p[0] for p in points], [p[1] for p in points])
    for rung in grid.best:
        labels.avoid_point(rung["flops"], rung["accuracy"]["value"], 6.0)
    for rung in grid.best:
        labels.put(
            grid.short(rung["size"]), rung["flops"], rung["accuracy"]["value"], color=colour[grid.role(rung["size"])],
            fontweight="bold", distance=9, zorder=9, always=True,
        )  # fmt: skip
    for budget, points in list(ladders.items())[1:]:
        if points:
            labels.put(
                clean(budget, 16), points[-1][0], points[-1][1], color=colour["muted"], fontsize=8.5, distance=6,
                places=((1.0, 0.0), (0.8, -0.8), (0.8, 0.8), (0.0, -1.2)), zorder=9,
            )  # fmt: skip
    name_rivals(labels, rivals, colour)
