"""Accuracy against budget and cost, with intervals; differences between curves, paired by item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.bootstrap import check_bootstrap, count_units, mean_credit, unit_index
from ttscale.scaling.checks import check_records
from ttscale.scaling.credits import prefix_credits
from ttscale.scaling.image_costs import image_costs
from ttscale.scaling.interval import Interval, check_level, difference_bounds, undefined
from ttscale.scaling.resampled import Resampled
from ttscale.scaling.sampled_credits import ORDERS, budget_costs, check_orders, plain_cost, sampled_credits
from ttscale.scaling.strategy import Strategy, check_draws, product, tta
from ttscale.voting.votes import resolve

_ROUNDING = 1e-9  # of costs that are sums of the same numbers in another order
_SPENT = ("tokens", "seconds", "weight_bytes")  # parts of a curve that may be None


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
        parts = ("budgets", "flops", "flops_worst", "multiplier", *_SPENT)
        known = {part: values[rows] for part in parts if (values := getattr(self, part)) is not None}
        return replace(self, resampled=self.resampled.at_rows(rows), **known)

    def at(self, k: int) -> Interval:
        """Accuracy at budget ``k`` with its interval."""
        row = self.row(k)
        return Interval(float(self.accuracy[row]), float(self.low[row]), float(self.high[row]), self.level, self.method)


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
) -> Curve:
    """Accuracy of a strategy at every budget, from one pass over the Records.

    The budget k takes the strategy's first k draws; of text, whose samples are exchangeable, it is averaged over which
    samples these are. Tied answers share the credit. The interval is the percentile bootstrap over items (over clusters
    where the Records declare them); where all items agree it is Wilson's.

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
        orders: of text, the number of random orders of the samples; 0 takes them as numbered.

    Raises:
        TtscaleError: unknown names, a budget larger than the draws at hand, ``ci`` or ``n_boot`` out of range, fewer
            than two items or classes, or stored outcomes that are not normalised log-probabilities.
    """
    check_records(records)
    level = check_level(ci)
    check_bootstrap(n_boot, level, count_units(records.n_items, unit_index(records.clusters)), seed)
    check_orders(orders)
    chosen = strategy if strategy is not None else default_strategy(records, vote)
    check_draws(records, chosen)
    ks = check_budgets(budgets, len(chosen.draws))
    if records.outcome == "text":
        credit = sampled_credits(records, chosen, ks, orders=orders, seed=seed)
    else:
        credit = prefix_credits(records, chosen, ks.tolist())
    return curve_of_strategy(records, chosen, ks, credit, reference=reference, level=level, n_boot=n_boot, seed=seed)


def default_strategy(records: Records, vote: str = "auto") -> Strategy:
    """What :func:`accuracy_curve` measures unless it is told otherwise."""
    names = [member.name for member in records.members]
    if records.outcome != "text":
        vote = resolve(vote, records.outcome)
        return tta(records, names[0], vote=vote) if len(names) == 1 else product(records, names, vote=vote)
    if len(names) > 1:
        return sampled.ensemble(records, names, vote=vote, subject="all")
    make = sampled.mixture if len(records.variants) > 1 else sampled.samples
    return make(records, names[0], vote=vote)


def curve_of_strategy(
    records: Records, strategy: Strategy, budgets: np.ndarray, credit: np.ndarray, *, reference: str | None,
    level: float, n_boot: int, seed: int, **described: str,
) -> Curve:  # fmt: skip
    """The curve of a strategy's credits ``float64 [k, item]``, with what its budgets cost.

    Args:
        described: a ``name`` or ``vote`` other than the strategy's.
    """
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
        credit, item_ids=records.item_ids, budgets=budgets, kind=strategy.kind, members=strategy.members,
        subject=strategy.subject, reference=(first, one), clusters=records.clusters, strategy=strategy, level=level,
        n_boot=n_boot, seed=seed, unit=unit, **costs, **named,
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
) -> Curve:
    """The curve of credits ``float64 [k, item]`` that are already at hand: accuracy, resamples and intervals.

    Args:
        reference: name and cost of one plain decision; by default the first budget.
        clusters: ``str [item]``, resampled as wholes.
        (others): as in :class:`Curve`.
    """
    resampled = Resampled(credit, unit_index(clusters), level, n_boot, seed)
    member, one = reference or (members[0] if members else name, float(flops[0]))
    return Curve(
        name=name, kind=kind, members=members, vote=vote, budgets=budgets, flops=flops,
        flops_worst=flops if flops_worst is None else flops_worst,
        multiplier=flops / one if one > 0 else np.full(len(flops), math.nan), reference_member=member,
        reference_flops=one, resampled=resampled, item_ids=item_ids, clusters=clusters, strategy=strategy,
        subject=subject or name, unit=unit, tokens=tokens, seconds=seconds, weight_bytes=weight_bytes,
        method=f"percentile bootstrap over {resampled.n_units} "
        f"{'items' if clusters is None else 'clusters of items'}, {n_boot} resamples",
    )  # fmt: skip


def mean_curve(curves: Sequence[Curve], name: str, *, subject: str = "") -> Curve:
    """The expectation over exchangeable curves (training seeds, orders of members): credits averaged item by item.

    Its interval is over items, given these very curves; that other seeds would have come out differently is not in it.
    A single curve is only renamed. ``subject`` says in words what was averaged.

    Raises:
        TtscaleError: no curve, or curves on different items, budgets, levels or resamples.
    """
    if not curves:
        raise TtscaleError("curves", expected="at least one curve", got="none", fix="Give a list of curves.")
    first = curves[0]
    for other in curves[1:]:
        _check_comparable(first, other)
        if not np.array_equal(first.budgets, other.budgets) or first.level != other.level:
            raise TtscaleError(
                "curves", expected="equal budgets and levels", got=f"{first.name!r} and {other.name!r} that differ",
                fix="Compute the curves with the same `budgets` and `ci`.",
            )  # fmt: skip
    if len(curves) == 1:
        return replace(first, name=name, subject=subject or first.subject)
    credit = np.zeros(first.credit.shape)
    for curve in curves:
        credit += curve.credit
    tokens, seconds, weight_bytes = (_mean_spent(curves, part) for part in _SPENT)
    return curve_of_credits(
        credit / len(curves), item_ids=first.item_ids, budgets=first.budgets,
        flops=np.mean([curve.flops for curve in curves], axis=0),
        flops_worst=np.max([curve.flops_worst for curve in curves], axis=0), name=name, kind=first.kind,
        members=tuple(dict.fromkeys(member for curve in curves for member in curve.members)), vote=first.vote,
        subject=subject, reference=(first.reference_member, float(np.mean([c.reference_flops for c in curves]))),
        clusters=first.clusters, level=first.level, n_boot=first.n_boot, seed=first.seed, unit=first.unit,
        tokens=tokens, seconds=seconds, weight_bytes=weight_bytes,
    )  # fmt: skip


def _mean_spent(curves: Sequence[Curve], part: str) -> np.ndarray | None:
    known = [values for curve in curves if (values := getattr(curve, part)) is not None]
    return None if len(known) < len(curves) else np.mean(known, axis=0)


def paired_difference(curve_a: Curve, k_a: int, curve_b: Curve, k_b: int) -> Interval:
    """Accuracy of ``a`` at ``k_a`` minus accuracy of ``b`` at ``k_b``, resampling the same items for both.

    Returns:
        A fraction (0.01 is one percentage point) with the percentile interval of its replicates, at ``a``'s level.

    Raises:
        TtscaleError: curves on different items, or resampled differently; a budget that a curve does not hold.
    """
    row_a, row_b = curve_a.row(k_a), curve_b.row(k_b)
    _check_comparable(curve_a, curve_b)
    replicates = curve_a.replicates[:, row_a] - curve_b.replicates[:, row_b]
    low, high = difference_bounds(replicates, curve_a.level, count_units(curve_a.n_items, curve_a.units))
    value = float(mean_credit(curve_a.credit[row_a] - curve_b.credit[row_b]))
    return Interval(value, low, high, curve_a.level, f"paired {curve_a.method}")


def gain_per_flop(curve: Curve, *, since: str = "first") -> tuple[Interval, ...]:
    """Accuracy gained per extra cost at each budget, in percentage points per GFLOP, with intervals.

    ``100 (A(k) − A(k₀)) / ((F(k) − F(k₀)) / 1e9)``, where k₀ is the curve's first budget (``since="first"``, the mean
    return on everything spent) or the budget before k (``since="previous"``, the return on the last draws). NaN at the
    first budget, and where no cost was added.
    """
    if since not in ("first", "previous"):
        raise TtscaleError("since", expected='"first" or "previous"', got=repr(since), fix="Choose one of these.")
    method = f"paired {curve.method}"
    out = [undefined(curve.level, method)]
    for row in range(1, len(curve.budgets)):
        base = 0 if since == "first" else row - 1
        gflops = (curve.flops[row] - curve.flops[base]) / 1e9
        if not gflops > 0:
            out.append(undefined(curve.level, method))
            continue
        replicates = curve.replicates[:, row] - curve.replicates[:, base]
        bounds = difference_bounds(replicates, curve.level, count_units(curve.n_items, curve.units))
        gain = np.array([curve.accuracy[row] - curve.accuracy[base], *bounds]) * 100 / gflops
        value, low, high = (float(bound) for bound in gain)
        out.append(Interval(value, low, high, curve.level, method))
    return tuple(out)


def check_budgets(budgets: Sequence[int] | None, n_draws: int) -> np.ndarray:
    """The budgets as ``int64 [k]``, all of them by default; TtscaleError unless increasing and within the draws."""
    if budgets is None:
        return np.arange(1, n_draws + 1)
    given = np.asarray(budgets)
    if given.ndim != 1 or not given.size or not np.issubdtype(given.dtype, np.integer) or (np.diff(given) <= 0).any():
        raise TtscaleError(
            "budgets", expected="increasing whole numbers", got=repr(budgets), fix="Give for example [1, 2, 4, 8]."
        )
    if given[0] < 1 or given[-1] > n_draws:
        raise TtscaleError(
            "budgets", expected=f"budgets from 1 to the {n_draws} draws at hand", got=_listed(given),
            fix="Leave out the larger budgets, or collect more draws.",
        )  # fmt: skip
    return given.astype(np.int64)


def row_of(budgets: np.ndarray, k: int, name: str) -> int:
    """The position of budget ``k`` among those of what is called so; TtscaleError when it is none of them."""
    rows = np.flatnonzero(budgets == k)
    if not rows.size:
        raise TtscaleError(
            "k", expected=f"one of the budgets of {name!r}, {_listed(budgets)}", got=repr(k),
            fix="Choose one of these, or measure the budget wanted.",
        )  # fmt: skip
    return int(rows[0])


def last_within(costs: np.ndarray, most: float) -> int:
    """The position of the last of growing costs that is no more than ``most``, up to rounding; 0 where none is."""
    return max(0, int(np.searchsorted(costs, most * (1 + _ROUNDING), side="right")) - 1)


def _check_comparable(a: Curve, b: Curve) -> None:
    if not np.array_equal(a.item_ids, b.item_ids):
        raise TtscaleError(
            "curves", expected="the same items in the same order", got=f"{a.name!r} and {b.name!r} on different items",
            fix="Compare curves of the same data; `Records.take` selects and orders items.",
        )  # fmt: skip
    units_a, units_b = (np.arange(curve.n_items) if curve.units is None else curve.units for curve in (a, b))
    if (a.seed, a.n_boot) != (b.seed, b.n_boot) or not np.array_equal(units_a, units_b):
        raise TtscaleError(
            "curves", expected="the same resamples",
            got=f"{a.name!r} and {b.name!r} with another seed, n_boot or clusters",
            fix="Compute both curves with the same `seed` and `n_boot`, of Records with the same clusters.",
        )  # fmt: skip


def _listed(budgets: np.ndarray) -> str:
    return ", ".join(map(str, budgets)) if len(budgets) <= 8 else f"{budgets[0]}, {budgets[1]}, … {budgets[-1]}"
