"""The user's cache folder, for files that are downloaded once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ttscale.errors import TtscaleError

CACHE_VARIABLE = "TTSCALE_CACHE"


def cache_folder() -> Path:
    """``$TTSCALE_CACHE``, else ``ttscale`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; it need not exist."""
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ttscale"


@contextlib.contextmanager
def writing_to_cache() -> Iterator[None]:
    """Say of a cache that cannot be written what to do about it."""
    try:
        yield
    except OSError as error:
        raise TtscaleError(
            CACHE_VARIABLE, expected="a cache folder that can be written", got=f"{type(error).__name__}: {error}",
            fix=f"Free space there, or set {CACHE_VARIABLE} to another folder.",
        ) from error  # fmt: skip
