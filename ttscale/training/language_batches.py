"""Lines packed into batches of one shape, for a model that must not see from one line into another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ttscale.data.worked_arithmetic import Line

IGNORED = -100  # target of a token that no loss is taken of


@dataclass(frozen=True)
class Batch:
    """Packed lines.

    Attributes:
        tokens: int64 ``[row, token]``; padding fills what no line does.
        positions: of each token in its line, int64 ``[row, token]``.
        bias: float32 ``[row, 1, token, token]``: 0 where a token may see another (itself and those before it in its
            line), else the most negative number.
        targets: the next token where it belongs to a solution, else :data:`IGNORED`; int64 ``[row, token]``.
        n_tokens: that are no padding.
    """

    tokens: Tensor
    positions: Tensor
    bias: Tensor
    targets: Tensor
    n_tokens: int

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        tokens, positions, bias, targets = (
            tensor.to(device) for tensor in (self.tokens, self.positions, self.bias, self.targets)
        )
        return Batch(tokens, positions, bias, targets, self.n_tokens)


def pack(lines: Iterator[Line], ids: Mapping[str, int], *, rows: int, context: int, padding: int) -> Batch:
    """Lines into the first row that has room for them (first fit), until one comes that fits nowhere."""
    free = [context] * rows
    tokens = torch.full((rows, context), padding)
    targets = torch.full((rows, context), IGNORED)
    starts = torch.arange(context).repeat(rows, 1)  # padding is a line of its own at every place
    for line in lines:
        text = line.question + line.solution
        row = next((row for row, room in enumerate(free) if room >= len(text)), None)
        if row is None:
            break
        at, end, answer = context - free[row], context - free[row] + len(text), len(line.question)
        written = torch.tensor([ids[character] for character in text])
        tokens[row, at:end], starts[row, at:end] = written, at
        targets[row, at + answer - 1 : end - 1] = written[answer:]
        free[row] -= len(text)
    places = torch.arange(context)
    sees = (starts[:, :, None] == starts[:, None, :]) & (places[:, None] >= places)
    bias = torch.zeros(rows, 1, context, context).masked_fill(~sees[:, None], torch.finfo(torch.float32).min)
    return Batch(tokens, places - starts, bias, targets, rows * context - sum(free))
