"""How many rows fit: from free memory, and what to do when they did not."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ttscale.cost.language import LanguageCost

MOST_ROWS = {"cpu": 64, "cuda": 256}  # beyond these, matrix products hardly run faster
SHARE = 0.5  # of the free memory that a batch may take
BUFFERS = 2  # of a row's keys and values: a batch that is put together anew is copied from the old buffer to a new one
LOGITS_COPIES = 8  # float32 numbers a row and token of the vocabulary that picking holds at most: logits, weights, and
# where top-p sorts whole rows their weights, sorted values, places (int64) and sums (float64)


def seats(cost: LanguageCost, *, tokens: int, vocabulary: int, item_bytes: int, device: torch.device) -> int:
    """Rows that free memory allows, a power of two of at most 64 on a CPU and 256 on a GPU.

    Args:
        tokens: most tokens of a row, prompt and completion.
        item_bytes: of one number in the cache.
    """
    per_row = BUFFERS * cost.kv_values * item_bytes * tokens + 4 * LOGITS_COPIES * vocabulary
    fit = int(SHARE * free_bytes(device) / per_row)
    most = MOST_ROWS.get(device.type, 64)
    return min(most, 1 << max(0, fit.bit_length() - 1))


def free_bytes(device: torch.device) -> int:
    """Free memory of the device, or of the machine (what its file caches could give back included)."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    told = Path("/proc/meminfo")
    if told.is_file():
        lines = dict(line.split(":", 1) for line in told.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in said for words in ("can't allocate memory", "not enough memory", "out of memory")
    )
