"""``jsonl:FILE``: problems as one JSON object a line, with configurable fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.data.paths import to_path
from ttscale.data.problems import Example, Problems, Template
from ttscale.errors import TtscaleError, unknown_name

FIELDS = ("question", "answer", "id", "family", "cluster", "choices")
SHOTS = 5

TEMPLATES = (
    Template("plain", "Question: {question}\nAnswer: {answer}\n\n", "Question: {question}\nAnswer:"),
    Template("q-a", "Q: {question}\nA: {answer}\n\n", "Q: {question}\nA:"),
    Template(
        "problem-solution", "Problem: {question}\nSolution: {answer}\n\n", "Problem: {question}\nSolution:",
        "Solve these problems.\n\n",
    ),
)  # fmt: skip
STOP = ("\n\nQuestion:", "\n\nQ:", "\n\nProblem:")


@dataclass(frozen=True)
class FileOptions:
    """How a file of problems is read.

    Attributes:
        fields: where question, answer, id, family and cluster stand, for example ``{"question": "problem"}``; by
            default under their own names. Id, family and cluster may be missing: the id is then ``STEM/00000``, by the
            position in the file.
        gold_pattern: regular expression whose first group (or all of it) is the gold within the answer field, for
            files that hold a whole solution there; its last match counts. The examples keep the whole solution.
        examples: the few-shot pool: another such file, or the number of items at the beginning that become examples.
        name: in reports; by default the file's stem.
    """

    fields: Mapping[str, str] | None = None
    gold_pattern: str | None = None
    examples: str | Path | int | None = None
    name: str | None = None


@dataclass(frozen=True)
class Line:
    """One line of a file.

    Attributes:
        place: ``FILE:LINE``, for errors. values: per field that it has, as JSON gives it.
    """

    place: str
    number: int
    values: Mapping[str, Any]

    def text(self, field: str) -> str:
        """The field as text: a number as JSON writes it."""
        value = self.values.get(field)
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return json.dumps(value)
        raise self.bad(f"text or a number as {field}", "none" if value is None else json.dumps(value)[:60])

    def bad(self, expected: str, got: str) -> TtscaleError:
        return TtscaleError(
            "data", expected=expected, got=f"{got} in {self.place}", fix="Correct or leave out the line."
        )


def jsonl_problems(file: str | Path, options: FileOptions) -> Problems:
    """Problems from a file of JSON objects, one a line; empty lines are skipped.

    Raises:
        TtscaleError: no such file, or a line (which is named) that is not an object, lacks a field, holds something
            else than text or a number there, or whose answer the pattern does not match.
    """
    path = to_path("data", file)
    lines = read_lines(path, options.fields)
    pool, lines = split_examples(lines, options)
    shown = [Example(line.text("question"), line.text("answer"), _text_or_none(line, "family")) for line in pool]
    return Problems(
        name=options.name or path.stem,
        item_ids=item_ids(path, lines),
        questions=tuple(line.text("question") for line in lines),
        golds=tuple(gold_of(line, options.gold_pattern) for line in lines),
        templates=TEMPLATES,
        examples=tuple(shown),
        shots=min(SHOTS, _smallest_pool(shown, lines)),
        stop=STOP,
        clusters=column(lines, "cluster"),
        families=column(lines, "family"),
    )


def read_lines(path: Path, fields: Mapping[str, str] | None = None, needed: Sequence[str] = ()) -> list[Line]:
    """The lines of a file, with the fields under our names."""
    names = {field: field for field in FIELDS} | _checked_fields(fields)
    needed = ("question", "answer", *needed, *(fields or {}))
    found = []
    for place, number, values in _objects(path):
        line = Line(place, number, {field: values[key] for field, key in names.items() if key in values})
        for field in needed:
            if field not in line.values:
                has = ", ".join(map(str, values)) or "nothing"
                raise line.bad(f"a field {names[field]!r} ({field})", f"only {has}")
        found.append(line)
    return found


def split_examples(
    lines: list[Line], options: FileOptions, needed: Sequence[str] = ()
) -> tuple[list[Line], list[Line]]:
    """(examples, items): the examples of a file of their own, or the first lines of this one."""
    examples = options.examples
    if examples is None:
        return [], lines
    if not isinstance(examples, int):
        return read_lines(to_path("examples", examples), options.fields, needed), lines
    if isinstance(examples, bool) or not 0 <= examples < max(len(lines), 1):
        raise TtscaleError(
            "examples", expected=f"a file, or fewer than the {len(lines)} lines", got=repr(examples), fix="Give fewer."
        )
    return lines[:examples], lines[examples:]


def item_ids(path: Path, lines: Sequence[Line]) -> tuple[str, ...]:
    """The lines' own ids, or ``STEM/00000`` by position in the file where no line has one."""
    if any("id" in line.values for line in lines):
        return tuple(line.text("id") for line in lines)
    return tuple(f"{path.stem}/{line.number:05d}" for line in lines)


def gold_of(line: Line, pattern: str | None) -> str:
    """The gold in a line's answer field."""
    answer = line.text("answer")
    if pattern is None:
        return answer
    try:
        matches = list(re.finditer(pattern, answer))
    except re.error as error:
        raise TtscaleError(
            "gold_pattern", expected="a regular expression", got=f"{pattern!r} ({error})", fix="Correct the pattern."
        ) from error
    if not matches:
        raise line.bad(f"an answer that gold_pattern={pattern!r} matches", repr(answer[-60:]))
    return (matches[-1][1] if matches[-1].re.groups else matches[-1][0]).strip()


def column(lines: Sequence[Line], field: str) -> np.ndarray | None:
    """``str [item]``, or None where no line has the field."""
    if not any(field in line.values for line in lines):
        return None
    return np.array([line.text(field) for line in lines])


def _text_or_none(line: Line, field: str) -> str | None:
    return line.text(field) if field in line.values else None


def _smallest_pool(examples: Sequence[Example], lines: Sequence[Line]) -> int:
    families = {_text_or_none(line, "family") for line in lines}
    return min((sum(one.family in (None, family) for one in examples) for family in families), default=0)


def _checked_fields(fields: Mapping[str, str] | None) -> dict[str, str]:
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise TtscaleError(
            "fields", expected="names of fields, {name: where it stands}", got=repr(fields),
            fix="Give for example {question: problem, answer: solution}.",
        )  # fmt: skip
    for field, key in fields.items():
        if field not in FIELDS:
            raise unknown_name("fields", field, FIELDS)
        if not isinstance(key, str):
            raise TtscaleError("fields", expected=f"the name of a field for {field}", got=repr(key), fix="Give text.")
    return dict(fields)


def _objects(path: Path) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """(``FILE:LINE``, position among the objects, object)."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TtscaleError(
            "data", expected="a readable file", got=f"{path}: {error.strerror}", fix="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise TtscaleError("data", expected="UTF-8", got=f"{path}: {error}", fix="Convert the file.") from error
    position = 0
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TtscaleError(
                "data", expected="one JSON object a line", got=f"{error} in {place}", fix="Correct the line."
            ) from error
        if not isinstance(values, dict):
            raise TtscaleError(
                "data", expected="one JSON object a line", got=f"{line[:60]!r} in {place}", fix="Correct the line."
            )
        yield place, position, values
        position += 1
