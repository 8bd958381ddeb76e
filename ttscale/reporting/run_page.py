"""The page of a comparison of two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttscale.records.files import write_atomic
from ttscale.reporting import canvas, words
from ttscale.reporting.document import MADE_BY, document, section
from ttscale.reporting.embed import figure
from ttscale.reporting.figure_runs import MOST_GROUPS, run_differences
from ttscale.reporting.figures import Drawing
from ttscale.reporting.markup import Cell, Markup, bullets, facts, fold, joined, known, paragraph, table
from ttscale.reporting.palette import stylesheet
from ttscale.reporting.words import is_number

FIGURE = "differences"
_IDS_SHOWN = 500  # of the page; summary.json holds all
_CAPTION = (
    "Accuracy of the new run minus that of the old on the same items, with paired {level} intervals, which are not "
    "widened for the number of comparisons; the verdicts are."
)
_NOTE = (
    "Fixed are the items that only the new run decides right, broken those that only the old one does{text}. p is "
    "two-sided, of no difference at all: McNemar's exact test where every decision is right or wrong, and Fisher's "
    "randomisation of the signs of the differences where credits are shares or items come in clusters. Adjusted p is "
    "Holm's over all comparisons that can decide{half}. McNemar's p is of so many fixed and broken. Detectable is the "
    "difference that these items would have shown with 80% probability, tested beside the others."
)
_TEXT = (
    "; of sampled answers, whose credit is a mean over which samples are taken, right is more than half, wrong is "
    "less, and exactly half, a tie, is neither"
)
_HALF = ", where the headline has half of the error for itself"
_HEADS = ("Comparison", "Verdict", "Old", "New", "Difference, points", "Fixed", "Broken", "Adjusted p")
_TEST_HEADS = ("Comparison", "Items", "Old", "New", "p", "McNemar's p", "Detectable, points")
_COST_HEADS = ("Comparison", "Draws, old", "Draws, new", "FLOPs, old", "FLOPs, new", "Tokens, old", "Tokens, new")
_UNDECIDED = "it cannot decide, or holds too few items to show anything, so it was not tested"
_ALONE = "one item, or cluster of items, has no interval"
_SAME = "not tested, or the same in every item"
_CLUSTERS = "the items come in clusters, or the sides have other numbers of samples, which this test does not know"
_UNKNOWN = "not known"


def write_run_page(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write ``report.html`` and the figure.

    Args:
        summary: as ``scaling.comparison.words.run_summary`` gives it, with the ``command`` that made it.
    """
    drawing = _drawing(summary)
    for ending, render in (("png", canvas.png), ("svg", canvas.svg)):
        _write(folder / "figures" / f"{FIGURE}.{ending}", render(drawing.wide))
    _write(folder / "report.html", run_page(summary, drawing).encode("utf-8"))


def run_page(summary: Mapping[str, Any], drawing: Drawing) -> str:
    """The whole page."""
    title, (lead, *more) = "The new run against the old", summary["text"]
    notes = summary["notes"]
    head = [
        Markup("<header>\n<h1>"), title, Markup("</h1>\n"), paragraph(_sides(summary), "facts-line"),
        paragraph(lead, "lead"), paragraph(" ".join(notes), "notice") if notes else "", bullets(more, "headline"),
        Markup("</header>\n"),
    ]  # fmt: skip
    overall = [row for row in summary["rows"] if row["about"] != "groups"]
    groups = sorted(
        (row for row in summary["rows"] if row["about"] == "groups"),
        key=lambda row: row["difference"]["value"] if is_number(row["difference"]["value"]) else 0.0,
    )
    parts = [
        joined(head),
        section("differences", "What changed", joined([figure(drawing, 1), _many(groups)])),
        section("overall", "All items", joined([paragraph(_note(summary)), _rows("On all shared items", overall)])),
        section("groups", "Groups of items", _rows("At the headline's draws, what lost most first", groups)),
        section("flips", "Decisions that flipped", _flips(summary)),
        section("cost", "What it costs", _costs(overall)),
        section("method", "How it was compared", _method(summary)),
    ]
    return document(title, joined(parts), colours=stylesheet(1), footer=f"{MADE_BY}.")


def _drawing(summary: Mapping[str, Any]) -> Drawing:
    wide, narrow = run_differences(summary), run_differences(summary, narrow=True)
    alt = f"Dot chart, one row a comparison. {' '.join(summary['text'])}"
    return Drawing(FIGURE, wide, narrow, _CAPTION.format(level=words.percent(summary["level"], 0)), alt)


def _sides(summary: Mapping[str, Any]) -> str:
    named = (f"{side}: {words.clean(summary[side]['records'], 120)}" for side in ("new", "old"))
    return " · ".join((*named, words.plural(summary["items"]["shared"], "shared item")))


