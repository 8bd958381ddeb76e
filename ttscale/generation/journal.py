"""Samples of a server, written down as they come, so that none is paid for twice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError


class Journal:
    """A JSONL file of records, found again by key; a first line says what the others belong to.

    A record is on its way to the disk when :meth:`add` returns, so a killed process loses none. A last line that was
    written by half is dropped. In memory there is one number a record; without a file, the records themselves.

    Args:
        path: of the file, made on the first :meth:`add`; None keeps the records in memory.
        head: what all records have in common; a file with another is refused.

    Raises:
        TtscaleError: the file belongs to something else, or a line inside it cannot be read.
    """

    def __init__(self, path: Path | None, head: Mapping[str, Any]) -> None:
        self.path = path
        self._head = dict(head)
        self._at: dict[str, int] = {}
        self._kept: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            self._read(path)

    def get(self, key: str) -> dict[str, Any] | None:
        if self.path is None:
            return self._kept.get(key)
        if key not in self._at:
            return None
        with self.path.open("rb") as file:
            file.seek(self._at[key])
            return json.loads(file.readline())

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        if self.path is None:
            self._kept[key] = dict(record)
            return
        with self.path.open("ab") as file:
            if file.tell() == 0:
                file.write(_line(self._head))
            self._at[key] = file.tell()
            file.write(_line({"key": key, **record}))

    def forget(self, keys: Iterable[str]) -> None:
        """Drop records from memory, once they have been handed over; a file keeps its own."""
        for key in keys:
            self._kept.pop(key, None)

    def _read(self, path: Path) -> None:
        with path.open("rb+") as file:
            number, start = 0, 0
            for number, line in enumerate(file):
                if not line.endswith(b"\n"):
                    break
                record = self._parse(path, number, line)
                if number == 0 and record != self._head:
                    raise self._of_another_run(path, record)
                if number > 0:
                    self._at[str(record.get("key"))] = start
                start += len(line)
            file.truncate(start)

    def _parse(self, path: Path, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise TtscaleError(
                "journal", expected="one record a line", got=f"{path}, whose line {number + 1} is damaged",
                fix="Delete that line: its sample is asked for again.",
            )  # fmt: skip
        return record

    def _of_another_run(self, path: Path, found: Mapping[str, Any]) -> TtscaleError:
        keys = [key for key in self._head if found.get(key) != self._head[key]]
        return TtscaleError(
            "journal", expected=", ".join(f"{key} {self._head[key]!r}" for key in keys),
            got=f"{path}, which holds the samples of {', '.join(f'{key} {found.get(key)!r}' for key in keys)}",
            fix="Give every model, server and seed a journal of its own.",
        )  # fmt: skip


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"
