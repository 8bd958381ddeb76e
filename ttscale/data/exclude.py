"""Leaving out the items that a check flagged."""

from __future__ import annotations

import json
from pathlib import Path

from ttscale.data.dataset import Dataset
from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError


def flagged(file: str | Path) -> frozenset[str]:
    """The item ids that a ``summary.json`` of ``ttscale leakage`` flags.

    Raises:
        TtscaleError: no such file, or one of another kind.
    """
    path = to_path("exclude", file)
    try:
        return frozenset(match["item_id"] for match in json.loads(path.read_text(encoding="utf-8"))["matches"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TtscaleError(
            "exclude", expected="the summary.json of ttscale leakage", got=f"{path} ({type(error).__name__}: {error})",
            fix="Give the file that the check wrote.",
        ) from error  # fmt: skip


def without(data: Dataset, item_ids: frozenset[str]) -> Dataset:
    """The items but those with these ids."""
    if item_ids.isdisjoint(data.item_ids):
        return data
    return data.subset([i for i, item_id in enumerate(data.item_ids) if item_id not in item_ids])


def check_flagged(data: Dataset, item_ids: frozenset[str]) -> None:
    """Raise where ids were flagged and none is an item of the data: the check was of other data."""
    if item_ids and item_ids.isdisjoint(data.item_ids):
        raise TtscaleError(
            "exclude", expected=f"flagged items of {data.name}", got=f"{min(item_ids)!r} and others, which it lacks",
            fix="Run ttscale leakage on these data, or leave exclude out.",
        )  # fmt: skip
