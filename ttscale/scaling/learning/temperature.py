"""Temperatures: how sure log-probabilities should have been, by the likelihood of the labels.

Log-probabilities divided by ``T`` and normalised again are calibrated by the ``T`` under which labels are most likely
(Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2). The likelihood is
concave in ``1/T``, so that a safeguarded Newton iteration finds it in a few passes. A temperature is learned from
labels: to score with it, learn it on other items (:mod:`ttscale.scaling.quality.item_scores`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

LEAST, MOST = 0.05, 20.0  # temperatures; where every item is right the likelihood grows without end as T falls
FLOOR = -690.0  # log-probabilities below this (1e-300) are taken as this, so that no label is impossible
_VALUES_AT_ONCE = 131_072  # item × class; temporaries then stay in cache
_VALUES_TO_HOLD = 2_000_000  # fewer are kept between the steps of a search
_SMALL = 1e-4  # a relative step of 1/T, after which the next would be of about its square
_STEPS = 60

Block = tuple[slice, np.ndarray, np.ndarray]


def fit(log_probs: np.ndarray, labels: np.ndarray, *, start: float = 1.0) -> float:
    """The temperature of most likelihood, within [``LEAST``, ``MOST``]; 1 without items.

    Args:
        log_probs: ``[item, class]``, up to a constant per item (log-scores of any vote; normalised or not).
        labels: class indices ``[item]``.
        start: a temperature to search from.
    """
    if not len(labels):
        return 1.0
    low, high, inverse = 1 / MOST, 1 / LEAST, 1 / start
    held = list(_blocks(log_probs, labels)) if np.size(log_probs) <= _VALUES_TO_HOLD else None
    for _ in range(_STEPS):
        slope, curvature = _derivatives(held or _blocks(log_probs, labels), inverse)
        if slope == 0:
            break
        low, high = (inverse, high) if slope > 0 else (low, inverse)
        step = inverse + slope / curvature if curvature > 0 else np.inf * np.sign(slope)
        # Outside the bracket Newton has overshot: halve the bracket, in the logarithm.
        following = step if low < step < high else float(np.sqrt(low * high))
        done = abs(following - inverse) <= _SMALL * inverse
        inverse = following
        if done:
            break
    return float(np.clip(1 / inverse, LEAST, MOST))


def log_likelihood(log_probs: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Log-probability of each item's label under a temperature, ``float64 [item]``. Arguments as in :func:`fit`."""
    out = np.empty(len(labels))
    for items, x, given in _blocks(log_probs, labels):
        out[items] = given / temperature - np.log(np.exp(x / temperature).sum(axis=0))
    return out


def _derivatives(blocks: Iterable[Block], inverse: float) -> tuple[float, float]:
    """Slope of the likelihood in 1/T, and minus its curvature: ``Σ (x_label − E x)`` and ``Σ Var x``."""
    slope = curvature = 0.0
    for _, x, given in blocks:
        weight = np.exp(inverse * x)
        total = weight.sum(axis=0)
        weight *= x
        mean = weight.sum(axis=0) / total
        weight *= x
        slope += float((given - mean).sum())
        curvature += float((weight.sum(axis=0) / total - mean * mean).sum())
    return slope, curvature


def _blocks(log_probs: np.ndarray, labels: np.ndarray) -> Iterator[Block]:
    """Items, their log-probabilities ``float64 [class, item]`` with 0 as the largest and none below ``FLOOR``, and
    those of their labels. Few classes are summed fastest over the first axis."""
    step = max(1, _VALUES_AT_ONCE // np.shape(log_probs)[-1])
    for start in range(0, len(log_probs), step):
        items = slice(start, min(start + step, len(log_probs)))
        x = np.array(log_probs[items].T, dtype=np.float64, order="C")
        x -= x.max(axis=0)
        np.maximum(x, FLOOR, out=x)
        yield items, x, x[labels[items], np.arange(x.shape[1])]
