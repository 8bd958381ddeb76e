"""Accuracy against budget and cost, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.checks import check_records
from ttscale.scaling.curves.budgets import check_budgets, last_within, row_of
from ttscale.scaling.curves.credits import prefix_credits
from ttscale.scaling.curves.estimate import IN_ORDER, Counts, Estimate, check_ties, in_order
from ttscale.scaling.curves.image_costs import image_costs
from ttscale.scaling.curves.sampled_credits import (
    ORDERS,
    check_orders,
    sample_counts,
    sampled_credits,
)  # fmt: skip
from ttscale.scaling.curves.text_costs import budget_costs, plain_cost
from ttscale.scaling.intervals.bootstrap import check_bootstrap, count_units, unit_index
from ttscale.scaling.intervals.interval import Interval, check_level, check_method
from ttscale.scaling.intervals.resampled import Resampled
from ttscale.scaling.strategy import Strategy, check_draws, product, tta
from ttscale.voting.votes import DEFAULT, resolve

SPENT = ("tokens", "seconds", "weight_bytes")  # parts of a curve that may be None


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy of one strategy at each budget.

    Attributes:
        name, kind, members, vote, subject: of the strategy.
        budgets: draws per item, ``int64 [k]``, increasing.
        flops, flops_worst: mean and largest cost per item, ``float64 [k]`` (1 multiply-add = 2 FLOPs); of text the
            largest is that of an item asked by itself, which pays the whole beginning that prompts share.
        multiplier: ``flops / reference_flops``, the cost in plain decisions (``unit``) of
            ``reference_member``.
        resampled: the credits, ``[k, item]``, 1 for right, 0 for wrong, shares for ties, and their resamples.
        method: how the interval was made.
        strategy: the strategy, or None for a mean of several curves.
        unit: one plain decision in words: ``one view``, ``one greedy answer``, ``one sample``.
        tokens: of text, mean tokens generated per item, ``float64 [k]``; None of images.
        seconds: for one item alone on the profiled device, ``float64 [k]``, NaN where it was not profiled; None of
            images without any profile.
        weight_bytes: of images, of the members in use, each once, in their numeric formats, ``float64 [k]``, NaN where
            unknown; None of text.
        estimator: over what the credits were averaged, in words: ``exact over all subsets of the samples``, ``mean over
            64 random orders``, ``in the order of the strategy``.
        ties: what a vote among tied answers earns: ``shared``, ``first_seen`` or ``strict``.
        sampling_error: Monte Carlo standard error of the accuracy, ``float64 [k]``, 0 where exact; None where nothing
            is known of it.
        counts: of one pool's samples, how many there are and how many are right, where the curve is their coverage
            (also under the vote ``best:correct`` of samples of which only right and wrong are known); else None.
    """

    name: str
    kind: str
    members: tuple[str, ...]
    vote: str
    budgets: np.ndarray
    flops: np.ndarray
    flops_worst: np.ndarray
    multiplier: np.ndarray
    reference_member: str
    reference_flops: float
    resampled: Resampled = field(repr=False)
    item_ids: np.ndarray = field(repr=False)
    method: str
    subject: str = ""
    strategy: Strategy | None = field(default=None, repr=False)
    clusters: np.ndarray | None = field(default=None, repr=False)
    unit: str = "one view"
    tokens: np.ndarray | None = None
    seconds: np.ndarray | None = None
    weight_bytes: np.ndarray | None = None
    estimator: str = IN_ORDER
    ties: str = "shared"
    sampling_error: np.ndarray | None = None
    counts: Counts | None = field(default=None, repr=False)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def credit(self) -> np.ndarray:
        """``float64 [k, item]``."""
        return self.resampled.credit

    @property
    def accuracy(self) -> np.ndarray:
        """Mean credit, ``float64 [k]``."""
        return self.resampled.accuracy

    @property
    def low(self) -> np.ndarray:
        """Lower ends of the accuracy's intervals at ``level``, ``float64 [k]``."""
        return self.resampled.bounds[0]

    @property
    def high(self) -> np.ndarray:
        """Upper ends, ``float64 [k]``."""
        return self.resampled.bounds[1]

    @property
    def replicates(self) -> np.ndarray:
        """Bootstrap means, ``float64 [boot, k]``."""
        return self.resampled.replicates

    @property
    def units(self) -> np.ndarray | None:
        """Cluster index per item, or None when the items are resampled one by one."""
        return self.resampled.units

    @property
    def level(self) -> float:
        return self.resampled.level

    @property
    def n_boot(self) -> int:
        return self.resampled.n_boot

    @property
    def seed(self) -> int:
        return self.resampled.seed

    def row(self, k: int) -> int:
        """The position of budget ``k``; TtscaleError when the curve does not hold it."""
        return row_of(self.budgets, k, self.name)

    def within(self, flops: float) -> int:
        """The largest budget that costs no more FLOPs per item than this; the first where none does."""
        return int(self.budgets[last_within(self.flops, flops)])

    def at_rows(self, rows: np.ndarray) -> Curve:
        """The same curve at some of its budgets, given by their positions."""
        parts = ("budgets", "flops", "flops_worst", "multiplier", *SPENT, "sampling_error")
        known = {part: values[rows] for part in parts if (values := getattr(self, part)) is not None}
        return replace(self, resampled=self.resampled.at_rows(rows), **known)

    def at(self, k: int) -> Interval:
        """Accuracy at budget ``k`` with its interval."""
        return self.resampled.interval(self.row(k))


