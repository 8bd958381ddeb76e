"""Families of populations: how chances of success may be spread over problems, as weights over one grid of chances.

None of the three is the truth of a model on a benchmark; between them they have what measured populations show:

- logit-normal: the logits of the chances are normal.
- easy and hard: a share of the problems has chances ``B(1, 2)``, the others ``B(a, b)``, whose failures fall as
  ``k^−a`` (:mod:`ttscale.scaling.laws.easy_and_hard`).
- power law: coverage is ``exp(−a·k^−b)`` (Brown et al., "Large language monkeys", 2024), or as near to it as that of a
  population can be: none makes coverage grow faster than in proportion to k. Which chances have such a coverage is
  found by non-negative least squares (Lawson and Hanson, "Solving least squares problems", 1974), and comes out as a
  comb of a few of them. A normal kernel over the logits fills it, so that counts are not judged by its gaps.

Each has a few coordinates, over whose ranges its prior is uniform.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.special import expit, log_expit, ndtr

STEP = 1 / 6  # of the grid, in logits
LOGITS = np.arange(-30.0, 14.0 - STEP / 2, STEP) + STEP / 2  # middles of its bins; the first and last have all beyond
CHANCES = expit(LOGITS)
_EDGES = LOGITS[1:] - STEP / 2

_FITTED_AT = np.geomspace(1.0, 1e9, 46)  # samples
_EVERY, _HARDEST = 3, 1e-12  # of the chances, those that a comb may be of
_TOTAL = 10.0  # how much more than a point of coverage it counts that weights sum to 1
_WIDTH = 4  # bins: standard deviation of the kernel
_ROUNDS = 5000


@dataclass(frozen=True, eq=False)
class Family:
    """Populations of one form.

    Attributes:
        low, high: range of each coordinate.
        counts: how many values of each the first, even grid has.
        shares: of ``[population, coordinate]``: how much of each population has each chance,
            ``float64 [population, chance]``.
    """

    name: str
    prior: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[int, ...]
    shares: Callable[[np.ndarray], np.ndarray]

    def grid(self) -> np.ndarray:
        """The first grid, ``[population, coordinate]``."""
        axes = [np.linspace(*ends) for ends in zip(self.low, self.high, self.counts, strict=True)]
        return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=-1)


def logit_normals(at: np.ndarray) -> np.ndarray:
    """Of the mean of the logits, and the logarithm of their standard deviation."""
    mean, spread = at[:, :1], np.exp(at[:, 1:])
    inner = ndtr((_EDGES - mean) / spread)
    return np.diff(np.pad(inner, ((0, 0), (1, 1)), constant_values=(0.0, 1.0)), axis=1)


def easy_and_hard(at: np.ndarray) -> np.ndarray:
    """Of the root of the share of easy problems, and the logarithms of a and b."""
    share = at[:, :1] ** 2
    return np.asarray(
        share * betas(np.ones((1, 1)), np.full((1, 1), 2.0))
        + (1 - share) * betas(*np.exp(at[:, 1:, None]).swapaxes(0, 1))
    )


def betas(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Beta distributions of a and b ``[population, 1]``: their density at the middles of the bins, which it is wider
    than, and all of the tails in the first and the last."""
    log = a * log_expit(LOGITS) + b * log_expit(-LOGITS) + math.log(STEP)
    log[:, :1] = a * _EDGES[0] - np.log(a)
    log[:, -1:] = -b * _EDGES[-1] - np.log(b)
    out = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def power_laws(at: np.ndarray) -> np.ndarray:
    """Of the logarithm of the coverage of one sample, −a, and of b."""
    return _filled(np.array([comb(-first, power) for first, power in at]))


def comb(a: float, b: float) -> np.ndarray:
    """Weights of the chances whose coverage is nearest to ``exp(−a·k^−b)``, ``float64 [chance]``."""
    rows = np.flatnonzero(CHANCES > _HARDEST)[::_EVERY]
    covered = -np.expm1(_FITTED_AT[:, None] * np.log1p(-CHANCES[rows]))
    system = np.vstack([covered, np.full(len(rows), _TOTAL)])
    found, _ = nnls(system, np.append(np.exp(-a * _FITTED_AT**-b), _TOTAL), maxiter=_ROUNDS)
    weights = np.zeros(len(CHANCES))
    weights[rows] = found / found.sum()
    return weights


def _filled(combs: np.ndarray) -> np.ndarray:
    """Combs ``[population, chance]`` with each tooth spread by the kernel, within the grid."""
    place = np.arange(len(CHANCES))
    kernel = np.exp(-0.5 * ((place[:, None] - place) / _WIDTH) ** 2)
    return np.asarray(combs @ (kernel / kernel.sum(axis=1, keepdims=True)))


FAMILIES = (
    Family(
        "logit-normal", 0.25, (-14.0, math.log(0.05)), (10.0, math.log(6.5)), (36, 22), logit_normals,
    ),
    Family(
        "easy and hard", 0.25, (0.0, math.log(0.03), math.log(0.1)), (0.63, math.log(3.0), math.log(2000.0)),
        (6, 16, 20), easy_and_hard,
    ),
    Family("power law", 0.5, (math.log(0.0005), 0.01), (math.log(0.9), 0.6), (14, 20), power_laws),
)  # fmt: skip
