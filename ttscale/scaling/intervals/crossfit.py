"""Choosing an option by its accuracy and scoring it on items that did not choose it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.bootstrap import bootstrap_means, count_units, mean_credit
from ttscale.scaling.intervals.halves import check_halves, folds
from ttscale.scaling.intervals.interval import Interval, detectable, difference_bounds

FOLDS = 10


@dataclass(frozen=True)
class Choice:
    """A curve's name and the budget chosen."""

    curve: str
    k: int


def best_against(
    options: Sequence[tuple[Curve, np.ndarray]], rival: np.ndarray
) -> tuple[Interval, tuple[Choice, ...], float]:
    """The best option's accuracy minus a rival's, cross-fitted.

    The items are dealt into ten folds; each fold is scored by the option that is most accurate on the other nine (the
    cheapest of equals), and the differences to the rival are averaged over all items. Choosing and scoring on the same
    items would favour the options, the more so the more there are; choosing on half of the items alone would often
    pick a worse one than all of them would. The interval resamples items with the choices held fixed. Cross-fitting:
    Stone, "Cross-validatory choice and assessment of statistical predictions", JRSS B 36 (1974); with all folds
    averaged, Chernozhukov et al., "Double/debiased machine learning", Econometrics Journal 21 (2018), definition 3.1.

    Args:
        options: curves, all on the same items and resamples, each with the rows (positions in ``budgets``) to choose
            from.
        rival: credit of the rival, ``[item]``.

    Returns:
        The difference as a fraction; the different choices, that of most folds first; and the difference that would
        have been detected with 80 % power (see :func:`ttscale.scaling.intervals.interval.detectable`).

    Raises:
        TtscaleError: too few items (or clusters) to choose on some and score on others.
    """
    curve = options[0][0]
    check_halves(curve.item_ids, curve.clusters)
    fold = folds(curve.item_ids, curve.clusters, FOLDS, seed=curve.seed)
    composite = np.empty(curve.n_items)
    chosen: Counter[Choice] = Counter()
    for scored in (fold == number for number in np.unique(fold)):
        picked, row = _most_accurate(options, ~scored)
        composite[scored] = picked.credit[row, scored]
        chosen[Choice(picked.name, int(picked.budgets[row]))] += 1
    difference = composite - rival
    replicates = bootstrap_means(difference[None], units=curve.units, n_boot=curve.n_boot, seed=curve.seed)
    low, high = difference_bounds(replicates[:, 0], curve.level, count_units(curve.n_items, curve.units))
    method = f"cross-fitted choice, paired {curve.method}"
    interval = Interval(float(mean_credit(difference)), low, high, curve.level, method)
    return interval, tuple(choice for choice, _ in chosen.most_common()), detectable(replicates[:, 0], curve.level)


def _most_accurate(options: Sequence[tuple[Curve, np.ndarray]], items: np.ndarray) -> tuple[Curve, int]:
    ranked = [
        (-float(accuracy), float(curve.flops[row]), position, int(row))
        for position, (curve, rows) in enumerate(options)
        for row, accuracy in zip(rows, mean_credit(curve.credit[rows][:, items]), strict=True)
    ]
    _, _, position, row = min(ranked)
    return options[position][0], row
