"""``profile``: the seconds of a decision with so many samples, on this device, put beside the Records."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa

from ttscale.collecting.environment import describe_device, pick_device, torch_threads
from ttscale.collecting.language import Asked, problems_of, requests_of
from ttscale.collecting.members import generator_for
from ttscale.collecting.progress import bar
from ttscale.data.problems import Problems
from ttscale.draws.phrasing import variant_named
from ttscale.draws.sampling import Decoding
from ttscale.errors import TtscaleError
from ttscale.generation.request import Generator
from ttscale.models.language import LanguageModel
from ttscale.records.profiles import PROFILES
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.store import add_derived


def profile(
    records: Records | str | Path,
    models: LanguageModel | Sequence[LanguageModel],
    *,
    n_items: int = 4,
    repeats: int = 5,
    device: str = "auto",
    dtype: str = "auto",
    threads: int | None = None,
    progress: bool = True,
) -> Records:
    """Time one decision with 1, 2, 4, … samples, up to those collected, for every decoding of the plain prompt.

    An item is alone on the device, as a question to a deployed plan is: its prompt is prefilled, then all its samples
    step together. The beginning that it shares with prompts of the run is computed before the clock starts. The samples
    are those of the Records, so their lengths are, too. Every repeat goes once through all of it, so that a slow minute
    of the machine hits all numbers of samples alike. A profile of the same device takes the place of an older one.

    The seconds of served models are not measured: they depend on who else asks the server.

    Args:
        records: of text, in a folder (or its path).
        models: local members of these Records; the others are left without a profile.
        n_items: spread evenly over the Records, family after family. repeats: of which the median is kept.
        device, dtype, threads: as in :func:`ttscale.collect`.

    Returns:
        The Records with ``profiles.parquet`` (columns of ``records.profiles.PROFILES``).

    Raises:
        TtscaleError: Records of vision or made of arrays, models that are no local members of them, or numbers below 1.
    """
    known = records if isinstance(records, Records) else read_records(records)
    folder = known.path
    if known.outcome != "text" or known.questions is None or folder is None:
        raise TtscaleError(
            "records", expected="Records of text in a folder, with their questions", got=f"{known.outcome} of {folder}",
            fix="Give the `out` of a run with language models.",
        )  # fmt: skip
    members = [models] if isinstance(models, LanguageModel) else list(models)
    _check(known, members, n_items, repeats)
    target = pick_device(device)
    rows: list[dict[str, object]] = []
    with torch_threads(threads), bar("decisions", _decisions(known, members, n_items, repeats), progress) as advance:
        for model in members:
            generator = generator_for(
                model, seed=known.manifest.seed, device=target, batch_size=_batch_size(known, model.name), dtype=dtype
            )
            rows += _timed(known, model.name, generator, n_items, repeats, advance)
        place = describe_device(target)
    old = known.profiles()
    kept = [] if old is None else [row for row in old.to_pylist() if row["device"] != place]
    table = pa.Table.from_pylist([*kept, *({**row, "device": place} for row in rows)], schema=PROFILES)
    add_derived(folder, "profiles", {"profiles.parquet": table})
    return read_records(folder, verify=False)


def _timed(
    records: Records, member: str, generator: Generator, n_items: int, repeats: int, advance: Callable[[int], None]
) -> list[dict[str, object]]:
    ways = _ways(records)
    rows = requests_of(_problems(records), _asked(records, ways))
    generator.prepare([request for row in rows for request in row])
    timed = [rows[at] for at in _spread(records, n_items)]
    requests = {way: [row[number] for row in timed] for number, way in enumerate(ways)}
    seconds: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    answers = {}
    for repeat, way in product(range(repeats + 1), ways):  # the first round warms up
        started = time.perf_counter()
        answers[way] = [generator.generate([request], lambda n: None)[0] for request in requests[way]]
        if repeat:
            seconds[way].append((time.perf_counter() - started) / len(requests[way]))
        advance(len(requests[way]))
    return [
        {
            "member": member, "variant": records.variants[0], "decode_id": way[0], "samples": way[1],
            "items": len(requests[way]), "repeats": repeats, "seconds": float(np.median(seconds[way])),
            "fastest": min(seconds[way]), "slowest": max(seconds[way]),
            "prompt_tokens": float(np.mean([one.prompt_tokens for one in answers[way]])),
            "n_tokens": float(np.mean([sum(c.n_tokens for c in one.completions) for one in answers[way]])),
        }
        for way in ways
    ]  # fmt: skip


def _ways(records: Records) -> list[tuple[str, int]]:
    """(decoding, number of samples): powers of two, and all that were collected."""
    return [
        (decoding["id"], n)
        for decoding in records.manifest.decodings
        for n in sorted({2**i for i in range(decoding["samples"].bit_length())} | {decoding["samples"]})
    ]


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


def _decisions(records: Records, members: Sequence[LanguageModel], n_items: int, repeats: int) -> int:
    return len(members) * len(_ways(records)) * min(n_items, records.n_items) * (repeats + 1)


def _batch_size(records: Records, member: str) -> int | None:
    return (records.manifest.generation or {}).get(member, {}).get("batch_size")


def _check(records: Records, members: Sequence[LanguageModel], n_items: int, repeats: int) -> None:
    for name, value in (("n_items", n_items), ("repeats", repeats)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise TtscaleError(
                name, expected="a whole number of at least 1", got=repr(value), fix="Give for example 4."
            )
    if not members or not all(isinstance(model, LanguageModel) for model in members):
        raise TtscaleError(
            "models", expected="local language models from load_model", got=repr(members)[:80],
            fix="A server's seconds depend on who else asks it: measure those with a load test.",
        )  # fmt: skip
    for model in members:
        if records.member(model.name).fingerprint != model.fingerprint():
            raise TtscaleError(
                "models", expected=f"{model.name} as these Records know it", got="other weights or vocabulary",
                fix="Load the same weights.",
            )  # fmt: skip
