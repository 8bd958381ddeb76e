"""How the benchmarks measure: interleaved pairs for ratios, whole processes for memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAIRS = 11


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Time of one call, by default wall time."""
    start = clock()
    work()
    return clock() - start


def paired_ratio(
    work: Callable[[], object], baseline: Callable[[], object], *, pairs: int = PAIRS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:  # fmt: skip
    """Time of ``work`` over time of ``baseline``: median, least and most over interleaved pairs, after one warm-up of
    each.

    The two take turns at going first, so that a drift of the machine's speed falls on both. ``time.process_time`` as
    ``clock`` suits work of one thread: time in which other processes have the core does not count.
    """
    work()
    baseline()
    ratios, work_seconds, baseline_seconds = [], [], []
    for pair in range(pairs):
        first, second = (work, baseline) if pair % 2 == 0 else (baseline, work)
        times = {first: seconds(first, clock)}
        times[second] = seconds(second, clock)
        work_seconds.append(times[work])
        baseline_seconds.append(times[baseline])
        ratios.append(times[work] / times[baseline])
    return {
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios), "pairs": pairs},
        "seconds": {"work": statistics.median(work_seconds), "baseline": statistics.median(baseline_seconds)},
    }


def in_process(function: str, *arguments: object, module: str = "spine") -> dict[str, Any]:
    """Run ``function`` of a module of rows in a process of its own: its result, peak memory in MiB and seconds.

    The peak is the kernel's VmHWM: ru_maxrss keeps what the process held before it became this program.
    """
    code = (
        "import importlib, json, pathlib, sys, time; sys.path.insert(0, sys.argv[1]);"
        "rows = importlib.import_module(sys.argv[4]); start = time.perf_counter();"
        "result = getattr(rows, sys.argv[2])(*json.loads(sys.argv[3]));"
        "print(json.dumps({'result': result, 'seconds': time.perf_counter() - start,"
        "'peak_mib': int(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) / 1024}))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), function, json.dumps(arguments), module]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return json.loads(done.stdout.splitlines()[-1])
