"""What test-time compute buys under each shift of the data, beside what it buys on clean data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.checks import check_images
from ttscale.scaling.curves.combined import mean_curve, paired_difference
from ttscale.scaling.curves.credits import prefix_credits
from ttscale.scaling.curves.curve import Curve, accuracy_curve, curve_of_strategy
from ttscale.scaling.curves.estimate import check_estimation
from ttscale.scaling.curves.image_costs import image_costs
from ttscale.scaling.intervals.bootstrap import check_resampling, count_units
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import Interval, check_level, detectable, difference_bounds
from ttscale.scaling.learning.crossed import credit_by_part, with_costs
from ttscale.scaling.learning.policies import ORDERED, LearnedGroup, learned_groups
from ttscale.scaling.planning.options import average, beside_plain, groups, of_all
from ttscale.scaling.quality.breakdown import breakdown
from ttscale.scaling.strategy import Strategy, rivals
from ttscale.scaling.summaries.entries import breakdown_entry, json_ready
from ttscale.scaling.summaries.words import option_words, points_words, sentence_start
from ttscale.voting.votes import resolve

NOTE = (
    "every shift is analysed by itself, on the axes of the clean data: accuracy of one view, at the full budget, and "
    "their paired difference; the gain minus the clean gain is paired where the items are the same ones; orders and "
    "weights are learned on one half of the clean items and scored on the items of the other under each shift (items "
    "that are not among the clean ones, by what all of these taught)"
)


def summarize_shifts(
    records: Mapping[str, Records],
    *,
    vote: str = "auto",
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    ties: str = "shared",
    interval: str = "percentile",
    learned: Sequence[LearnedGroup] | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """The gain of test-time compute on clean and on shifted data.

    Args:
        records: the clean ones first, then each shift under its name: of the same members, views and classes. Items of
            the same ids are compared one by one.
        vote, ci, n_boot, seed, ties, interval: as for :func:`ttscale.scaling.summaries.summary.summarize`.
        learned: from :func:`ttscale.scaling.learning.policies.learned_groups` on the clean Records with the same
            options; None learns them here.
        on_progress: told the share of the work that is done, in [0, 1].

    Returns:
        JSON-ready: ``note``; ``order``, the names; ``rows``, one a shift and curve: ``plain`` (one view), ``spent``
        (all draws; of a learned order 4), ``gain``, what gain was ``detectable``, the gain ``minus_clean`` (None where
        the items differ), and what was ``learned_on`` clean data gains ``over_collected``, the same draws counted alike
        in the order collected, as many (``collected_k``) as cost no more FLOPs; ``breakdown`` of each by class, family
        and difficulty; ``text``, sentences.

    Raises:
        TtscaleError: Records of text, of other members, views or classes, or fewer than two of them; unknown names,
            options out of range.
    """
    check_resampling(n_boot, check_level(ci), seed)
    several = aligned(records)
    check_estimation(ties, interval, "classes")
    settings: dict[str, Any] = {"ci": ci, "n_boot": n_boot, "seed": seed, "ties": ties, "interval": interval}
    first = next(iter(several.values()))
    vote = resolve(vote, first.vote_kind)
    if learned is None:
        learned = learned_groups(first, vote=vote, **settings)
    in_first = first_half(first.item_ids, first.clusters, seed=seed)
    clean: dict[str, Row] = {}
    told: dict[str, list[Row]] = {}
    rows, parts = [], []
    for number, (shift, one) in enumerate(several.items(), 1):
        taught = _taught_curves(one, learned, _halves(one, first, in_first), settings)
        told[shift] = _collected(one, vote, taught, settings)
        found = [*told[shift], *_taught_rows(told[shift], taught)]
        clean = clean or {row.curve.name: row for row in found}
        rows += [_entry(shift, row, clean[row.curve.name]) for row in found]
        pairs = [(row.curve, row.base) for row in told[shift]]
        parts += [{"shift": shift, **breakdown_entry(part)} for part in breakdown(one, pairs)]
        on_progress(number / len(several))
    return json_ready({"note": NOTE, "order": list(several), "rows": rows, "breakdown": parts, "text": _texts(told)})


@dataclass(frozen=True, eq=False)
class Row:
    """A curve at budget ``k`` beside the first budget of ``base``, one view; and where it was learned, beside
    ``collected_k`` of the same draws as ``collected``."""

    curve: Curve
    base: Curve
    k: int
    collected: Curve | None = None
    collected_k: int = 0

    @property
    def replicates(self) -> np.ndarray:
        """Of the gain, ``[boot]``."""
        return self.curve.replicates[:, self.curve.row(self.k)] - self.base.replicates[:, 0]

    @property
    def gain(self) -> Interval:
        return paired_difference(self.curve, self.k, self.base, 1)


@dataclass(frozen=True, eq=False)
class Taught:
    """What clean data taught, at the budget ``k`` at which it is compared with ``beside_k`` draws of the curve
    ``beside``: those that cost no more FLOPs."""

    curve: Curve
    k: int
    beside: str
    beside_k: int


def _collected(records: Records, vote: str, taught: Sequence[Taught], settings: Mapping[str, Any]) -> list[Row]:
    """Every curve of the draws as collected, at its first and last budget, at that of learned orders, and at those
    that what was taught is compared with."""
    more: dict[str, set[int]] = {}
    for one in taught:
        more.setdefault(one.beside, set()).add(one.beside_k)

    def budgets(strategy: Strategy, name: str) -> list[int]:
        last = len(strategy.draws)
        return sorted({1, min(ORDERED, last), last, *more.get(name, ())})

    means = [
        average(group, budgets=budgets(group.strategies[0][1], group.name), **settings).curve
        for several in groups([records], vote=vote).values()
        for group in several
    ]
    means += [accuracy_curve(records, one, budgets=budgets(one, one.name), **settings) for one in of_all(records, vote)]
    return [Row(curve, base, int(curve.budgets[-1])) for curve, base in beside_plain(means, rivals(records.members))]


def _taught_curves(
    records: Records, learned: Sequence[LearnedGroup], halves: Sequence[np.ndarray], settings: Mapping[str, Any]
) -> list[Taught]:
    out = []
    for group in learned:
        if group.taught:
            curve = _taught(records, group, halves, settings)
            out.append(Taught(curve, group.told, group.beside.name, group.beside.within(float(curve.flops[0]))))
    return out


def _taught_rows(collected: Sequence[Row], taught: Sequence[Taught]) -> list[Row]:
    of = {row.curve.name: row for row in collected}
    beside = [(one, of[one.beside]) for one in taught if one.beside in of]
    return [Row(one.curve, row.base, one.k, row.curve, one.beside_k) for one, row in beside]


def _halves(records: Records, clean: Records, in_first: np.ndarray) -> list[np.ndarray]:
    """Which items are in the second half of the clean ones, in the first, and not among them: ``bool [item]`` each.

    An item is one and the same under every shift: a noisy picture of an item that was learned from is no new item.
    Where both Records have clusters, an item goes with its cluster.
    """
    whole = clean.clusters is not None and records.clusters is not None
    names, known = (one.clusters if whole else one.item_ids for one in (records, clean))
    assert names is not None and known is not None
    half = dict(zip(known.tolist(), in_first.tolist(), strict=True))
    side = [half.get(name) for name in names.tolist()]
    return [np.array([one is value for one in side]) for value in (False, True, None)]


def _taught(records: Records, group: LearnedGroup, halves: Sequence[np.ndarray], settings: Mapping[str, Any]) -> Curve:
    """What clean data taught, at the budget at which it is compared: every item is scored by what the half without it
    taught, a new one by what all taught."""
    k = group.told
    if not group.parts:
        curves = [accuracy_curve(records, one, budgets=[k], **settings) for one in group.strategies]
        return mean_curve(curves, group.curve.name, subject=group.curve.subject)
    curves = []
    for part in group.parts:
        scorers = (part.halves[0].strategy, part.halves[1].strategy, part.learned.strategy)
        scored = [(one, items) for one, items in zip(scorers, halves, strict=True) if items.any()]
        credit = credit_by_part(
            records, scored, lambda some, one: prefix_credits(some, one, [k], ties=settings["ties"])
        )
        curve = curve_of_strategy(
            records, part.learned.strategy, np.array([k]), credit, reference=None, level=settings["ci"],
            n_boot=settings["n_boot"], seed=settings["seed"], ties=settings["ties"], interval=settings["interval"],
        )  # fmt: skip
        curves.append(with_costs(curve, scored, [image_costs(records, one, curve.budgets) for one, _ in scored]))
    return mean_curve(curves, group.curve.name, subject=group.curve.subject)


def _entry(shift: str, row: Row, clean: Row) -> dict[str, Any]:
    curve, k = row.curve, row.k
    at = curve.row(k)
    over = None if row.collected is None else paired_difference(curve, k, row.collected, row.collected_k)
    return {
        "shift": shift, "size": None if curve.subject == "all" else curve.subject, "kind": curve.kind,
        "curve": curve.name, "k": k, "against": row.base.name, "n_items": curve.n_items, "flops": curve.flops[at],
        "multiplier": curve.multiplier[at], "plain": row.base.at(1), "spent": curve.at(k), "gain": row.gain,
        "detectable": detectable(row.replicates, curve.level), "minus_clean": _minus(row, clean),
        "learned_on": None if row.collected is None else "clean", "over_collected": over,
        "collected_k": row.collected_k or None,
    }  # fmt: skip


def _minus(row: Row, clean: Row) -> Interval | None:
    """The gain under a shift minus the gain on the same items clean; None on these themselves, and where the items are
    others."""
    if row is clean or not np.array_equal(row.curve.item_ids, clean.curve.item_ids):
        return None
    curve = row.curve
    n_units = count_units(curve.n_items, curve.units)
    bounds = difference_bounds(row.replicates - clean.replicates, curve.level, n_units, limit=2.0)
    return Interval(row.gain.value - clean.gain.value, *bounds, curve.level, f"paired {curve.method}")


def _texts(told: Mapping[str, Sequence[Row]]) -> list[str]:
    """Per kind, how its strongest curve fared under all shifts."""
    clean, *_ = told.values()
    out = []
    for kind in ("tta", "ensemble", "product"):
        kept = [row.curve for row in clean if row.curve.kind == kind and row.curve.subject != "all"]
        if kept:
            name = max(kept, key=lambda curve: curve.reference_flops).name
            out.append(_words({s: next(row for row in rows if row.curve.name == name) for s, rows in told.items()}))
    return out


def _words(of: Mapping[str, Row]) -> str:
    clean, *names = of
    found = {shift: row.gain for shift, row in of.items()}
    helps, hurts = (sum(getattr(found[n], end) * sign > 0 for n in names) for end, sign in (("low", 1), ("high", -1)))
    least, most = (pick(names, key=lambda name: found[name].value) for pick in (min, max))
    span = f"{points_words(found[most])} under {most}"
    if least != most:
        span = f"from {points_words(found[least])} under {least} to {span}"
    curve = of[clean].curve
    return (
        f"{sentence_start(option_words(curve, of[clean].k))} gain{'s' * (curve.kind == 'ensemble')} "
        f"{points_words(found[clean])} on clean data and {span}; of {len(names)} shift{'s' * (len(names) > 1)}, "
        f"{helps} with a clear gain and {hurts} with a clear loss."
    )


def aligned(records: Mapping[str, Records]) -> dict[str, Records]:
    """The Records, those of the clean items in their order; TtscaleError unless all are of the same members, views and
    classes."""
    if not isinstance(records, Mapping) or len(records) < 2:
        raise TtscaleError(
            "records", expected="clean Records and at least one shift, by name", got=repr(records),
            fix='Give for example {"clean": records, "noise 3": records_of_noise}.',
        )  # fmt: skip
    for one in records.values():
        check_images(one)
    first_name, first = next(iter(records.items()))
    out = {}
    for name, one in records.items():
        for what, mine, theirs in (
            ("members", [m.name for m in one.members], [m.name for m in first.members]),
            ("views", list(one.variants), list(first.variants)), ("classes", [one.n_classes], [first.n_classes]),
        ):  # fmt: skip
            if mine != theirs:
                raise TtscaleError(
                    "records", expected=f"the {what} of {first_name!r} in {name!r} too: {theirs}", got=str(mine),
                    fix="Collect every shift with the same members and draws.",
                )  # fmt: skip
        at = {item: position for position, item in enumerate(one.item_ids.tolist())}
        same = set(at) == set(first.item_ids.tolist()) and not np.array_equal(one.item_ids, first.item_ids)
        out[name] = one.take([at[item] for item in first.item_ids.tolist()]) if same else one
    return out
