"""Items: labelled inputs with stable ids."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

CLEAN = "clean"  # label of items without a shift


@dataclass(frozen=True, eq=False)
class Dataset:
    """A finite, ordered set of labelled items.

    Attributes:
        name: short name for reports.
        item_ids: unique and stable: the same item has the same id on every machine and in every subset.
        labels: ``int64 [item]``, class index.
        load: maps an item's position to its raw input (a ``PIL.Image`` for images); raises ``TtscaleError`` that names
            the item when it cannot be read.
        class_names: in label order, or None.
        clusters: groups of items that are not independent (``str [item]``), or None.
        families: kinds of item for grouped reports (``str [item]``), or None.
        shift: what was done to the inputs, see :mod:`ttscale.data.shift`; None: nothing.
    """

    name: str
    item_ids: tuple[str, ...]
    labels: np.ndarray
    load: Callable[[int], Any]
    class_names: tuple[str, ...] | None = None
    clusters: np.ndarray | None = None
    families: np.ndarray | None = None
    shift: str | None = None

    def __len__(self) -> int:
        return len(self.item_ids)

    def digest(self) -> str:
        """SHA-256 over ids and labels in order, and the shift; the inputs themselves are not read."""
        digest = hashlib.sha256("\n".join(self.item_ids).encode())
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        digest.update((self.shift or "").encode())
        return digest.hexdigest()

    def subset(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        """The items at these positions, in this order, with their ids unchanged."""
        at = np.asarray(positions, dtype=np.int64)
        load = self.load
        return replace(
            self,
            item_ids=tuple(self.item_ids[i] for i in at),
            labels=self.labels[at],
            load=lambda position: load(int(at[position])),
            clusters=None if self.clusters is None else self.clusters[at],
            families=None if self.families is None else self.families[at],
        )
