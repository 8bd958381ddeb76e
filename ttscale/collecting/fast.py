"""A member's fast double: the same function within rounding, in the layout and with the layers that run fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from ttscale.collecting.folding import folded
from ttscale.collecting.sharing import shared_copy
from ttscale.models.model import Model


def fast_copy(
    model: Model, shapes: Sequence[tuple[int, ...]], *, fold: bool = True, channels_last: bool = True
) -> Model:
    """The member with a module that runs in its place; its own stays as it is.

    Args:
        shapes: of one item, all that the member will be given.
        fold: let convolutions do the batch norm after them, see :func:`ttscale.collecting.folding.folded`.
        channels_last: copy the kernels of convolutions to that memory format. All other weights are shared.
    """
    module = _channels_last(model.module) if channels_last else model.module
    return replace(model, module=folded(module, shapes)[0] if fold else module)


def _channels_last(module: nn.Module) -> nn.Module:
    try:
        return shared_copy(module, _relaid)
    except Exception:  # a user's module may hold what cannot be copied: then it runs as it is
        return module


def _relaid(weight: torch.Tensor) -> torch.Tensor:
    return weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight
