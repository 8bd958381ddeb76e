"""Every sample of every prompt by every language model, block by block, into Records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ttscale.collecting.checks import check_choices
from ttscale.collecting.environment import describe_device, pick_device, torch_threads, versions
from ttscale.collecting.language import answer_block, everything, requests_of
from ttscale.collecting.members import Member, describe, generator_for, journals
from ttscale.collecting.progress import bar
from ttscale.data.problem_checks import check_problems
from ttscale.data.problems import Problems
from ttscale.draws.prompts import check_variants
from ttscale.draws.sampling import Sampling
from ttscale.generation.placement import numeric_format
from ttscale.generation.request import Generator, Request
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.records.grader import Grader
from ttscale.records.grading import grade_folder
from ttscale.records.read import read_manifest
from ttscale.records.records import Records
from ttscale.records.schema import Manifest
from ttscale.records.store import RecordsWriter

# A block is what a kill can cost: a minute or two of work. A server's answers are in its journal besides.
_BLOCK_FLOPS = {"cpu": 8e12, "accelerator": 1e15}
_BLOCK_DRAWS = 4096
_LETTERS_A_TOKEN = 3  # roughly, of a prompt
_PACKAGES = ("transformers", "tokenizers", "openai")


def collect_texts(
    members: tuple[LanguageModel | Endpoint, ...], data: Problems, sampling: Sampling, *, out: str | Path, seed: int,
    batch_size: int | None, device: str, threads: int | None, dtype: str, prefill: str, progress: bool,
    command: str | None,
) -> Records:  # fmt: skip
    """What :func:`ttscale.collect` does for language models; the arguments are its own."""
    check_choices(
        ("prefill", prefill, ("shared", "per_sample")), ("dtype", dtype, ("auto", "float32", "bfloat16", "float16"))
    )
    check_problems(data)
    check_variants(data, sampling.variants)
    grader = Grader(data.extract, data.checker, data.equality)
    grader.check_golds(data.item_ids, data.golds)
    asked = resolved(sampling, data)
    target = pick_device(device)
    requests = requests_of(data, everything(asked))
    with torch_threads(threads):
        generators = {}
        for model in members:
            size = batch_size or _size_before(Path(out), model.name)
            generator = generator_for(model, seed=seed, device=target, batch_size=size, dtype=dtype)
            generator.prepare([request for row in requests for request in row])
            generators[model.name] = generator
        described = tuple(describe(model, dtype=numeric_format(dtype, target)) for model in members)
        manifest = _manifest(
            described, data, asked, generators, seed=seed, prefill=prefill, device=target, command=command,
            any_served=any(isinstance(model, Endpoint) for model in members),
            block_items=_block_items(described, requests, target),
        )  # fmt: skip
        with RecordsWriter(Path(out), manifest) as writer:
            if not writer.manifest.complete:
                generators |= {  # journals are opened by who holds the folder
                    model.name: generator_for(
                        model, seed=seed, device=target, batch_size=None, dtype=dtype, folder=Path(out)
                    )
                    for model in members
                    if isinstance(model, Endpoint)
                }
                _run(generators, requests, writer, data, int(manifest.config["block_items"]), progress)
            for journal in journals(Path(out)):  # of a run that was killed after its last block, too
                journal.unlink()
    return grade_folder(out, grader)


def resolved(sampling: Sampling, data: Problems) -> Sampling:
    """The sampling with the data's own longest completion and stop strings, where it names none."""
    return replace(
        sampling,
        decodings=tuple(
            (
                replace(
                    decoding,
                    max_tokens=data.max_tokens if decoding.max_tokens is None else decoding.max_tokens,
                    stop=data.stop if decoding.stop is None else decoding.stop,
                ),
                n,
            )
            for decoding, n in sampling.decodings
        ),
    )


