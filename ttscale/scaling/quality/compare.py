"""Two strategies on the same items: what the one decides right that the other does not, and whether that is chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import bdtr

from ttscale.records.records import Records
from ttscale.scaling.intervals.bootstrap import count_units, mean_credit
from ttscale.scaling.intervals.interval import Interval, detectable, difference_bounds, percentiles, undefined
from ttscale.scaling.quality.quality import Quality, quality
from ttscale.scaling.strategy import Strategy


@dataclass(frozen=True)
class Comparison:
    """Strategy ``a`` at ``k_a`` draws against ``b`` at ``k_b``, paired by item.

    Attributes:
        difference: accuracy of a minus accuracy of b, as a fraction; ties share the credit.
        fixed, broken: ids of the items that only a, and only b, decides right (where a tie shares the credit: to the
            larger part).
        p: two-sided exact p-value of McNemar's test (Psychometrika 12, 1947): as many decisions fixed as broken, up to
            chance. NaN where the items come in clusters, since it takes them to be independent. Not adjusted for the
            number of comparisons.
        detectable: the true difference that these items would have shown with 80 % probability, as a fraction.
        nll_difference, calibrated_nll_difference: mean negative log-likelihood of a minus that of b, in nats; the
            second after cross-fitted temperatures. NaN where a label has probability 0.
    """

    a: str
    k_a: int
    b: str
    k_b: int
    difference: Interval
    fixed: tuple[str, ...] = field(repr=False)
    broken: tuple[str, ...] = field(repr=False)
    p: float
    detectable: float
    nll_difference: Interval
    calibrated_nll_difference: Interval


def compare(
    records: Records, a: Strategy, k_a: int, b: Strategy, k_b: int, *, ci: float = 0.95, n_boot: int = 1000,
    seed: int = 0,
) -> Comparison:  # fmt: skip
    """Compare two strategies over images at one budget each. Arguments and errors as in
    :func:`ttscale.scaling.quality.quality.quality`."""
    measured = [quality(records, one, [k], ci=ci, n_boot=n_boot, seed=seed) for one, k in ((a, k_a), (b, k_b))]
    return compare_measured(measured[0], k_a, measured[1], k_b)


def compare_measured(a: Quality, k_a: int, b: Quality, k_b: int, *, part: int | None = None) -> Comparison:
    """The same of strategies whose quality is at hand, measured on the same items, level and resamples.

    Args:
        part: compare this strategy of those that each is the mean of; None compares the means.
    """
    if part is not None:
        a, b = (replace(one, parts=(one.parts[part],)) for one in (a, b))

    def minus(of: str) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # ∞ − ∞ of labels that both give probability 0
            return a.of_items(of, k_a) - b.of_items(of, k_b)

    credit = minus("credit")
    replicates = a.resampled(credit[None])[:, 0]
    n_units = count_units(len(credit), a.units)
    method = f"paired percentile bootstrap over {n_units} units"
    fixed, broken = (tuple(a.item_ids[side].tolist()) for side in (credit > 0, credit < 0))
    return Comparison(
        a.name, k_a, b.name, k_b,
        Interval(float(mean_credit(credit)), *difference_bounds(replicates, a.level, n_units), a.level, method),
        fixed, broken, mcnemar(len(fixed), len(broken)) if a.units is None else math.nan,
        detectable(replicates, a.level), _paired(a, minus("nll"), method),
        _paired(a, minus("calibrated_nll"), method),
    )  # fmt: skip


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided exact p-value of so many decisions fixed and broken: twice the smaller tail of the binomial with a fair
    coin, at most 1."""
    return min(1.0, 2 * float(bdtr(min(fixed, broken), fixed + broken, 0.5)))


def holm(p_values: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """P-values adjusted for their number, in the order given: Holm, "A simple sequentially rejective multiple test
    procedure", Scandinavian Journal of Statistics 6 (1979). NaN stays, and does not count.

    Args:
        weights: positive, one a test (section 4 there): what share of the error each may spend before any other is
            rejected; None shares alike.
    """
    share = [1.0] * len(p_values) if weights is None else weights
    known = sorted((p / share[place], place) for place, p in enumerate(p_values) if not math.isnan(p))
    left, largest, out = math.fsum(share[place] for _, place in known), 0.0, [math.nan] * len(p_values)
    for ratio, place in known:
        largest = max(largest, min(1.0, ratio * left))
        out[place] = largest
        left -= share[place]
    return out


def _paired(measured: Quality, values: np.ndarray, method: str) -> Interval:
    if not np.isfinite(values).all():
        return undefined(measured.level, method)
    low, high = percentiles(measured.resampled(values[None])[:, 0], measured.level)
    return Interval(float(values.mean()), float(low), float(high), measured.level, method)
