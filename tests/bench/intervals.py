"""Rows of truth: do intervals hold what they should, over runs whose truth is known; not of speed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from simulated_answers import (
    LEVEL,
    Cell,
    cluster_coverage,
    curve_coverage,
    difference_coverage,
    noise_coverage,
    plan_coverage,
)
from text_example import samples_of

from ttscale.scaling.limits.limit import vote_limit

RUNS, FEWER, OF_LIMITS, FEW_LIMITS = 2000, 1000, 100, 40
CLUSTERS = ((12, 20), (40, 5))  # how many, of how many items each
ACCURACIES, ITEMS, SAMPLES = (0.1, 0.3, 0.5, 0.7, 0.9), (200, 500), (1, 8, 32)
METHODS = ("percentile", "bca")
ALLOWED = 0.05

Model = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def interval_coverage() -> dict[str, Any]:
    """The worst miss of 90 % intervals over a grid of accuracies, items, samples and budgets, over 5 points: of curves
    by percentiles and BCa, of paired differences, of new samples of the same items, and of a plan's choice."""
    cells = list(_cells())
    plans = {n: plan_coverage(n, runs=FEWER) for n in ITEMS}
    misses = [abs(cell.covered - LEVEL) for cell in cells] + [abs(one.scored - LEVEL) for one in plans.values()]
    of_method = {
        method: _summary([cell for cell in cells if cell.what.startswith(f"{method}, ")]) for method in METHODS
    }  # fmt: skip
    return {
        "ratio": max(misses) / ALLOWED, "limit": 1.0, "methods": of_method,
        "cells": [cell._asdict() for cell in cells],
        "plans": {str(n): one._asdict() for n, one in plans.items()},
        "setting": f"{len(cells)} cells of {RUNS} or {FEWER} runs, 90 % intervals",
    }  # fmt: skip


def _cells() -> Iterator[Cell]:
    for n_clusters, size in CLUSTERS:
        yield from cluster_coverage(n_clusters, size, runs=FEWER, methods=METHODS)
    for n_items in ITEMS:
        for accuracy in ACCURACIES:
            for n in SAMPLES:
                budgets = [k for k in (1, 2, 4, 8, 16, 32) if k <= n]
                yield from curve_coverage(accuracy, n_items, n, budgets, runs=RUNS, methods=METHODS)
        for accuracy in (0.3, 0.7):
            for method in METHODS:
                yield difference_coverage(accuracy, n_items, 8, runs=FEWER, method=method)
        for k in (1, 2, 4):
            yield noise_coverage(0.6, n_items, 8, k, runs=FEWER)


def _summary(cells: list[Cell]) -> dict[str, float]:
    covered = np.array([cell.covered for cell in cells])
    return {"cells": len(cells), "mean": covered.mean(), "least": covered.min(), "most": covered.max()}


def limit_coverage() -> dict[str, Any]:
    """The worst bias of the limit of a vote from 16 samples or more, over 2 points, for five ways in which answers may
    be spread; beside it other priors, the leading answer taken for the limit, and what its intervals cover: for each of
    these and of some harder ones 90 % of the runs or more, but for 10 points."""
    found = [
        {"answers": name, "samples": n, **_limits(model, n, OF_LIMITS)}
        for name, model in MODELS.items()
        for n in (4, 16, 64)
    ]
    near = [
        {"answers": name, "samples": n, **_limits(model, n, FEW_LIMITS)}
        for name, model in NEAR_TIES.items()
        for n in (8, 32)
    ]
    worst = max(abs(one["bias"]["fitted"]) for one in found if one["samples"] >= 16)
    missed = LEVEL - min(one["covered"]["fitted"] for one in [*found, *near])
    return {
        "ratio": max(worst / 0.02, missed / 0.1), "limit": 1.0, "bias": worst, "missed": missed, "found": found,
        "near_ties": near, "setting": f"200 items, {OF_LIMITS} runs a cell; of near ties {FEW_LIMITS}",
    }  # fmt: skip


