"""``Records``: all draws of a run, read block by block from disk or from arrays in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.checks import check_column, check_labels, check_log_probs, check_positions
from ttscale.records.schema import Manifest, Member


@dataclass(frozen=True)
class Block:
    """Consecutive items of one member: how many, and how to open their log-probabilities ``[item, variant, class]``.

    A block on disk is mapped anew at each use, so that its pages leave memory with the last array that looks at them.
    """

    rows: int
    open: Callable[[], np.ndarray]


class Records:
    """All draws of a run, read-only.

    Attributes:
        path: the folder, or None for Records made of arrays.
        manifest: seed, configuration, versions, device, members, shards.
        item_ids: ``str [item]``; ``labels``: ``int64 [item]``; ``clusters``, ``families``: ``str [item]`` or None.
    """

    def __init__(
        self,
        manifest: Manifest,
        item_ids: np.ndarray,
        labels: np.ndarray,
        blocks: Mapping[str, Sequence[Block]],
        flops: Mapping[str, np.ndarray],
        *,
        path: Path | None = None,
        clusters: np.ndarray | None = None,
        families: np.ndarray | None = None,
        positions: np.ndarray | None = None,
        checked: Iterable[str] = (),
    ) -> None:
        self.path, self.manifest = path, manifest
        self._blocks, self._flops = blocks, flops
        lengths = [block.rows for block in next(iter(blocks.values()))]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._positions = positions
        self._checked = set(checked)
        self.item_ids, self.labels, self.clusters, self.families = item_ids, labels, clusters, families

    @property
    def members(self) -> tuple[Member, ...]:
        return self.manifest.members

    @property
    def variants(self) -> tuple[str, ...]:
        return self.manifest.variants

    @property
    def class_names(self) -> tuple[str, ...] | None:
        return self.manifest.class_names

    @property
    def n_classes(self) -> int:
        return self.manifest.n_classes

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    def member(self, name: str) -> Member:
        """The member of this name; TtscaleError with the nearest names when there is none."""
        if name not in self._by_name:
            raise unknown_name("member", name, self._by_name)
        return self._by_name[name]

    def log_probs(self, member: str, items: slice = slice(None)) -> np.ndarray:
        """Log-probabilities ``[item, variant, class]`` of a member for a range of items, as stored (float32 or
        float16).

        A range inside one stored block comes as a view of its memory map; any other is copied.
        """
        self.member(member)
        start, stop, _ = items.indices(self.n_items)
        blocks = self._blocks[member]
        rows = np.arange(start, stop) if self._positions is None else self._positions[start:stop]
        if not len(rows):
            return blocks[0].open()[:0]
        shard_of = np.searchsorted(self._starts, rows, side="right") - 1
        shards = np.unique(shard_of)
        if len(shards) == 1:
            inside = rows - self._starts[shards[0]]
            contiguous = inside[-1] - inside[0] + 1 == len(inside) and bool((np.diff(inside) == 1).all())
            values = blocks[shards[0]].open()
            return values[inside[0] : inside[-1] + 1] if contiguous else values[inside]
        first = blocks[shards[0]].open()
        out = np.empty((len(rows), *first.shape[1:]), first.dtype)
        for shard in shards:
            chosen = shard_of == shard
            out[chosen] = blocks[shard].open()[rows[chosen] - self._starts[shard]]
        return out

    def check(self, member: str) -> None:
        """Refuse a member whose stored outcomes are not normalised log-probabilities; each is read once only.

        Raises:
            TtscaleError: unknown member, or such outcomes (the item is named).
        """
        if member not in self._checked:
            for items in self.blocks():
                check_log_probs(self.log_probs(member, items), member, self.item_ids[items])
            self._checked.add(member)

    def blocks(self) -> Iterator[slice]:
        """Consecutive ranges of items that cover all of them, one per stored block."""
        if self._positions is None:
            edges = self._starts
        else:
            edges = (
                np.unique(np.searchsorted(self._positions, self._starts))
                if self._sorted
                else np.array([0, self.n_items])
            )
        for start, stop in pairwise(edges):
            if stop > start:
                yield slice(int(start), int(stop))

    def draw_flops(self, member: str, variant: str) -> float:
        """Marginal FLOPs of one draw (1 multiply-add = 2 FLOPs)."""
        self.member(member)
        if variant not in self.variants:
            raise unknown_name("variant", variant, self.variants)
        return float(self._flops[member][self.variants.index(variant)])

    def draws(self) -> pa.Table:
        """The table of draws of the whole folder (columns of ``records.schema.DRAWS``).

        Raises:
            TtscaleError: Records made of arrays, which have no such table.
        """
        if self.path is None:
            raise TtscaleError(
                "records", expected="Records on disk", got="Records made of arrays", fix="Collect them first."
            )
        files = [shard.path for shard in self.manifest.shards if shard.kind == "draws"]
        return pa.concat_tables([pq.read_table(self.path / file) for file in files])

    def take(self, positions: Sequence[int] | np.ndarray) -> Records:
        """The items at these positions, in this order; nothing is copied.

        Args:
            positions: different whole numbers from 0 to ``n_items - 1``, at least one.

        Raises:
            TtscaleError: anything else (a mask of booleans included).
        """
        at = check_positions(positions, self.n_items)
        return Records(
            self.manifest, self.item_ids[at], self.labels[at], self._blocks, self._flops, path=self.path,
            clusters=None if self.clusters is None else self.clusters[at],
            families=None if self.families is None else self.families[at],
            positions=at if self._positions is None else self._positions[at], checked=self._checked,
        )  # fmt: skip

    @classmethod
    def from_arrays(
        cls,
        log_probs: Mapping[str, np.ndarray],
        labels: np.ndarray | Sequence[int],
        *,
        item_ids: Sequence[str] | None = None,
        variants: Sequence[str] | None = None,
        flops: Mapping[str, float] | None = None,
        cards: Mapping[str, Mapping[str, Any]] | None = None,
        class_names: Sequence[str] | None = None,
        clusters: Sequence[str] | None = None,
        families: Sequence[str] | None = None,
        seed: int = 0,
    ) -> Records:
        """Records in memory.

        Args:
            log_probs: per member, normalised log-probabilities ``[item, variant, class]``.
            labels: class index per item, ``int [item]``.
            item_ids: one different name per item; by default ``item000000, item000001, …``. They key the halves in
                which options are chosen and scored.
            variants: different names, by default ``identity, view1, …``; the first is the plain view.
            flops: FLOPs of one draw (1 multiply-add = 2 FLOPs), for every member; 1.0 each when not given.
            cards: per member, facts such as ``train_flops`` (FLOPs) and ``size``.
            class_names: one different name per class.
            clusters: name of the cluster of each item (items that are not independent of each other, such as frames
                of one video); intervals then resample whole clusters.
            families: name of the family of each item (a kind of question), kept for tables.
            seed: of the run, which a plan keeps: it keys views and the breaking of ties.

        Raises:
            TtscaleError: shapes, lengths or names that disagree, values that are NaN or not normalised, labels out of
                range.
        """
        if not log_probs:
            raise TtscaleError("log_probs", expected="at least one member", got="none", fix="Give one array a member.")
        shapes = {name: np.shape(values) for name, values in log_probs.items()}
        first = next(iter(shapes.values()))
        if len(first) != 3 or len(set(shapes.values())) > 1:
            raise TtscaleError(
                "log_probs", expected="arrays of one shape [item, variant, class]", got=str(shapes), fix="Reshape them."
            )
        n_items, n_variants, n_classes = first
        gold = check_labels(np.asarray(labels), n_items, n_classes)
        ids = check_column(
            "item_ids", item_ids if item_ids is not None else [f"item{i:06d}" for i in range(n_items)], n_items,
            distinct=True,
        )  # fmt: skip
        names = check_column(
            "variants", variants or ("identity", *(f"view{i}" for i in range(1, n_variants))), n_variants, distinct=True
        )
        classes = None if class_names is None else check_column("class_names", class_names, n_classes, distinct=True)
        for argument, given in (("flops", flops), ("cards", cards)):
            if given is not None and not isinstance(given, Mapping):
                raise TtscaleError(argument, expected="one entry per member", got=repr(given), fix="Give a dict.")
            for name in given or ():
                if name not in log_probs:
                    raise unknown_name(argument, name, log_probs)
        for name, values in log_probs.items():
            check_log_probs(np.asarray(values), name, ids)
        flops = flops or dict.fromkeys(log_probs, 1.0)
        if missing := [name for name in log_probs if name not in flops]:
            raise TtscaleError(
                "flops", expected="the FLOPs of one draw of every member", got=f"none for {missing}",
                fix="Give them for all members, or for none.",
            )  # fmt: skip
        members = tuple(
            Member(
                name,
                f"arrays:{name}",
                "",
                float(flops[name]),
                "given",
                float("nan"),
                {},
                (),
                0,
                (cards or {}).get(name, {}),
            )
            for name in log_probs
        )
        manifest = Manifest(
            seed=seed, config={}, versions={}, device="", dataset={"name": "arrays", "n_items": n_items},
            n_classes=n_classes, class_names=None if classes is None else tuple(map(str, classes)),
            variants=tuple(map(str, names)), members=members, n_blocks=1, complete=True,
        )  # fmt: skip
        return cls(
            manifest, ids, gold, {name: [_in_memory(np.asarray(values))] for name, values in log_probs.items()},
            {name: np.full(n_variants, float(flops[name])) for name in log_probs},
            clusters=None if clusters is None else check_column("clusters", clusters, n_items),
            families=None if families is None else check_column("families", families, n_items),
            checked=log_probs,
        )  # fmt: skip

    @cached_property
    def _by_name(self) -> dict[str, Member]:
        return {member.name: member for member in self.members}

    @cached_property
    def _sorted(self) -> bool:
        return self._positions is None or bool((np.diff(self._positions) > 0).all())


def _in_memory(values: np.ndarray) -> Block:
    return Block(len(values), lambda: values)
