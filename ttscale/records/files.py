"""Files that are never seen half-written: temporary name, flush, rename."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file, flush it to disk and rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON; NaN and infinity are refused, since JSON has neither."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an array as ``.npy``."""
    write_atomic(path, lambda file: np.save(file, values))


def write_table(path: Path, table: pa.Table | Iterable[pa.Table]) -> int:
    """Write a table as Parquet, or several of one schema one below the other; returns the number of rows."""
    parts = iter([table] if isinstance(table, pa.Table) else table)
    first, rows = next(parts), 0

    def write(file: BinaryIO) -> None:
        nonlocal rows
        with pq.ParquetWriter(file, first.schema) as writer:
            for part in chain([first], parts):
                writer.write_table(part)
                rows += part.num_rows

    write_atomic(path, write)
    return rows
