"""How good the probabilities are at each budget: accuracy, top-5, likelihood, Brier score, calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, fold, joined, known, paragraph, table
from ttscale.reporting.sections.cells import nats
from ttscale.reporting.series import Series

_HEADS = ("Strategy", "k", "T", "Accuracy", "Top-5", "NLL", "Brier", "ECE")
_NOTE = (
    "After k draws: of the probabilities as they are and, in the second line, after a temperature T that was fitted on "
    "one half of the items and applied to the other, both ways round. NLL is the mean negative log-likelihood of the "
    "right class in nats, Brier the squared error summed over the classes, ECE the expected calibration error over 15 "
    "bins of equal width; less is better."
)
_NOT_MEASURED = "it was not measured"
Pair = list[Mapping[str, Any]]  # of one curve and budget: as they are, and calibrated


def quality(series: Series) -> Markup:
    """Each size at one draw, and each of its curves at the last budget; every budget in a fold."""
    pairs: dict[tuple[str, Any], Pair] = {}
    for row in series.summary.get("quality") or []:
        pairs.setdefault((str(row.get("curve")), row.get("k")), []).append(row)
    if not pairs:
        return Markup("")
    ends = {(curve["id"], curve["budgets"][-1]) for curve in series.drawn}
    ends |= {(curve["id"], curve["budgets"][0]) for curve in (next(iter(g.curves.values())) for g in series.groups)}
    shown = [pair for name, pair in pairs.items() if name in ends]
    return joined(
        [
            paragraph(_NOTE),
            _table(series, "At one draw and at the last budget", shown) if shown else "",
            fold("At every budget measured", _table(series, "All budgets", pairs.values())),
        ]
    )


def _table(series: Series, caption: str, pairs: Iterable[Pair]) -> Markup:
    return table(caption, _HEADS, [_row(series, sorted(pair, key=_calibrated)) for pair in pairs], tight=True)


def _row(series: Series, pair: Sequence[Mapping[str, Any]]) -> list[Cell]:
    raw = pair[0]
    return [
        series.title_of(str(raw.get("curve"))),
        words.count(raw.get("k")),
        _lines(words.significant(row.get("temperature")) for row in pair),
        known(words.percent((raw.get("accuracy") or {}).get("value")), _NOT_MEASURED),
        known(words.percent_interval(raw.get("top5") or {}, "value"), "there are five classes or fewer"),
        *(_lines(nats(row.get(of) or {}) for row in pair) for of in ("nll", "brier", "ece")),
    ]


def _lines(values: Iterable[str]) -> Markup:
    return Markup("<br>").join(values)


def _calibrated(row: Mapping[str, Any]) -> bool:
    return bool(row.get("calibrated"))
