"""One pass over Records: the credit of every item at every budget, streamed block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.strategy import Strategy
from ttscale.voting.decisions import credit
from ttscale.voting.merges import prefix_scores

_SCORES_AT_ONCE = 65_536  # item × class; a vote's state then stays in cache


def prefix_credits(records: Records, strategy: Strategy, budgets: Sequence[int]) -> np.ndarray:
    """Credit (tied answers share it) of the first k draws: ``float64 [budget, item]``.

    Args:
        budgets: increasing, at most the strategy's number of draws.

    Raises:
        TtscaleError: stored outcomes that are not normalised log-probabilities (member and item named).
    """
    out = np.empty((len(budgets), records.n_items), dtype=np.float64)
    row_of = {int(k): row for row, k in enumerate(budgets)}
    draws = strategy.draws[: int(budgets[-1])]
    at = {variant: position for position, variant in enumerate(records.variants)}
    members = dict.fromkeys(draw[0] for draw in draws)
    for member in members:
        records.check(member)
    for items in _chunks(records):
        stored = {member: records.log_probs(member, items) for member in members}
        labels = records.labels[items]
        scores = prefix_scores((stored[draw[0]][:, at[draw[1]]] for draw in draws), strategy.vote)
        for k, log_scores in enumerate(scores, start=1):
            if k in row_of:
                out[row_of[k], items] = credit(log_scores, labels)
    return out


def _chunks(records: Records) -> Iterator[slice]:
    """The stored blocks, cut into ranges small enough for a cache."""
    step = max(1, _SCORES_AT_ONCE // records.n_classes)
    for block in records.blocks():
        for start in range(block.start, block.stop, step):
            yield slice(start, min(start + step, block.stop))
