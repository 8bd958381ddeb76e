"""The tables of the page of a tradeoff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, bullets, fold, joined, known, paragraph, table
from ttscale.reporting.sections.cells import (
    NO_FLOPS,
    NO_TRAINING,
    NOT_RECORDED,
    cost,
    parameters,
    ten_x_training,
    training_cost,
)
from ttscale.reporting.tradeoffs.grid import Row
from ttscale.reporting.words import is_number
from ttscale.scaling.surfaces.quantity import QUANTITIES

_LADDER = (
    "Rung", "Budget", "Epochs", "Seeds", "Parameters", "FLOPs per item",
    "Training FLOPs of one model",
)  # fmt: skip
_MATCHED = (
    "FLOPs per item, at most", "Best", "Runner-up", "Verdict", "Accuracy of the best",
    "Best minus runner-up, points", "Training FLOPs of the best",
)  # fmt: skip
_RATES = (
    "Strategy, and what training moves along", "10 × training = × test compute", "2 × test compute = × training",
    "Measured over training FLOPs", "Slope", "Slopes of other laws", "Parameters", "Data", "Draws",
    "Draws measured",
)  # fmt: skip
_MEASURED = (
    "From small to large", "Strategy of the small", "Training", "Test FLOPs", "Rate", "10 × training equals",
    "Resamples that match", "Small minus large, points",
)  # fmt: skip
_LIVES = (
    "Over its life", "Asked for", "Parameters", "Data", "Draws", "Training FLOPs", "FLOPs per query",
    "Total FLOPs", "Error expected", "Measured there",
)  # fmt: skip
_CEILINGS = ("Rung", "Accuracy of draws without end, by the law", "Where the vote ends", "Doubling stops paying at",
             "What that doubling bought, points")  # fmt: skip
_CELLS = ("Law", "Left out", "Points", "Missed by, points", "Relative error", "Bias", "Where")
_TRIED = ("Law", "Of", "Formula", "Status", "Relative error in cells left out")
_UNSURE = "the law says nothing sure of it"
_NO_LIMIT = "the law has none but its floor, by its form alone"
_NO_VOTE = "views and members have no such limit of their own"
_NO_RATE = "no exchange rate"
_OUT = "out of reach"
_STEEP = "more than the draws measured span; see what 2 × the test compute is worth"
_MOST_ROWS = 200


def ladder(rungs: Sequence[Row], plain: str, *, text: bool) -> Markup:
    rows: list[list[Cell]] = [
        [
            words.clean(rung["name"], 60),
            known(words.clean(rung["budget"] or words.DASH, 40), NOT_RECORDED),
            known(words.count(rung["unique"]), NOT_RECORDED), known(words.significant(rung["epochs"]), NOT_RECORDED),
            words.count(rung["n_seeds"]), parameters(rung), cost(rung), training_cost(rung),
            known(words.percent_interval(rung["accuracy"], "value"), "it was not measured"),
            known(_points(rung["seed_sd"]), "no rung has two seeds"),
        ]
        for rung in rungs
    ]  # fmt: skip
    data = "Training tokens" if text else "Different items"
    heads = (*_LADDER[:2], data, *_LADDER[2:], f"Accuracy, {words.clean(plain, 30)}", "Noise of training, points")
    return table("The training ladder: every size under every budget, plainly used", heads, rows, text_columns=2)


def matched(rows: Sequence[Row]) -> Markup:
    """The best and the runner-up under each limit of training."""
    limits = dict.fromkeys(row["at_training"] for row in rows)
    return joined(
        table(
            _limit_words(limit), _MATCHED, [_match(row) for row in rows if row["at_training"] == limit], text_columns=4
        )
        for limit in limits
    )


def _limit_words(limit: Any) -> str:
    if not is_number(limit):
        return "The best at each test budget, and the best other way, whatever they cost to train"
    return f"The same with at most {words.flops(limit)} of training"


def _match(row: Row) -> list[Cell]:
    best = row["best"]
    return [
        _budget(row), _way(best), _way(row["runner_up"]), words.clean(row["winner"] or words.DASH, 30),
        known(words.percent_interval(row["accuracy"], "value"), "nothing is within the budget"),
        known(words.points_interval(row["difference"]), "there is nothing to compare with"),
        known(words.flops(best["train_flops"]) if best else words.DASH, NO_TRAINING),
    ]  # fmt: skip


def _budget(row: Row) -> str:
    low, high = row["at_flops"], row.get("up_to")
    if is_number(high) and high > low:
        return f"{words.flops(low)} to {words.flops(high)}"
    return words.flops(low)


def _way(pick: Row | None) -> Cell:
    return words.clean(pick["words"], 120) if pick else Missing("there is no other")


def rates(laws: Sequence[Row]) -> Markup:
    """Exchange rates in the middle of the grid; those at its ends, and the sentences, on demand."""
    middle: list[list[Cell]] = []
    ends: list[list[Cell]] = []
    texts: list[str] = []
    for law in laws:
        seen: set[str] = set()
        for one in law["exchange"]:
            (ends if one["along"] in seen else middle).append(_rate(law, one))
            seen.add(one["along"])
            texts.append(words.clean(one["text"]))
    if not middle:
        return Markup("")
    at_ends = table("Exchange rates where the other input is at its least or most", _RATES, ends) if ends else ""
    return joined([
        table("Exchange rates of the joint laws at equal error, in the middle of the grid", _RATES, middle),
        fold(f"At the ends of the grid ({len(ends)})", at_ends) if ends else "",
        fold(f"In sentences ({len(texts)})", bullets(texts)),
    ])  # fmt: skip


def _rate(law: Row, one: Row) -> list[Cell]:
    n, d, k = one["at"]
    moved = "size" if one["along"] == "n" else law["axis_words"]
    other = law["axis_words"] if one["along"] == "n" else "size"
    kind = law["names"].partition(" along ")[0]
    not_in = "the grid has one value only"
    return [
        words.clean(f"{kind}: {moved}, at fixed {other}", 100),
        _ten_x(one), known(words.number_interval(one["two_x_test"]), _NO_RATE),
        known(_span(one["valid_from"], one["valid_to"]), NO_TRAINING),
        known(words.number_interval(one["slope"], 2), _NO_RATE), known(_between(*one["laws"]), _NO_RATE),
        known(words.scaled(n, "", 2).rstrip(), not_in), known(words.scaled(d, "", 2).rstrip(), not_in),
        known(words.significant(k, 2), not_in), known(_between(one["k_from"], one["k_to"]), not_in),
    ]  # fmt: skip


def _ten_x(one: Row) -> Cell:
    """Ten times the training as test compute, where the draws that were measured span so much."""
    value, span = one["ten_x"]["value"], one["test_span"]
    beyond = is_number(one["slope"]["value"]) and not is_number(value)  # what a number holds: JSON has no infinity
    if beyond or (is_number(value) and is_number(span) and value > span):
        return Missing(_STEEP)
    return known(words.number_interval(one["ten_x"]), _NO_RATE)


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
            ten_x_training(one, "no rate"),
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
    """Of the first law, and of the others on demand."""
    parts = [
        table(words.clean(law["names"], 60), _LIVES, [_life(one) for one in law["lifetimes"]])
        for law in laws
        if law["lifetimes"]
    ]
    return joined([*parts[:1], fold(f"By the other laws ({len(parts) - 1})", joined(parts[1:])) if parts[1:] else ""])


def _life(one: Row) -> list[Cell]:
    life, asked = one["whole"] or one, one["wanted"]
    n, d, k = (life[name]["value"] for name in ("n", "d", "k"))
    return [
        f"{words.count(one['queries'])} queries",
        f"error {words.percent(asked)}" if is_number(asked) else "least error of a total",
        known(words.scaled(n, "").rstrip(), _OUT), known(words.scaled(d, "").rstrip(), _OUT),
        known(words.significant(k), _OUT), known(words.flops(life["train_flops"]["value"]), _OUT),
        known(words.flops(life["test_flops"]["value"]), _OUT), known(_flops_interval(life["total_flops"]), _OUT),
        known(words.percent(life["error"]["value"]), _OUT), _inside(life),
    ]  # fmt: skip


def _inside(life: Row) -> Cell:
    if not is_number(life["n"]["value"]):
        return Missing(_OUT)
    return "yes" if life["inside"] else "no"


def _flops_interval(interval: Row) -> str:
    if not is_number(interval["value"]):
        return words.DASH
    if not (is_number(interval["low"]) and is_number(interval["high"])):
        return words.flops(interval["value"])
    return f"{words.flops(interval['value'])} ({words.flops(interval['low'])} to {words.flops(interval['high'])})"


def ceilings(laws: Sequence[Row]) -> Markup:
    """Of the first law, and of the others on demand."""
    parts = [_ceilings(law) for law in laws if law["ceilings"]]
    return joined([*parts[:1], fold(f"By the other laws ({len(parts) - 1})", joined(parts[1:])) if parts[1:] else ""])


def _ceilings(law: Row) -> Markup:
    rows: list[list[Cell]] = [
        [
            words.clean(one["rung"], 60),
            Missing(_NO_LIMIT) if one["by_form"] else known(words.percent_interval(one["law"], "value"), _UNSURE),
            known(words.percent_interval(one["vote"], "value"), _NO_VOTE) if one["vote"] else Missing(_NO_VOTE),
            f"{words.count(one['stops'])} draws" if is_number(one["stops"]) else "not yet",
            known(words.points_interval(one["last"]), "no budget with its double was measured"),
        ]
        for one in law["ceilings"]
    ]  # fmt: skip
    return table(words.clean(law["names"], 60), _CEILINGS, rows)


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
                words.clean(one["law"].replace("_", " "), 40), _quantity(one), words.clean(one["formula"], 80),
                words.clean(one["status"].replace("_", " "), 40),
                known(words.percent(one["backtest_rmse"]), "no cell could be left out"),
            ]
            for one in surface["candidates"]
        ]  # fmt: skip
        formula = joined([Markup("<code>"), words.clean(surface["formula"], 120), Markup("</code>")])
        heading = joined([Markup("<h3>"), words.clean(law["names"], 80), Markup("</h3>\n")])
        said = joined([
            words.capital(_quantity(surface)), " = ", formula,
            f": {words.clean(surface['purpose'], 200)}. Fit: {words.clean(surface['status'].replace('_', ' '), 40)}.",
        ])  # fmt: skip
        tables = joined([
            table("Parameters", ("Parameter", "Value with interval"), params, tight=True),
            table("Laws tried, best back-test first", _TRIED, candidates, text_columns=4) if candidates else "",
        ])  # fmt: skip
        parts += [heading, paragraph(said), fold("Its parameters, and the other laws", tables)]
    return joined(parts)


def _quantity(row: Row) -> str:
    """What a law says, in words; a name of another version as it is."""
    return words.clean(QUANTITIES.get(row["quantity"], row["quantity"]), 40)


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
        f"{words.clean(law['names'], 60)}: {_missed(law['surface']['missed_points'])}."
        for law in rows
        if law["surface"] and law["surface"]["missed_points"]
    ]
    body = table("Every cell that was left out and predicted", _CELLS, shown, text_columns=2)
    return joined([bullets(summed), fold(f"Every cell ({len(shown)})", body)])


def _missed(points: Row) -> str:
    told = (
        f"{words.clean(name, 60)} is missed by {words.significant(one['points'], 2)} points "
        f"(any one of them by {words.significant(one['any'], 3)})"
        for name, one in points.items()
    )
    return ", ".join(told)


def _cell_words(cell: str, law: Row) -> str:
    axis, _, value = cell.partition(" = ")
    name = {"n": "parameters", "d": law["axis_words"], "k": "draws", "n·d": "size × data"}.get(axis, axis)
    return f"{name} {' to '.join(words.scaled(float(end), '').rstrip() for end in value.split(' to '))}"


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
