"""Gains as dots with intervals: one row a group of items or a shift, one panel a size, one mark a kind.

A dot is filled where its interval excludes zero, so that what these items cannot tell apart from nothing looks empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ttscale.reporting.canvas import panel_grid, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.kinds import Kind
from ttscale.reporting.words import clean, is_number

_SLOT, _GAP = 0.13, 0.13  # inches of a dot in its row, and between the dots of two rows; of a narrow figure less
_NARROW = 0.8
_LEFT, _LEFT_NARROW, _MARGIN = 2.4, 1.5, 0.16  # most inches left of the panels, and those of them without names
_TWO_LINES = 0.28  # inches of a row that has room for two
_LETTER = 0.068  # inches of a letter of a row's name


@dataclass(frozen=True)
class Dot:
    """A gain of one kind in one row; fractions."""

    row: str
    kind: str
    value: float
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        """Whether its interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Panel:
    """The dots of one size."""

    title: str
    colour: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Row:
    """A group of items, or (``head``) the name of the groups below it."""

    key: str
    label: str
    head: bool = False


def gain_dots(rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> tuple[Dot, ...]:
    """The interval ``gain`` of summary rows by (row of the figure, kind) as dots, those without a number left out."""
    found = []
    for (key, kind), row in rows.items():
        gain = row.get("gain") or {}
        if is_number(gain.get("value")):
            bounded = is_number(gain.get("low")) and is_number(gain.get("high"))
            low, high = (gain["low"], gain["high"]) if bounded else (None, None)
            found.append(Dot(key, kind, gain["value"], low, high))
    return tuple(found)


def dot_plot(
    panels: Sequence[Panel], rows: Sequence[Row], kinds: Mapping[str, Kind], *, colour: Mapping[str, str], narrow: bool
) -> Figure:
    """Panels beside each other on one x axis in accuracy points; rows from top to bottom in the order given.

    Args:
        kinds: those that occur, in the order in which their dots stand in a row.
        colour: of every role.
    """
    places = _places(rows, len(kinds), _NARROW if narrow else 1.0)
    bottom = max(end for _, end in places.values())
    edges = [bound for panel in panels for dot in panel.dots for bound in (dot.value, dot.low, dot.high)]
    low, high = (extreme([0.0, *(edge for edge in edges if edge is not None)]) for extreme in (min, max))
    margin = 0.06 * max(high - low, 1e-3)
    with style():
        entries = _entries(kinds.values(), colour)
        key = key_height(entries, narrow=narrow)
        rows = _fitting(rows, places, narrow=narrow)
        figure, axes, columns = _grid(len(panels), rows, bottom, narrow=narrow, key=key)
        for number, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
            ax.set(xlim=(low - margin, high + margin), ylim=(bottom, 0.0))
            ax.axvline(0.0, color=colour["muted"], linewidth=1.0, zorder=1)
            _draw_dots(ax, panel, places, kinds, colour["surface"])
            _name_rows(ax, rows, places, colour, named=number % columns == 0)
            ax.set_title(panel.title, color=panel.colour)
            ax.xaxis.set_major_locator(MaxNLocator(3 if columns > 3 or narrow else 5, steps=[1, 2, 5, 10]))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _points(value)))
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "", "accuracy points gained", colour=colour["muted"], below=key)
    return figure


def _places(rows: Sequence[Row], n_kinds: int, scale: float) -> dict[str, tuple[float, float]]:
    """Top and bottom of each row, in inches from the top of a panel."""
    places, at = {}, 0.0
    for row in rows:
        end = at + scale * (_GAP + _SLOT * (1 if row.head else n_kinds))
        places[row.key], at = (at, end), end
    return places


def _draw_dots(
    ax: Axes, panel: Panel, places: Mapping[str, tuple[float, float]], kinds: Mapping[str, Kind], surface: str
) -> None:
    slot = {kind: (_GAP / 2 + _SLOT * (i + 0.5)) / (_GAP + _SLOT * len(kinds)) for i, kind in enumerate(kinds)}
    for dot in panel.dots:
        top, end = places[dot.row]
        y = top + slot[dot.kind] * (end - top)
        if dot.low is not None and dot.high is not None:
            ax.plot([dot.low, dot.high], [y, y], color=panel.colour, linewidth=1.3, alpha=0.6, zorder=2)
        ax.plot(
            [dot.value], [y], kinds[dot.kind].mark, color=panel.colour, markersize=4.6, markeredgewidth=1.1,
            markerfacecolor=panel.colour if dot.clear else surface, zorder=3,
        )  # fmt: skip


def _name_rows(
    ax: Axes, rows: Sequence[Row], places: Mapping[str, tuple[float, float]], colour: Mapping[str, str], *, named: bool
) -> None:
    """Shade every other row, and name the rows of the first panel of a line of panels."""
    ax.set_yticks([])
    for number, row in enumerate(rows):
        top, end = places[row.key]
        if not row.head and number % 2:
            ax.axhspan(top, end, color=colour["grid"], alpha=0.5, linewidth=0, zorder=0)
        if named:
            weight, ink = ("bold", colour["ink"]) if row.head else ("normal", colour["muted"])
            ax.annotate(
                row.label, (0.0, (top + end) / 2), (-6.0, 0.0), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", va="center", fontsize=8.5, fontweight=weight, color=ink,
                annotation_clip=False,
            )  # fmt: skip


def _fitting(rows: Sequence[Row], places: Mapping[str, tuple[float, float]], *, narrow: bool) -> list[Row]:
    """The rows with names as short as there is room for, in two lines where a row is high enough."""
    letters = int(((_LEFT_NARROW if narrow else _LEFT) - _MARGIN) / _LETTER)
    fitting = []
    for row in rows:
        top, end = places[row.key]
        lines = wrap(clean(row.label), letters, max_lines=2, placeholder="…") if end - top > _TWO_LINES else []
        fitting.append(replace(row, label="\n".join(lines) or clean(row.label, letters)))
    return fitting


def _grid(n: int, rows: Sequence[Row], height: float, *, narrow: bool, key: float) -> tuple[Figure, list[Axes], int]:
    """``n`` panels of so many inches of height, room for the names of rows left of each line, and panels in a line."""
    columns = min(n, 2 if narrow else 5)
    figure, axes = panel_grid(
        n, columns, width=3.7 if narrow else 9.6, height=height, top=0.48 + key, bottom=0.55, right=0.2, gap_x=0.26,
        left=_MARGIN + _LETTER * max(len(line) for row in rows for line in row.label.split("\n")), gap_y=0.62,
    )  # fmt: skip
    return figure, axes, columns


def _entries(kinds: Iterable[Kind], colour: Mapping[str, str]) -> list[Entry]:
    """The mark of each kind, and what an empty one means."""
    look: dict[str, Any] = {"linestyle": "", "markersize": 4.8, "markeredgewidth": 1.1, "color": colour["muted"]}
    entries = [(Line2D([], [], marker=kind.mark, **look), f"more {kind.name}") for kind in kinds]
    empty = Line2D([], [], marker="o", markerfacecolor=colour["surface"], **look)
    return [*entries, (empty, "empty: no clear difference")]


def _points(share: float) -> str:
    """A tick: a fraction as signed percentage points."""
    return f"{100 * share:+g}".replace("-", "−") if share else "0"