def accuracy_curve(
    records: Records,
    strategy: Strategy | None = None,
    *,
    vote: str = "auto",
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    budgets: Sequence[int] | None = None,
    reference: str | None = None,
    orders: int = ORDERS,
    ties: str = "shared",
    interval: str = "percentile",
) -> Curve:
    """Accuracy of a strategy at every budget, from one pass over the Records.

    The budget k takes the strategy's first k draws; of text, whose samples are exchangeable, it is averaged over which
    samples these are (see :mod:`ttscale.scaling.curves.sampled_credits`; the curve's ``estimator`` says how). The
    interval is over items (over clusters where the Records declare them); where all items agree it is Wilson's.

    Args:
        records: the draws.
        strategy: by default all members × all views (the views of the one member, if there is one); of text the samples
            of the main decoding: those of the one member, over its prompt variants if there are several, or the
            ensemble of all members.
        vote: for the default strategy; a given strategy carries its own. ``"auto"`` is the mean, of text the plurality.
        ci: level of the intervals.
        n_boot, seed: number of resamples and their seed; equal seeds resample equal items alike.
        budgets: by default every budget from 1 to the number of draws.
        reference: the member whose plain decision is multiplier 1; by default the strategy's first.
        orders: of text, the number of random orders of the samples where no exact mean is at hand; 0 takes the samples
            as numbered.
        ties: what a vote whose best answers are tied earns: ``"shared"``, the share of the tied answers that are right
            (the expectation of a random choice among them); ``"strict"``, nothing; ``"first_seen"``, of text, 1 if the
            one that was seen first, in the order of sample numbers, is right.
        interval: ``"percentile"``, ``"bca"``, or ``"wilson"`` where every credit is 0 or 1 and items are independent.

    Raises:
        TtscaleError: unknown names, a budget larger than the draws at hand, ``ci`` or ``n_boot`` out of range, fewer
            than two items or classes, an interval that does not suit the credits, or stored outcomes that are not
            normalised log-probabilities.
    """
    check_records(records)
    level = check_level(ci)
    check_bootstrap(n_boot, level, count_units(records.n_items, unit_index(records.clusters)), seed)
    check_orders(orders)
    check_ties(ties, records.outcome)
    check_method(interval)
    chosen = strategy if strategy is not None else default_strategy(records, vote)
    check_draws(records, chosen)
    ks = check_budgets(budgets, len(chosen.draws))
    if records.outcome == "text":
        found = sampled_credits(records, chosen, ks, orders=orders, seed=seed, ties=ties)
    else:
        found = in_order(prefix_credits(records, chosen, ks.tolist(), ties=ties))
    covers = records.vote_kind == "verdicts" and chosen.vote == DEFAULT["verdicts"] and orders > 0
    return curve_of_strategy(
        records, chosen, ks, found, reference=reference, level=level, n_boot=n_boot, seed=seed, ties=ties,
        interval=interval, counts=sample_counts(records, chosen) if covers else None,
    )  # fmt: skip


