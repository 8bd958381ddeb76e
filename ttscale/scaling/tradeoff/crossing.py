"""Where a test-time curve reaches a target, and the rate at which test-time compute replaces training compute there.

A small model ``s`` costs ``T_s`` FLOPs to train; a bigger one ``b`` costs ``T_b`` to train and ``F_b`` per decision.
Let
``F*`` be the smallest cost at which the test-time curve of ``s`` reaches the accuracy of one plain decision of ``b``.
Then both (``T_b``, ``F_b``) and (``T_s``, ``F*``) give that accuracy: two points of one iso-accuracy line, whose
slope is the exchange rate::

    rate = ln(F* / F_b) / ln(T_b / T_s)

Ten times less training then costs ``10^rate`` times the test compute (Jones 2021 finds 10^1.2 ≈ 15.8 for board
games). A negative rate says that the small model with test-time compute is cheaper in training *and* at test time. An
ensemble's
``T_s`` counts every member that its first k draws use, and only budgets with ``T_s < T_b`` take part, since beyond them
nothing is exchanged for training.
"""

from __future__ import annotations

import math

import numpy as np


def crossing(flops: np.ndarray, accuracy: np.ndarray, target: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """The smallest cost at which a curve reaches a target.

    Between budgets accuracy is interpolated linearly in log FLOPs. A curve that starts at or above the target reaches
    it at its first cost; one that never does has cost ∞.

    Args:
        flops: increasing and positive, ``[k]``.
        accuracy: ``[..., k]``.
        target: ``[...]``.

    Returns:
        The cost ``[...]``, and the row of the first budget at or above the target ``[...]`` (the last row where there
        is none).
    """
    accuracy = np.asarray(accuracy, dtype=np.float64)
    wanted = np.broadcast_to(np.asarray(target, dtype=np.float64), accuracy.shape[:-1])
    reached = accuracy >= wanted[..., None]
    ever = reached.any(axis=-1)
    row = np.where(ever, reached.argmax(axis=-1), len(flops) - 1)
    before = np.maximum(row - 1, 0)
    here = np.take_along_axis(accuracy, row[..., None], -1)[..., 0]
    there = np.take_along_axis(accuracy, before[..., None], -1)[..., 0]
    step = np.where(ever & (row > 0), here - there, 1.0)
    share = np.where(ever & (row > 0), (wanted - there) / step, 1.0)
    log_cost = np.log(flops)
    cost = np.exp(log_cost[before] + share * (log_cost[row] - log_cost[before]))
    return np.where(ever, cost, np.inf), row


def exchange_rate(test_ratio: np.ndarray | float, train_ratio: np.ndarray | float) -> np.ndarray:
    """``ln(test_ratio) / ln(train_ratio)``: ∞ where ``test_ratio`` is (never reached), NaN unless ``train_ratio`` >
    1."""
    test, train = np.broadcast_arrays(np.asarray(test_ratio, float), np.asarray(train_ratio, float))
    sensible = train > 1
    return np.where(sensible, np.log(test) / np.log(np.where(sensible, train, np.e)), np.nan)


def training_replaced(factor: float, slope: float) -> float:
    """How many times the training so many times the test compute replaces, ``factor^(−1/slope)``; ∞ where the slope is
    not below 0, or beyond what a number holds."""
    with np.errstate(over="ignore"):
        return float(np.float_power(factor, -1 / slope)) if slope < 0 else math.inf


def ten_x_training_equals(rate: float) -> float:
    """How many times the test compute replaces ten times the training: ``10^rate``, ∞ beyond what a number holds."""
    with np.errstate(over="ignore"):
        return float(np.float_power(10.0, rate))
