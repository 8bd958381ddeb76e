"""Training FLOPs of several members together: what went into more than one of them is paid once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def added_train_flops(members: Sequence[tuple[str, Mapping[str, Any]]]) -> list[float]:
    """Training FLOPs that each member adds to those before it; NaN where its card does not tell them.

    A model that members were tuned from, teachers, and the labels that these gave are paid once, and so is a member
    that others were made of.

    Args:
        members: (fingerprint, card) of each; an empty fingerprint: not known.
    """
    paid: set[str] = set()
    used: set[str] = set()  # in others
    out = []
    for fingerprint, card in members:
        whole = card.get("train_flops")
        added = float(whole) if isinstance(whole, (int, float)) and whole > 0 else math.nan
        for flops, sources in _parts(card):
            added -= flops if sources <= paid | used else 0.0
            used |= sources
        out.append(0.0 if fingerprint in used else added)
        if fingerprint:
            paid.add(fingerprint)
    return out


def _parts(card: Mapping[str, Any]) -> Iterable[tuple[float, set[str]]]:
    """What others share: its FLOPs, and the fingerprints of the models that it is, or a name of its own."""
    parts = card.get("train_flops_parts") or {}
    start, teachers = card.get("start"), card.get("teachers")
    if start and parts.get("start"):
        yield parts["start"], {start["fingerprint"]}
    if teachers and parts.get("teachers"):
        yield parts["teachers"], set(teachers.values())
    if teachers and parts.get("labelling"):
        given = (sorted(teachers.values()), card.get("views"), card.get("data_sha256"), card.get("n_train"))
        yield parts["labelling"], {f"labels {given}"}
