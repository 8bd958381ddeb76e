"""The loop: rows are admitted while there is room, stepped together, and leave the batch when they are finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ttscale.generation.picking import Settings, pick
from ttscale.generation.rows import PromptTokens, Row
from ttscale.generation.tokens import Reader

MOST_TOKENS = 4096  # of prompts prefilled in one forward (padding included); at least one prompt
AHEAD_TOKENS = {"cpu": 256, "cuda": 4096}  # up to which waiting prompts are prefilled along with those needed
IDLE = 0.25  # share of seats that may stand empty, or hold a finished row, before the batch is put together anew


class Flight(Protocol):
    """Rows under way together."""

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Feed each row its next token ``[row]``, at its position ``[row]``: float32 logits ``[row, vocabulary]``."""


def batches(prompts: Sequence[PromptTokens], most: int) -> Iterator[slice]:
    """Prompts to prefill together: neighbours, of at most MOST_TOKENS tokens (padding included), at most so many."""
    start = length = 0
    for at, prompt in enumerate(prompts):
        length = max(length, len(prompt.own))
        if at > start and (length * (at + 1 - start) > MOST_TOKENS or at - start >= most):
            yield slice(start, at)
            start, length = at, len(prompt.own)
    if prompts:
        yield slice(start, len(prompts))


class Runner(Protocol):
    """Runs the model for a schedule. ``Any`` stands for what the runner keeps of a prompt.

    Attributes:
        mixes: rows of several prompts can fly together, and join a flight under way.
        shares: a beginning that prompts share is computed once; else every prompt is computed whole.
        all_logits: a prefill computes logits at every token, not at the last alone.
        recomputes: what is kept of a prompt cannot be repeated, and every row that flies computes its prompt again;
            known after the first prefill.
    """

    device: torch.device
    mixes: bool
    shares: bool
    all_logits: bool
    recomputes: bool

    def prefill(self, prompts: Sequence[PromptTokens]) -> tuple[list[Any], Tensor]:
        """What is kept of each prompt, and float32 logits ``[prompt, vocabulary]`` after it."""

    def flight(self, prompts: Sequence[Any], rows: Sequence[int], steps: int) -> Flight:
        """Rows that go on from kept prompts, ``rows[i]`` being the prompt of row i, for at most so many steps."""

    def regroup(
        self, flight: Any, prompts: Sequence[Any], rows: Sequence[int], old: Sequence[int | None], steps: int
    ) -> Flight:
        """Other rows, ``old`` naming the row of ``flight`` that each goes on from (None: it is new)."""

    def forget(self) -> None:
        """Give back the memory of what is kept from call to call."""