def default_strategy(records: Records, vote: str = "auto", *, members: Sequence[str] | None = None) -> Strategy:
    """What :func:`accuracy_curve` measures unless it is told otherwise, of all members or of some."""
    names = [member.name for member in records.members] if members is None else list(members)
    if records.outcome != "text":
        vote = resolve(vote, records.vote_kind)
        return tta(records, names[0], vote=vote) if len(names) == 1 else product(records, names, vote=vote)
    if len(names) > 1:
        return sampled.ensemble(records, names, vote=vote, subject="all" if members is None else None)
    make = sampled.mixture if len(records.variants) > 1 else sampled.samples
    return make(records, names[0], vote=vote)


def curve_of_strategy(
    records: Records, strategy: Strategy, budgets: np.ndarray, found: Estimate | np.ndarray, *, reference: str | None,
    level: float, n_boot: int, seed: int, **described: Any,
) -> Curve:  # fmt: skip
    """The curve of a strategy's estimated credits, with what its budgets cost.

    Args:
        found: or credits ``float64 [k, item]`` of draws taken in the order of the strategy.
        described: further arguments of :func:`curve_of_credits`; a ``name`` or ``vote`` other than the strategy's.
    """
    found = in_order(found) if isinstance(found, np.ndarray) else found
    first = strategy.draws[0][0] if reference is None else records.member(reference).name
    costs: dict[str, Any]
    if records.outcome == "text":
        costs = vars(budget_costs(records, strategy, budgets))
        one, unit = plain_cost(records, first)
    else:
        costs = image_costs(records, strategy, budgets)
        one, unit = records.draw_flops(first, records.variants[0]), "one view"
    named: dict[str, Any] = {"name": strategy.name, "vote": strategy.vote, **described}
    return curve_of_credits(
        found.credit, item_ids=records.item_ids, budgets=budgets, kind=strategy.kind, members=strategy.members,
        subject=strategy.subject, reference=(first, one), clusters=records.clusters, strategy=strategy, level=level,
        n_boot=n_boot, seed=seed, unit=unit, estimator=found.estimator, sampling_error=found.error, **costs, **named,
    )  # fmt: skip


def curve_of_credits(
    credit: np.ndarray,
    *,
    item_ids: np.ndarray,
    budgets: np.ndarray,
    flops: np.ndarray,
    name: str,
    kind: str = "single",
    members: tuple[str, ...] = (),
    vote: str = "mean",
    subject: str = "",
    flops_worst: np.ndarray | None = None,
    reference: tuple[str, float] | None = None,
    clusters: np.ndarray | None = None,
    strategy: Strategy | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    unit: str = "one view",
    tokens: np.ndarray | None = None,
    seconds: np.ndarray | None = None,
    weight_bytes: np.ndarray | None = None,
    estimator: str = IN_ORDER,
    ties: str = "shared",
    sampling_error: np.ndarray | None = None,
    counts: Counts | None = None,
    interval: str = "percentile",
) -> Curve:
    """The curve of credits ``float64 [k, item]`` that are already at hand: accuracy, resamples and intervals.

    Args:
        reference: name and cost of one plain decision; by default the first budget.
        clusters: ``str [item]``, resampled as wholes.
        interval: how the intervals are made, see :class:`ttscale.scaling.intervals.resampled.Resampled`.
        (others): as in :class:`Curve`.
    """
    resampled = Resampled(credit, unit_index(clusters), level, n_boot, seed, interval)
    member, one = reference or (members[0] if members else name, float(flops[0]))
    return Curve(
        name=name, kind=kind, members=members, vote=vote, budgets=budgets, flops=flops,
        flops_worst=flops if flops_worst is None else flops_worst,
        multiplier=flops / one if one > 0 else np.full(len(flops), math.nan), reference_member=member,
        reference_flops=one, resampled=resampled, item_ids=item_ids, clusters=clusters, strategy=strategy,
        subject=subject or name, unit=unit, tokens=tokens, seconds=seconds, weight_bytes=weight_bytes,
        method=resampled.method_words, estimator=estimator, ties=ties, sampling_error=sampling_error, counts=counts,
    )  # fmt: skip