def _run(
    generators: Mapping[str, Generator], requests: Sequence[Sequence[Request]], writer: RecordsWriter, data: Problems,
    block_items: int, progress: bool,
) -> None:  # fmt: skip
    per_item = sum(len(request.samples) for request in requests[0]) * len(generators)
    with bar("samples", per_item * len(data), progress) as advance:
        for block, start in enumerate(range(0, len(data), block_items)):
            part = requests[start : start + block_items]
            if writer.has_block(block):
                advance(per_item * len(part))
            else:
                writer.write_text_block(block, *_answer(generators, part, advance))
    writer.finish(
        data.item_ids, clusters=data.clusters, families=data.families, golds=data.golds, questions=data.questions
    )


def _answer(
    generators: Mapping[str, Generator], part: Sequence[Sequence[Request]], advance: Callable[[int], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    draws, costs = {}, {}
    for name, generator in generators.items():
        draws[name], costs[name] = answer_block(name, generator, part, advance)
    return draws, costs


def _manifest(
    members: tuple[Member, ...], data: Problems, asked: Sampling, generators: Mapping[str, Generator], *, seed: int,
    prefill: str, device: torch.device, any_served: bool, block_items: int, command: str | None,
) -> Manifest:  # fmt: skip
    decodings = tuple({"id": d.id, "samples": n, **asdict(d), "stop": list(d.stop or ())} for d, n in asked.decodings)
    plans = {name: dict(generator.plan()) for name, generator in generators.items()}
    digest, installed = data.digest(), versions(*(_PACKAGES if any_served else _PACKAGES[:-1]))
    return Manifest(
        seed=seed,
        config={
            "seed": seed, "variants": [variant.name for variant in asked.variants], "decodings": list(decodings),
            "shots": data.shots, "chat": data.chat, "block_items": block_items, "generation": plans,
            "members": [f"{member.name} {member.fingerprint[:12]}" for member in members],
            "dataset": f"{len(data)} items of {data.name}, {digest[:12]}",
            "device": device.type, "prefill": prefill, "versions": installed,
        },
        versions=installed, device=describe_device(device),
        dataset={"name": data.name, "n_items": len(data), "sha256": digest},
        n_classes=0, class_names=None, variants=tuple(variant.name for variant in asked.variants), members=members,
        n_blocks=-(-len(data) // block_items), command=command, outcome="text", decodings=decodings, prefill=prefill,
        prompting=prompting(data), generation=plans,
    )  # fmt: skip


def prompting(data: Problems) -> dict[str, Any]:
    """How the set's prompts are made, as JSON: with it, and without the set, new questions are asked the same way."""
    return {
        "name": data.name, "templates": [asdict(template) for template in data.templates],
        "examples": [asdict(example) for example in data.examples], "shots": data.shots, "chat": data.chat,
        "max_tokens": data.max_tokens, "stop": list(data.stop),
    }  # fmt: skip


def _block_items(members: Sequence[Member], requests: Sequence[Sequence[Request]], device: torch.device) -> int:
    """Items a block, at least one: by the number of draws, and by the FLOPs of all tokens that might be generated."""
    by_draws = _BLOCK_DRAWS / (len(members) * sum(len(request.samples) for request in requests[0]))
    generated = sum(len(request.samples) * (request.decoding.max_tokens or 0) for request in requests[0])
    letters = sum(len(own) for row in requests for own in {request.prompt.own for request in row})
    tokens = generated + letters / len(requests) / _LETTERS_A_TOKEN
    work = sum(member.flops for member in members if member.flops > 0) * tokens
    by_work = _BLOCK_FLOPS["cpu" if device.type == "cpu" else "accelerator"] / work if work > 0 else by_draws
    return max(1, min(int(min(by_draws, by_work)), len(requests)))


def _size_before(folder: Path, member: str) -> int | None:
    """The batch size that a begun run picked for itself, so that free memory cannot change what it gives."""
    if not (folder / "manifest.json").is_file():
        return None
    plan = (read_manifest(folder).generation or {}).get(member, {})
    return plan.get("batch_size")
