"""Where test-time compute helps: its gain by class, by family and by difficulty of the items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.credits import prefix_credits
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.bootstrap import bootstrap_means, count_units, mean_credit
from ttscale.scaling.intervals.interval import Interval, difference_bounds, percentiles, wilson
from ttscale.scaling.quality import scoring
from ttscale.scaling.strategy import Strategy, by_rung, kin, rivals

MOST_CLASSES = 50
_BY_OTHERS = ("all others right", "fewer than half wrong", "half or more wrong", "all others wrong")
_BY_CONFIDENCE = ("surest quarter", "second quarter", "third quarter", "least sure quarter")

Groups = dict[str, np.ndarray]  # name to bool [item], in the order to show


@dataclass(frozen=True)
class Part:
    """A group of the items under one curve.

    Attributes:
        curve, k: the curve at its last budget. against: the curve whose first budget is the plain decision.
        by: ``"class"``, ``"family"`` or ``"difficulty"``; ``group``: which one.
        plain, spent, gain: accuracy of the plain decision, at the last budget, and their paired difference, as
            fractions; without an interval in a group of one item (or cluster of items).
    """

    curve: str
    k: int
    against: str
    by: str
    group: str
    n_items: int
    plain: Interval
    spent: Interval
    gain: Interval


def breakdown(records: Records, pairs: Sequence[tuple[Curve, Curve]]) -> list[Part]:
    """The gain of each curve in groups of the items.

    Classes are those of the labels, at most the 50 commonest of them. The difficulty of an item is the share of other
    members whose plain view gets it wrong: those that a curve does not use and that share no weights with one that it
    uses, such as a copy in another numeric format; copies and soups are nowhere counted. So no draw that is judged says
    which items are hard: among items that a member gets wrong by bad luck its next draw would look like a gain
    (regression to the mean). Where no other member is left, difficulty is how unsure the plain views of the curve's
    members are, in quarters of the items: that looks at no label.

    Args:
        pairs: a curve, whose last budget counts, and the one whose first budget is the plain decision (often the same);
            all of the same images, level and resamples.
    """
    made = rivals(records.members)
    wrong = {
        member.name: 1 - prefix_credits(records, _plain(records, member.name), [1])[0]
        for size, members in by_rung(records.members).items() if size not in made for member in members
    }  # fmt: skip
    shared = [("class", _classes(records)), ("family", _families(records))]
    out = []
    for curve, base in pairs:
        related = kin(records.members, curve.members)
        others = [values for name, values in wrong.items() if name not in related]
        hard = _by_others(others) if others else _by_confidence(records, curve.members)
        for by, groups in (*shared, ("difficulty", hard)):
            out += [_part(curve, base, by, name, items) for name, items in groups.items()]
    return out


def _part(curve: Curve, base: Curve, by: str, group: str, items: np.ndarray) -> Part:
    credit = np.stack([base.credit[0, items], curve.credit[-1, items]])
    both = np.concatenate([credit, credit[1:] - credit[:1]])
    units = None if curve.units is None else np.unique(curve.units[items], return_inverse=True)[1]
    n_units = count_units(both.shape[1], units)
    method = f"paired percentile bootstrap over {n_units} units"
    values = mean_credit(both).tolist()
    common = (curve.name, int(curve.budgets[-1]), base.name, by, group, int(items.sum()))
    if n_units < 2:
        return Part(*common, *(Interval(value, np.nan, np.nan, curve.level, method) for value in values))
    replicates = bootstrap_means(both, units=units, n_boot=curve.n_boot, seed=curve.seed)
    bounds = list(zip(*percentiles(replicates[:, :2], curve.level), strict=True))
    for row in (0, 1):
        if np.ptp(credit[row]) == 0:
            bounds[row] = wilson(values[row] * n_units, n_units, curve.level)
    bounds.append(difference_bounds(replicates[:, 2], curve.level, n_units))
    intervals = (
        Interval(value, float(low), float(high), curve.level, method)
        for value, (low, high) in zip(values, bounds, strict=True)
    )
    return Part(*common, *intervals)


def _classes(records: Records) -> Groups:
    labels, counts = np.unique(records.labels, return_counts=True)
    shown = np.sort(labels[np.argsort(-counts, kind="stable")[:MOST_CLASSES]])
    names = records.class_names
    return {str(label) if names is None else names[label]: records.labels == label for label in shown.tolist()}


def _families(records: Records) -> Groups:
    if records.families is None:
        return {}
    return {str(name): records.families == name for name in np.unique(records.families)}


def _by_others(wrong: Sequence[np.ndarray]) -> Groups:
    share = np.mean(wrong, axis=0)
    step = np.where(share == 0, 0, np.where(share < 0.5, 1, np.where(share < 1, 2, 3)))
    return _filled(_BY_OTHERS, step)


def _by_confidence(records: Records, members: Sequence[str]) -> Groups:
    sure = np.zeros(records.n_items)
    for items in records.blocks():
        for member in members:
            sure[items] += scoring.confidence(records.log_probs(member, items)[:, 0])
    rank = np.argsort(np.argsort(-sure, kind="stable"), kind="stable")
    return _filled(_BY_CONFIDENCE, rank * 4 // len(rank))


def _filled(names: Sequence[str], step: np.ndarray) -> Groups:
    groups = {name: step == number for number, name in enumerate(names)}
    return {name: items for name, items in groups.items() if items.any()}


def _plain(records: Records, member: str) -> Strategy:
    return Strategy(f"single/{member}", "single", ((member, records.variants[0]),), "mean", member)
