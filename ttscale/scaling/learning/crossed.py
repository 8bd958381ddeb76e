"""Strategies that labels chose, scored on items that took no part in the choice.

A learner makes a strategy from some of the items. Two ways of scoring it use no label twice:

* :func:`cross_fitted`, to be shown: what one half of the items taught is scored on the other, both ways;
* :func:`planned`, to be chosen by a plan: on the half that chooses, what one half *of it* taught is scored on the
  other; on the half that scores, what the whole of the choosing half taught, which is deployed.

Stone, "Cross-validatory choice and assessment of statistical predictions", JRSS B 36 (1974); with both halves averaged,
Chernozhukov et al., "Double/debiased machine learning", Econometrics Journal 21 (2018), definition 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.checks import check_images
from ttscale.scaling.curves.credits import prefix_credits
from ttscale.scaling.curves.curve import Curve, curve_of_strategy
from ttscale.scaling.curves.estimate import check_estimation
from ttscale.scaling.curves.image_costs import image_costs
from ttscale.scaling.intervals.bootstrap import check_bootstrap, count_units, mean_credit, unit_index
from ttscale.scaling.intervals.halves import MIN_PER_HALF, first_half
from ttscale.scaling.intervals.interval import check_level
from ttscale.scaling.strategy import Strategy, check_draws

Part = tuple[Strategy, np.ndarray]  # a strategy, and the items that it is scored on, bool [item]


@dataclass(frozen=True, eq=False)
class Learned:
    """What a learner made of some items.

    Attributes:
        strategy: with weightings, where it has any.
        items: positions of the items that were looked at, ``int64 [item]``.
        note: in words, why the strategy is that of the draws as collected; empty where something was learned.
        temperatures: per member, what its log-probabilities are divided by before the vote; empty when nothing.
        counts: of a selection with replacement, how often each of all draws was chosen; else empty.
    """

    strategy: Strategy
    items: np.ndarray = field(repr=False)
    note: str = ""
    temperatures: dict[str, float] = field(default_factory=dict)
    counts: tuple[int, ...] = ()


class Learner(Protocol):
    """Makes a strategy over images from labelled items."""

    @property
    def base(self) -> Strategy:
        """The draws to learn about, in the order collected."""

    @property
    def budgets(self) -> np.ndarray:
        """The budgets that it learns for, increasing: ``int64 [k]``."""

    def learn(self, records: Records, items: np.ndarray) -> Learned:
        """The strategy that these items (``bool [item]``) teach. It looks at no label of any other item."""


@dataclass(frozen=True, eq=False)
class CrossFittedCurve:
    """A learned strategy and what it is worth on items that it was not learned from.

    Attributes:
        curve: over both halves of the items, each under the strategy that the other taught, with its costs;
            ``strategy`` is the one that all items taught.
        optimism: per budget, accuracy on the items learned from minus accuracy of the curve, as a fraction,
            ``float64 [k]``.
        base: the draws that it was learned about, in the order collected.
        learned: on all items: the one to deploy. halves: on the first half, and on the second.
        note: where nothing was learned, and why; empty where something was, on all items and on both halves.
    """

    curve: Curve
    optimism: np.ndarray
    base: Strategy
    learned: Learned
    halves: tuple[Learned, Learned]
    note: str


def cross_fitted(
    records: Records, learner: Learner, *, ci: float = 0.95, n_boot: int = 1000, seed: int = 0, ties: str = "shared",
    interval: str = "percentile",
) -> CrossFittedCurve:  # fmt: skip
    """Learn on each half of the items and score on the other.

    Args:
        ci, n_boot, seed, ties, interval: as for :func:`ttscale.scaling.curves.curve.accuracy_curve`; the seed also
            makes the halves.

    Raises:
        TtscaleError: Records of text, no learner, draws that they do not hold, options out of range, or too few items
            to halve.
    """
    check_images(records)
    check_estimation(ties, interval, records.outcome)
    if not all(hasattr(learner, name) for name in ("base", "budgets", "learn")):
        raise TtscaleError(
            "learner", expected="a learner, such as a Policy", got=repr(learner)[:80],
            fix="Make one, for example Policy(tta(records, member)).",
        )  # fmt: skip
    check_draws(records, learner.base)
    level = check_level(ci)
    check_bootstrap(n_boot, level, count_units(records.n_items, unit_index(records.clusters)), seed)
    first = first_half(records.item_ids, records.clusters, seed=seed)
    halves = learner.learn(records, first), learner.learn(records, ~first)
    whole = learner.learn(records, np.ones_like(first))
    parts = [(halves[0].strategy, ~first), (halves[1].strategy, first)]
    budgets = _budgets(learner, [whole.strategy, halves[0].strategy, halves[1].strategy])

    def scored(some: Records, one: Strategy) -> np.ndarray:
        return prefix_credits(some, one, budgets.tolist(), ties=ties)

    curve = curve_of_strategy(
        records, whole.strategy, budgets, credit_by_part(records, parts, scored), reference=None, level=level,
        n_boot=n_boot, seed=seed, ties=ties, interval=interval,
    )  # fmt: skip
    curve = with_costs(curve, parts, [image_costs(records, one, budgets) for one, _ in parts])
    seen = [mean_credit(scored(records.take(h.items), h.strategy)) for h in halves]
    optimism = np.mean(seen, axis=0) - curve.accuracy
    return CrossFittedCurve(curve, optimism, learner.base, whole, halves, _note(whole, halves))


def planned(
    records: Records, first: np.ndarray, learner: Learner, *, level: float, n_boot: int, seed: int,
    learned: Learned | None = None,
) -> Curve | None:  # fmt: skip
    """The curve of what ``first`` (``bool [item]``) teaches, as a candidate of a plan that chooses on these items.

    Args:
        learned: what the learner made of ``first``, where that is at hand.

    Returns:
        None where these are too few to be halved again, or taught nothing.
    """
    learned = learner.learn(records, first) if learned is None else learned
    parts = None if learned.note else planning_parts(
        records, first, learned.strategy, lambda items: learner.learn(records, items).strategy, seed=seed
    )  # fmt: skip
    if parts is None:
        return None
    budgets = _budgets(learner, [one for one, _ in parts])
    credit = credit_by_part(records, parts, lambda some, one: prefix_credits(some, one, budgets.tolist()))
    return curve_of_strategy(
        records, learned.strategy, budgets, credit, reference=None, level=level, n_boot=n_boot, seed=seed
    )  # fmt: skip


def planning_parts(
    records: Records, first: np.ndarray, deployed: Strategy, learn: Callable[[np.ndarray], Strategy], *, seed: int
) -> list[Part] | None:
    """Which strategy is scored on which items by a plan that chooses on ``first``.

    Args:
        deployed: what all of ``first`` taught. learn: from some items, ``bool [item]``.

    Returns:
        None where ``first`` is too small to be halved again.
    """
    clusters = None if records.clusters is None else records.clusters[first]
    names = records.item_ids[first]
    if len(set((names if clusters is None else clusters).tolist())) < 2 * MIN_PER_HALF:
        return None
    inner = np.zeros_like(first)
    inner[first] = first_half(names, clusters, seed=seed, repeat=1)
    return [(deployed, ~first), *((learn(one), first & ~one) for one in (inner, first & ~inner))]


def credit_by_part(
    records: Records, parts: Sequence[Part], credit_of: Callable[[Records, Strategy], np.ndarray]
) -> np.ndarray:
    """Credit ``float64 [k, item]`` of every item under the strategy that it is to score."""
    credits = [credit_of(records.take(np.flatnonzero(items)), one) for one, items in parts]
    credit = np.empty((len(credits[0]), records.n_items))
    for (_, items), values in zip(parts, credits, strict=True):
        credit[:, items] = values
    return credit


def with_costs(curve: Curve, parts: Sequence[Part], costs: Sequence[Mapping[str, np.ndarray | None]]) -> Curve:
    """The curve with the costs of the strategies that scored its items: their mean, and of ``flops_worst`` the largest.

    Args:
        costs: of each part, by the names that they have in a curve, ``float64 [k]`` or None; ``flops`` among them.
    """
    portion = [items.mean() for _, items in parts]
    mean = {name: _mean([one[name] for one in costs], portion) for name in costs[0]}
    worst = [one.get("flops_worst", one["flops"]) for one in costs]
    curve = replace(curve, **{**mean, "flops_worst": np.max(np.asarray(worst, dtype=np.float64), axis=0)})
    known = curve.reference_flops > 0
    multiplier = curve.flops / curve.reference_flops if known else np.full(len(curve.flops), np.nan)
    return replace(curve, multiplier=multiplier)


def _mean(values: Sequence[np.ndarray | None], portion: Sequence[float]) -> np.ndarray | None:
    known = [value for value in values if value is not None]
    return np.average(known, axis=0, weights=portion) if len(known) == len(values) else None


def _budgets(learner: Learner, strategies: Sequence[Strategy]) -> np.ndarray:
    """Those that every one of the strategies has draws for."""
    return learner.budgets[learner.budgets <= min(len(one.draws) for one in strategies)]


def _note(whole: Learned, halves: Sequence[Learned]) -> str:
    if whole.note:
        return whole.note
    first, second = (one.note for one in halves)
    if first and first == second:
        return f"on either half of the items, {first}"
    named = (
        f"on the {name} half of the items, {note}" for name, note in (("first", first), ("second", second)) if note
    )
    return "; ".join(named)
