"""The tables of a summary of images: quality, ensembles and rivals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.combined import mean_curve, paired_difference
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.intervals.interval import detectable
from ttscale.scaling.planning.candidates import MOST_IN_SUBSETS, plain_members, several_rungs
from ttscale.scaling.quality.measured import Measured
from ttscale.scaling.quality.quality import Metrics
from ttscale.scaling.strategy import tta
from ttscale.scaling.tradeoff.ladder import Rung


def quality_table(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Two rows, of the probabilities as they are and calibrated, of the first and last budget of every curve."""
    return [
        {"curve": one.curve.name, "k": k, "calibrated": warm, **_metrics(one.quality.metrics(k, calibrated=warm))}
        for one in measured
        for warm in (False, True)
        for k in dict.fromkeys(one.quality.budgets[[0, -1]].tolist())
    ]


def _metrics(row: Metrics) -> dict[str, Any]:
    return {
        "temperature": row.temperature, "accuracy": row.accuracy, "top5": row.top5, "nll": row.nll, "brier": row.brier,
        "ece": row.ece,
    }  # fmt: skip


def ensembles_table(records: Records, curves: Sequence[Curve], *, vote: str, **settings: Any) -> list[dict[str, Any]]:
    """Every ensemble of two or more of the plain members, with one view each and with all, where these members are
    few and of several sizes.

    Each is set beside its costliest member with as many views (the mean over those that cost the same), a choice that
    looks at no label. The best of its members, cross-fitted, would be the one that either half of the items happens to
    favour, scored where it is not favoured: of members that are close together a lesser rival than any of them.

    Args:
        curves: of the draws as collected; those of ensembles and products of plain members are told.

    Returns:
        Rows with ``gain`` over the members ``against``; and ``best``, the most accurate member and its accuracy, chosen
        and scored on the same items, which makes it look better than it is.
    """
    names = plain_members(records)
    if len(names) > MOST_IN_SUBSETS or not several_rungs(records):
        return []
    alone = {name: accuracy_curve(records, tta(records, name, vote=vote), **settings) for name in names}
    teams = [
        one
        for one in curves
        if one.kind in ("ensemble", "product") and len(one.members) > 1 and set(one.members) <= set(names)
    ]
    rows = [_team(one, [alone[name] for name in names if name in one.members]) for one in teams]
    return sorted(rows, key=lambda row: (row["views"], len(row["members"])))


def _team(curve: Curve, members: Sequence[Curve]) -> dict[str, Any]:
    views = int(curve.budgets[-1]) // len(members)
    ends = [one.at_rows(np.array([one.row(views)])) for one in members]
    most = max(float(one.flops[0]) for one in ends)
    costliest = [one for one in ends if math.isclose(one.flops[0], most)]
    rival, last = mean_curve(costliest, "costliest"), int(curve.budgets[-1])
    best = max(ends, key=lambda one: float(one.accuracy[0]))
    return {
        "curve": curve.name, "k": last, "members": [one.members[0] for one in members], "views": views,
        "flops": curve.flops[-1], "accuracy": curve.accuracy[-1], "low": curve.low[-1], "high": curve.high[-1],
        "against": [one.members[0] for one in costliest], "gain": paired_difference(curve, last, rival, views),
        "detectable": detectable(curve.replicates[:, -1] - rival.replicates[:, 0], curve.level),
        "best": {"member": best.members[0], "accuracy": best.accuracy[0]},
    }  # fmt: skip


def rivals_table(rungs: Sequence[Rung]) -> list[dict[str, Any]]:
    """What was made of a size without training, plainly used."""
    return [
        {
            "size": rung.name, "of": rung.of, "what": rung.how, "n_seeds": rung.n_seeds, "flops": rung.flops,
            "weight_bytes": rung.weight_bytes, "seconds": rung.seconds, "train_flops": rung.train_flops,
            "accuracy": rung.accuracy.value, "low": rung.accuracy.low, "high": rung.accuracy.high,
        }
        for rung in rungs
    ]  # fmt: skip
