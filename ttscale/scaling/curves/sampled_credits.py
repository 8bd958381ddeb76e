"""What language draws earn at every budget, averaged over which of the exchangeable samples are taken.

A strategy says from which pool (member, variant, decoding) its next draw comes. The samples of a pool are exchangeable,
so accuracy at a budget is the mean over every choice of that many of each pool's samples; the first k alone would be
one draw of that mean. For the plurality and for best-of-n of one pool it is exact (see
:mod:`ttscale.scaling.curves.subsets` and :mod:`ttscale.scaling.curves.best_of`); for weighted votes, several pools, and
samples so many that it would take too long, it is the mean over random orders with its standard error (see
:mod:`ttscale.scaling.curves.random_orders`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.draws import keyed
from ttscale.errors import TtscaleError
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.records import Records
from ttscale.scaling.curves.best_of import best_credits
from ttscale.scaling.curves.estimate import EXACT, Counts, Estimate, in_order
from ttscale.scaling.curves.random_orders import Pooled, mean_over_orders
from ttscale.scaling.curves.subsets import first_seen_credits, majority_credits, tally_of
from ttscale.scaling.sampled import Pool, pool_of
from ttscale.scaling.strategy import Strategy
from ttscale.voting.answers import ABSTAINS, prefix_credits
from ttscale.voting.votes import AnswerVote, get_vote

ORDERS = 32


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


def parts_of(graded: Graded, strategy: Strategy) -> list[Part]:
    """The pools of a strategy, in order of first use."""
    held = graded.pools
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
    records: Records, strategy: Strategy, budgets: np.ndarray, *, orders: int = ORDERS, seed: int = 0,
    ties: str = "shared", exchange: bool = False,
) -> Estimate:  # fmt: skip
    """Expected credit of the vote of k draws over which of the exchangeable samples these are.

    Args:
        budgets: increasing, at most the strategy's number of draws.
        orders: of the samples, at least so many, where no exact mean is at hand; 0 takes the samples in the order of
            their numbers, as a deployed plan does.
        ties: ``"shared"``, ``"strict"`` or ``"first_seen"`` (in the order of sample numbers, or of the strategy where
            it takes from several pools).
        exchange: whether the pools are exchangeable (models that differ in their seed alone): their turns are then
            shuffled too.
    """
    graded = records.graded()
    vote = get_vote(strategy.vote, records.vote_kind)
    assert isinstance(vote, AnswerVote)
    parts = parts_of(graded, strategy)
    alone = not exchange and all((samples_of_pool(graded, part) == 1).all() for part in parts)
    if orders == 0 or alone:  # nothing to choose from
        return in_order(_as_numbered(graded, strategy, vote, budgets, ties))
    if len(parts) == 1 and (vote.score is None or vote.best):
        found = _over_subsets(graded, parts, vote, budgets, ties)
        if found is not None:
            return Estimate(found, np.zeros(len(budgets)), EXACT)
    pooled = pooled_of(records, parts, vote, exchange=exchange)
    return mean_over_orders(pooled, budgets, orders=orders, seed=seed, ties=ties)


def _over_subsets(
    graded: Graded, parts: Sequence[Part], vote: AnswerVote, budgets: np.ndarray, ties: str
) -> np.ndarray | None:
    """The exact mean over all subsets of one pool's samples; None where it takes too much work."""
    columns, n = parts[0].columns, samples_of_pool(graded, parts[0])
    answers, right = graded.answers[:, columns], right_draws(graded)[:, columns]
    if vote.best:
        scores = np.where(answers == ABSTAINS, -math.inf, weights_of(graded, vote, parts)[:, columns])
        return best_credits(answers, right, scores, n, budgets, ties=ties)
    if ties == "first_seen":
        return first_seen_credits(answers, right, n, budgets)
    return majority_credits(tally_of(answers, right, n), budgets, ties=ties)


