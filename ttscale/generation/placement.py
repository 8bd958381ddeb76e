"""Where a generator's weights live and in which numeric format, the given module being left as it is."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ttscale.errors import unknown_name

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def numeric_format(dtype: str, device: torch.device) -> torch.dtype:
    """The format of this name; ``"auto"`` is float32 on a CPU and bfloat16 elsewhere.

    Raises:
        TtscaleError: an unknown name.
    """
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if dtype not in FORMATS:
        raise unknown_name("dtype", dtype, ["auto", *FORMATS])
    return FORMATS[dtype]


def placed(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The module itself where it fits already, else a copy with its parameters on the device in the format.

    Buffers keep their format: rotary frequencies in half precision would misplace far tokens.
    """
    parameters = list(module.parameters())
    there = _numbered(device)
    if all(_numbered(p.device) == there and p.dtype == dtype for p in parameters):
        return module
    moved: dict[int, object] = {id(p): nn.Parameter(p.detach().to(device, dtype), False) for p in parameters}
    moved |= {id(b): b.detach().to(device) for b in module.buffers()}
    return copy.deepcopy(module, moved)  # the memo makes every parameter and buffer the moved one


def _numbered(device: torch.device) -> tuple[str, int]:
    """Which device it is: one named without a number is the current one of its type."""
    index = device.index
    if index is None:
        index = torch.cuda.current_device() if device.type == "cuda" else 0
    return device.type, index
