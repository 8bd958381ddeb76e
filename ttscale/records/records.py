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
from ttscale.records.arrays import arrays_manifest, image_draws
from ttscale.records.checks import check_column, check_log_probs, check_positions
from ttscale.records.codes import read_from
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.schema import Manifest, Member
from ttscale.records.text import InMemory, TextSource, check_graded, graded_manifest


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
        item_ids: ``str [item]``; ``clusters``, ``families``: ``str [item]`` or None.
        labels: ``int64 [item]``, of vision; for text, whose right answers are its golds, −1.
        golds, questions: ``str [item]``, of text; None when unknown, and for vision.
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
        golds: np.ndarray | None = None,
        questions: np.ndarray | None = None,
        text: TextSource | None = None,
    ) -> None:
        self.path, self.manifest = path, manifest
        self._blocks, self._flops, self._text = blocks, flops, text
        lengths = [block.rows for block in next(iter(blocks.values()))]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._positions = positions
        self._checked = set(checked)
        self._graded: dict[str | None, Graded] = {}
        self.item_ids, self.labels, self.clusters, self.families = item_ids, labels, clusters, families
        self.golds, self.questions = golds, questions

    @property
    def outcome(self) -> str:
        """``"log_probs"`` (vision) or ``"text"`` (language)."""
        return self.manifest.outcome

    @property
    def vote_kind(self) -> str:
        """What votes there can be (see :func:`ttscale.voting.votes.get_vote`): the outcome, or ``"verdicts"`` for text
        of which only right and wrong are known."""
        return self.outcome if self.manifest.answers_known else "verdicts"

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
        """Log-probabilities ``[item, variant, class]`` of a member for a range of items, float32 or float16.

        A range inside one stored block comes as a view of its memory map, unless it holds codes; any other is copied.

        Raises:
            TtscaleError: unknown member, or Records of text.
        """
        return read_from(self.stored(member, items))

    def stored(self, member: str, items: slice = slice(None)) -> np.ndarray:
        """What :meth:`log_probs` reads, as it is stored: ``uint8`` are codes of :mod:`ttscale.records.codes`."""
        self.member(member)
        if self._text is not None:
            raise TtscaleError(
                "records", expected="Records of class log-probabilities", got="Records of text", fix="Use graded()."
            )
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
        """Marginal FLOPs of one draw (1 multiply-add = 2 FLOPs); for text, whose draws differ, see :meth:`graded`."""
        self.member(member)
        if variant not in self.variants:
            raise unknown_name("variant", variant, self.variants)
        return float(self._flops[member][self.variants.index(variant)])

    def graded(self, grader: str | None = None) -> Graded:
        """The draws of text with their answers, as arrays; read once and kept.

        Args:
            grader: id of the grades to use (see :func:`ttscale.regrade`); None is ``manifest.grader``.

        Raises:
            TtscaleError: Records of vision, or no grades of this id.
        """
        if grader not in self._graded:
            whole = self._text_source().graded(grader)
            self._graded[grader] = whole if self._positions is None else whole.take(self._positions)
        return self._graded[grader]

    @property
    def graders(self) -> tuple[str, ...]:
        """Ids of the grades at hand; none for vision."""
        return () if self._text is None else self._text.graders

    def text_draws(self) -> tuple[TextDraw, ...]:
        """The draws of every item of text, in the order of ``graded().draws``; known before anything is graded."""
        return self._text_source().draws

    def texts(self, positions: Sequence[int] | np.ndarray | None = None) -> tuple[tuple[str | None, ...], ...] | None:
        """What was generated for the items at these positions (None: all), ``[item][draw]`` as in ``graded().draws``.

        None for Records that were made of graded draws alone; a text is None where there is no such draw.

        Raises:
            TtscaleError: Records of vision, or positions as :meth:`take` refuses them.
        """
        at = np.arange(self.n_items) if positions is None else check_positions(positions, self.n_items)
        return self._text_source().texts(at if self._positions is None else self._positions[at])

    def finish_reasons(self) -> dict[str, dict[str, int]] | None:
        """Per member, how many of the run's draws ended for which reason; None where only graded draws are known."""
        return self._text_source().finish_reasons(self._positions)

    def profiles(self) -> pa.Table | None:
        """Seconds of decisions (columns of ``records.profiles.PROFILES``) as :func:`ttscale.profile` measured them."""
        return self._profiles

    def _text_source(self) -> TextSource:
        if self._text is None:
            raise TtscaleError(
                "records", expected="Records of text", got="Records of class log-probabilities",
                fix="Use log_probs(), or collect a language model.",
            )  # fmt: skip
        return self._text

    def draws(self) -> pa.Table:
        """The table of draws (columns of ``records.schema.DRAWS``): of images those of these items, of text those of
        the whole folder.

        Raises:
            TtscaleError: Records of text in memory, which have no such table.
        """
        if self._text is None:
            tables = [image_draws(self.item_ids, name, self.variants, flops) for name, flops in self._flops.items()]
            return pa.concat_tables(tables)
        if self.path is None:
            raise TtscaleError(
                "records", expected="Records on disk", got="Records in memory", fix="Collect them first."
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
            golds=None if self.golds is None else self.golds[at],
            questions=None if self.questions is None else self.questions[at], text=self._text,
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
        manifest, ids, gold = arrays_manifest(
            log_probs, labels, item_ids=item_ids, variants=variants, flops=flops or dict.fromkeys(log_probs, 1.0),
            cards=cards or {}, class_names=class_names, seed=seed,
        )  # fmt: skip
        n_items, n_variants = len(ids), len(manifest.variants)
        return cls(
            manifest, ids, gold, {name: [_in_memory(np.asarray(values))] for name, values in log_probs.items()},
            {member.name: np.full(n_variants, member.flops) for member in manifest.members},
            clusters=None if clusters is None else check_column("clusters", clusters, n_items),
            families=None if families is None else check_column("families", families, n_items),
            checked=log_probs,
        )  # fmt: skip

    @classmethod
    def from_graded(
        cls,
        graded: Graded,
        *,
        members: Sequence[Member | str] | None = None,
        item_ids: Sequence[str] | None = None,
        golds: Sequence[str] | None = None,
        questions: Sequence[str] | None = None,
        clusters: Sequence[str] | None = None,
        families: Sequence[str] | None = None,
        texts: Sequence[Sequence[str | None]] | None = None,
        cards: Mapping[str, Mapping[str, Any]] | None = None,
        decodings: Sequence[Mapping[str, Any]] | None = None,
        prefill: str = "shared",
        seed: int = 0,
    ) -> Records:
        """Records of text in memory.

        Args:
            graded: the draws and their answers.
            members: those of the draws, or names of them (of unknown FLOPs); by default in order of first appearance.
            item_ids, clusters, families, cards, seed: as in :meth:`from_arrays`.
            golds, questions: text per item. texts: what was generated, ``[item][draw]``.
            decodings: as in :class:`ttscale.records.schema.Manifest`; by default their ids and numbers of samples.
            prefill: ``"shared"`` or ``"per_sample"``.

        Raises:
            TtscaleError: shapes, lengths or names that disagree.
        """
        check_graded(graded, texts)
        n = graded.n_items
        ids = check_column("item_ids", item_ids or [f"item{i:06d}" for i in range(n)], n, distinct=True)
        manifest = graded_manifest(graded, members, cards or {}, decodings, prefill, seed)
        columns = {"golds": golds, "questions": questions, "clusters": clusters, "families": families}
        given = {k: None if v is None else check_column(k, v, n) for k, v in columns.items()}
        return text_records(manifest, ids, InMemory(graded, texts), given)

    @cached_property
    def _profiles(self) -> pa.Table | None:
        files = [shard.path for shard in self.manifest.shards if shard.kind == "profiles"]
        return None if self.path is None or not files else pq.read_table(self.path / files[0])

    @cached_property
    def _by_name(self) -> dict[str, Member]:
        return {member.name: member for member in self.members}

    @cached_property
    def _sorted(self) -> bool:
        return self._positions is None or bool((np.diff(self._positions) > 0).all())


def text_records(
    manifest: Manifest, item_ids: np.ndarray, text: TextSource, columns: Mapping[str, np.ndarray | None], *,
    rows: Sequence[int] | None = None, path: Path | None = None,
) -> Records:  # fmt: skip
    """Records of text from a source.

    Args:
        columns: golds, questions, clusters and families, ``[item]`` or None. rows: items of each stored block.
    """

    def nothing() -> np.ndarray:
        raise AssertionError("log_probs() refuses text")

    blocks = [Block(n, nothing) for n in rows or [len(item_ids)]]
    flops = {m.name: np.full(len(manifest.variants), np.nan) for m in manifest.members}
    return Records(
        manifest, item_ids, np.full(len(item_ids), -1), {m.name: blocks for m in manifest.members}, flops, path=path,
        text=text, clusters=columns["clusters"], families=columns["families"], golds=columns["golds"],
        questions=columns["questions"],
    )  # fmt: skip


def _in_memory(values: np.ndarray) -> Block:
    return Block(len(values), lambda: values)