def _as_numbered(graded: Graded, strategy: Strategy, vote: AnswerVote, budgets: np.ndarray, ties: str) -> np.ndarray:
    at = {draw: column for column, draw in enumerate(graded.draws)}
    columns = [at[draw] for draw in strategy.draws if isinstance(draw, TextDraw)][: int(budgets[-1])]
    log_weights = weights_of(graded, vote, parts_of(graded, strategy))
    taken = (part[:, columns].T for part in (graded.answers, right_draws(graded), log_weights))
    return prefix_credits(*taken, best=vote.best, ties=ties)[budgets - 1]


def pooled_of(records: Records, parts: Sequence[Part], vote: AnswerVote, *, exchange: bool = False) -> Pooled:
    """The samples of these pools with what random orders of them need."""
    graded = records.graded()
    narrow = graded.correct.shape[1] < 2**15  # faster to sort
    return Pooled(
        answers=graded.answers.astype(np.int16) if narrow else graded.answers, right=right_draws(graded),
        log_weights=weights_of(graded, vote, parts), columns=[part.columns for part in parts],
        n=np.stack([samples_of_pool(graded, part) for part in parts]), places=[part.places for part in parts],
        names=draw_keys(graded),
        keys=keyed.item_keys(records.item_ids.tolist()), best=vote.best, exchange=exchange,
    )  # fmt: skip


def draw_keys(graded: Graded) -> np.ndarray:
    """What keeps the random orders of one draw apart from those of another, ``uint64 [draw]``."""
    return keyed.item_keys("/".join(map(str, draw)) for draw in graded.draws)


def samples_of_pool(graded: Graded, part: Part) -> np.ndarray:
    """How many samples of a pool each item has, ``int64 [item]``."""
    return graded.exists[:, part.columns].sum(axis=1)


def sample_counts(records: Records, strategy: Strategy) -> Counts | None:
    """How many samples each item has and how many are right, of a strategy of one pool; None of several."""
    graded = records.graded()
    parts = parts_of(graded, strategy)
    if len(parts) > 1:
        return None
    return Counts(samples_of_pool(graded, parts[0]), right_draws(graded)[:, parts[0].columns].sum(axis=1))


def weights_of(graded: Graded, vote: AnswerVote, parts: Sequence[Part]) -> np.ndarray:
    """The log-weights of the draws that a strategy may take, ``float64 [item, draw]``; 0 elsewhere.

    Only these need a score: a member without log-probabilities does not keep another one from being voted by them.

    Raises:
        TtscaleError: a draw of these whose score is not known, or negative as a weight; weights that are all 0.
    """
    used = np.concatenate([part.columns for part in parts])
    out = np.zeros(graded.answers.shape)
    scores = {name: values[:, used] for name, values in graded.scores.items()}
    out[:, used] = vote.log_weights(graded.answers[:, used], scores)
    if weightless(out[:, used], graded.answers[:, used]):
        raise TtscaleError(
            "vote", expected=f"a score {vote.score!r} above 0 of some draw, as a weight",
            got="weights that add up to 0", fix=f"Use best:{vote.score}, or the plurality.",
        )  # fmt: skip
    return out


def vote_possible(records: Records, strategy: Strategy) -> bool:
    """Whether each draw of its pools that answers has the score that its vote needs, and these are not all 0."""
    graded, vote = records.graded(), get_vote(strategy.vote, records.vote_kind)
    assert isinstance(vote, AnswerVote)
    used = np.concatenate([part.columns for part in parts_of(graded, strategy)])
    answers, scores = graded.answers[:, used], {name: values[:, used] for name, values in graded.scores.items()}
    return vote.possible(answers, scores) and not weightless(vote.log_weights(answers, scores), answers)


def weightless(log_weights: np.ndarray, answers: np.ndarray) -> bool:
    """Whether there are draws that answer, all of weight 0."""
    weights = log_weights[answers != ABSTAINS]
    return bool(weights.size and np.isneginf(weights).all())


def right_draws(graded: Graded) -> np.ndarray:
    """Which draws are right: ``bool [item, draw]``; one that abstains is not."""
    if not graded.correct.shape[1]:
        return np.zeros(graded.answers.shape, dtype=bool)
    return np.take_along_axis(graded.correct, np.maximum(graded.answers, 0), 1) & (graded.answers >= 0)
