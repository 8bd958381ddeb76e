"""The plurality of k samples, averaged over every subset of k of an item's n samples: exact, for every k at once.

Let answer ``a`` have ``n_a`` of the samples. Subsets in which a right answer leads with ``t`` votes are counted by a
product of polynomials in x, whose power counts the samples taken: the leader takes exactly ``t`` of its own,
``C(n_b, t) x^t``; every other answer fewer, ``Σ_{s<t} C(n_a, s) x^s``, or as many, ``z C(n_a, t) x^t``; samples that
abstain are taken freely. The coefficient of ``x^k``, summed over t and divided by ``C(n, k)``, is the expected credit.
Tied answers share the credit if z is averaged over [0, 1], since ``∫ z^w dz = 1 / (1 + w)`` for ``w`` others that tie
(Gauss-Legendre nodes make that exact); with z = 0 a tie earns nothing; and where the answer seen first wins,
the leader's first sample is held at each of its places in turn and the tying samples of others must all come after it.
An answer of fewer than t samples cannot reach t: it is taken freely too, so that at most n/t answers need a
polynomial.

Counts are scaled as :mod:`ttscale.scaling.curves.binomials` says, so that none overflows or cancels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ttscale.scaling.curves.binomials import Binomials, table_of, tilts
from ttscale.voting.answers import ABSTAINS

MOST_WORK = 1e9  # multiplications; some seconds
_CELLS_AT_ONCE = 150_000  # rows × powers; a polynomial then stays in the cache
_TABLE = 2e7  # rows × answers
_DECIMALS = 12


@dataclass(frozen=True, eq=False)
class Tally:
    """How many samples each answer has, most first: all that the plurality of a random subset depends on.

    Attributes:
        n: samples, those that abstain too, ``int64 [row]``.
        right, wrong: samples of the right and of the wrong answers, ``int64 [row, answer]``, padded with 0.
    """

    n: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


@dataclass(frozen=True, eq=False)
class _Leads:
    """A right answer of each row, and the others.

    Attributes:
        n: samples of every row. lead: of them the leader's, ``int64 [row]``.
        others: those of the other answers, ``int64 [row, answer]``, most first.
        before: which of its samples, counted from 0, is the first of the leader's that is taken, ``int64 [row]``;
            later: how many samples of each other answer come after it, ``int64 [row, answer]``. None where the order of
            samples does not matter.
    """

    n: int
    lead: np.ndarray
    others: np.ndarray
    before: np.ndarray | None = None
    later: np.ndarray | None = None

    def at(self, rows: np.ndarray | slice) -> _Leads:
        before, later = (None if part is None else part[rows] for part in (self.before, self.later))
        return _Leads(self.n, self.lead[rows], self.others[rows], before, later)


def tally_of(answers: np.ndarray, right: np.ndarray, n: np.ndarray) -> Tally:
    """Count the answers of each row.

    Args:
        answers: integers ``[row, sample]``, −1 where a sample abstains or does not exist.
        right: ``bool [row, sample]``, equal for equal answers of a row.
        n: samples that exist, ``int64 [row]``.
    """
    counts, is_right = _counts(answers, right)
    return Tally(n.astype(np.int64), _sorted(np.where(is_right, counts, 0)), _sorted(np.where(is_right, 0, counts)))


def without_one(tally: Tally) -> tuple[Tally, np.ndarray, np.ndarray]:
    """Each row with one sample left out: the tallies, of which row each is, and for how many samples it stands."""
    right, wrong = tally.right, tally.wrong
    both = np.concatenate([right, wrong], axis=1)
    first = np.ones(both.shape, bool)  # equal counts of one kind leave equal tallies
    for start, stop in ((0, right.shape[1]), (right.shape[1], both.shape[1])):
        first[:, start + 1 : stop] = both[:, start + 1 : stop] != both[:, start : stop - 1]
    row, column = np.nonzero((both > 0) & first)
    kind = column < right.shape[1]
    count = both[row, column]
    alike = ((both[row] == count[:, None]) & ((np.arange(both.shape[1]) < right.shape[1]) == kind[:, None])).sum(axis=1)
    fewer = both[row]
    fewer[np.arange(len(row)), column] -= 1
    silent = tally.n - both.sum(axis=1)
    quiet = np.flatnonzero(silent > 0)
    rows = np.concatenate([row, quiet])
    fewer = np.concatenate([fewer, both[quiet]])
    out = Tally(tally.n[rows] - 1, _sorted(fewer[:, : right.shape[1]]), _sorted(fewer[:, right.shape[1] :]))
    return out, rows, np.concatenate([count * alike, silent[quiet]])


def majority_credits(tally: Tally, budgets: np.ndarray, *, ties: str = "shared") -> np.ndarray | None:
    """Expected credit of the plurality of each budget's samples over all subsets, ``float64 [k, row]``.

    Args:
        budgets: increasing, ``int64 [k]``; NaN comes out where a row has fewer samples.
        ties: ``"shared"`` or ``"strict"``.

    Returns:
        None where it would take more than ``MOST_WORK`` multiplications.
    """
    cells = np.concatenate([tally.n[:, None], tally.right, tally.wrong], axis=1)
    different, back = np.unique(cells, axis=0, return_inverse=True)
    n_right = tally.right.shape[1]
    leads, rows = [], []
    for n in np.unique(different[:, 0]):
        for column in range(1, 1 + n_right):
            here = np.flatnonzero((different[:, 0] == n) & (different[:, column] > 0))
            if here.size:
                others = _sorted(np.delete(different[here, 1:], column - 1, axis=1))
                leads.append(_Leads(int(n), different[here, column], others))
                rows.append(here)
    total = _added(leads, rows, different[:, 0], budgets, ties == "shared")
    return None if total is None else total[:, back.reshape(-1)]


def first_seen_credits(answers: np.ndarray, right: np.ndarray, n: np.ndarray, budgets: np.ndarray) -> np.ndarray | None:
    """The same where the tied answer that is seen first wins, over all subsets kept in the order of the samples.

    Arguments as in :func:`tally_of`, ``budgets`` as in :func:`majority_credits`.
    """
    counts, _ = _counts(answers, right)
    row, place = np.nonzero(right & (answers != ABSTAINS))
    if len(row) * counts.shape[1] > _TABLE:
        return None
    leader = answers[row, place]
    seen = np.zeros((len(row), counts.shape[1]), dtype=np.int64)  # samples of each answer before this place
    for position in range(answers.shape[1]):
        earlier = np.flatnonzero((position < place) & (answers[row, position] != ABSTAINS))
        seen[earlier, answers[row[earlier], position]] += 1
    at = np.arange(len(row))
    lead, before = counts[row, leader], seen[at, leader]
    others, later = counts[row], counts[row] - seen
    others[at, leader] = later[at, leader] = 0
    order = np.argsort(-(others * (answers.shape[1] + 1) + later), axis=1)
    others, later = np.take_along_axis(others, order, 1), np.take_along_axis(later, order, 1)
    leads, rows = [], []
    for one in np.unique(n):
        here = np.flatnonzero(n[row] == one)
        leads.append(_Leads(int(one), lead[here], others[here], before[here], later[here]))
        rows.append(row[here])
    return _added(leads, rows, n, budgets, False)


def _counts(answers: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples of each answer, ``int64 [row, answer]``, and which answers are right."""
    n_rows, n_answers = len(answers), int(answers.max(initial=-1)) + 1
    row, place = np.nonzero(answers != ABSTAINS)
    cell = row * n_answers + answers[row, place]
    counts = np.bincount(cell, minlength=n_rows * n_answers).reshape(n_rows, n_answers)
    is_right = np.bincount(cell, right[row, place], minlength=n_rows * n_answers).reshape(n_rows, n_answers) > 0
    return counts, is_right


