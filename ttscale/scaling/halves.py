"""Two halves of the items, for choosing on one and scoring on the other."""

from __future__ import annotations

import numpy as np

from ttscale.draws import keyed
from ttscale.errors import TtscaleError

MIN_PER_HALF = 2


def first_half(item_ids: np.ndarray, clusters: np.ndarray | None, *, seed: int, repeat: int = 0) -> np.ndarray:
    """Which items are in the first half: ``bool [item]``.

    The units (items, or clusters, which are never split) are ordered by their keyed uniforms, and the lower half of
    them comes first. So the halves depend on the set of ids, the seed and ``repeat``, and not on the order of the
    items.

    Raises:
        TtscaleError: fewer than ``2 MIN_PER_HALF`` units.
    """
    names, unit = np.unique(np.asarray(item_ids if clusters is None else clusters).astype(str), return_inverse=True)
    if len(names) < 2 * MIN_PER_HALF:
        kind = "items" if clusters is None else "clusters of items"
        raise TtscaleError(
            "records", expected=f"at least {2 * MIN_PER_HALF} {kind}, to choose on one half and score on the other",
            got=str(len(names)), fix="Collect more items.",
        )  # fmt: skip
    uniforms = keyed.uniforms(seed, keyed.item_keys(names.tolist()), stream=keyed.SPLIT, sample=repeat)
    first = np.zeros(len(names), dtype=bool)
    first[np.argsort(uniforms, kind="stable")[: len(names) // 2]] = True
    return first[unit]
