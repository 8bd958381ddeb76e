"""Lines of equal error over training FLOPs and test FLOPs per item, beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import flops_axis, panel_grid, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.labels import Labels
from ttscale.reporting.tradeoffs.grid import Grid, Row, panel_title, spread
from ttscale.reporting.tradeoffs.scales import flops_y, log_range
from ttscale.reporting.words import is_number

_DASHES = (0.0, (3.2, 2.0))
_BESIDE = ((1.0, 0.0), (0.8, 0.8), (0.8, -0.8), (0.0, 1.2), (0.0, -1.2))
Dot = tuple[float, float, float]  # training FLOPs, test FLOPs, error


def contour_lines(summary: Row, *, narrow: bool = False) -> Figure | None:
    """One panel a law, one line an accuracy with its band; dots are measured, in the colour of the line they reach.

    Returns:
        None where no law has such lines.
    """
    laws = [law for law in summary["laws"] if any(line["train_flops"] for line in law["contours"])]
    if not laws:
        return None
    colour = Grid(summary).colours
    with style():
        entries = _entries(laws, colour)
        key = key_height(entries, narrow=narrow)
        columns = 1 if narrow or len(laws) == 1 else 2
        figure, axes = panel_grid(
            len(laws), columns, width=3.7 if narrow else 9.6, height=3.0 if narrow else 4.6 if len(laws) == 1 else 3.4,
            top=0.62 + key, bottom=0.55, left=0.52, right=0.12 if narrow else 0.3, gap_x=0.62, gap_y=0.6,
        )  # fmt: skip
        for ax, law in zip(axes, laws, strict=True):
            ax.set_title(panel_title(law), color=colour["ink"])
            _draw(ax, law, colour)
        draw_key(figure, entries, narrow=narrow)
        below = "training FLOPs, log scale"
        name_axes(figure, "test FLOPs per item, log scale", below, colour=colour["muted"], below=key)
    return figure


def _levels(law: Row) -> list[float]:
    """The errors, largest first."""
    return sorted({line["error"] for line in law["contours"]}, reverse=True)


def _own(levels: Sequence[float], colour: Mapping[str, str]) -> list[str]:
    """The colour of each level."""
    n_colours = sum(name[1:].isdigit() for name in colour)
    return [colour[role] for role in spread(len(levels), n_colours)]


def _draw(ax: Axes, law: Row, colour: Mapping[str, str]) -> None:
    levels, dots = _levels(law), _dots(law)
    own = dict(zip(levels, _own(levels, colour), strict=True))
    lines = [line for line in law["contours"] if line["train_flops"]]
    dashed = [(line, piece) for line in law["extrapolated"] for inside, piece in _runs(line) if not inside]
    x = [x for line in lines for x in line["train_flops"]] + [dot[0] for dot in dots]
    y = [y for line in lines for y in line["test_flops"]] + [dot[1] for dot in dots]
    flops_axis(ax)
    flops_y(ax)
    x += [value for _, (trained, _) in dashed for value in trained]
    y += [value for _, (_, tested) in dashed for value in tested]
    log_range(ax, min(x) / 1.6, max(x) * 3.0)
    ax.set_ylim(min(y) / 1.5, max(y) * 1.7)
    for train, test, error in dots:
        reached = [i for i, level in enumerate(levels) if error <= level]
        face = own[levels[reached[-1]]] if reached else colour["front"]
        ax.plot([train], [test], "o", color=face, markersize=3.6, markeredgewidth=0, alpha=0.75, zorder=2)
    labels = Labels(ax)
    for line in lines:
        labels.avoid_line(line["train_flops"], line["test_flops"])
    for line, piece in dashed:
        labels.avoid_line(*piece)
        ax.plot(*piece, color=own[line["error"]], linewidth=1.4, linestyle=_DASHES, zorder=3)
    for line in lines:
        _band(ax, line, own[line["error"]])
        for inside, some in _runs(line):
            ax.plot(*some, color=own[line["error"]], linewidth=2.0, linestyle="-" if inside else _DASHES, zorder=4)
    for line in lines:
        at = _end(line)
        labels.put(
            accuracy_words(line["error"]), line["train_flops"][at], line["test_flops"][at], fontsize=8.5, zorder=9,
            color=own[line["error"]], fontweight="bold", distance=5, places=_BESIDE, always=True,
        )  # fmt: skip


def _end(line: Row) -> int:
    """Where a line is named: its last point."""
    return len(line["train_flops"]) - 1


def _band(ax: Axes, line: Row, own: str) -> None:
    bounds = zip(line["train_flops"], line["low"], line["high"], strict=True)
    top = ax.get_ylim()[1]
    known = [(x, low, high if is_number(high) else top) for x, low, high in bounds if is_number(low)]
    if len(known) > 1:
        x, low, high = (list(column) for column in zip(*known, strict=True))
        ax.fill_between(x, low, high, color=own, alpha=0.13, linewidth=0, zorder=1.5)


def _runs(line: Row) -> list[tuple[bool, tuple[list[float], list[float]]]]:
    """Pieces of a line that lie inside or outside of what was measured; a piece between two that differ is outside."""
    points = list(zip(line["train_flops"], line["test_flops"], line["inside"], strict=True))
    if not points:
        return []
    if len(points) == 1:
        return [(points[0][2], ([points[0][0]], [points[0][1]]))]
    steps = [(a[2] and b[2], a, b) for a, b in pairwise(points)]
    out = []
    for inside, some in groupby(steps, key=lambda step: bool(step[0])):
        these = list(some)
        corners = [these[0][1], *(step[2] for step in these)]
        out.append((inside, ([c[0] for c in corners], [c[1] for c in corners])))
    return out


def _dots(law: Row) -> list[Dot]:
    points = law["points"]
    rows = zip(points["train_flops"], points["test_flops"], points["error"], strict=True)
    return [row for row in rows if all(is_number(value) and value > 0 for value in row[:2])]


def accuracy_words(error: float) -> str:
    """The accuracy of an error: ``91.5%``."""
    return f"{100 * (1 - error):.4g}%"


def _entries(laws: Sequence[Row], colour: Mapping[str, str]) -> list[Entry]:
    muted = colour["muted"]
    whole = [at for law in laws for line in (*law["contours"], *law["extrapolated"]) for at in line["inside"]]
    entries: list[Entry] = [(Line2D([], [], color=muted, linewidth=2.0), "equal accuracy, by the law")]
    if not all(whole):
        entries.append((Line2D([], [], color=muted, linewidth=2.0, linestyle=_DASHES), "outside of what was measured"))
    dot = Line2D([], [], color=muted, linestyle="", marker="o", markersize=4.2, markeredgewidth=0)
    low = Line2D([], [], color=colour["front"], linestyle="", marker="o", markersize=4.2, markeredgewidth=0)
    return [*entries, (dot, "measured, colour of the line reached"), (low, "measured, below all lines")]
