"""What joint laws answer: lines of equal error, and the best way to spend on training and a number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttscale.scaling.tradeoff.axes import AXES
from ttscale.scaling.tradeoff.contours import Contour, contours
from ttscale.scaling.tradeoff.joint import Joint
from ttscale.scaling.tradeoff.lifetime import Lifetime, best, cheapest

QUERIES = (1e4, 1e6, 1e8, 1e10)


@dataclass(frozen=True, eq=False)
class Answers:
    """Of one joint law.

    Attributes:
        joint: its kind of strategy and axis of data.
        contours: the frontier of each error: the least test FLOPs at each training budget, over sizes.
        lifetimes: for each number of queries, at each error the cheapest way, and with each total the best.
    """

    joint: Joint
    contours: tuple[Contour, ...] = field(default=(), repr=False)
    lifetimes: tuple[Lifetime, ...] = field(default=(), repr=False)


def answers_of(
    joint: Joint, *, queries: Sequence[float] = QUERIES, errors: Sequence[float] | None = None,
    total_flops: Sequence[float] = (),
) -> Answers:  # fmt: skip
    """Empty where the law does not describe the grid, does not hold size, data and draws, or training costs are
    unknown; ``joint.cannot`` says why.

    Args:
        queries: of the lifetimes; finite and above 0.
        errors: levels of the lines and targets of the lifetimes, as fractions; None: four levels between the errors
            that were measured, of which the lower middle one is the target.
        total_flops: what training and all queries may cost together, for the best error that this pays for.
    """
    surface, costs = joint.surface, joint.costs
    whole = surface is not None and joint.describes and {"n", "d", "k"} <= set(surface.definition.inputs)
    if surface is None or not whole or not np.isfinite(costs.train).all():
        return Answers(joint)
    lines = contours(surface, costs, errors, warn=False)
    levels = [line.error for line in lines]
    targets = levels if errors is not None else levels[(len(levels) - 1) // 2 :][:1]
    unit = AXES[joint.axis]
    lives = [
        *(cheapest(surface, costs, q, error, unit=unit, warn=False) for error in targets for q in queries),
        *(best(surface, costs, q, total, unit=unit, warn=False) for total in total_flops for q in queries),
    ]
    return Answers(joint, lines, tuple(lives))
