"""What language draws earn and cost at every budget, averaged over which of the exchangeable samples are taken.

A strategy says from which pool (member, variant, decoding) its next draw comes. The samples of a pool are exchangeable,
so accuracy at a budget is the mean over keyed random orders of each pool's samples; the first k alone would be one draw
of that mean. The orders come in rounds: a random permutation of the pool, started at places evenly spaced round it.
Each of them is a uniformly random order, so the mean is unbiased; and as the starts are apart, the small budgets use
every sample equally often, which is the estimate from disjoint blocks of samples (Hoeffding 1948 on U-statistics). One
draw needs no orders: it is the mean over the pool.

Costs need no orders: the mean cost of n samples of a pool is n times the pool's mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.draws import keyed
from ttscale.errors import TtscaleError
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.profiles import latest, seconds_of
from ttscale.records.records import Records
from ttscale.scaling.sampled import GREEDY, Pool, plain, pool_of, pools
from ttscale.scaling.strategy import Strategy
from ttscale.voting.answers import prefix_credits
from ttscale.voting.votes import AnswerVote, get_vote

ORDERS = 32
_ROWS_AT_ONCE = 2048  # items × orders; the running totals then stay near the cache


@dataclass(frozen=True)
class Part:
    """A pool and how a strategy uses it.

    Attributes:
        columns: of the pool's samples in the graded draws. places: where in the strategy its draws stand.
    """

    pool: Pool
    columns: np.ndarray
    places: np.ndarray

    def taken(self, budgets: np.ndarray) -> np.ndarray:
        """How many of its samples each budget takes: ``int64 [k]``."""
        return np.searchsorted(self.places, budgets)


@dataclass(frozen=True)
class BudgetCosts:
    """Cost per item of each budget.

    Attributes:
        flops: the mean over items and over which samples are taken; flops_worst: the costliest item, asked by
            itself (it pays the whole of a shared beginning) and taking its costliest samples; NaN where unknown.
        tokens: generated, the mean.
        seconds: of one item alone on the device of the latest profile; NaN where it was not profiled.
    """

    flops: np.ndarray
    flops_worst: np.ndarray
    tokens: np.ndarray
    seconds: np.ndarray


def parts_of(graded: Graded, strategy: Strategy) -> list[Part]:
    """The pools of a strategy, in order of first use."""
    held = pools(graded)
    places: dict[Pool, list[int]] = {}
    for place, draw in enumerate(strategy.draws):
        assert isinstance(draw, TextDraw)  # check_draws has seen to it
        places.setdefault(pool_of(draw), []).append(place)
    return [Part(pool, np.array(held[pool]), np.array(where)) for pool, where in places.items()]


def check_orders(orders: int) -> int:
    """TtscaleError unless a whole number of at least 0."""
    if isinstance(orders, bool) or not isinstance(orders, (int, np.integer)) or orders < 0:
        raise TtscaleError(
            "orders", expected="a whole number of random orders, or 0 for the samples as numbered", got=repr(orders),
            fix=f"Give {ORDERS}.",
        )  # fmt: skip
    return int(orders)


def sampled_credits(
    records: Records, strategy: Strategy, budgets: np.ndarray, *, orders: int = ORDERS, seed: int = 0
) -> np.ndarray:
    """Credit of the vote of the first k draws, ``float64 [budget, item]``, the mean over orders of the samples.

    Args:
        budgets: increasing, at most the strategy's number of draws.
        orders: at least so many; 0 takes the samples in the order of their numbers, as a deployed plan does.
    """
    graded = records.graded()
    vote = get_vote(strategy.vote, "text")
    assert isinstance(vote, AnswerVote)
    parts, n_draws = parts_of(graded, strategy), int(budgets[-1])
    log_weights, right = weights_of(graded, vote, parts), right_draws(graded)
    n_orders = _whole_rounds(orders, max(len(part.columns) for part in parts))
    keys = keyed.item_keys(records.item_ids.tolist())
    answers = graded.answers.astype(np.int16) if graded.correct.shape[1] < 2**15 else graded.answers  # faster to sort
    out = np.empty((len(budgets), records.n_items))
    step = max(1, _ROWS_AT_ONCE // n_orders)
    for start in range(0, records.n_items, step):
        items = slice(start, min(start + step, records.n_items))
        columns = np.empty((n_draws, items.stop - items.start, n_orders), dtype=np.int64)
        for part in parts:
            used = part.places[part.places < n_draws]
            picked = _picked(part, graded, keys[items], n_orders, seed, shuffled=orders > 0)
            columns[used] = picked[: len(used)]
        at = (np.arange(items.start, items.stop)[None, :, None], columns)
        flat = (n_draws, -1)
        credits = prefix_credits(
            answers[at].reshape(flat), right[at].reshape(flat), log_weights[at].reshape(flat), best=vote.best
        )
        out[:, items] = credits[budgets - 1].reshape(len(budgets), -1, n_orders).mean(axis=-1)
    if orders and budgets[0] == 1:
        pool = parts[0].columns
        out[0] = (right & (log_weights > -math.inf))[:, pool].mean(axis=1)
    return out


def weights_of(graded: Graded, vote: AnswerVote, parts: Sequence[Part]) -> np.ndarray:
    """The log-weights of the draws that a strategy may take, ``float64 [item, draw]``; 0 elsewhere.

    Only these need a score: a member without log-probabilities does not keep another one from being voted by them.

    Raises:
        TtscaleError: a draw of these whose score is not known, or negative as a weight.
    """
    used = np.concatenate([part.columns for part in parts])
    out = np.zeros(graded.answers.shape)
    scores = {name: values[:, used] for name, values in graded.scores.items()}
    out[:, used] = vote.log_weights(graded.answers[:, used], scores)
    return out


def vote_possible(records: Records, strategy: Strategy) -> bool:
    """Whether each draw of its pools that answers has the score that its vote needs."""
    graded, vote = records.graded(), get_vote(strategy.vote, "text")
    assert isinstance(vote, AnswerVote)
    used = np.concatenate([part.columns for part in parts_of(graded, strategy)])
    return vote.possible(graded.answers[:, used], {name: values[:, used] for name, values in graded.scores.items()})


def _whole_rounds(orders: int, n: int) -> int:
    """The number of orders, made up to whole rounds of the largest pool (n samples) unless that is larger still."""
    if n == 1 or orders == 0:
        return 1
    return orders if n > orders else n * -(-orders // n)


def right_draws(graded: Graded) -> np.ndarray:
    """Which draws are right: ``bool [item, draw]``; one that abstains is not."""
    if not graded.correct.shape[1]:
        return np.zeros(graded.answers.shape, dtype=bool)
    return np.take_along_axis(graded.correct, np.maximum(graded.answers, 0), 1) & (graded.answers >= 0)


def _picked(part: Part, graded: Graded, keys: np.ndarray, n_orders: int, seed: int, *, shuffled: bool) -> np.ndarray:
    """Columns of a pool's samples in each order: ``int64 [sample, item, order]``."""
    n = len(part.columns)
    if n == 1 or not shuffled:
        return np.broadcast_to(part.columns[:, None, None], (n, len(keys), n_orders))
    names = keyed.item_keys("/".join(map(str, graded.draws[column])) for column in part.columns)
    rounds = -(-n_orders // n)
    permutations = np.stack([
        np.argsort(keyed.uniforms(seed, keys[:, None] ^ names, stream=keyed.ORDERS, sample=turn), axis=1)
        for turn in range(rounds)
    ])  # fmt: skip
    turn, start = _rounds(n_orders, n)
    place = (np.arange(n)[:, None] + start) % n  # [sample, order]
    return part.columns[permutations[turn[None, :], :, place].transpose(0, 2, 1)]


def _rounds(n_orders: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The permutation and the place in it that each order starts from: ``int64 [order]`` each."""
    order = np.arange(n_orders)
    turn = order // n
    within = np.minimum(n_orders - turn * n, n)  # orders in the round
    return turn, (order - turn * n) * n // within


def budget_costs(records: Records, strategy: Strategy, budgets: np.ndarray) -> BudgetCosts:
    """Cost of each budget: a prompt's prefill and its share of a common beginning once for all samples of its member
    and variant (or once a sample where the Records say ``per_sample``), each sample's own, and what the vote's score
    cost. The worst is that of an item asked by itself, which pays the whole beginning."""
    graded = records.graded()
    vote = get_vote(strategy.vote, "text")
    assert isinstance(vote, AnswerVote)
    scored = graded.score_flops.get(vote.score) if vote.score is not None else None
    mean, worst = np.zeros((graded.n_items, len(budgets))), np.zeros((graded.n_items, len(budgets)))
    tokens = np.zeros(len(budgets))
    begun: dict[tuple[str, str], np.ndarray] = {}
    for part in parts_of(graded, strategy):
        taken = part.taken(budgets)
        own = graded.flops[:, part.columns] + (0.0 if scored is None else scored[:, part.columns])
        prompt = (part.pool[0], part.pool[1])
        if records.manifest.prefill == "per_sample":
            own = own + graded.prompt_flops[prompt][:, None]
        else:
            begun[prompt] = begun.get(prompt, np.zeros(len(budgets), dtype=bool)) | (taken > 0)
        mean += own.mean(axis=1)[:, None] * taken
        costliest = np.cumsum(np.insert(-np.sort(-own, axis=1), 0, 0.0, axis=1), axis=1)
        worst += costliest[:, taken]
        tokens += graded.n_tokens[:, part.columns].mean() * taken
    for prompt, used in begun.items():
        own, share, whole = (
            column[prompt] for column in (graded.prompt_flops, graded.prefix_flops, graded.beginning_flops)
        )
        mean += np.where(used, (own + share)[:, None], 0.0)
        worst += np.where(used, (own + whole)[:, None], 0.0)
    return BudgetCosts(mean.mean(axis=0), worst.max(axis=0), tokens, _seconds(records, strategy, budgets))


def _seconds(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """Seconds of each budget, as the latest profile has them: of the plain prompt, member after member."""
    profiles, vote = records.profiles(), get_vote(strategy.vote, "text")
    assert isinstance(vote, AnswerVote)
    if profiles is None or vote.score in records.graded().score_flops:
        return np.full(len(budgets), math.nan)
    rows = latest(profiles)
    total = np.zeros(len(budgets))
    for part in parts_of(records.graded(), strategy):
        member, variant, decoding = part.pool
        taken = part.taken(budgets)
        seconds = seconds_of(rows, member, taken, decoding=decoding)
        total += seconds if variant == records.variants[0] else np.where(taken > 0, math.nan, 0.0)
    return total


def plain_cost(records: Records, member: str) -> tuple[float, str]:
    """FLOPs per item of a member's plain decision, and what it is: one greedy answer, or one sample where none was
    collected."""
    strategy = plain(records, member)
    unit = "one greedy answer" if strategy.kind == GREEDY else "one sample"
    return float(budget_costs(records, strategy, np.array([1])).flops[0]), unit


def known_costs(records: Records) -> bool:
    """Whether the FLOPs of every draw and prompt are known, none is negative, and no member answers for nothing.

    A draw of one token costs nothing more: its token comes with the prefill.
    """
    graded = records.graded()
    once = [*graded.prompt_flops.values(), *graded.prefix_flops.values(), *graded.score_flops.values()]
    known = all(np.isfinite(values).all() and (values >= 0).all() for values in (graded.flops, *once))
    return known and all(plain_cost(records, member.name)[0] > 0 for member in records.members)
