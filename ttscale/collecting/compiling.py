"""Members compiled by torch, for runs that are long enough to earn the minute that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ttscale.errors import TtscaleError
from ttscale.models.model import Model


def compiled(
    model: Model, shapes: Sequence[tuple[int, ...]], device: torch.device, layout: torch.memory_format
) -> Model:
    """The member with its module compiled for batches of these shapes, here and now.

    On the CPU the weights are frozen into the code; on CUDA a forward is one CUDA graph.

    Raises:
        TtscaleError: it cannot be compiled here.
    """
    options: dict[str, Any] = {"mode": "reduce-overhead"} if device.type == "cuda" else {"options": {"freezing": True}}
    fast: Any = torch.compile(model.module, dynamic=False, **options)
    try:
        with torch.inference_mode():
            for shape in shapes:
                x = torch.zeros(shape, device=device).contiguous(memory_format=layout)
                model.read(fast(x))
    except Exception as error:  # torch's compilers, the system's, and the user's code may raise anything
        raise TtscaleError(
            "compile", expected=f"a member that torch.compile can compile here ({model.name})",
            got=f"{type(error).__name__}: {error}".splitlines()[0], fix="Leave compile out.",
        ) from error  # fmt: skip
    return replace(model, module=fast)
