"""Worth how many ensemble members: the deep-ensemble equivalent of a strategy.

Ashukha, Lyzhov, Molchanov and Vetrov, "Pitfalls of in-domain uncertainty estimation and ensembling in deep learning",
ICLR 2020, §4.2: the smallest number of ensemble members, interpolated linearly between whole ones, whose calibrated
log-likelihood is as good as the strategy's. The same is computed of accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ttscale.scaling.interval import Interval, percentiles, undefined
from ttscale.scaling.quality import Quality

Metric = Literal["nll", "accuracy"]
METRICS: tuple[Metric, ...] = ("nll", "accuracy")
_ITEM_SCORE = {"nll": ("calibrated_nll", -1.0), "accuracy": ("credit", 1.0)}  # and which sign is better


@dataclass(frozen=True)
class Equivalent:
    """What ``k`` draws of a strategy are worth.

    Attributes:
        strategy, k, ensemble: names and budget.
        metric: ``"nll"``, calibrated by cross-fitted temperatures, or ``"accuracy"``.
        members: how many of the ensemble's members do as well: 1 for what is no better than one, infinite for what is
            better than all ``n_members``; resampled over items, the same for both sides.
        share_beyond: the share of the resamples in which it is better than all.
    """

    strategy: str
    k: int
    ensemble: str
    metric: Metric
    members: Interval
    n_members: int
    share_beyond: float

    @property
    def beyond(self) -> bool:
        """Whether it is better than the whole ensemble."""
        return math.isinf(self.members.value)


def equivalent(measured: Quality, k: int, ensemble: Quality, metric: Metric = "nll") -> Equivalent:
    """Worth how many members of an ensemble ``k`` draws of a strategy are.

    Args:
        measured, ensemble: from :func:`ttscale.scaling.quality.quality` with the same records and options; the ensemble
            (best the mean over the orders of its members) at budgets 1, 2, … up to all its members.

    Raises:
        TtscaleError: a budget that was not measured.
    """
    of, sign = _ITEM_SCORE[metric]
    ladder = [ensemble.of_items(of, size) for size in ensemble.budgets.tolist()]
    rows = sign * np.stack([measured.of_items(of, k), *ladder])
    method = f"deep-ensemble equivalent by {metric}, paired percentile bootstrap"
    if not np.isfinite(rows).all():
        nothing = undefined(measured.level, method)
        return Equivalent(measured.name, k, ensemble.name, metric, nothing, len(ensemble.budgets), math.nan)
    value = float(members_for(rows.mean(axis=1)[None])[0])
    replicates = members_for(measured.resampled(rows))
    low, high = percentiles(replicates, measured.level)
    return Equivalent(
        measured.name, k, ensemble.name, metric, Interval(value, float(low), float(high), measured.level, method),
        len(ensemble.budgets), float(np.isinf(replicates).mean()),
    )  # fmt: skip


def members_for(scores: np.ndarray) -> np.ndarray:
    """Where ensembles of 1, 2, … members first do as well as a strategy, between them in a straight line: ``[row]``.

    Args:
        scores: the larger the better, ``[row, 1 + member]``: the strategy's, then the ensembles'.
    """
    wanted, reached = scores[:, :1], scores[:, 1:]
    good = reached >= wanted
    at = good.argmax(axis=1)
    rows = np.arange(len(scores))
    before, after = reached[rows, np.maximum(at - 1, 0)], reached[rows, at]
    rise = np.where(after > before, after - before, 1.0)
    between = np.where(at > 0, at + (wanted[:, 0] - before) / rise, 1.0)
    return np.where(good.any(axis=1), between, np.inf)
