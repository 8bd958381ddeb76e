"""How good a strategy's probabilities are at each budget: accuracy, top-5, likelihood, Brier score, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.checks import check_images
from ttscale.scaling.curves.budgets import check_budgets, row_of
from ttscale.scaling.intervals.bootstrap import bootstrap_means, check_bootstrap, count_units, mean_credit, unit_index
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import Interval, check_level, percentiles, wilson
from ttscale.scaling.quality.item_scores import Floats, ItemScores, item_scores
from ttscale.scaling.quality.scoring import calibration_gaps
from ttscale.scaling.strategy import Strategy, check_draws


@dataclass(frozen=True)
class Metrics:
    """The metrics of one budget, each with its interval over items.

    Attributes:
        accuracy, top5: fractions; ties share the credit; top5 is NaN with five classes or fewer.
        nll: negative log-likelihood in nats. brier: in [0, 2]. ece: expected calibration error, 15 equal bins.
        temperature: None for the probabilities as they are; else the mean of those that were fitted.
    """

    accuracy: Interval
    top5: Interval
    nll: Interval
    brier: Interval
    ece: Interval
    temperature: float | None


@dataclass(frozen=True, eq=False)
class Quality:
    """The item scores of a strategy, or of several that are averaged, from which metrics are made when asked for.

    Attributes:
        name, kind: of the strategy. budgets: ``int64 [k]``.
        parts: the scores of the items, a part a strategy.
        item_ids, units, level, n_boot, seed: as in :class:`ttscale.scaling.curves.curve.Curve`.
    """

    name: str
    kind: str
    budgets: np.ndarray
    parts: tuple[ItemScores, ...] = field(repr=False)
    item_ids: np.ndarray = field(repr=False)
    units: np.ndarray | None = field(repr=False)
    level: float
    n_boot: int
    seed: int

    def row(self, k: int) -> int:
        """The position of budget ``k``; TtscaleError when it was not measured."""
        return row_of(self.budgets, k, self.name)

    def of_items(self, score: str, k: int) -> Floats:
        """An attribute of :class:`~ttscale.scaling.quality.item_scores.ItemScores` at budget ``k``, averaged over the
        parts: ``float64 [item]``."""
        row = self.row(k)
        return np.mean([getattr(part, score)[row] for part in self.parts], axis=0)

    def resampled(self, values: np.ndarray) -> np.ndarray:
        """Bootstrap means ``float64 [boot, row]`` of values ``[row, item]``, resampling as every curve does."""
        return bootstrap_means(values, units=self.units, n_boot=self.n_boot, seed=self.seed)

    def metrics(self, k: int, *, calibrated: bool = False) -> Metrics:
        """The metrics at budget ``k`` with their intervals.

        Args:
            calibrated: after a temperature fitted on one half of the items and applied to the other, both ways.
        """
        prefix, row = "calibrated_" if calibrated else "", self.row(k)
        names = ("credit", "top5", f"{prefix}nll", f"{prefix}brier")
        means = np.stack([self.of_items(name, k) for name in names])
        gaps = np.concatenate(
            [calibration_gaps(getattr(part, f"{prefix}confidence")[row], part.credit[row]) for part in self.parts]
        )
        finite = np.where(np.isfinite(means), means, 0.0)
        replicates = self.resampled(np.concatenate([finite, gaps]))
        accuracy, top5, nll, brier = (
            self._interval(*one) for one in zip(names, means, replicates.T[: len(means)], strict=True)
        )
        ece = self._calibration_error(gaps.mean(axis=1), replicates[:, len(means) :])
        fitted = float(np.mean([part.temperatures[row] for part in self.parts])) if calibrated else None
        return Metrics(accuracy, top5, nll, brier, ece, fitted)

    def _interval(self, name: str, values: np.ndarray, replicates: np.ndarray) -> Interval:
        """A mean over items with its interval: none where a value is not finite, Wilson's where all credits agree."""
        n_units = count_units(len(values), self.units)
        method, mean = f"percentile bootstrap over {n_units} units", float(mean_credit(values))
        if not np.isfinite(values).all():
            return Interval(mean, np.nan, np.nan, self.level, method)
        if name in ("credit", "top5") and not np.ptp(values):
            return Interval(mean, *wilson(mean * n_units, n_units, self.level), self.level, method)
        low, high = percentiles(replicates, self.level)
        return Interval(mean, float(low), float(high), self.level, method)

    def _calibration_error(self, gaps: np.ndarray, replicates: np.ndarray) -> Interval:
        """The expected calibration error, averaged over the parts.

        Where it is ``Σ_b |g_b|`` of the bins' gaps, resampled gaps ``g*`` give the upper limit by the spread of ``Σ_b
        |g*_b|`` about its own mean, and the lower by that of ``Σ_b |g*_b − g_b|``, which by the triangle inequality no
        sampling error of the sum exceeds: it covers an error of 0, too.

        Args:
            gaps: ``[part × bin]``; replicates: of them, ``[boot, part × bin]``.
        """
        parts = len(self.parts)
        value = float(np.abs(gaps).sum() / parts)
        resampled = np.abs(replicates).sum(axis=1) / parts
        distance = np.abs(replicates - gaps).sum(axis=1) / parts
        low = max(0.0, value - float(percentiles(distance, self.level)[1]))
        high = value + float(percentiles(resampled, self.level)[1] - resampled.mean())
        method = f"bootstrap over {count_units(len(self.item_ids), self.units)} units, shifted for its bias"
        return Interval(value, low, high, self.level, method)


