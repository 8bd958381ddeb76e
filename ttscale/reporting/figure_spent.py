"""Accuracy against generated tokens and against seconds: what one waits and pays for, whatever the FLOPs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting.canvas import flops_axis, percent_axis, style
from ttscale.reporting.key import coverage_entries, draw_key, key_height, kind_entries, name_axes
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import draw_band, draw_coverage, name_lines, one_panel
from ttscale.reporting.points import Point, finite_points, xy
from ttscale.reporting.series import Series


def accuracy_vs_tokens(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """Accuracy against the mean number of generated tokens per item, one line a model and kind, with its coverage.

    Returns:
        None when fewer than two points of a drawn curve know their tokens.
    """
    return _accuracy_against(summary, "tokens", "generated tokens per item, log scale", narrow)


def accuracy_vs_seconds(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """The same against the seconds of one decision, from a profile.

    Returns:
        None when fewer than two points of a drawn curve were timed.
    """
    return _accuracy_against(summary, "seconds", "seconds of one decision, log scale", narrow)


def _accuracy_against(summary: Mapping[str, Any], x: str, axis: str, narrow: bool) -> Figure | None:
    series = Series(summary)
    lines = [
        (group, kind, finite_points(curve, x))
        for group in series.groups
        for kind, curve in group.curves.items()
        if curve.get(x)
    ]
    lines = [line for line in lines if line[2]]
    if sum(len(points) for _, _, points in lines) < 2:
        return None
    colour = roles(len(series.keys))
    with style():
        entries = kind_entries(series.kinds_in({kind} for _, kind, _ in lines), colour)
        entries += coverage_entries(colour) if series.has_coverage else []
        key = key_height(entries, narrow=narrow)
        figure, ax = one_panel(narrow=narrow, key=key, height=4.6)
        flops_axis(ax)
        named: dict[str, tuple[list[Point], str]] = {}
        heights: list[float] = []
        longest = {group.key: kind for group, kind, _ in lines}
        for group, kind, points in lines:
            own = colour[group.role]
            if kind == longest[group.key]:
                draw_band(ax, points, own, 0.11)
            ax.plot(*xy(points), color=own, linestyle=series.kinds[kind].linestyle, linewidth=1.7)
            heights += [y for point in points for y in point[1:] if y is not None]
            heights += [point[1] for point in draw_coverage(ax, group.curves[kind], x, own)]
            named.setdefault(group.label, (points, own))
        every = [point[0] for _, _, points in lines for point in points]
        ax.set_xlim(min(every) / 1.15, max(every) * (1.9 if narrow else 1.35))
        margin = max(0.06 * (max(heights) - min(heights)), 0.002)
        ax.set_ylim(min(heights) - margin, min(max(heights) + margin, 1.0 + margin / 2))
        percent_axis(ax)
        name_lines(ax, named)
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "accuracy", axis, colour=colour["muted"], below=key)
    return figure
