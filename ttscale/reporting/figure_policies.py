"""What was learned about the draws, against the same draws in the order in which they were collected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting.canvas import style
from ttscale.reporting.key import draw_key, key_height, kind_entries, name_axes
from ttscale.reporting.kinds import LEARNED
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import MAX_PANELS, draw_band, grid, scale_sizes
from ttscale.reporting.points import Point, finite_points, xy
from ttscale.reporting.series import Group, Series
from ttscale.reporting.words import is_number


def policies(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """One panel a size and set of draws: accuracy against compute in the collected order, and under what was learned.

    The band is the interval of the collected order; the lines are of the same items, so that paired differences are
    much better known than it says.

    Returns:
        None when nothing was learned that has a second budget.
    """
    series = Series(summary)
    panels = [
        (group, {kind: _points(curve, group) for kind, curve in group.curves.items()})
        for group in learned_groups(series)
    ]
    panels = [(group, lines) for group, lines in panels if any(len(points) > 1 for points in lines.values())]
    panels = panels[:MAX_PANELS]
    if not panels:
        return None
    colour, kinds = roles(len(series.keys)), {**series.kinds, **LEARNED}
    with style():
        shown = {kind for _, lines in panels for kind in lines}
        entries = kind_entries([kind for name, kind in kinds.items() if name in shown], colour)
        key = key_height(entries, narrow=narrow)
        figure, axes = grid(len(panels), narrow=narrow, key=key)
        scale_sizes(axes, [(group, [line for line in lines.values() if line]) for group, lines in panels], colour)
        for ax, (group, lines) in zip(axes, panels, strict=True):
            own = colour[group.role]
            draw_band(ax, next(iter(lines.values())), own, 0.13)
            for kind, points in lines.items():
                ax.plot(*xy(points), color=own, linestyle=kinds[kind].linestyle, linewidth=1.6)
        draw_key(figure, entries, narrow=narrow)
        name_axes(
            figure, "accuracy, one scale for all sizes" if len(panels) > 1 else "accuracy",
            "compute, in multiples of one plain decision", colour=colour["muted"], below=key,
        )  # fmt: skip
    return figure


def _points(curve: Mapping[str, Any], group: Group) -> list[Point]:
    """A curve against compute in units of the collected order's plain decision, whatever draw its own begins with."""
    plain = next(iter(group.curves.values()))["flops"][0]
    x = [cost / plain if is_number(cost) and is_number(plain) and plain > 0 else None for cost in curve["flops"]]
    return finite_points({**curve, "x": x}, "x")


def learned_groups(series: Series) -> list[Group]:
    """Each collected curve that something was learned about, with what was; sizes, cheapest first."""
    found: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {}
    for entry in series.summary.get("policies") or []:
        curve, base = (series.curves.get(str(entry.get(key))) for key in ("curve", "against"))
        if curve and base and curve["kind"] in LEARNED and base["kind"] in series.kinds:
            panels = found.setdefault(series.key_of(base), {})
            panels.setdefault(base["id"], {base["kind"]: base}).setdefault(curve["kind"], curve)
    return [_group(series, key, curves) for key in series.ordered(found) for curves in found[key].values()]


def _group(series: Series, key: str, curves: Mapping[str, Mapping[str, Any]]) -> Group:
    """A panel's curves, the collected one first."""
    collected, *_ = curves
    ordered = {kind: curves[kind] for kind in (collected, *LEARNED) if kind in curves}
    label = f"{series.short(key)}, {series.kinds[collected].name}".replace("all members, members", "all members")
    return Group(key, label, series.role(key), ordered)
