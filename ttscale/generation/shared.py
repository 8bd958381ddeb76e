"""Running a model with shared keys and values: prompts in, then one token a row and step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ttscale.generation.attention import reading
from ttscale.generation.memory import Memory, Part, Stored
from ttscale.generation.rows import PromptTokens

CHUNK = 512  # queries of one prefill forward: bounds the scores that are held at a time
WORTH_RECORDING = 8  # steps from which a CUDA graph of the decode step is worth its recording
KEPT_BYTES = 2**30  # of prefixes kept over calls, besides those in use


class Kept(NamedTuple):
    """What stays of a prompt: its own keys and values, and those of its beginning if it shares one."""

    own: Stored
    prefix: Stored | None


class SharedRunner:
    """A :class:`~ttscale.generation.schedule.Runner` that prefills prompts behind shared prefixes; to be used inside
    :func:`~ttscale.generation.attention.shared_attention`.

    Args:
        graphs: record the decode step of a batch as a CUDA graph, and replay it.
    """

    mixes = shares = True
    all_logits = recomputes = False

    def __init__(self, module: nn.Module, device: torch.device, *, graphs: bool = False) -> None:
        self.module: Any = module
        self.device = device
        self.graphs = graphs
        self.prefixes: OrderedDict[tuple[int, ...], Stored] = OrderedDict()

    def prefill(self, prompts: Sequence[PromptTokens]) -> tuple[list[Kept], Tensor]:
        prefixes = [self._prefix(prompt.beginning) if prompt.shared else None for prompt in prompts]
        stored, logits = self._store([prompt.own for prompt in prompts], prefixes)
        return [Kept(*pair) for pair in zip(stored, prefixes, strict=True)], logits

    def _prefix(self, tokens: tuple[int, ...]) -> Stored:
        """A beginning that prompts share, computed when it is first met and kept while it is used."""
        if tokens not in self.prefixes:
            self.prefixes[tokens] = self._store([tokens], [None])[0][0]
            while len(self.prefixes) > 1 and sum(one.bytes for one in self.prefixes.values()) > KEPT_BYTES:
                self.prefixes.popitem(last=False)
        self.prefixes.move_to_end(tokens)
        return self.prefixes[tokens]

    def _store(
        self, sequences: Sequence[tuple[int, ...]], prefixes: Sequence[Stored | None]
    ) -> tuple[list[Stored], Tensor]:
        start = [prefix.end if prefix else 0 for prefix in prefixes]
        lengths = [len(sequence) for sequence in sequences]
        tokens = torch.zeros(len(sequences), max(lengths), dtype=torch.int64)
        for row, sequence in enumerate(sequences):
            tokens[row, : len(sequence)] = torch.tensor(sequence)
        tokens = tokens.to(self.device)
        columns = torch.arange(max(lengths), device=self.device)
        positions = torch.tensor(start, device=self.device)[:, None] + columns
        real = columns < torch.tensor(lengths, device=self.device)[:, None]
        memory = Memory(_prefix_parts(prefixes), len(sequences), max(lengths), self.device)
        last: dict[int, Tensor] = {}
        for at in range(0, max(lengths), CHUNK):
            here = slice(at, at + CHUNK)
            rows = [row for row, length in enumerate(lengths) if at < length <= at + CHUNK]
            ends = sorted({lengths[row] - 1 - at for row in rows})
            logits = self.forward(memory, tokens[:, here], positions[:, here], real[:, here], ends)
            last |= {row: logits[row, ends.index(lengths[row] - 1 - at)] for row in rows}
        stored = [memory.stored(row, length, start[row]) for row, length in enumerate(lengths)]
        return stored, torch.stack([last[row] for row in range(len(sequences))]).float()

    def forward(
        self, memory: Memory, tokens: Tensor, positions: Tensor, real: Tensor | None, ends: Sequence[int]
    ) -> Tensor:
        """Logits ``[row, end, vocabulary]`` at the columns ``ends`` (at the last where none is named)."""
        memory.open(positions, real)
        keep = torch.tensor(ends, device=self.device) if ends else 1
        with reading(memory):
            out = self.module(
                input_ids=tokens, position_ids=positions, past_key_values=memory, use_cache=True, logits_to_keep=keep
            )
        memory.close()
        return out.logits

    def flight(self, prompts: Sequence[Kept], rows: Sequence[int], steps: int) -> Flight:
        return self._flight(Memory(_parts(prompts, rows), len(rows), steps, self.device), [0] * len(rows), steps)

    def regroup(
        self, flight: Flight, prompts: Sequence[Kept], rows: Sequence[int], old: Sequence[int | None], steps: int
    ) -> Flight:
        past = flight.memory
        first = min((flight.first[row] for row in old if row is not None), default=past.used)
        used = past.used - first
        memory = past.regroup(_parts(prompts, rows), old, first, used + steps)
        return self._flight(memory, [used if row is None else flight.first[row] - first for row in old], steps)

    def forget(self) -> None:
        self.prefixes.clear()

    def _flight(self, memory: Memory, first: list[int], steps: int) -> Flight:
        return (GraphFlight if self.graphs and steps >= WORTH_RECORDING else Flight)(self, memory, first)


class Flight:
    """Rows under way together; ``first[i]`` is the first column of the memory that row i has written."""

    def __init__(self, runner: SharedRunner, memory: Memory, first: list[int]) -> None:
        self.runner, self.memory, self.first = runner, memory, first

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        return self.runner.forward(self.memory, tokens[:, None], positions[:, None], None, ())[:, 0].float()


class GraphFlight(Flight):
    """Rows whose step is recorded once as a CUDA graph and then replayed: no Python and no launches in between.

    The first step runs as it is written, on a side stream, which makes all buffers and library handles that recording
    needs; the second is recorded. Shapes stand still, since the memory's column is a tensor.
    """

    def __init__(self, runner: SharedRunner, memory: Memory, first: list[int]) -> None:
        super().__init__(runner, memory, first)
        memory.column = torch.tensor([memory.used], device=runner.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.warm = False
        self.tokens = self.positions = self.logits = memory.column

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        with torch.cuda.device(self.runner.device):
            return self._step(tokens, positions)

    def _step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        column = self.memory.column
        assert column is not None
        column.fill_(self.memory.used)
        if not self.warm:
            self.warm = True
            side, main = torch.cuda.Stream(), torch.cuda.current_stream()
            side.wait_stream(main)
            with torch.cuda.stream(side):
                logits = super().step(tokens, positions)
            main.wait_stream(side)
            return logits
        if self.graph is None:
            self.tokens, self.positions = tokens.clone(), positions.clone()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.logits = super().step(self.tokens, self.positions)
            self.memory.used -= 1  # recording runs nothing
        self.tokens.copy_(tokens)
        self.positions.copy_(positions)
        self.graph.replay()
        self.memory.used += 1
        return self.logits.clone()


def _prefix_parts(prefixes: Sequence[Stored | None]) -> list[Part]:
    """The prefixes of rows as one part; none where no row has one."""
    distinct = list(dict.fromkeys(prefix for prefix in prefixes if prefix is not None))
    if not distinct:
        return []
    if None in prefixes:
        distinct.append(distinct[0].emptied())
    return [Part.of(distinct, [len(distinct) - 1 if one is None else distinct.index(one) for one in prefixes])]


def _parts(prompts: Sequence[Kept], rows: Sequence[int]) -> list[Part]:
    """The shared past of rows: the prefixes of their prompts, and the prompts."""
    return [*_prefix_parts([prompts[row].prefix for row in rows]), Part.of([prompt.own for prompt in prompts], rows)]
