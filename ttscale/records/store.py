"""Writing Records: block by block, so that a killed run goes on where its last complete block ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from ttscale.data.files import sha256_file
from ttscale.errors import TtscaleError
from ttscale.records.files import write_array, write_json, write_table
from ttscale.records.read import read_manifest
from ttscale.records.schema import COSTS, DERIVED, DRAWS, ITEMS, Manifest, Member, Shard, filled


class RecordsWriter:
    """A Records folder while it is collected; one writer at a time.

    Opening a folder that holds an unfinished (or finished) run of the same configuration goes on with it.

    Raises:
        TtscaleError: the folder holds something else, a run of another configuration (what differs is named), or
            another process is writing to it.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        _refuse_strangers(folder)
        self._lock = hold(folder)
        try:
            self.manifest = _resume(folder, manifest)
        except BaseException:
            self._lock.release()
            raise
        self._done = {shard.block for shard in self.manifest.shards}

    def __enter__(self) -> RecordsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def has_block(self, block: int) -> bool:
        """Whether a block is already complete on disk."""
        return block in self._done

    def write_block(
        self,
        block: int,
        item_ids: Sequence[str],
        log_probs: Mapping[str, np.ndarray],
        *,
        skipped: Sequence[Mapping[str, str]] = (),
        flipped: Mapping[str, int] | None = None,
    ) -> None:
        """Add the draws of one block of items.

        Args:
            item_ids: of the items kept, in order.
            log_probs: per member, ``[item, variant, class]``: numbers, or codes as ``uint8``.
            skipped: items of the block that could not be read: item_id and reason.
            flipped: per member, draws whose most likely class changed in rounding to the stored type.
        """
        shards = []
        for position, (member, values) in enumerate(log_probs.items()):
            file = f"log_probs/m{position:03d}-b{block:05d}.npy"
            write_array(self.folder / file, values)
            changed = (flipped or {}).get(member, 0)
            shards.append(self._shard(file, "log_probs", member, block, len(item_ids), changed))
        self._add(block, shards, [{**item, "block": block} for item in skipped])

    def write_text_block(
        self, block: int, draws: Mapping[str, Mapping[str, Any]], costs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Add the draws of one block of items of a language run.

        Args:
            draws: per member, columns of ``schema.DRAWS``: item by item, then variant, decoding and sample in the
                manifest's order.
            costs: per member, columns of ``schema.COSTS`` with the prompts of these items and the beginnings that they
                share (which other blocks may list too).
        """
        shards = []
        for position, member in enumerate(draws):
            stem = f"m{position:03d}-b{block:05d}.parquet"
            for kind, columns, schema in (("draws", draws[member], DRAWS), ("costs", costs[member], COSTS)):
                table = filled(columns, schema)
                write_table(self.folder / kind / stem, table)
                shards.append(self._shard(f"{kind}/{stem}", kind, member, block, table.num_rows))
        self._add(block, shards, [])

    def _add(self, block: int, shards: Sequence[Shard], skipped: Sequence[Mapping[str, Any]]) -> None:
        self.manifest = replace(
            self.manifest,
            shards=tuple(sorted((*self.manifest.shards, *shards), key=lambda shard: shard.block)),
            skipped_items=tuple(sorted((*self.manifest.skipped_items, *skipped), key=lambda item: item["block"])),
        )
        self._done.add(block)
        write_json(self.folder / "manifest.json", self.manifest.to_json())

    def finish(
        self,
        item_ids: Sequence[str],
        labels: np.ndarray | None = None,
        clusters: np.ndarray | None = None,
        families: np.ndarray | None = None,
        *,
        golds: Sequence[str] | None = None,
        questions: Sequence[str] | None = None,
        forwards: Mapping[str, Sequence[Any]] | None = None,
        draw_flops: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Write the items that were kept and the costs, and mark the run complete.

        Args:
            labels: class index per item, for vision. golds, questions: text per item, for language.
            forwards: columns of ``schema.COSTS``: a forward of each member at each input size; default: at its own.
            draw_flops: of vision, per member, the marginal FLOPs of a draw of each variant; default: its own of each.
        """
        names, n = self.manifest.class_names, len(item_ids)
        items = {
            "item_id": list(item_ids),
            "label": [None] * n if labels is None else labels,
            "class_name": [None] * n if names is None or labels is None else [names[label] for label in labels],
            "cluster": [None] * n if clusters is None else clusters.tolist(),
            "family": [None] * n if families is None else families.tolist(),
            "gold": [None] * n if golds is None else list(golds),
            "question": [None] * n if questions is None else list(questions),
        }
        tables = []
        for kind, table in (("items", filled(items, ITEMS)), ("costs", self._costs(forwards, draw_flops or {}))):
            path = f"{kind}.parquet"
            write_table(self.folder / path, table)
            tables.append(self._shard(path, kind, "", -1, table.num_rows))
        self.manifest = replace(self.manifest, shards=(*self.manifest.shards, *tables), complete=True)
        write_json(self.folder / "manifest.json", self.manifest.to_json())

    def _costs(
        self, forwards: Mapping[str, Sequence[Any]] | None, draw_flops: Mapping[str, Sequence[float]]
    ) -> pa.Table:
        """The forwards, then the draws of images, or the prompts of all blocks, with each shared beginning once."""
        members = self.manifest.members
        tables = [filled(forwards or own_forwards(members), COSTS)]
        if self.manifest.outcome == "log_probs":
            own = {m.name: draw_flops.get(m.name, [m.flops] * len(self.manifest.variants)) for m in members}
            tables.append(filled(_of_draws(own, self.manifest.variants), COSTS))
        parts = [shard.path for shard in self.manifest.shards if shard.kind == "costs"]
        tables += [pq.read_table(self.folder / path, schema=COSTS) for path in parts]
        seen: set[tuple[str, str]] = set()
        return pa.concat_tables([tables[0], *(_once(table, seen) for table in tables[1:])]).unify_dictionaries()

    def _shard(self, path: str, kind: str, member: str, block: int, rows: int, flipped: int = 0) -> Shard:
        return Shard(path, kind, member, block, rows, sha256_file(self.folder / path), flipped)


def own_forwards(members: Sequence[Member]) -> dict[str, list[Any]]:
    """Columns of ``schema.COSTS``: a forward of each member at its own input size."""
    return {
        "scope": ["forward"] * len(members),
        "key": [f"{m.name}@{'x'.join(map(str, m.input_size)) or 'token'}" for m in members],
        "flops": [m.flops for m in members], "bytes": [m.bytes for m in members],
        "member": [m.name for m in members],
    }  # fmt: skip


def _of_draws(flops: Mapping[str, Sequence[float]], variants: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of ``schema.COSTS``: a draw of each member and variant."""
    rows = [
        (member, variant, float(x)) for member, of in flops.items() for variant, x in zip(variants, of, strict=True)
    ]
    return {
        "scope": ["draw"] * len(rows), "key": [f"{member}/{variant}" for member, variant, _ in rows],
        "flops": [x for _, _, x in rows], "member": [member for member, _, _ in rows],
        "variant": [variant for _, variant, _ in rows],
    }  # fmt: skip


def _once(table: pa.Table, seen: set[tuple[str, str]]) -> pa.Table:
    """The rows of a block's costs without the shared beginnings that are among those ``seen``, which it adds to."""
    keep = np.ones(table.num_rows, bool)
    for row in np.flatnonzero(pc.equal(table["scope"].cast(pa.string()), "prefix").to_numpy(zero_copy_only=False)):
        key = (table["member"][row].as_py(), table["key"][row].as_py())
        keep[row] = key not in seen
        seen.add(key)
    return table if keep.all() else table.filter(pa.array(keep))


def _refuse_strangers(folder: Path) -> None:
    """Leave a folder alone that holds something else than a run (or the beginning of one)."""
    if folder.exists() and not folder.is_dir():
        raise TtscaleError("out", expected="a folder", got=f"the file {folder}", fix="Choose another `out`.")
    present = {path.name for path in folder.iterdir()} if folder.exists() else set()
    others = sorted(present - {"lock", "manifest.json.partial"})
    if "manifest.json" not in present and others:
        raise TtscaleError(
            "out", expected="a new folder, or one that holds Records",
            got=f"{folder}, which holds {', '.join(others[:3])}", fix="Choose another `out`.",
        )  # fmt: skip


def hold(folder: Path) -> FileLock:
    """Hold the folder's lock; a killed process lets go by itself."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise TtscaleError(
            "out", expected="a folder that no other run is writing to", got=str(folder),
            fix="Wait for the other run, or choose another `out`.",
        ) from None  # fmt: skip
    except OSError as error:
        raise TtscaleError(
            "out", expected="a folder that can be written", got=f"{folder} ({error.strerror or error})",
            fix="Choose another `out`.",
        ) from error  # fmt: skip
    return lock


def _resume(folder: Path, new: Manifest) -> Manifest:
    """The manifest to go on with: the folder's own when it is of the same run, else ``new`` in an empty folder."""
    if not (folder / "manifest.json").exists():
        write_json(folder / "manifest.json", new.to_json())
        return new
    old = read_manifest(folder)
    changed = _changed(dict(old.config), json.loads(json.dumps(dict(new.config))))
    whole = _without_damage(folder, old)
    if whole.complete and all(key.startswith("versions") for key in changed):
        changed = {}  # nothing is left to run that could come out differently
    if changed:
        told = [key for key in changed if key != "block_items"] or list(changed)  # that follows from the others
        was = "; ".join(f"{key} was {_short(changed[key][0])}, is {_short(changed[key][1])}" for key in told)
        raise TtscaleError(
            "out", expected=f"the configuration that {folder} was begun with", got=f"a change of {was}",
            fix=f"Choose another `out`, delete {folder} to begin anew, or give the old configuration to go on.",
        )  # fmt: skip
    if whole is not old:
        write_json(folder / "manifest.json", whole.to_json())
    return whole


def _changed(old: Any, new: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    """What differs in two configurations, by its key (``generation.NAME.batch_size``): the old value and the new."""
    if isinstance(old, dict) and isinstance(new, dict):
        inner = (_changed(old.get(k), new.get(k), f"{key}.{k}" if key else k) for k in sorted(old.keys() | new.keys()))
        return {name: values for part in inner for name, values in part.items()}
    if (named := _by_id(old)) and (new_named := _by_id(new)) and (inside := _changed(named, new_named, key)):
        return inside
    return {} if old == new else {key: (old, new)}


def _by_id(value: Any) -> dict[str, Any]:
    """A list of settings that have an ``id`` each (decodings), by it; nothing of anything else."""
    named = isinstance(value, list) and all(isinstance(one, dict) and "id" in one for one in value)
    return {one["id"]: one for one in value} if named else {}


def _without_damage(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest without the blocks of which a file is missing or damaged, so that they are run again.

    Tables derived from the draws (grades, scores) go alone when only they are damaged, and with any block of draws.
    """
    damaged = [
        shard
        for shard in manifest.shards
        if not (folder / shard.path).is_file() or sha256_file(folder / shard.path) != shard.sha256
    ]
    if not damaged:
        return manifest
    bad = {shard.block for shard in damaged if shard.block != DERIVED}
    if not bad:
        return replace(manifest, shards=tuple(shard for shard in manifest.shards if shard not in damaged))
    gone = bad | {-1} if bad == {-1} else bad | {-1, DERIVED}
    return replace(
        manifest, complete=False, shards=tuple(shard for shard in manifest.shards if shard.block not in gone),
        skipped_items=tuple(item for item in manifest.skipped_items if item["block"] not in bad),
    )  # fmt: skip


def add_derived(
    folder: Path, kind: str, tables: Mapping[str, pa.Table | Iterable[pa.Table]], *, lock: FileLock | None = None,
    **changes: Any,
) -> None:  # fmt: skip
    """Put tables derived from the draws of a finished run beside them, in place of older ones of the same path.

    Args:
        kind: ``grades``, ``scores`` or ``profiles``. tables: per path inside the folder, whole or in parts.
        lock: of the folder, where the caller has it (see :func:`hold`); None takes it for the while.
        changes: of the manifest that go with them.

    Raises:
        TtscaleError: another process is writing to the folder, or it cannot be written.
    """
    own = hold(folder) if lock is None else None
    try:
        manifest = read_manifest(folder)
        kept = [shard for shard in manifest.shards if shard.path not in tables]
        for path, table in tables.items():
            rows = write_table(folder / path, table)
            kept.append(Shard(path, kind, "", DERIVED, rows, sha256_file(folder / path)))
        write_json(folder / "manifest.json", replace(manifest, shards=tuple(kept), **changes).to_json())
    finally:
        if own is not None:
            own.release()


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:80]} … ({len(text)} characters)"
