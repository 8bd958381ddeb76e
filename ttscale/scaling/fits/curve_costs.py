"""What a budget costs along a curve and beyond its end, and which budget a cost buys."""

from __future__ import annotations

import math

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.numbers import is_number


def flops_at(curve: Curve, k: np.ndarray) -> np.ndarray:
    """Cost per item of budgets ``[k]``: the curve's own, and beyond its end its mean cost per further draw."""
    budgets, flops = curve.budgets.astype(float), curve.flops
    beyond = flops[-1] + (k - budgets[-1]) * _per_draw(curve)
    return np.where(k > budgets[-1], beyond, np.interp(k, np.append(0.0, budgets), np.append(0.0, flops)))


def budget_at(curve: Curve, flops: float) -> float:
    """The budget that costs ``flops`` per item, in draws (fractions allowed).

    Raises:
        TtscaleError: costs that are unknown, or that do not grow with the budget; less than the cost of a draw.
    """
    budgets, costs = np.append(0.0, curve.budgets), np.append(0.0, curve.flops)
    if not (np.isfinite(costs).all() and (np.diff(costs) > 0).all()):
        raise TtscaleError(
            "flops", expected="a curve whose budgets have known costs that increase", got=f"{curve.flops.tolist()}",
            fix="Give k.",
        )  # fmt: skip
    if not is_number(flops) or not costs[1] / budgets[1] <= flops < math.inf:
        raise TtscaleError(
            "flops", expected=f"a cost of at least one draw ({costs[1] / budgets[1]:g} FLOPs)", got=repr(flops),
            fix="Give a larger cost, or k.",
        )  # fmt: skip
    beyond = budgets[-1] + (flops - costs[-1]) / _per_draw(curve)
    return float(np.interp(flops, costs, budgets) if flops <= costs[-1] else beyond)


def _per_draw(curve: Curve) -> float:
    """Mean cost of a draw; of text, whose prompt is paid once, of a draw after the first."""
    budgets, flops = curve.budgets, curve.flops
    if curve.tokens is None or len(budgets) < 2:
        return float(flops[-1] / budgets[-1])
    return float((flops[-1] - flops[0]) / (budgets[-1] - budgets[0]))
