"""Tables with a row per draw, or a row per item with lists of its samples: JSON lines, CSV, Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.records.foreign.cells import Cells
from ttscale.records.foreign.columns import ALIASES, DRAWS, columns_of, listed, value_at
from ttscale.records.foreign.files import Row, is_text_table, read_rows, suffix_of
from ttscale.records.foreign.gather import ITEM_FACTS, Draw, Gathered
from ttscale.records.foreign.reading import Reading
from ttscale.records.grader import Grader

OF_A_DRAW = ("answer", "correct", "text", "tokens", "prompt_tokens", "sample")


def gather_rows(path: Path, found: Gathered, reading: Reading) -> None:
    """Add every draw of a table.

    Raises:
        TtscaleError: columns that are not there, cells of another kind than those before (with their line), lists of
            different lengths, or what :meth:`Gathered.add` refuses.
    """
    source = source_of(path)
    cells = Cells(source, is_text_table(path))
    numbered = read_rows(path, found.notes)
    first = next(numbered)
    rows: Iterator[tuple[int, Row]] = chain([first], numbered)
    nested = _nested(first[1], reading)
    if nested is not None:
        rows = _unnested(rows, nested, cells)
        first = next(rows)
        rows = chain([first], rows)
    columns = columns_of(list(first[1]), reading, DRAWS, path.name)
    lists = [c for c in (*_drawn(columns), *reading.scores) if isinstance(value_at(first[1], c), list)]
    if lists:
        _refuse_alone(columns, lists, cells, *first)
        rows = _listed(rows, lists, cells)
    _settle(found, columns, list(first[1]), path.name)
    draw_of = _Maker(cells, columns, reading, reading.member or path.name.split(".")[0])
    for line, row in rows:
        found.add(draw_of(line, row))


def source_of(path: Path) -> str:
    """What the numbers of a file's rows count, for errors."""
    return f"{path.name}, {'row' if suffix_of(path) in ('.parquet', '.json') else 'line'}"


def decoding_of(cells: Cells, columns: Mapping[str, str], row: Row, line: int) -> str:
    """The decoding of a row: as it is named, or by its temperature; greedy decoding is that of temperature 0."""
    if "decoding" in columns:
        return cells.text(columns["decoding"], value_at(row, columns["decoding"]), line) or "sampled"
    if "temperature" in columns:
        heat = cells.number(columns["temperature"], value_at(row, columns["temperature"]), line)
        return "greedy" if heat == 0 else "sampled" if heat != heat else f"T{heat:g}"
    return "sampled"


def item_of(cells: Cells, columns: Mapping[str, str], row: Row, line: int) -> str:
    """The id of a row's item."""
    value = value_at(row, columns["item"])
    whole = isinstance(value, float) and value.is_integer()  # Parquet and JSON write whole numbers as 1.0 too
    item = cells.text(columns["item"], int(value) if whole else value, line)
    if item is None:
        raise cells.wrong(columns["item"], "the id of an item", None, line, "Fill it in.")
    return item


def facts_of(cells: Cells, columns: Mapping[str, str], row: Row, line: int) -> tuple[str | None, ...]:
    """What a row says about its item: gold, question, family and cluster."""
    return tuple(
        cells.text(columns[name], value_at(row, columns[name]), line) if name in columns else None
        for name in ITEM_FACTS
    )  # fmt: skip


