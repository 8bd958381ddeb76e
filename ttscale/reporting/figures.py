"""The figures of a report, by name: how each is drawn, captioned and described to who cannot see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting import words
from ttscale.reporting.figure_beside import beside
from ttscale.reporting.figure_flops import accuracy_vs_flops
from ttscale.reporting.figure_gain import gain_per_flop
from ttscale.reporting.figure_groups import breakdown, shifts
from ttscale.reporting.figure_laws import laws
from ttscale.reporting.figure_multiplier import accuracy_vs_draws, accuracy_vs_multiplier
from ttscale.reporting.figure_policies import policies
from ttscale.reporting.figure_spent import accuracy_vs_bytes, accuracy_vs_seconds, accuracy_vs_tokens
from ttscale.reporting.figure_votes import votes
from ttscale.reporting.parts import ALONE, full_name, heading, parts_of
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
    "accuracy_vs_draws": accuracy_vs_draws,
    "accuracy_vs_tokens": accuracy_vs_tokens,
    "accuracy_vs_seconds": accuracy_vs_seconds,
    "accuracy_vs_bytes": accuracy_vs_bytes,
    "gain_per_flop": gain_per_flop,
    "policies": policies,
    "breakdown": breakdown,
    "shifts": shifts,
    "votes": votes,
    "laws": laws,
}
BESIDE = "beside"  # the figure of several parts

_CAPTIONS = {
    "accuracy_vs_flops": (
        "Test-time compute and training compute on the same axes. Circles: each size with {plain}, its seeds averaged, "
        "joined in order of cost. Lines: the same models spending more test-time compute, as views of the input, as "
        "members that vote, or both. Bands are {level} intervals over items, one a size, for its longest line. Grey: "
        "the Pareto front, the best accuracy measured at each cost, chosen and scored on the same items."
    ),
    "accuracy_vs_multiplier": (
        "The same curves against compute in multiples of one plain decision, with {level} intervals over items. The "
        "panels of sizes share one scale, at different heights; that of all members together has its own."
    ),
    "accuracy_vs_draws": (
        "Accuracy against the number of draws, whose cost is not known, with {level} intervals over items."
    ),
    "accuracy_vs_tokens": (
        "The same curves against generated tokens per item, those of every draw that voted; {level} intervals over "
        "items."
    ),
    "accuracy_vs_seconds": (
        "The same curves against the seconds of one decision, each item alone on the device of the profile; {level} "
        "intervals over items."
    ),
    "accuracy_vs_bytes": (
        "The same curves against the bytes of the weights of all members that vote. More views cost no bytes, so their "
        "lines go straight up, from one view to all of them; {level} intervals over items."
    ),
    "gain_per_flop": (
        "Accuracy points gained over one draw, per GFLOP spent beyond it, with {level} intervals over items."
    ),
    "policies": (
        "What was learned about the draws on one half of the items, scored on the other half and the reverse, against "
        "the same draws in the order in which they were collected. The band is the {level} interval over items of the "
        "collected order; differences on the same items are known better than it says, and stand in the table."
    ),
    "breakdown": (
        "Accuracy points gained at the full budget over one view (all members together: over one view of the costliest "
        "size) in groups of the items, with paired {level} intervals. A mark is empty where its interval holds zero."
    ),
    "shifts": (
        "Accuracy points gained at the full budget over one view (all members together: over one view of the costliest "
        "size) on clean and on shifted data, with paired {level} intervals. A mark is empty where its interval holds "
        "zero. An order of views was learned on clean data, and has the budget that the table tells."
    ),
    "votes": (
        "Every vote over the same samples of each model, with the {level} interval over items of the first. Dotted: "
        "coverage, which no vote exceeds; the flat tick is where the first vote would end with ever more samples."
    ),
    "laws": (
        "Measured accuracy (marks) and the law that the back-test chose (lines, with {level} intervals of the "
        "prediction; fainter beyond what was measured)."
    ),
}
_TEXT_CAPTIONS = {
    "accuracy_vs_flops": (
        "Test-time compute and model size on the same axes. Circles: each model with {plain}. Lines: what the vote of "
        "more draws decides. Dotted, in the same colour: coverage, the share of items that at least one of the draws "
        "answers rightly, which no vote exceeds; flat ticks: where the vote would end with ever more draws. "
        "Bands are {level} intervals over items, one a model. Grey: the Pareto front, "
        "chosen and scored on the same items."
    ),
}
_SOME_MEMBERS = " Ensembles of some of the members have no line here, but count for the front."
_KINDS_OF_CHART = {
    "accuracy_vs_flops": "Line chart of accuracy against test-time FLOPs per item on a log scale.",
    "accuracy_vs_multiplier": "Line charts, one a size, of accuracy against multiples of one plain decision.",
    "accuracy_vs_draws": "Line charts, one a size, of accuracy against the number of draws.",
    "accuracy_vs_tokens": "Line chart of accuracy against generated tokens per item on a log scale.",
    "accuracy_vs_seconds": "Line chart of accuracy against the seconds of one decision on a log scale.",
    "accuracy_vs_bytes": "Line chart of accuracy against the bytes of weights on a log scale.",
    "policies": "Line charts, one a size and set of draws, of accuracy against multiples of one plain decision.",
    "breakdown": "Dot charts, one a size, of accuracy points gained by class and difficulty, with intervals.",
    "shifts": "Dot charts, one a size, of accuracy points gained under each shift of the data, with intervals.",
    "gain_per_flop": "Line charts, one a strategy, of accuracy points per extra GFLOP against FLOPs.",
    "votes": "Line charts, one a model, of accuracy against the number of samples, one line a vote.",
    "laws": "Charts, one a size, of measured accuracy and fitted laws against the number of draws.",
}
_BESIDE_CAPTION = (
    "The costliest model of each part: accuracy against compute in multiples of its own plain decision. Each panel has "
    "its own scales, since the parts ask different questions."
)


def figure_names(parts: Iterable[str]) -> set[str]:
    """Every figure that a report of these parts may have."""
    return {full_name(part, name) for part in parts for name in FIGURES} | {BESIDE}


def draw(summary: Mapping[str, Any]) -> dict[str, Drawing]:
    """Every figure that the summary has data for, under its full name."""
    parts = parts_of(summary)
    drawings = {drawing.name: drawing for part, one in parts.items() for drawing in _of_part(part, one)}
    if ALONE not in parts:
        wide, narrow = beside(parts), beside(parts, narrow=True)
        if wide is not None and narrow is not None:
            content = " ".join(f"{heading(part)}: {_content(Series(one))}" for part, one in parts.items())
            drawings[BESIDE] = Drawing(BESIDE, wide, narrow, _BESIDE_CAPTION, f"Line charts, one a part. {content}")
    return drawings


def _of_part(part: str, summary: Mapping[str, Any]) -> list[Drawing]:
    series, drawings = Series(summary), []
    level = words.percent((summary.get("run") or {}).get("level", 0.95), 0)
    captions = _CAPTIONS | _TEXT_CAPTIONS if series.text else _CAPTIONS
    for name, function in FIGURES.items():
        wide, narrow = function(summary), function(summary, narrow=True)
        if wide is not None and narrow is not None:
            caption = captions[name].format(level=level, plain=series.plain)
            if name == "accuracy_vs_flops" and summary.get("ensembles"):
                caption += _SOME_MEMBERS
            alt = f"{_KINDS_OF_CHART[name]} {_content(series)}"
            drawings.append(Drawing(full_name(part, name), wide, narrow, caption, alt))
    return drawings


def _content(series: Series) -> str:
    """What the figure holds in words: where the ladder goes, and where each size's longest curve ends."""
    rungs = [r for r in series.ladder if is_number(r.get("accuracy"))]
    plain = words.capital(series.plain)
    parts = [
        f"{plain} of {words.clean(r['size'], 40)}: {words.percent(r['accuracy'])} at {words.flops(r.get('flops'))}."
        for r in rungs[:8]
    ]
    for group in series.groups[:8]:
        curve = list(group.curves.values())[-1]
        accuracy, k = curve["accuracy"][-1], curve["budgets"][-1]
        if is_number(accuracy) and k > 1:
            parts.append(f"{series.title(curve)}: {words.percent(accuracy)} with {words.plural(k, 'draw')}.")
    return " ".join([*parts, "The tables of this page hold the numbers."])
