"""Opening a Records folder: the manifest, the items, and maps of the log-probabilities, checked before use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from ttscale.data.files import sha256_file
from ttscale.errors import TtscaleError
from ttscale.records.foreign.reading import Reading
from ttscale.records.grader import Checker
from ttscale.records.records import Block, Records, text_records
from ttscale.records.schema import KIND, READABLE, Manifest
from ttscale.records.text_folder import TextFolder

MANIFEST = "manifest.json"
OUTCOMES = ("log_probs", "draws")  # the folders of the shards that hold them


def runs_below(folder: Path) -> list[Path]:
    """The Records folders in ``folder``, or else in its ``records``, by name: those of the shifts of one run."""
    found = sorted(folder.glob(f"*/{MANIFEST}")) or sorted(folder.glob(f"records/*/{MANIFEST}"))
    return [file.parent for file in found]


def read_records(
    path: str | Path | Sequence[str | Path],
    *,
    format: str = "auto",
    fields: Mapping[str, str | None] | None = None,
    scores: Sequence[str] = (),
    extract: str = "last_number",
    equality: str = "numeric",
    checker: Checker | None = None,
    member: str | None = None,
    filter: str | None = None,
    metric: str | None = None,
    scorer: str | None = None,
    n_params: float | Mapping[str, float] | None = None,
    min_samples: int | None = None,
    verify: bool = True,
) -> Records:
    """Open a finished Records folder, or read the samples that another tool wrote.

    Of other tools: tables (JSON lines, CSV, Parquet) with a row for each draw, or a row for each item with lists of its
    samples; tables of counts (item, n, c); ``samples_*.jsonl`` of lm-evaluation-harness (``--log_samples``); logs of
    inspect_ai. Several files or a folder of them are read as one run, whose models are its members.

    Args:
        path: the folder or file, or a list of files.
        format: ``"auto"``, ``"records"``, ``"rows"``, ``"counts"``, ``"lm_eval"`` or ``"inspect_ai"``.
        fields: of tables, which column holds what, where its name does not tell: ``{"answer": "prediction"}``; None for
            a column that must not be used: ``{"answer": None}`` counts right and wrong alone. Roles: see
            :data:`ttscale.records.foreign.reading.ROLES`; a name with dots goes into objects.
        scores: of tables, columns with a score of each draw, for the votes ``best:NAME`` and ``weighted:NAME``.
        extract: rule that reads an answer in a text, where there is a gold but no column of answers.
        equality, checker: when answers are the same, and right: see :class:`ttscale.records.grader.Grader`.
        member: name of the model, where the source does not say.
        filter, metric: of lm-evaluation-harness. scorer: of inspect_ai. Which of several to read.
        n_params: parameters, or per member; FLOPs are then 2 a parameter and token (1 multiply-add = 2 FLOPs).
        min_samples: leave out items with fewer samples.
        verify: of a Records folder: compare every shard with its SHA-256 in the manifest first.

    Raises:
        TtscaleError: not a Records folder, another schema version, an unfinished run, or a missing or damaged shard; or
            files that cannot be read or contradict themselves (the line is named).
    """
    if not isinstance(path, str | Path | list | tuple):
        raise TtscaleError("records", expected="the path of a folder", got=repr(path), fix="Give the `out` of a run.")
    named = scores if isinstance(scores, str) else tuple(scores)
    reading = Reading(
        fields or {}, named, extract, equality, checker, member, filter, metric, scorer, n_params, min_samples
    )
    if _is_foreign(path, format):
        from ttscale.records.foreign.read import read_foreign

        return read_foreign(path, format, reading)
    if reading != Reading():
        raise TtscaleError(
            "records", expected="samples of another tool, since options of reading them are given",
            got=f"the Records folder {path}", fix="Leave these options out: Records have their answers already.",
        )  # fmt: skip
    assert isinstance(path, str | Path)
    folder = Path(path)
    manifest = read_manifest(folder)
    if not manifest.complete:
        done = len({shard.block for shard in manifest.shards})
        if done == manifest.n_blocks and not any(shard.rows for shard in manifest.shards):
            raise TtscaleError(
                "records", expected="a run of items that can be read", got=f"{folder} of none",
                fix="Mend the items, and collect into a new folder (or delete this one first).",
            )  # fmt: skip
        raise TtscaleError(
            "records",
            expected="a finished run",
            got=f"{folder} with {done} of {manifest.n_blocks} blocks",
            fix="Give the command that began it once more: it goes on where it stopped.",
        )
    for shard in manifest.shards:
        file = folder / shard.path
        if not file.is_file():
            raise _damaged(file, "a missing file")
        if verify and sha256_file(file) != shard.sha256:
            raise _damaged(file, "a file with another SHA-256")
    items = pq.read_table(folder / "items.parquet").to_pydict()
    if manifest.outcome == "text":
        return _text(folder, manifest, items)
    blocks: dict[str, list[Block]] = {member.name: [] for member in manifest.members}
    for shard in sorted(manifest.shards, key=lambda shard: shard.block):
        if shard.kind == "log_probs":
            blocks[shard.member].append(Block(shard.rows, partial(np.load, folder / shard.path, mmap_mode="r")))
    return Records(
        manifest, np.asarray(items["item_id"], dtype=object), np.asarray(items["label"], dtype=np.int64), blocks,
        _draw_flops(folder, manifest), path=folder, clusters=_column(items["cluster"]),
        families=_column(items["family"]),
    )  # fmt: skip


def _draw_flops(folder: Path, manifest: Manifest) -> dict[str, np.ndarray]:
    """Per member the FLOPs of a draw of each variant; in older versions those of the rows of its first item."""
    costs = pq.read_table(folder / "costs.parquet", columns=["scope", "member", "flops"]).to_pydict()
    rows = zip(costs["scope"], costs["member"], costs["flops"], strict=True)
    out: dict[str, list[float]] = {}
    for scope, member, flops in rows:
        if scope == "draw":
            out.setdefault(member, []).append(flops)
    for shard in manifest.shards:
        if shard.kind == "draws" and shard.member not in out and shard.rows:
            column = pq.read_table(folder / shard.path, columns=["flops"])["flops"]
            out[shard.member] = column.to_pylist()[: len(manifest.variants)]
    return {member: np.asarray(flops, np.float64) for member, flops in out.items()}


def _is_foreign(path: str | Path | Sequence[str | Path], format: str) -> bool:
    """Whether a path is for :mod:`ttscale.records.foreign`: a file, a list, or a folder of another tool's files."""
    if format not in ("auto", "records"):
        return True
    if not isinstance(path, str | Path) or format == "records":
        return format == "auto"
    folder = Path(path)
    if not folder.exists():
        return bool(folder.suffix)
    own = (folder / MANIFEST).exists() or any((folder / part).is_dir() for part in OUTCOMES) or runs_below(folder)
    return folder.is_file() or (folder.is_dir() and not own)


