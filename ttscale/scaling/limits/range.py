"""How far the limit of a vote may lie from what the samples show, whatever items there are.

A few samples of each item do not tell how the shares of right answers are spread over items: 8 of 16 right in half of
the items may come from items just above the tie, or just below it. Here an item is of one of many kinds, each with a
fixed share ``q`` of right answers and a way in which its wrong ones divide the rest (see :func:`_wrong_kinds`), and
nothing is assumed of how frequent the kinds are, together. The range holds the limits of all those mixtures whose
likelihood is not far below the highest (profile likelihood; Owen, Empirical Likelihood, 2001, §2.4, Murphy and van der
Vaart, JASA 95, 2000): the mixture with a given limit that is most likely is that fitted to the items and to some more,
of which nothing is known but that they end right (or wrong).
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from scipy.special import gammaln, xlogy

_STEPS, _STEPS_PER_ROOT = (60, 120), 10  # of the grid of q, per √n, and its bounds
_ANSWERS = {2: 12, 3: 9, 4: 8, 6: 7, 12: 7, 100: 7}  # wrong ones, and shares of the largest that are tried
_THETAS = np.geomspace(0.1, 50.0, 6)
_LARGEST = 0.97
_PIECES, _DRAWS = 100, 300  # of a Dirichlet process
_ITEMS = 1000  # that count: more tell little of what their few samples leave open, and take long to fit
_FIRST, _MORE = 300, 80  # rounds of a fit, and of one that starts from another
_ADDED = np.geomspace(0.002, 30.0, 14)  # items that end right, or wrong, per real item
_TIED = 1e-9


def limit_range(
    right: np.ndarray,
    wrong: np.ndarray,
    times: np.ndarray,
    level: float,
    *,
    independent: float = 1.0,
    wrong_weight: float = 1.0,
) -> tuple[float, float, float]:
    """The share of items that end right: by the likeliest mixture, and its least and largest value.

    Args:
        right: samples of an item that are right, ``int64 [item]``. wrong: of each of its wrong answers, in any order,
            0 where there are no more, ``int64 [item, answer]``. times: how many items are like this one, ``[item]``.
        level: of the range. independent: part of the items that tells something of its own (clusters tell less).
        wrong_weight: what a wrong sample adds to the vote, beside a right one.
    """
    effective = min(independent * times.sum(), _ITEMS)
    if len(times) > _ITEMS:  # as many items at random
        some = np.random.default_rng(0).choice(len(times), _ITEMS, p=times / times.sum())
        kept, times = np.unique(some, return_counts=True)
        right, wrong = right[kept], wrong[kept]
    n_wrong = wrong.sum(axis=1, keepdims=True)
    steps = int(np.clip(_STEPS_PER_ROOT * np.sqrt((right + n_wrong[:, 0]).max()), *_STEPS))
    q = np.sin((np.arange(steps) + 0.5) * (np.pi / 2 / steps)) ** 2
    of_right = _likelihood(xlogy(right[:, None], q) + xlogy(n_wrong, 1 - q))
    log_wrong, largest = zip(*_wrong_kinds(wrong.astype(np.float64)), strict=True)
    of_wrong = _likelihood(np.stack(log_wrong, axis=1))
    ends = np.stack(
        [(q[:, None] > wrong_weight * (1 + _TIED) * (1 - q)[:, None] * one).mean(axis=1) for one in largest], axis=1
    )
    fit = _Fit(of_right, of_wrong, times.astype(np.float64))
    best = fit.rounds(np.full(ends.shape, 1 / ends.size), _FIRST)
    allowed = NormalDist().inv_cdf((1 + level) / 2) ** 2 / 2 * times.sum() / effective
    low, high = 1 - fit.farthest(best, 1 - ends, allowed), fit.farthest(best, ends, allowed)
    return float((best * ends).sum()), low, high


class _Fit:
    """Mixtures of kinds of items, fitted to items by likelihood.

    Args:
        of_right, of_wrong: likelihood of each item's number of right answers under each share, ``[item, share]``, and
            of its wrong ones under each way they divide, ``[item, way]``. times: of each item.
    """

    def __init__(self, of_right: np.ndarray, of_wrong: np.ndarray, times: np.ndarray) -> None:
        self.of_right, self.of_wrong, self.times = of_right, of_wrong, times

    def chances(self, weights: np.ndarray) -> np.ndarray:
        """Of each item under a mixture ``weights [share, way]``."""
        return np.maximum(((self.of_right @ weights) * self.of_wrong).sum(axis=1), 1e-300)

    def log_likelihood(self, weights: np.ndarray) -> float:
        return float(self.times @ np.log(self.chances(weights)))

    def rounds(self, weights: np.ndarray, n: int, ends: np.ndarray | None = None, added: float = 0.0) -> np.ndarray:
        """Weights after some rounds of EM, with ``added`` more items that end as ``ends [share, way]`` tells."""
        for _ in range(n):
            per_item = self.times / self.chances(weights)
            gain = (self.of_right * per_item[:, None]).T @ self.of_wrong
            if ends is not None:
                gain += ends * (added / max((weights * ends).sum(), 1e-300))
            weights = weights * gain * np.sqrt(gain / gain.max())  # steps half as long again (Peters and Walker 1978)
            weights /= weights.sum()
        return weights

    def farthest(self, best: np.ndarray, ends: np.ndarray, allowed: float) -> float:
        """The largest share of items that end as ``ends`` tells whose log-likelihood is at most ``allowed`` lower."""
        top, weights = self.log_likelihood(best), 0.9 * best + 0.1 / best.size
        reached, before = float((best * ends).sum()), 0.0
        for added in _ADDED * self.times.sum():
            weights = self.rounds(weights, _MORE, ends, added)
            share, now = float((weights * ends).sum()), max(top - self.log_likelihood(weights), 0.0)
            if now > allowed:
                part = (allowed**0.5 - before**0.5) / (now**0.5 - before**0.5)
                return min(max(reached, reached + part * (share - reached)), 1.0)
            reached, before = max(reached, share), max(before, now)
        return 1.0


def _wrong_kinds(wrong: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ways in which wrong answers may divide: log-likelihood of each item's counts ``[item]`` (of the partition that
    they make, as answers have no names), and the share of the largest, ``[draw]``.

    One answer with a fixed share and some others that share the rest evenly, or a Dirichlet process (Ewens 1972).
    """
    n, different = wrong.sum(axis=1), (wrong > 0).sum(axis=1)
    yield np.where(different <= 1, 0.0, -np.inf), np.ones(1)
    for answers, shares in _ANSWERS.items():
        for largest in np.linspace(1 / answers, _LARGEST, shares):
            other = np.log((1 - largest) / (answers - 1))
            leads = np.where(wrong > 0, wrong * np.log(largest) + (n[:, None] - wrong) * other, -np.inf)
            seen = np.logaddexp.reduce(leads, axis=1) + _ways(answers - 1, different - 1)
            yield np.where(n == 0, 0.0, np.logaddexp(seen, n * other + _ways(answers - 1, different))), largest[None]
    rng = np.random.default_rng(0)
    for theta in _THETAS:
        alike = np.where(wrong > 0, gammaln(np.maximum(wrong, 1)), 0.0).sum(axis=1)
        broken = rng.beta(1.0, theta, (_DRAWS, _PIECES))
        left = np.cumprod(np.concatenate([np.ones((_DRAWS, 1)), 1 - broken[:, :-1]], axis=1), axis=1)
        yield different * np.log(theta) + gammaln(theta) - gammaln(theta + n) + alike, (broken * left).max(axis=1)


def _ways(answers: int, different: np.ndarray) -> np.ndarray:
    """Logarithm of how many ways there are to give some of the answers to ``different`` groups; −∞ if too few."""
    possible = gammaln(answers + 1) - gammaln(np.maximum(answers - different, 0) + 1)
    return np.where(different <= answers, possible, -np.inf)


def _likelihood(log_likelihood: np.ndarray) -> np.ndarray:
    return np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
