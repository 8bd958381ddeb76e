"""Members compiled by torch, for runs that are long enough to earn the minute that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ttscale.errors import TtscaleError
from ttscale.models.model import Model

_MANY = 10_000  # compiled forms of one function; torch runs what is above 8 uncompiled, and says so in its log only


def compiled(
    model: Model, shapes: Sequence[tuple[int, ...]], device: torch.device, layout: torch.memory_format
) -> Model:
    """The member with its module compiled for batches of these shapes, here and now.

    On the CPU the weights are frozen into the code; on CUDA a forward is one CUDA graph.

    Raises:
        TtscaleError: it cannot be compiled here.
    """
    options: dict[str, Any] = {"mode": "reduce-overhead"} if device.type == "cuda" else {"options": {"freezing": True}}
    try:
        import torch._dynamo

        limits: dict[str, Any] = {
            "recompile_limit": _MANY,
            "accumulated_recompile_limit": _MANY,
            "fail_on_recompile_limit_hit": True,
        }
        with torch.inference_mode(), torch._dynamo.config.patch(limits):
            fast = _OneLayout(torch.compile(model.module, dynamic=False, **options), layout)
            for shape in shapes:
                model.read(fast(torch.zeros(shape, device=device)))
    except Exception as error:  # torch's compilers, the system's, and the user's code may raise anything
        raise TtscaleError(
            "compile", expected=f"a member that torch.compile can compile here ({model.name})",
            got=f"{type(error).__name__}: {error}".splitlines()[0], fix="Leave compile out.",
        ) from error  # fmt: skip
    return replace(model, module=fast)


class _OneLayout(nn.Module):
    """Hands its input on as a tensor of inference in the same strides, whatever it was: where a side is 1, one memory
    format has several, and each (as each kind of tensor) would be compiled anew."""

    def __init__(self, fast: Callable[[torch.Tensor], Any], layout: torch.memory_format) -> None:
        super().__init__()
        self._fast, self._layout = fast, layout

    def forward(self, x: torch.Tensor) -> Any:
        _, channels, height, width = x.shape
        strides = (channels * height * width, height * width, width, 1)
        if self._layout == torch.channels_last:
            strides = (channels * height * width, 1, width * channels, channels)
        x = x if x.is_inference() else x.clone()
        return self._fast(x.contiguous(memory_format=self._layout).as_strided(x.shape, strides))
