"""Laws in the budget k: how accuracy and coverage may go on with more draws.

The first parameter of each is its ceiling (or its level) and linear wherever the form allows it. ``LAWS_IN_K`` lists
them.
"""

from __future__ import annotations

import math

import numpy as np

from ttscale.scaling.laws.law import Law, Parameter
from ttscale.scaling.laws.m4 import m4_gap, m4_gap_gradient, sigmoid

Columns = tuple[np.ndarray, ...]

_LEVEL = Parameter("A", 0.0, 1.0, linear=True)
_FREE = Parameter("B", -math.inf, math.inf, linear=True)
_OF_VOTES = ("accuracy",)  # what a free ceiling, or none, says of coverage is far off at a hundred times the samples


def _nowhere(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The limit of a law that grows without end: its level where it does not grow, else NaN."""
    return np.where(B == 0, A, np.nan)


def _constant_gradient(k: np.ndarray, A: np.ndarray) -> Columns:
    return (np.ones_like(k),)


def _log_gradient(k: np.ndarray, A: np.ndarray, B: np.ndarray) -> Columns:
    return np.ones_like(k), np.log(k)


def _power(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray) -> np.ndarray:
    return A - B * k**-c


def _power_gradient(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray) -> Columns:
    power = k**-c
    return np.ones_like(k), -power, B * power * np.log(k)


def _exponential(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray) -> np.ndarray:
    return A - B * np.exp(-c * (k - 1.0))


def _exponential_gradient(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray) -> Columns:
    decay = np.exp(-c * (k - 1.0))
    return np.ones_like(k), -decay, B * decay * (k - 1.0)


def _logistic(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray, m: np.ndarray) -> np.ndarray:
    return A - B * sigmoid(-c * np.log(k / m))


def _logistic_gradient(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray, m: np.ndarray) -> Columns:
    left = sigmoid(-c * np.log(k / m))
    slope = B * left * (1.0 - left)
    return np.ones_like(k), -left, slope * np.log(k / m), -slope * c / m


def _exponentiated(k: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.exp(-a * k**-b)


def _exponentiated_gradient(k: np.ndarray, a: np.ndarray, b: np.ndarray) -> Columns:
    power = k**-b
    value = np.exp(-a * power)
    return -power * value, a * power * np.log(k) * value


def _m4(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray, b: np.ndarray, s: np.ndarray) -> np.ndarray:
    return A - B * m4_gap(np.log(b) - c * np.log(k), s)


def _m4_gradient(k: np.ndarray, A: np.ndarray, B: np.ndarray, c: np.ndarray, b: np.ndarray, s: np.ndarray) -> Columns:
    gap, in_t, in_s = m4_gap_gradient(np.log(b) - c * np.log(k), s)
    return np.ones_like(k), -gap, B * in_t * np.log(k), -B * in_t / b, -B * in_s


def _bend(k: np.ndarray, c0: np.ndarray, c1: np.ndarray, d: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ln (k/d) / f and the softened step ``f · ln(1 + (k/d)^(1/f))``."""
    z = np.log(k / d) / f
    return z, f * np.logaddexp(0.0, z)


def _broken(
    k: np.ndarray, A: np.ndarray, B: np.ndarray, c0: np.ndarray, c1: np.ndarray, d: np.ndarray, f: np.ndarray
) -> np.ndarray:
    _, step = _bend(k, c0, c1, d, f)
    return A + B * np.exp(-c0 * np.log(k) - c1 * step)


def _broken_gradient(
    k: np.ndarray, A: np.ndarray, B: np.ndarray, c0: np.ndarray, c1: np.ndarray, d: np.ndarray, f: np.ndarray
) -> Columns:
    z, step = _bend(k, c0, c1, d, f)
    past = sigmoid(z)
    shape = np.exp(-c0 * np.log(k) - c1 * step)
    term = B * shape
    in_f = -c1 * (step / f - past * z) * term
    return np.ones_like(k), shape, -np.log(k) * term, -step * term, c1 * past / d * term, in_f


def _broken_limit(
    A: np.ndarray, B: np.ndarray, c0: np.ndarray, c1: np.ndarray, d: np.ndarray, f: np.ndarray
) -> np.ndarray:
    return np.where((c0 + c1 > 0) | (B == 0), A, np.nan)


def _two_powers(k: np.ndarray, A: np.ndarray, B: np.ndarray, C: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    return A + (B + C * k**-d) * k**-c


def _two_powers_gradient(
    k: np.ndarray, A: np.ndarray, B: np.ndarray, C: np.ndarray, c: np.ndarray, d: np.ndarray
) -> Columns:
    slow, log = k**-c, np.log(k)
    fast = slow * k**-d
    return np.ones_like(k), slow, fast, -log * (B * slow + C * fast), -log * C * fast


_POWER = Parameter("c", 0.01, 10.0, starts=(0.03, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0, 5.0))
_RATE = Parameter("c", 0.001, 10.0, starts=(0.002, 0.005, 0.015, 0.05, 0.15, 0.4, 1.0, 3.0))

LAWS_IN_K: tuple[Law, ...] = (
    Law(
        "constant", "A", "the null: more draws change nothing", (_LEVEL,),
        value=lambda k, A: A + 0.0 * k, gradient=_constant_gradient, limit=lambda A: A,
    ),
    Law(
        "log_linear", "A + B·ln k", "each doubling adds the same, no ceiling in sight", (_LEVEL, _FREE),
        value=lambda k, A, B: A + B * np.log(k), gradient=_log_gradient, limit=_nowhere, forecasts=_OF_VOTES,
    ),
    Law(
        "power_floor", "A − B·k^−c", "a ceiling approached as a power of k", (_LEVEL, _FREE, _POWER),
        value=_power, gradient=_power_gradient, limit=lambda A, B, c: A, forecasts=_OF_VOTES,
    ),
    Law(
        "saturating_exponential", "A − B·e^(−c(k−1))", "a ceiling reached quickly", (_LEVEL, _FREE, _RATE),
        value=_exponential, gradient=_exponential_gradient, limit=lambda A, B, c: A, forecasts=_OF_VOTES,
    ),
    Law(
        "logistic", "A − B/(1 + (k/m)^c)", "an S-curve in log k: slow, fast, slow, with its middle at m",
        (
            _LEVEL, _FREE,
            Parameter("c", 0.05, 10.0, starts=(0.15, 0.4, 0.8, 1.5, 3.0)),
            Parameter("m", 0.1, 1e4, starts=(0.5, 2.0, 6.0, 20.0, 100.0, 1000.0)),
        ),
        value=_logistic, gradient=_logistic_gradient, limit=lambda A, B, c, m: A, forecasts=_OF_VOTES,
    ),
    Law(
        "exponentiated_power", "e^(−a·k^−b)", "coverage of many problems: the failures' logarithm falls as a power",
        (
            Parameter("a", 1e-6, 100.0, starts=(0.01, 0.1, 0.5, 2.0, 8.0)),
            Parameter("b", 0.005, 10.0, starts=(0.02, 0.1, 0.3, 0.8, 2.0)),
        ),
        value=_exponentiated, gradient=_exponentiated_gradient, of=("coverage",), limit=lambda a, b: np.ones_like(a),
    ),
    Law(
        "m4", "A − B·v, v/(1−v)^s = b·k^−c", "a power law that bends away from chance (Alabdulmohsin et al. 2022)",
        (
            _LEVEL, _FREE,
            Parameter("c", 0.02, 10.0, starts=(0.1, 0.3, 0.7, 1.5, 3.0)),
            Parameter("b", 1e-3, 1e6, starts=(0.05, 0.3, 1.0, 5.0, 50.0)),
            Parameter("s", 0.05, 10.0, starts=(0.1, 0.4, 1.0, 3.0)),
        ),
        value=_m4, gradient=_m4_gradient, limit=lambda A, B, c, b, s: A, forecasts=_OF_VOTES,
    ),
    Law(
        "bnsl", "A + B·k^−c0·(1 + (k/d)^(1/f))^(−c1·f)",
        "a power law that breaks into another one at d (Caballero 2023)",
        (
            _LEVEL, _FREE,
            Parameter("c0", -3.0, 5.0, log=False, starts=(-0.3, 0.02, 0.1, 0.4, 1.0)),
            Parameter("c1", -10.0, 10.0, log=False, starts=(-2.0, -0.3, 0.3, 1.0, 4.0)),
            Parameter("d", 1.0, 1e4, starts=(2.0, 6.0, 20.0, 80.0, 300.0, 800.0)),
            Parameter("f", 0.02, 5.0, starts=(0.05, 0.2, 1.0)),
        ),
        value=_broken, gradient=_broken_gradient, limit=_broken_limit, forecasts=_OF_VOTES,
    ),
    Law(
        "two_powers", "A + B·k^−c + C·k^−(c+d)", "votes that rise and then fall, or fall and then rise",
        (
            _LEVEL, _FREE, Parameter("C", -math.inf, math.inf, linear=True),
            Parameter("c", 0.01, 5.0, starts=(0.03, 0.1, 0.3, 0.8, 2.0)),
            Parameter("d", 0.05, 10.0, starts=(0.1, 0.3, 0.8, 2.0, 5.0)),
        ),
        value=_two_powers, gradient=_two_powers_gradient, of=("accuracy",), limit=lambda A, B, C, c, d: A,
    ),
)  # fmt: skip
