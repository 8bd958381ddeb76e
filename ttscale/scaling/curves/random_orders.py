"""Votes averaged over keyed random orders of the samples, where no exact mean is at hand.

The samples of a pool are exchangeable, so accuracy at a budget is the mean over orders of each pool's samples. The
orders come in rounds: a random permutation of the pool, started at places evenly spaced round it. Each of them is a
uniformly random order, so the mean is unbiased; and as the starts are apart, the small budgets use every sample equally
often, which is the estimate from disjoint blocks of samples (Hoeffding 1948 on U-statistics). The rounds come in two
independent halves, whose differences, item by item, give the standard error of the mean over items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.draws import keyed
from ttscale.scaling.curves.estimate import Estimate
from ttscale.voting.answers import prefix_credits

_ROWS_AT_ONCE = 2048  # items × orders; the running totals then stay near the cache
_CELLS_AT_ONCE = 4_000_000  # items × orders × draws


@dataclass(frozen=True, eq=False)
class Pooled:
    """Samples of several pools, as a strategy takes them.

    Attributes:
        answers, right, log_weights: ``[item, draw]``, of all draws of the Records.
        columns: per pool the draws of its samples. n: how many of them each item has, ``int64 [pool, item]``.
        places: per pool, where in the strategy its draws stand.
        names: per draw a key that says which sample of what it is, ``int64 [draw]``.
        keys: of the items, ``int64 [item]``.
        best: best-of-n.
        exchange: whether the pools themselves are exchangeable: their turns are then shuffled too.
    """

    answers: np.ndarray
    right: np.ndarray
    log_weights: np.ndarray
    columns: Sequence[np.ndarray]
    n: np.ndarray
    places: Sequence[np.ndarray]
    names: np.ndarray
    keys: np.ndarray
    best: bool
    exchange: bool = False


def mean_over_orders(pooled: Pooled, budgets: np.ndarray, *, orders: int, seed: int, ties: str) -> Estimate:
    """Credits of the first k draws, averaged over at least so many random orders."""
    credit = np.empty((len(budgets), len(pooled.keys)))
    apart = np.empty_like(credit)
    most, held = 0, sum(map(len, pooled.columns))
    for items in alike_items(pooled.n):
        n = pooled.n[:, items[0]]
        half = whole_rounds(-(-orders // 2), int(n.max()))
        most = max(most, 2 * half)
        step = max(1, min(_ROWS_AT_ONCE, _CELLS_AT_ONCE // held) // (2 * half))
        for start in range(0, len(items), step):
            some = items[start : start + step]
            halves = [_columns(pooled, some, n, half, seed, part, int(budgets[-1])) for part in (0, 1)]
            found = placed_credits(pooled, some, np.concatenate(halves, axis=2), ties)[budgets - 1]
            means = found.reshape(len(budgets), len(some), 2, half).mean(axis=-1)
            credit[:, some] = means.mean(axis=-1)
            apart[:, some] = np.abs(means[..., 0] - means[..., 1])
    if budgets[0] == 1:
        credit[0], apart[0] = _first(pooled), 0.0
    error = np.sqrt(np.square(apart / 2).sum(axis=1)) / len(pooled.keys)
    return Estimate(credit, error, f"mean over {most} random orders")


def _first(pooled: Pooled) -> np.ndarray:
    """The credit of one draw: the mean over the pool, or over all pools that may come first."""
    earns = pooled.right & (pooled.log_weights > -math.inf)
    pools = range(len(pooled.columns)) if pooled.exchange else [0]
    return np.mean([earns[:, pooled.columns[pool]].sum(axis=1) / pooled.n[pool] for pool in pools], axis=0)


def alike_items(n: np.ndarray) -> list[np.ndarray]:
    """The items of each combination of pool sizes."""
    _, which = np.unique(n, axis=1, return_inverse=True)
    which = which.reshape(-1)
    return [np.flatnonzero(which == one) for one in range(int(which.max()) + 1)]


def whole_rounds(orders: int, n: int) -> int:
    """So many orders, made up to whole rounds of the largest pool (n samples) unless that is larger still."""
    return orders if n > orders else n * -(-orders // n)


def placed_credits(pooled: Pooled, items: np.ndarray, columns: np.ndarray, ties: str) -> np.ndarray:
    """Credit of the first k draws in each order, for every k: ``float64 [draw, item × order]``.

    Args:
        columns: the draws taken, ``int64 [draw, item, order]``.
    """
    at = (items[None, :, None], columns)
    flat = (len(columns), -1)
    places = None
    if ties == "first_seen" and len(pooled.columns) == 1:  # of several pools the strategy's own order says who is first
        place = np.zeros(pooled.answers.shape[1], dtype=np.int64)
        place[pooled.columns[0]] = np.arange(len(pooled.columns[0]))
        places = place[columns].reshape(flat)
    return prefix_credits(
        pooled.answers[at].reshape(flat), pooled.right[at].reshape(flat), pooled.log_weights[at].reshape(flat),
        best=pooled.best, ties=ties, places=places,
    )  # fmt: skip


def _columns(
    pooled: Pooled, items: np.ndarray, n: np.ndarray, n_orders: int, seed: int, half: int, n_draws: int
) -> np.ndarray:
    """The draws in each order: ``int64 [draw, item, order]``."""
    if pooled.exchange:  # whole rounds of turns
        n_draws = min(-(-n_draws // len(pooled.places)) * len(pooled.places), sum(map(len, pooled.places)))
    out = np.empty((n_draws, len(items), n_orders), dtype=np.int64)
    keys = pooled.keys[items]
    for pool, (held, where) in enumerate(zip(pooled.columns, pooled.places, strict=True)):
        used = where[where < n_draws]
        out[used] = permuted(held[: n[pool]], pooled.names, keys, n_orders, seed, half)[: len(used)]
    return _exchanged(out, pooled, keys, seed, half) if pooled.exchange else out


def _exchanged(columns: np.ndarray, pooled: Pooled, keys: np.ndarray, seed: int, half: int) -> np.ndarray:
    """The same with the turns of the pools shuffled: every whole round of turns has each pool once."""
    n_pools, (n_draws, _, n_orders) = len(pooled.places), columns.shape
    whole = columns[: n_draws // n_pools * n_pools]
    which = np.arange(n_pools * n_orders)
    uniform = keyed.uniforms(seed, keys[:, None], stream=keyed.ORDERS, variant=1, sample=half, step=which)
    turns = np.argsort(uniform.reshape(len(keys), n_orders, n_pools), axis=-1).transpose(2, 0, 1)
    by_round = whole.reshape(-1, n_pools, *columns.shape[1:])
    shuffled = np.take_along_axis(by_round, turns[None], axis=1).reshape(whole.shape)
    return np.concatenate([shuffled, columns[len(whole) :]])


def permuted(
    columns: np.ndarray, names: np.ndarray, keys: np.ndarray, n_orders: int, seed: int, half: int = 0
) -> np.ndarray:
    """Columns of a pool's samples in each order: ``int64 [sample, item, order]``."""
    n = len(columns)
    if n == 1:
        return np.broadcast_to(columns[:, None, None], (n, len(keys), n_orders))
    rounds = -(-n_orders // n)
    permutations = np.stack([
        np.argsort(
            keyed.uniforms(seed, keys[:, None] ^ names[columns], stream=keyed.ORDERS, sample=2 * turn + half), axis=1
        )
        for turn in range(rounds)
    ])  # fmt: skip
    turn, start = _rounds(n_orders, n)
    place = (np.arange(n)[:, None] + start) % n  # [sample, order]
    return columns[permutations[turn[None, :], :, place].transpose(0, 2, 1)]


def _rounds(n_orders: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The permutation and the place in it that each order starts from: ``int64 [order]`` each."""
    order = np.arange(n_orders)
    turn = order // n
    within = np.minimum(n_orders - turn * n, n)  # orders in the round
    return turn, (order - turn * n) * n // within
