"""Cells that the joint laws did not see: predicted error against measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ttscale.reporting.canvas import panel_grid, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.tradeoffs.grid import Grid, Row, panel_title, spread
from ttscale.reporting.words import is_number

_MARKS = {"n": ("a whole size", "o"), "d": ("a whole amount of data", "s"), "n·d": ("a training budget", "^"),
          "k": ("a budget of draws", "D")}  # fmt: skip
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
_EVEN = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LARGE = 0.5  # errors from which on logarithms tell little


def predicted_and_measured(summary: Row, *, narrow: bool = False) -> Figure | None:
    """One panel a law, one mark a point of a cell that was left out; filled at the ends of the grid.

    Returns:
        None where no cell tells its points.
    """
    laws = [(law, points) for law in summary["laws"] if (points := _points(law))]
    if not laws:
        return None
    colour = _colours(Grid(summary))
    with style():
        entries = _entries({name for _, points in laws for name, *_ in points}, colour)
        key = key_height(entries, narrow=narrow)
        columns = 1 if narrow or len(laws) == 1 else 2
        figure, axes = panel_grid(
            len(laws), columns, width=3.7 if narrow else 9.6, height=3.0 if narrow else 3.3, top=0.62 + key,
            bottom=0.55, left=0.52, right=0.12, gap_x=0.55, gap_y=0.6,
        )  # fmt: skip
        for ax, (law, points) in zip(axes, laws, strict=True):
            ax.set_title(panel_title(law), color=colour["ink"])
            _draw(ax, points, colour)
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "predicted error", "measured error", colour=colour["muted"], below=key)
    return figure


def _colours(grid: Grid) -> dict[str, str]:
    """The page's colours by role, and of each kind of cell."""
    kinds = zip(_MARKS, spread(len(_MARKS), grid.n_colours), strict=True)
    return grid.colours | {name: grid.colours[role] for name, role in kinds}


def _points(law: Row) -> list[tuple[str, float, float, bool]]:
    """Axis of the cell, measured and predicted error, and whether the cell lies at an end."""
    out = []
    for cell in (law["surface"] or {}).get("held_out") or []:
        name = cell["cell"].partition(" = ")[0]
        for at, off in zip(cell.get("at") or [], cell.get("off") or [], strict=True):
            measured = law["points"]["error"][at]
            if is_number(measured) and is_number(off) and measured > 0 and measured + off > 0:
                out.append((name, measured, measured + off, cell["beyond"]))
    return out


def _draw(ax: Axes, points: Sequence[tuple[str, float, float, bool]], colour: Mapping[str, str]) -> None:
    values = [value for _, x, y, _ in points for value in (x, y)]
    low, high = min(values) / 1.15, max(values) * 1.15
    scale = "log" if high < _LARGE else "linear"
    if scale == "linear":
        low, high = 0.0, 1.02
    ax.set(xscale=scale, yscale=scale, xlim=(low, high), ylim=(low, high))
    ticks = _TICKS if scale == "log" else _EVEN
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    ax.plot([low, high], [low, high], color=colour["muted"], linewidth=1.0, zorder=1)
    for name, (_, mark) in _MARKS.items():
        for beyond in (False, True):
            some = [(x, y) for of, x, y, end in points if of == name and end == beyond]
            if some:
                own = colour[name]
                ax.plot(
                    [x for x, _ in some], [y for _, y in some], mark, color=own, markersize=4.0, linestyle="",
                    markerfacecolor=own if beyond else "none", markeredgewidth=1.0, alpha=0.8, zorder=2 + beyond,
                )  # fmt: skip


def _entries(names: set[str], colour: Mapping[str, str]) -> list[Entry]:
    return [
        (Line2D([], [], color=colour[name], linestyle="", marker=mark, markersize=4.6), f"left out: {words}")
        for name, (words, mark) in _MARKS.items()
        if name in names
    ]
