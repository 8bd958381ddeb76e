"""Profiles: how long a decision takes, measured by itself and never taken from a collection's wall clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_WORD = pa.dictionary(pa.int32(), pa.string())

# One row a device, numeric format (`dtype`), member and number of draws: the seconds in which one item, alone on the
# device, gets so many.
# Of text the draws are `samples` of its plain prompt (`variant`) under one decoding; of images they are views of one
# input `shape`, from normalised tensor to log-probabilities. `seconds` is the median of the repeats, each a mean over
# the same items.
PROFILES = pa.schema(
    [
        ("device", _WORD), ("member", _WORD), ("variant", _WORD), ("decode_id", _WORD), ("samples", pa.int32()),
        ("items", pa.int32()), ("repeats", pa.int32()), ("prompt_tokens", pa.float64()), ("n_tokens", pa.float64()),
        ("seconds", pa.float64()), ("fastest", pa.float64()), ("slowest", pa.float64()), ("shape", _WORD),
        ("dtype", _WORD),
    ]
)  # fmt: skip

Rows = Sequence[Mapping[str, Any]]


def timed_counts(n: int) -> list[int]:
    """The numbers of draws that are timed, of ``n``: powers of two, and all."""
    return sorted({2**i for i in range(n.bit_length())} | {n})


def latest(profiles: pa.Table | None) -> Rows:
    """The rows of the device and numeric format that were profiled last; none without a profile."""
    rows = [] if profiles is None else profiles.to_pylist()
    return [row for row in rows if _place(row) == _place(rows[-1])]


def without(profiles: pa.Table | None, device: str, dtype: str) -> Rows:
    """All rows but those of one device and numeric format."""
    rows = [] if profiles is None else profiles.to_pylist()
    return [row for row in rows if _place(row) != (device, dtype)]


def profiled_on(profiles: pa.Table | None) -> str | None:
    """Where and in which numeric format the latest profile was taken: ``cuda (NVIDIA H100), float16``."""
    rows = latest(profiles)
    return ", ".join(word for word in _place(rows[-1]) if word) if rows else None


def _place(row: Mapping[str, Any]) -> tuple[str, str | None]:
    return row["device"], row.get("dtype")  # a profile of an older version has none


def shape_word(shape: Sequence[int]) -> str:
    """An input shape as profiles name it: ``3x224x224``."""
    return "x".join(map(str, shape))


def seconds_of(
    rows: Rows, member: str, samples: np.ndarray, *, decoding: str | None = None, shape: str | None = None
) -> np.ndarray:
    """Seconds in which one item gets so many draws, like ``samples``; between measured numbers along a line.

    NaN outside the range that was measured, and where nothing was; 0 for no draw.
    """
    wanted = (member, decoding, shape)
    mine = [row for row in rows if (row["member"], row["decode_id"], row.get("shape")) == wanted]
    mine.sort(key=lambda row: row["samples"])
    asked = np.asarray(samples, dtype=np.float64)
    if not mine:
        return np.where(asked == 0, 0.0, np.nan)
    known, seconds = (np.array([row[name] for row in mine], dtype=np.float64) for name in ("samples", "seconds"))
    out = np.interp(asked, known, seconds, left=np.nan, right=np.nan)
    return np.where(asked == 0, 0.0, out)
