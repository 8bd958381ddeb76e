"""The page of a tradeoff: train or buy a bigger model, or spend more at test time?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ttscale.records.files import write_atomic
from ttscale.reporting import canvas, words
from ttscale.reporting.document import MADE_BY, document, section
from ttscale.reporting.embed import figure
from ttscale.reporting.figures import Drawing
from ttscale.reporting.markup import Cell, Markup, Missing, bullets, facts, fold, joined, paragraph
from ttscale.reporting.palette import stylesheet
from ttscale.reporting.sections.cells import NOT_RECORDED
from ttscale.reporting.tradeoffs import tables
from ttscale.reporting.tradeoffs.drawings import FIGURES, drawings_of
from ttscale.reporting.tradeoffs.grid import Grid, Row
from ttscale.scaling.summaries.tradeoff_words import together

_TITLE = "Train a bigger model, or spend more at test time?"
_FOOTER = f"{MADE_BY}; the figures are in figures/ as PNG and SVG."
_NAMES = {"flops": "FLOPs", "front": "Pareto front"}
_RATES = (
    "Along one axis of training the other is held fixed, and the line of equal error is followed. Along the data a "
    "draw costs the same, so that fewer draws are what training saves. Along the size every draw gets dearer as well: "
    "where dearer draws outweigh their smaller number, more training takes more test compute, not less."
)
_LIVES = (
    "A model costs its training once, and its test-time compute with every query: with few queries the training weighs "
    "most, with many the queries."
)
_CEILINGS = (
    "From the budget in the table on, twice as many draws are not surely better on these items: the paired interval of "
    "the difference reaches 0. More items could show smaller gains."
)
_RIVALS = (
    "Other uses of training: their FLOPs count all that went into them, teachers and starting points too. They answer "
    "with one plain decision, and take part in the comparison at matched FLOPs above."
)


def write_tradeoff_page(folder: Path, summary: Row) -> None:
    """Write ``report.html`` and the figures; those of an older page that there are no data for now are removed.

    Args:
        summary: as ``scaling.summaries.tradeoffs.tradeoff_summary`` gives it, with the ``command`` that made it.
    """
    drawings = drawings_of(summary)
    for name in FIGURES:
        for ending, render in (("png", canvas.png), ("svg", canvas.svg)):
            file = folder / "figures" / f"{name}.{ending}"
            if name in drawings:
                _write(file, render(drawings[name].wide))
            else:
                file.unlink(missing_ok=True)
    _write(folder / "report.html", tradeoff_page(summary, drawings).encode("utf-8"))


def tradeoff_page(summary: Row, drawings: Mapping[str, Drawing]) -> str:
    """The whole page."""
    n, laws = Grid(summary).n_colours, summary["laws"]

    def drawn(name: str) -> Markup:
        return figure(drawings.get(name), n)

    parts = [
        _header(summary),
        section("tradeoff", "Training and test-time compute on the same axes", drawn("tradeoff")),
        section("matched", "At the same test FLOPs", _matched(summary["matched"])),
        section("exchange", "What training is worth in test-time compute", _exchange(summary)),
        section("contours", "Equal accuracy", joined([drawn("contours"), _contours(laws)])),
        section("lifetimes", "Over a model's life", _lifetimes(summary, drawn("lifetimes"))),
        section("ceilings", "Where test-time compute stops paying", _ceilings(laws)),
        section("ladder", "The training ladder", joined([drawn("ladder"), _ladder(summary)])),
        section("rivals", "Other uses of training", _rivals(summary)),
        section("laws", "The joint laws, and what they did not see", _laws(laws, drawn("held_out"))),
        section("families", "Beside published models", _families(summary, drawn("families"))),
        section("unsaid", "What could not be said", _unsaid(summary)),
        section("method", "How it was measured", _method(summary)),
    ]  # fmt: skip
    return document(_TITLE, joined(parts), colours=stylesheet(n), footer=_FOOTER)


def _header(summary: Row) -> Markup:
    run = summary["run"]
    told = (
        words.clean(run["dataset"] or "unnamed data", 120), words.plural(run["n_items"], "item"),
        words.plural(run["n_members"], "member"), words.plural(len(summary["ladder"]), "rung"),
    )  # fmt: skip
    lead, *more = summary["text"] or ["Nothing can be compared."]
    return joined([
        Markup("<header>\n<h1>"), _TITLE, Markup("</h1>\n"), paragraph(" · ".join(told), "facts-line"),
        paragraph(words.clean(lead), "lead"), bullets((words.clean(one) for one in more), "headline"),
        Markup("</header>\n"),
    ])  # fmt: skip


def _texts(rows: Iterable[Row], most: int) -> Markup:
    """The sentences of some rows; those beyond ``most`` on demand."""
    said = [words.clean(text) for text in dict.fromkeys(str(row["text"]) for row in rows) if text]
    more = fold(f"{words.plural(len(said) - most, 'more sentence')}", bullets(said[most:])) if said[most:] else ""
    return joined([bullets(said[:most]), more])


def _matched(rows: Sequence[Row]) -> Markup:
    """The verdicts in sentences where training is not limited, and all as a table."""
    free = [words.clean(row["text"]) for row in rows if row["at_training"] is None]
    body = tables.matched(rows)
    return joined([bullets(free, "headline"), fold("As a table", body) if len(rows) > 4 else body]) if rows else body


def _ladder(summary: Row) -> Markup:
    return tables.ladder(Grid(summary).ladder, summary["plain"], text=summary["run"]["outcome"] == "text")


def _laws(laws: Sequence[Row], drawn: Markup) -> Markup:
    unfit = together((law["names"], law["cannot"][0]) for law in laws if not law["describes"])
    return joined([bullets(words.clean(one) for one in unfit) if unfit else "", tables.laws(laws), drawn,
                   tables.held_out(laws)])  # fmt: skip


def _exchange(summary: Row) -> Markup:
    shown, verdicts = tables.rates(summary["laws"]), [words.clean(one["text"]) for one in summary["verdicts"]]
    return joined([
        paragraph(_RATES) if shown else "", shown,
        tables.measured_rates(summary["exchange"], summary["axis_words"]),
        fold(f"Each rung against smaller ones at its cost ({len(verdicts)})", bullets(verdicts)) if verdicts else "",
    ])  # fmt: skip


def _contours(laws: Sequence[Row]) -> Markup:
    texts = [
        words.clean(f"{law['names']}. {line['text']}")
        for law in laws
        for line in (*law["contours"], *(beyond for beyond in law["extrapolated"] if not all(beyond["inside"])))
    ]
    return fold(f"In sentences ({len(texts)})", bullets(texts)) if texts else Markup("")


def _lifetimes(summary: Row, drawn: Markup) -> Markup:
    texts = [words.clean((life["whole"] or life)["text"]) for law in summary["laws"] for life in law["lifetimes"]]
    evens = [even for one in summary["lives"] for even in one["break_evens"]]
    if not (drawn or texts or evens):
        return Markup("")
    return joined([
        paragraph(_LIVES), drawn, tables.lifetimes(summary["laws"]),
        fold(f"In sentences ({len(texts)})", bullets(texts)) if texts else "",
        Markup("<h3>Break-even between measured options</h3>\n") if evens else "", _texts(evens, 4),
    ])  # fmt: skip


def _ceilings(laws: Sequence[Row]) -> Markup:
    shown = tables.ceilings(laws)
    return joined([paragraph(_CEILINGS), shown]) if shown else Markup("")


def _rivals(summary: Row) -> Markup:
    shown = tables.rivals(summary["rivals"], summary["plain"])
    return joined([paragraph(_RIVALS), shown]) if shown else Markup("")


def _families(summary: Row, drawn: Markup) -> Markup:
    reference = summary["reference"]
    if not reference:
        return Markup("")
    texts = [{"text": text} for text in reference["text"]]
    notes = paragraph(words.clean(" ".join(reference["notes"])), "why")
    return joined([drawn, notes, _texts(texts, 4), tables.references(reference["models"])])


def _unsaid(summary: Row) -> Markup:
    cannot = together((law["names"], one) for law in summary["laws"] for one in law["cannot"])
    outside = [
        f"{law['names']}: {line['text']}" for law in summary["laws"] for line in law["contours"] if not line["inside"]
    ]
    said = [*summary["notes"], *cannot, *outside]
    return bullets(words.clean(one) for one in said) if said else paragraph("Nothing was left open.")


def _method(summary: Row) -> Markup:
    run = summary["run"]
    pairs: list[tuple[str, Cell]] = [
        ("Data", words.clean(run["dataset"] or words.DASH, 200)),
        ("Items", words.count(run["n_items"])),
        ("Training counted in", words.clean(summary["axis_words"], 120)),
        *((_NAMES.get(name, words.capital(name)), words.clean(text)) for name, text in summary["conventions"].items()),
        ("Interval", words.clean(run["interval"], 120)),
        ("Seed of the draws", _recorded(run["seed"])),
        ("Seed of the analysis", _recorded(run["analysis_seed"])),
        ("Resamples", words.count(run["n_boot"])),
        ("Device", _recorded(run["device"])),
        ("Versions", ", ".join(f"{words.clean(a, 60)} {words.clean(b, 60)}" for a, b in run["versions"].items())
         or Missing(NOT_RECORDED)),
        ("Collected by", _code(run["command"])),
        ("Command", _code(summary.get("command"))),
    ]  # fmt: skip
    return facts(pairs)


def _recorded(value: object) -> Cell:
    return Missing(NOT_RECORDED) if value is None or value == "" else words.clean(value, 200)


def _code(command: object) -> Cell:
    if not command:
        return Missing("made from Python")
    return joined([Markup("<code>"), words.clean(command, 600), Markup("</code>")])


def _write(file: Path, data: bytes) -> None:
    write_atomic(file, lambda stream: stream.write(data))
