"""How many items run at once: a forward, a batch with all its frames, and a block of a run of images."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import torch

from ttscale.collecting.inputs import key_of, shape_of
from ttscale.draws.views import ViewSet
from ttscale.models.model import Model

# Input values of one forward, and of one decoded batch with all its frames.
_FORWARD_VALUES = {"cpu": 5_000_000, "accelerator": 40_000_000}
_BATCH_VALUES = {"cpu": 200_000_000, "accelerator": 400_000_000}
_LARGEST = {"cpu": 512, "accelerator": 4096}
_AHEAD_VALUES, _MOST_AHEAD = 400_000_000, 3
# A block is what a kill can cost: some tens of seconds of work, and no more than fits in memory at ease.
_BLOCK_BYTES = 32 << 20
_BLOCK_FLOPS = {"cpu": 1e12, "accelerator": 5e13}


def default_batch_size(members: Sequence[Model], view_set: ViewSet, device: torch.device) -> int:
    """A power of 2 near 5 million input values a forward (32 images at 3 × 224 × 224), eight times that on an
    accelerator; fewer where the frames of the views would fill the host's memory."""
    kind = _kind(device)
    largest = max(prod(shape_of(model, view)) for model in members for view in view_set)
    wanted = min(_FORWARD_VALUES[kind] / largest, _BATCH_VALUES[kind] / item_values(members, view_set))
    return 2 ** int(np.clip(np.round(np.log2(wanted)), 0, np.log2(_LARGEST[kind])))


def batches_ahead(members: Sequence[Model], view_set: ViewSet, batch_size: int) -> int:
    """How many batches may be decoded before they are needed: at least one, and no more than memory holds at ease."""
    return int(np.clip(_AHEAD_VALUES // (item_values(members, view_set) * batch_size), 1, _MOST_AHEAD))


def block_items(item_flops: float, item_bytes: int, batch_size: int, device: torch.device) -> int:
    """Items a block: whole batches, at least one.

    Args:
        item_flops: of all draws of an item. item_bytes: of their log-probabilities of one member.
    """
    by_memory = _BLOCK_BYTES / item_bytes
    by_work = _BLOCK_FLOPS[_kind(device)] / item_flops if item_flops > 0 else by_memory
    return max(1, int(min(by_memory, by_work)) // batch_size) * batch_size


def item_values(members: Sequence[Model], view_set: ViewSet) -> int:
    """Input values of one item over its preprocessings and frames."""
    shapes = {key_of(model, view): shape_of(model, view) for model in members for view in view_set}
    return sum(map(prod, shapes.values()))


def _kind(device: torch.device) -> str:
    return "cpu" if device.type == "cpu" else "accelerator"
