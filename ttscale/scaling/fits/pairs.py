"""Counts of right samples by how many items have them: what laws of coverage are fitted to by likelihood.

An item of ``n`` samples of which ``c`` are right is a pair; items of equal pairs are told apart by nothing, so that a
likelihood needs each pair once, weighted by the number of items that have it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ttscale.scaling.curves.estimate import Counts
from ttscale.scaling.laws.log_gamma import log_choices

_ALL_KEPT = 32  # counts next to 0 and to all, where coverage is decided


@dataclass(frozen=True, eq=False)
class Pairs:
    """The different pairs of counts.

    Attributes:
        n, c: samples, and how many of them are right, ``int64 [pair]``.
        of_item: which pair each item has, ``int64 [item]``.
    """

    n: np.ndarray
    c: np.ndarray
    of_item: np.ndarray = field(repr=False)

    @property
    def members(self) -> np.ndarray:
        """1 where an item has the pair, ``float64 [pair, item]``."""
        return (np.arange(len(self.n))[:, None] == self.of_item).astype(np.float64)

    def weights(self, items: np.ndarray) -> np.ndarray:
        """How many of some items (``bool [item]``) have each pair, ``float64 [pair]``."""
        return np.bincount(self.of_item[items], minlength=len(self.n)).astype(np.float64)


def pairs_of(counts: Counts) -> Pairs:
    """The different pairs of counts of some items."""
    both, of_item = np.unique(np.stack([counts.n, counts.c], axis=1), axis=0, return_inverse=True)
    return Pairs(both[:, 0].astype(np.int64), both[:, 1].astype(np.int64), of_item.reshape(-1))


def thinned(pairs: Pairs, m: int) -> tuple[np.ndarray, np.ndarray]:
    """What ``m`` of each pair's samples show: numbers of right ones ``[count]``, how likely each is ``[pair, count]``.

    The hypergeometric distribution: the mean over every subset of ``m`` samples. Counts weighted by it tell of the
    items no more than samples of ``m`` do, so that a law fitted to them has not seen what more samples would show. Of
    many samples not every count is kept (see :func:`_kept`).

    Args:
        m: at most the least ``n``.
    """
    right = np.arange(m + 1.0)
    n, c = pairs.n[:, None].astype(np.float64), pairs.c[:, None].astype(np.float64)
    possible = (right <= c) & (m - right <= n - c)
    seen, missed = np.where(possible, right, 0.0), np.where(possible, m - right, 0.0)
    log_share = log_choices(c, seen) + log_choices(n - c, missed) - log_choices(n, np.full_like(n, m))
    share = np.where(possible, np.exp(log_share), 0.0)
    kept = _kept(m)
    above = np.searchsorted(kept, right)
    below = np.maximum(above - 1, 0)
    to_above = np.where(above > 0, (right - kept[below]) / np.maximum(kept[above] - kept[below], 1), 1.0)
    moved = np.zeros((m + 1, len(kept)))
    moved[np.arange(m + 1), below] = 1.0 - to_above
    moved[np.arange(m + 1), above] += to_above
    out = share @ moved
    return kept, out / out.sum(axis=1, keepdims=True)


def _kept(m: int) -> np.ndarray:
    """Some of the counts 0 to ``m``, closer than half the standard deviation of a binomial count there, ``[count]``.

    A count between two is split among both in proportion, which keeps its mean and adds little to a variance that is
    four times the square of their distance at least. All are kept near 0 and ``m``.
    """
    angle = np.linspace(0.0, np.pi, 2 + int(2.0 * np.pi * np.sqrt(m)))  # equal steps of it are equal shares of that
    near = np.arange(min(m, _ALL_KEPT) + 1.0)
    return np.unique(np.concatenate([near, m - near, np.round(0.5 * m * (1.0 - np.cos(angle)))])).astype(np.int64)
