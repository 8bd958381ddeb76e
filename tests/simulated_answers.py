"""Runs whose truth is known: every item is right with a probability of its own, from a beta distribution.

There are two answers, so that a majority of k samples is right with a probability that the beta-binomial distribution
gives exactly, for new items and new samples; the coverage of an interval is then a matter of counting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import betabinom, binom
from text_example import graded_of, samples_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.curves.sample_noise import sample_noise
from ttscale.scaling.intervals.resampled import Resampled
from ttscale.scaling.planning.plan import plan

LEVEL = 0.9
_SEEDS = 8  # of resamples, whose weights are kept


class Cell(NamedTuple):
    """What was counted: of ``runs`` runs, those whose interval held the truth."""

    what: str
    truth: float
    covered: float
    runs: int


def majority(p: np.ndarray, k: int) -> np.ndarray:
    """Probability that most of k samples are right, ties being right half the time, for items right with this p."""
    return 1 - binom.cdf(k // 2, k, p) + (0.5 * binom.pmf(k // 2, k, p) if k % 2 == 0 else 0.0)


def expected_majority(a: float, b: float, k: int) -> float:
    """The same for a new item, whose p is a draw from Beta(a, b)."""
    tie = 0.5 * betabinom.pmf(k // 2, k, a, b) if k % 2 == 0 else 0.0
    return float(1 - betabinom.cdf(k // 2, k, a, b) + tie)


def beta_of(accuracy: float, spread: float = 2.0) -> tuple[float, float]:
    """The beta distribution of this mean, with a + b = spread: 2 is as wide as a uniform one."""
    return accuracy * spread, (1 - accuracy) * spread


def run_of(p: np.ndarray, n: int, rng: np.random.Generator) -> Records:
    """n samples of every item, of which answer 0 is right."""
    answers = (rng.random((len(p), n)) >= p[:, None]).astype(np.int32)
    return samples_of(answers, _zero_is_right(len(p)))


def curve_coverage(
    accuracy: float, n_items: int, n: int, budgets: Sequence[int], *, runs: int, methods: Sequence[str],
    n_boot: int = 400, seed: int = 0,
) -> Iterator[Cell]:  # fmt: skip
    """Intervals of a curve, one cell a method and budget whose truth lies in [.1, .9]."""
    rng = np.random.default_rng([seed, n_items, n, round(accuracy * 1000)])
    a, b = beta_of(accuracy)
    truth = np.array([expected_majority(a, b, k) for k in budgets])
    covered = np.zeros((len(methods), len(budgets)))
    for run in range(runs):
        records = run_of(rng.beta(a, b, n_items), n, rng)
        curve = accuracy_curve(records, budgets=budgets, ci=LEVEL, n_boot=n_boot, seed=run % _SEEDS)
        for row, method in enumerate(methods):
            low, high = Resampled(curve.credit, None, LEVEL, n_boot, curve.seed, method).bounds
            covered[row] += (low <= truth) & (truth <= high)
    for row, method in enumerate(methods):
        for column, k in enumerate(budgets):
            if 0.1 <= truth[column] <= 0.9:
                what = f"{method}, {n_items} items, {n} samples, k = {k}, accuracy of one sample {accuracy:g}"
                yield Cell(what, float(truth[column]), float(covered[row, column] / runs), runs)


def cluster_coverage(
    n_clusters: int, size: int, *, runs: int, methods: Sequence[str], n_boot: int = 400, seed: int = 0
) -> Iterator[Cell]:
    """Intervals over clusters of items that are alike: Beta(2, 1) between clusters, four samples an item."""
    rng = np.random.default_rng([seed, 4, n_clusters, size])
    units = np.repeat(np.arange(n_clusters), size)
    covered = np.zeros(len(methods))
    for run in range(runs):
        p = rng.beta(2.0, 1.0, n_clusters)[units]
        credit = rng.binomial(4, p)[None] / 4
        for row, method in enumerate(methods):
            low, high = Resampled(credit, units, LEVEL, n_boot, run % _SEEDS, method).bounds
            covered[row] += low[0] <= 2 / 3 <= high[0]
    for method, one in zip(methods, covered / runs, strict=True):
        yield Cell(f"{method}, {n_clusters} clusters of {size} items", 2 / 3, float(one), runs)


def difference_coverage(accuracy: float, n_items: int, n: int, *, runs: int, method: str, seed: int = 0) -> Cell:
    """Paired differences between all samples and one."""
    rng = np.random.default_rng([seed, 1, n_items, n, round(accuracy * 1000)])
    a, b = beta_of(accuracy)
    truth = expected_majority(a, b, n) - expected_majority(a, b, 1)
    covered = 0
    for run in range(runs):
        records = run_of(rng.beta(a, b, n_items), n, rng)
        curve = accuracy_curve(records, budgets=[1, n], ci=LEVEL, n_boot=400, seed=run % _SEEDS)
        rows = Resampled(curve.credit, None, LEVEL, 400, curve.seed, method)
        found = rows.minus(1, rows, 0)
        covered += found.low <= truth <= found.high
    return Cell(f"{method}, difference of {n} samples and 1, {n_items} items", truth, covered / runs, runs)


def noise_coverage(accuracy: float, n_items: int, n: int, k: int, *, runs: int, seed: int = 0) -> Cell:
    """ "Same items, new samples": the same items in every run, against their own expected accuracy."""
    rng = np.random.default_rng([seed, 2, n_items, n, k])
    p = rng.beta(*beta_of(accuracy), n_items)
    truth = float(majority(p, k).mean())
    found = [sample_noise(run_of(p, n, rng), budgets=[k], ci=LEVEL)[0] for _ in range(runs)]
    covered = float(np.mean([one.low <= truth <= one.high for one in found]))
    return Cell(f"same items, new samples; {n_items} items, {n} samples, k = {k}", truth, covered, runs)


class Planned(NamedTuple):
    """Plans chosen among equals: the luckiest is taken.

    Attributes:
        scored: coverage of the interval on the items that did not choose. chosen: the same on those that did.
        claimed: share of the runs in which a plan claimed an accuracy just above what any candidate has.
        optimism: mean accuracy where it was chosen, less that where it was scored.
    """

    scored: float
    chosen: float
    claimed: float
    optimism: float


def plan_coverage(n_items: int, *, pools: int = 6, n: int = 4, runs: int, seed: int = 0) -> Planned:
    """Of several decodings that are equally good, right half of the time at any budget."""
    rng = np.random.default_rng([seed, 3, n_items])
    inside = np.zeros(2)
    asked: dict[str, Any] = {"confidence": LEVEL, "n_boot": 200, "learn": False, "votes": ("plurality",)}
    claimed, optimism = 0, 0.0
    for run in range(runs):
        p = rng.beta(1.0, 1.0, (n_items, pools))
        records = several_pools(p, n, rng)
        best = plan(records, max_flops=1e12, seed=run % _SEEDS, **asked)
        for half, scored in enumerate((best.scored_on, best.chosen_on)):
            inside[half] += scored.low <= 0.5 <= scored.high
        optimism += best.optimism
        try:
            plan(records, min_accuracy=0.501, seed=run % _SEEDS, **asked)
            claimed += 1
        except TtscaleError as error:
            assert error.argument == "min_accuracy"
    return Planned(*(inside / runs).tolist(), claimed / runs, optimism / runs)


def several_pools(p: np.ndarray, n: int, rng: np.random.Generator) -> Records:
    """Samples under several decodings, each right with a probability of its own per item: ``p [item, pool]``."""
    draws = [TextDraw("m", "plain", f"T{pool}", sample) for pool in range(p.shape[1]) for sample in range(n)]
    answers = (rng.random((len(p), p.shape[1], n)) >= p[..., None]).reshape(len(p), -1)
    correct = _zero_is_right(len(p))
    ids = [f"item{i}" for i in range(len(p))]
    return Records.from_graded(graded_of(answers.astype(np.int32), correct, draws), item_ids=ids)


def _zero_is_right(n_items: int) -> np.ndarray:
    return np.tile([True, False], (n_items, 1))
