"""The text outcomes of a Records folder: draws, grades, scores and prompt costs as arrays."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.graded import VERDICTS, Graded, TextDraw
from ttscale.records.schema import Manifest, Shard, nan_if_none

_OF_A_PROMPT = ["member", "variant", "item_id", "prefix", "flops", "tokens"]
LOG_PROB_SCORES = ("sum_logprob", "mean_logprob", "self_certainty")


def text_draws(manifest: Manifest) -> tuple[TextDraw, ...]:
    """The draws that there may be of an item: member by member, then variant, decoding and sample."""
    return tuple(
        TextDraw(member.name, variant, decoding["id"], sample)
        for member in manifest.members
        for variant in manifest.variants
        for decoding in manifest.decodings
        for sample in range(decoding["samples"])
    )


class TextFolder:
    """The source of :class:`ttscale.records.records.Records` of text on disk."""

    def __init__(self, folder: Path, manifest: Manifest, item_ids: np.ndarray) -> None:
        self.folder, self.manifest, self.item_ids = folder, manifest, item_ids
        cells = text_draws(manifest)
        self.n_cells = len(cells)
        self._columns = np.arange(len(cells)) if self._cells is None else np.flatnonzero(self._cells.any(0))
        self.draws = tuple(cells[column] for column in self._columns)

    @property
    def graders(self) -> tuple[str, ...]:
        """Ids of the grades at hand."""
        return tuple(Path(shard.path).stem for shard in self.manifest.shards if shard.kind == "grades")

    def graded(self, grader: str | None) -> Graded:
        chosen = self.manifest.grader if grader is None else grader
        if chosen is None:
            raise TtscaleError(
                "records", expected="draws with grades", got=f"{self.folder} without any",
                fix="Give its command once more, or grade them with ttscale.regrade.",
            )  # fmt: skip
        if chosen not in self.graders:
            raise unknown_name("grader", chosen, self.graders)
        file, names = self.folder / "grades" / f"{chosen}.parquet", ["answer_id", "answer", "correct"]
        grades = pq.read_table(file, columns=names[: 1 if chosen == VERDICTS else None])
        answers = self._shaped(grades["answer_id"], np.int32)
        if chosen == VERDICTS:
            n_items = len(answers)
            texts: tuple[tuple[str, ...], ...] = (("right", "wrong"),) * n_items
            correct = np.tile([True, False], (n_items, 1))
        else:
            texts, correct = _answers(answers, grades["answer"].to_pylist(), self._shaped(grades["correct"], bool))
        graded = Graded(
            grader=chosen, draws=self.draws, answers=answers, correct=correct, texts=texts,
            n_tokens=self._column("n_tokens", np.int32, null=-1), flops=self._column("flops", np.float64),
            scores={**{name: self._column(name, np.float64) for name in LOG_PROB_SCORES}, **self._scores("score")},
            score_flops=self._scores("flops"), **self._prompts, drawn=self._drawn,
            answers_known=chosen != VERDICTS,
        )  # fmt: skip
        del grades
        pa.default_memory_pool().release_unused()  # the tables are read, and what follows needs the memory
        return graded

    def texts(self, rows: np.ndarray) -> tuple[tuple[str | None, ...], ...] | None:
        if not self.manifest.texts_known:
            return None
        width = self.n_cells // len(self.manifest.members)
        found: dict[int, list[str | None]] = {int(row): [] for row in rows}
        for member in self.manifest.members:
            start = 0
            for shard in self._shards(member.name):
                stop = start + shard.rows // width
                wanted = [row for row in found if start <= row < stop]
                if wanted:
                    texts = pq.read_table(self.folder / shard.path, columns=["text"])["text"].to_pylist()
                    for row in wanted:
                        found[row] += texts[(row - start) * width : (row - start + 1) * width]
                start = stop
        return tuple(tuple(found[int(row)][column] for column in self._columns) for row in rows)

    def finish_reasons(self, rows: np.ndarray | None) -> dict[str, dict[str, int]] | None:
        counts = {}
        for member in self.manifest.members:
            column = self._read(member.name, "finish_reason")
            if column.null_count == len(column):
                return None
            reasons = column.to_numpy(zero_copy_only=False)
            if rows is not None:
                reasons = reasons.reshape(len(self.item_ids), -1)[rows].ravel()
            counts[member.name] = {str(reason): int(n) for reason, n in Counter(reasons).most_common()}
        return counts

    def _shards(self, member: str) -> list[Shard]:
        shards = (s for s in self.manifest.shards if s.kind == "draws" and s.member == member)
        return sorted(shards, key=lambda shard: shard.block)

    @cached_property
    def _cells(self) -> np.ndarray | None:
        """``bool [item, cell]``, which of the draws that there may be were drawn; None: all, as in older folders."""
        if self.manifest.equal_draws:
            return None
        parts = [pc.fill_null(self._read(member.name, "drawn"), True).to_numpy() for member in self.manifest.members]
        return np.concatenate([part.reshape(len(self.item_ids), -1) for part in parts], axis=1)

    @property
    def _drawn(self) -> np.ndarray | None:
        drawn = None if self._cells is None else self._cells[:, self._columns]
        return None if drawn is None or drawn.all() else drawn

    def _column(self, name: str, dtype: type, null: Any = math.nan) -> np.ndarray:
        """A column of the draws, ``[item, draw]``, with this value where it is null."""
        columns = [self._read(member.name, name) for member in self.manifest.members]
        if all(column.null_count == len(column) for column in columns):  # no memory for what is not known
            return np.broadcast_to(np.array(null, dtype), (len(self.item_ids), len(self._columns)))
        parts = [pc.fill_null(column, null).to_numpy() for column in columns]
        cells = np.concatenate([part.reshape(len(self.item_ids), -1) for part in parts], axis=1)
        chosen = cells if len(self._columns) == cells.shape[1] else cells[:, self._columns]
        return chosen.astype(dtype, copy=False)

    def _read(self, member: str, name: str) -> pa.ChunkedArray:
        files = [self.folder / shard.path for shard in self._shards(member)]
        return pa.concat_tables([pq.read_table(file, columns=[name]) for file in files])[name]

    def _shaped(self, column: pa.ChunkedArray, dtype: type) -> np.ndarray:
        return _numbers(column).astype(dtype).reshape(len(self.item_ids), len(self.draws))

    def _scores(self, column: str) -> dict[str, np.ndarray]:
        files = [shard.path for shard in self.manifest.shards if shard.kind == "scores"]
        return {
            Path(file).stem: self._shaped(pq.read_table(self.folder / file, columns=[column])[column], np.float64)
            for file in files
        }

    @cached_property
    def _prompts(self) -> dict[str, dict[tuple[str, str], np.ndarray]]:
        """``prompt_flops``, ``prompt_tokens``, ``prefix_flops`` and ``beginning_flops`` of :class:`Graded`."""
        file = self.folder / "costs.parquet"
        prompts, prefixes = (
            pq.read_table(file, columns=columns, filters=pc.field("scope").cast(pa.string()) == scope)
            for scope, columns in (("prompt", _OF_A_PROMPT), ("prefix", ["member", "key", "flops", "tokens"]))
        )
        apart = self.manifest.prefill == "per_sample"
        flops = pc.fill_null(prompts["flops"], math.nan).to_numpy()
        at = pc.index_in(prompts["item_id"], value_set=pa.array(self.item_ids, pa.string())).to_numpy()
        member, variant, prefix = (_coded(prompts[name]) for name in ("member", "variant", "prefix"))
        width = len(prefix.words) + 1
        shared = member.codes.astype(np.int64) * width + prefix.codes + 1
        beginnings, group, users = np.unique(shared, return_inverse=True, return_counts=True)
        known = {(row["member"], row["key"]): row for row in prefixes.to_pylist()}
        of_group = [
            known.get((member.words[number // width], prefix.word(number % width - 1)))
            for number in beginnings.tolist()
        ]
        begun = np.array([0.0 if row is None else nan_if_none(row["flops"]) for row in of_group])
        read = np.array([0 if row is None else row["tokens"] for row in of_group], np.int64)
        tokens_of_rows = prompts["tokens"].to_numpy() + read[group]
        n = len(self.item_ids)
        own: dict[tuple[str, str], np.ndarray] = {}
        tokens, share, whole = own.copy(), own.copy(), own.copy()
        for pair in dict.fromkeys((draw.member, draw.variant) for draw in self.draws):
            rows = (member.codes == member.code(pair[0])) & (variant.codes == variant.code(pair[1]))
            paid = begun[group[rows]]
            free = np.zeros_like(paid)
            for out, values in (
                (own, flops[rows] + (paid if apart else 0.0)), (tokens, tokens_of_rows[rows]),
                (share, free if apart else paid / users[group[rows]]), (whole, free if apart else paid),
            ):  # fmt: skip
                out[pair] = np.zeros(n, values.dtype)
                out[pair][at[rows]] = values
        return {"prompt_flops": own, "prompt_tokens": tokens, "prefix_flops": share, "beginning_flops": whole}


@dataclass(frozen=True)
class _Coded:
    """A column of words as numbers: ``codes`` into ``words``, −1 where null."""

    codes: np.ndarray
    words: list[str]

    def word(self, code: int) -> str | None:
        return None if code < 0 else self.words[code]

    def code(self, word: str) -> int:
        return self.words.index(word) if word in self.words else -1


def _coded(column: pa.ChunkedArray) -> _Coded:
    whole = column.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    return _Coded(pc.fill_null(whole.indices, -1).to_numpy(), whole.dictionary.to_pylist())


def _answers(
    answers: np.ndarray, texts: list[str | None], correct: np.ndarray
) -> tuple[tuple[tuple[str, ...], ...], np.ndarray]:
    """The different answers of each item as text, and whether they are right ``bool [item, answer]``."""
    n_items, n_draws = answers.shape
    counts = answers.max(axis=1, initial=-1) + 1
    right = np.zeros((n_items, int(counts.max(initial=0))), dtype=bool)
    items, draws = np.nonzero(answers >= 0)
    right[items, answers[items, draws]] = correct[items, draws]
    out = []
    for item in range(n_items):
        first = {}
        for draw in range(n_draws - 1, -1, -1):
            first[int(answers[item, draw])] = texts[item * n_draws + draw]
        out.append(tuple(str(first[number]) for number in range(counts[item])))
    return tuple(out), right


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """As numpy; null becomes NaN in a column of floats, and False in one of truth values."""
    if pa.types.is_floating(column.type):
        return pc.fill_null(column, float("nan")).to_numpy()
    return (pc.fill_null(column, False) if pa.types.is_boolean(column.type) else column).to_numpy()
