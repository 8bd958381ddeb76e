"""What every strategy of a summary of images is worth in ensemble members: against which ensembles, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.planning.candidates import MOST_IN_SUBSETS, plain_members
from ttscale.scaling.quality.equivalent import METRICS, Equivalent, Ladder, equivalent
from ttscale.scaling.quality.measured import Measured
from ttscale.scaling.quality.quality import Quality, quality
from ttscale.scaling.strategy import by_rung, ensemble, rivals
from ttscale.scaling.summaries.words import members_words, option_words, sentence_start

_OF_RUN = "members of the run"
_FLOOR = 1 + 1e-9  # one member, up to rounding


@dataclass(frozen=True)
class Worth:
    """A curve at a budget in ensemble members: of its own size, or of the run where ``size`` is None."""

    curve: Curve
    size: str | None
    found: Equivalent


@dataclass(frozen=True, eq=False)
class Subsets:
    """Ensembles of 1, 2, … members, each the mean over every subset of so many: a ladder to measure others by.

    Attributes:
        teams: by the number of members, the ensembles of so many, measured at all of their members.
    """

    name: str
    teams: Mapping[int, Sequence[Quality]]

    @property
    def budgets(self) -> np.ndarray:
        return np.array(sorted(self.teams))

    def of_items(self, score: str, k: int) -> np.ndarray:
        return np.mean([team.of_items(score, k) for team in self.teams[k]], axis=0)


def run_ladder(records: Records, measured: Sequence[Measured], *, vote: str, **settings: Any) -> Ladder | None:
    """Ensembles of 1, 2, … of the run's members (those made of others aside), whichever their sizes.

    Of at most 4 members each is the mean over all subsets of so many; of more, over as many orders of the members as
    these are, keyed by the seed, in which each comes first once. None of a single member, and of many members where
    every size has an ensemble of its own.
    """
    names = plain_members(records)
    if len(names) <= MOST_IN_SUBSETS:
        return _of_subsets(records, names, measured, vote=vote, **settings) if len(names) > 1 else None
    made = rivals(records.members)
    if all(len(members) > 1 for size, members in by_rung(records.members).items() if size not in made):
        return None
    order = [names[i] for i in np.random.default_rng(settings["seed"]).permutation(len(names))]
    turns = [ensemble(records, order[i:] + order[:i], vote=vote, subject=_OF_RUN) for i in range(len(order))]
    return replace(quality(records, turns, list(range(1, len(order) + 1)), **settings), name=_OF_RUN)


def _of_subsets(
    records: Records, names: Sequence[str], measured: Sequence[Measured], *, vote: str, **settings: Any
) -> Subsets:
    """Those that are measured already are taken as they are."""
    known = {
        frozenset(one.curve.members): one.quality for one in measured
        if one.curve.kind == "ensemble" and one.last == len(one.curve.members)
    }  # fmt: skip
    known |= {
        frozenset(one.curve.members): one.quality for one in measured
        if one.curve.kind in ("tta", "single") and len(one.strategies) == 1
    }  # fmt: skip
    teams: dict[int, list[Quality]] = {}
    for n in range(1, len(names) + 1):
        for some in combinations(names, n):
            found = known.get(frozenset(some))
            team = found if found is not None else quality(records, ensemble(records, some, vote=vote), [n], **settings)
            teams.setdefault(n, []).append(team)
    return Subsets(_OF_RUN, teams)


def find_worth(measured: Sequence[Measured], run: Ladder | None) -> list[Worth]:
    """Every curve but the ensembles that others are measured by, at each budget measured, by likelihood and by
    accuracy: in members of its own size where this has an ensemble, and of the run (``run``) where not."""
    own = {one.curve.subject: one.quality for one in measured if one.curve.kind == "ensemble"}
    sizes = {one.curve.subject for one in measured if one.curve.kind in ("tta", "single")}
    ladders: dict[str, Ladder] = {size: own[size] for size in sizes if size in own}
    out = []
    for one in measured:
        subject, kind = one.curve.subject, one.curve.kind
        ladder = ladders.get(subject, run)
        is_ladder = (kind, subject) == ("ensemble", "all") or (subject in ladders and kind in ("ensemble", "single"))
        if ladder is None or is_ladder:
            continue
        size = subject if subject in ladders else None
        out += [
            Worth(one.curve, size, equivalent(one.quality, k, ladder, metric))
            for metric in METRICS
            for k in one.quality.budgets.tolist()
        ]
    return out


def worth_table(found: Sequence[Worth]) -> list[dict[str, Any]]:
    return [
        {
            "curve": one.curve.name, "k": one.found.k, "flops": one.curve.flops[one.curve.row(one.found.k)],
            "ensemble": one.found.ensemble, "members_of": one.size, "metric": one.found.metric,
            "members": one.found.members, "beyond": one.found.beyond, "n_members": one.found.n_members,
            "share_beyond": one.found.share_beyond, "text": sentence(one),
        }
        for one in found
    ]  # fmt: skip


def sentence(one: Worth) -> str:
    """``18 views of w8 are worth 1.4 ensemble members by calibrated likelihood (95% interval 1.2 to 1.6).``"""
    curve, found = one.curve, one.found
    head = sentence_start(option_words(curve, found.k))
    if math.isnan(found.members.value):
        return f"{head} cannot be set beside the ensemble by {found.metric}."
    singular = found.k == 1 or head.startswith("An ensemble")
    return f"{head} {'is' if singular else 'are'} {worth_words(one)}."


def worth_of_views(found: Sequence[Worth]) -> dict[str, str]:
    """By the name of every TTA curve, what all its views are worth, to end a sentence with."""
    return {
        one.curve.name: f", {worth_words(one)}"
        for one in found
        if one.curve.kind == "tta" and one.found.metric == "nll" and one.found.k == one.curve.budgets[-1]
    }


def worth_words(one: Worth) -> str:
    """``worth 1.4 ensemble members by calibrated likelihood (95% interval 1.2 to 1.6)``.

    The scale ends at one member: what stands there is worth no more, and may be worth less.
    """
    by = {"nll": "calibrated likelihood", "accuracy": "accuracy"}[one.found.metric]
    x = one.found.members
    value, low, high = (members_words(number, one.found.n_members) for number in (x.value, x.low, x.high))
    which = "" if one.size is not None else " of this run"
    if x.value <= _FLOOR:
        up = "up " if math.isfinite(x.high) else ""
        return f"worth no more than one ensemble member{which} by {by} ({100 * x.level:g}% interval {up}to {high})"
    noun = "ensemble member" if value == "1.0" else "ensemble members"
    return f"worth {value} {noun}{which} by {by} ({100 * x.level:g}% interval {low} to {high})"
