"""The main figure as plotly.js data, in light colours; the page's script turns their roles into the theme's colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.reporting.canvas import NARROW
from ttscale.reporting.kinds import COVERAGE
from ttscale.reporting.palette import roles
from ttscale.reporting.points import coverage_points, finite_points
from ttscale.reporting.rivals import Rival, in_range, rivals_of
from ttscale.reporting.series import Series
from ttscale.reporting.words import escape, flops, is_number, number_interval, percent_interval, significant, times

_CLEAR = "rgba(0,0,0,0)"
_RIGHT, _LEFT = ("top right", "middle right", "bottom right"), ("top left", "bottom left", "middle left")
_EITHER = (*_LEFT[:2], *_RIGHT[:2])


def plot(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """``{"data", "layout"}`` for plotly.js, or None when there is nothing to draw.

    Each trace's ``meta`` has its colour role, group, kind and part: ``line``, ``band``, ``coverage``, ``ceiling``,
    ``ladder``, ``rival``, ``front`` or ``plan``. Every string from data or models is escaped, since plotly.js renders a
    subset of HTML.
    """
    series = Series(summary)
    colour = roles(len(series.keys))
    pairs = [(curve, group.role) for group in series.groups for curve in group.curves.values()]
    lines = [trace for curve, role in pairs for trace in _band(curve, role, colour)]
    lines += [_coverage(curve, role, colour) for curve, role in pairs if curve.get("coverage")]
    lines += [_line(series, curve, role, colour) for curve, role in pairs]
    lines += [trace for curve, role in pairs for trace in _ceiling(curve, role, colour)]
    ladder = _ladder(series, colour)
    points = [*ladder, *_rivals(series, [*lines, *ladder], colour), *_plan(summary, colour)]
    shown = [*(trace for trace in lines if trace["x"]), *points]
    return {"data": [*_front(summary, colour), *shown], "layout": _layout(shown, colour)} if shown else None


def _trace(part: str, role: str, *, kind: str = "", group: str = "", **values: Any) -> dict[str, Any]:
    meta = {"role": role, "group": group, "kind": kind, "part": part}
    return {"type": "scatter", "showlegend": False, "meta": meta, **values}


def _band(curve: Mapping[str, Any], role: str, colour: Mapping[str, str]) -> list[dict[str, Any]]:
    bounded = [(x, low, high) for x, _, low, high in finite_points(curve, "flops") if low is not None]
    if len(bounded) < 2:
        return []
    outline = {
        "x": [x for x, _, _ in bounded] + [x for x, _, _ in reversed(bounded)],
        "y": [low for _, low, _ in bounded] + [high for _, _, high in reversed(bounded)],
    }
    return [
        _trace(
            "band", role, kind=curve["kind"], group=role, **outline, mode="lines", hoverinfo="skip", fill="toself",
            fillcolor=colour[role], opacity=0.1, line={"width": 0},
        )
    ]  # fmt: skip


def _line(series: Series, curve: Mapping[str, Any], role: str, colour: Mapping[str, str]) -> dict[str, Any]:
    points = finite_points(curve, "flops")
    return _trace(
        "line", role, kind=curve["kind"], group=role, mode="lines" if len(points) > 1 else "markers",
        x=[point[0] for point in points], y=[point[1] for point in points], text=_hover(curve),
        hovertemplate="%{text}<extra></extra>", marker={"color": colour[role], "size": 8},
        line={"color": colour[role], "dash": series.kinds[curve["kind"]].pixels, "width": 2.2},
    )  # fmt: skip


def _coverage(curve: Mapping[str, Any], role: str, colour: Mapping[str, str]) -> dict[str, Any]:
    points, name = coverage_points(curve, "flops"), escape(curve["label"])
    texts = [
        f"<b>{name}</b><br>{percent_interval({'accuracy': y, 'low': low, 'high': high})} of the items have a right draw"
        for _, y, low, high in points
    ]
    return _trace(
        "coverage", role, kind=curve["kind"], group=role, mode="lines", x=[point[0] for point in points],
        y=[point[1] for point in points], text=texts, hovertemplate="%{text}<extra></extra>",
        line={"color": colour[role], "dash": COVERAGE.pixels, "width": 2.2},
    )  # fmt: skip


def _ceiling(curve: Mapping[str, Any], role: str, colour: Mapping[str, str]) -> list[dict[str, Any]]:
    """A flat tick over a curve's last point, where its vote ends with ever more draws."""
    points, ceiling = finite_points(curve, "flops"), curve.get("ceiling") or {}
    if not points or not is_number(ceiling.get("value")):
        return []
    text = f"<b>{escape(curve['label'])}</b><br>{percent_interval(ceiling, 'value')} with ever more draws"
    mark = {"symbol": "line-ew-open", "size": 15, "color": colour[role], "line": {"width": 2.4, "color": colour[role]}}
    return [
        _trace(
            "ceiling", role, kind=curve["kind"], group=role, mode="markers", x=[points[-1][0]], y=[ceiling["value"]],
            text=[text], hovertemplate="%{text}<extra></extra>", marker=mark,
        )
    ]  # fmt: skip


