"""A few problems with what the models said. Model text is untrusted: it is shown escaped, cut and as it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, facts, joined, known, paragraph, table, verbatim
from ttscale.reporting.series import Series

_HEADS = ("Answer", "Draws", "Right", "One of the texts that gave it")
_NOTE = "Answers are counted over all samples of the model named; each has one of the texts that it was read from."
_LONGEST = 700  # characters of a text that are shown


def examples(series: Series) -> Markup:
    rows = (series.summary.get("language") or {}).get("examples") or []
    return joined([paragraph(_NOTE), *(_example(row) for row in rows)]) if rows else Markup("")


def _example(row: Mapping[str, Any]) -> Markup:
    case = words.clean(row.get("case") or row.get("item"), 120)
    question, gold = row.get("question"), row.get("gold")
    pairs: list[tuple[str, Cell]] = [
        ("Item", words.clean(row.get("item"), 120)),
        *([("Question", verbatim(question, _LONGEST))] if question is not None else []),
        *([("Right answer", words.clean(gold, 120))] if gold is not None else []),
        *([("Plain answer", _plain(row["plain"]))] if "plain" in row else []),
    ]
    answers: list[list[Cell]] = [
        [
            words.clean(answer.get("answer"), 120),
            words.count(answer.get("count")),
            "yes" if answer.get("correct") else "no",
            Missing("texts were not recorded") if answer.get("text") is None else verbatim(answer["text"], _LONGEST),
        ]
        for answer in row.get("answers") or []
    ]
    silent = row.get("abstained")
    said = f"{words.plural(row.get('draws'), 'draw')} of {words.clean(row.get('member'), 60)}"
    caption = f"{said}, {words.count(silent)} without an answer" if silent else said
    heads = [Markup("<h3>"), words.capital(case), Markup("</h3>\n")]
    return joined([*heads, facts(pairs), table(caption, _HEADS, answers, text_columns=4)])


def _plain(answer: str | None) -> Cell:
    return known(words.clean(answer or words.DASH, 120), "its text holds no answer")
