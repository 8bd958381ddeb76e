"""Coverage: the share of items of which at least one of the first k draws is right, what an oracle would pick from.

``pass@k`` of ``n`` exchangeable samples of which ``c`` are right is ``1 − C(n−c, k) / C(n, k)``: the unbiased
estimate of Chen et al., "Evaluating large language models trained on code" (2021), equation 1. A strategy that takes
``k_g`` samples from each of several pools misses with the product of their probabilities. Vote and coverage are drawn
together: a vote cannot beat the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.checks import check_text
from ttscale.scaling.curves.budgets import check_budgets
from ttscale.scaling.curves.curve import Curve, curve_of_strategy, default_strategy
from ttscale.scaling.curves.estimate import EXACT, Estimate
from ttscale.scaling.curves.misses import log_misses
from ttscale.scaling.curves.sampled_credits import parts_of, right_draws, sample_counts, samples_of_pool
from ttscale.scaling.intervals.bootstrap import check_bootstrap, count_units, unit_index
from ttscale.scaling.intervals.interval import Interval, check_level, check_method
from ttscale.scaling.intervals.resampled import Resampled
from ttscale.scaling.strategy import Strategy, check_draws, without_vote

COVERAGE = "coverage"
_DECIMALS = 12  # equal credits of items with other numbers of samples come out as equal numbers


def pass_at_k(n: np.ndarray | int, c: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    """Probability that ``k`` of ``n`` samples, drawn without replacement, hold one of the ``c`` that are right.

    Args:
        n: samples. c: how many are right, 0 to n. k: samples drawn, at least 1. Of shapes that broadcast.

    Returns:
        ``float64``; NaN where ``k > n``.

    Raises:
        TtscaleError: what is no whole number, a number out of range, or shapes that do not go together.
    """
    n, c, k = _whole(n, c, k)
    out = np.full(c.shape, np.nan)
    for samples, drawn in {(int(a), int(b)) for a, b in zip(n.flat, k.flat, strict=True) if b <= a}:
        at = (n == samples) & (k == drawn)
        out[at] = _hit(log_misses(samples, drawn)[c[at]])
    return out


def coverage_curve(
    records: Records,
    strategy: Strategy | None = None,
    *,
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    budgets: Sequence[int] | None = None,
    reference: str | None = None,
    interval: str = "percentile",
) -> Curve:
    """Coverage of a strategy at every budget (pass@k), exact over all orders of its samples.

    Arguments, defaults and errors as in :func:`ttscale.scaling.curves.curve.accuracy_curve`; the strategy's vote plays
    no part, and the cost is that of the draws alone.
    """
    check_text(records, "Coverage is of sampled answers; use accuracy_curve.")
    level = check_level(ci)
    check_method(interval)
    check_bootstrap(n_boot, level, count_units(records.n_items, unit_index(records.clusters)), seed)
    chosen = without_vote(strategy if strategy is not None else default_strategy(records))
    check_draws(records, chosen)
    ks = check_budgets(budgets, len(chosen.draws))
    found = Estimate(coverage_credits(records, chosen, ks), np.zeros(len(ks)), EXACT)
    return curve_of_strategy(
        records, chosen, ks, found, reference=reference, level=level, n_boot=n_boot, seed=seed,
        name=f"{chosen.name}/{COVERAGE}", vote=COVERAGE, counts=sample_counts(records, chosen), interval=interval,
    )  # fmt: skip


def coverage_credits(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """Probability of each item that one of k draws is right, over all choices of samples: ``float64 [k, item]``."""
    graded = records.graded()
    right = right_draws(graded)
    missed = np.zeros((len(budgets), records.n_items))
    for part in parts_of(graded, strategy):
        n, c, taken = samples_of_pool(graded, part), right[:, part.columns].sum(axis=1), part.taken(budgets)
        for samples in np.unique(n):
            items = np.flatnonzero(n == samples)
            for one in np.unique(taken[taken > 0]):
                missed[np.ix_(taken == one, items)] += log_misses(int(samples), int(one))[c[items]]
    return np.round(_hit(missed), _DECIMALS)


def interval_of(records: Records, credit: np.ndarray, what: str, level: float, n_boot: int, seed: int) -> Interval:
    """The mean of each item's credit ``[item]`` with its interval over items (or clusters of them)."""
    found = Resampled(credit[None], unit_index(records.clusters), level, n_boot, seed).interval(0)
    return replace(found, method=f"{what}, {found.method}")


def _whole(*values: np.ndarray | int) -> list[np.ndarray]:
    """``n``, ``c`` and ``k`` as arrays of one shape; TtscaleError unless all are whole numbers in range."""
    try:
        given = [np.asarray(value) for value in values]
        good = all(np.issubdtype(value.dtype, np.integer) for value in given)
        n, c, k = np.broadcast_arrays(*given)
    except ValueError:  # ragged lists, or shapes that do not broadcast
        good = False
    if not good or (n < 1).any() or (c < 0).any() or (c > n).any() or (k < 1).any():
        raise TtscaleError(
            "n, c, k", expected="whole numbers, n ≥ 1, 0 ≤ c ≤ n and k ≥ 1, of shapes that broadcast",
            got=", ".join(f"{name} = {value!r}" for name, value in zip("nck", values, strict=True)),
            fix="Check the counts.",
        )  # fmt: skip
    return [n, c, k]


def _hit(log_miss: np.ndarray) -> np.ndarray:
    """``1 − e^log_miss``, without the sign of −0."""
    return np.abs(np.expm1(log_miss))
