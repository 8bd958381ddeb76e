"""The page of a ranking of laws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttscale.records.files import write_atomic
from ttscale.reporting import canvas, words
from ttscale.reporting.document import MADE_BY, document, section
from ttscale.reporting.embed import figure
from ttscale.reporting.figure_law_ranking import law_ranking
from ttscale.reporting.figures import Drawing
from ttscale.reporting.markup import Cell, Markup, bullets, facts, fold, joined, known, paragraph, table
from ttscale.reporting.palette import stylesheet
from ttscale.reporting.words import is_number
from ttscale.scaling.fits.ranking import LEAST_ERROR

FIGURE = "laws"
_CAPTION = (
    "Error of the back-test of every law on every curve, over that of the best law on the same curve: a dot at 1 is "
    "the best law of its curve. A triangle at the edge is farther than 16 times. Laws stand in the order of the share "
    "of rivals that they beat, those tested on at most half of the curves last; the median error is in accuracy points."
)
_NOTE = (
    "The back-test fits a law to the low budgets of one half of the items and predicts the gain at the high budgets of "
    "the other half. A law beats a rival where its error is smaller; equal errors count as halves, and errors below "
    f"{100 * LEAST_ERROR:g} points are equal. Curves of one run "
    "share their items, so a difference between two laws that stand close is not evidence. The stacked average weighs "
    "the laws of a curve by their back-test errors, in its own back-test by those of other splits of the items."
)
_ALIKE = "No curve tells one law from another: all errors are the same."
_HEADS = (
    "Law", "What it is for", "Status of its fits", "Curves", "Rivals beaten", "Mean rank", "First", "Chosen",
    "Over the best", "Median error, points",
)  # fmt: skip


def write_law_page(folder: Path, ranking: Mapping[str, Any]) -> None:
    """Write ``report.html`` and the figure.

    Args:
        ranking: ``scores`` and ``curves`` of a ranking, and of its ``summary.json`` ``runs``, ``text`` and ``command``.
    """
    drawing = _drawing(ranking)
    if drawing is not None:
        for ending, render in (("png", canvas.png), ("svg", canvas.svg)):
            _write(folder / "figures" / f"{FIGURE}.{ending}", render(drawing.wide))
    _write(folder / "report.html", law_page(ranking, drawing).encode("utf-8"))


def law_page(ranking: Mapping[str, Any], drawing: Drawing | None) -> str:
    """The whole page."""
    title, (lead, *more) = "Which scaling law predicts what was not measured yet", ranking["text"]
    begin = Markup("<header>\n<h1>")
    head = [begin, title, Markup("</h1>\n"), paragraph(lead, "lead"), bullets(more, "headline"), Markup("</header>\n")]
    kinds = dict.fromkeys(curve["of"] for curve in ranking["curves"])
    parts = [
        joined(head),
        section("ranking", "Every law on every curve", joined([figure(drawing, 2), paragraph(_NOTE)])),
        *(section(of, f"Laws of {of}", _of_kind(ranking, of)) for of in kinds),
        section("runs", "What the curves are of", _runs(ranking)),
    ]
    return document(title, joined(parts), colours=stylesheet(2), footer=f"{MADE_BY}.")


def _drawing(ranking: Mapping[str, Any]) -> Drawing | None:
    wide, narrow = law_ranking(ranking), law_ranking(ranking, narrow=True)
    if wide is None or narrow is None:
        return None
    alt = f"Dot chart, one row a law, one dot a curve. {' '.join(ranking['text'])}"
    return Drawing(FIGURE, wide, narrow, _CAPTION, alt)


def _of_kind(ranking: Mapping[str, Any], of: str) -> Markup:
    scores = [score for score in ranking["scores"] if score["of"] == of]
    curves = [curve for curve in ranking["curves"] if curve["of"] == of]
    laws = [score["law"] for score in scores] or list(curves[0]["errors"])
    rows = [_score_row(score) for score in scores]
    over = f"Laws of {of} over {words.plural(len(curves), 'curve')}"
    shown = table(over, _HEADS, rows, text_columns=3) if rows else paragraph(_ALIKE, "why")
    heads = ("Curve", "Budgets", "Chosen", *(law.replace("_", " ") for law in laws))
    every = [_curve_row(curve, laws) for curve in curves]
    body = table("Back-test error of the gain, in accuracy points", heads, every)
    return joined([shown, fold(f"Every curve ({len(curves)})", body)])


def _score_row(score: Mapping[str, Any]) -> list[Cell]:
    none, n = "it could be back-tested on no curve", score["n_curves"]
    statuses = (f"{status.replace('_', ' ')} {many}" for status, many in score["statuses"].items())
    name = [score["law"].replace("_", " "), Markup("<br><code>"), words.clean(score["formula"], 80), Markup("</code>")]
    return [
        joined(name),
        words.clean(score["purpose"], 200),
        ", ".join(statuses) or words.DASH,
        words.count(n) if not score["n_without"] else f"{words.count(n)} of {words.count(n + score['n_without'])}",
        known(words.percent(score["beats"], 0), none),
        known(words.significant(score["mean_rank"], 2), none),
        words.count(score["n_first"]),
        words.count(score["n_chosen"]),
        known(words.times(score["over_best"]), none),
        known(_points(score["median_error"]), none),
    ]


def _curve_row(curve: Mapping[str, Any], laws: Sequence[str]) -> list[Cell]:
    known_errors = [error for error in curve["errors"].values() if is_number(error)]
    best = max(min(known_errors, default=math.inf), LEAST_ERROR)
    run = f"{words.clean(curve['run'], 60)}: " if curve["run"] else ""
    cells: list[Cell] = [f"{run}{words.clean(curve['label'], 100)}", words.count(curve["n_budgets"])]
    cells.append(curve["chosen"].replace("_", " "))
    for law in laws:
        error = curve["errors"].get(law)
        shown = _points(error)
        strong = is_number(error) and error <= best
        cells.append(
            joined([Markup("<b>"), shown, Markup("</b>")]) if strong
            else known(shown, "too few budgets for the law, or to hold some out")
        )  # fmt: skip
    return cells


def _runs(ranking: Mapping[str, Any]) -> Markup:
    rows: list[list[Cell]] = [
        [
            words.clean(run["name"] or "the run", 80),
            words.clean(run["dataset"] or words.DASH, 80),
            words.count(run["n_items"]),
            words.count(run["n_members"]),
            words.count(run["n_curves"]),
        ]
        for run in ranking["runs"]
    ]
    heads = ("Run", "Data", "Items", "Members", "Curves")
    command = joined([Markup("<code>"), words.clean(ranking.get("command") or "made from Python"), Markup("</code>")])
    return joined([table("Runs", heads, rows, text_columns=2), facts([("Command", command)])])


def _points(error: Any) -> str:
    """A fraction as percentage points, two digits of it."""
    if is_number(error) and error < LEAST_ERROR:
        return f"< {100 * LEAST_ERROR:g}"
    return words.significant(100 * error, 2) if is_number(error) else words.DASH


def _write(file: Path, data: bytes) -> None:
    write_atomic(file, lambda stream: stream.write(data))