def _limits(model: Model, n: int, runs: int) -> dict[str, Any]:
    rng = np.random.default_rng([7, n])
    p, right = model(rng, 40_000)
    truth = float(right[np.arange(len(p)), p.argmax(axis=1)].mean())
    priors: tuple[str | float, ...] = ("fitted", 1.0, 0.5)
    limits: dict[str, list[Any]] = {str(prior): [] for prior in priors}
    for _ in range(runs):
        p, right = model(rng, 200)
        answers = (rng.random((200, n, 1)) > np.cumsum(p, axis=1)[:, None, :-1]).sum(axis=-1)
        records = samples_of(answers, right[:, : answers.max() + 1])
        for prior in priors:
            limits[str(prior)].append(vote_limit(records, ci=LEVEL, n_boot=200, prior=prior))
    bias = {prior: float(np.mean([one.interval.value for one in some]) - truth) for prior, some in limits.items()}
    leading = float(np.mean([one.leading for one in limits["fitted"]]) - truth)
    covered = {
        prior: float(np.mean([one.interval.low <= truth <= one.interval.high for one in some]))
        for prior, some in limits.items()
    }
    return {"truth": truth, "bias": bias | {"leading": leading}, "covered": covered}


def sticks(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of a Dirichlet process, of another θ for each item; the right answer is mostly a large one."""
    theta = np.exp(rng.normal(0.0, 1.2, n_items))
    broken = rng.beta(1.0, theta[:, None], (n_items, 150))
    left = np.cumprod(np.concatenate([np.ones((n_items, 1)), 1 - broken[:, :-1]], axis=1), axis=1)
    which = np.where(rng.random(n_items) < 0.6, 0, rng.integers(0, 150, n_items))
    return _normalised(broken * left), np.arange(150) == which[:, None]


def lured(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Twelve answers, one of the wrong ones a lure."""
    logits = rng.gumbel(size=(n_items, 12)) * 0.8
    logits[:, 0] += rng.normal(1.0, 1.2, n_items)
    logits[np.arange(n_items), rng.integers(1, 12, n_items)] += rng.normal(1.0, 1.0, n_items)
    return _normalised(np.exp(logits / 0.8)), _first(n_items, 12)


def two(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Yes or no."""
    p = rng.beta(2.0, 1.5, n_items)
    return np.stack([p, 1 - p], axis=1), _first(n_items, 2)


def four(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Multiple choice."""
    return rng.dirichlet([1.6, 0.8, 0.8, 0.8], n_items), _first(n_items, 4)


def hard(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Sixty answers, of which the right one is little more likely than others."""
    logits = rng.normal(0.0, 1.5, (n_items, 60))
    logits[:, 0] += 1.0
    return _normalised(np.exp(logits)), _first(n_items, 60)


def alike(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """All items alike, right a little more often than wrong in one way."""
    return np.tile([0.45, 0.40, 0.15], (n_items, 1)), _first(n_items, 3)


def half_lost(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of the items are nearly settled, and half are wrong a little more often than right."""
    first = rng.random((n_items, 1)) < 0.5
    return np.where(first, [0.9, 0.05, 0.05], [0.35, 0.5, 0.15]), _first(n_items, 3)


def nearly_one(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Right in 11 of 20, all items alike, yes or no."""
    return np.tile([0.55, 0.45], (n_items, 1)), _first(n_items, 2)


def level(rng: np.random.Generator, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Four wrong answers, equally likely."""
    right = rng.beta(0.7, 0.9, (n_items, 1))
    return np.concatenate([right, np.repeat((1 - right) / 4, 4, axis=1)], axis=1), _first(n_items, 5)


def _normalised(p: np.ndarray) -> np.ndarray:
    return p / p.sum(axis=1, keepdims=True)


def _first(n_items: int, answers: int) -> np.ndarray:
    return np.tile(np.arange(answers) == 0, (n_items, 1))


MODELS: dict[str, Model] = {"sticks": sticks, "lured": lured, "two": two, "four": four, "hard": hard}
NEAR_TIES: dict[str, Model] = {"alike": alike, "half lost": half_lost, "nearly one": nearly_one, "level": level}
ROWS = {"interval_coverage": interval_coverage, "limit_coverage": limit_coverage}
