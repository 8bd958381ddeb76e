"""Profiles: how long a decision takes, measured by itself and never taken from a collection's wall clock."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_WORD = pa.dictionary(pa.int32(), pa.string())

# One row a device, member, decoding and number of samples: the seconds in which one item, alone on the device, gets so
# many samples of its plain prompt. `seconds` is the median of the repeats, each a mean over the same items.
PROFILES = pa.schema(
    [
        ("device", _WORD), ("member", _WORD), ("variant", _WORD), ("decode_id", _WORD), ("samples", pa.int32()),
        ("items", pa.int32()), ("repeats", pa.int32()), ("prompt_tokens", pa.float64()), ("n_tokens", pa.float64()),
        ("seconds", pa.float64()), ("fastest", pa.float64()), ("slowest", pa.float64()),
    ]
)  # fmt: skip


def seconds_of(profiles: pa.Table, member: str, decoding: str, samples: np.ndarray) -> np.ndarray:
    """Seconds in which one item gets so many samples, like ``samples``; between measured numbers along a line.

    NaN outside the range that was measured, and where nothing was; 0 for no sample.
    """
    rows = [row for row in profiles.to_pylist() if (row["member"], row["decode_id"]) == (member, decoding)]
    rows.sort(key=lambda row: row["samples"])
    asked = np.asarray(samples, dtype=np.float64)
    if not rows:
        return np.where(asked == 0, 0.0, np.nan)
    known, seconds = (np.array([row[name] for row in rows], dtype=np.float64) for name in ("samples", "seconds"))
    out = np.interp(asked, known, seconds, left=np.nan, right=np.nan)
    return np.where(asked == 0, 0.0, out)