def _sorted(counts: np.ndarray) -> np.ndarray:
    """Most first, without the columns of which all are 0."""
    counts = -np.sort(-counts, axis=1)
    return counts[:, (counts > 0).any(axis=0)]


def _added(
    leads: list[_Leads], rows: list[np.ndarray], n: np.ndarray, budgets: np.ndarray, shared: bool
) -> np.ndarray | None:
    """The credits of all leaders added up by row, ``float64 [k, row]``; NaN where k > n; None if too much work."""
    plans = [_plan(one, int(min(one.n, budgets[-1])), shared) for one in leads]
    if sum(work for _, work in plans) > MOST_WORK:
        return None
    total = np.zeros((len(budgets), len(n)))
    for one, (steps, _), where in zip(leads, plans, rows, strict=True):
        ks = budgets[budgets <= one.n]
        credit = _credits(one, steps, ks, shared)
        for k in range(len(ks)):
            total[k] += np.bincount(where, credit[k], minlength=len(n))
    total = np.round(total, _DECIMALS)
    total[budgets[:, None] > n[None, :]] = np.nan
    return total


Step = tuple[int, int, np.ndarray, np.ndarray]  # t, how many others reach it, rows, samples taken freely


def _plan(leads: _Leads, highest: int, shared: bool) -> tuple[list[Step], float]:
    """What is to be multiplied for each number of votes t, and how many multiplications that takes."""
    steps: list[Step] = []
    work = 0.0
    for t in range(1, min(highest, int(leads.lead.max(initial=0))) + 1):
        rows = np.flatnonzero(leads.lead >= t)
        reach = leads.others[rows] >= t
        several = reach.sum(axis=1)
        free = leads.n - leads.lead[rows] - (leads.others[rows] * reach).sum(axis=1)
        for count in np.unique(several):
            here = several == count
            steps.append((t, int(count), rows[here], free[here]))
            nodes = count // 2 + 1 if shared else 1
            length = min(count * t, highest - t) + 1
            work += here.sum() * (nodes * max(0, count - 1) * (t + 1) * length / 2 + length * (free[here].mean() + 1))
        if work > 10 * MOST_WORK:
            break
    return steps, work * len(tilts(leads.n))


