"""The training ladder by itself: accuracy of one plain decision against training FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import flops_axis, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.labels import Labels
from ttscale.reporting.panels import one_panel
from ttscale.reporting.rivals import Rival, avoid_rivals, draw_rivals, in_range, name_rivals
from ttscale.reporting.tradeoffs.grid import Grid, Row
from ttscale.reporting.tradeoffs.main import rival_marks
from ttscale.reporting.tradeoffs.scales import accuracy_axis, log_range
from ttscale.reporting.words import is_number

_ALIKE = 0.01  # relative: amounts of data that differ by less are one
_DASHES = (0.0, (4.2, 2.0))
_AXES: dict[str, tuple[str, Any, bool]] = {
    "unique": ("more different items", "-", True), "epochs": ("more epochs", _DASHES, False),
    "tokens": ("more training tokens", "-", True), "": ("more training", "-", True),
}  # fmt: skip


def training_ladder(summary: Row, *, narrow: bool = False) -> Figure | None:
    """One line a size and axis of data: filled with more different items, open with more epochs; seeds as thin ticks.

    Returns:
        None when fewer than two rungs tell their training FLOPs.
    """
    grid = Grid(summary)
    rungs = [r for r in grid.ladder if is_number(r["train_flops"]) and r["train_flops"] > 0]
    if len({rung["train_flops"] for rung in rungs}) < 2:
        return None
    lines = [(size, *line) for size in grid.sizes for line in _lines(summary, [r for r in rungs if r["size"] == size])]
    heights = [y for r in rungs for y in (*r["accuracy"].values(), *r["of_seeds"]) if is_number(y)]
    colour, rivals = grid.colours, in_range(grid.rivals("train_flops"), heights)
    with style():
        entries = _entries({axis for _, axis, _ in lines}, colour) + rival_marks(rivals, colour)
        key = key_height(entries, narrow=narrow)
        figure, ax = one_panel(narrow=narrow, key=key, height=5.4)
        flops_axis(ax)
        costs = [r["train_flops"] for r in rungs] + [rival.x for rival in rivals]
        log_range(ax, min(costs) / 1.8, max(costs) * 2.6)
        name = accuracy_axis(ax, [*heights, *(rival.y for rival in rivals)])
        if all(len(some) == 1 for _, _, some in lines):
            some = sorted(rungs, key=lambda r: r["train_flops"])
            x, y = [r["train_flops"] for r in some], [r["accuracy"]["value"] for r in some]
            ax.plot(x, y, color=colour["ink"], linewidth=1.6, zorder=2)
        for size, axis, some in lines:
            _, dashes, _ = _AXES[axis]
            x, y = [r["train_flops"] for r in some], [r["accuracy"]["value"] for r in some]
            ax.plot(x, y, color=colour[grid.role(size)], linewidth=1.6, linestyle=dashes, zorder=3)
        open_ones = {r["name"] for _, axis, some in lines if not _AXES[axis][2] for r in some}
        filled = {r["name"] for _, axis, some in lines if _AXES[axis][2] for r in some}
        for rung in rungs:
            _dot(ax, rung, colour[grid.role(rung["size"])], colour, rung["name"] in open_ones - filled)
        draw_rivals(ax, rivals, colour)
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, name, "training FLOPs of one model, log scale", colour=colour["muted"], below=key)
        _write_labels(ax, grid, rungs, lines, rivals, colour)
    return figure


def _lines(summary: Row, rungs: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rungs of one size along each axis of data, which holds the other fixed; of text along its tokens."""
    axes = ("tokens",) if summary["run"]["outcome"] == "text" else ("unique", "epochs")
    found = []
    for axis in axes:
        along, fixed = ("epochs", "unique") if axis == "epochs" else ("unique", "epochs")
        for some in _alike(rungs, fixed):
            if len(some) > 1 and all(is_number(r[along]) for r in some) and some[0][along] < some[-1][along]:
                found.append((axis, sorted(some, key=lambda r: r[along])))
    lone = [r for r in rungs if all(r not in some for _, some in found)]
    return [*found, *(("", [rung]) for rung in lone)]


def _alike(rungs: Sequence[Row], fixed: str) -> list[list[Row]]:
    """Groups of rungs that have about as much of what is held fixed."""
    out: list[list[Row]] = []
    other = "unique" if fixed == "epochs" else "epochs"
    known = [r for r in rungs if is_number(r[fixed]) and is_number(r[other])]
    for rung in sorted(known, key=lambda r: (r[fixed], r[other])):
        if out and rung[fixed] <= out[-1][0][fixed] * (1 + _ALIKE):
            out[-1].append(rung)
        else:
            out.append([rung])
    return [sorted(some, key=lambda r: float(r[other])) for some in out]


def _dot(ax: Axes, rung: Row, own: str, colour: Mapping[str, str], hollow: bool) -> None:
    x, at = rung["train_flops"], rung["accuracy"]
    for seed in rung["of_seeds"]:
        ax.plot([x], [seed], "_", color=own, markersize=9, markeredgewidth=0.8, alpha=0.8, zorder=2)
    if is_number(at["low"]) and is_number(at["high"]):
        ax.plot([x, x], [at["low"], at["high"]], color=own, linewidth=1.0, zorder=3)
    ax.plot(
        [x], [at["value"]], "o", color=own, markersize=6.6, markerfacecolor=colour["surface"] if hollow else own,
        markeredgewidth=1.5, zorder=5,
    )  # fmt: skip


def _entries(axes: set[str], colour: Mapping[str, str]) -> list[Entry]:
    muted = colour["muted"]
    entries: list[Entry] = []
    for axis, (name, dashes, filled) in _AXES.items():
        if axis in axes and axis:
            face = muted if filled else colour["surface"]
            look: dict[str, Any] = {
                "marker": "o",
                "markersize": 6.0,
                "markerfacecolor": face,
                "markeredgewidth": 1.4,
                "linestyle": dashes,
            }
            entries.append((Line2D([], [], color=muted, linewidth=1.6, **look), name))
    seed = Line2D([], [], color=muted, linestyle="", marker="_", markersize=9, markeredgewidth=0.8)
    return [*entries, (seed, "one seed")]


def _write_labels(
    ax: Axes, grid: Grid, rungs: Sequence[Row], lines: Sequence[tuple[str, str, list[Row]]], rivals: Sequence[Rival],
    colour: Mapping[str, str],
) -> None:  # fmt: skip
    labels = Labels(ax)
    avoid_rivals(labels, rivals)
    for _, _, some in lines:
        labels.avoid_line([r["train_flops"] for r in some], [r["accuracy"]["value"] for r in some])
    for rung in rungs:
        labels.avoid_point(rung["train_flops"], rung["accuracy"]["value"], 4.5)
    for size in reversed(grid.sizes):
        own = [r for r in rungs if r["size"] == size]
        if own:
            last = max(own, key=lambda r: r["train_flops"])
            labels.put(
                grid.short(size), last["train_flops"], last["accuracy"]["value"], color=colour[grid.role(size)],
                fontweight="bold", distance=8, zorder=9, always=True, places=((1.0, 0.0), (0.8, 0.8), (0.8, -0.8)),
            )  # fmt: skip
    name_rivals(labels, rivals, colour)
