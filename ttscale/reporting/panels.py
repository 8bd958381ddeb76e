"""Small multiples: the grid of panels, their scales, bands, and names at the ends of lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttscale.reporting.canvas import multiplier_axis, new_figure, panel_grid, percent_axis
from ttscale.reporting.kinds import COVERAGE
from ttscale.reporting.labels import Labels
from ttscale.reporting.points import Point, coverage_points, finite_points, xy
from ttscale.reporting.series import WHOLE, Group
from ttscale.reporting.words import is_number

MAX_PANELS = 12
_BESIDE = ((1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (-0.8, 1.0), (-0.8, -1.0))


def one_panel(*, narrow: bool, key: float = 0.0, height: float = 6.0) -> tuple[Figure, Axes]:
    """A figure of one panel.

    Args:
        key: inches to keep free at the top for a key.
        height: of a wide figure without a key.
    """
    width, height = (3.7, max(4.9, height - 1.5)) if narrow else (9.6, height)
    height += key
    figure = new_figure(width, height)
    left, bottom, right, top = (0.48, 0.49, 0.04, 0.35 + key) if narrow else (0.56, 0.53, 0.11, 0.55 + key)
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure, figure.add_axes(box)


def grid(n: int, *, narrow: bool, tall: bool = False, key: float = 0.0) -> tuple[Figure, list[Axes]]:
    """A figure of ``n`` panels, in one column when narrow.

    Args:
        tall: panels that are higher than wide.
        key: inches to keep free at the top for a key.
    """
    width, height = (3.7, 2.6 if tall else 2.2) if narrow else (9.6, 3.4 if tall else 2.55)
    return panel_grid(
        n, 1 if narrow else 2 if n == 4 else min(n, 3), width=width, height=height, top=0.6 + key, bottom=0.55,
        left=0.52, right=0.12, gap_x=0.55, gap_y=0.6,
    )  # fmt: skip


def scale_sizes(
    axes: Sequence[Axes],
    panels: Sequence[tuple[Group, list[list[Point]]]],
    colour: Mapping[str, str],
    *,
    room: float = 1.16,
    reach: float = 1.0,
) -> None:
    """Titles and axes of panels of sizes: one scale for all sizes; the panel of all members together has its own.

    Args:
        room: height of a panel over the range of its points.
        reach: width of a panel over the largest x.
    """
    ranges = [_range(lines) for _, lines in panels]
    tops = [reach * max(point[0] for points in lines for point in points) for _, lines in panels]
    sizes = [i for i, (group, _) in enumerate(panels) if group.key != WHOLE]
    for i, (ax, (group, _), (low, high)) in enumerate(zip(axes, panels, ranges, strict=True)):
        alike = sizes if i in sizes else [i]
        span = max(ranges[j][1] - ranges[j][0] for j in alike) * room
        middle = min((low + high) / 2, 1.0 + 0.02 * span - span / 2)  # no room above 100%
        multiplier_axis(ax, max(tops[j] for j in alike))
        ax.set_ylim(middle - span / 2, middle + span / 2)
        percent_axis(ax, ticks=5)
        ax.set_title(group.label, color=colour[group.role])


def draw_band(ax: Axes, points: Sequence[Point], colour: str, alpha: float) -> None:
    """The intervals of a line, where it has them."""
    bounded = [(x, low, high) for x, _, low, high in points if low is not None and high is not None]
    if len(bounded) > 1:
        x, low, high = (list(column) for column in zip(*bounded, strict=True))
        ax.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0, zorder=1.5)


def draw_coverage(ax: Axes, curve: Mapping[str, Any], x: str, colour: str) -> list[Point]:
    """A curve's coverage and, as a flat tick at its last point, its vote's ceiling; returns the points drawn."""
    points, vote = coverage_points(curve, x), finite_points(curve, x)
    if points:
        ax.plot(*xy(points), color=colour, linestyle=COVERAGE.linestyle, linewidth=1.9, zorder=2.5)
    ceiling = (curve.get("ceiling") or {}).get("value")
    if points and vote and is_number(ceiling):
        ax.plot([vote[-1][0]], [ceiling], "_", color=colour, markersize=13, markeredgewidth=2.0, zorder=3.5)
    return points


def name_lines(ax: Axes, lines: Mapping[str, tuple[Sequence[Point], str]], labels: Labels | None = None) -> None:
    """Name each line (points and colour) where it ends or begins, the longest first, or not at all for want of room.

    Args:
        labels: those of the axes so far; none by default.
    """
    labels, lines = labels or Labels(ax), {name: line for name, line in lines.items() if line[0]}
    for points, _ in lines.values():
        labels.avoid_line(*xy(points))
    for name, (points, colour) in sorted(lines.items(), key=lambda line: -line[1][0][-1][0]):
        look: dict[str, Any] = {"color": colour, "fontsize": 8.5, "distance": 6.0, "zorder": 9, "places": _BESIDE}
        near: dict[str, Any] = {**look, "reach": (1.0,), "crossings": 8.0}
        (x0, y0, _, _), (x1, y1, _, _) = points[0], points[-1]
        if not labels.put(name, x1, y1, **near) and not labels.put(name, x0, y0, **near):
            labels.put(name, x1, y1, **look)


def _range(lines: Sequence[Sequence[Point]]) -> tuple[float, float]:
    values = [value for points in lines for point in points for value in point[1:] if value is not None]
    return min(values), max(max(values), min(values) + 1e-4)
