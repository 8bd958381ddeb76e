"""Whether the paired differences of some items are chance: McNemar's exact test, and what it becomes for shares.

Under no difference the two runs could have changed names in any item, so that each difference is as likely with the
other sign: Fisher's randomisation test (The Design of Experiments, 1935, section 21; Pitman, Supplement to the Journal
of the Royal Statistical Society 4, 1937). Where all differences that are not 0 are of one size, as of decisions that
are right or wrong, that is McNemar's exact test. Items that come in clusters change sign together.

That a difference is above some loss is another question, in which signs are not alike: see :func:`lower_bound`.
"""

from __future__ import annotations

import math

import numpy as np

from ttscale.scaling.intervals.bootstrap import unit_sums
from ttscale.scaling.quality.compare import mcnemar

_ALL_SIGNS = 13  # units up to which every pattern of signs is tried
_PATTERNS = 9_999  # tried of those of more units
_MANY = 5_000  # units from which on the sum is normal
_AT_ONCE = 2**22  # signs
_ROUNDING = 1e-9
_WEIGHTS = 10_000  # random weights of a lower bound


def paired_p(differences: np.ndarray, units: np.ndarray | None = None, *, seed: int = 0) -> float:
    """Two-sided p-value of no difference between two runs.

    Exact where all differences that are not 0 have one size, and with at most 13 units that differ; of more it is that
    of 9,999 random patterns of signs (where none of these gives so large a sum, Hoeffding's bound ``2 exp(−S² / 2Σs²)``
    if it is lower: Journal of the American Statistical Association 58, 1963), and from 5,000 on that of the normal
    distribution with the same variance.

    Args:
        differences: ``float64 [item]``, credit in one run minus credit in the other.
        units: cluster of each item as an index from 0, ``int64 [item]``; None when each item is its own.
        seed: of the random patterns.
    """
    sums = unit_sums(np.asarray(differences, dtype=np.float64)[None], units)[0][0]
    sums = sums[np.abs(sums) > _ROUNDING]
    if not len(sums):
        return 1.0
    sizes = np.abs(sums)
    if np.ptp(sizes) <= _ROUNDING:
        return mcnemar(int((sums > 0).sum()), int((sums < 0).sum()))
    if len(sums) >= _MANY:
        return math.erfc(abs(float(sums.sum())) / math.sqrt(2 * float(sums @ sums)))
    observed = abs(float(sums.sum())) - _ROUNDING
    if len(sums) <= _ALL_SIGNS:
        plus = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
        return float((np.abs(_signed_sums(plus, sizes)) >= observed).mean())
    as_large = _as_large(sizes, observed, seed)
    p = (1 + as_large) / (1 + _PATTERNS)
    return p if as_large else min(p, 2 * math.exp(-(observed**2) / (2 * float(sizes @ sizes))))


def least_p(n_units: int) -> float:
    """The lowest p-value that so many units can give, whatever they show: all differ, and by as much one way."""
    return math.ldexp(2.0, -n_units)


def fewest_units(error: float) -> int:
    """How many units a p-value of ``error`` or less takes."""
    return math.ceil(1 - math.log2(error) - _ROUNDING)


def lower_bound(differences: np.ndarray, units: np.ndarray | None, tail: float, *, seed: int = 0) -> float:
    """What the mean difference of such items is above, but for a probability of ``tail``.

    The quantile of means under random Dirichlet weights of the units and of one more in which every item is lost (as
    many items as the largest unit has): Gaffke, "Three test statistics for a nonparametric one-sided hypothesis on the
    mean of a nonnegative variable", Mathematical Methods of Statistics 14 (2005). It needs no normality and holds for
    few units: of right and wrong alone it is the limit of Clopper and Pearson, and no distribution is known for which
    it fails (Learned-Miller and Thomas, arXiv:1905.06208).

    Args:
        differences, units, seed: as in :func:`paired_p`; differences in [−1, 1].
    """
    sums, sizes = unit_sums(np.asarray(differences, dtype=np.float64)[None], units)
    alike, counts = np.unique(np.stack([sums[0], sizes]), axis=1, return_counts=True)
    alike = np.concatenate([alike, np.array([[-sizes.max()], [sizes.max()]])], axis=1)
    counts = np.append(counts, 1)
    rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, len(counts)])
    means, step = [], max(1, _AT_ONCE // len(counts))
    for start in range(0, _WEIGHTS, step):
        total, size = alike @ rng.standard_gamma(counts, (min(step, _WEIGHTS - start), len(counts))).T
        means.append(total / size)
    return float(np.quantile(np.concatenate(means), tail))


def units_to_show(loss: float, tail: float) -> int:
    """How many units :func:`lower_bound` needs to be above ``−loss`` where no item differs."""
    return math.ceil(math.log(tail) / math.log1p(-loss))


def _as_large(sizes: np.ndarray, observed: float, seed: int) -> int:
    """How many of the random patterns of signs give a sum as large as the one observed."""
    rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, len(sizes)])
    step, found = max(1, _AT_ONCE // len(sizes)), 0
    for start in range(0, _PATTERNS, step):
        rows = min(step, _PATTERNS - start)
        bits = np.frombuffer(rng.bytes(rows * -(-len(sizes) // 8)), dtype=np.uint8).reshape(rows, -1)
        plus = np.unpackbits(bits, axis=1, count=len(sizes))
        found += int((np.abs(_signed_sums(plus, sizes)) >= observed).sum())
    return found


def _signed_sums(plus: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The sums of sizes with the sign + where ``plus [pattern, unit]`` is 1 and − where it is 0."""
    return np.asarray(2 * (plus.astype(np.float64) @ sizes) - sizes.sum())
