"""What the draws of a strategy over images cost, for every budget."""

from __future__ import annotations

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.strategy import Strategy


def image_flops(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """FLOPs of the first k draws, ``float64 [k]`` (1 multiply-add = 2 FLOPs)."""
    return np.cumsum([records.draw_flops(draw[0], draw[1]) for draw in strategy.draws])[budgets - 1]
