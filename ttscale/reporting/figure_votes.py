"""Every vote over the same samples, with what no vote can exceed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import style
from ttscale.reporting.key import Entry, coverage_entries, draw_key, key_height, name_axes
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import MAX_PANELS, draw_band, draw_coverage, grid, scale_sizes
from ttscale.reporting.points import coverage_points, finite_points, xy
from ttscale.reporting.series import Series, vote_words

_DASHES: tuple[Any, ...] = (
    None, (4.2, 2.0), (0.9, 1.7), (7.0, 1.6), (4.2, 1.5, 0.9, 1.5), (7.0, 1.5, 0.9, 1.5), (2.2, 1.2),
    (4.2, 1.2, 0.9, 1.2, 0.9, 1.2),
)  # fmt: skip


def votes(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """One panel a model: accuracy against samples, one line a vote, with the coverage and the first vote's ceiling.

    Returns:
        None when no model has several votes over the same samples.
    """
    series = Series(summary)
    panels = [(group, series.votes_of(group)) for group in series.groups]
    panels = [(group, curves) for group, curves in panels if len(curves) > 1][:MAX_PANELS]
    if not panels:
        return None
    names = list(dict.fromkeys(str(curve["vote"]) for _, curves in panels for curve in curves))
    dashes = {vote: (0.0, _DASHES[i % len(_DASHES)]) for i, vote in enumerate(names)}
    colour = roles(len(series.keys))
    points_of = [
        (group, [*(finite_points(curve, "budgets") for curve in curves), coverage_points(curves[0], "budgets")])
        for group, curves in panels
    ]
    with style():
        entries: list[Entry] = [
            (Line2D([], [], color=colour["muted"], linestyle=dashes[vote], linewidth=1.7), vote_words(vote))
            for vote in names
        ]
        entries += coverage_entries(colour, ceiling=series.has_ceiling) if series.has_coverage else []
        key = key_height(entries, narrow=narrow)
        figure, axes = grid(len(panels), narrow=narrow, tall=True, key=key)
        scale_sizes(axes, [(group, [line for line in lines if line]) for group, lines in points_of], colour)
        for ax, (group, curves) in zip(axes, panels, strict=True):
            own = colour[group.role]
            draw_band(ax, finite_points(curves[0], "budgets"), own, 0.13)
            for curve in curves:
                ax.plot(*xy(finite_points(curve, "budgets")), color=own, linestyle=dashes[curve["vote"]], linewidth=1.7)
            draw_coverage(ax, curves[0], "budgets", own)
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "accuracy", "samples k", colour=colour["muted"], below=key)
    return figure
