"""Runs of language models over the same items as the Records of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.aligned import on_same_items, refuse_unlike, versions_of
from ttscale.records.graded import Graded
from ttscale.records.records import Records, text_records
from ttscale.records.save import save_records
from ttscale.records.text import InMemory

_KEPT = "mean_logprob"  # of the scores of a draw, where texts are left out


def merge_texts(runs: Sequence[Records], out: str | Path, *, texts: bool = True, command: str | None = None) -> Records:
    """Write the members of runs of text over the same items as one folder.

    Answers of an item are equal across the runs where their texts are.

    Args:
        runs: Records under one grader, with the same prompts' variants, decodings and prefill. Members' names differ.
        out: a new folder, or one of the same merge.
        texts: False leaves the generated texts out, and of the scores all but the mean log-probability: much smaller,
            and all that votes, curves and tradeoffs need, but answers cannot be graded anew.
        command: what made them, for the manifest.

    Raises:
        TtscaleError: a member that two runs have, other items, golds, variants, decodings, prefill or graders, or
            samples whose number differs from item to item.
    """
    several = on_same_items(runs)
    _check(several)
    graded = [_lean(one.graded()) if not texts else one.graded() for one in several]
    first, merged = several[0], joined(graded)
    generated = [one.texts() for one in several] if texts else [None]
    together = None
    if all(one is not None for one in generated):
        together = [sum((tuple(one[item]) for one in generated if one), ()) for item in range(first.n_items)]
    manifest = replace(
        first.manifest, members=tuple(member for one in several for member in one.members), shards=(), complete=True,
        versions=versions_of(several),
        config={"merged": [dict(one.manifest.config) for one in several]}, grader=merged.grader,
    )  # fmt: skip
    columns = {
        "golds": first.golds, "questions": first.questions, "clusters": first.clusters, "families": first.families,
    }  # fmt: skip
    return save_records(
        text_records(manifest, first.item_ids, InMemory(merged, together), columns), out, command=command
    )


def joined(several: Sequence[Graded]) -> Graded:
    """Graded draws of the same items side by side; answers of equal text get one number."""
    texts: list[tuple[str, ...]] = []
    codes: list[list[np.ndarray]] = []
    for item in range(several[0].n_items):
        number: dict[str, int] = {}
        of_item = []
        for one in several:
            of_item.append(np.array([number.setdefault(text, len(number)) for text in one.texts[item]], np.int32))
        texts.append(tuple(number))
        codes.append(of_item)
    correct = np.zeros((len(texts), max(1, *map(len, texts))), dtype=bool)
    columns = []
    for at, one in enumerate(several):
        recoded = np.full(one.answers.shape, -1, np.int32)
        for item, of_item in enumerate(codes):
            known = one.answers[item] >= 0
            recoded[item, known] = of_item[at][one.answers[item, known]]
            correct[item, of_item[at]] |= one.correct[item, : len(of_item[at])]
        columns.append(recoded)
    scores = set.intersection(*(set(one.scores) for one in several))
    return Graded(
        grader=several[0].grader, draws=tuple(draw for one in several for draw in one.draws),
        answers=np.concatenate(columns, axis=1), correct=correct, texts=tuple(texts),
        n_tokens=np.concatenate([one.n_tokens for one in several], axis=1),
        flops=np.concatenate([one.flops for one in several], axis=1),
        scores={name: np.concatenate([one.scores[name] for one in several], axis=1) for name in sorted(scores)},
        score_flops={},
        prompt_flops=_all([one.prompt_flops for one in several]),
        prompt_tokens=_all([one.prompt_tokens for one in several]),
        prefix_flops=_all([one.prefix_flops for one in several]),
        beginning_flops=_all([one.beginning_flops for one in several]),
    )  # fmt: skip


def _all(
    parts: Sequence[Mapping[tuple[str, str], np.ndarray]],
) -> dict[tuple[str, str], np.ndarray]:
    return {key: values for part in parts for key, values in part.items()}


def _lean(graded: Graded) -> Graded:
    return replace(graded, scores={k: v for k, v in graded.scores.items() if k == _KEPT}, score_flops={})


def _check(several: Sequence[Records]) -> None:
    first = several[0]
    for one in several:
        graded = one.graded()
        if graded.drawn is not None or not graded.answers_known or graded.score_flops:
            raise TtscaleError(
                "runs", expected="runs of the same number of samples of every item, with answers and no verifier",
                got=f"those of {one.members[0].name} are not", fix="Merge the runs as they were collected.",
            )  # fmt: skip
        refuse_unlike((
            ("grader", graded.grader, first.graded().grader), ("variants", one.variants, first.variants),
            ("decodings", _plain(one), _plain(first)), ("prefill", one.manifest.prefill, first.manifest.prefill),
            ("seed", one.manifest.seed, first.manifest.seed),
        ))  # fmt: skip


def _plain(records: Records) -> list[dict[str, object]]:
    return [dict(decoding) for decoding in records.manifest.decodings]
