"""What learned orders and weights are worth, for a summary and for a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.combined import mean_curve, paired_difference
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.learning.crossed import CrossFittedCurve, Learned, cross_fitted, planned
from ttscale.scaling.learning.learners import BY_LIKELIHOOD, KINDS, Selection, learner, named
from ttscale.scaling.planning.candidates import candidates
from ttscale.scaling.planning.options import Group, average, groups
from ttscale.scaling.strategy import Draw, Strategy, is_subset, rivals, spread

ORDERED = 4  # draws at which a learned order is compared
_MOST_WEIGHTS = 4096  # numbers; more are not told


@dataclass(frozen=True, eq=False)
class LearnedGroup:
    """Learned strategies of exchangeable members under one curve; or one view per member, where nothing is learned.

    Attributes:
        curve: the mean over ``parts``, cross-fitted; or over ``strategies``.
        of: ``tta``, ``product`` or ``ensemble``: what the draws are.
        beside: the curve of the same draws as collected, counted alike.
        parts: one a member, or the one of all members; empty where nothing is learned.
        strategies: those of which ``parts`` are empty.
    """

    curve: Curve
    of: str
    beside: Curve
    parts: tuple[CrossFittedCurve, ...] = ()
    strategies: tuple[Strategy, ...] = ()

    @property
    def taught(self) -> bool:
        """Whether anything was learned, or is to be compared without: one view per member."""
        return not self.parts or any(not part.note for part in self.parts)

    @property
    def told(self) -> int:
        """The budget at which it is compared: of an order ``ORDERED``, since all draws are the same in any order; of
        anything else, all."""
        last = int(self.curve.budgets[-1])
        return min(ORDERED, last) if self.curve.kind == "policy" else last

    def gain(self, k: int) -> tuple[Interval, int]:
        """The accuracy of ``k`` draws minus that of the draws as collected for no more FLOPs, and how many these are:
        fewer or more than ``k`` where draws differ in cost."""
        beside = self.beside.within(float(self.curve.flops[self.curve.row(k)]))
        return paired_difference(self.curve, k, self.beside, beside), beside


def learned_groups(
    records: Records, *, vote: str, ci: float = 0.95, n_boot: int = 1000, seed: int = 0,
    ties: str = "shared", interval: str = "percentile", selection: Selection = BY_LIKELIHOOD,
    known: Sequence[Curve] = (), on_progress: Callable[[float], None] = lambda share: None,
) -> list[LearnedGroup]:  # fmt: skip
    """Orders and weights learned of the views of each member and of all draws of each size, and of the members of all
    sizes together; and one view per member.

    Args:
        vote: of all; under the plurality only orders are learned.
        ci, n_boot, seed, ties, interval: as for :func:`ttscale.scaling.curves.curve.accuracy_curve`.
        selection: how orders are selected.
        known: curves at hand of the draws as collected; those that are missing are computed.
        on_progress: told the share of the work that is done, in [0, 1].
    """
    settings: dict[str, Any] = {"ci": ci, "n_boot": n_boot, "seed": seed, "ties": ties, "interval": interval}
    at_hand = {curve.name: curve for curve in known}
    wanted = _wanted(records, vote)
    out: list[LearnedGroup] = []
    for done, group in enumerate(wanted):
        base = group.strategies[0][1]
        beside = at_hand.get(group.name) or average(group, **settings).curve
        if base.kind == "ensemble" and len(records.variants) > 1:
            out.append(_spread(group, beside, settings))
        if _learnable(base):
            out += [_learned(group, kind, beside, selection, settings) for kind in _kinds(vote)]
        on_progress((done + 1) / len(wanted))
    return out


def policy_entries(found: Sequence[LearnedGroup]) -> list[dict[str, Any]]:
    """Learned strategies as plain dictionaries, one a member or one for all members of a group.

    ``gain`` (over the draws as collected, as many, ``against_k``, as cost no more FLOPs) and ``optimism`` are those of
    the curve, and so the same in all of its entries; ``optimism`` is None where nothing is learned.
    """
    return [entry for group in found for entry in (_entries(group) if group.parts else [_spread_entry(group)])]


def planned_curves(
    records: Records, first: np.ndarray, *, vote: str, level: float, n_boot: int, seed: int,
    selection: Selection = BY_LIKELIHOOD, known: Sequence[LearnedGroup] = (),
    on_progress: Callable[[float], None] = lambda share: None,
) -> list[Curve]:  # fmt: skip
    """What the items of a plan's choosing half teach about images: see
    :func:`ttscale.scaling.learning.crossed.planned`.

    The views of each member, all draws of each size, and the plain views of all members are learned about.

    Args:
        selection: how orders are selected.
        known: what :func:`learned_groups` found on these Records with this seed and selection, where that is at hand:
            its first halves are ``first``.
    """
    bases = [one for one in candidates(records, votes=(vote,)) if _learnable(one) and not is_subset(one)]
    at_hand = {_key(group.curve.kind, part.base): part.halves[0] for group in known for part in group.parts}
    out = []
    for done, base in enumerate(bases):
        for kind in _kinds(vote):
            learned = at_hand.get(_key(kind, base))
            if learned is not None:  # of the same draws under another name
                found = learned.strategy
                learned = replace(learned, strategy=named(base, kind, found.draws, found.weightings))
            curve = planned(
                records, first, learner(base, kind, selection=selection, seed=seed), level=level, n_boot=n_boot,
                seed=seed, learned=learned,
            )  # fmt: skip
            out += [] if curve is None else [curve]
        on_progress((done + 1) / len(bases))
    return out


def _key(kind: str, base: Strategy) -> tuple[str, tuple[Draw, ...], str]:
    return kind, base.draws, base.vote


def _kinds(vote: str) -> tuple[str, ...]:
    return KINDS if vote != "plurality" else KINDS[:1]


def _learnable(base: Strategy) -> bool:
    """Views of a member, all draws of a size, or the members of all sizes: more draws would be all of these again."""
    return base.kind == "tta" or (base.kind, base.subject == "all") in (("product", False), ("ensemble", True))


def _wanted(records: Records, vote: str) -> list[Group]:
    made = rivals(records.members)
    out = [
        group for size, several in groups([records], vote=vote).items() if size not in made
        for group in several if len(group.strategies[0][1].draws) > 1
    ]  # fmt: skip
    for one in candidates(records, votes=(vote,)):
        if (one.kind, one.subject) == ("ensemble", "all"):
            out.append(Group(one.name, "all", "all", [(records, one)], views=False))
    return out


def _learned(group: Group, kind: str, beside: Curve, selection: Selection, settings: dict[str, Any]) -> LearnedGroup:
    bases = group.strategies if group.views else group.strategies[:1]  # turns of a team are of the same draws
    parts = tuple(
        cross_fitted(records, learner(base, kind, selection=selection, seed=settings["seed"]), **settings)
        for records, base in bases
    )
    of = bases[0][1].kind
    curve = mean_curve([part.curve for part in parts], _name(group, kind, of), subject=group.subject)
    return LearnedGroup(curve, of, beside, parts)


def _spread(group: Group, beside: Curve, settings: dict[str, Any]) -> LearnedGroup:
    """Averaged over the same turns of the members as their ensemble."""
    strategies = [spread(one, base.members, vote=base.vote, subject=group.subject) for one, base in group.strategies]
    curves = [accuracy_curve(group.strategies[0][0], one, **settings) for one in strategies]
    curve = mean_curve(curves, _name(group, "spread", ""), subject=group.subject)
    return LearnedGroup(curve, "ensemble", beside, (), tuple(strategies))


def _name(group: Group, kind: str, of: str) -> str:
    """``policy/w8``, ``weights/w8/product``, ``policy/all/ensemble/log_mean``: named as what it is beside."""
    _, *rest = group.name.split("/")
    at = len(group.subject.split("/"))
    return "/".join([kind, *rest[:at], *([of] if of not in ("", "tta") else []), *rest[at:]])


def _entries(group: LearnedGroup) -> list[dict[str, Any]]:
    curve = group.curve
    optimism = np.mean([part.optimism for part in group.parts], axis=0)
    return [
        {
            **_shared(group), "member": part.learned.strategy.draws[0][0] if group.of == "tta" else None,
            "order": _order(part.learned), "halves": [_half(half, curve.kind) for half in part.halves],
            **_weights(part.learned), "temperatures": part.learned.temperatures or None, "optimism": optimism,
            "n_labels": len(part.learned.items), "note": part.note,
        }
        for part in group.parts
    ]  # fmt: skip


def _spread_entry(group: LearnedGroup) -> dict[str, Any]:
    return {
        **_shared(group), "member": None, "order": _names(group.strategies[0]), "halves": None, "weights": None,
        "weights_k": None, "counts": None, "temperature": 1.0, "temperatures": None, "optimism": None, "n_labels": 0,
        "note": "",
    }  # fmt: skip


def _shared(group: LearnedGroup) -> dict[str, Any]:
    curve, gain = group.curve, []
    for k in curve.budgets.tolist():
        found, beside = group.gain(k)
        gain.append({"k": k, "against_k": beside, **found.as_dict()})
    return {
        "curve": curve.name, "kind": curve.kind, "of": group.of, "against": group.beside.name,
        "size": None if curve.subject == "all" else curve.subject, "budgets": curve.budgets, "gain": gain,
    }  # fmt: skip


def _half(learned: Learned, kind: str) -> Any:
    return _order(learned) if kind == "policy" else _weights(learned)["weights"]


def _order(learned: Learned) -> list[str]:
    return _names(learned.strategy)


def _names(strategy: Strategy) -> list[str]:
    several = len(strategy.members) > 1
    return [f"{draw[0]}: {draw[1]}" if several else draw[1] for draw in strategy.draws]


def _weights(learned: Learned) -> dict[str, Any]:
    """Weights and temperature at the largest budget that has them; weights of many classes are not told."""
    weightings = learned.strategy.weightings
    if not weightings:
        return {"weights": None, "weights_k": None, "counts": None, "temperature": 1.0}
    k = max(weightings)
    weights = weightings[k].weights
    told = weights is not None and weights.size <= _MOST_WEIGHTS
    return {
        "weights": weights if told else None, "weights_k": k if weights is not None else None,
        "counts": learned.counts or None, "temperature": weightings[k].temperature,
    }  # fmt: skip
