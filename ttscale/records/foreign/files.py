"""Rows of files: JSON lines, JSON arrays, CSV and Parquet, one at a time, each with the place it stands at."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ttscale.errors import TtscaleError

ROW_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_AT_ONCE = 4096

_HALVES = re.compile("[\ud800-\udfff]")  # of characters that UTF-16 writes in two, such as an emoji cut in the middle

Row = dict[str, Any]


def suffix_of(path: Path) -> str:
    """The ending that tells the format, without ``.gz``."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def is_text_table(path: Path) -> bool:
    """Whether all cells of the file are text, whatever they mean."""
    return suffix_of(path) in (".csv", ".tsv")


def read_rows(path: Path, notes: list[str] | None = None) -> Iterator[tuple[int, Row]]:
    """The rows of a file with their numbers: of the line, or of the row where there are no lines; from 1.

    Args:
        notes: gets a sentence, after the last row, where characters were cut in half and are read as U+FFFD.

    Raises:
        TtscaleError: an unknown ending, a file that is empty or cannot be read, or a line that is not a JSON object.
    """
    cut: list[int] = []
    readers: dict[str, Callable[[Path, list[int]], Iterator[tuple[int, Row]]]] = {
        ".jsonl": _lines,
        ".ndjson": _lines,
        ".json": _array,
        ".csv": _cells,
        ".tsv": _cells,
        ".parquet": _parquet,
    }
    if suffix_of(path) not in readers:
        raise TtscaleError("records", expected=f"a file that ends in {', '.join(ROW_SUFFIXES)}", got=str(path),
                           fix="Rename it, or convert it to JSON lines.")  # fmt: skip
    some = False
    try:
        for numbered in readers[suffix_of(path)](path, cut):
            some = True
            yield numbered
    except (OSError, EOFError, UnicodeDecodeError, pa.ArrowException) as error:
        raise TtscaleError("records", expected="a file that can be read", got=f"{path} ({error})",
                           fix="Check that it is whole, and that its text is UTF-8.") from error  # fmt: skip
    if not some:
        raise TtscaleError("records", expected="at least one row", got=f"{path}, which has none",
                           fix="Check how it was written.")  # fmt: skip
    if cut and notes is not None:
        notes.append(f"{path.name}: in {len(cut)} rows characters cut in half are read as U+FFFD, first in {cut[0]}.")


def _open(path: Path) -> io.TextIOWrapper:
    if path.name.endswith(".gz"):
        return io.TextIOWrapper(gzip.GzipFile(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _lines(path: Path, cut: list[int]) -> Iterator[tuple[int, Row]]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                row = _parsed(line)
            except (ValueError, RecursionError) as error:
                raise _line(path, number, f"something else ({error})") from error
            if not isinstance(row, dict):
                raise _line(path, number, f"{type(row).__name__}: {line[:60]!r}")
            yield number, _mended(row, number, cut) if _may_be_cut(line) else row


def _array(path: Path, cut: list[int]) -> Iterator[tuple[int, Row]]:
    with _open(path) as file:
        try:
            text = file.read()
            value = _parsed(text)
        except (ValueError, RecursionError) as error:
            raise TtscaleError("records", expected="JSON", got=f"{path}, which is not ({error})",
                               fix="A file of one JSON object a line ends in .jsonl.") from error  # fmt: skip
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise TtscaleError(
            "records", expected="a JSON array of objects, one a draw or an item", got=f"{path}, which is another thing",
            fix="Write one object a line, and name it .jsonl.",
        )  # fmt: skip
    may_be_cut = _may_be_cut(text)
    for number, row in enumerate(value, 1):
        yield number, _mended(row, number, cut) if may_be_cut else row


def _parsed(text: str) -> Any:
    """The value that a JSON text is.

    Raises:
        ValueError: not JSON, or an object with two values of one name.
        RecursionError: it is nested too deep.
    """
    return json.loads(text, object_pairs_hook=_object)


def _may_be_cut(text: str) -> bool:
    """Whether a JSON text has escapes of halves of characters; two halves beside each other are a whole one."""
    return "\\ud" in text or "\\uD" in text


def _mended(row: Row, number: int, cut: list[int]) -> Row:
    """The row with whole characters; its number is added to ``cut`` if it had others."""
    whole: Row = _whole(row)
    cut += [number] if whole != row else []
    return whole


def _object(pairs: list[tuple[str, Any]]) -> Row:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object with two values of {twice!r}")
    return found


def _whole(value: Any) -> Any:
    """The same value, with U+FFFD for halves of characters, which no file of UTF-8 can hold."""
    if isinstance(value, str):
        return _HALVES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return {_whole(name): _whole(one) for name, one in value.items()} if isinstance(value, dict) else value


def _cells(path: Path, cut: list[int]) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(sys.maxsize)  # a completion may be longer than the usual 128 KiB
    with _open(path) as file:
        reader = csv.DictReader(file, delimiter="\t" if suffix_of(path) == ".tsv" else ",", strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    expected = f"{len(reader.fieldnames or ())} cells, as in the first line"
                    raise _line(path, reader.line_num, "another number", expected)
                yield reader.line_num, {name: cell or None for name, cell in row.items()}
        except csv.Error as error:
            raise _line(path, reader.line_num, str(error), "CSV") from error


def _parquet(path: Path, cut: list[int]) -> Iterator[tuple[int, Row]]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _line(path: Path, number: int, got: str, expected: str = "one JSON object a line") -> TtscaleError:
    return TtscaleError("records", expected=expected, got=f"{got} at {path}, line {number}", fix="Mend the line.")
