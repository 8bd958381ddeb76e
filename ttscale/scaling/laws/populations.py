"""Coverage from the populations of problems that the counts of right samples leave possible: an average, and no law.

A law of coverage is one shape of how hard problems are, and what it forecasts at a hundred times the samples is mostly
that shape. Here many populations are held at once (:mod:`ttscale.scaling.laws.population_families`), each a
distribution of the chance ``p`` that a sample is right. ``c`` right of ``n`` samples are binomial given ``p``, which
gives every population a likelihood, and coverage ``1 − E (1 − p)^k`` is averaged over all of them by their posterior
(Hoeting et al., "Bayesian model averaging: a tutorial", Statistical Science 14, 1999). Nothing is fitted.

Within a family the weights are the posterior. Between families they are the prior times the square root of the
evidence: none has the truth in it, and the evidence, most of which is of easy problems, would be sure of one family
where the hard ones that a forecast rests on tell next to nothing. A power below 1 of the likelihood is a remedy for
posteriors of models that are all wrong (Grünwald and van Ommen, "Inconsistency of Bayesian inference for misspecified
linear models, and a proposal for repairing it", Bayesian Analysis 12, 2017, who learn the power from the data; here it
is one for all data, chosen on simulated populations).

The posterior of a family is summed over a grid of its coordinates: an even one, and where many problems make that too
coarse, one along the axes of the posterior, as fine as that asks for (adaptive quadrature: Naylor and Smith,
"Applications of a method for the efficient computation of posterior distributions", Applied Statistics 31, 1982).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.special import log_expit, logsumexp

from ttscale.scaling.laws.population_families import FAMILIES, LOGITS, STEP, Family

NAME = "populations"
FORMULA = "1 − Σ w·E_w (1 − p)^k"
PURPOSE = "coverage at many more samples than there are, averaged over how hard the problems may be"

_POWER = 0.5  # of the evidence of a family
_LEAST = 1e-300  # of a likelihood over the largest one of a chance
_AT_ONCE = 2_000_000  # numbers
_REACH = {2: 7, 3: 6}  # standard deviations of the posterior on either side, one a step, by the number of coordinates
_ZOOMS = 8


@dataclass(frozen=True, eq=False)
class Populations:
    """Distributions of the chance that a sample is right.

    Attributes:
        logits: middles of the bins of the chances' grid, ``step`` apart, ``float64 [chance]``.
        shares: how much of each population has each chance, ``float64 [population, chance]``.
        family: which family each is of, ``int64 [population]``; those of one family are next to each other.
        prior: of each family, by its name.
        log_mass: logarithm of the share of its family's prior that each population stands for, ``float64 [family]``;
            None: all populations of a family have equal shares.
    """

    logits: np.ndarray
    step: float
    shares: np.ndarray = field(repr=False)
    family: np.ndarray = field(repr=False)
    prior: dict[str, float]
    log_mass: np.ndarray | None = None

    def log_likelihood(self, n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``Σ weight · ln E p^c (1 − p)^(n − c)`` over pairs, which leaves out what all populations have in common:
        ``float64 [row, population]``.

        Args:
            n, c: samples, and how many of them are right, ``[pair]``.
            weights: how often each pair is there, ``[row, pair]``.
        """
        return summed(chances_of(self.logits, self.step, n, c), self.shares, weights)

    def posterior(self, n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weights of the populations after such counts, whose sum is 1: ``float64 [row, population]``.

        Args:
            n, c, weights: as in :meth:`log_likelihood`.
        """
        log_likelihood = self.log_likelihood(n, c, weights)
        out = np.empty_like(log_likelihood)
        for number, prior in enumerate(self.prior.values()):
            mine = self.family == number
            evidence = logsumexp(log_likelihood[:, mine], axis=1, keepdims=True)
            mass = -math.log(mine.sum()) if self.log_mass is None else self.log_mass[number]
            out[:, mine] = log_likelihood[:, mine] - evidence + math.log(prior) + _POWER * (evidence + mass)
        return np.asarray(np.exp(out - logsumexp(out, axis=1, keepdims=True)))

    def solved(self, k: np.ndarray) -> np.ndarray:
        """How likely a problem of each chance is solved within ``k [point]`` samples, ``float64 [chance, point]``.

        The coverage of populations is the product of their ``shares`` with it.
        """
        return -np.expm1(np.multiply.outer(log_expit(-self.logits), k))

    def of_families(self, posterior: np.ndarray) -> dict[str, float]:
        """The weight of each family, from weights ``[population]``."""
        total = np.bincount(self.family, weights=posterior, minlength=len(self.prior))
        return dict(zip(self.prior, total.tolist(), strict=True))


def chances_of(logits: np.ndarray, step: float, n: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The likelihood of each chance, over that of the likeliest, ``float64 [pair, chance]``."""
    within = _within(logits, step, int(n.max()))
    log_right, log_wrong = log_expit(within), log_expit(-within)
    out = np.empty((len(n), len(logits)))
    for some in _blocks(len(n), within.size):
        exponent = np.multiply.outer(c[some], log_right) + np.multiply.outer(n[some] - c[some], log_wrong)
        exponent -= exponent.max(axis=(1, 2), keepdims=True)
        out[some] = np.exp(exponent, out=exponent).mean(axis=2)
        out[some] /= out[some].max(axis=1, keepdims=True)
    return out


def summed(of_chance: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``Σ weight · ln likelihood`` over pairs, of populations with these shares: ``float64 [row, population]``."""
    out = np.zeros((len(weights), len(shares)))
    for some in _blocks(len(of_chance), len(shares)):
        out += weights[:, some] @ np.log(np.maximum(of_chance[some] @ shares.T, _LEAST))
    return out


def _within(logits: np.ndarray, step: float, n: int) -> np.ndarray:
    """Logits in each bin, ``[chance, place]``, closer to each other than what the likelihood of n samples needs.

    It is no narrower than a normal density of standard deviation ``2/√n``, of which equal steps of two of them
    make a mean that is right to 1.5 %.
    """
    places = math.ceil(step * math.sqrt(n) / 4)
    return np.asarray(logits[:, None] + step * ((np.arange(places) + 0.5) / places - 0.5))


def _blocks(n_pairs: int, per_pair: int) -> Iterator[slice]:
    step = max(1, _AT_ONCE // per_pair)
    return (slice(first, first + step) for first in range(0, n_pairs, step))


def populations_for(n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> Populations:
    """Those that the posterior after such counts ``[pair]``, each as often as ``weights [pair]``, is summed over."""
    of_chance = chances_of(LOGITS, STEP, n, c)
    return _of([_zoomed(family, of_chance, weights[None]) for family in FAMILIES])


Grid = tuple[np.ndarray, float]  # shares, and the logarithm of what share of the prior each stands for


def _of(grids: list[Grid]) -> Populations:
    family = np.repeat(np.arange(len(grids)), [len(shares) for shares, _ in grids])
    prior = {one.name: one.prior for one in FAMILIES}
    mass = np.array([log_mass for _, log_mass in grids])
    return Populations(LOGITS, STEP, np.concatenate([shares for shares, _ in grids]), family, prior, mass)


@lru_cache(maxsize=len(FAMILIES))
def _first(family: Family) -> Grid:
    shares = family.shares(family.grid())
    return shares, -math.log(len(shares))


def _zoomed(family: Family, of_chance: np.ndarray, weights: np.ndarray) -> Grid:
    """The first grid where steps of it are no longer than the standard deviations of the posterior; else one whose
    steps are these, along its axes.

    A grid that is too coarse shows the posterior as narrower than it can, so that what is next looked at is as wide as
    a step of it at least, until the steps are the shorter ones.
    """
    low, high = np.array(family.low), np.array(family.high)
    at, (shares, log_mass) = family.grid(), _first(family)
    axes = np.diag((high - low) / (np.array(family.counts) - 1))  # of a step, [coordinate, step]
    for _ in range(_ZOOMS):
        log = summed(of_chance, shares, weights)[0]
        weight = np.exp(log - logsumexp(log))
        apart = at - weight @ at
        covariance = (weight[:, None] * apart).T @ apart
        in_steps = np.linalg.solve(axes, np.linalg.solve(axes, covariance).T)
        if np.linalg.eigvalsh(in_steps).min() >= 0.5:
            break
        middle = weight @ at
        axes = np.linalg.cholesky(covariance + 0.25 * axes @ axes.T)
        reach = np.arange(-_REACH[len(low)], _REACH[len(low)] + 1.0)
        steps = np.stack([x.ravel() for x in np.meshgrid(*[reach] * len(low), indexing="ij")], axis=-1)
        at = middle + steps @ axes.T
        at = at[((at >= low) & (at <= high)).all(axis=1)]
        shares, log_mass = family.shares(at), float(np.log(np.diag(axes)).sum() - np.log(high - low).sum())
    return shares, log_mass
