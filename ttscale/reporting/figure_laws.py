"""Measured accuracy and the laws fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttscale.reporting.canvas import style
from ttscale.reporting.key import Entry, coverage_entries, draw_key, key_height, kind_entries, name_axes
from ttscale.reporting.kinds import COVERAGE, Kind
from ttscale.reporting.palette import roles
from ttscale.reporting.panels import MAX_PANELS, draw_band, grid, scale_sizes
from ttscale.reporting.points import Point, coverage_points, finite_points, thinned, xy
from ttscale.reporting.series import Series

OF = ("accuracy", "coverage")  # what a law may describe


def laws(summary: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """One panel a size: measured accuracy against draws (marks), the law that the back-test chose (line and band).

    Beyond the last mark the line is a prediction and fainter; it leaves the panel where it leaves the measured range.

    Returns:
        None when no shown curve has a fitted law.
    """
    series = Series(summary)
    panels = []
    for group in series.groups:
        found = {(kind, of): _fitted(series, group.curves[kind], of) for kind in group.curves for of in OF}
        kept = {name: pair for name, pair in found.items() if pair is not None}
        if kept:
            panels.append((group, kept))
    panels = panels[:MAX_PANELS]
    if not panels:
        return None
    colour = roles(len(series.keys))
    dots_of = [(group, [dots for dots, _ in kept.values()]) for group, kept in panels]
    with style():
        shown = {name for _, kept in panels for name in kept}
        entries = _entries(series.kinds_in({kind} for kind, _ in shown), colour)
        entries += coverage_entries(colour, ceiling=False) if any(of == "coverage" for _, of in shown) else []
        key = key_height(entries, narrow=narrow)
        figure, axes = grid(len(panels), narrow=narrow, key=key)
        scale_sizes(axes, dots_of, colour, room=1.5, reach=2.0)
        for ax, (group, kept) in zip(axes, panels, strict=True):
            for (kind, of), (dots, line) in kept.items():
                look = series.kinds[kind] if of == "accuracy" else COVERAGE
                _draw_fit(ax, look, dots, line, colour[group.role], colour["surface"])
        draw_key(figure, entries, narrow=narrow)
        name_axes(figure, "accuracy", "draws k", colour=colour["muted"], below=key)
    return figure


def _fitted(series: Series, curve: Mapping[str, Any], of: str) -> tuple[list[Point], list[Point]] | None:
    """Measured points and the chosen law's line, both against draws; None without a law or its line."""
    fits = series.fits_of(curve, of)
    if not fits or not fits[0].get("line"):
        return None
    dots = finite_points(curve, "budgets") if of == "accuracy" else coverage_points(curve, "budgets")
    line = finite_points(fits[0]["line"], "k")
    return (dots, line) if dots and line else None


def _draw_fit(ax: Axes, kind: Kind, dots: list[Point], line: Sequence[Point], colour: str, surface: str) -> None:
    draw_band(ax, line, colour, 0.1)
    inside = [point for point in line if point[0] <= dots[-1][0] * (1 + 1e-9)]
    beyond = line[max(len(inside) - 1, 0) :]
    ax.plot(*xy(inside), color=colour, linestyle=kind.linestyle, linewidth=1.4)
    ax.plot(*xy(beyond), color=colour, linestyle=kind.linestyle, linewidth=1.4, alpha=0.4)
    ax.plot(*xy(thinned(dots)), color=colour, linestyle="", zorder=4, **_mark(kind, surface))


def _entries(kinds: Sequence[Kind], colour: Mapping[str, str]) -> list[Entry]:
    """The key of lines, with the mark of each kind on its line."""
    entries = kind_entries(kinds, colour)
    for (line, _), kind in zip(entries, kinds, strict=True):
        line.set(**_mark(kind, colour["surface"]))
    return entries


def _mark(kind: Kind, surface: str) -> dict[str, Any]:
    """How a measured point of a kind looks."""
    return {"marker": kind.mark, "markersize": 4.0, "markeredgewidth": 1.1, "markerfacecolor": surface}
