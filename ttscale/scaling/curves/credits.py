"""One pass over Records: the credit of every item at every budget, streamed block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.strategy import Strategy
from ttscale.voting.decisions import credit
from ttscale.voting.merges import merge_draws, prefix_scores, tempered

_SCORES_AT_ONCE = 65_536  # item × class; a vote's state then stays in cache


def prefix_credits(records: Records, strategy: Strategy, budgets: Sequence[int], *, ties: str = "shared") -> np.ndarray:
    """Credit of the first k draws, weighted where the strategy weights them: ``float64
    [budget, item]``.

    Args:
        budgets: increasing, at most the strategy's number of draws.
        ties: ``"shared"``: tied classes share the credit; ``"strict"``: a tie earns nothing.

    Raises:
        TtscaleError: stored outcomes that are not normalised log-probabilities (member and item named).
    """
    out = np.empty((len(budgets), records.n_items), dtype=np.float64)
    row_of = {int(k): row for row, k in enumerate(budgets)}
    deciding = {k: weighting for k, weighting in strategy.weightings.items() if not weighting.decides_alike}
    for items, k, log_scores in prefix_log_scores(records, replace(strategy, weightings=deciding), budgets):
        out[row_of[k], items] = credit(log_scores, records.labels[items])
    return np.floor(out) if ties == "strict" else out


def prefix_log_scores(
    records: Records, strategy: Strategy, budgets: Sequence[int]
) -> Iterator[tuple[slice, int, np.ndarray]]:
    """The merged log-scores of the first k draws, ``float64 [item, class]``, for one range of items after another and
    every budget k in some order.

    Arguments and errors as in :func:`prefix_credits`.
    """
    wanted = {int(k) for k in budgets}
    weighted = {k: weighting for k, weighting in strategy.weightings.items() if k in wanted}
    folded = {k for k in wanted if k not in weighted or weighted[k].decides_alike}
    draws = strategy.draws[: max(wanted)]
    at = {variant: position for position, variant in enumerate(records.variants)}
    members = dict.fromkeys(draw[0] for draw in draws)
    for member in members:
        records.check(member)
    for items in chunks(records):
        stored = {member: records.log_probs(member, items) for member in members}
        outcomes = [laid_out(stored[draw[0]][:, at[draw[1]]]) for draw in draws]
        for k, log_scores in enumerate(prefix_scores(outcomes[: max(folded, default=0)], strategy.vote), start=1):
            if k in folded:
                yield items, k, tempered(log_scores, weighted[k].temperature) if k in weighted else log_scores
        for k in wanted - folded:
            yield items, k, merge_draws(outcomes[:k], strategy.vote, weighted[k])


def laid_out(log_probs: np.ndarray) -> np.ndarray:
    """``[item, class]``, of few classes one class after another in memory: numpy adds up long rows faster."""
    n_items, n_classes = log_probs.shape
    return np.asfortranarray(log_probs) if n_items > n_classes else log_probs


def chunks(records: Records) -> Iterator[slice]:
    """The stored blocks, cut into ranges small enough for a cache."""
    step = max(1, _SCORES_AT_ONCE // records.n_classes)
    for block in records.blocks():
        for start in range(block.start, block.stop, step):
            yield slice(start, min(start + step, block.stop))