def _credits(leads: _Leads, steps: list[Step], ks: np.ndarray, shared: bool) -> np.ndarray:
    out = np.zeros((len(ks), len(leads.lead)))
    for p, low, high in tilts(leads.n):
        here = (ks >= low) & (ks <= high)
        if not here.any():
            continue
        binomials = table_of(leads.n, p)
        highest = int(ks[here][-1])
        at_once = max(16, _CELLS_AT_ONCE // (highest + 1))
        scale = binomials(ks[here], np.full(here.sum(), leads.n))
        for t, several, rows, free in steps:
            if t > highest:
                break
            for start in range(0, len(rows), at_once):
                some = slice(start, start + at_once)
                found = _coefficients(leads.at(rows[some]), t, several, free[some], highest, binomials, shared)
                out[np.ix_(here, rows[some])] += found[ks[here]] / scale[:, None]
    return out


def _coefficients(
    leads: _Leads, t: int, several: int, free: np.ndarray, highest: int, binomials: Binomials, shared: bool
) -> np.ndarray:
    """Coefficients of ``x^0 … x^highest`` where the leader has t votes and so many others reach t, ``[power, row]``."""
    nodes, weights = _nodes(several) if shared else (np.zeros(1), np.ones(1))
    product = np.ones((1, len(free), 1))  # [power, row, node]
    powers = np.arange(t + 1)
    for other in range(several):
        count = leads.others[:, other]
        factor = np.repeat(binomials(powers[:, None], count[None, :])[:, :, None], len(nodes), axis=2)
        factor[t] *= nodes
        if leads.later is not None:
            factor[t, :, 0] = binomials.none(count - leads.later[:, other]) * binomials(t, leads.later[:, other])
        product = _multiplied(factor, product, highest - t)
    if leads.before is None:
        lead = binomials(t, leads.lead)
    else:
        after = leads.lead - 1 - leads.before
        lead = binomials.none(leads.before) * binomials.p * binomials(t - 1, after)
    rest = binomials(np.arange(min(int(free.max()), highest - t) + 1)[:, None], free[None, :])
    out = np.zeros((highest + 1, len(free)))
    whole = _multiplied(product @ weights * lead, rest, highest - t)
    out[t : t + len(whole)] = whole
    return out


def _multiplied(a: np.ndarray, b: np.ndarray, highest: int) -> np.ndarray:
    """The product of polynomials ``[power, …]`` up to this power."""
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    if len(short) == 1:
        return short[0] * long[: highest + 1]
    out = np.zeros((min(len(a) + len(b) - 2, highest) + 1, *np.broadcast_shapes(a.shape[1:], b.shape[1:])))
    for power in range(min(len(short), len(out))):
        stop = min(len(long), len(out) - power)
        out[power : power + stop] += short[power] * long[:stop]
    return out


@lru_cache(maxsize=256)
def _nodes(several: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] that integrate a polynomial of this degree exactly."""
    nodes, weights = np.polynomial.legendre.leggauss(several // 2 + 1)
    return (nodes + 1) / 2, weights / 2
