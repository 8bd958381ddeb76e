"""Worth how many ensemble members: the deep-ensemble equivalent of a strategy.

Ashukha, Lyzhov, Molchanov and Vetrov, "Pitfalls of in-domain uncertainty estimation and ensembling in deep learning",
ICLR 2020, §4.2: the smallest number of ensemble members, interpolated linearly between whole ones, whose calibrated
log-likelihood is as good as the strategy's. The same is computed of accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.intervals.interval import Interval, percentiles, undefined
from ttscale.scaling.quality.quality import Quality

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


class Ladder(Protocol):
    """Ensembles of 1, 2, … members, measured item by item; a :class:`~ttscale.scaling.quality.quality.Quality` is
    one."""

    @property
    def name(self) -> str: ...

    @property
    def budgets(self) -> np.ndarray:
        """1, 2, … up to all the members."""

    def of_items(self, score: str, k: int) -> np.ndarray:
        """A score of every item at ``k`` members, ``float64 [item]``."""


def equivalent(measured: Quality, k: int, ensemble: Ladder, metric: Metric = "nll") -> Equivalent:
    """Worth how many members of an ensemble ``k`` draws of a strategy are.

    Args:
        measured: from :func:`ttscale.scaling.quality.quality.quality`.
        ensemble: from there too, with the same records and options (best the mean over the orders of its members) at
            budgets 1, 2, … up to all its members, its default; or any other ladder.

    Raises:
        TtscaleError: a budget or number of members that was not measured, what is no ensemble of the same items, or an
            unknown metric.
    """
    _check(measured, ensemble, metric)
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


def _check(measured: Quality, ensemble: Ladder, metric: str) -> None:
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    if isinstance(ensemble, Quality):
        if ensemble.kind not in ("ensemble", "single"):
            raise TtscaleError(
                "ensemble", expected="an ensemble of members with one view each", got=repr(ensemble.name),
                fix="Give quality(records, ensemble(records, members)).",
            )  # fmt: skip
        if not np.array_equal(measured.item_ids, ensemble.item_ids):
            raise TtscaleError(
                "ensemble", expected=f"the items of {measured.name!r}", got=f"other items in {ensemble.name!r}",
                fix="Measure both on the same Records.",
            )  # fmt: skip
    sizes = ensemble.budgets.tolist()
    if sizes != list(range(1, len(sizes) + 1)):
        raise TtscaleError(
            "ensemble", expected="its quality with 1, 2, 3, … members", got=f"{sizes} of {ensemble.name!r}",
            fix="Measure it with quality(records, ensemble), which takes every number of members by default.",
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