class _Maker:
    """Makes the draw of a row."""

    def __init__(self, cells: Cells, columns: Mapping[str, str], reading: Reading, member: str) -> None:
        self._cells, self._columns, self._member = cells, columns, member
        self._scores = tuple(reading.scores)
        reads = "answer" not in columns and "correct" not in columns and "text" in columns
        self._grader: Grader | None = reading.grader if reads else None

    def __call__(self, line: int, row: Row) -> Draw:
        cells, columns = self._cells, self._columns

        def of(role: str, read: Any) -> Any:
            return read(columns[role], value_at(row, columns[role]), line) if role in columns else None

        text = of("text", cells.text)
        answer = of("answer", cells.text)
        if self._grader is not None and text is not None:
            answer = self._grader.answer(text)
        return Draw(
            cells.source, line, item_of(cells, columns, row, line), of("member", cells.text) or self._member, answer,
            of("correct", cells.truth), of("sample", cells.whole), of("variant", cells.text) or "plain",
            decoding_of(cells, columns, row, line), of("tokens", cells.whole), of("prompt_tokens", cells.whole), text,
            tuple(cells.number(name, value_at(row, name), line) for name in self._scores),
            facts_of(cells, columns, row, line),
        )  # fmt: skip


def _settle(found: Gathered, columns: Mapping[str, str], names: Sequence[str], name: str) -> None:
    """Decide whether answers are known, and refuse tables that tell nothing, or that differ in this."""
    if not {"answer", "correct", "text"} & set(columns):
        raise TtscaleError(
            "fields.answer", expected=f"a column of answers, of right and wrong, or of texts in {name}",
            got=f"the columns {listed(names)}",
            fix="Name it: fields.answer=COLUMN (or fields.text=COLUMN); lists of an item's samples are taken too.",
        )  # fmt: skip
    known = "answer" in columns or "correct" not in columns
    if found.items and known != found.answers_known:
        raise TtscaleError("records", expected="answers in every file, or in none", got=f"another thing in {name}",
                           fix="Leave them out with fields.answer=null.")  # fmt: skip
    found.answers_known = known
    found.marks_and_golds = found.marks_and_golds or {"answer", "correct", "gold"} <= set(columns)


def _drawn(columns: Mapping[str, str]) -> list[str]:
    return [columns[role] for role in OF_A_DRAW if role in columns]


def _refuse_alone(columns: Mapping[str, str], lists: Sequence[str], cells: Cells, line: int, row: Row) -> None:
    """Refuse one answer or verdict beside lists of samples: most likely it is the gold answer."""
    for role in ("answer", "correct"):
        if role in columns and columns[role] not in lists:
            fix = f"If it is the gold answer, say so: fields.gold={columns[role]} fields.{role}=null."
            value = value_at(row, columns[role])
            raise cells.wrong(
                columns[role], f"a list with an entry for each sample, as in {lists[0]}", value, line, fix
            )


def _nested(row: Row, reading: Reading) -> str | None:
    """The column that holds an item's samples as objects."""
    given = reading.fields.get("samples")
    names = [given] if given else [name for name in ALIASES["samples"] if reading.wants("samples")]
    holds = (name for name in names if isinstance(v := value_at(row, name), list) and v and isinstance(v[0], dict))
    return next(holds, None)


def _unnested(rows: Iterator[tuple[int, Row]], column: str, cells: Cells) -> Iterator[tuple[int, Row]]:
    for line, row in rows:
        several = value_at(row, column)
        if not isinstance(several, list) or not several or not all(isinstance(one, dict) for one in several):
            raise cells.wrong(column, "a list of objects, one a sample", several, line, "Leave such items out.")
        common = {name: value for name, value in row.items() if name != column}
        for one in several:
            yield line, common | one


def _listed(rows: Iterator[tuple[int, Row]], columns: Sequence[str], cells: Cells) -> Iterator[tuple[int, Row]]:
    for line, row in rows:
        values = [value_at(row, column) for column in columns]
        for column, several in zip(columns, values, strict=True):
            if not isinstance(several, list) or not several:
                raise cells.wrong(column, "a list, an entry a sample", several, line, "Leave such items out.")
            if len(several) != len(values[0]):
                raise cells.wrong(column, f"{len(values[0])} entries, as in {columns[0]}", several, line,
                                  "Give every list of a row an entry for each sample.")  # fmt: skip
        for entries in zip(*values, strict=True):
            yield line, row | dict(zip(columns, entries, strict=True))
