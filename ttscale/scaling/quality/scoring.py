"""How good probabilities are, item by item: proper scores, top-5 credit and confidence, over numpy arrays.

Sources: the logarithmic score (negative log-likelihood) of Good, "Rational decisions", JRSS B 14 (1952); the score of
Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950), summed over
classes, in [0, 2]; the expected calibration error of Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
networks", ICML 2017, equation 3.
"""

from __future__ import annotations

import numpy as np

from ttscale.voting.decisions import TIE_TOLERANCE

ECE_BINS = 15  # of equal width over [0, 1], as in Guo et al.


def nll(log_scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of the labels in nats, ``float64 [item]``; infinite where a label has probability 0.

    Args:
        log_scores: normalised log-probabilities ``[item, class]``. labels: class indices ``[item]``.
    """
    return -_of_label(log_scores, labels).astype(np.float64)


def brier(log_scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``Σ_c (p_c − [c = label])²``, ``float64 [item]``. Arguments as in :func:`nll`."""
    p = np.exp(log_scores, dtype=np.float64)
    return np.einsum("ic,ic->i", p, p) - 2 * _of_label(p, labels) + 1


def top_credit(log_scores: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """Expected share of items whose label is among the ``n`` best classes, ties broken at random: ``float64 [item]``.

    Where ``g`` classes are better than the label and ``t`` tie with it (itself counted), this is ``(n − g) / t``, no
    less than 0 and no more than 1. Arguments as in :func:`nll`; for n = 1 it is
    :func:`ttscale.voting.decisions.credit`.
    """
    own = _of_label(log_scores, labels)[:, None]
    better = (log_scores > own + TIE_TOLERANCE).sum(axis=1)
    tied = (log_scores >= own - TIE_TOLERANCE).sum(axis=1) - better
    return np.clip((n - better) / tied, 0.0, 1.0)


def confidence(log_scores: np.ndarray) -> np.ndarray:
    """Probability of the most likely class, ``float64 [item]``."""
    return np.exp(log_scores.max(axis=1), dtype=np.float64)


def calibration_gaps(confidences: np.ndarray, credit: np.ndarray) -> np.ndarray:
    """Credit minus confidence in the bin of each item, ``float64 [bin, item]``, 0 in the other bins.

    The sum over bins of the absolute means over items is the expected calibration error ``Σ_b |B_b|/n · |acc(B_b) −
    conf(B_b)|``; bins are (0, 1/15], (1/15, 2/15], … Resampling the rows resamples the error.

    Args:
        confidences, credit: ``[item]``.
    """
    bins = np.clip(np.ceil(confidences * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    out = np.zeros((ECE_BINS, len(credit)))
    out[bins, np.arange(len(credit))] = credit - confidences
    return out


def _of_label(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return values[np.arange(len(labels)), labels]
