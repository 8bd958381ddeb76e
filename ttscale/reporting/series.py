"""Which curves are drawn, under which name and in which colour: one curve per size and kind, not one per seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttscale.reporting.words import clean, is_number

KINDS = {"tta": "views", "ensemble": "members", "product": "members × views"}
WHOLE = "\0all"  # the key of the curves that span sizes; no size can have this name


@dataclass(frozen=True)
class Group:
    """The curves of one size (or of one member that names no size, or of all members together).

    Attributes:
        key, label: as in the summary, and as shown in figures (the prefix that all sizes share is left out).
        role: its colour in ``reporting.palette``.
        curves: at most one curve of the summary for each kind, in the order of ``KINDS``.
    """

    key: str
    label: str
    role: str
    curves: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Series:
    """What the figures and tables take from a summary, in the order in which they show it."""

    summary: Mapping[str, Any]

    @cached_property
    def ladder(self) -> list[Mapping[str, Any]]:
        """The sizes at one plain decision, cheapest first."""
        rows = (self.summary.get("tradeoff") or {}).get("ladder") or []
        return sorted(rows, key=lambda row: (not is_number(row.get("flops")), row.get("flops") or 0.0))

    @property
    def ladder_label(self) -> str:
        """What grows along the ladder."""
        known = all(is_number(row.get("train_flops")) for row in self.ladder)
        return "one view, more training" if known else "one view, larger model"

    @cached_property
    def curves(self) -> dict[str, Mapping[str, Any]]:
        return {curve["id"]: curve for curve in self.summary.get("curves") or []}

    @cached_property
    def groups(self) -> list[Group]:
        """Sizes, cheapest first, and last the whole zoo."""
        chosen: dict[str, dict[str, Mapping[str, Any]]] = {}
        for curve in self.curves.values():
            if curve["kind"] in KINDS:
                slot = chosen.setdefault(self.key_of(curve), {})
                old = slot.get(curve["kind"])
                if old is None or len(curve["members"]) > len(old["members"]):
                    slot[curve["kind"]] = curve
        sizes = sorted((key for key in chosen if key != WHOLE), key=lambda key: _first_cost(chosen[key]))
        ordered = {key: {kind: slot[kind] for kind in KINDS if kind in slot} for key, slot in chosen.items()}
        return [Group(key, self.short(key), self.role(key), ordered[key]) for key in [*sizes, WHOLE] if key in ordered]

    @cached_property
    def keys(self) -> list[str]:
        """Sizes with a colour of their own, cheapest first: those of the ladder and those of curves."""
        found = {str(row["size"]): row.get("flops") for row in self.ladder}
        for curve in self.curves.values():
            if self.key_of(curve) != WHOLE:
                found.setdefault(self.key_of(curve), next(iter(curve["flops"]), None))
        return sorted(found, key=lambda key: (not is_number(found[key]), found[key] or 0.0))

    def key_of(self, curve: Mapping[str, Any]) -> str:
        """A curve's size; without one, its only member, or ``WHOLE``."""
        sizes = {str(row["size"]) for row in self.ladder}
        if curve.get("size") and (str(curve["size"]) in sizes or len(curve["members"]) == 1):
            return str(curve["size"])
        return str(curve["members"][0]) if len(curve["members"]) == 1 else WHOLE

    def role(self, key: str) -> str:
        return "whole" if key == WHOLE else f"s{self.keys.index(key)}"

    def short(self, key: str, limit: int = 22) -> str:
        """A size's name for a figure."""
        if key == WHOLE:
            return "all members"
        return clean(key[len(_shared_prefix(self.keys)) :], limit)

    def title(self, curve: Mapping[str, Any]) -> str:
        """What a curve spends its compute on, for a table."""
        key = self.key_of(curve)
        size = "all members" if key == WHOLE else clean(key, 48)
        return f"{size}, {KINDS.get(curve['kind'], clean(curve['kind'], 24))}"

    def title_of(self, name: str) -> str:
        """The title of the curve of this id; the id itself when the summary does not hold the curve."""
        return self.title(self.curves[name]) if name in self.curves else clean(name, 60)

    def fits_of(self, curve: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The fitted laws of a curve, the chosen one first."""
        fits = [fit for fit in self.summary.get("fits") or [] if fit["curve"] == curve["id"]]
        return sorted(fits, key=lambda fit: not fit.get("chosen"))


def sparse(budgets: Sequence[int]) -> list[int]:
    """Positions of the budgets that a table shows: powers of two and the last."""
    return [i for i, k in enumerate(budgets) if k & (k - 1) == 0 or i == len(budgets) - 1]


def _first_cost(curves: Mapping[str, Mapping[str, Any]]) -> tuple[bool, float]:
    costs = [curve["flops"][0] for curve in curves.values() if curve["flops"] and is_number(curve["flops"][0])]
    return (not costs, min(costs, default=0.0))


def _shared_prefix(names: Sequence[str]) -> str:
    """The part that all names share, up to a separator; empty when it says too little or too much."""
    if len(names) < 2:
        return ""
    low, high = min(names), max(names)
    n = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    cut = max((low.rfind(mark, 0, n) for mark in "-_.:/ "), default=-1) + 1
    return low[:cut] if all(len(name) > cut for name in names) else ""
