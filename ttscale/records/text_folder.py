"""The text outcomes of a Records folder: draws, grades, scores and prompt costs as arrays."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.schema import Manifest, Shard, nan_if_none

LOG_PROB_SCORES = ("sum_logprob", "mean_logprob", "self_certainty")


def text_draws(manifest: Manifest) -> tuple[TextDraw, ...]:
    """The draws of every item: member by member, then variant, decoding and sample."""
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
        self.draws = text_draws(manifest)

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
        grades = pq.read_table(self.folder / "grades" / f"{chosen}.parquet")
        answers = self._shaped(grades["answer_id"], np.int32)
        texts, correct = _answers(answers, grades["answer"].to_pylist(), self._shaped(grades["correct"], bool))
        return Graded(
            grader=chosen, draws=self.draws, answers=answers, correct=correct, texts=texts,
            n_tokens=self._column("n_tokens", np.int32), flops=self._column("flops", np.float64),
            scores={**{name: self._column(name, np.float64) for name in LOG_PROB_SCORES}, **self._scores("score")},
            score_flops=self._scores("flops"), **self._prompts,
        )  # fmt: skip

    def texts(self, rows: np.ndarray) -> tuple[tuple[str, ...], ...]:
        width = len(self.draws) // len(self.manifest.members)
        found: dict[int, list[str]] = {int(row): [] for row in rows}
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
        return tuple(tuple(found[int(row)]) for row in rows)

    def finish_reasons(self, rows: np.ndarray | None) -> dict[str, dict[str, int]]:
        counts = {}
        for member in self.manifest.members:
            reasons = self._read(member.name, "finish_reason").to_numpy(zero_copy_only=False)
            if rows is not None:
                reasons = reasons.reshape(len(self.item_ids), -1)[rows].ravel()
            counts[member.name] = {str(reason): int(n) for reason, n in Counter(reasons).most_common()}
        return counts

    def _shards(self, member: str) -> list[Shard]:
        shards = (s for s in self.manifest.shards if s.kind == "draws" and s.member == member)
        return sorted(shards, key=lambda shard: shard.block)

    def _column(self, name: str, dtype: type) -> np.ndarray:
        """A column of the draws, ``[item, draw]``, as NaN where it is null."""
        parts = [_numbers(self._read(member.name, name)) for member in self.manifest.members]
        return np.concatenate([part.reshape(len(self.item_ids), -1) for part in parts], axis=1).astype(dtype)

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
        rows = pq.read_table(self.folder / "costs.parquet").to_pylist()
        prefixes = {(row["member"], row["key"]): row for row in rows if row["scope"] == "prefix"}
        prompts = [row for row in rows if row["scope"] == "prompt"]
        users = Counter((row["member"], row["prefix"]) for row in prompts)
        position = {item_id: i for i, item_id in enumerate(self.item_ids)}
        pairs = dict.fromkeys((draw.member, draw.variant) for draw in self.draws)
        n = len(self.item_ids)
        own, tokens, share, whole = (
            {pair: np.zeros(n, dtype) for pair in pairs} for dtype in (float, np.int64, float, float)
        )
        for row in prompts:
            at, pair = position[row["item_id"]], (row["member"], row["variant"])
            prefix = prefixes.get((row["member"], row["prefix"]))
            beginning = 0.0 if prefix is None else nan_if_none(prefix["flops"])
            apart = self.manifest.prefill == "per_sample"
            own[pair][at] = nan_if_none(row["flops"]) + (beginning if apart else 0.0)
            whole[pair][at] = 0.0 if apart else beginning
            share[pair][at] = 0.0 if apart else beginning / users[row["member"], row["prefix"]]
            tokens[pair][at] = row["tokens"] + (0 if prefix is None else prefix["tokens"])
        return {"prompt_flops": own, "prompt_tokens": tokens, "prefix_flops": share, "beginning_flops": whole}


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
