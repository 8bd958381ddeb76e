"""The key above a figure: what line styles and marks mean. Sizes are named where they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.kinds import COVERAGE, Kind

Entry = tuple[Line2D, str]
_ROW = 0.17  # inches


def kind_entries(kinds: Iterable[Kind], colour: Mapping[str, str]) -> list[Entry]:
    """The line style of each kind."""
    return [
        (Line2D([], [], color=colour["muted"], linestyle=kind.linestyle, linewidth=1.7), f"more {kind.name}")
        for kind in kinds
    ]


def coverage_entries(colour: Mapping[str, str], *, ceiling: bool) -> list[Entry]:
    """What stands beside the votes of language models."""
    dots = Line2D([], [], color=colour["muted"], linestyle=COVERAGE.linestyle, linewidth=1.9)
    tick = Line2D([], [], color=colour["muted"], linestyle="", marker="_", markersize=11, markeredgewidth=2.0)
    return [(dots, "coverage"), *([(tick, "ceiling of the vote")] if ceiling else [])]


def key_height(entries: Sequence[Entry], *, narrow: bool) -> float:
    """Inches that the key takes above the name of the y axis, which shares its last row on a wide figure."""
    rows = -(-len(entries) // _columns(entries, narrow=narrow)) if entries else 0
    return _ROW * rows + 0.06 if narrow and rows else _ROW * max(rows - 1, 0)


def draw_key(figure: Figure, entries: Sequence[Entry], *, narrow: bool) -> None:
    """At the top right."""
    if entries:
        figure.legend(
            [handle for handle, _ in entries], [name for _, name in entries], loc="upper right",
            ncols=_columns(entries, narrow=narrow), frameon=False, fontsize=8.0 if narrow else 8.5,
            handlelength=2.1 if narrow else 2.6, handletextpad=0.6, columnspacing=1.0 if narrow else 1.6,
            borderaxespad=0.0, borderpad=0.0, bbox_to_anchor=(0.99, 1 - 0.05 / figure.get_figheight()),
        )  # fmt: skip


def _columns(entries: Sequence[Entry], *, narrow: bool) -> int:
    """As many as their names leave room for beside the name of the y axis, in rows of about equal length."""
    letter, handle, room = (0.062, 0.38, 3.5) if narrow else (0.066, 0.58, 8.4)
    widest = handle + letter * max(len(name) for _, name in entries)
    most = max(1, min(len(entries), 2 if narrow else 5, int(room / widest)))
    return -(-len(entries) // -(-len(entries) // most))


def name_axes(figure: Figure, y: str, x: str, *, colour: str, below: float = 0.0) -> None:
    """The y axis named at the top left, ``below`` so many inches of key, and the x axis at the bottom right."""
    width, height = figure.get_size_inches()
    figure.text(0.1 / width, 1 - (0.06 + below) / height, y, fontsize=8.5, color=colour, va="top")
    figure.text(1 - 0.12 / width, 0.08 / height, x, fontsize=8.5, color=colour, ha="right", va="bottom")
