"""Memory of the CPU that is used again instead of being given back to the system after every layer."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch

# glibc's <malloc.h>. It gives large blocks back at once (and clears new ones page by page) unless told otherwise.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP = 1 << 30
_USUAL = 32 << 20  # where glibc's own adjustment of the threshold ends; trimming happens at twice that
_SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


@contextmanager
def kept_memory(device: torch.device | str = "cpu") -> Iterator[None]:
    """Let malloc keep what is freed for what is asked for next, inside the block, for work on the CPU in the main
    thread (glibc; elsewhere nothing changes, and work in another thread gains nothing).

    Activations of a few MiB to 1 GiB are otherwise mapped anew for every layer, and the page faults cost up to half
    the time of a forward (EfficientNet-Lite0, 32 images at 224 on one core: 70 images a second without, 143 with).
    The setting is the process's; blocks may nest and overlap, and what was kept is given back when the last one is
    left. Nothing is touched where the environment sets it (``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_``, or
    ``GLIBC_TUNABLES``), which does the same for a whole program.
    """
    libc = _glibc() if torch.device(device).type == "cpu" and not _set_by_user() else None
    if libc is None:
        yield
        return
    _keeping.enter(libc)
    try:
        yield
    finally:
        _keeping.leave(libc)


class _Keeping:
    """Who is inside a block; the first one sets malloc, and the last one sets it back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._set = False

    def enter(self, libc: Any) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                # Before 2.35 glibc refuses more than 32 MiB; setting the other one alone would freeze this at 128 KiB.
                self._set = any(libc.mallopt(_M_MMAP_THRESHOLD, value) == 1 for value in (_KEEP, _USUAL))
                if self._set:
                    libc.mallopt(_M_TRIM_THRESHOLD, _KEEP)

    def leave(self, libc: Any) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._set:
                libc.mallopt(_M_MMAP_THRESHOLD, _USUAL)
                libc.mallopt(_M_TRIM_THRESHOLD, 2 * _USUAL)
                libc.malloc_trim(0)


_keeping = _Keeping()


def _set_by_user() -> bool:
    return any(name in os.environ for name in _SETTINGS) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