def _hover(curve: Mapping[str, Any]) -> list[str]:
    """What a pointer shows, one text for each point of ``finite_points``."""
    texts = []
    gains = curve.get("gain_per_gflop") or []
    for i, cost in enumerate(curve["flops"]):
        if not (is_number(cost) and cost > 0 and is_number(curve["accuracy"][i])):
            continue
        row = {key: curve[key][i] for key in ("accuracy", "low", "high", "flops_worst") if curve.get(key)}
        lines = [
            f"<b>{escape(curve['label'])}</b>",
            percent_interval(row),
            f"k = {curve['budgets'][i]}, {times(curve['multiplier'][i])} one plain decision",
            f"{flops(cost)} an item",
            *([f"{significant(curve['tokens'][i])} tokens an item"] if curve.get("tokens") else []),
        ]
        if is_number(row.get("flops_worst")) and row["flops_worst"] > cost * 1.001:
            lines.append(f"worst item: {flops(row['flops_worst'])}")
        if i < len(gains) and is_number(gains[i].get("value")):
            lines.append(f"{number_interval(gains[i], 2)} points per extra GFLOP")
        texts.append("<br>".join(lines))
    return texts


def _ladder(series: Series, colour: Mapping[str, str]) -> list[dict[str, Any]]:
    rungs = [r for r in series.ladder if is_number(r.get("flops")) and r["flops"] > 0 and is_number(r.get("accuracy"))]
    if not rungs:
        return []
    own = [series.role(str(rung["size"])) for rung in rungs]
    ends = [(r["low"], r["high"]) if is_number(r.get("low")) and is_number(r.get("high")) else None for r in rungs]
    up = [end[1] - rung["accuracy"] if end else 0.0 for rung, end in zip(rungs, ends, strict=True)]
    down = [rung["accuracy"] - end[0] if end else 0.0 for rung, end in zip(rungs, ends, strict=True)]
    trace = _trace(
        "ladder", "ink", mode="lines+markers+text", x=[r["flops"] for r in rungs], y=[r["accuracy"] for r in rungs],
        line={"color": colour["ink"], "width": 2.6}, cliponaxis=False,
        error_y={"type": "data", "array": up, "arrayminus": down, "width": 0, "thickness": 1.3, "color": colour["ink"]},
        marker={"color": [colour[role] for role in own], "size": 12, "line": {"color": colour["ink"], "width": 2}},
        text=[f"<b>{escape(series.short(str(r['size'])))}</b>" for r in rungs], textposition="bottom right",
        textfont={"color": [colour[role] for role in own], "size": 13},
        customdata=[_rung(r, series.plain) for r in rungs], hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    return [{**trace, "meta": {**trace["meta"], "roles": own}}]


def _rung(rung: Mapping[str, Any], plain: str) -> str:
    name = f"<b>{escape(rung['size'])}, {escape(plain)}</b>"
    lines = [name, percent_interval(rung), f"{flops(rung['flops'])} an item"]
    if is_number(rung.get("train_flops")):
        lines.append(f"{flops(rung['train_flops'])} of training")
    return "<br>".join(lines)


def _rivals(series: Series, others: Sequence[Mapping[str, Any]], colour: Mapping[str, str]) -> list[dict[str, Any]]:
    rivals, heights = rivals_of(series, "flops"), [y for trace in others for y in trace["y"]]
    if not rivals or not heights:
        return []
    rivals = sorted(in_range(rivals, heights), key=lambda rival: rival.y, reverse=True)
    own, costs = [rival.role for rival in rivals], [x for trace in others for x in trace["x"]]
    line = {"color": [colour[role] for role in own], "width": 2}
    scored = [percent_interval({"accuracy": r.y, "low": r.low, "high": r.high}) for r in rivals]
    texts = [
        f"<b>{escape(rival.label)}</b><br>{accuracy}<br>{flops(rival.x)} an item"
        for rival, accuracy in zip(rivals, scored, strict=True)
    ]
    trace = _trace(
        "rival", "ink", mode="markers+text", x=[rival.x for rival in rivals], y=[rival.y for rival in rivals],
        text=[escape(rival.label) for rival in rivals], textposition=_sides(rivals, costs), cliponaxis=False,
        textfont={"color": [colour[role] for role in own], "size": 12}, customdata=texts,
        hovertemplate="%{customdata}<extra></extra>",
        marker={"symbol": [rival.symbol for rival in rivals], "size": 11, "color": colour["surface"], "line": line},
    )  # fmt: skip
    return [{**trace, "meta": {**trace["meta"], "roles": own}}]


def _sides(rivals: Sequence[Rival], costs: Sequence[float]) -> list[str]:
    """Where each name stands beside its point: those over the same x, highest first, on different sides, and in the
    outer thirds of the axis on the side that it has room on.

    Args:
        costs: the x of everything else.
    """
    taken: dict[float, int] = {}
    costs = [*costs, *(rival.x for rival in rivals)]
    low, high = math.log(min(costs)), math.log(max(costs))
    out = []
    for rival in rivals:
        at = taken.get(rival.x, 0)
        place = (math.log(rival.x) - low) / ((high - low) or 1.0)
        sides = _RIGHT if place < 1 / 3 else _LEFT if place > 2 / 3 else _EITHER
        taken[rival.x] = at + 1
        out.append(sides[at % len(sides)])
    return out


def _front(summary: Mapping[str, Any], colour: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = [p for p in summary.get("pareto") or [] if is_number(p.get("flops")) and is_number(p.get("accuracy"))]
    rows = sorted((p for p in rows if p["flops"] > 0), key=lambda p: (p["flops"], p["accuracy"]))
    if len(rows) < 2:
        return []
    x, y = [p["flops"] for p in rows], [p["accuracy"] for p in rows]
    line = {"shape": "hv", "color": colour["front"], "width": 8}
    return [_trace("front", "front", x=x, y=y, mode="lines", hoverinfo="skip", line=line)]


def _plan(summary: Mapping[str, Any], colour: Mapping[str, str]) -> list[dict[str, Any]]:
    plan = summary.get("plan") or {}
    scored = plan.get("scored_on") or {}
    if not (is_number(plan.get("flops")) and plan["flops"] > 0 and is_number(scored.get("accuracy"))):
        return []
    text = (
        f"<b>plan</b>: {escape(plan.get('strategy'))}, k = {escape(plan.get('k'))}<br>{percent_interval(scored)} on "
        f"the items it was not chosen on<br>{flops(plan['flops'])} an item"
    )
    edge = {"color": colour["surface"], "width": 1.2}
    return [
        _trace(
            "plan", "ink", mode="markers+text", x=[plan["flops"]], y=[scored["accuracy"]], text=["<b>plan</b>"],
            textposition="top center", textfont={"color": colour["ink"], "size": 13}, customdata=[text],
            hovertemplate="%{customdata}<extra></extra>",
            marker={"symbol": "star", "size": 17, "color": colour["ink"], "line": edge},
        )
    ]  # fmt: skip


def _layout(traces: Sequence[Mapping[str, Any]], colour: Mapping[str, str]) -> dict[str, Any]:
    muted = colour["muted"]
    costs = [x for trace in traces for x in trace["x"] if x]
    ticks = "D2" if max(costs) < NARROW * min(costs) else 1  # 1, 2 and 5 of each power of ten, or the powers alone
    edges = [math.log10(min(costs) / 1.15), math.log10(max(costs) * 1.15)]  # plotly.js leaves no room beside lines
    axis = {"gridcolor": colour["grid"], "zeroline": False, "tickfont": {"color": muted}, "automargin": True}
    x_title = {"text": "test-time FLOPs per item, log scale", "font": {"size": 13, "color": muted}}
    y_title = {
        "text": "accuracy", "xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom",
        "yshift": 8, "showarrow": False, "font": {"size": 13, "color": muted},
    }  # fmt: skip
    return {
        "autosize": True, "margin": {"l": 56, "r": 16, "t": 32, "b": 56}, "hovermode": "closest", "dragmode": "zoom",
        "showlegend": False, "paper_bgcolor": _CLEAR, "plot_bgcolor": _CLEAR,
        "font": {"color": colour["ink"], "size": 13},
        "hoverlabel": {
            "align": "left", "bgcolor": colour["surface"], "bordercolor": muted, "font": {"color": colour["ink"]},
        },
        "xaxis": {
            **axis, "type": "log", "range": edges, "showgrid": False, "tickformat": "~s", "dtick": ticks,
            "ticks": "outside", "tickcolor": muted, "showline": True, "linecolor": muted, "title": x_title,
        },
        "yaxis": {**axis, "tickformat": "~p"},
        "annotations": [y_title],
        "modebar": {"bgcolor": _CLEAR, "color": muted, "activecolor": colour["ink"]},
    }  # fmt: skip
