"""What a grid of rungs cannot tell, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale.scaling.tradeoff.ladder import Rung

_NAMED = 4  # rungs that a sentence names


def notes(rungs: Sequence[Rung], axis: str) -> tuple[str, ...]:
    """Of the rungs of a ladder; ``axis``: in what training is counted."""
    return tuple(note for note in (*_extent(rungs), _training(rungs, axis), _seeds(rungs)) if note)


def _extent(rungs: Sequence[Rung]) -> list[str]:
    sizes, budgets = (list(dict.fromkeys(values)) for values in ([r.size for r in rungs], [r.budget for r in rungs]))
    if len(rungs) == 1:
        return [f"All members are of one size ({rungs[0].name}): there is no training ladder to compare with."]
    out = []
    if len(sizes) == 1:
        out.append(
            f"All members are of one size ({sizes[0]}): training budgets and test-time compute can be compared, "
            "but nothing is known of bigger or smaller models."
        )
    elif len({rung.flops for rung in rungs}) == 1:
        out.append("All sizes cost the same per decision: there is nothing to compare at matched FLOPs.")
    if len(budgets) == 1 and budgets[0]:
        out.append(
            f"All members were trained under one budget ({budgets[0]}): sizes can be compared, but nothing is known of "
            "longer training or more data."
        )
    return out


def _training(rungs: Sequence[Rung], axis: str) -> str:
    unknown = [rung.name for rung in rungs if math.isnan(rung.train_flops)]
    if not unknown or len(rungs) == 1:
        return ""
    which = f"{', '.join(unknown[:_NAMED])}{f' and {len(unknown) - _NAMED} more' if len(unknown) > _NAMED else ''}"
    if axis == "n_params":
        return f"Training FLOPs are not known for {which}: parameters stand in for them."
    return f"Training FLOPs are not known for {which}, nor the parameters of all: no exchange rates with these."


def _seeds(rungs: Sequence[Rung]) -> str:
    if any(rung.n_seeds > 1 for rung in rungs) or len(rungs) == 1:
        return ""
    return (
        "Every rung has one training seed: how much of a difference is the luck of training is not known, and no "
        "interval holds it."
    )
