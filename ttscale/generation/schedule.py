"""The loop: rows are admitted while there is room, stepped together, and leave the batch when they are finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ttscale.generation.picking import Settings, pick
from ttscale.generation.rows import PromptTokens, Row
from ttscale.generation.tokens import Reader

MOST_TOKENS = 4096  # of prompts prefilled in one forward (padding included); at least one prompt
AHEAD_TOKENS = 256  # of waiting prompts that are prefilled along with those that are needed: few tokens are slow
IDLE = 0.25  # share of seats that may stand empty, or hold a finished row, before the batch is put together anew


class Flight(Protocol):
    """Rows under way together."""

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor: ...


class Runner(Protocol):
    """Runs the model for a schedule. ``Any`` stands for what the runner keeps of a prompt."""

    device: torch.device
    mixes: bool  # rows of several prompts can fly together, and join a flight under way

    def prefill(self, prompts: Sequence[PromptTokens]) -> tuple[list[Any], Tensor]: ...

    def flight(self, prompts: Sequence[Any], rows: Sequence[int], steps: int) -> Flight: ...

    def regroup(
        self, flight: Any, prompts: Sequence[Any], rows: Sequence[int], old: Sequence[int | None], steps: int
    ) -> Flight: ...


class Schedule:
    """One call's rows on their way through the model.

    Args:
        rows: in the order in which they are admitted; rows of one prompt together.
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
        needed = {row.prompt for row in self.waiting}
        self.first_logits = {prompt: kept for prompt, kept in self.first_logits.items() if prompt in needed}
        self._seat([row for row in fresh if not row.reason])

    def _wanted(self, fresh: Sequence[Row]) -> list[int]:
        """Prompts to compute for these rows; so few that their forward would leave the machine idle take the prompts of
        waiting rows along."""
        wanted = list(dict.fromkeys(row.prompt for row in fresh if row.prompt not in self.kept))
        tokens = sum(len(self.prompts[prompt].own) for prompt in wanted)
        if wanted and self.runner.mixes:
            for prompt in dict.fromkeys(row.prompt for row in self.waiting):
                tokens += len(self.prompts[prompt].own)
                if tokens > AHEAD_TOKENS or len(wanted) >= self.seats:
                    break
                if prompt not in self.kept and prompt not in wanted:
                    wanted.append(prompt)
        return wanted

    def _prefill(self, prompts: list[int]) -> None:
        while prompts:
            length, now = 0, 0
            while now < len(prompts):
                length = max(length, len(self.prompts[prompts[now]].own))
                if now and length * (now + 1) > MOST_TOKENS:
                    break
                now += 1
            kept, logits = self.runner.prefill([self.prompts[prompt] for prompt in prompts[:now]])
            self.kept |= zip(prompts[:now], kept, strict=True)
            self.first_logits |= zip(prompts[:now], logits, strict=True)
            prompts = prompts[now:]

    def _seat(self, joining: list[Row]) -> None:
        """Put the batch together anew: unfinished rows, and those that join."""
        staying = [at for at, row in enumerate(self.live) if not row.reason]
        order: list[tuple[Row, int | None]] = [(self.live[at], at) for at in staying] + [(row, None) for row in joining]
        self.live = [row for row, _ in order]
        used = list(dict.fromkeys(row.prompt for row in self.live))
        needed = {*used, *(row.prompt for row in self.waiting)}
        self.kept = {prompt: kept for prompt, kept in self.kept.items() if prompt in needed}
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
