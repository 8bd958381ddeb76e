"""The tables of the page of a tradeoff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, bullets, fold, joined, known, paragraph, table
from ttscale.reporting.sections.cells import NO_FLOPS, NO_TRAINING, NOT_RECORDED, cost, parameters, training_cost
from ttscale.reporting.tradeoffs.grid import Row
from ttscale.reporting.words import is_number

_LADDER = (
    "Rung", "Size", "Budget", "Different items", "Epochs", "Seeds", "Parameters", "FLOPs per item",
    "Training FLOPs of one model",
)  # fmt: skip
_MATCHED = (
    "FLOPs per item, at most", "Training FLOPs, at most", "Best", "Runner-up", "Verdict", "Accuracy of the best",
    "Best minus runner-up, points", "Training FLOPs of the best",
)  # fmt: skip
_RATES = (
    "Law", "Along", "At", "10 × training equals so much test compute", "10 × test compute equals so much training",
    "Slope", "Slopes of other laws", "Measured over training FLOPs",
)  # fmt: skip
_MEASURED = (
    "From small to large", "Strategy of the small", "Training", "Test FLOPs", "Rate", "10 × training equals",
    "Resamples that match", "Small minus large, points",
)  # fmt: skip
_LIVES = (
    "Law", "Queries", "Asked for", "Parameters", "Training data", "Draws", "Training FLOPs", "FLOPs per query",
    "Total FLOPs", "Error expected", "Measured there",
)  # fmt: skip
_CEILINGS = ("Rung", "Accuracy of draws without end, by the law", "Where the vote ends", "Doubling stops paying at",
             "What that doubling bought, points")  # fmt: skip
_CELLS = ("Law", "Left out", "Points", "Missed by, points", "Relative error", "Bias", "Where")
_NO_LIMIT = "the law has none but its floor, by its form alone"
_NO_VOTE = "views and members have no such limit of their own"
_NO_RATE = "no exchange rate"
_MOST_ROWS = 200


def ladder(rungs: Sequence[Row], plain: str) -> Markup:
    rows: list[list[Cell]] = [
        [
            words.clean(rung["name"], 60), words.clean(rung["size"], 40),
            known(words.clean(rung["budget"] or words.DASH, 40), NOT_RECORDED),
            known(words.count(rung["unique"]), NOT_RECORDED), known(words.significant(rung["epochs"]), NOT_RECORDED),
            words.count(rung["n_seeds"]), parameters(rung), cost(rung), training_cost(rung),
            known(words.percent_interval(rung["accuracy"], "value"), "it was not measured"),
            known(_points(rung["seed_sd"]), "no rung has two seeds"),
        ]
        for rung in rungs
    ]  # fmt: skip
    heads = (*_LADDER, f"Accuracy, {words.clean(plain, 30)}", "Noise of training, points")
    return table("The training ladder: every size under every budget, plainly used", heads, rows, text_columns=3)


def matched(rows: Sequence[Row]) -> Markup:
    limits = any(is_number(row["at_training"]) for row in rows)
    shown: list[list[Cell]] = []
    for row in rows:
        best, other = row["best"], row["runner_up"]
        cells: list[Cell] = [
            _budget(row), words.flops(row["at_training"]) if is_number(row["at_training"]) else "any",
            _way(best), _way(other), words.clean(row["winner"] or words.DASH, 30),
            known(words.percent_interval(row["accuracy"], "value"), "nothing is within the budget"),
            known(words.points_interval(row["difference"]), "there is nothing to compare with"),
            known(words.flops(best["train_flops"]) if best else words.DASH, NO_TRAINING),
        ]  # fmt: skip
        shown.append(cells if limits else [*cells[:1], *cells[2:]])
    heads = _MATCHED if limits else (_MATCHED[0], *_MATCHED[2:])
    return table("The best at each test budget, and the best other way", heads, shown, text_columns=4 + limits)


def _budget(row: Row) -> str:
    low, high = row["at_flops"], row.get("up_to")
    if is_number(high) and high > low:
        return f"{words.flops(low)} to {words.flops(high)}"
    return words.flops(low)


def _way(pick: Row | None) -> Cell:
    return words.clean(pick["words"], 120) if pick else Missing("nothing is within the budget")


def rates(laws: Sequence[Row]) -> Markup:
    rows: list[list[Cell]] = []
    for law in laws:
        for one in law["exchange"]:
            rows.append([
                words.clean(law["names"], 60), "size" if one["along"] == "n" else words.clean(law["axis_words"], 30),
                _place(one, law), known(words.number_interval(one["ten_x"]), _NO_RATE),
                known(words.number_interval(one["ten_x_test"]), _NO_RATE),
                known(words.number_interval(one["slope"], 2), _NO_RATE),
                known(_between(*one["laws"]), _NO_RATE), known(_span(one["valid_from"], one["valid_to"]), NO_TRAINING),
            ])  # fmt: skip
    if not rows:
        return Markup("")
    return table("Exchange rates of the joint laws, at equal error", _RATES, rows, text_columns=3)


def _place(one: Row, law: Row) -> str:
    n, d, k = one["at"]
    parts = [f"{words.scaled(n, '', 2).rstrip()} parameters"] if is_number(n) else []
    parts += [f"{words.significant(d, 2)} {words.clean(law['axis_words'], 30)}"] if is_number(d) else []
    parts += [f"{words.significant(k, 2)} draws"] if is_number(k) else []
    return ", ".join(parts)


def _between(low: Any, high: Any) -> str:
    if not (is_number(low) and is_number(high)):
        return words.DASH
    return f"{words.significant(low, 2)} to {words.significant(high, 2)}"


def _span(low: Any, high: Any) -> str:
    return f"{words.flops(low)} to {words.flops(high)}" if is_number(low) and is_number(high) else words.DASH


def measured_rates(exchange: Sequence[Row], axis_words: str) -> Markup:
    """Exchange between measured rungs that cross, folded; how many do not."""
    crossing = [one for one in exchange if one["crosses"]]
    if not exchange:
        return Markup("")
    rows: list[list[Cell]] = [
        [
            f"{words.clean(one['small'], 40)} to {words.clean(one['big'], 40)}", words.clean(one["curve"], 60),
            known(words.times(one["train_ratio"]), NO_TRAINING), known(words.times(one["test_ratio"]), NO_FLOPS),
            known(words.number_interval(one["rate"]), "too little difference in training, or none"),
            known(words.times(one["ten_x_training_equals"]), "no rate"),
            known(words.percent(one["share_crossing"], 0), NOT_RECORDED),
            known(words.points_interval(one["gap"]), "nothing to compare"),
        ]
        for one in crossing[:_MOST_ROWS]
    ]  # fmt: skip
    note = (
        f"{words.plural(len(crossing), 'curve')} of a smaller or less trained rung of {len(exchange)} reach one plain "
        f"decision of another with less training ({words.clean(axis_words, 90)})."
    )
    body = table("Between measured rungs, where the curves cross", _MEASURED, rows, text_columns=2) if rows else ""
    more = f" The first {_MOST_ROWS} are shown; summary.json has all." if len(crossing) > _MOST_ROWS else ""
    head = paragraph(note + more)
    return joined([head, fold("Every pair of measured rungs whose curves cross", body)]) if rows else head


def lifetimes(laws: Sequence[Row]) -> Markup:
    rows: list[list[Cell]] = []
    for law in laws:
        for one in law["lifetimes"]:
            life = one["whole"] or one
            asked = one["wanted"]
            rows.append([
                words.clean(law["names"], 60), words.significant(one["queries"]),
                f"error {words.percent(asked)}" if is_number(asked) else "least error of a total",
                known(words.scaled(life["n"]["value"], "", 3).rstrip(), "out of reach"),
                known(words.significant(life["d"]["value"]), "out of reach"),
                known(words.significant(life["k"]["value"]), "out of reach"),
                known(words.flops(life["train_flops"]["value"]), "out of reach"),
                known(words.flops(life["test_flops"]["value"]), "out of reach"),
                known(_flops_interval(life["total_flops"]), "out of reach"),
                known(words.percent(life["error"]["value"]), "out of reach"), _inside(life),
            ])  # fmt: skip
    if not rows:
        return Markup("")
    return table("The cheapest way over a number of queries, by the joint laws", _LIVES, rows)


def _inside(life: Row) -> Cell:
    if not is_number(life["n"]["value"]):
        return Missing("out of reach")
    return "yes" if life["inside"] else "no"


def _flops_interval(interval: Row) -> str:
    if not is_number(interval["value"]):
        return words.DASH
    if not (is_number(interval["low"]) and is_number(interval["high"])):
        return words.flops(interval["value"])
    return f"{words.flops(interval['value'])} ({words.flops(interval['low'])} to {words.flops(interval['high'])})"


def ceilings(law: Row) -> Markup:
    rows: list[list[Cell]] = [
        [
            words.clean(one["rung"], 60),
            Missing(_NO_LIMIT) if one["by_form"] else known(words.percent_interval(one["law"], "value"), "no law"),
            known(words.percent_interval(one["vote"], "value"), _NO_VOTE) if one["vote"] else Missing(_NO_VOTE),
            f"{words.count(one['stops'])} draws" if is_number(one["stops"]) else "not yet",
            known(words.points_interval(one["last"]), "no budget with its double was measured"),
        ]
        for one in law["ceilings"]
    ]  # fmt: skip
    return table(words.clean(law["names"], 60), _CEILINGS, rows) if rows else Markup("")


def rivals(rows: Sequence[Row], plain: str) -> Markup:
    if not rows:
        return Markup("")
    shown: list[list[Cell]] = [
        [
            words.clean(row["name"], 60), words.clean(row["how"] or words.DASH, 60), words.clean(row["of"], 60),
            words.count(row["n_seeds"]), cost(row), training_cost(row),
            known(words.percent_interval(row["accuracy"], "value"), "it was not measured"),
        ]
        for row in rows
    ]  # fmt: skip
    heads = ("Rival", "How it was made", "Of", "Seeds", "FLOPs per item", "Training FLOPs, all that went into it",
             f"Accuracy, {words.clean(plain, 30)}")  # fmt: skip
    return table("Rivals at one plain decision", heads, shown, text_columns=3)


def laws(rows: Sequence[Row]) -> Markup:
    """Every joint law with its parameters, and what it missed."""
    parts = []
    for law in rows:
        surface = law["surface"]
        if surface is None:
            continue
        params: list[list[Cell]] = [
            [words.clean(name, 30), known(words.number_interval(one), "not identified")]
            for name, one in surface["params"].items()
        ]
        candidates: list[list[Cell]] = [
            [
                words.clean(one["law"].replace("_", " "), 40), words.clean(one["formula"], 80),
                words.clean(one["status"].replace("_", " "), 40),
                known(words.percent(one["backtest_rmse"]), "no cell could be left out"),
            ]
            for one in surface["candidates"]
        ]  # fmt: skip
        formula = joined([Markup("<code>"), words.clean(surface["formula"], 120), Markup("</code>")])
        heading = joined([Markup("<h3>"), words.clean(law["names"], 80), Markup("</h3>\n")])
        said = joined([
            "The ", "error" if surface["quantity"] == "error" else "−ln(accuracy)", " follows ", formula,
            f": {words.clean(surface['purpose'], 200)}. Fit: {words.clean(surface['status'].replace('_', ' '), 40)}.",
        ])  # fmt: skip
        tables = joined([
            table("Parameters", ("Parameter", "Value with interval"), params, tight=True),
            table("Laws tried, best back-test first", ("Law", "Formula", "Status", "Relative error in cells left out"),
                  candidates, text_columns=3) if candidates else "",
        ])  # fmt: skip
        parts += [heading, paragraph(said), fold("Its parameters, and the other laws", tables)]
    return joined(parts)


def held_out(rows: Sequence[Row]) -> Markup:
    shown: list[list[Cell]] = [
        [
            words.clean(law["names"], 60), words.clean(_cell_words(cell["cell"], law), 60),
            words.count(cell["n_points"]), known(_points(cell["error_rmse"]), "not scored"),
            known(words.percent(cell["rmse"]), "not scored"), known(_signed(cell["bias"]), "not scored"),
            "at an end of the grid" if cell["beyond"] else "between",
        ]
        for law in rows if law["surface"] for cell in law["surface"]["held_out"]
    ]  # fmt: skip
    if not shown:
        return Markup("")
    summed = [
        f"{words.clean(law['names'], 60)}: "
        + ", ".join(f"{words.clean(name, 60)} is missed by {words.significant(x, 2)} points"
                    for name, x in law["surface"]["missed_points"].items())
        for law in rows if law["surface"] and law["surface"]["missed_points"]
    ]  # fmt: skip
    body = table("Every cell that was left out and predicted", _CELLS, shown, text_columns=2)
    return joined([bullets(f"{one}." for one in summed), fold(f"Every cell ({len(shown)})", body)])


def _cell_words(cell: str, law: Row) -> str:
    axis, _, value = cell.partition(" = ")
    name = {"n": "parameters", "d": law["axis_words"], "k": "draws", "n·d": "size × data"}.get(axis, axis)
    return f"{name} {value}"


def _signed(share: Any) -> str:
    return f"{100 * share:+.1f}%".replace("-", "−") if is_number(share) else words.DASH


def references(models: Sequence[Row]) -> Markup:
    rows: list[list[Cell]] = [
        [
            words.clean(one["name"], 60), words.clean(one["family"], 40),
            known(words.percent(one["accuracy"]), "not published here"), cost(one, "test_flops"),
            known(words.flops(one["train_flops"]), "not all that it takes to estimate them is published"),
            words.clean(one["estimate"], 200), _sources(one["source"]),
        ]
        for one in models
    ]  # fmt: skip
    heads = ("Model", "Family", "Accuracy", "FLOPs per item", "Training FLOPs, estimated", "How", "Sources")
    body = table("Published models", heads, rows, text_columns=2)
    return fold(f"Published models and their sources ({len(rows)})", body)


def _sources(source: str) -> str:
    return words.clean(source, 400)


def _points(share: Any) -> str:
    return words.significant(100 * share, 2) if is_number(share) else words.DASH
