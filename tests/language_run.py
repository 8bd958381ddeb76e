"""A language run that needs no language model: a generator that knows how to add, most of the time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttscale.data.problems import Example, Problems, Template
from ttscale.generation.request import Answered, Completion, Request
from ttscale.models.language import Endpoint
from ttscale.records.schema import Member

PREFIX_FLOPS, PROMPT_FLOPS, TOKEN_FLOPS = 900.0, 70.0, 10.0


def sums(n: int = 12) -> Problems:
    """``i + 3 =`` for i in 0 … n − 1, in two families, with two examples and two templates."""
    return Problems(
        name="sums", item_ids=tuple(f"sums/{i:02d}" for i in range(n)),
        questions=tuple(f"{i} + 3" for i in range(n)), golds=tuple(str(i + 3) for i in range(n)),
        templates=(
            Template("plain", "{question} = {answer}\n", "{question} ="),
            Template("words", "Q: {question}\nA: {answer}\n\n", "Q: {question}\nA:", "Add.\n"),
        ),
        examples=(Example("1 + 1", "2"), Example("2 + 2", "4")), shots=2, max_tokens=6, stop=("\n",),
    )  # fmt: skip


def member(name: str) -> Endpoint:
    """Stands for a language model: no test here looks inside."""
    return Endpoint(name, f"tests:{name}", "http://127.0.0.1:9/v1", name, n_params=TOKEN_FLOPS / 2)


def describe(model: Endpoint, **_: Any) -> Member:
    return Member(
        model.name, model.spec, model.fingerprint(), TOKEN_FLOPS, "given", math.nan, {}, (), int(TOKEN_FLOPS / 2)
    )


@dataclass
class Adder:
    """Answers by a hash of what the noise is keyed by; one in 4 is wrong by one, one in 8 says nothing to the point."""

    name: str
    seed: int
    batch_size: int = 8
    die_at: int | None = None
    calls: int = 0
    prepared: list[Request] = field(default_factory=list)

    def prepare(self, requests: Sequence[Request]) -> None:
        self.prepared += requests

    def plan(self) -> Mapping[str, Any]:
        return {"batch_size": self.batch_size, "dtype": "float32"}

    def generate(self, requests: Sequence[Request], on_done: Callable[[int], None]) -> list[Answered]:
        assert all(request in self.prepared for request in requests)
        out = []
        for request in requests:
            self.calls += 1
            if self.calls == self.die_at:
                raise KeyboardInterrupt
            completions = tuple(self._sample(request, sample) for sample in request.samples)
            on_done(len(completions))
            out.append(Answered(completions, 12, 9, PROMPT_FLOPS, PREFIX_FLOPS, prefix=f"p-{request.variant}"))
        return out

    def _sample(self, request: Request, sample: int) -> Completion:
        numbers = request.prompt.own.split("\n")[0].replace("Q:", "").replace("=", "").split("+")
        right = sum(int(number) for number in numbers)
        keys = [self.seed, self.name, request.item_id, request.variant, request.decoding.id, sample]
        luck = hashlib.sha256(json.dumps(keys).encode()).digest()
        greedy = request.decoding.greedy
        text = f" {right}" if greedy or luck[0] % 4 else f" {right + 1}"
        text = " I do not know" if luck[1] % 8 == 0 and not greedy else text
        tokens = 2 + luck[2] % 4
        score = -luck[3] / 64
        return Completion(
            sample, text, tokens, score * tokens, score, luck[4] / 16, "length" if luck[5] % 5 == 0 else "stop",
            TOKEN_FLOPS * tokens,
        )  # fmt: skip


def install(monkeypatch, **settings: Any) -> list[Adder]:
    """Let ``collect`` use adders; returns the list of those that are made."""
    made: list[Adder] = []

    def generator_for(model, *, seed, device, batch_size, dtype, folder=None):
        made.append(Adder(model.name, seed, batch_size or 8, prepared=made[0].prepared if made else [], **settings))
        return made[-1]

    monkeypatch.setattr("ttscale.collecting.language_run.generator_for", generator_for)
    monkeypatch.setattr("ttscale.collecting.language_run.describe", describe)
    return made


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a run but its lock and manifest (whose list of shards may be in another order)."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", "lock")
    }
