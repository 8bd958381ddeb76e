"""The implicit curve of M4, solved by Halley's method.

Alabdulmohsin, Neyshabur and Zhai, "Revisiting neural scaling laws in language and vision", NeurIPS 2022, equation 5:
``(ε − ε∞) / (ε0 − ε)^α = β·x^c`` for an error ε between its limit ε∞ and that of guessing, ε0. In the share of the way
that is left, ``v = (ε − ε∞) / (ε0 − ε∞)``, it reads ``v / (1 − v)^s = b·k^−c`` with ``b = β·(ε0 − ε∞)^(α−1)`` and
``s = α``: then accuracy is ``A − B·v``, linear in A and B. ``s → 0`` is the power law, ``s = 1`` the logistic in log k.
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 60
_CLOSE = 1e-6  # a step of this share of the root leaves its cube, which is below rounding


def m4_gap(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    """``v`` in (0, 1) with ``ln v − s·ln(1 − v) = t``; ``t`` and ``s`` broadcast."""
    return sigmoid(_logit_gap(t, s))


def m4_gap_gradient(t: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``v`` and its derivatives in ``t`` and ``s``, by the implicit function theorem."""
    z = _logit_gap(t, s)
    v = sigmoid(z)
    per_z = v * (1.0 - v) / (1.0 + (s - 1.0) * v)
    return v, per_z, -per_z * np.logaddexp(0.0, z)


def _logit_gap(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    """``z = logit v``, the root of ``g(z) = s·ln(1+e^z) − ln(1+e^−z) − t = z + (s − 1)·ln(1+e^z) − t``.

    ``g`` rises with a slope between 1 and s and bends one way only; its asymptotes ``z`` and ``s·z`` bracket the root,
    within which Halley's every step, whose error is the cube of the last, is kept.
    """
    t, s = np.asarray(t, dtype=np.float64), np.asarray(s, dtype=np.float64)
    bend = s - 1.0
    at_zero = bend * np.log(2.0)
    # g(z) + t lies within |(s − 1)|·ln 2 of its asymptotes, whose slopes are 1 below zero and s above it
    spread = (np.abs(at_zero) + 1e-9) * np.maximum(1.0, 1.0 / s)
    steep = t / s
    low, high = np.minimum(t, steep) - spread, np.maximum(t, steep) + spread
    z = np.clip(np.where(t < at_zero, t, steep), low, high)
    for _ in range(_ROUNDS):
        share = sigmoid(z)
        slope = 1.0 + bend * share
        newton = (z + bend * np.logaddexp(0.0, z) - t) / slope
        curved = 1.0 - 0.5 * newton * bend * share * (1.0 - share) / slope
        moved = np.clip(z - newton / np.maximum(curved, 0.5), low, high)
        settled = np.abs(moved - z) <= _CLOSE * np.minimum(1.0 + np.abs(z), 1.0 / (1.0 + np.abs(bend)))
        z = moved
        if settled.all():
            break
    return z


def sigmoid(z: np.ndarray) -> np.ndarray:
    """``1 / (1 + e^−z)`` without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * z))
