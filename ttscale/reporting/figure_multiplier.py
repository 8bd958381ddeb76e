"""Accuracy against the compute multiplier, or the number of draws: what more of them bought, size by size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting.canvas import style
from ttscale.reporting.key import coverage_entries, draw_key, key_height, kind_entries, name_axes
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import MAX_PANELS, draw_band, draw_coverage, grid, scale_sizes
from ttscale.reporting.points import coverage_points, finite_points, xy
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number


def accuracy_vs_multiplier(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """One panel a size: accuracy against compute over one plain decision, one line a kind.

    Returns:
        None when no curve has a second budget of known cost.
    """
    return _panels_of(Series(summary), "multiplier", "compute, in multiples of one plain decision", narrow=narrow)


def accuracy_vs_draws(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """The same against the number of draws, where neither FLOPs nor tokens are known.

    Returns:
        None when a cost is known, or no curve has a second budget.
    """
    series = Series(summary)
    costs = [[*curve["multiplier"], *(curve.get("tokens") or [])] for curve in series.curves.values()]
    if any(is_number(value) for cost in costs for value in cost):
        return None
    return _panels_of(series, "budgets", "draws k", narrow=narrow)


def _panels_of(series: Series, x: str, axis: str, *, narrow: bool) -> Figure | None:
    panels = []
    for group in series.groups:
        lines = {kind: finite_points(curve, x) for kind, curve in group.curves.items()}
        lines = {kind: points for kind, points in lines.items() if points}
        if any(len(points) > 1 for points in lines.values()):
            panels.append((group, lines))
    panels = panels[:MAX_PANELS]
    if not panels:
        return None
    colour = roles(len(series.keys))
    heights = [
        (group, [*lines.values(), *filter(None, (coverage_points(group.curves[k], x) for k in lines))])
        for group, lines in panels
    ]
    with style():
        entries = kind_entries(series.kinds_in(lines for _, lines in panels), colour)
        entries += coverage_entries(colour, ceiling=series.has_ceiling) if series.has_coverage else []
        key = key_height(entries, narrow=narrow)
        figure, axes = grid(len(panels), narrow=narrow, key=key)
        scale_sizes(axes, heights, colour)
        for ax, (group, lines) in zip(axes, panels, strict=True):
            for kind, points in lines.items():
                draw_band(ax, points, colour[group.role], 0.13)
                ax.plot(*xy(points), color=colour[group.role], linestyle=series.kinds[kind].linestyle, linewidth=1.8)
                draw_coverage(ax, group.curves[kind], x, colour[group.role])
        draw_key(figure, entries, narrow=narrow)
        name_axes(
            figure, "accuracy, one scale for all sizes" if len(panels) > 1 else "accuracy",
            axis, colour=colour["muted"], below=key,
        )  # fmt: skip
    return figure
