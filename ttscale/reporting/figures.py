"""The figures of a report, by name: how each is drawn, captioned and described to who cannot see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting import words
from ttscale.reporting.figure_flops import accuracy_vs_flops
from ttscale.reporting.figure_gain import gain_per_flop
from ttscale.reporting.figure_laws import laws
from ttscale.reporting.figure_multiplier import accuracy_vs_multiplier
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number


@dataclass(frozen=True)
class Drawing:
    """One figure in two widths, with its caption and its text alternative (plain text, not escaped)."""

    name: str
    wide: Figure
    narrow: Figure
    caption: str
    alt: str


FIGURES: dict[str, Callable[..., Figure | None]] = {
    "accuracy_vs_flops": accuracy_vs_flops,
    "accuracy_vs_multiplier": accuracy_vs_multiplier,
    "gain_per_flop": gain_per_flop,
    "laws": laws,
}

_CAPTIONS = {
    "accuracy_vs_flops": (
        "Test-time compute and training compute on the same axes. Circles: each size with one plain view, its "
        "seeds averaged, joined in order of cost. Lines: the same models spending more test-time compute, as views of "
        "the input, as members that vote, or both. Bands are {level} intervals over items, one a size, for its "
        "longest line. Grey: the Pareto front, the best accuracy measured at each cost, chosen and scored on the "
        "same items."
    ),
    "accuracy_vs_multiplier": (
        "The same curves against compute in multiples of one plain decision, with {level} intervals over items. The "
        "panels of sizes share one scale, at different heights; that of all members together has its own."
    ),
    "gain_per_flop": (
        "Accuracy points gained over one draw, per GFLOP spent beyond it, with {level} intervals over items."
    ),
    "laws": (
        "Measured accuracy (marks) and the law that the back-test chose (lines, with {level} intervals of the "
        "prediction; fainter beyond what was measured)."
    ),
}
_KINDS_OF_CHART = {
    "accuracy_vs_flops": "Line chart of accuracy against test-time FLOPs per item on a log scale.",
    "accuracy_vs_multiplier": "Line charts, one a size, of accuracy against multiples of one plain decision.",
    "gain_per_flop": "Line charts, one a strategy, of accuracy points per extra GFLOP against FLOPs.",
    "laws": "Charts, one a size, of measured accuracy and fitted laws against the number of draws.",
}


def draw(summary: Mapping[str, Any]) -> dict[str, Drawing]:
    """Every figure that the summary has data for."""
    series, drawings = Series(summary), {}
    level = words.percent((summary.get("run") or {}).get("level", 0.95), 0)
    for name, function in FIGURES.items():
        wide, narrow = function(summary), function(summary, narrow=True)
        if wide is not None and narrow is not None:
            alt = f"{_KINDS_OF_CHART[name]} {_content(series)}"
            drawings[name] = Drawing(name, wide, narrow, _CAPTIONS[name].format(level=level), alt)
    return drawings


def _content(series: Series) -> str:
    """What the figure holds in words: where the ladder goes, and where each size's longest curve ends."""
    rungs = [r for r in series.ladder if is_number(r.get("accuracy"))]
    parts = [
        f"One view of {words.clean(r['size'], 40)}: {words.percent(r['accuracy'])} at {words.flops(r.get('flops'))}."
        for r in rungs[:8]
    ]
    for group in series.groups[:8]:
        curve = list(group.curves.values())[-1]
        accuracy, k = curve["accuracy"][-1], curve["budgets"][-1]
        if is_number(accuracy) and k > 1:
            parts.append(f"{series.title(curve)}: {words.percent(accuracy)} with {words.plural(k, 'draw')}.")
    return " ".join([*parts, "The tables of this page hold the numbers."])
