"""What a strategy is worth beside others: decisions fixed and broken, and members of an ensemble."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, bullets, fold, joined, known, paragraph, table
from ttscale.reporting.sections.cells import NOT_COMPARED, detectable, nats
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number

_PAIRS = (
    "Strategy", "Against", "Fixed", "Broken", "McNemar p", "Adjusted p", "Difference, points",
    "Detectable, points", "NLL difference",
)  # fmt: skip
_PAIRS_NOTE = (
    "Decisions on the same items, of the first seed where a size has several. What was learned stands against as many "
    "of the draws as collected as cost no more FLOPs. In brackets: its compute over that of the other, where it "
    "differs. Fixed are those that only the strategy gets right, broken those that only the other does. p is that of "
    "McNemar's exact test, that as many are broken as fixed, and beside it adjusted for the number of comparisons "
    "(Holm). Detectable is the difference that these items would have shown with 80% probability. NLL after "
    "temperatures, in nats; less is better."
)
_WORTH = ("Strategy", "Draws k", "FLOPs per item", "By likelihood", "By accuracy", "Members of", "Members in all")
_WORTH_NOTE = (
    "How many members, with one view each, do as well: by calibrated likelihood (the deep-ensemble equivalent) and by "
    "accuracy. 1 is no better than one member. They are members of the same size where it has several; else of the "
    "run, whatever their sizes: m of them are then the mean over every choice of m."
)
_CLUSTERS = "the items come in clusters, which the test does not know"
_UNLIKELY = "a right class has probability 0"


def comparisons(series: Series) -> Markup:
    found = series.summary.get("comparisons") or []
    if not found:
        return Markup("")
    rows: list[list[Cell]] = [
        [
            _option(series, row, "a") + _times_the_compute(row),
            _option(series, row, "b"),
            words.count(row.get("fixed")),
            words.count(row.get("broken")),
            known(_p(row.get("p")), _CLUSTERS),
            known(_p(row.get("p_adjusted")), _CLUSTERS),
            known(words.points_interval(row.get("difference") or {}), NOT_COMPARED),
            detectable(row),
            known(nats(row.get("calibrated_nll_difference") or {}, "+"), _UNLIKELY),
        ]
        for row in found
    ]
    texts = [words.clean(row["text"]) for row in found if row.get("text")]
    return joined(
        [
            paragraph(_PAIRS_NOTE),
            table("Decisions fixed and broken", _PAIRS, rows, text_columns=2, tight=True),
            fold("The same in words", bullets(texts)) if texts else "",
        ]
    )


def _option(series: Series, row: Mapping[str, Any], side: str) -> str:
    return f"{series.title_of(str(row.get(side)))}, k\u00a0=\u00a0{words.count(row.get(f'k_{side}'))}"


def _times_the_compute(row: Mapping[str, Any]) -> str:
    """FLOPs of the strategy over those of the other, where they differ: `` (25×)``."""
    mine, other = row.get("flops_a"), row.get("flops_b")
    if not (is_number(mine) and is_number(other) and other) or math.isclose(mine, other, rel_tol=1e-3):
        return ""
    return f" ({words.times(mine / other)})"


def _p(value: Any) -> str:
    return "< 0.0001" if is_number(value) and value < 1e-4 else words.significant(value, 2)


def equivalents(series: Series) -> Markup:
    """The last budget of every curve, both metrics beside each other; all budgets in a fold."""
    found: dict[tuple[str, Any], dict[str, Mapping[str, Any]]] = {}
    for row in series.summary.get("equivalents") or []:
        found.setdefault((str(row.get("curve")), row.get("k")), {})[str(row.get("metric"))] = row
    if not found:
        return Markup("")
    last = {curve: k for curve, k in found}
    return joined(
        [
            paragraph(_WORTH_NOTE),
            _worth(series, "At the largest budget", (found[name] for name in last.items())),
            fold("At every budget measured", _worth(series, "All budgets", found.values())),
        ]
    )


def _worth(series: Series, caption: str, found: Iterable[Mapping[str, Mapping[str, Any]]]) -> Markup:
    rows: list[list[Cell]] = []
    for metrics in found:
        one = next(iter(metrics.values()))
        rows.append([
            series.title_of(str(one.get("curve"))),
            words.count(one.get("k")),
            words.flops(one.get("flops")),
            _members(metrics.get("nll") or {}),
            _members(metrics.get("accuracy") or {}),
            words.clean(one.get("members_of") or "the run", 48),
            words.count(one.get("n_members")),
        ])  # fmt: skip
    return table(caption, _WORTH, rows)


def _members(row: Mapping[str, Any]) -> Cell:
    """``1.40 (1.20 to 1.60)``; beyond the ensemble ``more than 5 (4.2 or more)``."""
    if not row.get("beyond"):
        return known(words.number_interval(row.get("members") or {}), NOT_COMPARED)
    low = (row.get("members") or {}).get("low")
    return f"more than {words.count(row.get('n_members'))}" + (f" ({words.significant(low)} or more)" if low else "")
