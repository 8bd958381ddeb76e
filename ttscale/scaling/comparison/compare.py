"""Two runs on the same items: what got better or worse, at equal draws, at equal cost, and in which groups of items.

What can decide is declared before anything is looked at (see :mod:`ttscale.scaling.comparison.verdict`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.comparison.paired_test import lower_bound
from ttscale.scaling.comparison.pairs import PairedRuns, check_items, open_run, pair_runs, same_source
from ttscale.scaling.comparison.rows import Costs, Flip, Measured, RunDifference, flipped
from ttscale.scaling.comparison.sides import (
    Side,
    draws_held,
    equal_draws,
    for_both,
    same_cost,
    same_draws,
    side_notes,
    side_of,
)
from ttscale.scaling.comparison.verdict import (
    ALL,
    BUDGETS,
    COSTS,
    GROUPS,
    HEADLINE,
    check_fail_on,
    has_regressed,
    judged_rows,
)
from ttscale.scaling.curves.estimate import TIES_IN_WORDS, check_estimation
from ttscale.scaling.intervals.bootstrap import check_bootstrap, count_units, unit_index
from ttscale.scaling.intervals.interval import Interval, check_level


@dataclass(frozen=True)
class RunComparison:
    """What :func:`compare_runs` found.

    Attributes:
        old, new: names of the runs. outcome: ``"log_probs"`` or ``"text"``.
        sides: the strategies. n_items: shared items. only_old, only_new: ids of the items that one run alone holds.
        rows: every comparison; the first is the headline. matched: what ``costs`` rows match, ``"flops"``,
            ``"tokens"``, or ``""`` where neither is known.
        flips_broken, flips_fixed: items whose decision turned at the headline, those with the largest change first.
        level: of the intervals; tests are at ``1 - level``.
        margin: what the headline may lose, as a fraction, or None. fail_on: what can decide.
        regressed: whether anything that can decide is significantly worse; with a margin, whether the headline is *not*
            shown to lose less than it (its interval reaches to ``-margin`` or below; the lower end is then that of
            :func:`ttscale.scaling.comparison.paired_test.lower_bound`).
        notes: what else differs between the runs, in words.
    """

    old: str
    new: str
    outcome: str
    sides: tuple[Side, Side] = field(repr=False)
    n_items: int
    only_old: tuple[str, ...] = field(repr=False)
    only_new: tuple[str, ...] = field(repr=False)
    rows: tuple[RunDifference, ...] = field(repr=False)
    matched: str
    flips_broken: tuple[Flip, ...] = field(repr=False)
    flips_fixed: tuple[Flip, ...] = field(repr=False)
    level: float
    margin: float | None
    fail_on: tuple[str, ...]
    regressed: bool
    notes: tuple[str, ...]

    @property
    def headline(self) -> RunDifference:
        return self.rows[0]

    @property
    def tested(self) -> tuple[RunDifference, ...]:
        """The comparisons that can decide."""
        return tuple(row for row in self.rows if not math.isnan(row.p_adjusted))


def compare_runs(
    old: Records | str | Path,
    new: Records | str | Path,
    *,
    vote: str = "auto",
    members: Any = None,
    plan: Any = None,
    items: str = "all",
    budget: int | None = None,
    margin: float | None = None,
    fail_on: str | Sequence[str] = ALL,
    ci: float = 0.95,
    n_boot: int = 1000,
    interval: str = "percentile",
    ties: str = "shared",
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda _: None,
) -> RunComparison:
    """Compare two runs, of images or of text, on the items that both hold.

    Either run does what :func:`ttscale.accuracy_curve` measures by default (all views of its members, or samples of
    its main decoding), under one vote, and is compared at 1, 2, 4, … draws up to the most that both hold (the headline,
    unless ``budget`` names another), at equal FLOPs (tokens where FLOPs are unknown), new never at more than old, and,
    at the headline's budget, in every class and family. The tests are exact McNemar's, or its generalisation to shares
    and clusters (see :mod:`ttscale.scaling.comparison.paired_test`); intervals are of the paired bootstrap over items
    (or clusters). Two samples that vote as one does (see :func:`ttscale.scaling.comparison.sides.equal_draws`) are left
    out.

    Args:
        old, new: Records, or what :func:`ttscale.read_records` takes. Summaries do not do: they hold no items.
        members: a name or a list of names, the same for both or ``{"old": …, "new": …}``; None is all of either run.
        plan: a plan (or its file), the same for both or ``{"old": …, "new": …}``: then each run does what its plan
            says, at the plan's budget alone, and ``vote``, ``members`` and ``budget`` are not needed.
        items: ``"all"``: new must hold every item of old (a run that lost its hard items looks better than it is);
            ``"shared"``: those that both hold count, and the others are listed.
        margin: accuracy that the headline may lose, a fraction in (0, 1): it alone decides then, and must be *shown* to
            lose less (non-inferiority). None: nothing may be significantly worse.
        fail_on: which comparisons can decide: ``all``, or some of ``headline``, ``budgets``, ``costs`` and ``groups``
            (of 10 items or more).
        ci: level of the intervals; the tests have the level ``1 - ci`` together.
        n_boot, seed: of the resamples. interval: ``percentile`` or ``bca``.
        ties: what tied answers earn, as for :func:`ttscale.accuracy_curve`.

    Raises:
        TtscaleError: runs of other kinds, without items enough in common to show anything, or with other right answers
            for them; items of old that new lacks; options out of range; or what ``read_records`` and
            ``accuracy_curve`` raise.
    """
    level, deciding = check_level(ci), check_fail_on(fail_on, margin)
    names = [_name(run, side) for run, side in ((old, "old"), (new, "new"))]
    opened = [open_run(run, side) for run, side in ((old, "old"), (new, "new"))]
    paired = check_items(pair_runs(*opened), items)
    check_estimation(ties, interval, paired.old.outcome)
    units = unit_index(paired.old.clusters)
    check_bootstrap(n_boot, level, count_units(paired.old.n_items, units), seed)
    chosen = zip((paired.old, paired.new), for_both("members", members), for_both("plan", plan), strict=True)
    sides = tuple(side_of(run, vote=vote, members=of, plan=by) for run, of, by in chosen)
    first, second = sides
    k_old, k_new, equal = _budgets(first, second, budget, planned=plan is not None)
    matched, near = ("", []) if plan is not None else same_cost(first, second)
    pairs = [(HEADLINE, k_old, k_new), *((BUDGETS, k, k) for k in equal), *((COSTS, a, b) for a, b in near)]
    settings = {"ci": level, "n_boot": n_boot, "seed": seed, "ties": ties}
    credits = []
    wanted = {k for _, k, _ in pairs}, {k for _, _, k in pairs}
    for number, (side, budgets) in enumerate(zip(sides, wanted, strict=True)):
        on_progress(number / 3)
        credits.append(dict(zip(sorted(budgets), side.curve(sorted(budgets), **settings).credit, strict=True)))
    samples = draws_held(paired.old), draws_held(paired.new)
    measured = Measured(credits[0], credits[1], samples, units, level, n_boot, seed, interval)
    rows = [measured.row(about, "", a, b, _costs(first, second, a, b)) for about, a, b in pairs]
    on_progress(2 / 3)
    for group, some in _groups(paired.old).items():
        rows.append(measured.row(GROUPS, group, k_old, k_new, _costs(first, second, k_old, k_new), some))
    same = same_draws(first, second) and same_source(*opened) and measured.unchanged
    if same:
        rows = [replace(row, difference=Interval(0.0, 0.0, 0.0, level, "the same draws")) for row in rows]
    elif margin is not None:
        rows[0] = _with_bound(rows[0], measured)
    judged = tuple(judged_rows(rows, deciding, level))
    fixed, broken = _flips(paired, measured.old[k_old], measured.new[k_new])
    return RunComparison(
        names[0], names[1], paired.old.outcome, (first, second), paired.old.n_items, paired.only_old, paired.only_new,
        judged, matched, broken, fixed, level, margin, deciding, has_regressed(judged, margin),
        (*paired.notes, *side_notes(first, second, same=same), *_tie_notes(ties)),
    )  # fmt: skip


def _with_bound(row: RunDifference, measured: Measured) -> RunDifference:
    """The headline with an interval that shows how much it may lose."""
    change = measured.new[row.k_new] - measured.old[row.k_old]
    low = lower_bound(change, measured.units, (1 - measured.level) / 2, seed=measured.seed)
    told = row.difference
    method = f"{told.method}; the lower end by Gaffke's bound"
    return replace(row, difference=replace(told, low=min(low, told.value), method=method))


def _name(run: Any, side: str) -> str:
    if isinstance(run, (str, Path)):
        return str(run)
    return side if getattr(run, "path", None) is None else str(run.path)


def _budgets(old: Side, new: Side, budget: int | None, *, planned: bool) -> tuple[int, int, list[int]]:
    """Of the headline (old, new), and the other equal ones; of plans only their own."""
    if planned:
        return old.last, new.last, []
    last = min(old.last, new.last)
    if budget is None:
        budget = last
    elif isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or not 1 <= budget <= last:
        raise TtscaleError(
            "budget", expected=f"draws an item, from 1 to {last} (old has {old.last}, new {new.last})",
            got=repr(budget), fix="Choose one that both runs hold.",
        )  # fmt: skip
    return int(budget), int(budget), equal_draws(old, new, last, int(budget))


def _costs(old: Side, new: Side, k_old: int, k_new: int) -> Costs:
    return {
        "flops_old": old.cost("flops", k_old), "flops_new": new.cost("flops", k_new),
        "tokens_old": old.cost("tokens", k_old), "tokens_new": new.cost("tokens", k_new),
    }  # fmt: skip


def _groups(records: Records) -> dict[str, np.ndarray]:
    """Which items are of each class and of each family, ``bool [item]``."""
    found: dict[str, np.ndarray] = {}
    if records.outcome != "text":
        names = records.class_names
        for label in np.unique(records.labels).tolist():
            found[f"class {label if names is None else names[label]}"] = records.labels == label
    if records.families is not None:
        families = records.families.astype(str)
        found |= {f"family {name}": families == name for name in np.unique(families).tolist()}
    return {} if len(found) < 2 else found


def _flips(paired: PairedRuns, old: np.ndarray, new: np.ndarray) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """The fixed and the broken items; those that changed most first, then in the order of the run."""
    out = []
    for changed in flipped(old, new)[:2]:
        places = np.flatnonzero(changed)
        places = places[np.argsort(-np.abs(new[places] - old[places]), kind="stable")]
        out.append(tuple(Flip(str(paired.old.item_ids[at]), float(old[at]), float(new[at])) for at in places))
    return out[0], out[1]


def _tie_notes(ties: str) -> list[str]:
    return [] if ties == "shared" else [f"In both runs, {TIES_IN_WORDS[ties]}."]
