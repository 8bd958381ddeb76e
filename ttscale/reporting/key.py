"""The key above a figure: what line styles and marks mean. Sizes are named where they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import DASHES
from ttscale.reporting.series import KINDS

Entry = tuple[Line2D, str]
_ROW = 0.17  # inches


def kind_entries(kinds: Iterable[str], colour: Mapping[str, str]) -> list[Entry]:
    """The line style of each kind that is drawn."""
    shown = set(kinds)
    return [
        (Line2D([], [], color=colour["muted"], linestyle=DASHES[kind], linewidth=1.7), f"more {name}")
        for kind, name in KINDS.items()
        if kind in shown
    ]


def key_height(n_entries: int, *, narrow: bool) -> float:
    """Inches that the key takes above the name of the y axis: none on a wide figure, where they share a row."""
    return _ROW * -(-n_entries // 2) + 0.06 if narrow and n_entries else 0.0


def draw_key(figure: Figure, entries: Sequence[Entry], *, narrow: bool) -> None:
    """One row at the top right; two columns on a narrow figure."""
    if entries:
        figure.legend(
            [handle for handle, _ in entries], [name for _, name in entries], loc="upper right",
            ncols=2 if narrow else len(entries), frameon=False, fontsize=8.0 if narrow else 8.5,
            handlelength=2.1 if narrow else 2.6, handletextpad=0.6, columnspacing=1.0 if narrow else 1.6,
            borderaxespad=0.0, borderpad=0.0, bbox_to_anchor=(0.99, 1 - 0.05 / figure.get_figheight()),
        )  # fmt: skip


def name_axes(figure: Figure, y: str, x: str, *, colour: str, below: float = 0.0) -> None:
    """The y axis named at the top left, ``below`` so many inches of key, and the x axis at the bottom right."""
    width, height = figure.get_size_inches()
    figure.text(0.1 / width, 1 - (0.06 + below) / height, y, fontsize=8.5, color=colour, va="top")
    figure.text(1 - 0.12 / width, 0.08 / height, x, fontsize=8.5, color=colour, ha="right", va="bottom")
