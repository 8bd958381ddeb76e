"""The nearest of many binary hashes, by the number of bits that differ: every pair is looked at, 64 bits at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_ROWS, _COLUMNS = 256, 4096  # a block of pairs, 8 MiB of words at a time: narrower ones take half as long again


@dataclass(frozen=True)
class Nearest:
    """What each query found.

    Attributes:
        position: ``int64 [query]``, of its nearest hash (the first of equals), −1 where none is near.
        distance: ``int64 [query]``, bits that differ from it; −1 where none is near.
        count: ``int64 [query]``, hashes that are near.
    """

    position: np.ndarray
    distance: np.ndarray
    count: np.ndarray


def nearest_hashes(
    queries: np.ndarray,
    hashes: np.ndarray,
    max_distance: int,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Nearest:
    """The nearest of ``hashes`` within ``max_distance`` bits, for each query.

    A pair can only be near if the first half of its words is, so the rest is read for very few. 10⁵ × 10⁵ hashes of
    256 bits are 10¹⁰ pairs, some ten seconds on one core; memory does not grow with the number of pairs.

    Args:
        queries, hashes: ``uint64 [query, word]`` and ``uint64 [hash, word]``.
    """
    words = queries.shape[1]
    columns = np.ascontiguousarray(hashes.T)
    position, distance, count = (np.full(len(queries), start, dtype=np.int64) for start in (-1, -1, 0))
    for start in range(0, len(queries), _ROWS):
        rows = queries[start : start + _ROWS]
        for left in range(0, len(hashes), _COLUMNS):
            block = columns[:, left : left + _COLUMNS]
            half = _differing_bits(rows, block, max(1, words // 2))
            found = np.flatnonzero((half <= max_distance).any(axis=1))
            if len(found):
                bits = _differing_bits(rows[found], block, words)
                at, best = start + found, bits.argmin(axis=1)
                least = bits[np.arange(len(found)), best]
                closer = (least <= max_distance) & ((distance[at] < 0) | (least < distance[at]))
                position[at[closer]], distance[at[closer]] = left + best[closer], least[closer]
                count[at] += (bits <= max_distance).sum(axis=1)
        on_progress(min(1.0, (start + _ROWS) / len(queries)))
    return Nearest(position, distance, count)


def _differing_bits(rows: np.ndarray, columns: np.ndarray, words: int) -> np.ndarray:
    """``uint16 [row, column]`` over the first ``words`` of ``rows [row, word]`` and ``columns [word, column]``."""
    total = np.zeros((len(rows), columns.shape[1]), dtype=np.uint16)
    for word in range(words):
        total += np.bitwise_count(rows[:, word, None] ^ columns[word])
    return total
