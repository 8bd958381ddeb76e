"""A tradeoff's summary as its figures need it: sizes in order, training budgets, and which of them comes out best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttscale.reporting.kinds import LANGUAGE, VISION, Kind
from ttscale.reporting.points import Point, finite_points
from ttscale.reporting.rivals import Rival
from ttscale.reporting.series import shortened
from ttscale.reporting.words import clean, is_number

Row = Mapping[str, Any]

_STUDENT, _SOUP = "D", "p"
MARKS = {_STUDENT: "trained from others", _SOUP: "weight soup"}


@dataclass(frozen=True)
class Grid:
    """Of a summary of kind ``ttscale-tradeoff``."""

    summary: Row

    @property
    def ladder(self) -> list[Row]:
        return list(self.summary["ladder"])

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return LANGUAGE if self.summary["run"]["outcome"] == "text" else VISION

    @cached_property
    def sizes(self) -> list[str]:
        """Cheapest first."""
        first: dict[str, float] = {}
        for rung in self.ladder:
            cost = rung["flops"] if is_number(rung["flops"]) else 0.0
            first[rung["size"]] = min(cost, first.get(rung["size"], cost))
        return sorted(first, key=lambda size: first[size])

    @cached_property
    def by_name(self) -> dict[str, Row]:
        return {rung["name"]: rung for rung in self.ladder}

    @cached_property
    def kind_of(self) -> dict[str, str]:
        """The kind of each curve."""
        return {curve["id"]: curve["kind"] for curve in self.summary["curves"]}

    @cached_property
    def _short(self) -> dict[str, str]:
        return shortened(self.sizes)

    def short(self, size: str) -> str:
        return clean(self._short.get(size, size), 22)

    def role(self, size: str) -> str:
        """Its colour; muted of a size that is not on the ladder."""
        return f"s{self.sizes.index(size)}" if size in self.sizes else "muted"

    def role_of(self, rung: str) -> str:
        return self.role(self.by_name[rung]["size"]) if rung in self.by_name else "muted"

    @cached_property
    def budgets(self) -> dict[str, list[Row]]:
        """The rungs of each training budget, sizes in order; the best budget comes first: of those with most sizes the
        one of highest mean accuracy."""
        out: dict[str, list[Row]] = {}
        for rung in sorted(self.ladder, key=lambda rung: self.sizes.index(rung["size"])):
            out.setdefault(rung["budget"], []).append(rung)

        def rank(budget: str) -> tuple[int, float]:
            values = [rung["accuracy"]["value"] for rung in out[budget]]
            return -len(values), -sum(values) / len(values)

        return {budget: out[budget] for budget in sorted(out, key=rank)}

    @property
    def best(self) -> list[Row]:
        """The rungs of the best budget."""
        return next(iter(self.budgets.values()), [])

    def curves_of(self, rung: str) -> list[tuple[str, list[Point]]]:
        """Its test-time curves: kind and points over FLOPs."""
        found = []
        for curve in self.summary["curves"]:
            if curve["rung"] == rung and curve["kind"] in self.kinds:
                points = finite_points(curve, "flops")
                if len(points) > 1:
                    found.append((curve["kind"], points))
        return found

    def rivals(self, x: str) -> list[Rival]:
        """Those that had further training, at their cost ``x`` (``flops`` or ``train_flops``)."""
        out = []
        for row in self.summary["rivals"]:
            origin = self.by_name.get(row["of"])
            trained = origin is not None and is_number(row["train_flops"]) and is_number(origin["train_flops"])
            if not trained or row["train_flops"] <= origin["train_flops"] * 1.000001 or not is_number(row[x]):
                continue
            at, what = row["accuracy"], clean(row["how"] or row["name"], 34)
            mark = _SOUP if "soup" in what else _STUDENT
            out.append(Rival(what, self.role(origin["size"]), mark, row[x], at["value"], at["low"], at["high"]))
        return out


def interval_points(rows: Sequence[Row], x: str) -> list[Point]:
    """Rungs as points with the interval of their accuracy."""
    return [
        (row[x], row["accuracy"]["value"], row["accuracy"]["low"], row["accuracy"]["high"])
        for row in rows
        if is_number(row[x]) and row[x] > 0 and is_number(row["accuracy"]["value"])
    ]
