"""The numeric format that classifiers work in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

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
    """Forwards inside the block multiply in ``dtype``, by autocast; float32 is float32, on CUDA too (no TF32), whatever
    autocast the block stands in.

    TF32 is a setting of the process: other threads work without it too, until the last such block is left.
    """
    if dtype != torch.float32:
        with torch.autocast(device.type, dtype=dtype):
            yield
        return
    if device.type == "cuda":
        _exact.enter()
    try:
        if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
            with torch.autocast(device.type, enabled=False):
                yield
        else:
            yield
    finally:
        if device.type == "cuda":
            _exact.leave()


class _Exact:
    """TF32 off while anyone is inside, and as it was when the last one has left."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._undo: list[Callable[[], None]] = []

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._undo = _without_tf32()

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for undo in self._undo:
                    undo()


_exact = _Exact()


def _without_tf32() -> list[Callable[[], None]]:
    """Switch TF32 off for convolutions and matrix products; what to call, in order, to have it as it was.

    Torch has two sets of names for this and refuses to read by the old ones what was set by the new ones. So both are
    set where both can be read: then what reads the old ones inside (torch's compiler) may.
    """
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    parts = [cudnn.conv, cudnn.rnn, matmul] if hasattr(matmul, "fp32_precision") else []  # from torch 2.9 on
    first = [(part, part.fp32_precision) for part in parts]
    old: list[tuple[Callable[[], Any], Callable[[Any], None], Any]] = [
        (lambda: cudnn.allow_tf32, lambda value: setattr(cudnn, "allow_tf32", value), False),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    ]
    undo: list[Callable[[], None]] = []
    for read, write, exact in old:
        try:
            undo.append(partial(write, read()))
        except RuntimeError:  # set by the new names
            continue
        write(exact)
    between = [(part, part.fp32_precision) for part in parts]
    for part in parts:
        if part is not cudnn.rnn:
            part.fp32_precision = "ieee"
    return [partial(_put, between), *undo, partial(_put, first)]


def _put(precisions: list[tuple[Any, str]]) -> None:
    for part, value in precisions:
        part.fp32_precision = value
