"""The row of the tradeoff: everything that it says of the two grids of this repository, from their Records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import ttscale as tts

RESULTS = Path(__file__).parents[2] / "results"
GRIDS, SECONDS = ("tradeoff_vision", "tradeoff_language"), 60.0


def tradeoff_from_records() -> dict[str, Any]:
    """CPU seconds of one thread that the tradeoff of a grid takes from its Records on disk (curves of every model,
    verdicts, exchange rates, joint laws with 200 refits each, lines of equal error, lifetimes), over 60: of the slower
    of the two grids."""
    grids = {name: timed(RESULTS / name / "records") for name in GRIDS}
    return {
        "ratio": max(one["cpu_seconds"] for one in grids.values()) / SECONDS, "grids": grids, "limit": 1.0,
        "setting": "; ".join(one["setting"] for one in grids.values()),
    }  # fmt: skip


def timed(folder: Path) -> dict[str, Any]:
    started, wall = time.process_time(), time.perf_counter()
    records = tts.read_records(folder)
    found = tts.tradeoff(records)
    return {
        "cpu_seconds": time.process_time() - started, "wall_seconds": time.perf_counter() - wall,
        "setting": f"{len(found.ladder)} rungs, {len(records.members)} members, {records.n_items} items, "
        f"{len(found.laws)} joint laws",
    }  # fmt: skip


ROWS = {"tradeoff_from_records": tradeoff_from_records}
