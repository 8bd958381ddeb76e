"""The row of the tradeoff: everything that it says of the largest grid of this repository, from its Records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import ttscale as tts

GRID = Path(__file__).parents[2] / "results" / "tradeoff_vision" / "records"
SECONDS = 60.0


def tradeoff_from_records() -> dict[str, Any]:
    """CPU seconds of one thread that the tradeoff of the vision grid takes from its Records on disk (curves of every
    model, verdicts, exchange rates, joint laws with 1,000 refits, lines of equal error, lifetimes), over 60."""
    started, wall = time.process_time(), time.perf_counter()
    records = tts.read_records(GRID)
    found = tts.tradeoff(records)
    spent = time.process_time() - started
    return {
        "ratio": spent / SECONDS, "cpu_seconds": spent, "wall_seconds": time.perf_counter() - wall, "limit": 1.0,
        "setting": f"{len(found.ladder)} rungs, {len(records.members)} members, {records.n_items} items, "
        f"{len(records.variants)} views, {len(found.laws)} joint laws",
    }  # fmt: skip


ROWS = {"tradeoff_from_records": tradeoff_from_records}
