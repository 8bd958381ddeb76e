"""The row of importing: a million samples of another tool's table become Records in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ITEMS, SAMPLES, CHARACTERS = 10_000, 100, 400
COUNTED = 1_000_000
MOST_BYTES = 2 * 1024**3
READ = """
import json, sys, time
from pathlib import Path
from ttscale.records.read import read_records
from ttscale.records.save import save_records

def most():  # of this program alone: ru_maxrss keeps what the process held before it became this program
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

begin = most()
started = time.perf_counter()
records = read_records(sys.argv[1])
read = time.perf_counter() - started
assert records.graded().n_draws == int(sys.argv[3])
saved = save_records(records, sys.argv[2])
peak = most()
written = time.perf_counter() - started - read
assert saved.n_items == records.n_items
json.dump({"imports": begin * 1024, "peak": peak * 1024, "read": read, "write": written}, sys.stdout)
"""


def million_rows_imported() -> dict[str, Any]:
    """Peak memory of importing a table of a million samples with their texts into Records, in a process of its own,
    over 2 GiB; the rows stand in the order in which the samples were drawn, all items once, then again."""
    told = _measured("samples.jsonl", _write, ITEMS * SAMPLES, MOST_BYTES)
    return told | {"setting": f"{ITEMS} items x {SAMPLES} samples, texts of {CHARACTERS} characters, JSON lines"}


def million_counts_imported() -> dict[str, Any]:
    """Peak memory of importing a table of a million items' counts, of 8 samples each, over 1 GiB."""
    told = _measured("counts.csv", _write_counts, COUNTED * 8, MOST_BYTES // 2)
    return told | {"setting": f"{COUNTED} items, 8 samples each, CSV of counts"}


def _measured(name: str, write: Callable[[Path], None], draws: int, most: int) -> dict[str, Any]:
    """Import a table in a process of its own; its peak memory is over ``most`` bytes, at most 1."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / name
        write(table)
        size = table.stat().st_size
        started = time.perf_counter()
        command = [sys.executable, "-c", READ, str(table), str(Path(folder) / "out"), str(draws)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        took = time.perf_counter() - started
    return {
        "ratio": told["peak"] / most, "limit": 1.0, "peak_bytes": told["peak"], "imports_bytes": told["imports"],
        "table_bytes": size, "seconds": {"read": told["read"], "write": told["write"], "in_all": took},
    }  # fmt: skip


def _write(table: Path) -> None:
    rng = np.random.default_rng(0)
    letters = rng.integers(97, 123, (1000, CHARACTERS), dtype=np.uint8)
    texts = [bytes(row).decode() for row in letters]
    with table.open("w") as file:
        for sample in range(SAMPLES):
            errs, tokens = rng.integers(0, 8, ITEMS) // 4, rng.integers(10, 400, ITEMS)
            for item in range(ITEMS):
                row = {
                    "item_id": f"problem{item:05d}", "sample": sample, "prediction": str(item + int(errs[item])),
                    "gold": str(item), "tokens": int(tokens[item]), "text": texts[(item + sample) % 1000],
                }  # fmt: skip
                file.write(json.dumps(row) + "\n")


def _write_counts(table: Path) -> None:
    right = np.random.default_rng(0).integers(0, 9, COUNTED).tolist()
    table.write_text("item,n,c\n" + "".join(f"item{i},8,{c}\n" for i, c in enumerate(right)))


ROWS = {"million_rows_imported": million_rows_imported, "million_counts_imported": million_counts_imported}
