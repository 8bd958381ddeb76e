"""Where configs are read from and where a job writes."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path


def configs_folder() -> Path:
    """The folder of shipped configs: inside the package in a wheel, beside it in a checkout or an editable install."""
    package = Path(__file__).parents[1]
    shipped = package / "configs"
    return shipped if shipped.is_dir() else package.parent / "configs"


@cache
def dated_folder(verb: str) -> str:
    """The default `out`: one name per process, so that every job of a multirun agrees on it."""
    return f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}_{verb}"
