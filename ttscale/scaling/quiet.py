"""Keeping compiled code from printing to stdout, which belongs to the program that calls."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDOUT = 1


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Drop what C and C++ code prints to stdout meanwhile.

    The file descriptor itself is turned elsewhere, for the whole process: what other threads print to stdout meanwhile
    is dropped too. Buffers of Python and of C are emptied before and after, so that nothing else is lost or comes late.
    """
    _flush()
    try:
        kept = os.dup(_STDOUT)
    except OSError:  # a process without a stdout has nothing to keep quiet
        yield
        return
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, _STDOUT)
        os.close(sink)
        yield
    finally:
        _flush_c()
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _flush() -> None:
    with suppress(AttributeError, OSError, ValueError):  # no stdout, or a closed one
        sys.stdout.flush()
    _flush_c()


def _flush_c() -> None:
    """All buffers of C's standard library, where it can be found by name."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL("ucrtbase" if os.name == "nt" else None).fflush(None)
