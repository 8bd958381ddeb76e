"""Halves, folds and samples of the items, for choosing on some and scoring on others."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ttscale.draws import keyed
from ttscale.errors import TtscaleError

MIN_PER_HALF = 2
# What keeps other orders of the items apart from those of halves, which count their repeats from 0:
_FOLDS = 2**30
TO_LEARN, TO_CALIBRATE = 2**31, 2**31 + 1  # parts of keyed_sample


def first_half(item_ids: np.ndarray, clusters: np.ndarray | None, *, seed: int, repeat: int = 0) -> np.ndarray:
    """Which items are in the first half: ``bool [item]``.

    The units (items, or clusters, which are never split) are ordered by their keyed uniforms, and the lower half of
    them comes first. So the halves depend on the set of ids, the seed and ``repeat``, and not on the order of the
    items.

    Raises:
        TtscaleError: fewer than ``2 MIN_PER_HALF`` units.
    """
    check_halves(item_ids, clusters)
    names, unit = _units(item_ids, clusters)
    return (_ranks(names, seed, repeat) < len(names) // 2)[unit]


def check_halves(item_ids: np.ndarray, clusters: np.ndarray | None) -> None:
    """TtscaleError where there are fewer than ``2 MIN_PER_HALF`` units."""
    names, _ = _units(item_ids, clusters)
    if len(names) < 2 * MIN_PER_HALF:
        kind = "items" if clusters is None else "clusters of items"
        raise TtscaleError(
            "records", expected=f"at least {2 * MIN_PER_HALF} {kind}, to choose on some and score on others",
            got=str(len(names)), fix="Collect more items.",
        )  # fmt: skip


def folds(item_ids: np.ndarray, clusters: np.ndarray | None, n: int, *, seed: int) -> np.ndarray:
    """The fold, 0 to ``n - 1``, of each item, ``int64 [item]``: units in keyed order, dealt out in turn."""
    names, unit = _units(item_ids, clusters)
    return _ranks(names, seed, _FOLDS)[unit] % n


def keyed_sample(item_ids: np.ndarray, n: int, *, seed: int, part: int) -> np.ndarray:
    """Positions of ``n`` of the items, or of all where there are no more, in order: ``int64 [item]``.

    Which are taken depends on the seed and on their ids alone; unlike halves, clusters may be cut.

    Args:
        part: what the sample is for, so that samples for other things are others.
    """
    if len(item_ids) <= n:
        return np.arange(len(item_ids))
    uniforms = keyed.uniforms(seed, keyed.item_keys(item_ids.tolist()), stream=keyed.SPLIT, sample=part)
    return np.sort(np.argsort(uniforms, kind="stable")[:n])


def _units(item_ids: np.ndarray, clusters: np.ndarray | None) -> tuple[tuple[str, ...], np.ndarray]:
    """The different units, and which of them each item is."""
    names, unit = np.unique(np.asarray(item_ids if clusters is None else clusters).astype(str), return_inverse=True)
    return tuple(names.tolist()), unit


@lru_cache(maxsize=16)
def _ranks(names: tuple[str, ...], seed: int, sample: int) -> np.ndarray:
    """The position of each unit in keyed order; kept, since many choices are made on the same items."""
    uniforms = keyed.uniforms(seed, keyed.item_keys(names), stream=keyed.SPLIT, sample=sample)
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[np.argsort(uniforms, kind="stable")] = np.arange(len(names))
    ranks.setflags(write=False)
    return ranks
