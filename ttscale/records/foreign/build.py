"""Records made of gathered draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.foreign.arrange import Layout, layout, number_answers
from ttscale.records.foreign.counts import right_of_counts
from ttscale.records.foreign.gather import ITEM_FACTS, UNKNOWN, Gathered
from ttscale.records.foreign.reading import Reading
from ttscale.records.foreign.spool import SpooledTexts
from ttscale.records.graded import VERDICTS, Graded
from ttscale.records.records import Records, text_records
from ttscale.records.schema import IMPORTED, Member
from ttscale.records.text import InMemory, check_graded, graded_manifest
from ttscale.records.text_folder import LOG_PROB_SCORES

PROMPTS_UNCOUNTED = "prompts, whose tokens are not known"


def build(found: Gathered, reading: Reading, source: Mapping[str, Any]) -> Records:
    """The Records of everything gathered.

    Args:
        source: what the manifest says about where they came from: ``name``, ``format``, ``files``.

    Raises:
        TtscaleError: what :func:`ttscale.records.foreign.arrange.layout` and ``number_answers`` raise.
    """
    places = layout(found, reading.min_samples)
    exists = places.rows >= 0
    outcome = _answers(found, reading, places) if found.answers_known else _verdicts(found, places)
    scores = dict.fromkeys(LOG_PROB_SCORES, np.broadcast_to(np.nan, exists.shape))
    scores |= {
        name: places.spread(column, np.float64, math.nan)
        for name, column in zip(found.score_names, found.scores, strict=True)
    }
    scores |= outcome.pop("scores", {})
    costs, members = _costs(found, reading, places)
    graded = Graded(
        grader=reading.grader.id if found.answers_known else VERDICTS, draws=places.draws, scores=scores,
        score_flops={}, drawn=None if exists.all() else exists, answers_known=found.answers_known, **outcome, **costs,
    )  # fmt: skip
    check_graded(graded, None)
    ids = np.asarray(list(found.items), dtype=object)[places.kept]
    notes = _notes(found, graded, places, source["format"])
    manifest = replace(
        graded_manifest(graded, members, {}, None, "shared", 0),
        config={"import": {**source, **_options(reading)}},
        dataset={"name": source["name"], "n_items": len(ids), "source": dict(source), "notes": notes},
        skipped_items=tuple({"item_id": item, "reason": "too few samples", "block": 0} for item in places.left_out),
        prompting={"extract": reading.extract, "checker": reading.grader.checker_key, "equality": reading.equality},
    )  # fmt: skip
    texts = SpooledTexts(found.spool, places.rows) if found.spool.any else None
    return text_records(manifest, ids, InMemory(graded, texts), _facts(found, places.kept))


def _answers(found: Gathered, reading: Reading, places: Layout) -> dict[str, Any]:
    answers, texts, right = number_answers(found, reading.grader)
    kept = tuple(texts[at] for at in places.kept)
    return {
        "answers": places.spread(answers, np.int32, UNKNOWN), "texts": kept,
        "correct": right[places.kept, : max(map(len, kept), default=0)],
    }  # fmt: skip


def _verdicts(found: Gathered, places: Layout) -> dict[str, Any]:
    """Right and wrong alone: answer 0 and answer 1."""
    if found.n:
        return _outcome(right_of_counts(found, places))
    flags = np.asarray(found.correct)
    if (flags == UNKNOWN).any():
        row = int(np.flatnonzero(flags == UNKNOWN)[0])
        raise TtscaleError("correct", expected="right or wrong for every draw", got=f"none at {found.place_of(row)}",
                           fix="Fill it in, or name the columns of answers and golds.")  # fmt: skip
    return _outcome(places.spread(flags, np.int32, UNKNOWN))


def _outcome(right: np.ndarray) -> dict[str, Any]:
    """Of ``[item, draw]``: 1 right, 0 wrong, −1 no draw."""
    n = len(right)
    return {
        "answers": np.where(right < 0, UNKNOWN, 1 - right).astype(np.int32, copy=False),
        "texts": (("right", "wrong"),) * n, "correct": np.tile([True, False], (n, 1)),
        "scores": {"correct": np.where(right < 0, np.nan, right)},
    }  # fmt: skip


def _costs(found: Gathered, reading: Reading, places: Layout) -> tuple[dict[str, Any], list[Member]]:
    """Tokens, FLOPs and members: 2 FLOPs a parameter and token, of the answer and of the prompt where they are known.

    Where an item's samples had prompts of one length, these count as one prompt that is read once; where they differ,
    as those of agents do, each sample pays for its own.
    """
    exists = places.rows >= 0
    tokens = places.spread(found.tokens, np.int32, 0)
    read = places.spread(found.prompt_tokens, np.int64, -2)
    names = list(dict.fromkeys(draw.member for draw in places.draws))
    params = reading.params_of(names)
    each = np.array([2 * params[draw.member] for draw in places.draws])
    generated = np.where(tokens < 0, np.nan, tokens) * np.where(exists, each, 0.0)
    prompts: dict[tuple[str, str], list[int]] = {}
    for column, draw in enumerate(places.draws):
        prompts.setdefault((draw.member, draw.variant), []).append(column)
    own = any(_differ(read[:, columns]) for columns in prompts.values())
    if own:
        generated += np.where(read > 0, read * each, 0.0)
    length = {pair: read[:, columns].max(1) for pair, columns in prompts.items()}
    zero = {pair: np.zeros(len(exists)) for pair in prompts}
    paid = {pair: np.where(own, 0.0, 2 * params[pair[0]] * np.maximum(n, 0)) for pair, n in length.items()}
    unknown = {pair: np.full(len(exists), np.nan) for pair in prompts}
    costs = {
        "n_tokens": tokens, "flops": generated, "prefix_flops": zero, "beginning_flops": zero,
        "prompt_tokens": {pair: np.maximum(n, UNKNOWN) for pair, n in length.items()},
        "prompt_flops": {pair: (unknown if math.isnan(params[pair[0]]) else paid)[pair] for pair in prompts},
    }  # fmt: skip
    unread = {name: int(sum((length[pair] < 0).sum() for pair in prompts if pair[0] == name)) for name in names}
    return costs, [_member(name, params[name], unread[name]) for name in names]


def _differ(read: np.ndarray) -> bool:
    """Whether samples of one item had prompts of different length; −2 where there is no sample, −1 where unknown."""
    first = read[:, :1]
    return bool(((read != first) & (read > UNKNOWN)).any())


def _member(name: str, params: float, unread: int) -> Member:
    unknown = math.isnan(params)
    uncounted = {PROMPTS_UNCOUNTED: unread} if unread and not unknown else {}
    return Member(
        name, IMPORTED + name, "", 2 * params, "unknown" if unknown else "given", math.nan, uncounted, (),
        0 if unknown else int(params), {},
    )  # fmt: skip


def _facts(found: Gathered, kept: np.ndarray) -> dict[str, np.ndarray | None]:
    """Golds, questions, clusters and families of the items; None where some item lacks it."""
    columns = {name: [found.facts[at][number] for at in kept] for number, name in enumerate(ITEM_FACTS)}
    for name in ("family", "cluster"):
        missing = sum(value is None for value in columns[name])
        if 0 < missing < len(kept):
            item = list(found.items)[kept[columns[name].index(None)]]
            raise TtscaleError(name, expected=f"a {name} of every item, or of none", got=f"none of item {item!r}",
                               fix=f"Fill it in, or leave the column out with fields.{name}=null.")  # fmt: skip
    whole = {name: None if None in values else np.asarray(values, dtype=object) for name, values in columns.items()}
    return {"golds": whole["gold"], "questions": whole["question"], "clusters": whole["cluster"],
            "families": whole["family"]}  # fmt: skip


def _options(reading: Reading) -> dict[str, Any]:
    """What decides the outcomes, for the configuration of a folder."""
    return {
        "fields": dict(reading.fields), "scores": list(reading.scores), "grader": reading.grader.id,
        "member": reading.member, "filter": reading.filter, "metric": reading.metric, "scorer": reading.scorer,
        "n_params": dict(reading.n_params) if isinstance(reading.n_params, Mapping) else reading.n_params,
        "min_samples": reading.min_samples,
    }  # fmt: skip


def _notes(found: Gathered, graded: Graded, places: Layout, kind: str) -> list[str]:
    """What a reader of the results has to know about the import."""
    notes = list(found.notes)
    if places.left_out:
        notes.append(f"{len(places.left_out)} of {len(found.items)} items have too few samples and are left out.")
    if graded.drawn is not None:
        least, most = sample_range(graded)
        told = f"Items have from {least} to {most} samples: strategies use up to {least}, estimates use all."
        notes.append(" ".join([told, *_more_samples(graded)]))
    if not graded.answers_known:
        notes.append("Only right and wrong are known: the accuracy of k samples is that of a perfect checker, pass@k.")
    elif not graded.correct.any() and kind == "rows":
        notes.append("No answer is right: if the answers are whole texts, name their column with fields.text.")
    if (graded.n_tokens < 0).any():
        notes.append("Tokens are not known for every sample.")
    return notes


def sample_range(graded: Graded) -> tuple[int, int]:
    """The least and the most samples that an item has in one pool."""
    counts = _counts(graded)
    return int(counts.min()), int(counts.max())


def _more_samples(graded: Graded) -> list[str]:
    """Which ``min_samples`` keeps the most samples in all, where it is more than every item has."""
    held = np.sort(_counts(graded).min(0))
    values, first = np.unique(held, return_index=True)
    kept = len(held) - first
    best = int((values * kept).argmax())
    if best == 0:
        return []
    return [f"With min_samples={values[best]} they use up to {values[best]}, of {kept[best]} of {len(held)} items."]


def _counts(graded: Graded) -> np.ndarray:
    """How many samples there are, ``[pool, item]``."""
    return np.stack([graded.exists[:, columns].sum(1) for columns in graded.pools.values()])
