"""Several Records side by side: of the same items, in one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records


def on_same_items(several: Sequence[Records]) -> list[Records]:
    """The Records, all in the item order of the first.

    Raises:
        TtscaleError: none at all, a member that two of them have, or other items, classes (or names of them, or in
            another order), labels or golds.
    """
    if not several:
        raise TtscaleError("records", expected="at least one Records", got="an empty list", fix="Give Records.")
    names = [member.name for one in several for member in one.members]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise TtscaleError("records", expected="different members", got=f"{twice} twice", fix="Leave one of them out.")
    first = several[0]
    return [_in_order_of(first, one) for one in several]


def refuse_unlike(traits: Iterable[tuple[str, Any, Any]]) -> None:
    """TtscaleError for the first of (what, one run's, another's) that differs: these runs cannot stand in one
    folder."""
    for what, own, other in traits:
        if own != other:
            raise TtscaleError(
                "runs", expected=f"the same {what} in all", got=f"{str(own)[:80]} beside {str(other)[:80]}",
                fix="Collect all members alike.",
            )  # fmt: skip


def versions_of(several: Sequence[Records]) -> dict[str, str]:
    """Versions of what made some Records, those that differ side by side."""
    names = dict.fromkeys(name for one in several for name in one.manifest.versions)
    return {name: told(one.manifest.versions.get(name, "") for one in several) for name in names}


def told(values: Iterable[str]) -> str:
    """Different values as one word."""
    return " and ".join(dict.fromkeys(filter(None, values)))


def _in_order_of(first: Records, one: Records) -> Records:
    at = {item: position for position, item in enumerate(one.item_ids)}
    if set(at) != set(first.item_ids) or (one.outcome, one.n_classes) != (first.outcome, first.n_classes):
        raise TtscaleError(
            "records", expected="Records of the same items and classes",
            got=f"{one.n_items} items and {one.n_classes} classes beside {first.n_items} and {first.n_classes}",
            fix="Collect all members on the same data.",
        )  # fmt: skip
    for number, (name, other) in enumerate(zip(one.class_names or (), first.class_names or (), strict=False)):
        if name != other:
            raise TtscaleError(
                "records", expected="Records of the same classes in the same order",
                got=f"class {number} {name!r} beside {other!r}", fix="Collect all members on the same data.",
            )  # fmt: skip
    same = one
    if not np.array_equal(one.item_ids, first.item_ids):
        same = one.take([at[item] for item in first.item_ids])
    if not np.array_equal(_gold(same), _gold(first)):
        raise TtscaleError(
            "records", expected="equal labels", got="items whose labels differ between Records",
            fix="Check that all were collected on the same data.",
        )  # fmt: skip
    return same


def _gold(records: Records) -> np.ndarray:
    return records.labels if records.golds is None else records.golds
