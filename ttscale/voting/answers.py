"""Votes over answers: the draws of an item, each with an answer and a weight, become one decision.

A vote is a fold, as in :mod:`ttscale.voting.merges`: the log-weights of equal answers are added (``logaddexp``: a
plurality, or a weighted vote) or the largest is kept (``maximum``: best-of-n), draw by draw, and the answers with the
highest total are tied for best. A total changes only when its answer comes up, and then it grows; so one pass keeps
the best total, how many answers share it and how many of these are right, and gives the decision of the first ``k``
draws for every ``k``, in a time that does not grow with the number of different answers. Written over the array API,
as the merges of vision are.

A draw without an extractable answer (−1), or of weight 0, adds nothing; where no draw votes the credit is 0.

Sources: the plurality of sampled answers is self-consistency, Wang et al., "Self-consistency improves chain of thought
reasoning in language models", ICLR 2023, whose table 1 also weights by the (normalised) probability of the text;
weighting and best-of-n by a verifier are Cobbe et al. 2021 and Li et al. 2023; by self-certainty, Kang, Zhao and Song
2025, "Scalable best-of-N selection for large language models via self-certainty".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from array_api_compat import array_namespace, device

from ttscale.voting.decisions import TIE_TOLERANCE

ABSTAINS = -1


def prefix_credits(
    answers: Any, correct: Any, log_weights: Any, *, best: bool = False, ties: str = "shared", places: Any = None
) -> Any:
    """Expected correctness of the vote of the first ``k`` draws for every ``k``: ``float64 [draw, row]``, in [0, 1].

    Totals closer than ``TIE_TOLERANCE`` in the logarithm are tied.

    Args:
        answers: integers ``[draw, row]``, −1 where the draw abstains. Rows are independent of each other (an item, or
            an item under one order of its samples).
        correct: ``bool [draw, row]``, whether the draw's answer is right; equal answers of a row must agree.
        log_weights: float64 ``[draw, row]``; −inf is the weight 0, NaN is not allowed where a draw answers.
        best: keep an answer's largest weight instead of the sum of its weights.
        ties: with ``m`` answers tied for best, ``c`` of them right, ``"shared"`` earns ``c/m``, the expectation of a
            random tie-break and the tie rule of every analysis unless another is asked for; ``"strict"`` nothing;
            ``"first_seen"`` 1 if the one whose first draw (of best-of-n, whose first draw of the best weight) has the
            least place is right.
        places: integers ``[draw, row]``, different within a row; by default the draws' order.
    """
    xp = array_namespace(answers)
    n = answers.shape[0]
    votes = (answers != ABSTAINS) & (log_weights > -math.inf)
    before = _previous(xp, xp.where(votes, answers, xp.full_like(answers, ABSTAINS)))
    totals = xp.zeros_like(log_weights)
    leader = xp.full_like(log_weights[0, ...], -math.inf)
    tied, right = xp.zeros_like(leader), xp.zeros_like(leader)
    first = _first_seen(xp, places, log_weights, best) if ties == "first_seen" else None
    out = []
    for k in range(n):
        seen, back = before[k, ...] >= 0, before[k, ...]
        old = xp.take_along_axis(totals, xp.where(seen, back, xp.zeros_like(back))[None, ...], axis=0)[0, ...]
        old = xp.where(seen, old, xp.full_like(old, -math.inf))
        total = xp.where(votes[k, ...], _joined(xp, old, log_weights[k, ...], best), xp.full_like(old, -math.inf))
        totals[k, ...] = total
        hit = xp.astype(correct[k, ...], total.dtype)
        ahead = votes[k, ...] & (total > leader + TIE_TOLERANCE)
        level = votes[k, ...] & ~ahead & (total >= leader - TIE_TOLERANCE)
        joins = level & ~(seen & (old >= leader - TIE_TOLERANCE))
        joined = xp.astype(joins, total.dtype)
        tied = xp.where(ahead, xp.ones_like(tied), tied + joined)
        if first is None:
            right = xp.where(ahead, hit, right + joined * hit)
        else:
            right = xp.where(first(k, seen, back, old, ahead, level), hit, right)
        leader = xp.maximum(leader, total)
        if ties == "shared":
            out.append(right / xp.maximum(tied, xp.ones_like(tied)))
        else:
            out.append(right if ties == "first_seen" else xp.where(tied == 1, right, xp.zeros_like(right)))
    return xp.stack(out)


def _first_seen(xp: Any, places: Any, log_weights: Any, best: bool) -> Callable[..., Any]:
    """Whether draw k makes its answer the one of the best that was seen first, for one k after another."""
    n = log_weights.shape[0]
    if places is None:
        places = xp.arange(n, dtype=xp.int64, device=device(log_weights))[:, None]
        places = places + xp.zeros(log_weights.shape, dtype=xp.int64, device=device(log_weights))
    firsts = xp.zeros_like(places)
    leading = xp.full_like(places[0, ...], xp.iinfo(xp.int64).max)

    def first(k: int, seen: Any, back: Any, old: Any, ahead: Any, level: Any) -> Any:
        nonlocal leading
        known = xp.take_along_axis(firsts, xp.where(seen, back, xp.zeros_like(back))[None, ...], axis=0)[0, ...]
        mine = xp.where(seen & (known < places[k, ...]), known, places[k, ...])
        if best:
            weight = log_weights[k, ...]
            mine = xp.where(seen & (weight < old - TIE_TOLERANCE), known, mine)
            mine = xp.where(weight > old + TIE_TOLERANCE, places[k, ...], mine)
        firsts[k, ...] = mine
        chosen = ahead | (level & (mine <= leading))
        leading = xp.where(chosen, mine, leading)
        return chosen

    return first


def decide(answers: Any, log_weights: Any, uniforms: Any, *, best: bool = False) -> Any:
    """The answer of each row by the vote of all its draws: integers ``[row]``, −1 where no draw votes.

    With ``m`` answers tied for best and uniform ``u``, the tied answer of rank ``⌊u m⌋`` in order of first appearance
    among the draws is picked: the tie rule of a deployed decision. It does not depend on how answers are numbered.

    Args:
        answers, log_weights, best: as in :func:`prefix_credits`.
        uniforms: ``float64 [row]`` in [0, 1), from ``draws.keyed.uniforms`` with the stream ``TIES``.
    """
    xp = array_namespace(answers)
    votes = (answers != ABSTAINS) & (log_weights > -math.inf)
    numbers = xp.where(votes, answers, xp.full_like(answers, ABSTAINS))
    first = votes & (_previous(xp, numbers) < 0)
    total = xp.full_like(log_weights, -math.inf)
    for k in range(answers.shape[0]):
        same = votes[k, ...][None, ...] & (numbers == numbers[k, ...][None, ...])
        total = xp.where(same, _joined(xp, total, log_weights[k, ...][None, ...], best), total)
    leader = xp.max(xp.where(first, total, xp.full_like(total, -math.inf)), axis=0)
    tied = first & (total >= leader[None, ...] - TIE_TOLERANCE)
    rank = xp.cumulative_sum(xp.astype(tied, xp.int64), axis=0)
    count = rank[-1, ...]
    pick = xp.astype(xp.floor(uniforms * xp.astype(count, uniforms.dtype)), xp.int64)
    pick = xp.where(pick < count, pick, count - 1)
    chosen = tied & (rank == pick[None, ...] + 1)
    number = xp.sum(xp.where(chosen, numbers, xp.zeros_like(numbers)), axis=0)
    return xp.where(count > 0, xp.astype(number, answers.dtype), xp.full_like(answers[0, ...], ABSTAINS))


def _joined(xp: Any, total: Any, log_weight: Any, best: bool) -> Any:
    return xp.maximum(total, log_weight) if best else xp.logaddexp(total, log_weight)


def _previous(xp: Any, answers: Any) -> Any:
    """For each draw the position of the last draw before it with the same answer, −1 if none: ``int64 [draw, row]``.

    Stable sorting puts equal answers side by side in the order of draws; abstentions are never anybody's.
    """
    order = xp.argsort(answers, axis=0, stable=True)
    small = order.shape[0] <= xp.iinfo(xp.int16).max  # numpy sorts 16-bit integers several times as fast
    rank = xp.argsort(xp.astype(order, xp.int16) if small else order, axis=0, stable=True)
    ordered = xp.take_along_axis(answers, order, axis=0)
    nothing = xp.full((1, *answers.shape[1:]), -1, dtype=order.dtype, device=device(answers))
    follows = (ordered[1:, ...] == ordered[:-1, ...]) & (ordered[1:, ...] != ABSTAINS)
    before = xp.concat([nothing, xp.where(follows, order[:-1, ...], xp.full_like(order[:-1, ...], -1))], axis=0)
    return xp.take_along_axis(before, rank, axis=0)
