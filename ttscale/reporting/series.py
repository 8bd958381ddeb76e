"""Which curves are drawn, under which name and in which colour: one curve per size and kind, not one per seed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttscale.reporting.kinds import LANGUAGE, LEARNED, VISION, Kind
from ttscale.reporting.words import clean, is_number

WHOLE = "\0all"  # the key of the curves that span sizes; no size can have this name


@dataclass(frozen=True)
class Group:
    """The curves of one size (or of one member that names no size, or of all members together).

    Attributes:
        key, label: as in the summary, and as shown in figures (the prefix that all sizes share is left out).
        role: its colour in ``reporting.palette``.
        curves: at most one curve of the summary for each kind, in the order of ``kinds``.
    """

    key: str
    label: str
    role: str
    curves: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Series:
    """What the figures and tables take from a summary, in the order in which they show it."""

    summary: Mapping[str, Any]

    @property
    def text(self) -> bool:
        """Whether the draws are texts of language models."""
        return self.summary.get("outcome") == "text"

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds of strategy, in the order in which they are shown."""
        return LANGUAGE if self.text else VISION

    @property
    def rivals(self) -> list[Mapping[str, Any]]:
        """Number formats and weight soups at one plain decision; no size of their own."""
        return list(self.summary.get("rivals") or [])

    def kinds_in(self, drawn: Iterable[Collection[str]]) -> list[Kind]:
        """Those among the drawn ones."""
        shown = {kind for kinds in drawn for kind in kinds}
        return [kind for name, kind in self.kinds.items() if name in shown]

    @property
    def plain(self) -> str:
        """One complete plain decision."""
        said = set((self.summary.get("language") or {}).get("plain", {}).values()) if self.text else {"one view"}
        return clean(said.pop(), 40) if len(said) == 1 else "one plain answer"

    @property
    def has_coverage(self) -> bool:
        """Whether any drawn curve has its coverage beside it."""
        return any(curve.get("coverage") for curve in self.drawn)

    @property
    def has_ceiling(self) -> bool:
        """Whether it is known of any drawn curve where its vote ends."""
        return any(is_number((curve.get("ceiling") or {}).get("value")) for curve in self.drawn)

    @cached_property
    def ladder(self) -> list[Mapping[str, Any]]:
        """The sizes at one plain decision, cheapest first."""
        rows = (self.summary.get("tradeoff") or {}).get("ladder") or []
        return sorted(rows, key=lambda row: (not is_number(row.get("flops")), row.get("flops") or 0.0))

    @property
    def ladder_label(self) -> str:
        """What grows along the ladder."""
        if len(self.ladder) == 1:
            return self.plain
        known = all(is_number(row.get("train_flops")) for row in self.ladder)
        grows = "more training" if known else "larger model"
        return grows if self.text else f"{self.plain}, {grows}"

    @cached_property
    def curves(self) -> dict[str, Mapping[str, Any]]:
        return {curve["id"]: curve for curve in self.summary.get("curves") or []}

    @cached_property
    def groups(self) -> list[Group]:
        """Sizes, cheapest first, and last the whole zoo; not the rivals."""
        chosen: dict[str, dict[str, Mapping[str, Any]]] = {}
        for curve in self._own:
            if curve["kind"] in self.kinds:
                slot = chosen.setdefault(self.key_of(curve), {})
                old = slot.get(curve["kind"])
                if old is None or len(curve["members"]) > len(old["members"]):
                    slot[curve["kind"]] = curve
        sizes = sorted((key for key in chosen if key != WHOLE), key=lambda key: _first_cost(chosen[key]))
        ordered = {key: {kind: slot[kind] for kind in self.kinds if kind in slot} for key, slot in chosen.items()}
        return [Group(key, self.short(key), self.role(key), ordered[key]) for key in [*sizes, WHOLE] if key in ordered]

    @property
    def drawn(self) -> list[Mapping[str, Any]]:
        """The curves that figures show."""
        return [curve for group in self.groups for curve in group.curves.values()]

    @cached_property
    def keys(self) -> list[str]:
        """Sizes with a colour of their own, cheapest first: those of the ladder and those of curves."""
        found = {str(row["size"]): row.get("flops") for row in self.ladder}
        for curve in self._own:
            if self.key_of(curve) != WHOLE:
                found.setdefault(self.key_of(curve), next(iter(curve["flops"]), None))
        return sorted(found, key=lambda key: (not is_number(found[key]), found[key] or 0.0))

    @cached_property
    def _own(self) -> list[Mapping[str, Any]]:
        """The curves but those of rivals."""
        rivals = {str(row["size"]) for row in self.rivals}
        return [curve for curve in self.curves.values() if str(curve.get("size")) not in rivals]

    def key_of(self, curve: Mapping[str, Any]) -> str:
        """A curve's size; without one, its only member, or ``WHOLE``."""
        sizes = {str(row["size"]) for row in (*self.ladder, *self.rivals)}
        if curve.get("size") and (str(curve["size"]) in sizes or len(curve["members"]) == 1):
            return str(curve["size"])
        return str(curve["members"][0]) if len(curve["members"]) == 1 else WHOLE

    def ordered(self, keys: Iterable[str]) -> list[str]:
        """Those that are sizes or the whole zoo: sizes, cheapest first, then the zoo."""
        wanted = set(keys)
        return [key for key in (*self.keys, WHOLE) if key in wanted]

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
        size = self._team_name(curve) if key == WHOLE else clean(key, 48)
        return f"{size}, {self.spent_on(curve)}"

    @staticmethod
    def _team_name(curve: Mapping[str, Any]) -> str:
        """All members, or those of a subset by name."""
        if curve.get("subject") in (None, "all"):
            return "all members"
        return clean(" + ".join(map(str, curve["members"])), 100)

    def spent_on(self, curve: Mapping[str, Any]) -> str:
        """What grows along a curve."""
        kind = self.kinds.get(curve["kind"]) or LEARNED.get(curve["kind"])
        if kind is None:
            return clean(curve["kind"], 24)
        return kind.name.replace("draws", self._learned_of.get(str(curve.get("id")), "draws"))

    @cached_property
    def _learned_of(self) -> dict[str, str]:
        """Of each learned curve, what its draws are: ``views``, ``members × views``."""
        found = {
            str(row.get("curve")): self.kinds.get(str(row.get("of"))) for row in self.summary.get("policies") or []
        }
        return {name: kind.name for name, kind in found.items() if kind}

    def title_of(self, name: str) -> str:
        """The title of the curve of this id; the id itself when the summary does not hold the curve."""
        return self.title(self.curves[name]) if name in self.curves else clean(name, 60)

    def place(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Kind and size (or ``WHOLE``) of the curve that a row is about, which the summary may not hold."""
        curve = self.curves.get(str(row.get("curve")))
        if curve is not None:
            return curve["kind"], self.key_of(curve)
        return str(row.get("kind")), WHOLE if row.get("size") is None else str(row["size"])

    def title_of_row(self, row: Mapping[str, Any]) -> str:
        """The title of that curve."""
        if str(row.get("curve")) in self.curves or "kind" not in row:
            return self.title_of(str(row.get("curve")))
        return f"{clean(row.get('size') or 'all members', 48)}, {self.spent_on(row)}"

    def votes_of(self, group: Group) -> list[Mapping[str, Any]]:
        """The curves over the same samples as the group's drawn one, that one first: one for each vote."""
        drawn = group.curves.get("samples")
        same = ("kind", "size", "members", "decoding", "variants")
        alike = (c for c in self.curves.values() if drawn and all(c.get(key) == drawn.get(key) for key in same))
        return sorted(alike, key=lambda curve: curve is not drawn)

    def fits_of(self, curve: Mapping[str, Any], of: str = "accuracy") -> list[Mapping[str, Any]]:
        """The laws fitted to a curve's accuracy or coverage, the chosen one first."""
        name = curve["id"] if of == "accuracy" else f"{curve['id']}/{of}"
        fits = [fit for fit in self.summary.get("fits") or [] if fit["curve"] == name]
        return sorted(fits, key=lambda fit: not fit.get("chosen"))


def vote_words(vote: Any) -> str:
    """A vote's name for a reader: ``weighted:mean_logprob`` as ``weighted by mean logprob``."""
    rule, _, score = clean(vote, 60).partition(":")
    score = score.replace("_", " ")
    return f"{'best' if rule == 'best' else rule} by {score}" if score else rule.replace("_", " ")


def sparse(budgets: Sequence[int]) -> list[int]:
    """Positions of the budgets that a table shows: powers of two and the last."""
    return [i for i, k in enumerate(budgets) if k & (k - 1) == 0 or i == len(budgets) - 1]


def shortened(names: Iterable[str]) -> dict[str, str]:
    """Each name without the beginning that all share."""
    several = list(dict.fromkeys(names))
    cut = len(_shared_prefix(several))
    return {name: name[cut:] for name in several}


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
