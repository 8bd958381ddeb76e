"""What a run of language models is, for its summary: members, draws, and the samples of each item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ttscale.records.profiles import profiled_on
from ttscale.records.records import Records
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.sampled_credits import ORDERS
from ttscale.scaling.strategy import by_rung


def text_run(records: Records, plain: Mapping[str, Curve], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Its part ``run``. ``plain``: of every member the curve of its plain decision."""
    manifest, graded = records.manifest, records.graded()
    size_of = {m.name: size for size, members in by_rung(records.members).items() for m in members}
    members = []
    for member in records.members:
        curve, columns = plain[member.name], _columns(records, member.name)
        members.append({
            "name": member.name, "size": size_of[member.name], "seed": member.card.get("seed"),
            "n_params": member.n_params or None, "flops": curve.reference_flops, "flops_source": member.flops_source,
            "train_flops": member.card.get("train_flops"), "accuracy": curve.accuracy[0], "low": curve.low[0],
            "high": curve.high[0], "uncounted": dict(member.uncounted), "plain": curve.unit,
            "abstained": abstained(records, member.name)["share"],
            "tokens": _mean(graded.tokens[:, columns][graded.exists[:, columns]]),
            "prompt_tokens": _mean(graded.prompt_tokens[member.name, records.variants[0]]),
        })  # fmt: skip
    return {
        "dataset": manifest.dataset.get("name"), "n_items": records.n_items, "n_classes": None,
        "seed": manifest.seed, "analysis_seed": settings["seed"], "n_boot": settings["n_boot"],
        "level": settings["ci"], "ties": settings["ties"], "interval": settings["interval"],
        "device": manifest.device, "versions": dict(manifest.versions),
        "command": manifest.command, "skipped_items": len(manifest.skipped_items), "members": members,
        "variants": list(records.variants), "decodings": [one["id"] for one in manifest.decodings], "orders": ORDERS,
        "grader": graded.grader, "draws_per_item": graded.n_draws / graded.n_items, "prefill": manifest.prefill,
        "profiled_on": profiled_on(records.profiles()), "answers_known": graded.answers_known,
        "unequal": unequal(records),
    }  # fmt: skip


def abstained(records: Records, member: str) -> dict[str, Any]:
    """How many of a member's draws gave no answer."""
    graded, columns = records.graded(), _columns(records, member)
    exists = graded.exists[:, columns]
    n, none = int(exists.sum()), int((exists & (graded.answers[:, columns] < 0)).sum())
    return {"draws": n, "abstained": none, "share": none / n}


def unequal(records: Records) -> list[dict[str, Any]]:
    """The pools of which items have different numbers of samples: fewest, median and most."""
    graded = records.graded()
    rows = []
    for (member, variant, decoding), columns in graded.pools.items():
        n = graded.exists[:, columns].sum(axis=1)
        if n.min() < n.max():
            rows.append({
                "member": member, "variant": variant, "decoding": decoding, "fewest": n.min(),
                "median": np.median(n), "most": n.max(),
            })  # fmt: skip
    return rows


def _columns(records: Records, member: str) -> list[int]:
    return [column for column, draw in enumerate(records.graded().draws) if draw.member == member]


def _mean(values: np.ndarray) -> float:
    """The mean of counts; NaN where any is unknown (negative or NaN)."""
    return float("nan") if not len(values) or not (values >= 0).all() else float(values.mean())
