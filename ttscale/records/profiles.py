"""Profiles: how long a decision takes, measured by itself and never taken from a collection's wall clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

_WORD = pa.dictionary(pa.int32(), pa.string())

# One row a device, numeric format (`dtype`), member and number of draws: the seconds in which one item, alone on the
# device, gets so many.
# Of text the draws are `samples` of its plain prompt (`variant`) under one decoding; of images they are views of one
# input `shape`, from normalised tensor to log-probabilities, which is the same work for every image: `seconds` is the
# median of the repeats, each a mean over the same items. Texts differ: `item_seconds` is the median of the repeats of
# each of `item_ids`, with its first `samples` samples, and `seconds`, `fastest` and `slowest` are means over the items
# of each one's median, fastest and slowest repeat. Profiles of images, and of text of an older version, have no
# `item_ids`.
PROFILES = pa.schema(
    [
        ("device", _WORD), ("member", _WORD), ("variant", _WORD), ("decode_id", _WORD), ("samples", pa.int32()),
        ("items", pa.int32()), ("repeats", pa.int32()), ("prompt_tokens", pa.float64()), ("n_tokens", pa.float64()),
        ("seconds", pa.float64()), ("fastest", pa.float64()), ("slowest", pa.float64()), ("shape", _WORD),
        ("dtype", _WORD), ("item_ids", pa.list_(pa.string())), ("item_seconds", pa.list_(pa.float64())),
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


def unsteady_words(rows: Rows) -> str:
    """That seconds fall where draws are added, and what to do; empty where they do not.

    Args:
        rows: of one device and numeric format.
    """
    ordered = sorted(rows, key=lambda row: (*map(str, _series(row)), row["samples"]))
    steps = [(a, b) for a, b in pairwise(ordered) if _series(a) == _series(b)]
    falls = [(a, b) for a, b in steps if b["seconds"] < a["seconds"]]
    if not falls:
        return ""
    a, b = max(falls, key=lambda fall: fall[0]["seconds"] / fall[1]["seconds"])
    return (
        f"Seconds fall at {len(falls)} of {len(steps)} steps to more draws (most for {a['member']}, from "
        f"{a['samples']} to {b['samples']}): repeats differ by more than the draws cost, and curves are given the "
        "seconds of fewer draws there. Profile again with more repeats or n_items, on a machine that does nothing else."
    )


def _series(row: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
    """What numbers of draws are compared within: member, decoding and input shape."""
    return row["member"], row["decode_id"], row.get("shape")


def _place(row: Mapping[str, Any]) -> tuple[str, str | None]:
    return row["device"], row.get("dtype")  # a profile of an older version has none


def shape_word(shape: Sequence[int]) -> str:
    """An input shape as profiles name it: ``3x224x224``."""
    return "x".join(map(str, shape))


def seconds_of(
    rows: Rows, member: str, samples: np.ndarray, *, decoding: str | None = None, shape: str | None = None
) -> np.ndarray:
    """Seconds in which one item gets so many draws, like ``samples``; between measured numbers along a line.

    More draws are never less work, so where the clock says that they took less they are given what fewer took. NaN
    outside the range that was measured, and where nothing was; 0 for no draw.
    """
    mine = _measured(rows, (member, decoding, shape))
    return _along([row["samples"] for row in mine], [row["seconds"] for row in mine], samples)


def timed_items(rows: Rows) -> tuple[str, ...]:
    """The items whose seconds the rows keep one by one; none where rows keep a mean alone or differ in their items.

    Args:
        rows: of one device and numeric format.
    """
    kept = {tuple(row.get("item_ids") or ()) for row in rows}
    return kept.pop() if len(kept) == 1 else ()


def item_seconds_of(rows: Rows, member: str, samples: np.ndarray, *, decoding: str) -> np.ndarray:
    """The seconds of each of the :func:`timed_items`, ``float64 [item, k]``; item by item as :func:`seconds_of`."""
    mine = _measured(rows, (member, decoding, None))
    known = [row["samples"] for row in mine]
    return np.stack([
        _along(known, [row["item_seconds"][item] for row in mine], samples) for item in range(len(timed_items(rows)))
    ])  # fmt: skip


def _measured(rows: Rows, series: tuple[str, str | None, str | None]) -> Rows:
    return sorted((row for row in rows if _series(row) == series), key=lambda row: row["samples"])


def _along(known: Sequence[int], seconds: Sequence[float], samples: np.ndarray) -> np.ndarray:
    """Seconds that never fall, like ``samples``, on lines between known numbers of them."""
    asked = np.asarray(samples, dtype=np.float64)
    if not known:
        return np.where(asked == 0, 0.0, np.nan)
    out = np.interp(asked, known, np.maximum.accumulate(seconds), left=np.nan, right=np.nan)
    return np.where(asked == 0, 0.0, out)
