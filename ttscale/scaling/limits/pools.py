"""The pools of samples that a vote takes from, and the posterior of whether a right answer leads in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.records.graded import Graded
from ttscale.scaling.curves.sampled_credits import Part, right_draws
from ttscale.scaling.limits.posterior import (
    ALPHAS,
    ANSWERS,
    THETAS,
    RightShare,
    largest_unseen,
    right_share,
    wrong_weights,
)
from ttscale.scaling.sampled import GREEDY

_DRAWS = 96  # of each item's posterior
_VALUES_AT_ONCE = 2_000_000
_TIED = 1e-9


@dataclass(frozen=True, eq=False)
class LimitPool:
    """The samples of one member, prompt variant and decoding.

    Attributes:
        answers, right: of the samples, ``[item, sample]``; −1 where one does not answer.
        exists: ``bool [item, sample]``.
        log_weights: what each sample adds to the vote, as a logarithm, ``[item, sample]``, with the pool's share of the
            draws in it.
        posterior, priors: of the shares of answers, and how likely each prior of the wrong ones is; None where all
            further samples are as those at hand (greedy decoding).
    """

    answers: np.ndarray
    right: np.ndarray
    exists: np.ndarray
    log_weights: np.ndarray
    posterior: RightShare | None
    priors: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Kinds:
    """Items that are alike to a vote, and so have one posterior.

    Attributes:
        first: one item of each kind, ``int64 [kind]``. times: how many are of it, ``[kind]``. of: the kind of each
            item, ``int64 [item]``.
    """

    first: np.ndarray
    times: np.ndarray
    of: np.ndarray


def kinds_of(graded: Graded, parts: Sequence[Part], log_weights: np.ndarray) -> Kinds:
    """Items of a plain vote over one pool are alike where as many samples give each right answer, and each wrong one;
    of all others each is its own kind."""
    columns = parts[0].columns
    if not is_plain(graded, parts, log_weights):
        each = np.arange(graded.n_items)
        return Kinds(each, np.ones(graded.n_items, np.int64), each)
    answers, right = graded.answers[:, columns], right_draws(graded)[:, columns]
    told = np.concatenate([counts_of(np.where(right, answers, -1)), counts_of(np.where(right, -1, answers))], axis=1)
    _, first, of, times = np.unique(told, axis=0, return_index=True, return_inverse=True, return_counts=True)
    return Kinds(first, times, of.ravel())


def is_plain(graded: Graded, parts: Sequence[Part], log_weights: np.ndarray) -> bool:
    """Whether it is a vote over samples of one pool in which all samples of an item weigh the same."""
    if len(parts) > 1 or parts[0].pool[2] == GREEDY:
        return False
    weights, votes = log_weights[:, parts[0].columns], graded.answers[:, parts[0].columns] >= 0
    first = np.take_along_axis(weights, votes.argmax(axis=1)[:, None], axis=1)
    return bool((np.isfinite(weights) & (weights == first))[votes].all())


def counts_of(answers: np.ndarray) -> np.ndarray:
    """How many samples give each answer of an item, most first and 0 where there are no more, ``int64 [item, answer]``
    of ``answers [item, sample]``; those of −1 do not count."""
    ordered = np.sort(answers, axis=1)
    n = ordered.shape[1]
    new = np.diff(ordered, axis=1, prepend=-2) != 0
    begins = np.maximum.accumulate(np.where(new, np.arange(n), 0), axis=1)
    ends = np.concatenate([new[:, 1:], np.ones((len(new), 1), bool)], axis=1)
    counts = -np.sort(-np.where(ends & (ordered >= 0), np.arange(1, n + 1) - begins, 0), axis=1)
    return counts[:, : max(1, int((counts > 0).sum(axis=1).max(initial=1)))]


def limit_pool(graded: Graded, part: Part, log_weights: np.ndarray, alpha: float | None, kinds: Kinds) -> LimitPool:
    """A pool of a strategy; its items are one of each kind.

    Args:
        log_weights: of the vote, ``[item, draw]``. alpha: see :func:`right_share`.
    """
    cells = np.ix_(kinds.first, part.columns)
    answers, right, exists = graded.answers[cells], right_draws(graded)[cells], graded.exists[cells]
    weights = np.where(answers >= 0, log_weights[cells] + np.log(len(part.places)), -np.inf)
    if part.pool[2] == GREEDY:
        return LimitPool(answers, right, exists, weights, None, None)
    wrong = counts_of(np.where(right, -1, answers))
    share = right_share(right.sum(axis=1), wrong.sum(axis=1), alpha, kinds.times)
    return LimitPool(answers, right, exists, weights, share, wrong_weights(wrong, kinds.times))


@dataclass(frozen=True, eq=False)
class EndsRight:
    """Probability of each item that a right answer leads the vote of ever more samples.

    Attributes:
        of_component: ``float64 [item, component]``: for each component of the mixture that the share of right answers
            comes from; of several pools one column, with those mixtures in it.
        posterior: the mixture; None of several pools.
    """

    of_component: np.ndarray
    posterior: RightShare | None

    def per_item(self, drawn: np.ndarray | None = None) -> np.ndarray:
        """``float64 [item]``; given how often each item was drawn in some resamples, ``[resample, item]``, with the
        mixture fitted to each resample."""
        mixed = self.of_component[:, 0] if self.posterior is None else self.posterior.mixed(self.of_component, drawn)
        return np.clip(mixed, 0.0, 1.0)


def ends_right(pools: Sequence[LimitPool], seed: int) -> EndsRight:
    """From draws of the posteriors. An item none of whose samples votes is wrong at every budget, and in the end."""
    n_items = len(pools[0].answers)
    alone = pools[0].posterior if len(pools) == 1 else None
    rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, n_items, _DRAWS])
    step = max(1, _VALUES_AT_ONCE // (_DRAWS * sum(pool.answers.shape[1] for pool in pools)))
    blocks = [np.arange(start, min(start + step, n_items)) for start in range(0, n_items, step)]
    of_component = np.concatenate([_of_items(pools, items, alone, rng) for items in blocks])
    votes = np.isfinite(np.concatenate([pool.log_weights for pool in pools], axis=1)).any(axis=1)
    return EndsRight(of_component * votes[:, None], alone)


@dataclass(frozen=True, eq=False)
class _Shares:
    """What each answer's share of a pool's votes comes to, in draws of the posterior; right and wrong apart.

    Attributes:
        item, answer, right: of each vote, ``[vote]``. shares: its part of the right votes, or of the wrong ones, times
            its weight, ``[draw, vote]``.
        unseen_wrong: the same of the largest unseen wrong answer. unseen_right: of the right answer where none was
            seen. Each ``[draw, item]``.
    """

    item: np.ndarray
    answer: np.ndarray
    right: np.ndarray
    shares: np.ndarray
    unseen_wrong: np.ndarray
    unseen_right: np.ndarray


def _of_items(
    pools: Sequence[LimitPool], items: np.ndarray, alone: RightShare | None, rng: np.random.Generator
) -> np.ndarray:
    highest = np.concatenate([pool.log_weights[items] for pool in pools], axis=1).max(axis=1)
    highest = np.where(np.isfinite(highest), highest, 0.0)
    shares = [_shares(pool, items, highest, rng) for pool in pools]
    if alone is not None:
        right, wrong, _ = _leaders(shares, len(items))
        return alone.exceeds(wrong / np.maximum(right + wrong, 1e-300), items)
    scaled = [_scaled(pool, one, items, rng) for pool, one in zip(pools, shares, strict=True)]
    right, wrong, part_right = _leaders(scaled, len(items))
    tied = np.abs(right - wrong) <= _TIED * right
    return np.where(tied, part_right * (right > 0), right > wrong).mean(axis=0)[:, None]


def _shares(pool: LimitPool, items: np.ndarray, highest: np.ndarray, rng: np.random.Generator) -> _Shares:
    item, sample = np.nonzero(np.isfinite(pool.log_weights[items]) | (pool.answers[items] >= 0))
    order = np.lexsort((pool.answers[items[item], sample], item))
    item, sample = item[order], sample[order]
    at = (items[item], sample)
    right, weight = pool.right[at], np.exp(pool.log_weights[at] - highest[item])
    n, votes = len(items), len(item)
    luck = np.ones((_DRAWS, votes)) if pool.priors is None else rng.standard_exponential((_DRAWS, votes))
    largest, unseen = np.zeros((_DRAWS, n)), np.zeros((_DRAWS, n))
    if pool.priors is not None:
        prior = (rng.random((_DRAWS, n, 1)) > np.cumsum(pool.priors[items], axis=1)[:, :-1]).sum(axis=-1)
        new = (np.diff(item, prepend=-1) != 0) | (np.diff(pool.answers[at], prepend=-2) != 0)
        group, starts = np.cumsum(new) - 1, np.flatnonzero(new)
        more = rng.standard_gamma(ALPHAS[prior][:, item[starts]] * ~right[starts])
        luck = luck * (1 + more / _sums(luck, group, len(starts)))[:, group]  # wrong ones have the prior's α more
        largest, unseen = _unseen(prior, np.bincount(item[starts], ~right[starts], minlength=n), rng)
    of_right, of_wrong = _sums(luck * right, item, n), _sums(luck * ~right, item, n) + unseen
    count = np.bincount(item, minlength=n)
    usual = np.where(count > 0, np.bincount(item, weight, minlength=n) / np.maximum(count, 1), 1.0)
    whole = np.maximum(np.where(right, of_right[:, item], of_wrong[:, item]), 1e-300)
    none_right = (of_right == 0) & (pool.priors is not None)
    return _Shares(
        item, pool.answers[at], right, luck * weight / whole, largest * usual / np.maximum(of_wrong, 1e-300),
        none_right * usual,
    )  # fmt: skip


def _unseen(prior: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The gamma variables of the largest unseen wrong answer and of all, ``[draw, item]``, for the number of each
    prior ``[draw, item]`` and the number of wrong answers that were seen, ``[item]``."""
    theta, left = THETAS[prior], ANSWERS[prior] - seen
    endless = theta > 0
    largest = np.where(endless, largest_unseen(np.where(endless, theta, 1.0), rng), 0.0)
    total = largest - theta * np.expm1(-largest)  # what else a process has unseen, on average
    for number in range(int(ANSWERS.max())):
        one = rng.standard_gamma(np.where(number < left, ALPHAS[prior], 0.0))
        largest, total = np.maximum(largest, one), total + one
    return largest, total


