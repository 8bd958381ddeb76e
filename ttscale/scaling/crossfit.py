"""Choosing an option by its accuracy and scoring it on items that did not choose it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.bootstrap import bootstrap_means, count_units, mean_credit
from ttscale.scaling.curves import Curve
from ttscale.scaling.halves import first_half
from ttscale.scaling.interval import Interval, detectable, difference_bounds


@dataclass(frozen=True)
class Choice:
    """A curve's name and the budget chosen."""

    curve: str
    k: int


def best_against(
    options: Sequence[tuple[Curve, np.ndarray]], rival: np.ndarray
) -> tuple[Interval, tuple[Choice, Choice], float]:
    """The best option's accuracy minus a rival's, cross-fitted.

    The option that is most accurate on the first half of the items (the cheapest of equals) is scored on the second
    half, and the one chosen on the second half is scored on the first; the differences to the rival are averaged over
    all items. Choosing and scoring on the same items would favour the options, the more so the more there are. The
    interval resamples items with the two choices held fixed. Cross-fitting: Stone, "Cross-validatory choice and
    assessment of statistical predictions", JRSS B 36 (1974); with both halves averaged, Chernozhukov et al.,
    "Double/debiased machine learning", Econometrics Journal 21 (2018), definition 3.1.

    Args:
        options: curves, all on the same items and resamples, each with the rows (positions in ``budgets``) to choose
            from.
        rival: credit of the rival, ``[item]``.

    Returns:
        The difference as a fraction; what was chosen on the first and on the second half; and the difference that
        would have been detected with 80 % power (see :func:`ttscale.scaling.interval.detectable`).
    """
    curve = options[0][0]
    first = first_half(curve.item_ids, curve.clusters, seed=curve.seed)
    composite = np.empty(curve.n_items)
    choices = []
    for chooser in (first, ~first):
        picked, row = _most_accurate(options, chooser)
        composite[~chooser] = picked.credit[row, ~chooser]
        choices.append(Choice(picked.name, int(picked.budgets[row])))
    difference = composite - rival
    replicates = bootstrap_means(difference[None], units=curve.units, n_boot=curve.n_boot, seed=curve.seed)
    low, high = difference_bounds(replicates[:, 0], curve.level, count_units(curve.n_items, curve.units))
    method = f"cross-fitted choice, paired {curve.method}"
    interval = Interval(float(mean_credit(difference)), low, high, curve.level, method)
    return interval, (choices[0], choices[1]), detectable(replicates[:, 0], curve.level)


def _most_accurate(options: Sequence[tuple[Curve, np.ndarray]], items: np.ndarray) -> tuple[Curve, int]:
    ranked = [
        (-float(accuracy), float(curve.flops[row]), position, int(row))
        for position, (curve, rows) in enumerate(options)
        for row, accuracy in zip(rows, mean_credit(curve.credit[rows][:, items]), strict=True)
    ]
    _, _, position, row = min(ranked)
    return options[position][0], row
