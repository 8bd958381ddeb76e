"""Accuracy against what one waits and pays for, whatever the FLOPs are: tokens, seconds, bytes of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttscale.reporting.canvas import flops_axis, percent_axis, style
from ttscale.reporting.key import coverage_entries, draw_key, key_height, kind_entries, name_axes
from ttscale.reporting.labels import Labels
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import draw_band, draw_coverage, name_lines, one_panel
from ttscale.reporting.points import Point, finite_points, xy
from ttscale.reporting.rivals import avoid_rivals, draw_rivals, in_range, name_rivals, rival_entries, rivals_of
from ttscale.reporting.series import Series


def accuracy_vs_tokens(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """Accuracy against the mean number of generated tokens per item, one line a model and kind, with its coverage.

    Returns:
        None when no curve knows its tokens, or all generate as many.
    """
    return _accuracy_against(summary, "tokens", "generated tokens per item, log scale", narrow)


def accuracy_vs_seconds(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """The same against the seconds of one decision, from a profile.

    Returns:
        None when no curve was timed, or all take as long.
    """
    return _accuracy_against(summary, "seconds", "seconds of one decision, log scale", narrow)


def accuracy_vs_bytes(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """The same against the bytes of all weights that vote; at the same bytes, the fewest and the most draws.

    Returns:
        None when no curve knows its bytes, or all weigh the same.
    """
    return _accuracy_against(summary, "weight_bytes", "bytes of weights, log scale", narrow, unit="B")


def _accuracy_against(summary: Mapping[str, Any], x: str, axis: str, narrow: bool, unit: str = "") -> Figure | None:
    series = Series(summary)
    lines = [
        (group, kind, _ends(finite_points(curve, x)))
        for group in series.groups
        for kind, curve in group.curves.items()
        if curve.get(x)
    ]
    lines, rivals = [line for line in lines if line[2]], rivals_of(series, x)
    costs = [point[0] for _, _, points in lines for point in points] + [rival.x for rival in rivals]
    if not lines or len(set(costs)) < 2:
        return None
    heights = [y for _, _, points in lines for point in points for y in point[1:] if y is not None]
    colour, rivals = roles(len(series.keys)), in_range(rivals, heights)
    with style():
        entries = kind_entries(series.kinds_in({kind} for _, kind, _ in lines), colour)
        entries += coverage_entries(colour, ceiling=series.has_ceiling) if series.has_coverage else []
        entries += rival_entries(rivals, colour)
        key = key_height(entries, narrow=narrow)
        figure, ax = one_panel(narrow=narrow, key=key, height=4.6)
        flops_axis(ax, unit)
        named: dict[str, tuple[list[Point], str]] = {}
        heights += [y for rival in rivals for y in (rival.y, rival.low, rival.high) if y is not None]
        longest = {group.key: kind for group, kind, _ in lines}
        for group, kind, points in lines:
            own = colour[group.role]
            if kind == longest[group.key]:
                _draw_bounds(ax, points, own)
            ax.plot(*xy(points), color=own, linestyle=series.kinds[kind].linestyle, linewidth=1.7)
            heights += [point[1] for point in draw_coverage(ax, group.curves[kind], x, own)]
            named.setdefault(group.label, (points, own))
        _fit_limits(ax, costs, heights, narrow)
        percent_axis(ax)
        draw_rivals(ax, rivals, colour)
        labels = Labels(ax)
        avoid_rivals(labels, rivals)
        for _, _, points in lines:
            labels.avoid_line(*xy(points))
        name_lines(ax, named, labels)
        name_rivals(labels, rivals, colour)
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "accuracy", axis, colour=colour["muted"], below=key)
    return figure


def _draw_bounds(ax: Axes, points: Sequence[Point], colour: str) -> None:
    """The band of a line; of one that goes straight up, a bar of its last point."""
    x, _, low, high = points[-1]
    if points[0][0] < x:
        draw_band(ax, points, colour, 0.11)
    elif low is not None and high is not None:
        ax.plot([x, x], [low, high], color=colour, alpha=0.13, linewidth=8.0, solid_capstyle="butt", zorder=1.5)


def _fit_limits(ax: Axes, x: Sequence[float], y: Sequence[float], narrow: bool) -> None:
    ax.set_xlim(min(x) / 1.15, max(x) * (1.9 if narrow else 1.35))
    margin = max(0.06 * (max(y) - min(y)), 0.002)
    ax.set_ylim(min(y) - margin, min(max(y) + margin, 1.0 + margin / 2))


def _ends(points: Sequence[Point]) -> list[Point]:
    """Of neighbours at the same x the first and the last."""
    runs = [list(run) for _, run in groupby(points, key=lambda point: point[0])]
    return [point for run in runs for point in (run[0], *run[1:][-1:])]
