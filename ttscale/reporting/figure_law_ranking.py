"""Every law over every curve: one row a law, the best on top, one dot a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ttscale.reporting.canvas import halo, new_figure, style
from ttscale.reporting.key import Entry, draw_key, key_height, name_axes
from ttscale.reporting.palette import roles
from ttscale.reporting.words import clean, is_number, significant
from ttscale.scaling.fits.ranking import LEAST_ERROR

_FAR = 16.0  # times the best error of a curve: what is farther stands at the edge
_TICKS = (1.0, 1.5, 2.0, 4.0, 8.0, 16.0)
_ROW = 0.27  # inches
_LETTER = 0.068  # inches of a letter of a law's name
_OUTCOMES = {"classes": ("images", "s0", "o"), "text": ("language", "s1", "D")}


def law_ranking(ranking: Mapping[str, Any], *, narrow: bool = False) -> Figure | None:
    """Errors of the back-test over the smallest one of the same curve, on a log scale; panels accuracy and coverage.

    Args:
        ranking: as :meth:`ttscale.scaling.fits.ranking.LawRanking.as_dict` gives it.

    Returns:
        None when no law was ranked.
    """
    scores_of: dict[str, list[Mapping[str, Any]]] = {}
    for score in ranking["scores"]:
        if score["n_curves"]:
            scores_of.setdefault(score["of"], []).append(score)
    panels = list(scores_of.items())
    if not panels:
        return None
    colour = roles(2)
    with style():
        entries = _entries({curve["outcome"] for curve in ranking["curves"]}, colour)
        key = key_height(entries, narrow=narrow)
        figure, axes = _panels([len(scores) for _, scores in panels], _left(ranking), narrow=narrow, key=key)
        for ax, (of, scores) in zip(axes, panels, strict=True):
            curves = [curve for curve in ranking["curves"] if curve["of"] == of]
            _scale(ax, len(scores), narrow=narrow)
            for row, score in enumerate(scores):
                _draw_law(ax, row, score, curves, colour, narrow=narrow)
            shown = max(score["n_curves"] for score in scores)
            ax.set_title(f"{'' if narrow else 'laws of '}{of}, {shown} curve{'s' * (shown != 1)}", color=colour["ink"])
            heads = "mean rank" if narrow else "mean rank   median error"
            ax.annotate(
                heads, (1.0, 1.0), (42.0 if narrow else 122.0, 5.0), xycoords="axes fraction",
                textcoords="offset points", ha="right", va="bottom", fontsize=8.0, color=colour["muted"],
                annotation_clip=False,
            )  # fmt: skip
        draw_key(figure, entries, narrow=narrow)
        below = "error over the best law's on the same curve, log scale"
        name_axes(figure, "", below, colour=colour["muted"], below=key)
    return figure


def _left(ranking: Mapping[str, Any]) -> float:
    """Inches that the laws' names take."""
    return 0.3 + _LETTER * max(len(_law_words(score["law"])) for score in ranking["scores"])


def _panels(rows: Sequence[int], left: float, *, narrow: bool, key: float) -> tuple[Figure, list[Axes]]:
    """Panels below each other, as high as their rows."""
    width, right = (3.7, 0.62) if narrow else (9.6, 1.85)
    heights = [_ROW * n for n in rows]
    gap, top, bottom = 0.62, 0.42 + key, 0.52
    full = top + sum(heights) + gap * (len(rows) - 1) + bottom
    figure, at, axes = new_figure(width, full), full - top, []
    for height in heights:
        axes.append(figure.add_axes((left / width, (at - height) / full, 1 - (left + right) / width, height / full)))
        at -= height + gap
    return figure, axes


def _scale(ax: Axes, n_rows: int, *, narrow: bool) -> None:
    ax.set_xscale("log")
    ax.set(xlim=(0.93, _FAR * 1.12), ylim=(n_rows - 0.5, -0.5))
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if not narrow or tick != 1.5]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    ax.set_yticks([])


def _draw_law(
    ax: Axes, row: int, score: Mapping[str, Any], curves: Sequence[Mapping[str, Any]], colour: Mapping[str, str], *,
    narrow: bool,
) -> None:  # fmt: skip
    """A law's name, its dots, a bar at their geometric mean, and its numbers on the right."""
    if row % 2:
        ax.axhspan(row - 0.5, row + 0.5, color=colour["grid"], alpha=0.5, linewidth=0, zorder=0)
    for at, (ratio, outcome) in enumerate(_ratios(score["law"], curves)):
        _, role, mark = _OUTCOMES[outcome]
        spread = 0.56 * (_van_der_corput(at + 1) - 0.5)
        far = ratio > _FAR
        ax.plot(
            [min(ratio, _FAR)], [row + spread], ">" if far else mark, color=colour[role], alpha=0.62,
            markersize=3.6 if mark == "D" and not far else 4.4, markeredgewidth=0.0, zorder=2, clip_on=False,
        )  # fmt: skip
    mean = score.get("over_best")
    if is_number(mean):
        at_x = min(mean, _FAR)
        ax.plot([at_x, at_x], [row - 0.36, row + 0.36], color=colour["ink"], linewidth=1.8, zorder=3)
    look: dict[str, Any] = {
        "textcoords": "offset points", "va": "center", "fontsize": 8.5, "annotation_clip": False,
        "xycoords": ("axes fraction", "data"),
    }  # fmt: skip
    halo(ax.annotate(_law_words(score["law"]), (0.0, row), (-7.0, 0.0), ha="right", color=colour["ink"], **look))
    rank = significant(score.get("mean_rank"), 2)
    ax.annotate(rank, (1.0, row), (34.0 if narrow else 52.0, 0.0), ha="right", color=colour["ink"], **look)
    if not narrow:
        error = score.get("median_error")
        said = f"{significant(100 * error, 2)} points" if is_number(error) else ""
        ax.annotate(said, (1.0, row), (122.0, 0.0), ha="right", color=colour["muted"], **look)


def _ratios(law: str, curves: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """The law's error on each curve over the smallest one, with the outcome of the curve's run."""
    found = []
    for curve in curves:
        known = {name: max(error, LEAST_ERROR) for name, error in curve["errors"].items() if is_number(error)}
        if law in known:
            found.append((known[law] / min(known.values()), "text" if curve["outcome"] == "text" else "classes"))
    return sorted(found)


def _entries(outcomes: set[str], colour: Mapping[str, str]) -> list[Entry]:
    """What dots and bars mean; the kinds of runs only where there are several."""
    bar = Line2D([], [], color=colour["ink"], linestyle="", marker="|", markersize=9, markeredgewidth=1.8)
    dots: list[Entry] = [
        (Line2D([], [], color=colour[role], linestyle="", marker=mark, markersize=4.4, markeredgewidth=0.0, alpha=0.75),
         f"a curve of {name}")
        for outcome, (name, role, mark) in _OUTCOMES.items()
        if outcome in outcomes
    ]  # fmt: skip
    return [*dots, (bar, "geometric mean")]


def _law_words(law: str) -> str:
    return clean(law.replace("_", " "), 30)


def _van_der_corput(n: int) -> float:
    """The n-th of numbers spread evenly over (0, 1), neighbours far apart."""
    value, step = 0.0, 0.5
    while n:
        value, n, step = value + step * (n % 2), n // 2, step / 2
    return value