def quality(
    records: Records,
    strategy: Strategy | Sequence[Strategy],
    budgets: Sequence[int] | None = None,
    *,
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
) -> Quality:
    """Measure the probabilities of a strategy at some budgets; :meth:`Quality.metrics` then tells them.

    Temperatures are fitted by likelihood after the draws are merged, on one half of the items (that on which a plan
    chooses), and applied to the other half; and the other way round. Intervals are percentile bootstraps over items
    with the temperatures held fixed, Wilson's where all items agree. The calibration error of a sample is too high on
    average, and that of a resample more so: its interval is shifted for this, and is on the safe side.

    Args:
        records: of images; they are read block by block.
        strategy: several of the same number of draws (training seeds, say) are averaged.
        budgets: by default 1, 2, 4, … and the last; of an ensemble every number of its members.
        ci, n_boot, seed: as for :func:`ttscale.scaling.curves.curve.accuracy_curve`.

    Raises:
        TtscaleError: Records of text, strategies that these do not hold, options out of range, fewer than four items.
    """
    strategies = (strategy,) if isinstance(strategy, Strategy) else tuple(strategy)
    check_images(records)
    level = check_level(ci)
    check_bootstrap(n_boot, level, count_units(records.n_items, unit_index(records.clusters)), seed)
    if not strategies:
        raise TtscaleError("strategy", expected="at least one strategy", got="none", fix="Make one with tta(...).")
    for one in strategies:
        check_draws(records, one)
    most = min(len(one.draws) for one in strategies)
    kind = strategies[0].kind
    usual = range(1, most + 1) if kind == "ensemble" else doublings(most)
    ks = check_budgets(usual if budgets is None else budgets, most)
    first = first_half(records.item_ids, records.clusters, seed=seed)
    parts = [item_scores(records, (one, one), ks, first) for one in strategies]
    return quality_of(records, strategies[0].name, kind, ks, parts, level=level, n_boot=n_boot, seed=seed)


def quality_of(
    records: Records, name: str, kind: str, budgets: np.ndarray, parts: Sequence[ItemScores], *, level: float,
    n_boot: int, seed: int,
) -> Quality:  # fmt: skip
    """The quality of item scores that are at hand."""
    return Quality(
        name, kind, budgets, tuple(parts), records.item_ids, unit_index(records.clusters), level, n_boot, seed
    )  # fmt: skip


def doublings(most: int) -> list[int]:
    """1, 2, 4, … and ``most``."""
    return sorted({*(2**power for power in range(most.bit_length())), most})
