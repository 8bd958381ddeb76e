"""Grading the draws of Records, once more or for the first time: answers beside the outcomes, never in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ttscale.errors import TtscaleError
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.grader import Checker, Grader, grade
from ttscale.records.read import read_records
from ttscale.records.records import Records, text_records
from ttscale.records.schema import GRADES, filled
from ttscale.records.store import add_derived
from ttscale.records.text import InMemory


def regrade(
    records: Records | str | Path,
    *,
    extract: str | None = None,
    checker: Checker | None = None,
    equality: str | None = None,
) -> Records:
    """The same draws under another extractor, checker or equality. No model runs.

    The new grades lie beside the old ones (``grades/<id>.parquet``) and are those that count from now on;
    ``records.graded(id)`` still gives the old ones.

    Args:
        records: of text, or their folder.
        extract, equality: see :class:`ttscale.records.grader.Grader`; None keeps those of the grades that count now.
        checker: ``checker(answer, gold) -> bool``; None: answers equal to the gold are right.

    Raises:
        TtscaleError: Records of vision, without golds or without texts, an unknown rule or equality, a gold that the
            rule cannot read, or a checker that raises (item and answer named).
    """
    records = records if isinstance(records, Records) else read_records(records)
    if records.outcome != "text" or records.golds is None:
        raise TtscaleError(
            "records", expected="Records of text, with golds", got=f"Records of {records.outcome} without golds",
            fix="Collect a language model on Problems.",
        )  # fmt: skip
    before = records.manifest.prompting or {}
    grader = Grader(
        extract or before.get("extract", "last_number"), checker, equality or before.get("equality", "numeric")
    )
    grader.check_golds(records.item_ids.tolist(), records.golds.tolist())
    if records.path is None:
        return _in_memory(records, grader)
    whole = grade_folder(records.path, grader)
    if whole.n_items == records.n_items:
        return whole
    position = {item_id: i for i, item_id in enumerate(whole.item_ids)}
    return whole.take([position[item_id] for item_id in records.item_ids])


def grade_folder(folder: str | Path, grader: Grader) -> Records:
    """Grade the draws of a finished run, unless that was done, and let these grades count.

    Raises:
        TtscaleError: what :func:`ttscale.records.read.read_records` and :func:`ttscale.records.grader.grade` raise.
    """
    records = read_records(folder, verify=False)
    settings = {"extract": grader.extract, "checker": grader.checker_key, "equality": grader.equality}
    prompting = {**(records.manifest.prompting or {}), **settings}
    changes: dict[str, Any] = {"grader": grader.id, "answers_known": True, "prompting": prompting}
    if grader.id not in records.graders:
        path = f"grades/{grader.id}.parquet"
        add_derived(Path(folder), "grades", {path: _grades(records, grader)}, **changes)
    elif records.manifest.grader != grader.id:
        add_derived(Path(folder), "grades", {}, **changes)
    else:
        return records
    return read_records(folder, verify=False)


def draw_columns(item_ids: Sequence[str] | np.ndarray, draws: Sequence[TextDraw]) -> dict[str, pa.Array]:
    """The columns that name a draw, for a table of ``[item, draw]``, item by item."""
    n_items, n_draws = len(item_ids), len(draws)
    columns = {"item_id": pa.array(np.repeat(np.asarray(item_ids, dtype=object), n_draws), pa.string())}
    for name, field in (("member", "member"), ("variant", "variant"), ("decode_id", "decoding")):
        words = list(dict.fromkeys(getattr(draw, field) for draw in draws))
        codes = np.array([words.index(getattr(draw, field)) for draw in draws], np.int32)
        columns[name] = pa.DictionaryArray.from_arrays(np.tile(codes, n_items), words)
    columns["sample"] = pa.array(np.tile(np.array([draw.sample for draw in draws], np.int32), n_items))
    return columns


def _grades(records: Records, grader: Grader) -> pa.Table:
    assert records.golds is not None
    draws = records.text_draws()
    tables = []
    for items in records.blocks():
        at = np.arange(records.n_items)[items]
        texts = records.texts(at)
        if texts is None:
            raise _no_texts()
        ids = records.item_ids[at]
        numbers, correct, answers = grade(grader, texts, records.golds[at].tolist(), ids.tolist())
        flat = numbers.ravel()
        owner = np.repeat(np.arange(len(at)), len(draws))
        columns: dict[str, Any] = {
            **draw_columns(ids, draws),
            "answer": [answers[i][number] if number >= 0 else None for i, number in zip(owner, flat, strict=True)],
            "answer_id": flat,
            "correct": [bool(number >= 0 and correct[i, number]) for i, number in zip(owner, flat, strict=True)],
        }
        tables.append(filled(columns, GRADES))
    return pa.concat_tables(tables).unify_dictionaries()


def _in_memory(records: Records, grader: Grader) -> Records:
    texts = records.texts()
    if texts is None:
        raise _no_texts()
    assert records.golds is not None
    numbers, correct, answers = grade(grader, texts, records.golds.tolist(), records.item_ids.tolist())
    graded: Graded = replace(records.graded(), grader=grader.id, answers=numbers, correct=correct, texts=answers,
                             answers_known=True)  # fmt: skip
    columns: Mapping[str, np.ndarray | None] = {
        "golds": records.golds, "questions": records.questions, "clusters": records.clusters,
        "families": records.families,
    }  # fmt: skip
    manifest = replace(records.manifest, grader=grader.id, answers_known=True)
    return text_records(manifest, records.item_ids, InMemory(graded, texts), columns)


def _no_texts() -> TtscaleError:
    return TtscaleError(
        "records", expected="Records with the texts of their draws", got="graded draws alone",
        fix="Import them with their texts, or give `texts` to Records.from_graded.",
    )  # fmt: skip
