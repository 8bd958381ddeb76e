"""New against old: one row a comparison, the difference as a dot with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ttscale.reporting.canvas import new_figure, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.palette import roles
from ttscale.reporting.words import clean, is_number

MOST_GROUPS = 30  # of one figure; the tables hold the rest
_ROW = 0.24  # inches
_LETTER = 0.066  # inches of a letter of a row's name
_LETTERS, _LETTERS_NARROW = 34, 21
_HEADS = {"headline": "", "budgets": "equal draws", "costs": "equal cost", "groups": "groups of items"}
_LOOK = {"worse": ("whole", True), "better": ("s0", True)}  # role of the colour, filled


def run_differences(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure:
    """Differences of accuracy, new minus old, in percentage points; of many groups those that differ most.

    Args:
        summary: as ``scaling.comparison.words.run_summary`` gives it.
    """
    colour = roles(1)
    lines = list(_lines(summary["rows"], _LETTERS_NARROW if narrow else _LETTERS))
    bounds = [0.0, -(summary.get("margin") or 0.0)]
    bounds += [value for _, row in lines if row for value in _ends(row) if is_number(value)]
    space = 0.06 * max(max(bounds) - min(bounds), 1e-3)
    with style():
        entries = _entries({row["verdict"] for _, row in lines if row}, colour, margin=bool(summary.get("margin")))
        key = key_height(entries, narrow=narrow)
        figure, ax = _panel(len(lines), max(len(label) for label, _ in lines), narrow=narrow, key=key)
        ax.set(xlim=(min(bounds) - space, max(bounds) + space), ylim=(len(lines) - 0.5, -0.5))
        ax.set_yticks([])
        ax.axvline(0.0, color=colour["muted"], linewidth=1.0, zorder=1)
        if summary.get("margin"):
            ax.axvline(-summary["margin"], color=colour["whole"], linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
        for place, (label, row) in enumerate(lines):
            _name(ax, place, label, colour, head=row is None)
            if row is not None:
                _dot(ax, place, row, colour)
        ax.xaxis.set_major_locator(MaxNLocator(4 if narrow else 8, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _points(value)))
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "", "accuracy of new minus old, points", colour=colour["muted"], below=key)
    return figure


def _lines(rows: Sequence[Mapping[str, Any]], letters: int) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """What stands in each line: the name of a kind of comparison, or a comparison with its name."""
    for about, head in _HEADS.items():
        some = [row for row in rows if row["about"] == about and is_number(row["difference"]["value"])]
        if about == "groups":
            most = sorted(some, key=lambda row: -abs(row["difference"]["value"]))[:MOST_GROUPS]
            some = sorted(most, key=lambda row: row["difference"]["value"])
        if some and head:
            yield head, None
        yield from ((clean(_short(row), letters), row) for row in some)


def _short(row: Mapping[str, Any]) -> str:
    """What a row compares, without what stands in the line above it."""
    return str(row["what"]).split(": ")[-1] if row["about"] == "costs" else str(row["what"])


def _panel(n: int, letters: int, *, narrow: bool, key: float) -> tuple[Figure, Axes]:
    width, left, right = 3.7 if narrow else 9.6, 0.25 + _LETTER * letters, 0.2
    top, bottom = 0.3 + key, 0.52
    height = top + _ROW * n + bottom
    figure = new_figure(width, height)
    frame = (left / width, bottom / height, 1 - (left + right) / width, _ROW * n / height)
    return figure, figure.add_axes(frame)


def _name(ax: Axes, place: int, label: str, colour: Mapping[str, str], *, head: bool) -> None:
    if not head and place % 2:
        ax.axhspan(place - 0.5, place + 0.5, color=colour["grid"], alpha=0.5, linewidth=0, zorder=0)
    ax.annotate(
        label, (0.0, place), (-6.0, 0.0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
        va="center", fontsize=8.5, fontweight="bold" if head or place == 0 else "normal",
        color=colour["ink" if head or place == 0 else "muted"], annotation_clip=False,
    )  # fmt: skip


def _dot(ax: Axes, place: int, row: Mapping[str, Any], colour: Mapping[str, str]) -> None:
    role, filled = _LOOK.get(row["verdict"], ("muted", False))
    value, low, high = _ends(row)
    if is_number(low) and is_number(high):
        ax.plot([low, high], [place, place], color=colour[role], linewidth=1.4, alpha=0.7, zorder=2)
    size = 6.5 if place == 0 else 5.0
    ax.plot(
        [value], [place], "o", color=colour[role], markersize=size, markeredgewidth=1.2,
        markerfacecolor=colour[role] if filled else colour["surface"], zorder=3,
    )  # fmt: skip


def _ends(row: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    difference = row["difference"]
    return difference["value"], difference["low"], difference["high"]


def _entries(verdicts: set[str], colour: Mapping[str, str], *, margin: bool) -> list[Entry]:
    entries: list[Entry] = []
    for verdict in ("worse", "better", "no clear difference", "not tested"):
        if verdict in verdicts and not (verdict == "not tested" and "no clear difference" in verdicts):
            role, filled = _LOOK.get(verdict, ("muted", False))
            face = colour[role] if filled else colour["surface"]
            line = Line2D([], [], marker="o", linestyle="", markersize=5, color=colour[role], markerfacecolor=face)
            both = verdict == "no clear difference" and "not tested" in verdicts
            entries.append((line, f"{verdict}, or not tested" if both else verdict))
    if margin:
        entries.append((Line2D([], [], color=colour["whole"], linestyle=(0, (4, 2)), linewidth=1.0), "margin"))
    return entries


def _points(share: float) -> str:
    """A tick: a fraction as signed percentage points."""
    return f"{100 * share:+.6g}".replace("-", "−") if abs(share) > 1e-12 else "0"
