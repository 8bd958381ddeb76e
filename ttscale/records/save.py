"""Writing Records of text that are in memory, such as imported ones, as a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ttscale.errors import TtscaleError
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.grading import draw_columns
from ttscale.records.read import MANIFEST, read_records
from ttscale.records.records import Records
from ttscale.records.schema import GRADES, SCORES, filled
from ttscale.records.store import RecordsWriter, add_derived
from ttscale.records.text_folder import LOG_PROB_SCORES, text_draws

ROWS_OF_A_BLOCK = 100_000  # of one member, whose draws in a block are a file
_ROWS_AT_ONCE = 4  # times as many, of all members, stand in memory while they are written


def save_records(records: Records, out: str | Path, *, command: str | None = None) -> Records:
    """Write Records of text as a folder that every verb reads; a folder that holds them already is read.

    Args:
        out: a new folder, or one of the same Records.
        command: what made them, for the manifest.

    Returns:
        The Records of the folder.

    Raises:
        TtscaleError: Records of vision, or a folder that holds something else.
    """
    if records.outcome != "text":
        raise TtscaleError("records", expected="Records of text", got="Records of class log-probabilities",
                           fix="Copy their folder.")  # fmt: skip
    folder, graded = Path(out), records.graded()
    cells = text_draws(records.manifest)
    blocks = list(_blocks(records.n_items, len(cells), len(records.members)))
    texts_known = records.texts([0]) is not None
    manifest = replace(
        records.manifest, n_blocks=len(blocks), shards=(), complete=False, command=command, grader=None,
        texts_known=texts_known, equal_draws=graded.drawn is None and set(cells) == set(graded.draws),
    )  # fmt: skip
    with RecordsWriter(folder, manifest) as writer:
        for number, items in enumerate(blocks):
            if not writer.has_block(number):
                writer.write_text_block(number, *_tables(records, graded, cells, items, texts_known))
        if not writer.manifest.complete:
            writer.finish(
                records.item_ids.tolist(), clusters=records.clusters, families=records.families,
                golds=None if records.golds is None else records.golds.tolist(),
                questions=None if records.questions is None else records.questions.tolist(),
            )  # fmt: skip
    if read_records(folder, verify=False).manifest.grader is None:
        add_derived(folder, "scores", _scores(records, graded, blocks))
        add_derived(folder, "grades", {f"grades/{graded.grader}.parquet": _grades(records, graded, blocks)},
                    grader=graded.grader, answers_known=graded.answers_known)  # fmt: skip
    return read_records(folder, verify=False)


def copy_records(records: Records, out: str | Path) -> Records:
    """Copy the folder of Records, of images or text, file by file; what else lies in it stays behind.

    Raises:
        TtscaleError: Records in memory, or a folder that holds anything.
    """
    folder = Path(out)
    if records.path is None or (folder.exists() and any(folder.iterdir())):
        got = "Records in memory" if records.path is None else f"{folder}, which is not empty"
        raise TtscaleError("out", expected="a new folder for a copy of a folder of Records", got=got,
                           fix="Choose another `out`.")  # fmt: skip
    for name in (*(shard.path for shard in records.manifest.shards), MANIFEST):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(records.path / name, folder / name)
    return read_records(folder)


def _blocks(n_items: int, width: int, n_members: int) -> Iterator[slice]:
    step = max(1, min(n_members, _ROWS_AT_ONCE) * ROWS_OF_A_BLOCK // width)
    edges = [*range(0, n_items, step), n_items]
    for start, stop in pairwise(edges):
        yield slice(start, stop)


def _tables(
    records: Records, graded: Graded, cells: tuple[TextDraw, ...], items: slice, texts_known: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, pa.Array]]]:  # fmt: skip
    """The columns of draws and costs of each member, for a block of items."""
    ids = records.item_ids[items]
    place = {draw: column for column, draw in enumerate(graded.draws)}
    texts = records.texts(np.arange(records.n_items)[items]) if texts_known else None
    draws, costs = {}, {}
    for member in records.members:
        own = [cell for cell in cells if cell.member == member.name]
        columns = np.array([place.get(cell, -1) for cell in own])
        draws[member.name] = {
            **draw_columns(ids, own), **_numbers(graded, items, columns),
            **({} if texts is None else {"text": _texts(texts, columns)}),
        }  # fmt: skip
        costs[member.name] = _costs(graded, member.name, items, ids)
    return draws, costs


def _numbers(graded: Graded, items: slice, columns: np.ndarray) -> dict[str, pa.Array]:
    """What is known of each draw; null where it is not, or where there is no such draw."""
    drawn = graded.exists[items][:, columns] & (columns >= 0)
    tokens = graded.n_tokens[items][:, columns]
    out = {"n_tokens": pa.array(np.where(drawn, tokens, 0).ravel(), mask=(drawn & (tokens < 0)).ravel())}
    values = {"flops": np.where(drawn, graded.flops[items][:, columns], 0.0)}
    values |= {name: graded.scores[name][items][:, columns] for name in LOG_PROB_SCORES if name in graded.scores}
    out |= {name: pa.array(v.ravel(), mask=(np.isnan(v) | ~drawn).ravel() if name != "flops" else np.isnan(v).ravel())
            for name, v in values.items()}  # fmt: skip
    if not drawn.all():
        out["drawn"] = pa.array(drawn.ravel())
    return out


def _texts(texts: tuple[tuple[str | None, ...], ...], columns: np.ndarray) -> pa.Array:
    return pa.array((row[column] if column >= 0 else None for row in texts for column in columns), pa.string())


def _costs(graded: Graded, member: str, items: slice, ids: np.ndarray) -> dict[str, pa.Array]:
    """The prompts, of which the beginning is not apart here: each item pays its own share of it."""
    pairs = [pair for pair in graded.prompt_flops if pair[0] == member]
    flops = np.concatenate([(graded.prompt_flops[pair] + graded.prefix_flops[pair])[items] for pair in pairs])
    names = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(len(pairs), dtype=np.int32), len(ids)), [variant for _, variant in pairs]
    )
    item_ids = pa.array(np.tile(ids, len(pairs)), pa.string())
    return {
        "scope": _word("prompt", len(flops)), "flops": pa.array(flops, mask=np.isnan(flops)),
        "key": pc.binary_join_element_wise(member, names.cast(pa.string()), item_ids, "/"),
        "member": _word(member, len(flops)), "variant": names, "item_id": item_ids,
        "tokens": pa.array(np.concatenate([graded.prompt_tokens[pair][items] for pair in pairs])),
    }  # fmt: skip


def _word(word: str, n: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [word])


def _grades(records: Records, graded: Graded, blocks: Sequence[slice]) -> Iterator[pa.Table]:
    """The grades, block by block."""
    for items in blocks:
        answers, texts = graded.answers[items], graded.texts[items]
        right = np.take_along_axis(graded.correct[items], np.maximum(answers, 0), 1) & (answers >= 0)
        owner = np.repeat(np.arange(len(texts)), len(graded.draws)).tolist()
        said = (
            texts[i][number] if number >= 0 else None for i, number in zip(owner, answers.ravel().tolist(), strict=True)
        )
        columns = {
            **draw_columns(records.item_ids[items], graded.draws), "answer": pa.array(said, pa.string()),
            "answer_id": pa.array(answers.ravel()), "correct": pa.array(right.ravel()),
        }  # fmt: skip
        yield filled(columns, GRADES)


def _scores(records: Records, graded: Graded, blocks: Sequence[slice]) -> dict[str, Iterator[pa.Table]]:
    """A table for each score that the draws themselves do not hold, block by block."""
    names = [name for name in graded.scores if name not in LOG_PROB_SCORES]
    return {f"scores/{name}.parquet": _score(records, graded, blocks, name) for name in names}


def _score(records: Records, graded: Graded, blocks: Sequence[slice], name: str) -> Iterator[pa.Table]:
    flops = graded.score_flops.get(name)
    for items in blocks:
        values = graded.scores[name][items].ravel()
        yield filled({
            **draw_columns(records.item_ids[items], graded.draws), "score": pa.array(values, mask=np.isnan(values)),
            **({} if flops is None else {"flops": pa.array(flops[items].ravel())}),
        }, SCORES)  # fmt: skip
