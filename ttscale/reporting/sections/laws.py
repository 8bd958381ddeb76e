"""The fitted laws: the chosen one of each drawn curve, and every law by its back-test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, fold, joined, known, paragraph, table
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number
from ttscale.scaling.fits.stacking import STACKED

_HEADS = (
    "Curve", "Law", "Status", "Parameters, with intervals", "R²", "Fit error", "Back-test error", "Of the gain",
    "Of the choice",
)  # fmt: skip
_EVERY = (
    "Curve", "Law", "Status", "Parameters, or weights", "Rank", "Of the gain", "Back-test error", "Fit error",
    "Gap of starts", "Gradient",
)  # fmt: skip
_NOTE = (
    "Errors are root mean squares in accuracy points. The back-test fits the low budgets of one half of the items and "
    "predicts the high budgets of the other half; the simplest law whose back-test error of the gain over one draw is "
    "within a standard error of the smallest is chosen, whatever its R². The error of the choice is that of laws "
    "chosen anew in each split by the other splits: by as much as it is larger, the chosen law's looks too good."
)
_EVERY_NOTE = (
    "Ranked by the back-test error of the gain. The stacked average weighs a law by the odds, over the splits, that "
    "it errs less than the best, and the less the more parameters it has; it was back-tested with weights from "
    "other splits. Gap of starts: how much less likely, as a difference of log-likelihoods, the best start was that "
    "ended elsewhere. Gradient: of the loss at the solution, relative. The status of a law that was not chosen is "
    "that of its solution, without refits."
)


def laws(series: Series) -> Markup:
    chosen = [_row(_named(series.title(curve), of), fits[0]) for curve, of, fits in _fitted(series, series.drawn)]
    if not chosen:
        return paragraph("No law was fitted: a curve needs several budgets for one.", "why")
    every = list(_fitted(series, series.curves.values()))
    rows = [
        _every_row(_named(words.clean(curve["label"], 80), of), fit)
        for curve, of, fits in every
        for fit in sorted(fits, key=_by_rank)
    ]
    return joined(
        [
            paragraph(_NOTE),
            table("The law that the back-test chose for each curve", _HEADS, chosen, text_columns=4),
            fold(
                "Every law on every curve, ranked by its back-test",
                joined([paragraph(_EVERY_NOTE), table("All fitted laws", _EVERY, rows, text_columns=4), _left(every)]),
            ),
        ]
    )


def _fitted(
    series: Series, curves: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], str, list[Mapping[str, Any]]]]:
    """(curve, accuracy or coverage, its laws), as far as there are such; a coverage that curves share once."""
    seen = set()
    for curve in curves:
        for of in ("accuracy", "coverage"):
            fits = series.fits_of(curve, of)
            if fits and fits[0]["curve"] not in seen:
                seen.add(fits[0]["curve"])
                yield curve, of, fits


def _named(curve: str, of: str) -> str:
    return curve if of == "accuracy" else f"{curve}: {of}"


def _by_rank(fit: Mapping[str, Any]) -> tuple[bool, float]:
    """The average of laws last."""
    rank = fit.get("rank")
    return fit["law"] == STACKED, rank if is_number(rank) else float("inf")


def _row(name: str, fit: Mapping[str, Any]) -> list[Cell]:
    return [
        name,
        joined([_law(fit), Markup("<br><small>"), words.clean(fit.get("purpose") or "", 120), Markup("</small>")]),
        _status(fit),
        _parameters(fit),
        known(words.significant(fit.get("r2")), "undefined: every budget has the same accuracy"),
        *_errors(fit, "rmse", "backtest_rmse", "backtest_gain_rmse"),
        known(_points((fit.get("choice") or {}).get("gain_rmse")), "no choice was made"),
    ]


def _every_row(name: str, fit: Mapping[str, Any]) -> list[Cell]:
    rank = fit.get("rank")
    return [
        name,
        joined(
            [
                Markup("<span class=keep>"),
                words.clean(fit["law"], 40).replace("_", " "),
                " (chosen)" if fit.get("chosen") else "",
                Markup("</span><br><small>"),
                _law(fit),
                Markup("</small>"),
            ]
        ),
        _status(fit),
        _parameters(fit, ", "),
        words.count(rank) if is_number(rank) else Missing(_unranked(fit)),
        *_errors(fit, "backtest_gain_rmse", "backtest_rmse", "rmse"),
        known(words.significant(fit.get("start_gap"), 2), "no start ended elsewhere"),
        known(words.significant(fit.get("gradient_norm"), 2), "not computed"),
    ]


def _unranked(fit: Mapping[str, Any]) -> str:
    return "an average of those that are ranked" if fit["law"] == STACKED else "too few budgets for a back-test"


def _status(fit: Mapping[str, Any]) -> str:
    status = words.clean(str(fit.get("status") or words.DASH).replace("_", " "), 40)
    shares = (("refits", fit.get("refits_converged")), ("folds", fit.get("folds_converged")))
    late = [
        f"{words.percent(1 - share, 0)} of its {of} did not" for of, share in shares if is_number(share) and share < 1
    ]
    return f"{status} ({'; '.join(late)} converge)" if late else status


def _law(fit: Mapping[str, Any]) -> Markup:
    formula = words.clean(fit.get("formula") or fit["law"], 80)
    unit = Markup("<br><small>k: cost over the first draw's</small>") if fit.get("unit") == "multiplier" else ""
    return joined([Markup("<code>"), formula, Markup("</code>"), unit])


def _parameters(fit: Mapping[str, Any], between: str = "<br>") -> Markup:
    shares = fit.get("weights") or {}
    weights = [
        f"{words.clean(law, 40)} {words.percent(share, 0)}"
        for law, share in sorted(shares.items(), key=lambda one: -one[1])
        if is_number(share) and share >= 0.005
    ]
    return Markup(between).join([*(_parameter(name, value) for name, value in fit["params"].items()), *weights])


def _parameter(name: str, value: Mapping[str, Any]) -> Markup:
    named = [Markup("<span class=keep><i>"), words.clean(name, 24), Markup("</i> = ")]
    return joined([*named, words.number_interval(value), Markup("</span>")])


def _errors(fit: Mapping[str, Any], *keys: str) -> list[Cell]:
    reason = {"rmse": "the fit did not converge"}
    return [known(_points(fit.get(key)), reason.get(key, "too few budgets for a back-test")) for key in keys]


def _points(value: Any) -> str:
    return words.significant(100 * value, 2) if is_number(value) else words.DASH


def _left(every: Iterable[tuple[Mapping[str, Any], str, list[Mapping[str, Any]]]]) -> Markup:
    """The laws that a curve was too short for, once for all curves of the same kind."""
    curves_of: dict[str, list[str]] = {}
    for curve, of, fits in every:
        listed = "; ".join(f"{words.clean(law, 40)} {words.clean(why, 120)}" for law, why in _skipped(fits).items())
        if listed:
            curves_of.setdefault(listed, []).append(_named(words.clean(curve["label"], 80), of))
    said = [f"Not fitted to {', '.join(names)}: {listed}." for listed, names in curves_of.items()]
    return joined(paragraph(one, "why") for one in said)


def _skipped(fits: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    return next((fit["skipped"] for fit in fits if fit.get("skipped")), {})
