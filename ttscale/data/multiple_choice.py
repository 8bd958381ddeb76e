"""``choices:FILE``: multiple choice, one JSON object a line; the answer is a letter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttscale.data.jsonl_problems import FileOptions, Line, column, item_ids, read_lines, split_examples
from ttscale.data.paths import to_path
from ttscale.data.problems import Example, Problems, Template
from ttscale.errors import TtscaleError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHOTS = 5
MAX_TOKENS = 16
STOP = ("\n",)

TEMPLATES = (
    Template("plain", "Question: {question}\nAnswer: {answer}\n\n", "Question: {question}\nAnswer:"),
    Template("the-answer-is", "Q: {question}\nA: The answer is {answer}\n\n", "Q: {question}\nA: The answer is"),
    Template(
        "instructed", "{question}\nCorrect choice: {answer}\n\n", "{question}\nCorrect choice:",
        "These are multiple choice questions with the letter of the correct choice.\n\n",
    ),
)  # fmt: skip


def multiple_choice(file: str | Path, options: FileOptions) -> Problems:
    """Questions with their choices under A, B, C, …; the gold is a letter, and ``choice:LETTERS`` reads it.

    Choices are a list of texts, or ``{"text": [...], "label": [...]}`` (as in ARC). The answer is one of the labels, or
    else a position from 0 (a JSON number), a letter from A, or the text of one choice; one that would be another choice
    by position, by letter and by text is refused.

    Args:
        options: with a field ``choices``, and without ``gold_pattern``.

    Raises:
        TtscaleError: a ``gold_pattern``, no such file, or a line (which is named) without usable choices or whose
            answer is none of them.
    """
    if options.gold_pattern is not None:
        raise TtscaleError(
            "gold_pattern", expected="nothing for choices", got=repr(options.gold_pattern), fix="Leave it out."
        )
    path = to_path("data", file)
    pool, lines = split_examples(read_lines(path, options.fields, ["choices"]), options, ["choices"])
    most = max((len(_texts(line)) for line in lines), default=2)
    return Problems(
        name=options.name or path.stem,
        item_ids=item_ids(path, lines),
        questions=tuple(_question(line) for line in lines),
        golds=tuple(_letter(line) for line in lines),
        templates=TEMPLATES,
        examples=tuple(Example(_question(line), _letter(line)) for line in pool),
        shots=min(SHOTS, len(pool)),
        extract=f"choice:{LETTERS[:most]}",
        max_tokens=MAX_TOKENS,
        stop=STOP,
        clusters=column(lines, "cluster"),
        families=column(lines, "family"),
    )


def _question(line: Line) -> str:
    listed = [f"{letter}. {text}" for letter, text in zip(LETTERS, _texts(line), strict=False)]
    return "\n".join([line.text("question"), *listed])


def _texts(line: Line) -> list[str]:
    choices = line.values["choices"]
    texts: Any = choices.get("text") if isinstance(choices, dict) else choices
    usable = isinstance(texts, list) and all(isinstance(text, str | int | float) for text in texts)
    if not usable or not 2 <= len(texts) <= len(LETTERS) or not all(str(text).strip() for text in texts):
        raise line.bad(f"2 to {len(LETTERS)} texts as choices", repr(choices)[:60])
    return [str(text).strip() for text in texts]


def _letter(line: Line) -> str:
    texts, choices, answer = _texts(line), line.values["choices"], line.values["answer"]
    labels: Sequence[object] = choices.get("label", ()) if isinstance(choices, dict) else ()
    if labels and len(labels) != len(texts):
        raise line.bad("one label a choice", f"{len(labels)} labels for {len(texts)} choices")
    written = line.text("answer")
    if written in map(str, labels):
        return LETTERS[[str(label) for label in labels].index(written)]
    readings = {LETTERS[answer]} if isinstance(answer, int) and 0 <= answer < len(texts) else set()
    readings |= {written} & set(LETTERS[: len(texts)])
    readings |= {LETTERS[at] for at, text in enumerate(texts) if text == written}
    if len(readings) > 1:
        either = " or ".join(sorted(readings))
        raise line.bad("an answer that can be read in one way only", f"{answer!r}, which may be {either}")
    if readings:
        return readings.pop()
    raise line.bad("an answer that is a label, a position from 0, a letter or the text of a choice", repr(answer)[:60])
