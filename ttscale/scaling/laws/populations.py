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
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.special import log_expit, logsumexp

from ttscale.scaling.laws.population_families import LOGITS, STEP, easy_and_hard, logit_normals, power_laws

NAME = "populations"
FORMULA = "1 − Σ w·E_w (1 − p)^k"
PURPOSE = "coverage at many more samples than there are, averaged over how hard the problems may be"

_PRIOR = {"logit-normal": 0.25, "easy and hard": 0.25, "power law": 0.5}  # in the order of the families
_POWER = 0.5  # of the evidence of a family
_LEAST = 1e-300  # of a likelihood over the largest one of a chance
_AT_ONCE = 2_000_000  # numbers


@dataclass(frozen=True, eq=False)
class Populations:
    """Distributions of the chance that a sample is right.

    Attributes:
        logits: middles of the bins of the chances' grid, ``step`` apart, ``float64 [chance]``.
        shares: how much of each population has each chance, ``float64 [population, chance]``.
        family: which family each is of, ``int64 [population]``; those of one family are next to each other.
        prior: of each family, by its name.
    """

    logits: np.ndarray
    step: float
    shares: np.ndarray = field(repr=False)
    family: np.ndarray = field(repr=False)
    prior: dict[str, float]

    def log_likelihood(self, n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``Σ weight · ln E p^c (1 − p)^(n − c)`` over pairs, which leaves out what all populations have in common:
        ``float64 [row, population]``.

        Args:
            n, c: samples, and how many of them are right, ``[pair]``.
            weights: how often each pair is there, ``[row, pair]``.
        """
        within = self._within(int(n.max()))
        log_right, log_wrong = log_expit(within), log_expit(-within)
        out = np.zeros((len(weights), len(self.shares)))
        for some in _blocks(len(n), max(within.size, len(self.shares))):
            exponent = np.multiply.outer(c[some], log_right) + np.multiply.outer(n[some] - c[some], log_wrong)
            exponent -= exponent.max(axis=(1, 2), keepdims=True)
            of_chance = np.exp(exponent, out=exponent).mean(axis=2)
            of_chance /= of_chance.max(axis=1, keepdims=True)
            out += weights[:, some] @ np.log(np.maximum(of_chance @ self.shares.T, _LEAST))
        return out

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
            even = math.log(mine.sum())
            out[:, mine] = log_likelihood[:, mine] - evidence + math.log(prior) + _POWER * (evidence - even)
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

    def _within(self, n: int) -> np.ndarray:
        """Logits in each bin, ``[chance, place]``, closer to each other than what the likelihood of n samples needs.

        It is no narrower than a normal density of standard deviation ``2/√n``, of which equal steps of two of them
        make a mean that is right to 1.5 %.
        """
        places = math.ceil(self.step * math.sqrt(n) / 4)
        return np.asarray(self.logits[:, None] + self.step * ((np.arange(places) + 0.5) / places - 0.5))


def _blocks(n_pairs: int, per_pair: int) -> Iterator[slice]:
    step = max(1, _AT_ONCE // per_pair)
    return (slice(first, first + step) for first in range(0, n_pairs, step))


@lru_cache(maxsize=1)
def all_populations() -> Populations:
    """Those of the three families."""
    families = logit_normals(), easy_and_hard(), power_laws()
    family = np.repeat(np.arange(len(families)), [len(one) for one in families])
    return Populations(LOGITS, STEP, np.concatenate(families), family, _PRIOR)
