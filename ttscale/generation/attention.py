"""Attention over a memory in parts, put into any model that takes ``transformers``' attention interface."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from ttscale.errors import require
from ttscale.generation.memory import Grid, Memory

NAME = "ttscale_shared"
_open: ContextVar[Memory] = ContextVar("memory that attention reads")


@contextlib.contextmanager
def shared_attention(module: nn.Module) -> Iterator[None]:
    """The model attends by way of :func:`attend` in this block; afterwards it is as it was."""
    interface = require("transformers", install="ttscale[lm]", needed_for="local language models").AttentionInterface
    interface.register(NAME, attend)
    config: Any = module.config
    before = {id(part): (part, part._attn_implementation) for part in _configs(config)}
    for part, _ in before.values():
        part._attn_implementation_internal = NAME
    try:
        yield
    finally:
        for part, implementation in before.values():
            part._attn_implementation_internal = implementation


def _configs(config: Any) -> list[Any]:
    text = config.get_text_config(decoder=True)
    return [config] if text is config else [config, text]


@contextlib.contextmanager
def reading(memory: Memory) -> Iterator[None]:
    """Attention reads this memory in the block."""
    token = _open.set(memory)
    try:
        yield
    finally:
        _open.reset(token)


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None, *,
    scaling: float | None = None, sliding_window: int | None = None, softcap: float | None = None, **kwargs: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attention of new tokens to everything that the open :class:`Memory` holds.

    One softmax over the scores of all parts, which is what merging each part's own softmax by log-sum-exp comes to.

    Args:
        query: ``[row, query head, query, size]``. key, value: ``[row, key head, query, size]``, already in the memory.

    Returns:
        ``[row, query, query head, size]``, and None in place of the weights.
    """
    memory, layer = _open.get(), module.layer_idx
    memory.windows[layer] = sliding_window
    rows, heads, length, size = query.shape
    key_heads = key.shape[1]
    scale = size**-0.5 if scaling is None else scaling
    folded = (query * scale).reshape(rows, key_heads, -1, size)
    own_keys, own_values = memory.own(layer)
    pieces = [_shared_product(part.grid, folded, part.keys[layer].mT) for part in memory.parts]
    scores = torch.cat([*pieces, folded @ own_keys.mT], -1).view(rows, heads, length, -1)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    scores += memory.bias(sliding_window, scores.dtype)
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype).view(rows, key_heads, folded.shape[2], -1)
    widths = [part.positions.shape[1] for part in memory.parts]
    *shared, own = weights.split([*widths, own_keys.shape[2]], -1)
    out = own @ own_values
    for part, weight in zip(memory.parts, shared, strict=True):
        out += _shared_product(part.grid, weight, part.values[layer])
    return out.view(rows, heads, length, -1).transpose(1, 2), None


def _shared_product(grid: Grid, x: Tensor, shared: Tensor) -> Tensor:
    """``x [row, key head, query, a] @ shared [group, key head, a, b]``: one product per group over all its rows."""
    queries = x.shape[2]
    by_group = grid.spread(x).transpose(1, 2).flatten(2, 3)
    out = (by_group @ shared).unflatten(2, (grid.seats, queries)).transpose(1, 2)
    return grid.gather(out)