def _text(folder: Path, manifest: Manifest, items: Mapping[str, list]) -> Records:
    item_ids = np.asarray(items["item_id"], dtype=object)
    names = {"golds": "gold", "questions": "question", "clusters": "cluster", "families": "family"}
    columns = {argument: _column(items[name]) for argument, name in names.items()}
    first = [s for s in manifest.shards if s.kind == "draws" and s.member == manifest.members[0].name]
    source = TextFolder(folder, manifest, item_ids)
    width = source.n_cells // len(manifest.members)
    rows = [shard.rows // width for shard in sorted(first, key=lambda shard: shard.block)]
    return text_records(manifest, item_ids, source, columns, rows=rows, path=folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a Records folder, finished or not; TtscaleError when there is none that this version reads."""
    file = folder / MANIFEST
    if not file.is_file():
        below = runs_below(folder)
        several = f"It holds those of several runs: give one, such as {below[0]}" if below else ""
        raise TtscaleError(
            "records",
            expected="a Records folder (with a manifest.json)",
            got=str(folder) if folder.exists() else f"{folder}, which is not there",
            fix=f"{several}, or all shifts of a sweep to ttscale analyze."
            if below
            else "Give the `out` of a collect, sweep or import, or samples of another tool (see ttscale import).",
        )
    try:
        value = json.loads(file.read_text())
        if value.get("kind") != KIND:
            raise _not_a_manifest(file)
        if value["schema_version"] not in READABLE:
            raise TtscaleError(
                "records",
                expected=f"schema version {' or '.join(map(str, READABLE))}",
                got=f"version {value['schema_version']} in {file}",
                fix="Read it with the version of ttscale that wrote it, or collect again.",
            )
        return Manifest.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_a_manifest(file) from error


def _not_a_manifest(file: Path) -> TtscaleError:
    return TtscaleError(
        "records",
        expected="the manifest of a Records folder",
        got=f"{file}, which is something else or damaged",
        fix="Give the `out` of a `collect` or `sweep`, or collect again.",
    )


def _damaged(file: Path, what: str) -> TtscaleError:
    return TtscaleError(
        "records",
        expected="the shards that the manifest lists",
        got=f"{what}: {file}",
        fix="Restore it from a copy, or collect again into a new folder.",
    )


def _column(values: list[str | None]) -> np.ndarray | None:
    return None if not values or values[0] is None else np.asarray(values, dtype=object)
