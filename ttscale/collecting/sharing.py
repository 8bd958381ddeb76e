"""A copy of a module in the memory of its weights."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn


def shared_copy(module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor] = lambda weight: weight) -> nn.Module:
    """The module again, its parameters and buffers in the same memory, but not the same objects: the copy can be moved
    to another device or have layers replaced, and the module stays as it is.

    Args:
        change: of each parameter, for the copy; what it returns as it came is shared.
    """
    memo: dict[int, object] = {id(buffer): buffer.detach() for buffer in module.buffers()}
    for weight in module.parameters():
        memo[id(weight)] = nn.Parameter(change(weight.detach()), requires_grad=weight.requires_grad)
    return copy.deepcopy(module, memo)  # the memo makes every parameter and buffer the one in it
