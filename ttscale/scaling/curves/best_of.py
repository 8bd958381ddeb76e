"""Best-of-n averaged over every subset of k of an item's n samples: exact, by ranks.

A subset's best sample is the one of rank r, counted from 0, if it holds that one and none above it:
``(C(n−r, k) − C(n−r−1, k)) / C(n, k)``. Answers whose best scores are equal are tied. Let a group of equal scores have
``u_a`` samples of answer ``a`` and ``l`` samples below. Answer ``b`` shares the credit with the ``w`` others of the
group that are present, ``1 / (1 + w) = ∫ z^w dz``; and each other one is either left to chance, by ``z``, or absent, by
``1 − z``: the product of ``1 − z + z y^u_a`` over them, averaged over z, says with which probability d_j there are j
more samples to choose from, and b earns ``Σ_j d_j (C(l+u_b+j, k) − C(l+j, k)) / C(n, k)``.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from ttscale.scaling.curves.misses import log_misses
from ttscale.voting.decisions import TIE_TOLERANCE

_DECIMALS = 12
_Group = tuple[int, int, tuple[tuple[int, bool], ...]]  # above, below, and per answer its samples and whether right


def best_credits(
    answers: np.ndarray, right: np.ndarray, scores: np.ndarray, n: np.ndarray, budgets: np.ndarray, *,
    ties: str = "shared",
) -> np.ndarray:  # fmt: skip
    """Expected credit of best-of-k over all subsets of k samples, ``float64 [k, row]``; NaN where k > n.

    Args:
        answers: integers ``[row, sample]``. right: ``bool [row, sample]``.
        scores: ``float64 [row, sample]``; −inf where a sample abstains or does not exist: it never wins.
        n: samples that exist, ``int64 [row]``.
        budgets: increasing, ``int64 [k]``.
        ties: of answers whose best scores are equal (to within ``TIE_TOLERANCE``): ``"shared"``, ``"strict"``, or
            ``"first_seen"``: the first of the samples with the best score wins.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    answers, right, scores = (np.take_along_axis(part, order, axis=1) for part in (answers, right, scores))
    earns = right & (scores > -math.inf)
    groups = [] if ties == "first_seen" else _tied_groups(answers, earns, scores, n)
    for row, (above, below, _) in groups:
        earns[row, above : n[row] - below] = False
    out = np.full((len(budgets), len(n)), np.nan)
    for one in np.unique(n):
        rows = n == one
        for at, k in enumerate(budgets[budgets <= one].tolist()):
            misses = np.exp(log_misses(int(one), k))
            out[at, rows] = earns[rows, :one] @ -np.diff(misses)
    misses_of: dict[tuple[int, int], np.ndarray] = {}
    earned: dict[tuple[int, _Group], np.ndarray] = {}
    for row, group in groups:
        key = (int(n[row]), group)
        if key not in earned:
            earned[key] = _earned(*key, budgets, ties == "strict", misses_of)
        out[:, row] += earned[key]
    return np.round(out, _DECIMALS)


def _tied_groups(answers: np.ndarray, earns: np.ndarray, scores: np.ndarray, n: np.ndarray) -> list[tuple[int, _Group]]:
    """The groups of equal scores with several answers, one of them right."""
    votes = scores > -math.inf
    finite = np.where(votes, scores, 0.0)
    equal = votes[:, 1:] & (finite[:, :-1] - finite[:, 1:] <= TIE_TOLERANCE)  # to the one before
    out = []
    for row in np.flatnonzero((equal & (answers[:, 1:] != answers[:, :-1])).any(axis=1)):
        starts = np.flatnonzero(np.append(True, ~equal[row]) & votes[row])
        stops = np.append(starts[1:], votes[row].sum())
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            of = dict(zip(answers[row, start:stop].tolist(), earns[row, start:stop].tolist(), strict=True))
            if len(of) > 1 and any(of.values()):
                sizes = Counter(answers[row, start:stop].tolist())
                parts = tuple(sorted((size, of[answer]) for answer, size in sizes.items()))
                out.append((int(row), (start, int(n[row]) - stop, parts)))
    return out


def _earned(
    n: int, group: _Group, budgets: np.ndarray, strict: bool, misses_of: dict[tuple[int, int], np.ndarray]
) -> np.ndarray:
    """What the right answers of a group earn, ``float64 [k]``."""
    _, below, parts = group
    out = np.full(len(budgets), np.nan)
    for at, k in enumerate(budgets[budgets <= n].tolist()):
        if (n, k) not in misses_of:
            misses_of[n, k] = np.exp(log_misses(n, k))[::-1]  # by how many samples there are to choose from
        held = misses_of[n, k]
        out[at] = 0.0
        for place, (size, is_right) in enumerate(parts):
            if is_right:
                others = [] if strict else [count for other, (count, _) in enumerate(parts) if other != place]
                more = _present(others)
                j = below + np.arange(len(more))
                out[at] += more @ (held[j + size] - held[j])
    return out


def _present(sizes: list[int]) -> np.ndarray:
    """Probabilities that 0, 1, … more samples are left to chance, ``float64 [sum(sizes) + 1]``."""
    nodes, weights = np.polynomial.legendre.leggauss(len(sizes) // 2 + 1)
    z, weights = (nodes + 1) / 2, weights / 2
    out = np.zeros((sum(sizes) + 1, len(z)))
    out[0] = 1.0
    for size in sizes:
        moved = np.zeros_like(out)
        moved[size:] = out[: len(out) - size]
        out = (1 - z) * out + z * moved
    return out @ weights
