"""The way for models that cannot take shared attention: their own cache, the rows of one prompt at a time."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ttscale.generation.rows import PromptTokens

SLOTS = ("past_key_values", "cache_params")  # what models call their cache


class Kept(NamedTuple):
    """A prompt's tokens and the model's own cache of them (any kind that it makes), for one row."""

    tokens: tuple[int, ...]
    cache: Any


class PlainRunner:
    """A :class:`~ttscale.generation.schedule.Runner` that prefills each prompt whole and repeats its cache for its
    rows. Where that cannot be done (recurrent states), the rows compute their prompt again."""

    mixes = shares = False

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module: Any = module
        self.device = device
        takes = inspect.signature(self.module.forward).parameters
        self.slot = next(name for name in SLOTS if name in takes)
        self.all_logits = "logits_to_keep" not in takes
        self.recomputes = False

    def prefill(self, prompts: Sequence[PromptTokens]) -> tuple[list[Kept], Tensor]:
        kept, logits = [], []
        for prompt in prompts:
            cache, last = self.run(torch.tensor([prompt.tokens], device=self.device))
            self.recomputes = not _can(cache, "batch_repeat_interleave")
            kept.append(Kept(prompt.tokens, cache))
            logits.append(last[0])
        return kept, torch.stack(logits)

    def run(self, tokens: Tensor, cache: Any = None) -> tuple[Any, Tensor]:
        """Cache and float32 logits ``[row, vocabulary]`` after more tokens ``[row, token]``."""
        more: dict[str, Any] = {} if cache is None else {self.slot: cache}
        if not self.all_logits:
            more["logits_to_keep"] = 1
        out = self.module(input_ids=tokens, use_cache=True, **more)
        return getattr(out, self.slot), out.logits[:, -1].float()

    def flight(self, prompts: Sequence[Kept], rows: Sequence[int], steps: int) -> Flight:
        prompt = prompts[0]  # the only one: rows of several do not mix
        if self.recomputes:
            cache, _ = self.run(torch.tensor([prompt.tokens] * len(rows), device=self.device))
        else:
            cache = copy.deepcopy(prompt.cache)
            cache.batch_repeat_interleave(len(rows))
        return Flight(self, cache)

    def regroup(
        self, flight: Flight, prompts: Sequence[Kept], rows: Sequence[int], old: Sequence[int | None], steps: int
    ) -> Flight:
        """As every runner; a cache that cannot be cut keeps the rows that are not wanted, and they are passed over."""
        places = torch.tensor([row for row in old if row is not None], device=self.device)
        if _can(flight.cache, "batch_select_indices"):
            flight.cache.batch_select_indices(places)
            return Flight(self, flight.cache)
        at = places if flight.rows is None else flight.rows[places]
        return Flight(self, flight.cache, at, flight.size)

    def forget(self) -> None:
        """Nothing is kept."""


class Flight:
    """Rows under way together; where the cache cannot be cut, ``rows`` of its ``size`` rows are still wanted."""

    def __init__(self, runner: PlainRunner, cache: Any, rows: Tensor | None = None, size: int = 0) -> None:
        self.runner, self.cache, self.rows, self.size = runner, cache, rows, size

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        if self.rows is None:
            self.size = len(tokens)
            self.cache, logits = self.runner.run(tokens[:, None], self.cache)
            return logits
        fed = tokens.new_zeros(self.size)
        fed[self.rows] = tokens
        self.cache, logits = self.runner.run(fed[:, None], self.cache)
        return logits[self.rows]


def _can(cache: Any, what: str) -> bool:
    """Whether a cache, and every layer of it, has the method (recurrent states do not)."""
    return all(hasattr(part, what) for part in (cache, *getattr(cache, "layers", ())))
