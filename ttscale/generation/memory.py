"""Keys and values in parts: what many rows share is stored once, and every row keeps only its own tokens.

A row is one token sequence in a batch. Its past is a run prefix, its prompt, and the tokens of its own, each kept
apart: the first two are stored once for all rows that share them, so that a step reads them once, as one matrix
product over all their rows (shared-prefix attention: Juravsky et al. 2024, "Hydragen: high-throughput LLM inference
with shared prefixes"). Causality, padding and sliding windows are all told by positions: a key is visible where its
position is at most the query's and less than a window behind it, and padding stands at a position after every query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NOWHERE = 2**30  # position of padding: after every query


@dataclass(frozen=True, eq=False)
class Stored:
    """Keys and values of one token sequence.

    Attributes:
        keys, values: per layer ``[key head, token, size]``.
        start: position of the first token.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    start: int

    @property
    def length(self) -> int:
        return self.keys[0].shape[1] if self.keys else 0

    @property
    def end(self) -> int:
        return self.start + self.length

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.keys, *self.values))

    def emptied(self) -> Stored:
        """Of the same shape with no token."""
        return Stored(tuple(x[:, :0] for x in self.keys), tuple(x[:, :0] for x in self.values), 0)


@dataclass(frozen=True, eq=False)
class Grid:
    """Rows laid out by the group that they belong to: ``[group, seat]``, padded with rows that are not read back.

    Attributes:
        group: ``int64 [row]``. rows: ``int64 [group × seat]``; None where the rows fill the grid in order.
        places: ``int64 [row]``, the place of each row in the flattened grid.
    """

    groups: int
    seats: int
    group: Tensor
    rows: Tensor | None
    places: Tensor | None

    @classmethod
    def of(cls, group_of_row: Sequence[int], groups: int, device: torch.device) -> Grid:
        taken = [0] * groups
        seat = []
        for group in group_of_row:
            seat.append(taken[group])
            taken[group] += 1
        seats = max(taken)
        places = [group * seats + at for group, at in zip(group_of_row, seat, strict=True)]
        index = torch.tensor(group_of_row, device=device)
        if places == list(range(groups * seats)):
            return cls(groups, seats, index, None, None)
        rows = torch.zeros(groups * seats, dtype=torch.int64)
        rows[places] = torch.arange(len(places))
        return cls(groups, seats, index, rows.to(device), torch.tensor(places, device=device))

    def spread(self, x: Tensor) -> Tensor:
        """``[row, …]`` to ``[group, seat, …]``."""
        return (x if self.rows is None else x.index_select(0, self.rows)).unflatten(0, (self.groups, self.seats))

    def gather(self, x: Tensor) -> Tensor:
        """``[group, seat, …]`` back to ``[row, …]``."""
        return x.flatten(0, 1) if self.places is None else x.flatten(0, 1).index_select(0, self.places)


