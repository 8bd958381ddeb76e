"""The least test FLOPs per item with which an error is reached, at each training budget.

Small models trained on much data and asked for many draws reach an error, and larger ones asked once. At a test budget
F a model of size n makes k = draws(n, F) draws; the error then needs data d(n, k), and the best n is the one for which
``train(n) · d · models(k)`` is least. So the frontier is found from its other side, as the least training FLOPs at each
test budget: from there nothing but the data must be solved for, which an error always falls with (at a given training
budget, more members of an ensemble leave less data for each).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.minimum import least
from ttscale.scaling.tradeoff.search import Box, Surface, data_for, draws_for, refit_ends, refits

_POINTS = 41
_FINE = 401  # test budgets that a frontier is interpolated between
_COARSE, _SIZES = 41, 25  # the same of a refit, and the sizes that it tries
_ROUNDS = 24  # of the search for the best size
_HALVINGS = 40
_A_LITTLE = 1e-7
_SAME = 1e-4  # relative: training budgets that are alike


@dataclass(frozen=True, eq=False)
class Frontier:
    """The least test FLOPs per item at training budgets, ``[point]``, and what they are spent on; only the points at
    which the error is reached, and with less training would not be for as few."""

    train_flops: np.ndarray
    test_flops: np.ndarray
    n: np.ndarray
    d: np.ndarray
    k: np.ndarray
    low: np.ndarray
    high: np.ndarray


def frontier(surface: Surface, costs: Costs, error: float, budgets: np.ndarray | None, box: Box) -> Frontier:
    """The frontier of an error, near training budgets or from end to end, with the percentiles of the refits' own.

    Its training FLOPs are what its points take. The frontiers of the refits are found with fewer sizes and test
    budgets, so their distances to that of the fit, found likewise, are what is taken over.
    """
    several = np.concatenate([surface.best[None], refits(surface)])
    top = costs.test_flops(np.exp(box.high[0]), np.exp(box.high[2]))
    bottom = least_test(surface, several, costs, error, box)
    start = np.minimum(np.where(np.isfinite(bottom), bottom * (1 + _A_LITTLE), top), top)
    grids = np.geomspace(start, top, _COARSE, axis=1)
    fine = np.geomspace(start[:1], top, _FINE, axis=1)
    needed, _ = least_training(surface, several[:1], costs, error, fine, box, rounds=_ROUNDS)
    if budgets is None:
        finite = needed[np.isfinite(needed)]
        budgets = np.geomspace(finite.min(), finite.max(), _POINTS) if len(finite) else finite
    tests = _at_budgets(needed[0], fine[0], budgets)
    enough = needed[np.isfinite(needed)].max(initial=0.0) * (1 + _SAME)
    tests = tests[np.isfinite(tests) & (budgets <= enough)]
    _, n = least_training(surface, several[:1], costs, error, tests[None], box, rounds=_ROUNDS)
    tests, n = tests[np.isfinite(n[0])], n[0][np.isfinite(n[0])]
    k = np.minimum(costs.draws(n, tests), math.exp(box.high[2]))
    d = data_for(surface, surface.best, n, k, error, box)
    trained, tests = costs.train_flops(n, d, k), costs.test_flops(n, k)
    needed, _ = least_training(surface, several, costs, error, grids, box, grid=_SIZES, rounds=0)
    about = np.stack([_at_budgets(*one, trained) for one in zip(needed, grids, strict=True)])
    scale = np.where(np.isfinite(about[0]), tests / about[0], 1.0)
    low, high = (end * scale for end in refit_ends(surface, about[1:]))
    return Frontier(trained, tests, n, d, k, low, high)


def least_training(
    surface: Surface, parameters: np.ndarray, costs: Costs, error: float, tests: np.ndarray, box: Box, **search: int
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The least training FLOPs with which an error is reached at test budgets, and the size n that needs them.

    Args:
        parameters: ``[boot, p]``. tests: FLOPs per item, ``[boot, test]``. search: as for
            :func:`ttscale.scaling.tradeoff.minimum.least`.

    Returns:
        Each ``[boot, test]``; ∞ and NaN where the error is not reached.
    """
    spent, at = np.repeat(parameters, tests.shape[1], axis=0)[:, None], tests.reshape(-1, 1)

    def training(log_n: np.ndarray) -> np.ndarray:
        n = np.exp(log_n[..., 0])
        k = np.minimum(costs.draws(n, at), math.exp(box.high[2]))
        return costs.train_flops(n, data_for(surface, spent, n, k, error, box), k)

    log_n, best = least(training, np.full(at.shape, box.low[0]), _largest(costs, at, box), **search)
    return best.reshape(tests.shape), np.where(np.isfinite(best), np.exp(log_n[:, 0]), math.nan).reshape(tests.shape)


def _largest(costs: Costs, tests: np.ndarray, box: Box) -> np.ndarray:
    """ln of the largest size in the box that the test budgets pay one draw of; its smallest where none does."""
    low, high = np.full(tests.shape, box.low[0]), np.full(tests.shape, box.high[0])
    everything = costs.test_flops(np.exp(high), 1.0) <= tests
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        paid = costs.test_flops(np.exp(middle), 1.0) <= tests
        low, high = np.where(paid, middle, low), np.where(paid, high, middle)
    return np.where(everything, box.high[0], low)


def least_test(surface: Surface, parameters: np.ndarray, costs: Costs, error: float, box: Box) -> np.ndarray:
    """The least test FLOPs per item with which an error is reached at all, with the most data of the box, ``[boot]``
    for parameters ``[boot, p]``; ∞ where it is not."""
    most = np.exp(box.high[1])

    def test(log_n: np.ndarray) -> np.ndarray:
        n = np.exp(log_n[..., 0])
        return costs.test_flops(n, draws_for(surface, parameters[:, None], n, most, error, box))

    ends = (np.full((len(parameters), 1), x) for x in (box.low[0], box.high[0]))
    return least(test, *ends)[1]


def _at_budgets(needed: np.ndarray, tests: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """The least test FLOPs ``[point]`` at training budgets, from the training FLOPs ``[test]`` that ascending test
    budgets need: linear in their logarithms. ∞ where the most are not enough; the least where less training would do
    with these."""
    falls = needed < np.concatenate([[np.inf], np.minimum.accumulate(needed)[:-1]])
    if not falls.any():
        return np.full(budgets.shape, np.inf)
    at, x, y = np.log(budgets), np.log(needed[falls])[::-1], np.log(tests[falls])[::-1]
    return np.where(at >= x[0], np.exp(np.interp(at, x, y)), np.inf)
