"""The limit of a vote: the share of items of which it is right with ever more samples.

A plurality goes to the answer that the model gives most often, be it right or wrong; more samples then change nothing.
Which answer that is, a few samples tell with some doubt: a lead of 9 to 7 may be chance. So each item has a posterior
(see :mod:`ttscale.scaling.limits.posterior`), whose mean over items is the limit. Its prior is smooth, and the items
need not be: they may all be alike, or lie just above or below the tie. The interval therefore reaches as far as any
mixture of items that is about as likely (:mod:`ttscale.scaling.limits.range`), besides what a bootstrap over items
gives. It is wide where samples are few: nothing but more samples of each item tells more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.graded import Graded
from ttscale.records.records import Records
from ttscale.scaling.checks import check_text
from ttscale.scaling.curves.curve import default_strategy
from ttscale.scaling.curves.sampled_credits import Part, parts_of, right_draws, samples_of_pool, weights_of
from ttscale.scaling.intervals.bootstrap import (
    bootstrap_outcomes,
    check_bootstrap,
    count_units,
    mean_credit,
    unit_index,
)
from ttscale.scaling.intervals.interval import (
    Interval,
    check_level,
    few_words,
    level_of_few,
    percentiles,
    undefined,
    wilson,
)
from ttscale.scaling.limits.pools import counts_of, ends_right, is_plain, kinds_of, limit_pool
from ttscale.scaling.limits.range import limit_range
from ttscale.scaling.sampled import GREEDY
from ttscale.scaling.strategy import Strategy, check_draws
from ttscale.voting.answers import prefix_credits
from ttscale.voting.votes import AnswerVote, get_vote

FITTED = "fitted"


@dataclass(frozen=True, eq=False)
class VoteLimit:
    """Where a vote goes with ever more samples.

    Attributes:
        strategy, vote: names.
        interval: share of items that end up right, over items and over their posteriors, given the prior: it does not
            cover where many items are alike and near a tie (see :mod:`ttscale.scaling.limits.posterior`). NaN where the
            vote has no limit.
        per_item: probability that the item ends up right, ``float64 [item]``.
        leading: share of items of which the answer that leads now is right (ties share): what a plain reading of the
            samples would call the limit.
        prior: in words.
    """

    strategy: str
    vote: str
    interval: Interval
    per_item: np.ndarray = field(repr=False)
    leading: float
    prior: str


def vote_limit(
    records: Records, strategy: Strategy | None = None, *, ci: float = 0.95, n_boot: int = 1000, seed: int = 0,
    prior: str | float = FITTED,
) -> VoteLimit:  # fmt: skip
    """The limit of a strategy's vote, as all samples of its pools tell it.

    Each pool (member, prompt variant and decoding) counts by the share of the strategy's draws that it has; one of
    greedy decoding says the same for ever. Where votes are weighted, what an answer's samples weigh has a posterior too
    (the Bayesian bootstrap; Rubin, Annals of Statistics 9, 1981); one never seen weighs what the item's others do.

    Args:
        records: of text.
        strategy: by default as in :func:`ttscale.scaling.curves.curve.accuracy_curve`.
        ci: level of the interval. n_boot, seed: of the resamples of items, each with a draw of every item's posterior.
        prior: of an item's share of right answers: ``"fitted"`` to the items, or a number α > 0 for Beta(α, α) (1 is
            uniform, 0.5 Jeffreys').

    Returns:
        NaN for best-of-n, which no number of samples settles: one with a still higher score may always come; and where
        most items have a single sample of a pool, which tells nothing of how often any of them is right.

        The interval of a plurality over one pool assumes nothing of how items differ but that the largest wrong answer
        leaves the others a level or a random share of the rest; one under a given ``prior`` is the bootstrap's alone.
        Of weighted votes and several pools it reaches as far from the value as that of one pool of all samples, in
        which right ones all weigh the same and wrong ones too, does from its most likely value: an approximation.

    Raises:
        TtscaleError: Records of images, unknown draws or votes, a prior that is neither, or ``ci`` or ``n_boot`` out of
            range.
    """
    _check(records, prior)
    level = check_level(ci)
    units = unit_index(records.clusters)
    n_units = count_units(records.n_items, units)
    check_bootstrap(n_boot, level, n_units, seed)
    chosen = strategy if strategy is not None else default_strategy(records)
    check_draws(records, chosen)
    vote = get_vote(chosen.vote, records.vote_kind)
    assert isinstance(vote, AnswerVote)
    graded = records.graded()
    parts = parts_of(graded, chosen)
    if reason := _untold(graded, parts, vote):
        none = np.full(records.n_items, np.nan)
        return VoteLimit(chosen.name, vote.name, undefined(level, reason), none, np.nan, "none")
    log_weights = weights_of(graded, vote, parts)
    alpha = None if isinstance(prior, str) else float(prior)
    kinds = kinds_of(graded, parts, log_weights)
    end = ends_right([limit_pool(graded, part, log_weights, alpha, kinds) for part in parts], seed)
    per_item = end.per_item()[kinds.of]
    value = float(mean_credit(per_item))
    replicates = bootstrap_outcomes(end.per_item, kinds.times, kinds.of, units=units, n_boot=n_boot, seed=seed)
    low, high = (float(end) for end in percentiles(replicates, level_of_few(level, n_units)))
    over = f"{n_units} {'items' if units is None else 'clusters of items'}"
    few = few_words(n_units)
    method = f"percentile bootstrap over {over} with a draw of each item's posterior, {n_boot} resamples{few}"
    if low == high or not low <= value <= high:  # resamples of what is nearly always right, or wrong, hardly vary
        least, most = wilson(value * n_units, n_units, level)
        low, high, method = min(low, value, least), max(high, value, most), f"{method}, and Wilson's score interval"
    if alpha is None and any(part.pool[2] != GREEDY for part in parts):
        likeliest, least, most = _range(graded, parts, log_weights, level, n_units)
        shift = 0.0 if is_plain(graded, parts, log_weights) else value - likeliest
        low, high = min(low, max(least + shift, 0.0)), max(high, min(most + shift, 1.0))
        method += ", widened to what any mixture of items as likely says (profile likelihood)"
    return VoteLimit(
        chosen.name, vote.name, Interval(value, low, high, level, method), per_item,
        _leading(graded, parts, log_weights), _prior_words(alpha),
    )  # fmt: skip


def _untold(graded: Graded, parts: Sequence[Part], vote: AnswerVote) -> str:
    """Why the samples tell nothing of the limit; empty where they do."""
    if vote.best:
        return "best-of-n has no limit: a sample with a higher score may always come"
    fewest = min((np.median(samples_of_pool(graded, one)) for one in parts if one.pool[2] != GREEDY), default=np.inf)
    return "" if fewest >= 2 else "one sample of an item does not tell which answer leads: at least 2 are needed"


def _range(
    graded: Graded, parts: Sequence[Part], log_weights: np.ndarray, level: float, n_units: int
) -> tuple[float, float, float]:
    """As :func:`limit_range`, of a vote of all samples, in which a right one weighs the same in all items, and a wrong
    one, too; items that never answer are wrong in the end."""
    columns = np.concatenate([part.columns for part in parts if part.pool[2] != GREEDY])
    answers, right = graded.answers[:, columns], right_draws(graded)[:, columns]
    counts = np.column_stack([right.sum(axis=1), counts_of(np.where(right, -1, answers))])
    counts = counts[(answers >= 0).any(axis=1)]
    if not len(counts):
        return 0.0, 0.0, 0.0
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    found = limit_range(
        kinds[:, 0], kinds[:, 1:], times, level, independent=n_units / graded.n_items,
        wrong_weight=_wrong_weight(answers, right, log_weights[:, columns]),
    )  # fmt: skip
    likeliest, low, high = (one * len(counts) / graded.n_items for one in found)
    return likeliest, low, high


def _wrong_weight(answers: np.ndarray, right: np.ndarray, log_weights: np.ndarray) -> float:
    """What a wrong sample weighs on average beside a right one; 1 where one of them was never seen."""
    votes = (answers >= 0) & np.isfinite(log_weights)
    highest = np.where(votes, log_weights, -np.inf).max(axis=1, keepdims=True)
    weights = np.exp(np.where(votes, log_weights - np.where(np.isfinite(highest), highest, 0.0), 0.0))
    of_right, of_wrong = weights[votes & right], weights[votes & ~right]
    return float(of_wrong.mean() / of_right.mean()) if of_right.size and of_wrong.size else 1.0


def agrees(limit: VoteLimit, asymptote: Interval | None) -> bool | None:
    """Whether the intervals of a vote's limit and of a fitted law's meet; None where one of the two is unknown."""
    own = limit.interval
    if asymptote is None or not np.isfinite([own.value, asymptote.value]).all():
        return None
    return asymptote.low <= own.high and own.low <= asymptote.high


def agree(limit: VoteLimit, asymptote: Interval | None) -> str:
    """In words, whether the limit of a fitted law agrees with that of the vote: two readings of one number, the law's
    from the shape of the curve, the vote's from the answers. Empty where one of them is unknown."""
    own, alike = limit.interval, agrees(limit, asymptote)
    if asymptote is None or alike is None:
        return ""
    both = f"{_percent(asymptote)} by the fitted law and {_percent(own)} by the answers' posterior"
    if alike:
        return f"The limit of the vote is {both}: they agree."
    side = "above" if asymptote.low > own.high else "below"
    return f"The limit of the vote is {both}: the law ends {side} what the answers allow; trust it only near the data."


