"""Sub-policies: views that are each a few augmentations in a row, as in RandAugment and Greedy Policy Search.

Which augmentations a view has follows from its number; how strongly (and which way) each acts is drawn anew for every
item. Sources: Cubuk et al., "RandAugment" (2020), whose operations and ranges these are (without the one that does
nothing), as torchvision has them; Molchanov et al., "Greedy Policy Search" (UAI 2020), which picks among such views.
"""

from __future__ import annotations

import numpy as np

from ttscale.draws import keyed
from ttscale.draws.making import HALF_A_LEVEL, called
from ttscale.draws.views import Step

MOST = 30  # the magnitude at which the ranges below are reached


def sub_policy(n_ops: int, magnitude: float, number: int) -> tuple[Step, ...]:
    """The steps of one view.

    Args:
        n_ops: operations in a row.
        magnitude: greatest strength of each, from 0 (nothing) to 30.
        number: of the view; its name decides the operations, so that the view is found again by it.
    """
    key = keyed.item_keys([f"{called('policies', n_ops, magnitude)}[{number}]"])
    drawn = keyed.uniforms(0, key, stream=keyed.VIEWS, step=np.arange(n_ops))
    choices = _operations(magnitude / MOST)
    return tuple(choices[int(u * len(choices))] for u in drawn)


def _operations(share: float) -> tuple[Step, ...]:
    """All operations, at a share of their greatest strength in [0, 1]."""
    factor = (1 - 0.9 * share,), (1 + 0.9 * share,)
    slant, move, angle = 0.3 * share, 150 / 331 * share, 30 * share
    return (
        Step("shear", (-slant, 0), (slant, 0)),
        Step("shear", (0, -slant), (0, slant)),
        Step("translate", (-move, 0), (move, 0)),
        Step("translate", (0, -move), (0, move)),
        Step("rotate", (-angle,), (angle,)),
        *(Step(transform, *factor) for transform in ("brightness", "saturation", "contrast", "sharpness")),
        Step("posterize", (8 - round(4 * share) - HALF_A_LEVEL,), (8 + HALF_A_LEVEL,)),
        Step("solarize", (1 - share,), (1.0,)),
        Step("autocontrast"),
        Step("equalize"),
    )