@dataclass(frozen=True, eq=False)
class Part:
    """Keys and values that several rows share.

    Attributes:
        keys, values: per layer ``[group, key head, token, size]``.
        positions: ``int64 [group, token]``.
        grid: which rows share which group.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    positions: Tensor
    grid: Grid

    @classmethod
    def of(cls, stored: Sequence[Stored], group_of_row: Sequence[int]) -> Part:
        """Several sequences, padded to the longest."""
        device = stored[0].keys[0].device
        longest = max(one.length for one in stored)
        positions = torch.full((len(stored), longest), NOWHERE)
        for row, one in enumerate(stored):
            positions[row, : one.length] = torch.arange(one.start, one.end)
        layers = range(len(stored[0].keys))
        return cls(
            tuple(_padded([one.keys[layer] for one in stored], longest) for layer in layers),
            tuple(_padded([one.values[layer] for one in stored], longest) for layer in layers),
            positions.to(device),
            Grid.of(group_of_row, len(stored), device),
        )


def _padded(tensors: Sequence[Tensor], longest: int) -> Tensor:
    if len(tensors) == 1:
        return tensors[0][None]
    heads, _, size = tensors[0].shape
    out = tensors[0].new_zeros(len(tensors), heads, longest, size)
    for row, tensor in enumerate(tensors):
        out[row, :, : tensor.shape[1]] = tensor
    return out


class Memory:
    """What a batch of rows attends to: shared parts, and a buffer for the rows' own tokens.

    It stands in for a ``transformers`` cache: layers hand it their new keys and values with :meth:`update`. Every
    forward writes the same columns of the buffer for all rows; ``positions`` says which of them a row really has.

    Attributes:
        parts: shared, in the order of their positions.
        keys, values: per layer ``[row, key head, capacity, size]``, made at the first update.
        positions: ``int64 [row, capacity]``, NOWHERE where a row has no token.
        used: columns written.
        column: where the next token of every row goes, as a tensor ``[1]``: a forward then has the same shapes at every
            step and can be recorded and replayed. None: the shapes grow with the tokens.
        windows: per layer, the sliding window that its attention asked for.
    """

    is_compileable = False

    def __init__(self, parts: Sequence[Part], rows: int, capacity: int, device: torch.device) -> None:
        self.parts = tuple(parts)
        self.capacity = capacity
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.positions = torch.full((rows, capacity), NOWHERE, device=device)
        self.used = 0
        self.column: Tensor | None = None
        self.windows: dict[int, int | None] = {}
        self._queries = self.positions[:, :0]
        self._new = 0
        self._biases: dict[int | None, Tensor] = {}

    def open(self, positions: Tensor, real: Tensor | None = None) -> None:
        """Begin a forward of queries at ``positions [row, query]``; those that are not ``real`` are padding."""
        self._queries, self._new = positions, positions.shape[1]
        kept = positions if real is None else torch.where(real, positions, NOWHERE)
        self._write(self.positions, kept, 1)
        self._biases.clear()

    def close(self) -> None:
        """End it: its tokens are part of the past now."""
        self.used += self._new
        self._new = 0

    def update(
        self, key: Tensor, value: Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        if len(self.keys) == layer_idx:
            rows, heads, _, size = key.shape
            self.keys.append(key.new_zeros(rows, heads, self.capacity, size))
            self.values.append(value.new_zeros(rows, heads, self.capacity, value.shape[-1]))
        self._write(self.keys[layer_idx], key, 2)
        self._write(self.values[layer_idx], value, 2)
        return key, value

    def _write(self, buffer: Tensor, new: Tensor, axis: int) -> None:
        if self.column is None:
            buffer.narrow(axis, self.used, self._new).copy_(new)
        else:
            buffer.index_copy_(axis, self.column, new)

    @property
    def seen(self) -> int:
        """Columns that attention reads."""
        return self.used + self._new if self.column is None else self.capacity

    def own(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the rows' own tokens, those of the running forward included."""
        return self.keys[layer][:, :, : self.seen], self.values[layer][:, :, : self.seen]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.used

    def bias(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """``[row, 1, query, key]`` over all parts and the own tokens: 0 where visible, else the least number."""
        if window not in self._biases:
            shared = [part.positions.index_select(0, part.grid.group) for part in self.parts]
            at = torch.cat([*shared, self.positions[:, : self.seen]], 1)[:, None, None, :]
            queries = self._queries[:, None, :, None]
            hidden = at > queries
            if window is not None:
                hidden |= queries - at >= window
            least = torch.finfo(dtype).min
            self._biases[window] = torch.zeros(hidden.shape, dtype=dtype, device=at.device).masked_fill_(hidden, least)
        return self._biases[window]

    def stored(self, row: int, length: int, start: int) -> Stored:
        """The first ``length`` own tokens of one row, to be shared from now on."""
        return Stored(
            tuple(keys[row, :, :length] for keys in self.keys),
            tuple(values[row, :, :length] for values in self.values), start,
        )  # fmt: skip

    def regroup(self, parts: Sequence[Part], rows: Sequence[int | None], first: int, capacity: int) -> Memory:
        """The same past for other rows: ``rows`` names the old row of each new one, or None for a fresh row.

        Args:
            first: columns before it are dropped: no row kept has a token there.
            capacity: of the new buffer, in columns.
        """
        device = self.positions.device
        other = Memory(parts, len(rows), capacity, device)
        kept = [new for new, old in enumerate(rows) if old is not None]
        if not kept:
            return other
        other.used = self.used - first
        to = torch.tensor(kept, device=device)
        source = torch.tensor([old for old in rows if old is not None], device=device)
        for mine, theirs in ((self.keys, other.keys), (self.values, other.values)):
            for tensor in mine:
                fresh = tensor.new_zeros(len(rows), tensor.shape[1], capacity, tensor.shape[3])
                fresh[to, :, : other.used] = tensor[source, :, first : self.used]
                theirs.append(fresh)
        other.positions[to, : other.used] = self.positions[source, first : self.used]
        return other
