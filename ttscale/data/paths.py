"""Paths that a user gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError


def to_path(argument: str, value: Any) -> Path:
    """``value`` as a path, ``~`` written out.

    Raises:
        TtscaleError: it is neither text nor a path.
    """
    if not isinstance(value, str | os.PathLike):
        raise TtscaleError(argument, expected="a path", got=repr(value), fix="Give text or a pathlib.Path.")
    return Path(value).expanduser()
