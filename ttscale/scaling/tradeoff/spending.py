"""The cheapest point of a surface: the size, data and draws that just meet a goal, at the least price.

Two goals have the same shape. An error that must be reached: error(n, d, k) falls with each of n, d and k, and FLOPs
rise with each. FLOPs that must not be exceeded: what they leave over falls with each of n, d and k, and so does the
error, which is the price then. In both the answer lies where the goal is just met: a surface inside the box of what is
searched, cut off along curves where data or draws end.

So n is searched, and at each n the draws between the fewest that meet the goal, those that go with the most data, and
those that go with the least data. In these coordinates the whole of a rectangle is on the surface, and its curved
edges, where the answer mostly lies, are the sides of the rectangle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ttscale.scaling.tradeoff.minimum import least
from ttscale.scaling.tradeoff.search import Box, falling_root

_GRID, _ROUNDS = 13, 18
_MET = 1e-6  # of the goal, in logarithms

Of = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Spending = tuple[np.ndarray, np.ndarray, np.ndarray]  # n, d and k, each [row]; NaN where there is no answer


@dataclass(frozen=True, eq=False)
class Goal:
    """What must be met, and what it costs. Both are functions of n, d, k ``[element]`` and of the row (of parameters)
    that each element belongs to, ``int [element]``.

    Attributes:
        falls: a logarithm that falls with each of n, d and k, and is 0 where the goal is just met.
        above: whether the goal is met where that is 0 and above (FLOPs left over), or 0 and below (an error).
        price: positive; the less the better.
        bend: draws at which the price has a kink.
    """

    falls: Of
    above: bool
    price: Of
    bend: float = math.inf


def cheapest_point(goal: Goal, box: Box, rows: int, draws: np.ndarray | None = None) -> tuple[Spending, np.ndarray]:
    """The cheapest n, d and k of each row, and their price ``[row]``; NaN and ∞ where the goal is not met in the box.

    Args:
        draws: k of each row, ``[row]``; None to search them as well.
    """
    if draws is not None:
        (n, d, k), price = _cheapest(goal, box, np.log(draws), np.log(draws))
        return (n, d, np.where(np.isnan(k), math.nan, draws)), price
    low, high, bend = float(box.low[2]), float(box.high[2]), math.log(goal.bend)
    ends = [low, bend, high] if low < bend < high else [low, high]
    found = [_cheapest(goal, box, np.full(rows, a), np.full(rows, b)) for a, b in pairwise(ends)]
    (n, d, k), price = found[0]
    for other, value in found[1:]:
        n, d, k = (np.where(value < price, x, y) for x, y in zip(other, (n, d, k), strict=True))
        price = np.minimum(value, price)
    return (n, d, k), price


def _cheapest(goal: Goal, box: Box, low: np.ndarray, high: np.ndarray) -> tuple[Spending, np.ndarray]:
    """The same with ln k between two ends ``[row]``."""
    rows, (n_low, d_low), (n_high, d_high) = np.arange(len(low)), box.low[:2], box.high[:2]

    def meets(axis: int, at: dict[int, np.ndarray], a: np.ndarray, b: np.ndarray, of: np.ndarray) -> np.ndarray:
        """ln of n, d or k (``axis``) between two ends with which the goal is just met, or the nearer end; ``at``: the
        others."""

        def falls(x: np.ndarray, some: np.ndarray) -> np.ndarray:
            n, d, k = (np.exp(x if i == axis else at[i][some]) for i in range(3))
            return goal.falls(n, d, k, of[some])

        return np.minimum(falling_root(falls, a, b, len(of)), b)

    def points(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """ln of n, d and k, and the rows, ``[element]``, of places ``[row, point, 2]``: ln n, and where between the
        least and the most draws."""
        of = np.repeat(rows, x.shape[1])
        n, share = x.reshape(-1, 2).T
        a, b, least_d, most_d = low[of], high[of], np.full(len(of), d_low), np.full(len(of), d_high)
        if (high > low).any():
            a, b = (meets(2, {0: n, 1: d}, a, b, of) for d in (most_d, least_d))
        k = a + share * (b - a)
        return n, meets(1, {0: n, 2: k}, least_d, most_d, of), k, of

    def price(x: np.ndarray) -> np.ndarray:
        n, d, k, of = points(x)
        n, d, k = np.exp(n), np.exp(d), np.exp(k)
        over = goal.falls(n, d, k, of) * (-1 if goal.above else 1)
        return np.where(over <= _MET, goal.price(n, d, k, of), np.inf).reshape(x.shape[:2])

    first, last = np.full(len(rows), n_low), np.full(len(rows), n_high)
    if goal.above:
        last = meets(0, {1: np.full(len(rows), d_low), 2: low}, first, last, rows)
    else:
        first = meets(0, {1: np.full(len(rows), d_high), 2: high}, first, last, rows)
    ends = np.stack([first, np.zeros(len(rows))], axis=1), np.stack([last, 1.0 * (high > low)], axis=1)
    x, value = least(price, *ends, grid=_GRID, rounds=_ROUNDS)
    reached = np.isfinite(value)
    n, d, k = (np.where(reached, np.exp(y), math.nan) for y in points(x[:, None])[:3])
    return (n, d, k), value
