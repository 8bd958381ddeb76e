"""How far the accuracies of equally trained models lie apart, beyond what their items explain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_PRIOR = 4.0  # degrees of freedom that the pooled variance counts as beside a rung's own


def seed_noise(credits: Sequence[np.ndarray], copies: Sequence[bool] | None = None) -> list[float]:
    """Standard deviation of each rung's accuracy between training seeds, in excess of independent items', a fraction.

    Seeds that err on items independently differ in accuracy by ``v = mean_i var_s(c_si) / items``, which resampling the
    items already tells; what their accuracies ``a_s`` vary beyond it is the training's own. Two or three seeds tell
    little of a variance, so that it is taken in log-odds and shrunk to what all rungs have in common::

        e_r = (var_s(a_s) − v) / (a (1 − a))²,    e = Σ_r (n_r − 1) e_r / Σ_r (n_r − 1)
        sd_r = a (1 − a) sqrt(max(0, (4 e + (n_r − 1) e_r) / (4 + n_r − 1)))

    (the weights of Smyth, "Linear models and empirical Bayes methods", 2004, equation 2, with 4 degrees of freedom for
    what is common).

    Args:
        credits: per rung, of each seed on the same items: ``[seed, item]``.
        copies: which rungs were made of the trainings of others (numeric formats, pruning, soups): they take what is
            common from the rest and add nothing to it, since one training would count more than once.

    Returns:
        One per rung; NaN where no rung but copies has two seeds, and 0 for a rung that is always or never right.
    """
    means = [float(one.mean()) for one in credits]
    scales = [mean * (1 - mean) for mean in means]
    free = [len(one) - 1 if scale > 0 else 0 for one, scale in zip(credits, scales, strict=True)]
    own = [True] * len(credits) if copies is None else [not copy for copy in copies]
    if not any(len(one) > 1 for one, first in zip(credits, own, strict=True) if first):
        return [math.nan] * len(means)
    excess = [_excess(one) / scale**2 if n else 0.0 for one, scale, n in zip(credits, scales, free, strict=True)]
    pooled = [n * first for n, first in zip(free, own, strict=True)]
    common = math.fsum(n * one for n, one in zip(pooled, excess, strict=True)) / max(1, sum(pooled))
    return [
        scale * math.sqrt(max(0.0, (_PRIOR * common + n * one) / (_PRIOR + n)))
        for scale, n, one in zip(scales, free, excess, strict=True)
    ]


def _excess(credits: np.ndarray) -> float:
    between = credits.mean(axis=1).var(ddof=1)
    return float(between - credits.var(axis=0, ddof=1).mean() / credits.shape[1])
