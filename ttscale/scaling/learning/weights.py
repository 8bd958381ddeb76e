"""Learned weights of an ensemble of language models: those under which most items have a right top answer.

With ever more samples, a member's answers to an item go to a distribution ``p_m(a)``, and the vote of an ensemble that
draws from member ``m`` with share ``w_m`` goes to the answer with the largest ``Σ_m w_m p_m(a)``. The weights that make
most items right are a mixed-integer linear programme (Komiyama, Oba and Oyamada, "Best-of-∞: asymptotic performance of
test-time compute", 2025, arXiv 2509.21091, section 4): an item counts when its right answer leads every wrong one. Two
members are solved exactly by sweeping over the share of the first; more by branch and bound (HiGHS). Of all solutions
the one in the middle is taken, as far as possible from changing an answer.

Weights that were learned on some items are scored on others; :func:`cross_fitted` does both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from ttscale.records.graded import Graded
from ttscale.scaling.quiet import quiet_stdout
from ttscale.scaling.sampled import Pool
from ttscale.voting.decisions import TIE_TOLERANCE

_MARGIN = 1e-4  # a right answer must lead by so much of the mass; far above the tolerance of the solver
_SECONDS = 10.0  # for branch and bound; weights that were not proven best by then are as good as any others found


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """Weights learned on each half of the items and scored on the other.

    Attributes:
        weights: learned on all items, ``float64 [member]``: those to deploy.
        halves: learned on the first half, and on the second.
        credit: of each item under the weights of the half that it is not in, ``float64 [item]``.
        optimism: accuracy on the halves that chose minus accuracy on the halves that did not.
    """

    weights: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    credit: np.ndarray
    optimism: float


def answer_shares(graded: Graded, wanted: Sequence[Pool]) -> np.ndarray:
    """Share of each pool's samples that gave each answer, ``float64 [pool, item, answer]``; abstentions give none."""
    held, n_answers = graded.pools, graded.correct.shape[1]
    out = np.zeros((len(wanted), graded.n_items, n_answers))
    rows = np.arange(graded.n_items)
    for number, pool in enumerate(wanted):
        for column in held[pool]:
            answered = graded.answers[:, column] >= 0
            out[number, rows[answered], graded.answers[answered, column]] += 1.0 / len(held[pool])
    return out


