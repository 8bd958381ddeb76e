"""Lower bounds of accuracies on some of the items, of one curve or of many at once.

A bound that holds for all of many candidates at once keeps a lucky one from being let through: the max-t bootstrap
(Romano and Wolf, "Exact and approximate stepdown methods for multiple hypothesis testing", JASA 100, 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.bootstrap import bootstrap_means, check_bootstrap, count_units, mean_credit
from ttscale.scaling.intervals.interval import percentiles, wilson

Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # accuracy, low, high, one-sided lower bound: each [k]


def joint_tables(curves: Sequence[Curve], items: np.ndarray, level: float, n_boot: int, seed: int) -> list[Table]:
    """A table a curve on some items, with lower bounds that hold for all points of all curves at once.

    A point's bound is its accuracy minus q standard errors, where q is the ``level`` quantile over the resamples of the
    largest standardised deviation among all points; the resamples are the same for every curve.
    """
    tables, errors = [], []
    largest = np.zeros(n_boot)
    for curve in curves:
        table, replicates = table_on(curve, items, level, n_boot, seed)
        error = replicates.std(axis=0, ddof=1)
        varies = error > 0
        deviation = (replicates[:, varies] - table[0][varies]) / error[varies]
        largest = np.maximum(largest, deviation.max(axis=1, initial=0.0))
        tables.append(table)
        errors.append(error)
    q = max(0.0, float(np.quantile(largest, level, method="inverted_cdf")))  # 0 when no point varies
    return [
        (accuracy, low, high, np.where(error > 0, np.minimum(accuracy - q * error, bound), bound))
        for (accuracy, low, high, bound), error in zip(tables, errors, strict=True)
    ]


def table_on(curve: Curve, items: np.ndarray, level: float, n_boot: int, seed: int) -> tuple[Table, np.ndarray]:
    """The table of a curve on some items, each bound for itself, and the bootstrap means ``[boot, k]``."""
    credit = curve.credit[:, items]
    units = None if curve.units is None else np.unique(curve.units[items], return_inverse=True)[1]
    n_units = count_units(credit.shape[1], units)
    check_bootstrap(n_boot, level, n_units, seed)
    replicates = bootstrap_means(credit, units=units, n_boot=n_boot, seed=seed)
    accuracy = mean_credit(credit)
    low, high = percentiles(replicates, level)
    bound = np.quantile(replicates, 1 - level, axis=0, method="inverted_cdf")
    for row in np.flatnonzero((credit == credit[:, :1]).all(axis=1)):
        low[row], high[row] = wilson(accuracy[row] * n_units, n_units, level)
        # The lower end of a two-sided interval of level 2c − 1 is the one-sided bound of level c.
        bound[row] = wilson(accuracy[row] * n_units, n_units, 2 * level - 1)[0] if level > 0.5 else accuracy[row]
    return (accuracy, low, high, bound), replicates
