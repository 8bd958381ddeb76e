"""Same items, new samples: how far an accuracy would move if every item were sampled anew.

The interval of a curve is over items. This one keeps the items and asks for the luck of their samples alone, by the
jackknife: with one sample of an item left out in turn, ``(n − 1)/n Σ_j (u_(−j) − ū)²`` estimates the variance of the
item's credit, on the safe side (Efron and Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981);
samples of different items are independent, so the variances add up. It needs n − 1 samples to tell of budgets well
below n, and is given for ``k ≤ n/2``.

Where the credit is exact over all subsets, so is ``u_(−j)``. Elsewhere it is the mean over those of the same random
orders whose first k draws leave sample j out, and the variance that so few orders add is taken off (Wager, Hastie and
Efron, "Confidence intervals for random forests: the jackknife and the infinitesimal jackknife", JMLR 15, 2014). What is
left has an error of its own, which two halves of the orders tell: a variance within it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ttscale.draws import keyed
from ttscale.records.graded import Graded
from ttscale.records.records import Records
from ttscale.scaling.checks import check_text
from ttscale.scaling.curves.best_of import best_credits
from ttscale.scaling.curves.budgets import check_budgets
from ttscale.scaling.curves.curve import default_strategy
from ttscale.scaling.curves.estimate import check_ties
from ttscale.scaling.curves.random_orders import Pooled, placed_credits
from ttscale.scaling.curves.sampled_credits import (
    Part,
    parts_of,
    pooled_of,
    right_draws,
    sampled_credits,
    samples_of_pool,
    weights_of,
)  # fmt: skip
from ttscale.scaling.curves.subsets import first_seen_credits, majority_credits, tally_of, without_one
from ttscale.scaling.intervals.bootstrap import check_seed, mean_credit
from ttscale.scaling.intervals.interval import Interval, check_level, normal_quantile, wilson
from ttscale.scaling.strategy import Strategy, check_draws
from ttscale.voting.answers import ABSTAINS
from ttscale.voting.votes import AnswerVote, get_vote

JACKKNIFE_ORDERS = 128
METHOD = "same items, new samples: jackknife over the samples of each item"
UNSEEN = "no sample left out changes it, so it is widened by what so many may not have shown (Wilson's limit of 0)"
_ROWS_AT_ONCE = 8192
_CELLS_AT_ONCE = 4_000_000  # items × orders × samples
_MOST_CELLS = 3e7  # the same of all items, where more orders are to tell what few do not
_CLEAR = 2.0  # standard errors that a variance from random orders must be away from 0
_SAME = 1e-9  # credits that differ by less are equal but for rounding


def sample_noise(
    records: Records, strategy: Strategy | None = None, *, vote: str = "auto", budgets: Sequence[int] | None = None,
    ci: float = 0.95, seed: int = 0, ties: str = "shared",
) -> tuple[Interval, ...]:  # fmt: skip
    """The accuracy at each budget with the interval in which it would fall if the same items were sampled anew.

    Args:
        records: of a language model. strategy, vote, budgets, ties: as in
            :func:`ttscale.scaling.curves.curve.accuracy_curve`.
        ci: level of the intervals, which are normal, within [0, 1].
        seed: of the random orders where no exact mean is at hand.

    Returns:
        One interval a budget. Where a budget takes more than half of any item's samples of one member, prompt and
        decoding, or random orders do not tell the variance, its ends are NaN and its ``method`` says so. Where no
        sample left out changes the accuracy, it is widened by the upper Wilson limit of 0 in all samples.

    Raises:
        TtscaleError: as ``accuracy_curve``, and for Records of images, whose views are not random samples.
    """
    check_text(records, "The views of an image are no random samples: resample items, by accuracy_curve.")
    check_seed(seed)
    level = check_level(ci)
    check_ties(ties, records.outcome)
    chosen = strategy if strategy is not None else default_strategy(records, vote)
    check_draws(records, chosen)
    ks = check_budgets(budgets, len(chosen.draws))
    graded = records.graded()
    parts = parts_of(graded, chosen)
    spare = np.stack([samples_of_pool(graded, part).min() // 2 - part.taken(ks) for part in parts])
    known = ks[(spare >= 0).all(axis=0)]
    accuracy = mean_credit(sampled_credits(records, chosen, ks, seed=seed, ties=ties).credit)
    error = np.full(len(ks), math.nan)
    if known.size:
        error[np.isin(ks, known)] = np.sqrt(_variance(records, chosen, parts, known, seed, ties))
    n_samples = sum(int(samples_of_pool(graded, part).sum()) for part in parts)
    out = []
    for k, value, spread in zip(ks, accuracy, error, strict=True):
        reach, method = normal_quantile(level) * spread, METHOD
        if spread < _SAME:
            reach, method = wilson(0, n_samples, level)[1], f"{METHOD}; {UNSEEN}"
        elif k not in known:
            method = _too_many(int(k), graded, parts)
        elif math.isnan(spread):
            method = f"no interval: random orders of the samples do not tell it from their own error at k = {k}"
        low, high = np.clip([value - reach, value + reach], 0.0, 1.0)
        out.append(Interval(float(value), float(low), float(high), level, method))
    return tuple(out)


def _too_many(k: int, graded: Graded, parts: Sequence[Part]) -> str:
    least = min(int(samples_of_pool(graded, part).min()) for part in parts)
    return (
        f"no interval: a jackknife over samples needs at least twice as many as a budget takes, and k = {k} takes more "
        f"than half of the {least} that an item has"
    )


def _variance(
    records: Records, strategy: Strategy, parts: Sequence[Part], ks: np.ndarray, seed: int, ties: str
) -> np.ndarray:
    """Of the accuracy over new samples, ``float64 [k]``; NaN where random orders do not tell it."""
    graded, vote = records.graded(), get_vote(strategy.vote, records.vote_kind)
    assert isinstance(vote, AnswerVote)
    found = None
    if len(parts) == 1 and (vote.score is None or vote.best):
        found = _exact(graded, parts, vote, ks, ties)
    if found is None:
        return _by_orders(pooled_of(records, parts, vote), ks, seed, ties) / records.n_items**2
    return found.sum(axis=1) / records.n_items**2


def _exact(graded: Graded, parts: Sequence[Part], vote: AnswerVote, ks: np.ndarray, ties: str) -> np.ndarray | None:
    """The variance of each item's exact credit, ``float64 [k, item]``; None where that takes too much work."""
    columns, n = parts[0].columns, samples_of_pool(graded, parts[0])
    answers, right = graded.answers[:, columns], right_draws(graded)[:, columns]
    if not vote.best and ties != "first_seen":
        fewer, rows, times = without_one(tally_of(answers, right, n))
        credit = majority_credits(fewer, ks, ties=ties)
        return None if credit is None else _jackknife(credit, rows, times, n)
    scores = np.where(answers == ABSTAINS, -math.inf, weights_of(graded, vote, parts)[:, columns])
    out = np.empty((len(ks), len(n)))
    step = max(1, _ROWS_AT_ONCE // len(columns))
    for start in range(0, len(n), step):
        some = slice(start, start + step)
        rows, place = np.nonzero(graded.exists[some][:, columns])
        one = (np.arange(len(rows)), place)
        less, score = answers[some][rows], scores[some][rows]
        less[one], score[one] = ABSTAINS, -math.inf
        hit = right[some][rows] & (less != ABSTAINS)
        if vote.best:
            credit = best_credits(less, hit, score, n[some][rows] - 1, ks, ties=ties)
        else:
            credit = first_seen_credits(less, hit, n[some][rows] - 1, ks)
        if credit is None:
            return None
        out[:, some] = _jackknife(credit, rows, np.ones(len(rows)), n[some])
    return out


def _jackknife(credit: np.ndarray, rows: np.ndarray, times: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Variance of each row from its credits with one sample left out, ``[k, left out]``, each of which stands for so
    many samples."""
    out = np.empty((len(credit), len(n)))
    for k, values in enumerate(credit):
        mean = np.bincount(rows, times * values, minlength=len(n)) / n
        out[k] = np.bincount(rows, times * np.square(values - mean[rows]), minlength=len(n)) * (n - 1) / n
    return out


def _by_orders(pooled: Pooled, ks: np.ndarray, seed: int, ties: str) -> np.ndarray:
    """The variances of the items' credits added up, from random orders, ``float64 [k]``: NaN where these are too few to
    tell it from their own error. There are more orders where that is so, as long as the work allows."""
    out = np.full(len(ks), math.nan)
    left, orders = np.arange(len(ks)), JACKKNIFE_ORDERS
    a_order = sum(map(len, pooled.columns))
    while left.size and (orders == JACKKNIFE_ORDERS or a_order * len(pooled.keys) * orders <= _MOST_CELLS):
        variance, error = _from_orders(pooled, ks[left], seed, ties, orders)
        clear = (variance >= _CLEAR * error) & (variance >= 0)
        out[left[clear]] = variance[clear]
        left, orders = left[~clear], 4 * orders
    return out


def _from_orders(pooled: Pooled, ks: np.ndarray, seed: int, ties: str, n_orders: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from so many orders, below 0 by chance; with its standard error, from how two halves differ."""
    taken = np.stack([np.searchsorted(where, ks) for where in pooled.places])
    found = np.zeros((3, len(ks), len(pooled.keys)))
    cells = n_orders * sum(map(len, pooled.columns))
    step = max(1, min(_ROWS_AT_ONCE // n_orders, _CELLS_AT_ONCE // cells))
    for start in range(0, len(pooled.keys), step):
        items = np.arange(start, min(start + step, len(pooled.keys)))
        columns, ranks = _orders(pooled, items, seed, int(ks[-1]), n_orders)
        credit = placed_credits(pooled, items, columns, ties)[ks - 1].reshape(len(ks), len(items), -1)
        for pool, rank in enumerate(ranks):
            n = pooled.n[pool, items]
            for k in range(len(ks)):
                found[:, k, items] += _of_halves(credit[k], rank >= taken[pool, k], n)
    first, second, whole = found
    return whole.sum(axis=1), np.sqrt(np.square(first - second).sum(axis=1)) / 2


def _of_halves(credit: np.ndarray, out_of: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The variance of each item's credit by the first half of the orders, the second and all: ``float64 [3, item]``.

    Args:
        credit: of each order, ``[item, order]``. out_of: which samples it leaves out, ``bool [item, order, sample]``.
        n: samples that exist, ``int64 [item]``.
    """
    half = credit.shape[1] // 2
    exists = np.arange(out_of.shape[-1]) < n[:, None]
    sums, counts = np.empty((2, 3, *exists.shape))
    for part, some in enumerate((slice(half), slice(half, None))):
        left_out = out_of[:, some].astype(np.float64)
        sums[part], counts[part] = (credit[:, None, some] @ left_out)[:, 0], left_out.sum(axis=1)
    sums[2], counts[2] = sums[0] + sums[1], counts[0] + counts[1]
    out = np.empty((3, len(n)))
    for part, some in enumerate((slice(half), slice(half, None), slice(None))):
        orders = np.maximum(counts[part], 1.0)
        of = credit[:, some]
        apart = sums[part] / orders - of.mean(axis=1, keepdims=True)
        chance = of.var(axis=1, ddof=1, keepdims=True) * (1 / orders - 1 / of.shape[1])
        out[part] = np.where(exists, np.square(apart) - chance, 0.0).sum(axis=1) * (n - 1) / n
    return np.where(np.ptp(credit, axis=1) > _SAME, out, 0.0)


def _orders(
    pooled: Pooled, items: np.ndarray, seed: int, n_draws: int, n_orders: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Independent random orders: the draws, ``int64 [draw, item, order]``, and of each pool the rank of its samples in
    every order, ``int32 [item, order, sample]``."""
    columns = np.empty((n_draws, len(items), n_orders), dtype=np.int64)
    ranks = []
    order = np.arange(n_orders)[:, None]
    for pool, (held, where) in enumerate(zip(pooled.columns, pooled.places, strict=True)):
        keys = pooled.keys[items][:, None, None] ^ pooled.names[held]
        luck = keyed.uniforms(seed, keys, stream=keyed.ORDERS, variant=2, sample=order)
        luck = np.where(np.arange(len(held)) < pooled.n[pool, items][:, None, None], luck, 2.0)  # absent ones last
        by_rank = np.argsort(luck, axis=-1)
        rank = np.empty(by_rank.shape, dtype=np.int32)
        np.put_along_axis(rank, by_rank, np.arange(len(held), dtype=np.int32)[None, None], axis=-1)
        ranks.append(rank)
        used = where[where < n_draws]
        columns[used] = held[by_rank[..., : len(used)]].transpose(2, 0, 1)
    return columns, ranks
