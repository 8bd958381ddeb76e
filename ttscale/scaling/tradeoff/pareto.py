"""The Pareto front of cost and accuracy."""

from __future__ import annotations

import numpy as np


def pareto(costs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions of the points that no other point beats, in order of increasing cost: ``int64 [point]``.

    A point is beaten by one that costs no more and is worth more, or costs less and is worth as much. Of equal points
    the first stays. Points with a NaN are left out.
    """
    costs, values = np.asarray(costs, dtype=np.float64), np.asarray(values, dtype=np.float64)
    known = np.flatnonzero(~(np.isnan(costs) | np.isnan(values)))
    order = known[np.lexsort((known, -values[known], costs[known]))]
    if not len(order):
        return order
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(values[order])[:-1]])
    return order[values[order] > best_before]
