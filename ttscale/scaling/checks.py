"""What Records must be before they are analysed."""

from __future__ import annotations

import math
from pathlib import Path

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.text_costs import known_costs


def check_records(records: object) -> None:
    """Refuse what is no Records, and Records of a single class."""
    if not isinstance(records, Records):
        raise TtscaleError(
            "records", expected="Records", got=type(records).__name__,
            fix=f"Open the folder first: ttscale.read_records({str(records)!r})."
            if isinstance(records, str | Path)
            else "Open a folder with ttscale.read_records(path).",
        )  # fmt: skip
    if records.outcome == "text":
        return
    if records.n_classes < 2 or not records.members or not records.variants:
        raise TtscaleError(
            "records", expected="at least 2 classes, 1 member and 1 variant",
            got=f"{records.n_classes} classes, {len(records.members)} members, {len(records.variants)} variants",
            fix="With one class every answer is right: there is nothing to measure.",
        )  # fmt: skip


def check_text(records: Records, instead: str) -> None:
    """Refuse what is no Records of a language model.

    Args:
        instead: what to do with others, in words.
    """
    check_records(records)
    if records.outcome != "text":
        raise TtscaleError(
            "records", expected="Records of a language model", got="Records of class log-probabilities", fix=instead
        )


def check_images(records: object) -> None:
    """Refuse what is no Records of class log-probabilities."""
    check_records(records)
    if isinstance(records, Records) and records.outcome == "text":
        raise TtscaleError(
            "records", expected="Records of class log-probabilities", got="Records of a language model",
            fix="Sampled answers have no class probabilities: use accuracy_curve and coverage_curve.",
        )  # fmt: skip


def check_costs(records: Records) -> None:
    """Refuse Records whose draws have no known, positive cost, where strategies are compared by cost."""
    if records.outcome == "text":
        if not known_costs(records):
            raise TtscaleError(
                "records", expected="known FLOPs of every draw", got="draws or prompts of unknown FLOPs",
                fix="Give n_params of a served model, or to ttscale import: without costs there is no matched budget.",
            )  # fmt: skip
        return
    for member in records.members:
        costs = [records.draw_flops(member.name, variant) for variant in records.variants]
        if not all(0 < cost < math.inf for cost in costs):
            raise TtscaleError(
                "records", expected="a positive number of FLOPs for every draw",
                got=f"{min(costs)} for {member.name!r}",
                fix="Give `flops` for each member: without costs there is no cheapest and no matched budget.",
            )  # fmt: skip
