"""Seconds of a question to language models: its samples together, alone on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch

from ttscale.collecting.language import Asked, problems_of, requests_of
from ttscale.collecting.members import generator_for
from ttscale.data.problems import Problems
from ttscale.draws.phrasing import variant_named
from ttscale.draws.sampling import Decoding
from ttscale.generation.request import Answered, Generator
from ttscale.models.language import LanguageModel
from ttscale.records.profiles import timed_counts
from ttscale.records.records import Records


def time_questions(
    records: Records, models: Sequence[LanguageModel], n_items: int, repeats: int, device: torch.device, dtype: str,
    advance: Callable[[int], None],
) -> list[dict[str, object]]:  # fmt: skip
    """A row of ``records.profiles.PROFILES`` (without device and format) for each member, decoding and number of
    samples."""
    rows: list[dict[str, object]] = []
    for model in models:
        generator = generator_for(
            model, seed=records.manifest.seed, device=device, batch_size=_batch_size(records, model.name), dtype=dtype
        )
        rows += _timed(records, model.name, generator, n_items, repeats, advance)
    return rows


def count_questions(records: Records, models: Sequence[LanguageModel], n_items: int, repeats: int) -> int:
    """How many questions :func:`time_questions` asks."""
    return len(models) * len(_ways(records)) * min(n_items, records.n_items) * (repeats + 1)


def _timed(
    records: Records, member: str, generator: Generator, n_items: int, repeats: int, advance: Callable[[int], None]
) -> list[dict[str, object]]:
    ways = _ways(records)
    rows = requests_of(_problems(records), _asked(records, ways))
    generator.prepare([request for row in rows for request in row])
    places = _spread(records, n_items)
    timed = [rows[at] for at in places]
    requests = {way: [row[number] for row in timed] for number, way in enumerate(ways)}
    seconds = {way: np.empty((repeats, len(places))) for way in ways}
    answers: dict[tuple[str, int], list[Answered]] = {}
    for repeat, way in product(range(repeats + 1), ways):  # the first round warms up
        answers[way] = []
        for item, request in enumerate(requests[way]):
            started = time.perf_counter()
            answers[way] += generator.generate([request], lambda n: None)
            if repeat:
                seconds[way][repeat - 1, item] = time.perf_counter() - started
        advance(len(requests[way]))
    common = {"member": member, "variant": records.variants[0], "repeats": repeats}
    items = records.item_ids[places].tolist()
    return [
        {
            **common, "decode_id": way[0], "samples": way[1], **_summed(seconds[way], items),
            "prompt_tokens": float(np.mean([one.prompt_tokens for one in answers[way]])),
            "n_tokens": float(np.mean([sum(c.n_tokens for c in one.completions) for one in answers[way]])),
        }
        for way in ways
    ]  # fmt: skip


def _summed(seconds: np.ndarray, items: list[str]) -> dict[str, object]:
    """The columns of seconds ``[repeat, item]``."""
    each = np.median(seconds, axis=0)
    return {
        "items": len(items), "item_ids": items, "item_seconds": each.tolist(), "seconds": float(each.mean()),
        "fastest": float(seconds.min(axis=0).mean()), "slowest": float(seconds.max(axis=0).mean()),
    }  # fmt: skip


def _ways(records: Records) -> list[tuple[str, int]]:
    """(decoding, number of samples): powers of two, and all that were collected."""
    return [(decoding["id"], n) for decoding in records.manifest.decodings for n in timed_counts(decoding["samples"])]


def _asked(records: Records, ways: Sequence[tuple[str, int]]) -> list[Asked]:
    decodings = {one["id"]: Decoding.of(one) for one in records.manifest.decodings}
    plain = variant_named(records.variants[0])
    return [(plain, decodings[name], range(n)) for name, n in ways]


def _problems(records: Records) -> Problems:
    """All of the run, so that its prompts share what they shared there."""
    assert records.manifest.prompting is not None and records.questions is not None
    families = None if records.families is None else list(records.families)
    return problems_of(records.manifest.prompting, list(records.questions), list(records.item_ids), families=families)


def _spread(records: Records, n: int) -> np.ndarray:
    """Positions of ``n`` items: the middle ones of equal stretches of the Records, sorted by family."""
    total = records.n_items
    order = np.arange(total) if records.families is None else np.argsort(records.families.astype(str), kind="stable")
    n = min(n, total)
    return order[(np.arange(n) * total + total // 2) // n]


def _batch_size(records: Records, member: str) -> int | None:
    return (records.manifest.generation or {}).get(member, {}).get("batch_size")
