"""What is fitted to a surface: the error itself, −ln(accuracy), or the odds of an error. The one place where one is
made of another.

An error near 1 says little by its logarithm: .95 and .99 differ by 4 %, and are 5 and 1 item right of 100. There
−ln(accuracy) is the better scale, and of pass@k it is a power law in k (Schaeffer et al. 2025, "How do large language
monkeys get their power (laws)?"). The odds e/(1 − e) tell errors near 1 apart as well as those near 0: where accuracy
goes from nearly none to nearly all over the grid, it is their logarithm that moves evenly. For small errors all three
are the same.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Quantity = Literal["error", "log_accuracy", "odds"]
QUANTITIES: dict[str, str] = {"error": "the error", "log_accuracy": "−ln(accuracy)", "odds": "the odds of an error"}


def fitted_of(quantity: str, error: np.ndarray | float) -> np.ndarray:
    """The fitted quantity of errors ``[...]``; but for the error itself ∞ for an error of 1 and above."""
    error = np.asarray(error, dtype=np.float64)
    if quantity == "error":
        return error
    below = np.where(error < 1, error, 0.0)
    return np.where(error < 1, below / (1 - below) if quantity == "odds" else -np.log1p(-below), np.inf)


def error_of(quantity: str, fitted: np.ndarray | float) -> np.ndarray:
    """The error of the fitted quantity ``[...]``: the inverse of :func:`fitted_of`."""
    fitted = np.asarray(fitted, dtype=np.float64)
    if quantity == "odds":
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / (1.0 + 1.0 / fitted))
    return fitted if quantity == "error" else -np.expm1(-fitted)
