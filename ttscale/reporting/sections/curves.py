"""What each strategy reached, and the numbers of every curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, fold, joined, known, table
from ttscale.reporting.sections.cells import NO_FLOPS, NO_GAIN, accuracy_at, cost, coverage_at, tokens_at
from ttscale.reporting.series import Series, sparse

_REACHED = ("Strategy", "Draws k", "Compute", "FLOPs per item", "Accuracy at k = 1", "Accuracy at all k draws")
_TEXT = ("Tokens per item", "Coverage at all k draws", "Ceiling")
_BUDGETS = ("Curve", "Vote", "Draws k", "Compute", "Mean FLOPs per item", "Worst item", "Accuracy")
_GAIN = "Points per extra GFLOP"


def reached(series: Series) -> Markup:
    """The largest budget of each drawn curve, and every curve's budgets in a fold."""
    if not series.curves:
        return Markup("")
    rows: list[list[Cell]] = [
        [
            series.title(curve),
            words.count(curve["budgets"][-1]),
            known(words.times(curve["multiplier"][-1]), NO_FLOPS),
            cost({"flops": curve["flops"][-1]}),
            accuracy_at(curve, 0),
            accuracy_at(curve, -1),
            _gain(curve, -1),
            *([tokens_at(curve, -1), coverage_at(curve, -1), _ceiling(curve)] if series.text else []),
        ]
        for curve in series.drawn
    ]
    heads = (*_REACHED, _GAIN, *(_TEXT if series.text else ()))
    shown = table("What each strategy reached at its largest budget", heads, rows) if rows else Markup("")
    return joined([shown, fold("Every curve, at budgets of powers of two", _budgets(series))])


def _budgets(series: Series) -> Markup:
    rows: list[list[Cell]] = [
        [
            words.clean(curve["label"], 80),
            words.clean(curve.get("vote") or words.DASH, 24),
            words.count(curve["budgets"][i]),
            known(words.times(curve["multiplier"][i]), NO_FLOPS),
            cost({"flops": curve["flops"][i]}),
            cost({"flops": (curve.get("flops_worst") or curve["flops"])[i]}),
            accuracy_at(curve, i),
            _gain(curve, i),
            *([tokens_at(curve, i), coverage_at(curve, i)] if series.text else []),
        ]
        for curve in series.curves.values()
        for i in sparse(curve["budgets"])
    ]
    heads = (*_BUDGETS, _GAIN, *(("Tokens per item", "Coverage") if series.text else ()))
    return table("Accuracy and gain of every curve", heads, rows, text_columns=2)


def _ceiling(curve: Mapping[str, Any]) -> Cell:
    return known(words.percent_interval(curve.get("ceiling") or {}, "value"), "it was not computed")


def _gain(curve: Mapping[str, Any], i: int) -> Cell:
    gains = curve.get("gain_per_gflop") or []
    if not gains or curve["budgets"][i] == curve["budgets"][0]:
        return Missing(NO_GAIN)
    return known(words.number_interval(gains[i]), NO_FLOPS)
