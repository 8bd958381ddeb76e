"""Labels beside their points, without covering each other: the first free place around the point, or none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from ttscale.reporting.canvas import halo

# (x, y) offsets in units of the distance, with the alignment that follows from them, best first.
_PLACES = (
    (0.8, -0.8), (0.8, 0.8), (0.0, -1.2), (0.0, 1.2), (1.2, 0.0), (-0.8, 0.8), (-0.8, -0.8), (-1.2, 0.0),
)  # fmt: skip
_BLOCKED = 1000.0  # cost of touching another label or leaving the axes; covering a point of a line costs 1
_PER_PLACE, _PER_REACH = 0.4, 6.0  # cost of each step down the list of places, and of each longer distance


@dataclass
class Labels:
    """Places labels on one axes, whose limits are final; what they must stay clear of is given first.

    Attributes:
        taken: boxes in pixels that no label may touch.
        lines: points in pixels that labels should not cover.
    """

    ax: Axes
    taken: list[Bbox] = field(default_factory=list)
    lines: list[tuple[float, float]] = field(default_factory=list)

    def avoid_line(self, x: Sequence[float], y: Sequence[float], step: float = 4.0) -> None:
        """Keep clear of a line through these points (data coordinates), sampled every ``step`` pixels."""
        corners = [self._pixels(a, b) for a, b in zip(x, y, strict=True)]
        for (x0, y0), (x1, y1) in pairwise(corners):
            n = min(2000, max(1, int(math.hypot(x1 - x0, y1 - y0) / step)))
            self.lines.extend((x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n) for i in range(n + 1))
        if len(corners) == 1:
            self.lines.extend(corners)

    def avoid_point(self, x: float, y: float, radius: float) -> None:
        """Keep clear of a marker of this radius in points."""
        px, py = self._pixels(x, y)
        r = radius * self._pixels_per_point
        self.taken.append(Bbox([[px - r, py - r], [px + r, py + r]]))

    def put(
        self,
        text: str,
        x: float,
        y: float,
        *,
        distance: float = 8.0,
        always: bool = False,
        places: Iterable[tuple[float, float]] = _PLACES,
        reach: Sequence[float] = (1.0, 1.8, 2.8),
        crossings: float = _BLOCKED - 1.0,
        **style: Any,
    ) -> bool:
        """Write ``text`` near a point of data coordinates; False when it was left out for want of room.

        Args:
            distance: from the point to the text, in points.
            always: rather cross lines or another label than leave it out.
            places: directions to try, best first.
            reach: multiples of the distance to try.
            crossings: leave it out rather than cover so many points of lines.
        """
        label = self.ax.annotate(text, (x, y), (0, 0), textcoords="offset points", ha="left", va="bottom", **style)
        size, anchor = label.get_window_extent().size, self._pixels(x, y)
        options = []
        for far, factor in enumerate(reach):
            for rank, (dx, dy) in enumerate(places):
                offset = (dx * distance * factor, dy * distance * factor)
                box = self._box(anchor, offset, (dx, dy), size)
                options.append((self._cost(box) + _PER_PLACE * rank + _PER_REACH * far, offset, (dx, dy), box))
        cost, offset, (dx, dy), box = min(options, key=lambda option: option[0])
        if cost > crossings and not always:
            label.remove()
            return False
        label.set_position(offset)
        label.set_horizontalalignment(("right", "center", "left")[_side(dx) + 1])
        label.set_verticalalignment(("top", "center", "bottom")[_side(dy) + 1])
        halo(label)
        self.taken.append(box.padded(1.5))
        return True

    def _box(
        self, anchor: tuple[float, float], offset: tuple[float, float], way: tuple[float, float], size: Sequence[float]
    ) -> Bbox:
        """Where a text of this size in pixels comes to lie."""
        x, y = (a + o * self._pixels_per_point for a, o in zip(anchor, offset, strict=True))
        left, bottom = (p - (0.5 - 0.5 * _side(w)) * s for p, w, s in zip((x, y), way, size, strict=True))
        return Bbox.from_bounds(left, bottom, size[0], size[1])

    def _cost(self, box: Bbox) -> float:
        frame = self.ax.bbox
        outside = box.x0 < frame.x0 or box.x1 > frame.x1 + 2 or box.y0 < frame.y0 or box.y1 > frame.y1 + 2
        overlaps = sum(box.overlaps(other) for other in self.taken)
        x0, x1, y0, y1 = box.x0 - 1, box.x1 + 1, box.y0 - 1, box.y1 + 1
        covered = sum(x0 <= px <= x1 and y0 <= py <= y1 for px, py in self.lines)
        return _BLOCKED * (overlaps + outside) + covered

    def _pixels(self, x: float, y: float) -> tuple[float, float]:
        px, py = self.ax.transData.transform((x, y))
        return float(px), float(py)

    @property
    def _pixels_per_point(self) -> float:
        return float(self.ax.figure.dpi) / 72.0


def _side(way: float) -> int:
    """-1, 0 or 1: before, on or after the point."""
    return (way > 0.2) - (way < -0.2)
