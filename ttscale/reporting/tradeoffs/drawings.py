"""The figures of a tradeoff, by name: how each is drawn, captioned and described to who cannot see it."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from ttscale.reporting import words
from ttscale.reporting.figures import Drawing
from ttscale.reporting.tradeoffs.contours import contour_lines
from ttscale.reporting.tradeoffs.families import reference_families
from ttscale.reporting.tradeoffs.grid import Grid, Row
from ttscale.reporting.tradeoffs.held_out import predicted_and_measured
from ttscale.reporting.tradeoffs.ladder import training_ladder
from ttscale.reporting.tradeoffs.lifetimes import total_flops
from ttscale.reporting.tradeoffs.main import ladder_and_curves

_TWO_AXES = " Filled: trained on more different items; open: on the same items more often."
FIGURES: dict[str, tuple[Callable[..., Figure | None], str, str]] = {
    "tradeoff": (
        ladder_and_curves,
        "Circles: each size under the best of the training budgets that most sizes had, with {plain}, joined in order "
        "of cost; thin lines: the sizes under other budgets. Coloured lines: the same models spending more test-time "
        "compute. Bands are {level} "
        "intervals over items, one a size, for its longest line. Grey: the Pareto front, chosen and scored on the same "
        "items.",
        "Line chart of accuracy against test FLOPs per item on a log scale.",
    ),
    "ladder": (
        training_ladder,
        "Accuracy with {plain} against the training FLOPs of one model, one colour a size, with {level} intervals over "
        "items; ticks are single seeds.",
        "Line chart of accuracy against training FLOPs on a log scale.",
    ),
    "contours": (
        contour_lines,
        "Lines along which the joint law says that accuracy is equal: the least test FLOPs per item with which some "
        "size reaches it at each training budget, with {level} intervals. Dashed where the law extrapolates. Dots are "
        "measured.",
        "Line charts, one a joint law, of test FLOPs per item against training FLOPs at equal accuracy.",
    ),
    "lifetimes": (
        total_flops,
        "Training and all queries together, of every measured option at its first budget that is accurate enough. "
        "Thick: the cheapest of them, in the colour of its size; dots: the numbers of queries from which on the next "
        "is the cheapest. Diamonds: the cheapest by the joint law, with {level} intervals, between and beyond what was "
        "trained.",
        "Line charts of total FLOPs against the number of queries on log scales.",
    ),
    "held_out": (
        predicted_and_measured,
        "Errors of cells that a refit of the law did not see, predicted and measured; on the line they are equal. "
        "Filled marks lie at an end of the grid, so that predicting them extrapolates.",
        "Scatter charts, one a joint law, of predicted against measured error.",
    ),
    "families": (
        reference_families,
        "Published models, one mark a family, joined where they were trained by one recipe, and what was measured on "
        "the scale of their benchmark: the published "
        "accuracy of the same model plus the measured gain, with {level} intervals.",
        "Line chart of accuracy against test FLOPs of published families and measured strategies.",
    ),
}


def drawings_of(summary: Row) -> dict[str, Drawing]:
    """Every figure that the summary has data for."""
    found, level = {}, words.percent(summary["run"]["level"], 0)
    for name, (draw, caption, alt) in FIGURES.items():
        wide, narrow = draw(summary), draw(summary, narrow=True)
        if wide is not None and narrow is not None:
            said = caption.format(plain=words.clean(summary["plain"], 40), level=level)
            if name == "ladder" and summary["run"]["outcome"] != "text":
                said += _TWO_AXES
            found[name] = Drawing(name, wide, narrow, said, f"{alt} {_content(summary)}")
    return found


def _content(summary: Row) -> str:
    """Where the best ladder goes, in words."""
    grid = Grid(summary)
    rungs = [
        f"{words.clean(rung['name'], 40)}: {words.percent(rung['accuracy']['value'])} at "
        f"{words.flops(rung['flops'])} per item."
        for rung in grid.best[:8]
    ]
    return " ".join([*rungs, "The tables of this page hold the numbers."])
