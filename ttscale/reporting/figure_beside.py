"""All parts of a report in one figure: each part's costliest model, in panels beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting.canvas import multiplier_axis, percent_axis, style
from ttscale.reporting.key import name_axes
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import draw_band, draw_coverage, grid, name_lines
from ttscale.reporting.parts import heading
from ttscale.reporting.points import Point, finite_points, xy
from ttscale.reporting.series import WHOLE, Group, Series
from ttscale.reporting.words import clean


def beside(parts: Mapping[str, Mapping[str, Any]], *, narrow: bool = False) -> Figure | None:
    """One panel a part: accuracy against compute over one plain decision of its costliest model, one line a kind.

    Every panel has its own scales.

    Returns:
        None when fewer than two parts have a curve with a second budget.
    """
    shown = [(name, series, found) for name, one in parts.items() if (found := _costliest(series := Series(one)))]
    if len(shown) < 2:
        return None
    colour = roles(len(parts))
    with style():
        figure, axes = grid(len(shown), narrow=narrow, tall=True)
        for number, (ax, (name, series, (group, lines))) in enumerate(zip(axes, shown, strict=True)):
            own, heights, named = colour[f"s{number}"], [], {}
            for kind, points in lines.items():
                draw_band(ax, points, own, 0.13)
                ax.plot(*xy(points), color=own, linestyle=series.kinds[kind].linestyle, linewidth=1.8)
                covered = draw_coverage(ax, group.curves[kind], "multiplier", own)
                heights += [y for point in points for y in point[1:] if y is not None] + [p[1] for p in covered]
                named[series.kinds[kind].name] = (points, own)
                if covered:
                    named.setdefault("coverage", (covered, own))
            multiplier_axis(ax, 1.15 * max(x for points in lines.values() for x, _, _, _ in points))
            margin = 0.08 * max(max(heights) - min(heights), 0.01)
            ax.set_ylim(min(heights) - margin, min(max(heights) + margin, 1.0 + margin / 2))
            percent_axis(ax, ticks=5)
            ax.set_title(f"{heading(name)}: {clean(group.key, 28)}", color=own)
            name_lines(ax, named)
        name_axes(
            figure, "accuracy", "compute, in multiples of one plain decision",
            colour=colour["muted"],
        )  # fmt: skip
    return figure


def _costliest(series: Series) -> tuple[Group, dict[str, list[Point]]] | None:
    """The costliest model that has a curve with a second budget, and its lines."""
    for group in reversed([group for group in series.groups if group.key != WHOLE]):
        lines = {kind: finite_points(curve, "multiplier") for kind, curve in group.curves.items()}
        lines = {kind: points for kind, points in lines.items() if points}
        if any(len(points) > 1 for points in lines.values()):
            return group, lines
    return None
