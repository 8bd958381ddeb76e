"""What the draws of a strategy over images cost, for every budget: FLOPs, bytes of weights, seconds."""

from __future__ import annotations

import math

import numpy as np

from ttscale.draws.grammar import view_named
from ttscale.records.profiles import latest, seconds_of, shape_word
from ttscale.records.records import Records
from ttscale.scaling.strategy import Strategy


def image_costs(records: Records, strategy: Strategy, budgets: np.ndarray) -> dict[str, np.ndarray | None]:
    """What the first k draws cost, by the names that a curve has for it: ``float64 [k]`` each, or None."""
    return {
        "flops": image_flops(records, strategy, budgets), "seconds": image_seconds(records, strategy, budgets),
        "weight_bytes": image_weight_bytes(records, strategy, budgets),
    }  # fmt: skip


def image_flops(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """FLOPs of the first k draws, ``float64 [k]`` (1 multiply-add = 2 FLOPs)."""
    return np.cumsum([records.draw_flops(draw[0], draw[1]) for draw in strategy.draws])[budgets - 1]


def image_weight_bytes(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """Bytes of the weights of the members that the first k draws use, each once, ``float64 [k]``; NaN where a member's
    card does not say."""
    seen: set[str] = set()
    added = []
    for draw in strategy.draws:
        known = records.member(draw[0]).card.get("weight_bytes", math.nan)
        added.append(0.0 if draw[0] in seen else float(known))
        seen.add(draw[0])
    return np.cumsum(added)[budgets - 1]


def image_seconds(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray | None:
    """Seconds of the first k draws for one image alone on the device of the latest profile, ``float64 [k]``.

    Member after member, as a deployed plan runs them: views of one member and input size share a forward. What the
    steps of a view take is that of the first views collected. NaN where it was not measured; None without a profile.
    """
    rows = latest(records.profiles())
    if not rows:
        return None
    pools = [
        (draw[0], shape_word(view_named(draw[1]).frame.shape(records.member(draw[0]).input_size)))
        for draw in strategy.draws
    ]
    total = np.zeros(len(budgets))
    for pool in dict.fromkeys(pools):
        taken = np.cumsum([one == pool for one in pools])[budgets - 1]
        total += seconds_of(rows, pool[0], taken, shape=pool[1])
    return total
