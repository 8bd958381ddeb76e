"""The numeric format that classifiers work in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ttscale.generation.placement import numeric_format


def image_format(dtype: str, device: torch.device) -> torch.dtype:
    """The format of this name; ``"auto"`` is float16 on CUDA (a class score needs its 11 bits more than the range of
    bfloat16) and float32 elsewhere.

    Raises:
        TtscaleError: an unknown name.
    """
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return numeric_format(dtype, device)


@contextmanager
def computing_in(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Forwards inside the block multiply in ``dtype``, by autocast; float32 is float32, on CUDA too (no TF32)."""
    if dtype != torch.float32:
        with torch.autocast(device.type, dtype=dtype):
            yield
    elif device.type == "cuda":
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    else:
        yield
