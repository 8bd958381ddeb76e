"""What each further GFLOP returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from ttscale.reporting.canvas import LogTicks, flops_axis, style
from ttscale.reporting.key import name_axes
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import draw_band, grid, name_lines
from ttscale.reporting.points import Point, finite_points, xy
from ttscale.reporting.series import Series
from ttscale.reporting.words import significant


def gain_per_flop(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """One panel a kind: accuracy points gained per extra GFLOP against FLOPs, one line a size, both axes logarithmic.

    A gain of zero or less has no place on a log axis; it is a mark on the lower edge.

    Returns:
        None when no curve has a positive gain.
    """
    series = Series(summary)
    panels = []
    for kind in series.kinds:
        lines = [(group, _gains(group.curves[kind])) for group in series.groups if kind in group.curves]
        if any(y > 0 for _, points in lines for _, y, _, _ in points):
            panels.append((kind, [(group, points) for group, points in lines if points]))
    if not panels:
        return None
    colour = roles(len(series.keys))
    every = [point for _, lines in panels for _, points in lines for point in points]
    values = [y for _, y, _, _ in every if y > 0]
    floor = min(values) / 2.5
    with style():
        figure, axes = grid(len(panels), narrow=narrow, tall=True)
        for ax, (kind, lines) in zip(axes, panels, strict=True):
            flops_axis(ax)
            ax.set_xlim(min(point[0] for point in every) / 1.6, max(point[0] for point in every) * 2.2)
            ax.set_yscale("log")
            ax.set_ylim(floor, max(values) * 2.0)
            ax.yaxis.set_major_locator(LogTicks())
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: significant(value, 1)))
            ax.set_title(f"more {series.kinds[kind].name}", color=colour["ink"])
            named = {}
            for group, points in lines:
                own = colour[group.role]
                shown = [(x, y, _above(low, floor), _above(high, floor)) for x, y, low, high in points if y > 0]
                draw_band(ax, shown, own, 0.13)
                alone = "o" if len(shown) == 1 else None  # one point makes no line
                dashes = series.kinds[kind].linestyle
                ax.plot(*xy(shown), color=own, linestyle=dashes, linewidth=1.8, marker=alone, markersize=6)
                nothing = [x for x, y, _, _ in points if y <= 0]
                ax.plot(nothing, [floor] * len(nothing), "x", color=own, markersize=5, clip_on=False, zorder=6)
                named[group.label] = (shown, own)
            name_lines(ax, named)
        mark = ", × where nothing was gained" if len(values) < len(every) else ""
        said = "points per extra GFLOP" if narrow else "accuracy points per extra GFLOP, log scale"
        name_axes(
            figure, f"{said}{mark}", "test-time FLOPs per item, log scale",
            colour=colour["muted"],
        )  # fmt: skip
    return figure


def _gains(curve: Mapping[str, Any]) -> list[Point]:
    gains = curve.get("gain_per_gflop") or []
    columns = {name: [gain.get(name) for gain in gains] for name in ("value", "low", "high")}
    return finite_points({"flops": curve["flops"][: len(gains)], **columns}, "flops", "value")


def _above(bound: float | None, floor: float) -> float | None:
    return None if bound is None else max(bound, floor)
