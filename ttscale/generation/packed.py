"""Packed weights: the matrix products of a model on a CPU, by oneDNN with weights laid out for it beforehand.

A decode step multiplies few rows with every weight of the model. ``torch``'s own product lays the weights out anew at
each call, and on some processors uses a kernel without their widest instructions; oneDNN with packed weights is 1.3 to
2.6 times as fast from 1 to 200 rows (one thread of an AMD EPYC, SmolLM2's shapes). It costs a second copy of them.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator

import torch
from torch import Tensor, nn

ROWS = 64  # number of rows that the layout is chosen for; others work as well
SHARE = 0.25  # of the machine's memory that the packed copy may take


class PackedLinears:
    """Packed copies of a module's linear layers."""

    def __init__(self, module: nn.Module) -> None:
        pack = torch.ops.mkldnn._reorder_linear_weight
        self.layers = [(layer, pack(layer.weight.detach(), ROWS)) for layer in packable(module)]

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """The layers multiply with their packed weights in this block; afterwards they are as they were."""
        try:
            for layer, weight in self.layers:
                layer.__dict__["forward"] = functools.partial(_multiply, weight, layer.bias)
            yield
        finally:
            for layer, _ in self.layers:
                layer.__dict__.pop("forward", None)


def packable(module: nn.Module) -> list[nn.Linear]:
    """The linear layers that can be packed: plain ones, in float32, on a CPU."""
    linear = [layer for layer in module.modules() if type(layer) is nn.Linear and "forward" not in layer.__dict__]
    return [one for one in linear if one.weight.device.type == "cpu" and one.weight.dtype == torch.float32]


def can_pack(module: nn.Module) -> bool:
    """Whether oneDNN is there, something can be packed, and its copy is small against the machine's memory."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    size = sum(4 * layer.weight.numel() for layer in packable(module))
    return 0 < size <= SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _multiply(weight: Tensor, bias: Tensor | None, input: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