def _percent(one: Interval) -> str:
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _leading(graded: Graded, parts: Sequence[Part], log_weights: np.ndarray) -> float:
    """Share of items of which the answer with the largest total is right; ties share. Each pool counts by its share of
    the draws, however many samples of it an item has."""
    columns = np.concatenate([part.columns for part in parts])
    exists = [graded.exists[:, part.columns] for part in parts]
    share = [
        len(part.places) / one.sum(axis=1, keepdims=True) * np.ones(one.shape)
        for part, one in zip(parts, exists, strict=True)
    ]
    totals = log_weights[:, columns] + np.log(np.concatenate(share, axis=1))
    right = right_draws(graded)[:, columns]
    return float(mean_credit(prefix_credits(graded.answers[:, columns].T, right.T, totals.T)[-1]))


def _prior_words(alpha: float | None) -> str:
    right = "fitted to the items" if alpha is None else f"Beta({alpha:g}, {alpha:g})"
    return (
        f"share of right answers {right}; wrong answers by Dirichlet processes and symmetric Dirichlets, fitted alike"
    )


def _check(records: Records, prior: str | float) -> None:
    check_text(records, "The limit is that of votes over sampled answers; use accuracy_curve.")
    number = isinstance(prior, (int, float)) and not isinstance(prior, bool) and 0 < prior < np.inf
    if not number and not (isinstance(prior, str) and prior == FITTED):
        raise TtscaleError(
            "prior", expected=f'"{FITTED}" or a positive number', got=repr(prior), fix=f'Leave it out for "{FITTED}".'
        )
