"""Along which axes of training data a grid of rungs can be read.

More different items and more passes over the same items are not the same: repeating is worth less and less (Muennighoff
et al. 2023, "Scaling data-constrained language models"). So each axis holds the other fixed: ``"unique"``, the
different items at equally many epochs; ``"epochs"``, the passes over equally many items; ``"tokens"``, the tokens of
text of which each was seen equally often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.numbers import levels
from ttscale.scaling.tradeoff.ladder import Rung

AXES = {"unique": "different training items", "epochs": "epochs", "tokens": "training tokens"}


def amount(rung: Rung, axis: str) -> float:
    """Training data of one model of the rung in the unit of an axis: different items, tokens, or epochs; NaN where its
    card does not say."""
    return rung.epochs if axis == "epochs" else rung.unique


def fixed_amount(rung: Rung, axis: str) -> float:
    """What an axis holds fixed."""
    return rung.unique if axis == "epochs" else rung.epochs


@dataclass(frozen=True)
class Slice:
    """The rungs of a grid that lie along one axis.

    Attributes:
        fixed: how many epochs, or different items, all of them have; NaN where their cards do not say.
        n_sizes, n_amounts: different sizes and amounts of data among them.
    """

    axis: str
    rungs: tuple[Rung, ...]
    fixed: float
    n_sizes: int
    n_amounts: int


def slice_along(rungs: Sequence[Rung], axis: str) -> Slice | None:
    """The rungs that have what the axis holds fixed in common: of several such groups the one with most different
    amounts, then most sizes, then the larger fixed amount. None without any rung whose card tells its amount."""
    known = [rung for rung in rungs if np.isfinite(amount(rung, axis)) and amount(rung, axis) > 0]
    if not known:
        return None
    fixed = levels([fixed_amount(rung, axis) for rung in known])
    slices = []
    for level in sorted(set(fixed)):
        some = tuple(rung for rung, at in zip(known, fixed, strict=True) if at == level)
        sizes, amounts = (
            len(set(levels(values))) for values in ([r.n_params for r in some], [amount(r, axis) for r in some])
        )
        slices.append(Slice(axis, some, fixed_amount(some[0], axis), sizes, amounts))
    return max(enumerate(slices), key=lambda one: (one[1].n_amounts, one[1].n_sizes, one[0]))[1]
