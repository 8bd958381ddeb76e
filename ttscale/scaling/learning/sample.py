"""Outcomes to learn from: those of some draws on some labelled items, in memory.

A choice by labels needs each outcome many times, so that it is not streamed. Where the items would not fit, a keyed
sample of them is taken; what was learned is then scored on all items in one streaming pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.intervals.bootstrap import count_units, unit_index
from ttscale.scaling.intervals.halves import TO_LEARN, keyed_sample

MAX_BYTES = 2**29  # of a sample's outcomes
_READ_BYTES = 2**25


@dataclass(frozen=True, eq=False)
class Sample:
    """Outcomes with their labels.

    Attributes:
        log_probs: ``float32 [draw, item, class]``, in memory draw by draw and class by class.
        labels: ``int64 [item]``.
        positions: of the items in the Records, ``int64 [item]``.
        item_ids: ``str [item]``. clusters: ``str [item]`` or None.
    """

    log_probs: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    item_ids: np.ndarray
    clusters: np.ndarray | None

    @property
    def n_items(self) -> int:
        return len(self.labels)

    @property
    def n_units(self) -> int:
        """How many independent units (items, or clusters) there are."""
        return count_units(self.n_items, unit_index(self.clusters))


def read_sample(
    records: Records, draws: Sequence[tuple[str, str]], items: np.ndarray, *, seed: int, max_bytes: int = MAX_BYTES
) -> Sample:
    """The outcomes of these draws on these items, or on as many of them as fit.

    Which of them are taken depends on the seed and on their ids alone.

    Args:
        draws: (member, variant). items: to choose from, ``bool [item]``.
        max_bytes: of ``log_probs``.

    Raises:
        TtscaleError: stored outcomes that are not normalised log-probabilities, or not room for one item.
    """
    each = 4 * len(draws) * records.n_classes
    if max_bytes < each:
        raise TtscaleError(
            "max_bytes", expected=f"room for the outcomes of one item, {each} bytes", got=str(max_bytes),
            fix="Allow more memory, or fewer draws.",
        )  # fmt: skip
    for member in dict.fromkeys(draw[0] for draw in draws):
        records.check(member)
    wanted = np.flatnonzero(items)
    wanted = wanted[keyed_sample(records.item_ids[wanted], max_bytes // each, seed=seed, part=TO_LEARN)]
    chosen = records.take(wanted)
    return Sample(_read(chosen, draws), chosen.labels, wanted, chosen.item_ids, chosen.clusters)


def _read(records: Records, draws: Sequence[tuple[str, str]]) -> np.ndarray:
    out = np.empty((len(draws), records.n_classes, records.n_items), dtype=np.float32).transpose(0, 2, 1)
    at = {variant: position for position, variant in enumerate(records.variants)}
    rows: dict[str, list[tuple[int, int]]] = {}
    for number, (member, variant) in enumerate(draws):
        rows.setdefault(member, []).append((number, at[variant]))
    step = max(1, _READ_BYTES // (4 * len(at) * records.n_classes))
    for block in records.blocks():
        for start in range(block.start, block.stop, step):
            items = slice(start, min(start + step, block.stop))
            for member, columns in rows.items():
                stored = records.log_probs(member, items)
                for number, column in columns:
                    out[number, items] = stored[:, column]
    return out
