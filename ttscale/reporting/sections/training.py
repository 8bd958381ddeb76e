"""Training compute against test-time compute: the ladder, verdicts at matched FLOPs, exchange rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, bullets, fold, joined, known, paragraph, table
from ttscale.reporting.sections.cells import (
    NO_TRAINING,
    NOT_RECORDED,
    accuracy,
    cost,
    detectable,
    parameters,
    ten_x_training,
    training_cost,
)
from ttscale.reporting.series import Series

_LADDER = ("Size", "Seeds", "Parameters", "FLOPs per item", "Training FLOPs of one seed")
_VERDICTS = (
    "Best smaller strategy", "Winner", "Draws k", "FLOPs per item",
    "Smaller minus larger, points",
)  # fmt: skip
_DETECTABLE = "Difference with an 80% chance to show, points"
_EXCHANGE = (
    "From small to large", "Strategy of the small", "Training FLOPs", "Test FLOPs", "Exchange rate",
    "10× training equals", "Resamples that match", "Small minus large, points",
)  # fmt: skip
_EXCHANGE_NOTE = (
    "Ratios hold where the small size, spending more test-time compute, becomes as accurate as {plain} of the large "
    "size: training FLOPs of the large over the small (every member of an ensemble counts), test-time FLOPs of the "
    "small over the large. The exchange rate is the logarithm of the second by the logarithm of the first; 10 to its "
    "power is the test-time compute that replaces ten times the training. Below 1×, the small size is cheaper in both."
)
_NONE_CROSSES = (
    "No smaller size becomes as accurate as {plain} of a larger size with less training, whatever test-time compute "
    "it spends here."
)
_NEVER = "the small size does not get there, or not with less training"
_NOTHING = "every budget of the small size needs at least the training of the large"


def training(series: Series) -> Markup:
    trade = series.summary.get("tradeoff") or {}
    ladder: list[list[Cell]] = [
        [
            words.clean(rung["size"], 60),
            known(words.count(rung.get("n_seeds")), NOT_RECORDED),
            parameters(rung),
            cost(rung),
            training_cost(rung),
            accuracy(rung),
        ]
        for rung in series.ladder
    ]
    heads = (*_LADDER, f"Accuracy, {series.plain}")
    return joined(
        [
            paragraph(words.clean(trade["note"]), "why") if trade.get("note") else "",
            table("The training ladder: sizes at one plain decision", heads, ladder) if ladder else "",
            _verdicts(series, trade.get("verdicts") or []),
            _exchange(series, trade.get("exchange") or []),
        ]
    )


def _verdicts(series: Series, verdicts: Sequence[Mapping[str, Any]]) -> Markup:
    if not verdicts:
        return Markup("")
    told = any("detectable" in verdict for verdict in verdicts)  # summaries of older versions do not tell
    rows: list[list[Cell]] = [
        [
            words.clean(verdict.get("big"), 60),
            series.title_of(str(verdict.get("strategy"))),
            _winner(verdict),
            words.count(verdict.get("k")),
            cost(verdict, "at_flops"),
            known(words.points_interval(verdict.get("difference") or {}), "no difference"),
            *([detectable(verdict, NOT_RECORDED)] if told else []),
        ]
        for verdict in verdicts
    ]
    heads = (f"Larger size, {series.plain}", *_VERDICTS, *([_DETECTABLE] if told else []))
    caption = f"Each size at {series.plain}, against the best strategy of smaller sizes that costs no more"
    return joined(
        [
            Markup("<h3>Who wins at the same test-time FLOPs</h3>\n"),
            bullets(words.clean(verdict["text"]) for verdict in verdicts),
            table(caption, heads, rows, text_columns=3),
        ]
    )


def _winner(verdict: Mapping[str, Any]) -> str:
    winner = verdict.get("winner") or "too close to call"
    return words.clean({"big": verdict.get("big"), "small": verdict.get("small")}.get(winner, winner), 60)


def _exchange(series: Series, exchange: Sequence[Mapping[str, Any]]) -> Markup:
    """Rates, those of pairs that cross first; in a fold where none does, since there is no rate to read then."""
    if not exchange:
        return Markup("")
    ordered = sorted(exchange, key=lambda row: not row.get("crosses"))
    heads, rows = _EXCHANGE, [_exchange_row(series, row) for row in ordered]
    rates = joined(
        [
            paragraph(_EXCHANGE_NOTE.format(plain=series.plain)),
            table("Exchange rates between training and test-time FLOPs", heads, rows, text_columns=2),
        ]
    )
    if not ordered[0].get("crosses"):
        rates = joined([paragraph(_NONE_CROSSES.format(plain=series.plain)), fold("How far each stays below", rates)])
    return joined(
        [
            Markup("<h3>What training compute is worth in test-time compute</h3>\n"),
            rates,
            fold("The same in words", bullets(words.clean(row["text"]) for row in ordered)),
        ]
    )


def _exchange_row(series: Series, row: Mapping[str, Any]) -> list[Cell]:
    curve = series.curves.get(str(row.get("curve")))
    reason = NO_TRAINING if row.get("crosses") else _NEVER
    return [
        f"{words.clean(row.get('small'), 60)} to {words.clean(row.get('big'), 60)}",
        series.spent_on(curve) if curve else words.clean(row.get("curve"), 60),
        known(words.times(row.get("train_ratio")), reason),
        known(words.times(row.get("test_ratio")), reason),
        known(words.number_interval(row.get("rate") or {}), reason),
        ten_x_training(row, reason),
        known(words.percent(row.get("share_crossing"), 0), _NOTHING),
        known(words.points_interval(row.get("gap") or {}), _NOTHING),
    ]
