"""Families of populations: how chances of success may be spread over problems, as weights over one grid of chances.

None of the three is the truth of a model on a benchmark; between them they have what measured populations show:

- logit-normal: the logits of the chances are normal.
- easy and hard: a share of the problems has chances ``B(1, 2)``, the others ``B(a, b)``, whose failures fall as
  ``k^−a`` (:mod:`ttscale.scaling.laws.easy_and_hard`).
- power law: coverage is ``exp(−a·k^−b)`` (Brown et al., "Large language monkeys", 2024), or as near to it as that of a
  population can be: none makes coverage grow faster than in proportion to k. Which chances have such a coverage is
  found by non-negative least squares (Lawson and Hanson, "Solving least squares problems", 1974), and comes out as a
  comb of a few of them. A normal kernel over the logits fills it, so that counts are not judged by its gaps.

Each is an even grid of its parameters or of their logarithms, over which its prior is uniform.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy.optimize import nnls
from scipy.special import betainc, expit, ndtr

STEP = 1 / 6  # of the grid, in logits
LOGITS = np.arange(-30.0, 14.0 - STEP / 2, STEP) + STEP / 2  # middles of its bins; the first and last have all beyond
CHANCES = expit(LOGITS)
_EDGES = LOGITS[1:] - STEP / 2

_MEANS, _SPREADS = np.linspace(-14.0, 10.0, 36), np.geomspace(0.3, 6.5, 14)
_SHARES = 0.0, 0.02, 0.05, 0.1, 0.2, 0.4  # of easy problems
_A, _B = np.geomspace(0.03, 3.0, 16), np.geomspace(0.1, 2000.0, 20)
_AT_ONE, _POWERS = np.geomspace(0.0005, 0.9, 14), np.linspace(0.01, 0.6, 20)  # e^−a, the coverage of a sample, and b

_FITTED_AT = np.geomspace(1.0, 1e9, 46)  # samples
_EVERY, _HARDEST = 3, 1e-12  # of the chances, those that a comb may be of
_TOTAL = 10.0  # how much more than a point of coverage it counts that weights sum to 1
_WIDTH = 4  # bins: standard deviation of the kernel
_ROUNDS = 5000


def logit_normals() -> np.ndarray:
    """``float64 [population, chance]``, like the others."""
    mean, spread = _grid(_MEANS, _SPREADS)
    return _binned(lambda logit: ndtr((logit - mean) / spread))


def easy_and_hard() -> np.ndarray:
    a, b = _grid(_A, _B)
    easy = _binned(lambda logit: betainc(1.0, 2.0, expit(logit)))
    hard = _binned(lambda logit: betainc(a, b, expit(logit)))
    return np.concatenate([share * easy + (1.0 - share) * hard for share in _SHARES])


def power_laws() -> np.ndarray:
    return _filled(np.array([comb(-np.log(at_one), b) for at_one, b in itertools.product(_AT_ONE, _POWERS)]))


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


def _grid(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of two parameters, ``[population, 1]`` each."""
    return np.repeat(first, len(second))[:, None], np.tile(second, len(first))[:, None]


def _binned(distribution: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Shares of the bins, ``[population, chance]``, from a distribution function of the logit."""
    inner = np.atleast_2d(distribution(_EDGES))
    ends = np.zeros((len(inner), 1)), np.ones((len(inner), 1))
    return np.diff(np.concatenate([ends[0], inner, ends[1]], axis=1), axis=1)