def weighted_credit(shares: np.ndarray, correct: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Credit of the top answer under these weights, ``float64 [item]``: ties share it, and no answer at all has 0.

    Args:
        shares: ``[member, item, answer]``. correct: ``bool [item, answer]``. weights: ``[member]``.
    """
    totals = np.einsum("m,mia->ia", weights, shares)
    top = totals.max(axis=1, initial=0.0)[:, None]
    tied = (totals >= top * (1 - TIE_TOLERANCE)) & (top > 0)
    return (tied & correct).sum(axis=1) / np.maximum(tied.sum(axis=1), 1)


def learn_weights(shares: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Weights of most items right, ``float64 [member]``, not negative and of sum 1. Arguments as above.

    Where alike weights do as well as any, they are taken.
    """
    n = len(shares)
    options = [np.full(n, 1.0 / n)]
    if n > 1 and shares.shape[2]:
        options.append(_swept(shares, correct) if n == 2 else _programmed(shares, correct))
    options += list(np.eye(n))
    scores = [round(float(weighted_credit(shares, correct, weights).sum()), 9) for weights in options]
    return options[int(np.argmax(scores))]


def cross_fitted(shares: np.ndarray, correct: np.ndarray, first: np.ndarray) -> CrossFitted:
    """Learn on each half and score on the other. ``first`` says which items are in the first half, ``bool [item]``."""
    return crossed(lambda items: learn_weights(shares[:, items], correct[items]), shares, correct, first)


def crossed(
    learn: Callable[[np.ndarray], np.ndarray], shares: np.ndarray, correct: np.ndarray, first: np.ndarray
) -> CrossFitted:
    """The same for any rule that makes weights from some of the items (``bool [item]``)."""
    credit, seen = np.empty(len(first)), np.empty(len(first))
    halves = learn(first), learn(~first)
    for chooser, weights in zip((first, ~first), halves, strict=True):
        whole = weighted_credit(shares, correct, weights)
        credit[~chooser], seen[chooser] = whole[~chooser], whole[chooser]
    return CrossFitted(learn(np.ones_like(first)), halves, credit, float(seen.mean() - credit.mean()))


def same_for_all(shares: np.ndarray, correct: np.ndarray, weights: np.ndarray) -> CrossFitted:
    """The same for weights that were not learned: nothing is optimistic about them."""
    return CrossFitted(weights, (weights, weights), weighted_credit(shares, correct, weights), 0.0)


def best_single(shares: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """All weight on the most accurate member alone, the first of equals."""
    each = np.eye(len(shares))
    scores = [round(float(weighted_credit(shares, correct, one).sum()), 9) for one in each]
    return each[int(np.argmax(scores))]


def _leads(shares: np.ndarray, correct: np.ndarray) -> list[list[np.ndarray]]:
    """Per item and right answer that anybody gave, its lead over each wrong one: ``[wrong, member]``, distinct rows."""
    out = []
    for item in range(shares.shape[1]):
        given, good = shares[:, item], correct[item]
        wrong = given[:, ~good & (given.max(axis=0) > 0)]
        rights = given[:, good & (given.max(axis=0) > 0)]
        none = np.zeros((len(given), 1))  # a total of 0 does not win
        out.append([np.unique((right[:, None] - np.hstack([wrong, none])).T, axis=0) for right in rights.T])
    return out


def _swept(shares: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Two members: an item is right for some ranges of the first one's share; the middle of the best cell of all."""
    ranges = [one for item in _leads(shares, correct) for one in _united([_range(lead) for lead in item])]
    low, high = np.array(ranges, dtype=np.float64).reshape(-1, 2).T
    edges = np.unique(np.concatenate([[0.0, 1.0], low, high]))
    middle = (edges[1:] + edges[:-1]) / 2
    holds = np.searchsorted(np.sort(low), middle) - np.searchsorted(np.sort(high), middle)
    width = np.where(holds == holds.max(), np.diff(edges), -1.0)
    share = float(middle[int(np.argmax(width))])
    return np.array([share, 1.0 - share])


def _united(ranges: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Ranges that are not empty, overlapping ones made one."""
    out: list[tuple[float, float]] = []
    for low, high in sorted(one for one in ranges if one[0] < one[1]):
        if out and low <= out[-1][1]:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return out


def _range(lead: np.ndarray) -> tuple[float, float]:
    """Shares t of the first of two members with ``t lead₁ + (1 − t) lead₂ > 0`` for all wrong answers."""
    first, second = lead[:, 0], lead[:, 1]
    slope = first - second
    rising, falling = slope > 0, slope < 0
    if (second[~rising & ~falling] <= 0).any():
        return 1.0, 0.0
    low = max(0.0, float((-second[rising] / slope[rising]).max(initial=0.0)))
    high = min(1.0, float((-second[falling] / slope[falling]).min(initial=1.0)))
    return low, high


def _programmed(shares: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Any number of members: a binary variable per right answer says that it leads all wrong ones."""
    n, by_item = len(shares), _leads(shares, correct)
    named = [(item, lead[lead.min(axis=1) < _MARGIN]) for item, leads in enumerate(by_item) for lead in leads]
    contested = [(item, lead) for item, lead in named if len(lead) and (lead.max(axis=1) > _MARGIN).all()]
    if not contested:
        return np.full(n, 1.0 / n)
    items, leads = np.array([item for item, _ in contested]), [lead for _, lead in contested]
    which = np.repeat(np.arange(len(leads)), [len(lead) for lead in leads])
    binary = sparse.csr_array((np.full(len(which), -(1.0 + _MARGIN)), (np.arange(len(which)), which)))
    holds = LinearConstraint(sparse.hstack([sparse.csr_array(np.concatenate(leads)), binary]), lb=-1.0)
    once = (np.unique(items)[:, None] == items).astype(np.float64)
    one_an_item = LinearConstraint(np.hstack([np.zeros((len(once), n)), once]), ub=1.0)
    whole = LinearConstraint(np.append(np.ones(n), np.zeros(len(leads)))[None, :], 1.0, 1.0)
    with quiet_stdout():  # HiGHS prints a line about a solution that it repairs, whatever its options say
        done = milp(
            np.append(np.zeros(n), -np.ones(len(leads))), integrality=np.append(np.zeros(n), np.ones(len(leads))),
            bounds=Bounds(0.0, 1.0), constraints=[holds, one_an_item, whole], options={"time_limit": _SECONDS},
        )  # fmt: skip
    if done.x is None:
        return np.full(n, 1.0 / n)
    held = [lead for lead, on in zip(leads, done.x[n:] > 0.5, strict=True) if on]
    return _middle(np.concatenate(held)) if held else np.full(n, 1.0 / n)


def _middle(leads: np.ndarray) -> np.ndarray:
    """Weights with the largest smallest lead ``[lead, member]``: a linear programme in the weights and that lead."""
    n = leads.shape[1]
    rows = np.column_stack([leads, -np.ones(len(leads))])
    done = milp(
        np.append(np.zeros(n), -1.0), bounds=Bounds(np.append(np.zeros(n), -1.0), np.ones(n + 1)),
        constraints=[LinearConstraint(rows, lb=0.0), LinearConstraint(np.append(np.ones(n), 0.0)[None, :], 1.0, 1.0)],
    )  # fmt: skip
    weights = np.maximum(done.x[:n], 0.0)
    return weights / weights.sum()