def _scaled(pool: LimitPool, shares: _Shares, items: np.ndarray, rng: np.random.Generator) -> _Shares:
    """The shares as parts of all draws of the pool: right ones times the share of right answers, wrong ones times the
    rest, both times the share of draws that answer at all."""
    answered = (pool.answers[items] >= 0).sum(axis=1)
    exists = pool.exists[items].sum(axis=1)
    if pool.posterior is None:
        q = (pool.right[items].sum(axis=1) / np.maximum(answered, 1))[None]
        answers = (answered / np.maximum(exists, 1))[None]
    else:
        q = pool.posterior.draw(items, _DRAWS, rng)
        answers = rng.standard_gamma(np.broadcast_to(answered, q.shape))
        silent = rng.standard_gamma(np.broadcast_to(exists - answered, q.shape))
        answers = answers / np.maximum(answers + silent, 1e-300)
    of_right, of_wrong = answers * q, answers * (1 - q)
    factor = np.where(shares.right, of_right[:, shares.item], of_wrong[:, shares.item])
    return _Shares(
        shares.item, shares.answer, shares.right, shares.shares * factor, shares.unseen_wrong * of_wrong,
        shares.unseen_right * of_right,
    )  # fmt: skip


def _leaders(several: Sequence[_Shares], n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest total of a right answer and of a wrong one, ``[draw, item]`` each, and the part of the leading
    answers that is right where both are equal."""
    item, answer, is_right = (
        np.concatenate([getattr(one, of) for one in several]) for of in ("item", "answer", "right")
    )
    order = np.lexsort((answer, item))
    item, answer, is_right = item[order], answer[order], is_right[order]
    starts = np.flatnonzero(np.diff(item, prepend=-1) | np.diff(answer, prepend=-1))
    unseen = [np.sum([getattr(one, of) for one in several], axis=0) for of in ("unseen_right", "unseen_wrong")]
    if not starts.size:
        return unseen[0], unseen[1], np.zeros_like(unseen[0])
    totals = np.add.reduceat(np.concatenate([one.shares for one in several], axis=1)[:, order], starts, axis=1)
    item, is_right = item[starts], is_right[starts]
    right, wrong = (_largest(totals * one, item, n) for one in (is_right, ~is_right))
    right = right + unseen[0]  # the right answer in the pools that have not seen it
    wrong = np.maximum(wrong, np.max([one.unseen_wrong for one in several], axis=0))
    leads = totals >= (1 - _TIED) * np.maximum(right, wrong)[:, item]
    tied = _sums(leads * 1.0, item, n)
    return right, wrong, _sums(leads * is_right * 1.0, item, n) / np.maximum(tied, 1)


def _sums(values: np.ndarray, item: np.ndarray, n: int) -> np.ndarray:
    """Sums ``[draw, item]`` of ``values [draw, vote]``, whose items are in order."""
    return _reduced(np.add, values, item, n)


def _largest(values: np.ndarray, item: np.ndarray, n: int) -> np.ndarray:
    return _reduced(np.maximum, values, item, n)


def _reduced(ufunc: np.ufunc, values: np.ndarray, item: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros((len(values), n))
    if item.size:
        starts = np.flatnonzero(np.diff(item, prepend=-1))
        out[:, item[starts]] = ufunc.reduceat(values, starts, axis=1)
    return out
