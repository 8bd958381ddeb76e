"""What a surface says about spending: compute-optimal splits, lines of equal error, rates of exchange along them.

Everything is found from values of the law alone, for many parameter vectors at once, so that a law of a user's own
serves as well as those of :mod:`ttscale.scaling.surfaces.laws`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ttscale.scaling.laws.law import Law

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_SHRINKS = 90  # golden sections: 0.618^90 of the bracket is below the resolution of a float64
_HALVINGS = 80
_LEAST_RISE = 1e-7
_STEP = 1e-5  # of the logarithm of an input, for slopes
_REACH = np.log(1e12)  # how far from the data a solution is looked for
_LEAST, _MOST = 1e-300, 1e300  # values beyond them have no logarithm, or none that adds up


def value_at(law: Law, parameters: np.ndarray, inputs: Mapping[str, np.ndarray | float]) -> np.ndarray:
    """The law for parameters ``[..., p]`` at one point each: inputs ``[...]``, values ``[...]``, which are kept within
    1e-300 and 1e300 so that every one of them has a logarithm."""
    shape = parameters.shape[:-1]
    ordered = [np.broadcast_to(np.asarray(inputs[name], dtype=np.float64), shape)[..., None] for name in law.inputs]
    with np.errstate(all="ignore"):  # far from the data a law may overflow, or vanish
        return np.clip(law.at(ordered, parameters)[..., 0], _LEAST, _MOST)


def split_compute(
    law: Law, parameters: np.ndarray, flops: float, fixed: dict[str, float], per: float
) -> tuple[np.ndarray, np.ndarray]:
    """The n and d ``[...]`` of least error with ``per · n · d = flops``, by golden section over ln n.

    ``chinchilla`` is convex along that line (a sum of a falling and a rising exponential in ln n), so there is one
    minimum; Hoffmann et al. 2022, eq. 4, give it in closed form. NaN where error falls all the way to an end, n = 1 or
    d = 1, and where it hardly rises on either side (by less than 1e-7 of itself for a split that doubles n or d): such
    a law has no best split.
    """
    product = np.log(flops / per)
    low, high = np.zeros(parameters.shape[:-1]), np.full(parameters.shape[:-1], product)

    def error(x: np.ndarray) -> np.ndarray:
        return value_at(law, parameters, {**fixed, "n": np.exp(x), "d": np.exp(product - x)})

    for _ in range(_SHRINKS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        left_wins = error(left) < error(right)
        low, high = np.where(left_wins, low, left), np.where(left_wins, right, high)
    x = (low + high) / 2
    rise = np.minimum(error(x - np.log(2)), error(x + np.log(2))) / error(x) - 1.0
    x = np.where((x > 1e-3) & (x < product - 1e-3) & (rise > _LEAST_RISE), x, np.nan)
    return np.exp(x), np.exp(product - x)


def solve_input(
    law: Law, parameters: np.ndarray, name: str, y: np.ndarray | float, fixed: dict[str, float], middle: float
) -> np.ndarray:
    """The value ``[...]`` of one input at which the error is ``y``, the others fixed: by bisection of its logarithm.

    Errors must fall as the input grows. ∞ where no finite value reaches ``y`` within 10¹² times ``middle``; for k, 1
    where one draw is enough; for other inputs 0 where a 10¹²th of ``middle`` is.
    """
    shape = parameters.shape[:-1]
    start = 0.0 if name == "k" else np.log(middle) - _REACH
    low, high = np.full(shape, start), np.full(shape, np.log(middle) + _REACH)

    def error(x: np.ndarray) -> np.ndarray:
        return value_at(law, parameters, {**fixed, name: np.exp(x)})

    never, at_once = error(high) > y, error(low) <= y
    for _ in range(_HALVINGS):
        middle_x = (low + high) / 2
        enough = error(middle_x) <= y
        low, high = np.where(enough, low, middle_x), np.where(enough, middle_x, high)
    found = np.exp((low + high) / 2)
    return np.where(never, np.inf, np.where(at_once, 1.0 if name == "k" else 0.0, found))


def exchange_slope(law: Law, parameters: np.ndarray, of: str, against: str, point: dict[str, float]) -> np.ndarray:
    """``d ln against / d ln of`` along the line of equal error through a point, ``[...]``: −2 says that 1 % less of
    ``of`` takes 2 % more of ``against``. −∞ where more of ``against`` no longer helps."""
    of_slope, against_slope = (_log_slope(law, parameters, name, point) for name in (of, against))
    helps = against_slope < 0
    return np.where(helps, -of_slope / np.where(helps, against_slope, -1.0), -np.inf)


def _log_slope(law: Law, parameters: np.ndarray, name: str, point: dict[str, float]) -> np.ndarray:
    """Derivative of the error by the logarithm of an input, ``[...]``, by central differences."""
    up, down = ({**point, name: point[name] * np.exp(step)} for step in (_STEP, -_STEP))
    return (value_at(law, parameters, dict(up)) - value_at(law, parameters, dict(down))) / (2 * _STEP)
