"""Several views of the same few items in one forward: a small batch alone leaves a device half idle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ttscale.draws.frames import Frame
from ttscale.draws.views import View, apply_view
from ttscale.models.model import Model

# Views share a forward of up to about so many input values, or so many images. A core of a CPU is busy with 64 images
# of 28 × 28 (50,176 values) or 4 of 224 × 224 (ResNet-8, ResNet-18, EfficientNet-Lite0); more of them leave its caches.
_VALUES_A_CORE, _IMAGES_A_CORE = 52_000, 4
_VALUES_AN_ACCELERATOR = 40_000_000


def shared_forward(
    model: Model, views: Sequence[View], inputs: Mapping[Frame, torch.Tensor], *, space: Any, seed: int,
    keys: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Log-probabilities of views of one member, ``float32 [item, view, class]``.

    Views of one input size stand in one batch, whatever frame they start from.

    Args:
        inputs: per frame of the views, ``[item, channel, height, width]``, normalised and on the device.
        space, seed, keys: as :func:`ttscale.draws.views.apply_view` takes them.
    """
    outcomes: list[torch.Tensor | None] = [None] * len(views)
    for together in _batches(views, inputs):
        seen = [apply_view(views[i], inputs[views[i].frame], space, seed, keys) for i in together]
        log_probs = model.read(model.module(seen[0] if len(seen) == 1 else torch.cat(seen)))
        for i, part in zip(together, log_probs.split(len(seen[0])), strict=True):
            outcomes[i] = part
    return torch.stack([part for part in outcomes if part is not None], 1)


def _batches(views: Sequence[View], inputs: Mapping[Frame, torch.Tensor]) -> list[list[int]]:
    """Positions of the views that share a forward."""
    by_shape: dict[torch.Size, list[int]] = {}
    for i, view in enumerate(views):
        by_shape.setdefault(inputs[view.frame].shape, []).append(i)
    out: list[list[int]] = []
    for shape, places in by_shape.items():
        at_once = _at_once(shape, inputs[views[places[0]].frame].device)
        out += [places[start : start + at_once] for start in range(0, len(places), at_once)]
    return out


def _at_once(shape: torch.Size, device: torch.device) -> int:
    """How many views of inputs of this shape share a forward."""
    if device.type != "cpu":
        return max(1, _VALUES_AN_ACCELERATOR // max(1, shape.numel()))
    cores = torch.get_num_threads()
    return max(1, cores * _VALUES_A_CORE // max(1, shape.numel()), cores * _IMAGES_A_CORE // max(1, shape[0]))
