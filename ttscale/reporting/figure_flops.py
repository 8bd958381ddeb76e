"""The main figure: what a FLOP buys at training time and at test time, on one pair of axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttscale.reporting.canvas import flops_axis, percent_axis, style
from ttscale.reporting.key import Entry, coverage_entries, draw_key, key_height, kind_entries, name_axes
from ttscale.reporting.kinds import Kind
from ttscale.reporting.labels import Labels
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import draw_band, draw_coverage, one_panel
from ttscale.reporting.points import Point, finite_points
from ttscale.reporting.rivals import Rival, avoid_rivals, draw_rivals, in_range, name_rivals, rival_entries, rivals_of
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number


def accuracy_vs_flops(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """Accuracy against test-time FLOPs per item: ladder at one decision, a curve per size and kind, Pareto front, plan.

    Args:
        narrow: for a phone: the same content on half the width.

    Returns:
        None when fewer than two points have both an accuracy and a cost.
    """
    series = Series(summary)
    rungs = [r for r in series.ladder if is_number(r.get("flops")) and is_number(r.get("accuracy")) and r["flops"] > 0]
    lines = [
        (group, kind, finite_points(group.curves[kind], "flops")) for group in series.groups for kind in group.curves
    ]
    lines = [line for line in lines if line[2]]
    if len({(r["flops"], r["accuracy"]) for r in rungs} | {point[:2] for line in lines for point in line[2]}) < 2:
        return None
    heights = [r["accuracy"] for r in rungs] + [
        y for _, _, points in lines for p in points for y in p[1:] if y is not None
    ]
    colour, rivals = roles(len(series.keys)), in_range(rivals_of(series, "flops"), heights)
    with style():
        entries = _entries(series, series.kinds_in({kind} for _, kind, _ in lines), rungs, colour)
        entries += rival_entries(rivals, colour)
        key = key_height(entries, narrow=narrow)
        figure, ax = one_panel(narrow=narrow, key=key)
        flops_axis(ax)
        longest = {group.key: kind for group, kind, _ in lines}
        covered: list[Point] = []
        for group, kind, points in lines:
            if kind == longest[group.key]:
                draw_band(ax, points, colour[group.role], 0.11)
            x, y, _, _ = zip(*points, strict=True)
            ax.plot(x, y, color=colour[group.role], linestyle=series.kinds[kind].linestyle, linewidth=1.7, zorder=3)
            covered += draw_coverage(ax, group.curves[kind], "flops", colour[group.role])
        _fit_limits(ax, rungs, lines, covered, rivals)
        _draw_front(ax, summary, colour)
        _draw_ladder(ax, series, rungs, colour)
        draw_rivals(ax, rivals, colour)
        _draw_plan(ax, summary, colour)
        percent_axis(ax)
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "accuracy", "test-time FLOPs per item, log scale", colour=colour["muted"], below=key)
        _write_labels(ax, series, rungs, lines, rivals, colour)
    return figure


def _fit_limits(
    ax: Axes,
    rungs: Sequence[Mapping[str, Any]],
    lines: Sequence[tuple[Any, str, list[Point]]],
    covered: Sequence[Point],
    rivals: Sequence[Rival],
) -> None:
    x = [r["flops"] for r in rungs] + [p[0] for _, _, points in lines for p in points] + [r.x for r in rivals]
    y = [r["accuracy"] for r in rungs] + [p[1] for _, _, points in lines for p in points] + [r.y for r in rivals]
    y += [point[1] for point in covered]
    y += [bound for _, _, points in lines for p in points for bound in p[2:] if bound is not None]
    ax.set_xlim(min(x) / 1.5, max(x) * 1.9)
    margin = max(0.06 * (max(y) - min(y)), 0.002)
    ax.set_ylim(min(y) - margin, min(max(y) + margin, 1.0 + margin / 2))


def _draw_front(ax: Axes, summary: Mapping[str, Any], colour: Mapping[str, str]) -> None:
    front = _front(summary)
    if len(front) > 1:
        edge = ax.get_xlim()[1]
        x, y = [p["flops"] for p in front], [p["accuracy"] for p in front]
        ax.plot(
            [*x, edge],
            [*y, y[-1]],
            drawstyle="steps-post",
            color=colour["front"],
            linewidth=5.5,
            zorder=1,
            solid_joinstyle="round",
        )


def _draw_ladder(ax: Axes, series: Series, rungs: Sequence[Mapping[str, Any]], colour: Mapping[str, str]) -> None:
    ax.plot([r["flops"] for r in rungs], [r["accuracy"] for r in rungs], color=colour["ink"], linewidth=2.0, zorder=4)
    for rung in rungs:
        if is_number(rung.get("low")) and is_number(rung.get("high")):
            ax.plot([rung["flops"]] * 2, [rung["low"], rung["high"]], color=colour["ink"], linewidth=1.1, zorder=4)
        ax.plot(
            [rung["flops"]],
            [rung["accuracy"]],
            "o",
            markersize=8.5,
            markerfacecolor=colour[series.role(str(rung["size"]))],
            markeredgecolor=colour["ink"],
            markeredgewidth=1.5,
            zorder=5,
        )


def _draw_plan(ax: Axes, summary: Mapping[str, Any], colour: Mapping[str, str]) -> None:
    plan = _plan_point(summary)
    if plan:
        ax.plot(
            *([value] for value in plan),
            "*",
            markersize=15,
            markerfacecolor=colour["ink"],
            markeredgecolor=colour["surface"],
            markeredgewidth=1.0,
            zorder=6,
        )


def _entries(
    series: Series, kinds: Iterable[Kind], rungs: Sequence[Mapping[str, Any]], colour: Mapping[str, str]
) -> list[Entry]:
    """Line styles, front and ladder, as far as they are drawn."""
    entries = [
        *kind_entries(kinds, colour),
        *(coverage_entries(colour, ceiling=series.has_ceiling) if series.has_coverage else []),
    ]
    if len(_front(series.summary)) > 1:
        entries.append((Line2D([], [], color=colour["front"], linewidth=5.5, solid_capstyle="butt"), "Pareto front"))
    if len(rungs) > 1:
        ink, muted = colour["ink"], colour["muted"]
        circles = Line2D([], [], color=ink, linewidth=2.0, marker="o", markersize=6, markerfacecolor=muted)
        entries.append((circles, series.ladder_label))
    return entries


def _write_labels(
    ax: Axes,
    series: Series,
    rungs: Sequence[Mapping[str, Any]],
    lines: Sequence[tuple[Any, str, list[Point]]],
    rivals: Sequence[Rival],
    colour: Mapping[str, str],
) -> None:
    labels, plan = Labels(ax), _plan_point(series.summary)
    avoid_rivals(labels, rivals)
    for _, _, points in lines:
        labels.avoid_line([p[0] for p in points], [p[1] for p in points])
    labels.avoid_line([r["flops"] for r in rungs], [r["accuracy"] for r in rungs])
    for rung in rungs:
        labels.avoid_point(rung["flops"], rung["accuracy"], 6.0)
        if is_number(rung.get("low")) and is_number(rung.get("high")):
            labels.avoid_line([rung["flops"]] * 2, [rung["low"], rung["high"]])
    if plan:
        labels.avoid_point(*plan, 7.0)
        labels.put("plan", *plan, distance=10, always=True, fontweight="bold", zorder=9)
    named = {str(rung["size"]) for rung in rungs}
    for rung in rungs:
        key = str(rung["size"])
        labels.put(
            series.short(key),
            rung["flops"],
            rung["accuracy"],
            color=colour[series.role(key)],
            fontweight="bold",
            zorder=9,
            distance=9,
        )
    for group in series.groups:
        ends = [points[-1] for owner, _, points in lines if owner.key == group.key]
        if group.key not in named and ends:
            x_end, y_end, _, _ = max(ends)
            labels.put(group.label, x_end, y_end, color=colour[group.role], fontweight="bold", zorder=9)
    name_rivals(labels, rivals, colour)


def _front(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = [p for p in summary.get("pareto") or [] if is_number(p.get("flops")) and is_number(p.get("accuracy"))]
    return sorted(rows, key=lambda p: (p["flops"], p["accuracy"]))


def _plan_point(summary: Mapping[str, Any]) -> tuple[float, float] | None:
    plan: Mapping[str, Any] = summary.get("plan") or {}
    flops, accuracy = plan.get("flops"), (plan.get("scored_on") or {}).get("accuracy")
    if not (is_number(flops) and is_number(accuracy) and flops > 0):
        return None
    return flops, accuracy
