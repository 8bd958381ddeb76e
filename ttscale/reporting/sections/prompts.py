"""Prompt variants: what each scores alone, and what one more variant buys against one more sample."""

from __future__ import annotations

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, joined, known, paragraph, table
from ttscale.reporting.sections.cells import accuracy, cost, detectable, name
from ttscale.reporting.series import Series

_ALONE = ("Model", "Variant", "Decoding", "Accuracy of one sample", "Minus the plain prompt, points")
_WORTH = (
    "Model", "Decoding", "Draws k", "Accuracy, over variants", "Accuracy, plain prompt", "Difference, points",
    "Detectable, points", "FLOPs, over variants", "FLOPs, plain prompt",
)  # fmt: skip
_NOTE = (
    "The same number of draws, spread over the prompt variants or all from the plain prompt. Every variant has a "
    "prompt of its own to read, so equal draws are not equal FLOPs. Detectable is the difference that these items "
    "would have shown with 80% probability."
)


def prompts(series: Series) -> Markup:
    language = series.summary.get("language") or {}
    alone: list[list[Cell]] = [
        [
            name(row.get("member")),
            words.clean(row.get("variant"), 40),
            words.clean(row.get("decoding"), 40),
            accuracy(row),
            known(words.points_interval(row.get("difference") or {}), "it is the plain prompt"),
        ]
        for row in language.get("variants") or []
    ]
    worth: list[list[Cell]] = [
        [
            name(row.get("member")),
            words.clean(row.get("decoding"), 40),
            words.count(row.get("k")),
            known(words.percent_interval(row.get("variants") or {}, "value"), "it was not measured"),
            known(words.percent_interval(row.get("samples") or {}, "value"), "it was not measured"),
            known(words.points_interval(row.get("difference") or {}), "no difference"),
            detectable(row),
            cost(row, "flops_variants"),
            cost(row, "flops_samples"),
        ]
        for row in language.get("variant_worth") or []
    ]
    if len(alone) < 2 and not worth:
        return Markup("")
    return joined(
        [
            table("One sample of each prompt variant", _ALONE, alone, text_columns=3) if alone else "",
            Markup("<h3>What a variant buys against one more sample</h3>\n") if worth else "",
            paragraph(_NOTE) if worth else "",
            table("Variants against samples at equal draws", _WORTH, worth, text_columns=2, tight=True)
            if worth
            else "",
        ]
    )
