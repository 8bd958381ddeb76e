"""Runs over the same items as one folder of few and small files, which can be committed: classifiers here, text in
:mod:`ttscale.records.merge_text`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ttscale.errors import TtscaleError
from ttscale.records.aligned import on_same_items, refuse_unlike, told, versions_of
from ttscale.records.codes import DTYPES, count_flipped, stored_as
from ttscale.records.merge_text import merge_texts
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.schema import COSTS, Manifest, filled
from ttscale.records.store import RecordsWriter, own_forwards

_BLOCK_VALUES = 8 << 20, 64 << 20  # of one member, which readers may hold as float32, and of all, held in writing


def merge_records(
    runs: Records | str | Path | Sequence[Records | str | Path],
    out: str | Path,
    *,
    log_probs_dtype: str = "auto",
    texts: bool = True,
    command: str | None = None,
) -> Records:
    """Write the members of one or several runs over the same items and views as one folder.

    Of images there is one file a member (more only of very many values), where a run has one for each of its blocks.
    Profiles stay behind.

    Args:
        runs: Records, or their folders, or one alone; items in any order. Their members' names differ.
        out: a new folder, or one of the same merge, which is read or gone on with.
        log_probs_dtype: ``"float32"``, ``"float16"``, ``"uint8"`` (see :mod:`ttscale.records.codes`), or ``"auto"``: as
            the runs have them, float32 where they differ. What is stored in it already is copied as it is.
        texts: of runs of text, whether the generated texts are kept (see :func:`merge_texts`).
        command: what made them, for the manifest.

    Returns:
        The Records of the folder.

    Raises:
        TtscaleError: images beside text, a member that two runs have, other items, labels, classes, views, decodings
            or seeds, or a folder that holds something else.
    """
    if log_probs_dtype not in ("auto", *DTYPES):
        raise TtscaleError("log_probs_dtype", expected=f"auto or {' or '.join(DTYPES)}", got=repr(log_probs_dtype),
                           fix="Choose one of them.")  # fmt: skip
    listed = [runs] if isinstance(runs, Records | str | Path) else runs
    several = [run if isinstance(run, Records) else read_records(run) for run in listed]
    if several and {run.outcome for run in several} == {"text"}:
        if log_probs_dtype != "auto":
            raise TtscaleError("log_probs_dtype", expected="auto: text has no log-probabilities of classes",
                               got=repr(log_probs_dtype), fix="Leave it out.")  # fmt: skip
        return merge_texts(several, out, texts=texts, command=command)
    _check(several)
    several = on_same_items(several)
    dtype = _pick(several, log_probs_dtype)
    of = {member.name: run for run in several for member in run.members}
    for name, run in of.items():
        run.check(name)
    n, width = several[0].n_items, len(several[0].variants) * several[0].n_classes
    step = max(1, min(_BLOCK_VALUES[0], _BLOCK_VALUES[1] // len(of)) // width)
    blocks = [slice(start, stop) for start, stop in pairwise([*range(0, n, step), n])]
    with RecordsWriter(Path(out), _manifest(several, of, dtype, len(blocks), command)) as writer:
        for number, items in enumerate(blocks):
            if not writer.has_block(number):
                _write(writer, number, items, of, dtype)
        if not writer.manifest.complete:
            first = several[0]
            writer.finish(
                first.item_ids.tolist(), first.labels, first.clusters, first.families, forwards=_forwards(several),
                draw_flops={name: [run.draw_flops(name, v) for v in run.variants] for name, run in of.items()},
            )  # fmt: skip
    return read_records(out, verify=False)


def _check(several: Sequence[Records]) -> None:
    """Refuse what cannot stand in one folder, but for what :func:`on_same_items` refuses."""
    for one in several:
        first = several[0]
        if one.outcome != "log_probs":
            raise TtscaleError(
                "runs", expected="Records of classifiers alone, or of text alone", got="both",
                fix="Merge them apart.",
            )  # fmt: skip
        refuse_unlike((
            ("views", one.variants, first.variants), ("names of the classes", one.class_names, first.class_names),
            ("seed", one.manifest.seed, first.manifest.seed),
        ))  # fmt: skip


def _pick(several: Sequence[Records], asked: str) -> np.dtype:
    found = {run.stored(member.name, slice(0)).dtype for run in several for member in run.members}
    return np.dtype(asked) if asked != "auto" else found.pop() if len(found) == 1 else np.dtype("float32")


def _write(writer: RecordsWriter, number: int, items: slice, of: Mapping[str, Records], dtype: np.dtype) -> None:
    log_probs, flipped = {}, {}
    for name, run in of.items():
        stored = run.stored(name, items)
        flipped[name] = (
            sum(shard.flipped for shard in run.manifest.shards if shard.member == name) if number == 0 else 0
        )
        if stored.dtype != dtype:
            exact = run.log_probs(name, items)
            stored = stored_as(exact, dtype)
            flipped[name] += count_flipped(exact, stored)
        log_probs[name] = stored
    ids = next(iter(of.values())).item_ids[items]
    writer.write_block(number, ids.tolist(), log_probs, flipped=flipped)


def _manifest(
    several: Sequence[Records], of: Mapping[str, Records], dtype: np.dtype, n_blocks: int, command: str | None
) -> Manifest:
    first = several[0]
    labelled = "\n".join(f"{item} {label}" for item, label in zip(first.item_ids, first.labels, strict=True))
    return Manifest(
        seed=first.manifest.seed,
        config={
            "merged": [dict(run.manifest.config) for run in several], "views": list(first.variants),
            "items": hashlib.sha256(labelled.encode()).hexdigest(), "log_probs_dtype": dtype.name,
            "outcomes": {name: _digest(run, name) for name, run in of.items()},
        },
        versions=versions_of(several),
        device=told([run.manifest.device for run in several]), dataset=first.manifest.dataset,
        n_classes=first.n_classes, class_names=first.class_names, variants=first.variants,
        members=tuple(member for run in several for member in run.members), n_blocks=n_blocks, command=command,
    )  # fmt: skip


def _digest(run: Records, member: str) -> str:
    digest = hashlib.sha256()
    for items in run.blocks():
        digest.update(np.ascontiguousarray(run.stored(member, items)).data)
    return digest.hexdigest()


def _forwards(several: Sequence[Records]) -> dict[str, list[Any]]:
    """Columns of ``schema.COSTS``: the forwards of all runs."""
    tables = []
    for run in several:
        table = filled(own_forwards(run.members), COSTS)
        if run.path is not None:
            table = pq.read_table(run.path / "costs.parquet", schema=COSTS)
        tables.append(table.filter(pc.equal(table["scope"].cast(pa.string()), "forward")))
    return pa.concat_tables(tables).to_pydict()
