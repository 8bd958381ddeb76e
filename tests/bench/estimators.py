"""The rows of the estimators: majority votes over every subset against random orders, in time and in error."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from measure import paired_ratio

from ttscale.scaling.curves.random_orders import Pooled, mean_over_orders
from ttscale.scaling.curves.subsets import majority_credits, tally_of

ITEMS, SAMPLES, ANSWERS, ORDERS = 1319, 64, 20, 64
LIMIT = 0.25


def a_run() -> Pooled:
    """As many items and samples as a run over the test problems of GSM8K has; half of the items have their right answer
    first."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(ANSWERS, 0.3), ITEMS)
    answers = (rng.random((ITEMS, SAMPLES, 1)) > np.cumsum(shares, axis=1)[:, None, :-1]).sum(axis=2)
    right = answers == np.where(rng.random(ITEMS) < 0.5, shares.argmax(axis=1), 0)[:, None]
    keys, names = (rng.integers(0, 2**62, size) for size in (ITEMS, SAMPLES))
    places = np.arange(SAMPLES)
    return Pooled(
        answers.astype(np.int16), right, np.zeros(answers.shape), [places], np.full((1, ITEMS), SAMPLES), [places],
        names, keys, best=False,
    )  # fmt: skip


def majority_over_all_subsets() -> dict[str, Any]:
    """maj@k of every subset of 64 samples, every k at once, over the mean of 64 random orders: processor time of one
    thread."""
    run = a_run()
    budgets = np.arange(1, SAMPLES + 1)

    def exact() -> np.ndarray:
        found = majority_credits(tally_of(run.answers, run.right, run.n[0]), budgets)
        assert found is not None
        return found

    def orders() -> np.ndarray:
        return mean_over_orders(run, budgets, orders=ORDERS, seed=0, ties="shared").credit

    apart = np.abs(exact() - orders())
    row = paired_ratio(exact, orders, clock=time.process_time)
    return row | {
        "limit": LIMIT,
        "setting": f"{ITEMS} items, {SAMPLES} samples, {ANSWERS} answers, every k from 1 to {SAMPLES}, {ORDERS} orders",
        "error_of_orders": {"items": float(apart.max()), "accuracy": float(np.abs(
            (exact() - orders()).mean(axis=1)).max())},
    }  # fmt: skip


ROWS = {"majority_over_all_subsets": majority_over_all_subsets}
