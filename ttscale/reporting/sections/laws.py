"""The fitted laws: the chosen one of each drawn curve, and every candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, fold, joined, known, paragraph, table
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number

_HEADS = ("Curve", "Law", "Status", "Parameters, with intervals", "R²", "Fit error", "Back-test error", "Of the gain")
_NOTE = (
    "Errors are root mean squares in accuracy points. The back-test fits the low budgets of one half of the items and "
    "predicts the high budgets of the other half; the law whose back-test error of the gain over one draw is smallest "
    "is chosen, whatever its R²."
)


def laws(series: Series) -> Markup:
    chosen = [_row(_named(series.title(curve), of), fits[0]) for curve, of, fits in _fitted(series, series.drawn)]
    if not chosen:
        return paragraph("No law was fitted: a curve needs several budgets for one.", "why")
    every = [
        _row(_named(words.clean(curve["label"], 80), of), fit, mark=True)
        for curve, of, fits in _fitted(series, series.curves.values())
        for fit in fits
    ]
    return joined(
        [
            paragraph(_NOTE),
            table("The law that the back-test chose for each curve", _HEADS, chosen, text_columns=4),
            fold("Every candidate law", table("All fitted laws", _HEADS, every, text_columns=4)),
        ]
    )


def _fitted(
    series: Series, curves: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], str, list[Mapping[str, Any]]]]:
    """(curve, accuracy or coverage, its laws), as far as there are such."""
    for curve in curves:
        for of in ("accuracy", "coverage"):
            if fits := series.fits_of(curve, of):
                yield curve, of, fits


def _named(curve: str, of: str) -> str:
    return curve if of == "accuracy" else f"{curve}: {of}"


def _row(name: str, fit: Mapping[str, Any], *, mark: bool = False) -> list[Cell]:
    no_backtest = "too few budgets for a back-test"
    return [
        name,
        _law(fit, mark and bool(fit.get("chosen"))),
        words.clean(str(fit.get("status") or words.DASH).replace("_", " "), 40),
        Markup("<br>").join(_parameter(key, value) for key, value in fit["params"].items()),
        known(words.significant(fit.get("r2")), "undefined: every budget has the same accuracy"),
        known(_error(fit.get("rmse")), "the fit did not converge"),
        known(_error(fit.get("backtest_rmse")), no_backtest),
        known(_error(fit.get("backtest_gain_rmse")), no_backtest),
    ]


def _law(fit: Mapping[str, Any], chosen: bool) -> Markup:
    formula = words.clean(fit.get("formula") or fit["law"], 80)
    unit = Markup("<br><small>k: cost over the first draw's</small>") if fit.get("unit") == "multiplier" else ""
    return joined([Markup("<code>"), formula, Markup("</code>"), " (chosen)" if chosen else "", unit])


def _parameter(name: str, value: Mapping[str, Any]) -> Markup:
    named = [Markup("<span class=keep><i>"), words.clean(name, 24), Markup("</i> = ")]
    return joined([*named, words.number_interval(value), Markup("</span>")])


def _error(value: Any) -> str:
    return words.significant(100 * value, 2) if is_number(value) else words.DASH