class Schedule:
    """One call's rows on their way through the model.

    Args:
        rows: in the order of their prompts, which is the order in which they are admitted.
        seats: most rows at a time.
        on_done: called with the number of rows that were finished since the last call.
    """

    def __init__(
        self, runner: Runner, prompts: Sequence[PromptTokens], rows: Sequence[Row], *, seats: int, ends: frozenset[int],
        reader: Reader, on_done: Callable[[int], None],
    ) -> None:  # fmt: skip
        self.runner, self.prompts, self.seats = runner, prompts, seats
        self.ends, self.reader, self.on_done = ends, reader, on_done
        self.waiting = deque(rows)
        self.kept: dict[int, Any] = {}
        self.first_logits: dict[int, Tensor] = {}
        self.live: list[Row] = []
        self.flight: Any = None
        self.batch: dict[str, Any] = {}

    def run(self) -> None:
        while self.waiting or self.live:
            idle = self.seats - sum(not row.reason for row in self.live)
            if self.waiting and (idle == self.seats or (self.runner.mixes and idle >= self.seats * IDLE)):
                self._admit()
            elif sum(bool(row.reason) for row in self.live) >= max(1, IDLE * len(self.live)):
                self._seat([])
            if self.live:
                self._step()

    def _admit(self) -> None:
        """Prefill the next prompts and pick the first token of the rows that join; those finished by it never fly."""
        room = self.seats - sum(not row.reason for row in self.live)
        fresh: list[Row] = []
        while self.waiting and len(fresh) < room:
            if fresh and not self.runner.mixes and self.waiting[0].prompt != fresh[0].prompt:
                break
            fresh.append(self.waiting.popleft())
        self._prefill(self._wanted(fresh))
        logits = torch.stack([self.first_logits[row.prompt] for row in fresh])
        self._take(fresh, logits, Settings.of([row.decoding for row in fresh], logits.device), _uniforms(fresh))
        self.first_logits = {at: kept for at, kept in self.first_logits.items() if at >= self._next_prompt}
        self._seat([row for row in fresh if not row.reason])

    def _wanted(self, fresh: Sequence[Row]) -> list[int]:
        """Prompts to compute for these rows; so few that their forward would leave the machine idle take the prompts of
        waiting rows along."""
        wanted = list(dict.fromkeys(row.prompt for row in fresh if row.prompt not in self.kept))
        if not wanted or not self.runner.mixes:
            return wanted
        tokens = sum(len(self.prompts[prompt].own) for prompt in wanted)
        for prompt in range(max(self._next_prompt, wanted[-1] + 1), len(self.prompts)):
            tokens += len(self.prompts[prompt].own)
            if tokens > AHEAD_TOKENS.get(self.runner.device.type, 256) or len(wanted) >= self.seats:
                break
            if prompt not in self.kept:
                wanted.append(prompt)
        return wanted

    @property
    def _next_prompt(self) -> int:
        """The first prompt with waiting rows; every later one has some."""
        return self.waiting[0].prompt if self.waiting else len(self.prompts)

    def _prefill(self, prompts: list[int]) -> None:
        for batch in batches([self.prompts[prompt] for prompt in prompts], len(prompts)):
            kept, logits = self.runner.prefill([self.prompts[prompt] for prompt in prompts[batch]])
            self.kept |= zip(prompts[batch], kept, strict=True)
            self.first_logits |= zip(prompts[batch], logits, strict=True)

    def _seat(self, joining: list[Row]) -> None:
        """Put the batch together anew: unfinished rows, and those that join."""
        staying = [at for at, row in enumerate(self.live) if not row.reason]
        order: list[tuple[Row, int | None]] = [(self.live[at], at) for at in staying] + [(row, None) for row in joining]
        self.live = [row for row, _ in order]
        used = list(dict.fromkeys(row.prompt for row in self.live))
        self.kept = {at: kept for at, kept in self.kept.items() if at in used or at >= self._next_prompt}
        if not self.live:
            self.flight, self.batch = None, {}
            return
        order.sort(key=lambda pair: used.index(pair[0].prompt))
        self.live, old = [row for row, _ in order], [at for _, at in order]
        steps = max(row.limit - len(row.tokens) for row in self.live)
        prompts, rows = [self.kept[prompt] for prompt in used], [used.index(row.prompt) for row in self.live]
        if staying:
            self.flight = self.runner.regroup(self.flight, prompts, rows, old, steps)
        else:
            self.flight = self.runner.flight(prompts, rows, steps)
        device = self.runner.device
        self.batch = {
            "settings": Settings.of([row.decoding for row in self.live], device),
            "tokens": torch.tensor([row.tokens[-1] for row in self.live], device=device),
            "positions": torch.tensor(
                [len(self.prompts[row.prompt].tokens) + len(row.tokens) - 1 for row in self.live], device=device
            ),
        }  # fmt: skip

    def _step(self) -> None:
        logits = self.flight.step(self.batch["tokens"], self.batch["positions"])
        self.batch["tokens"] = self._take(self.live, logits, self.batch["settings"], _uniforms(self.live))
        self.batch["positions"] = self.batch["positions"] + 1

    def _take(self, rows: Sequence[Row], logits: Tensor, settings: Settings, uniforms: np.ndarray) -> Tensor:
        picked = pick(logits, settings, torch.from_numpy(uniforms).to(logits.device))
        done = 0
        for row, token, log_prob, certainty in zip(rows, *(column.tolist() for column in picked), strict=True):
            if not row.reason:
                row.take(token, log_prob, certainty, self.ends, self.reader)
                done += bool(row.reason)
        if done:
            self.on_done(done)
        return picked.tokens


def _uniforms(rows: Sequence[Row]) -> np.ndarray:
    """Of each row's next step (rows that are finished or greedy do not use theirs)."""
    return np.array([row.uniforms[min(len(row.tokens), len(row.uniforms) - 1)] for row in rows])
