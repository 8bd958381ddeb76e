"""Posteriors of the shares that the answers of a pool have in the long run, from the samples at hand.

The samples of a pool (one member, prompt and decoding) are draws of answers with unknown shares, whose posterior has
two parts, independent of each other as those of a Dirichlet distribution are (Connor and Mosimann, JASA 64, 1969):

- **How often the answer is right.** The share ``q`` is a draw from a distribution over items, a mixture of beta
  distributions (Bernstein polynomials, Petrone 1999, and two more for items that are nearly always wrong, or right)
  whose weights are fitted to the counts of all items by likelihood (empirical Bayes).
- **How the wrong answers divide the rest.** With ``n_a`` samples of the wrong answer ``a``, the shares of those seen
  and of all unseen ones are Dirichlet(n_1, …, n_m, θ) by a Dirichlet process (Ferguson, Annals of Statistics 1, 1973);
  ``θ`` is near 0 where a model errs in one way and large where it rarely repeats an error. Or there are just ``K``
  wrong answers with a symmetric Dirichlet(α, …, α), nearly level where α is large: multiple choice. Which of these it
  is has a distribution over items, fitted to their partitions (Pitman, Combinatorial Stochastic Processes, 2006, §3.2).

A prior that does not know how often items of this kind are right (a Beta(1, 1) or Beta(½, ½) share, or one Dirichlet
for right and wrong answers alike) draws the limit of the vote towards its own middle, by up to .45 with 4 samples an
item and .15 with 16 in ``tests/bench/intervals.py``. The fitted one is smooth: where all items are alike it draws the
limit away from 0 and 1, which is why its interval is not made from it alone (:mod:`ttscale.scaling.limits.range`).

Both fits assume that items differ smoothly. Where a good part of them are alike and near a tie (all of them right with
probability .45, say, against .4 of one wrong answer, or half of them .35 against .5), few samples cannot tell which
answer leads, the error of the prior is the same for all items, and the limit is off by up to .27 with 8 samples an item
and .23 with 32, more than its interval allows (the bench's near ties). It shrinks as samples tell the items apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, exp1, gammaln

_PROCESS = np.geomspace(0.02, 50.0, 12)
_LEVEL = [(k, alpha) for k in (2, 3, 4, 6, 10) for alpha in (1.0, 5.0, 25.0, 125.0)]
THETAS = np.concatenate([_PROCESS, np.zeros(len(_LEVEL))])  # of each prior of wrong answers; 0: a symmetric Dirichlet
ANSWERS = np.concatenate([np.zeros(len(_PROCESS), np.int64), np.array([k for k, _ in _LEVEL])])  # 0: no end of them
ALPHAS = np.concatenate([np.zeros(len(_PROCESS)), np.array([alpha for _, alpha in _LEVEL])])
_BERNSTEIN = 16
_NARROW, _CENTRES = 100.0, 20  # of components for many items alike: a + b, and how many
_ROUNDS, _MORE_ROUNDS = 200, 30  # of a fit, and of one that starts from another
_STEPS, _STEPS_PER_ROOT = (200, 2000), 25  # of the grid of q: per √n, and its bounds
_LOG_X = np.linspace(-70.0, 4.0, 4000)
_MINUS_LOG_EXP1 = -np.log(exp1(np.exp(_LOG_X)))


@dataclass(frozen=True, eq=False)
class RightShare:
    """The posterior of each item's share of right answers: a mixture of beta distributions, fitted to all items.

    Attributes:
        pair: which pair of counts (right, wrong) is that of each item, ``int64 [item]``.
        likelihood: of each pair under each component, up to a factor of the pair, ``float64 [pair, component]``.
        weights: of the components before the counts are seen, ``float64 [component]``.
        a, b: of each component's beta distribution once the counts are seen, ``float64 [pair, component]``.
        steps: of the grid of equal steps of ``arcsin √q`` that probabilities are taken from.
    """

    pair: np.ndarray
    likelihood: np.ndarray
    weights: np.ndarray
    a: np.ndarray
    b: np.ndarray
    steps: int

    def exceeds(self, share: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Probability that the share of each of some items exceeds ``share [draw, item]``, the mean over the draws:
        ``float64 [item, component]``."""
        place = np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0))) * (2 * self.steps / np.pi)
        lower = np.minimum(place.astype(np.int64), self.steps - 1)
        above, rows = self._above(items)
        out = np.empty((len(items), len(self.weights)))
        for number, row in enumerate(rows):
            table, at, on = above[row], lower[:, number], (place - lower)[:, number]
            out[number] = (table[:, at] * (1 - on) + table[:, at + 1] * on).mean(axis=1)
        return out

    def mixed(self, of_component: np.ndarray, drawn: np.ndarray | None = None) -> np.ndarray:
        """Values ``[item, component]`` averaged over the components, as likely as each is: ``float64 [item]``.

        Args:
            drawn: how often each item was drawn in some resamples, ``[resample, item]``: the weights are fitted to
                each of them, and the result is ``[resample, item]``.
        """
        weights = self.weights if drawn is None else self._refitted(drawn)
        likelihood = self.likelihood[self.pair]
        return (weights @ (likelihood * of_component).T) / (weights @ likelihood.T)

    def draw(self, items: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """Random shares, ``float64 [n, item]``."""
        edges = np.sin(np.linspace(0.0, np.pi / 2, self.steps + 1)) ** 2
        above, rows = self._above(items)
        uniforms = rng.random((n, len(items)))
        for column, row in enumerate(rows):
            chance = self.likelihood[self.pair[items[column]]] * self.weights
            below = 1 - chance @ above[row] / chance.sum()
            uniforms[:, column] = np.interp(uniforms[:, column], below, edges)
        return uniforms

    def _above(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Upper tails of the components' posteriors at the edges of the grid, for the different pairs of counts among
        some items, ``float64 [pair, component, edge]``, and which of these is that of each item."""
        pairs, rows = np.unique(self.pair[items], return_inverse=True)
        return _upper_tails(self.a[pairs], self.b[pairs], self.steps), rows

    def _refitted(self, drawn: np.ndarray) -> np.ndarray:
        if len(self.weights) == 1:
            return np.ones((len(drawn), 1))
        order = np.argsort(self.pair, kind="stable")
        starts = np.searchsorted(self.pair[order], np.arange(len(self.likelihood)))
        times = np.add.reduceat(drawn[:, order], starts, axis=1)
        start = np.broadcast_to(self.weights, (len(drawn), len(self.weights)))
        return _fitted_weights(self.likelihood, times, start, _MORE_ROUNDS)


def right_share(
    right: np.ndarray, wrong: np.ndarray, alpha: float | None = None, times: np.ndarray | None = None
) -> RightShare:
    """The posterior from the counts of each item's right and wrong answers, ``int64 [item]`` each.

    Args:
        alpha: of a Beta(α, α) prior; None for one that is fitted to the items.
        times: how many items are like this one, ``[item]``; None: each is one.
    """
    pairs, pair = np.unique(np.stack([right, wrong], axis=1), axis=0, return_inverse=True)
    pair = pair.ravel()
    a, b = _components() if alpha is None else (np.array([alpha]), np.array([alpha]))
    a_after, b_after = a + pairs[:, :1], b + pairs[:, 1:]
    likelihood = _likelihood(betaln(a_after, b_after) - betaln(a, b))
    weights = _fitted_weights(likelihood, np.bincount(pair, times)[None], np.full((1, len(a)), 1 / len(a)), _ROUNDS)[0]
    most = int(pairs.sum(axis=1).max(initial=1))
    steps = int(np.clip(_STEPS_PER_ROOT * np.sqrt(most), *_STEPS))
    return RightShare(pair, likelihood, weights, a_after, b_after, steps)


def wrong_weights(wrong: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    """How likely each prior of the wrong answers is for each item, ``float64 [item, prior]``, from the samples of each
    of its wrong answers, ``wrong [item, answer]``, 0 where there are no more. times: as in :func:`right_share`."""
    kinds, kind = np.unique(-np.sort(-wrong, axis=1), axis=0, return_inverse=True)
    kind, seen = kind.ravel(), kinds > 0
    samples, distinct = kinds.sum(axis=1).astype(np.float64), seen.sum(axis=1).astype(np.float64)
    columns = []
    for theta, answers, alpha in zip(THETAS, ANSWERS, ALPHAS, strict=True):
        alike = np.where(seen, gammaln(np.where(seen, kinds, 1) + alpha) - (gammaln(alpha) if alpha else 0.0), 0.0)
        first = distinct * np.log(theta) if theta else _namings(answers, distinct)
        whole = theta or answers * alpha
        columns.append(first + gammaln(whole) - gammaln(whole + samples) + alike.sum(axis=1))
    likelihood = _likelihood(np.stack(columns, axis=1))
    start = np.full((1, len(THETAS)), 1 / len(THETAS))
    posterior = likelihood * _fitted_weights(likelihood, np.bincount(kind, times)[None], start, _ROUNDS)
    return (posterior / posterior.sum(axis=1, keepdims=True))[kind]


def largest_unseen(thetas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The largest unseen answer's gamma variable for each θ, drawn at random.

    Below ``x`` with probability ``exp(−θ E₁(x))`` (Kingman, JRSS B 37, 1975), so ``E₁⁻¹(e / θ)`` of an exponential e.
    """
    wanted = np.log(rng.standard_exponential(thetas.shape)) - np.log(thetas)
    return np.exp(np.interp(-wanted, _MINUS_LOG_EXP1, _LOG_X))


def _upper_tails(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Upper tails of beta distributions at the edges of equal steps of ``arcsin √q``, ``float64 [..., edge]``: sums of
    the densities in the middle of each step, where ``dq`` is proportional to ``√(q (1 − q))``."""
    angle = (np.arange(steps) + 0.5) * (np.pi / 2 / steps)
    log_mass = (2 * a[..., None] - 1) * np.log(np.sin(angle)) + (2 * b[..., None] - 1) * np.log(np.cos(angle))
    mass = np.exp(log_mass - log_mass.max(axis=-1, keepdims=True))
    above = np.zeros((*a.shape, steps + 1))
    above[..., :-1] = np.cumsum(mass[..., ::-1], axis=-1)[..., ::-1]
    return above / above[..., :1]


def _components() -> tuple[np.ndarray, np.ndarray]:
    j = np.arange(1.0, _BERNSTEIN + 1)
    narrow = _NARROW * np.sin((np.arange(_CENTRES) + 0.5) * (np.pi / 2 / _CENTRES)) ** 2
    a = np.concatenate([j, [0.3, 30.0], narrow])
    return a, np.concatenate([_BERNSTEIN + 1 - j, [30.0, 0.3], _NARROW - narrow])


def _namings(answers: int, distinct: np.ndarray) -> np.ndarray:
    """Logarithm of how many ways there are to give ``distinct`` groups some of the answers; −∞ if too few."""
    possible = gammaln(answers + 1) - gammaln(np.maximum(answers - distinct, 0) + 1)
    return np.where(distinct <= answers, possible, -np.inf)


def _likelihood(log_likelihood: np.ndarray) -> np.ndarray:
    return np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))


def _fitted_weights(likelihood: np.ndarray, times: np.ndarray, start: np.ndarray, rounds: int) -> np.ndarray:
    """Weights of a mixture's components by maximum likelihood (EM, Laird, JASA 73, 1978), with as much weight as one
    more item that tells nothing: ``float64 [resample, component]``.

    Args:
        likelihood: ``[pair, component]``. times: how many items of a resample each pair stands for, ``[resample,
            pair]``. start: ``[resample, component]``.
    """
    weights, n, items = start, likelihood.shape[1], times.sum(axis=1, keepdims=True)
    for _ in range(rounds):
        weights = (weights * ((times / (weights @ likelihood.T)) @ likelihood) + 1 / n) / (items + 1)
    return weights
