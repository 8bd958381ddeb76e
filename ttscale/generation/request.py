"""What a generator is asked and what it gives back; the same for a local model and for a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ttscale.draws.prompts import Prompt
from ttscale.draws.sampling import Decoding


@dataclass(frozen=True)
class Request:
    """Some samples of one prompt under one decoding.

    Attributes:
        item_id, variant: with the member's name, the run's seed and the sample, they key the noise of every step. The
            decoding does not: samples of equal number share their noise under every decoding (common random numbers).
        samples: numbers of the samples wanted, each different; ``(0,)`` for greedy decoding.
    """

    item_id: str
    variant: str
    prompt: Prompt
    decoding: Decoding
    samples: tuple[int, ...]


@dataclass(frozen=True)
class Completion:
    """One sample.

    Attributes:
        text: what was generated, without the stop string and without special tokens.
        n_tokens: tokens generated, the end-of-text token (or those of the stop string) included.
        sum_logprob, mean_logprob: natural logarithms of the model's own probabilities (temperature 1, before any
            truncation) of these tokens; NaN where a server does not tell.
        self_certainty: mean over the tokens of the Kullback-Leibler divergence from the uniform distribution to the
            model's own (Kang, Zhao and Song 2025, "Scalable best-of-N selection via self-certainty"); NaN if unknown.
        finish_reason: ``"stop"`` (end of text or a stop string), ``"length"``, or what the server says.
        flops: marginal, of decoding this sample (1 multiply-add = 2 FLOPs); NaN if unknown.
    """

    sample: int
    text: str
    n_tokens: int
    sum_logprob: float
    mean_logprob: float
    self_certainty: float
    finish_reason: str
    flops: float


@dataclass(frozen=True)
class Answered:
    """The samples of one request, in the order asked for, and what its prompt cost.

    Attributes:
        prompt_tokens: of the whole prompt. prefix_tokens: of its beginning that other items share.
        prompt_flops: of the prefill after that beginning, once. prefix_flops: of the beginning, once a run and prefix.
        prefix: names the shared beginning; equal for requests that share it, empty where nothing is shared.
    """

    completions: tuple[Completion, ...]
    prompt_tokens: int
    prefix_tokens: int
    prompt_flops: float
    prefix_flops: float
    prefix: str = ""


class Generator(Protocol):
    """One member at work."""

    def prepare(self, requests: Sequence[Request]) -> None:
        """Look at every request of the run before the first is run: prompts that do not fit, shared beginnings."""

    def plan(self) -> Mapping[str, Any]:
        """The settings that can change an outcome (batch size, numeric format); a resumed run must have the same."""

    def generate(self, requests: Sequence[Request], on_done: Callable[[int], None]) -> list[Answered]:
        """Answer the requests; ``on_done`` is told how many samples were finished since it was last called."""
