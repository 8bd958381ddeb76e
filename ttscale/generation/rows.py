"""Rows: the samples that a run asks for, each with what it has generated so far.

Noise is keyed by seed, member, item, variant, sample and step, and not by the decoding: sample 3 of an item draws the
same uniforms at every temperature. Such common random numbers pair the decodings of a run, so that their difference is
seen with less noise; samples of equal number under two decodings are therefore not independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttscale.draws import keyed
from ttscale.draws.sampling import Decoding
from ttscale.errors import TtscaleError
from ttscale.generation.request import Request
from ttscale.generation.tokens import Reader


@dataclass(frozen=True)
class PromptTokens:
    """A prompt as tokens: the first ``shared`` of them are common to all prompts of its ``prefix``."""

    tokens: tuple[int, ...]
    shared: int
    prefix: str

    @property
    def beginning(self) -> tuple[int, ...]:
        return self.tokens[: self.shared]

    @property
    def own(self) -> tuple[int, ...]:
        return self.tokens[self.shared :]


@dataclass(eq=False)
class Row:
    """One sample under way.

    Attributes:
        prompt: number of its prompt among those of the call.
        name: of its member, item, variant and sample, for an error.
        uniforms: float64 ``[step]``, one for each token it may generate.
        tokens: generated so far. log_prob, certainty: sums over them.
        text, reason: once it is finished.
    """

    request: int
    sample: int
    prompt: int
    decoding: Decoding
    stop: tuple[str, ...]
    limit: int
    uniforms: np.ndarray
    name: str
    tokens: list[int] = field(default_factory=list)
    log_prob: float = 0.0
    certainty: float = 0.0
    text: str = ""
    reason: str = ""

    def restart(self) -> None:
        """Forget what was generated: it is generated again from the same uniforms."""
        self.tokens.clear()
        self.log_prob = self.certainty = 0.0

    def take(self, token: int, log_prob: float, certainty: float, ends: frozenset[int], reader: Reader) -> None:
        """Add a token, and finish at an end token, a stop string, or the most tokens.

        Raises:
            TtscaleError: the model gave numbers that are not finite.
        """
        if not (math.isfinite(log_prob) and math.isfinite(certainty)):
            raise TtscaleError(
                self.name, expected="finite logits", got=f"NaN or infinity at its token {len(self.tokens) + 1}",
                fix="Check the weights; if they are sound, take a wider numeric format (dtype=float32).",
            )  # fmt: skip
        self.tokens.append(token)
        self.log_prob += log_prob
        self.certainty += certainty
        if token in ends:
            self.text, self.reason = reader.text(self.tokens), "stop"
        elif (text := reader.cut(self.tokens, self.stop)) is not None:
            self.text, self.reason = text, "stop"
        elif len(self.tokens) >= self.limit:
            self.text, self.reason = reader.text(self.tokens), "length"


def rows_of(requests: Sequence[Request], prompts: Sequence[int], member: str, seed: int) -> list[Row]:
    """All samples of the requests, ``prompts`` naming the prompt of each; with their uniforms."""
    asked = [(at, sample) for at, request in enumerate(requests) for sample in request.samples]
    keys = keyed.row_keys(
        member, (requests[at].item_id for at, _ in asked), (requests[at].variant for at, _ in asked)
    )  # fmt: skip
    rows = []
    for (at, sample), key in zip(asked, keys, strict=True):
        decoding = requests[at].decoding
        limit = decoding.max_tokens or 1
        steps = np.arange(1 if decoding.greedy else limit)
        uniforms = keyed.uniforms(seed, np.full(len(steps), key), stream=keyed.SAMPLING, sample=sample, step=steps)
        name = f"member {member!r}, item {requests[at].item_id!r}, variant {requests[at].variant!r}, sample {sample}"
        rows.append(Row(at, sample, prompts[at], decoding, decoding.stop or (), limit, uniforms, name))
    return rows
