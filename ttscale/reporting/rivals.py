"""What costs nothing more at test time: number formats and weight soups, as named points beside the sizes.

They are no rungs of the ladder: a rung is more training of its own, a rival is the same training put to other use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ttscale.reporting.key import Entry
from ttscale.reporting.labels import Labels
from ttscale.reporting.series import Series
from ttscale.reporting.words import clean, is_number, percent

_FORMAT, _SOUP, _BELOW = "D", "p", "v"
_NAMES = {_FORMAT: "number format or pruning", _SOUP: "weight soup", _BELOW: "far below, at its accuracy"}
_SYMBOLS = {_FORMAT: "diamond", _SOUP: "pentagon", _BELOW: "triangle-down"}


@dataclass(frozen=True)
class Rival:
    """A rival at one plain decision.

    Attributes:
        label: what was done to the weights.
        role: the colour of the size that it was made from.
        x, y, low, high: its cost on the axis asked for, its accuracy and the bounds of that, or None.
    """

    label: str
    role: str
    mark: str
    x: float
    y: float
    low: float | None
    high: float | None

    @property
    def symbol(self) -> str:
        """The mark of plotly.js."""
        return _SYMBOLS[self.mark]


def rivals_of(series: Series, x: str) -> list[Rival]:
    """Those whose cost ``x`` (``flops``, ``weight_bytes``, ``seconds``) and accuracy are known."""
    found = []
    for row in series.rivals:
        if is_number(row.get(x)) and row[x] > 0 and is_number(row.get("accuracy")):
            what = clean(row.get("what") or row["size"], 24)
            bounded = is_number(row.get("low")) and is_number(row.get("high"))
            low, high = (row["low"], row["high"]) if bounded else (None, None)
            role = series.role(str(row["of"])) if row.get("of") in series.keys else "muted"
            mark = _SOUP if "soup" in what else _FORMAT
            found.append(Rival(what, role, mark, row[x], row["accuracy"], low, high))
    return found


def in_range(rivals: Iterable[Rival], heights: Collection[float]) -> list[Rival]:
    """The rivals with those far below everything else put on its lower edge, marked and named so.

    A soup of members that were trained from different beginnings is often no better than chance; on one scale with it
    nothing else could be told apart.

    Args:
        heights: all other values of the y axis.
    """
    low, high = min(heights), max(heights)
    floor = low - max(high - low, 0.02)
    return [
        rival
        if rival.y >= floor
        else replace(rival, label=f"{rival.label}: {percent(rival.y)}", mark=_BELOW, y=low, low=None, high=None)
        for rival in rivals
    ]


def draw_rivals(ax: Axes, rivals: Iterable[Rival], colour: Mapping[str, str]) -> None:
    for rival in rivals:
        own = colour[rival.role]
        if rival.low is not None and rival.high is not None:
            ax.plot([rival.x] * 2, [rival.low, rival.high], color=own, linewidth=1.1, alpha=0.7, zorder=5)
        ax.plot([rival.x], [rival.y], color=own, **_look(rival.mark, colour), zorder=6)


def avoid_rivals(labels: Labels, rivals: Iterable[Rival]) -> None:
    """Keep other labels off their points."""
    for rival in rivals:
        labels.avoid_point(rival.x, rival.y, 4.5)


def name_rivals(labels: Labels, rivals: Iterable[Rival], colour: Mapping[str, str]) -> None:
    """Their names beside their points, as far as there is room."""
    for rival in rivals:
        labels.put(rival.label, rival.x, rival.y, color=colour[rival.role], fontsize=8.5, distance=7.0, zorder=9)


def rival_entries(rivals: Iterable[Rival], colour: Mapping[str, str]) -> list[Entry]:
    """The marks that occur."""
    marks = dict.fromkeys(rival.mark for rival in rivals)
    return [(Line2D([], [], linestyle="", color=colour["muted"], **_look(m, colour)), _NAMES[m]) for m in marks]


def _look(mark: str, colour: Mapping[str, str]) -> dict[str, Any]:
    size = 6.0 if mark == _FORMAT else 8.0
    return {"marker": mark, "markersize": size, "markerfacecolor": colour["surface"], "markeredgewidth": 1.5}
