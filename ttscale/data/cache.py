"""The user's cache folder, for files that are downloaded once."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "TTSCALE_CACHE"


def cache_folder() -> Path:
    """``$TTSCALE_CACHE``, else ``ttscale`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; it need not exist."""
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ttscale"
