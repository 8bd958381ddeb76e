"""What is fitted to a surface: the error itself, or −ln(accuracy). The one place where either is made of the other.

An error near 1 says little by its logarithm: .95 and .99 differ by 4 %, and are 5 and 1 item right of 100. There
−ln(accuracy) is the better scale, and of pass@k it is a power law in k (Schaeffer et al. 2025, "How do large language
monkeys get their power (laws)?"). For small errors both are the same.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Quantity = Literal["error", "log_accuracy"]
QUANTITIES: dict[str, str] = {"error": "the error", "log_accuracy": "−ln(accuracy)"}


def fitted_of(quantity: str, error: np.ndarray | float) -> np.ndarray:
    """The fitted quantity of errors ``[...]``; ∞ for −ln(accuracy) of an error of 1 and above."""
    error = np.asarray(error, dtype=np.float64)
    if quantity == "error":
        return error
    return np.where(error < 1, -np.log1p(-np.where(error < 1, error, 0.0)), np.inf)


def error_of(quantity: str, fitted: np.ndarray | float) -> np.ndarray:
    """The error of the fitted quantity ``[...]``: the inverse of :func:`fitted_of`."""
    fitted = np.asarray(fitted, dtype=np.float64)
    return fitted if quantity == "error" else -np.expm1(-fitted)