def _note(summary: Mapping[str, Any]) -> str:
    many = sum(is_number(row["p_adjusted"]) for row in summary["rows"]) > 1
    half = _HALF if many and "headline" in summary["fail_on"] else ""
    return _NOTE.format(text=_TEXT if summary["outcome"] == "text" else "", half=half)


def _many(groups: Sequence[Mapping[str, Any]]) -> Markup:
    if len(groups) <= MOST_GROUPS:
        return Markup("")
    return paragraph(f"The {MOST_GROUPS} groups that changed most, of {len(groups)}; the table has all.", "why")


def _rows(caption: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    if not rows:
        return Markup("")
    shown: list[list[Cell]] = [
        [
            words.clean(row["what"], 80), _kept(row["verdict"]), words.percent(row["old"]["value"]),
            words.percent(row["new"]["value"]), words.points_interval(row["difference"]),
            words.count(row["fixed"]), words.count(row["broken"]), known(_p(row["p_adjusted"]), _UNDECIDED),
        ]
        for row in rows
    ]  # fmt: skip
    tests: list[list[Cell]] = [
        [
            words.clean(row["what"], 80), words.count(row["n_items"]), words.percent_interval(row["old"], "value"),
            words.percent_interval(row["new"], "value"), known(_p(row["p"]), _ALONE),
            known(_p(row["mcnemar"]), _CLUSTERS), known(_detectable(row), _SAME),
        ]
        for row in rows
    ]  # fmt: skip
    table_of_tests = table("Each comparison by itself", _TEST_HEADS, tests)
    return joined(
        [
            table(caption, _HEADS, shown, text_columns=2),
            fold("Intervals of either run, the tests, and what they could have shown", table_of_tests),
        ]
    )


def _kept(text: str) -> Markup:
    """A verdict, on one line."""
    return joined([Markup("<span class=keep>"), text, Markup("</span>")])


def _detectable(row: Mapping[str, Any]) -> str:
    return words.significant(100 * row["detectable"], 2) if is_number(row["detectable"]) else words.DASH


def _flips(summary: Mapping[str, Any]) -> Markup:
    parts = []
    for what in ("broken", "fixed"):
        flips = summary[what]
        if not flips:
            continue
        rows: list[list[Cell]] = [
            [words.clean(flip["item_id"], 120), words.percent(flip["old"], 0), words.percent(flip["new"], 0)]
            for flip in flips[:_IDS_SHOWN]
        ]
        more = f", the first {_IDS_SHOWN} of them" if len(flips) > _IDS_SHOWN else ""
        body = table(f"{words.capital(what)} at the headline's draws", ("Item", "Old", "New"), rows)
        parts.append(fold(f"{words.plural(len(flips), 'item')} {what}{more}", body))
    return joined(parts) if parts else paragraph("None.")


def _costs(rows: Sequence[Mapping[str, Any]]) -> Markup:
    cells: list[list[Cell]] = [
        [
            words.clean(row["what"], 80), words.count(row["k_old"]), words.count(row["k_new"]),
            *(known(words.flops(row[f"flops_{side}"]), _UNKNOWN) for side in ("old", "new")),
            *(known(words.count(row[f"tokens_{side}"]), _UNKNOWN) for side in ("old", "new")),
        ]
        for row in rows
    ]  # fmt: skip
    tokens = any(is_number(row["tokens_old"]) or is_number(row["tokens_new"]) for row in rows)
    wide = len(_COST_HEADS) if tokens else len(_COST_HEADS) - 2
    return table("Mean cost of an item", _COST_HEADS[:wide], [row[:wide] for row in cells])


def _method(summary: Mapping[str, Any]) -> Markup:
    command = joined([Markup("<code>"), words.clean(summary.get("command") or "made from Python"), Markup("</code>")])
    pairs = [
        *((f"{words.capital(side)}, at most", _side(summary[side])) for side in ("old", "new")),
        ("Intervals", words.clean(summary["method"], 200)),
        ("What can decide", ", ".join(summary["fail_on"])),
        ("Margin", f"{100 * summary['margin']:g} points" if summary["margin"] else "none"),
        ("Exit status", words.count(summary["exit_status"])),
        ("Command", command),
    ]  # fmt: skip
    left_out = []
    for side in ("old", "new"):
        ids = summary["items"][f"only_{side}"]
        if ids:
            shown = joined(
                [", ".join(words.clean(one, 80) for one in ids[:_IDS_SHOWN]), ", …" * (len(ids) > _IDS_SHOWN)]
            )
            left_out.append(fold(f"{words.plural(len(ids), 'item')} only in {side}", paragraph(shown)))
    return joined([facts(pairs), *left_out])


def _side(side: Mapping[str, Any]) -> str:
    return f"{words.clean(side['label'], 120)} (strategy {words.clean(side['strategy'], 80)})"


def _p(value: Any) -> str:
    return "< 0.0001" if is_number(value) and value < 1e-4 else words.significant(value, 2)


def _write(file: Path, data: bytes) -> None:
    write_atomic(file, lambda stream: stream.write(data))
