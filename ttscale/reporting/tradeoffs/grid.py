"""A tradeoff's summary as its figures need it: sizes in order, training budgets, and which of them comes out best."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttscale.reporting.kinds import LANGUAGE, VISION, Kind
from ttscale.reporting.palette import roles
from ttscale.reporting.points import Point, finite_points
from ttscale.reporting.rivals import Rival
from ttscale.reporting.series import shortened
from ttscale.reporting.words import clean, is_number

Row = Mapping[str, Any]

_STUDENT, _SOUP = "D", "p"
_COLOURS = 4  # at least: lines of equal error, cells left out
_MORE = 1.000001  # times the training of what it was made of: less is no further training
MARKS = {_STUDENT: "trained from others", _SOUP: "weight soup"}


@dataclass(frozen=True)
class Grid:
    """Of a summary of kind ``ttscale-tradeoff``."""

    summary: Row

    @property
    def ladder(self) -> list[Row]:
        """Size by size, least trained first."""
        rows = self.summary["ladder"]
        return sorted(rows, key=lambda row: (self.sizes.index(row["size"]), row["train_flops"] or 0.0))

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return LANGUAGE if self.summary["run"]["outcome"] == "text" else VISION

    @cached_property
    def sizes(self) -> list[str]:
        """Cheapest first."""
        first: dict[str, float] = {}
        for rung in self.summary["ladder"]:
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
        return spread(len(self.sizes), self.n_colours)[self.sizes.index(size)] if size in self.sizes else "muted"

    @property
    def n_colours(self) -> int:
        """Ordered colours of the whole page, which all of its figures share."""
        return max(len(self.sizes), _COLOURS)

    @property
    def colours(self) -> dict[str, str]:
        return roles(self.n_colours)

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
            if origin is None or not all(is_number(n) for n in (row["train_flops"], origin["train_flops"], row[x])):
                continue
            if row["train_flops"] <= origin["train_flops"] * _MORE:
                continue
            at, what = row["accuracy"], clean(self._shortened(row["how"] or row["name"]), 34)
            mark = _SOUP if "soup" in what else _STUDENT
            out.append(Rival(what, self.role(origin["size"]), mark, row[x], at["value"], at["low"], at["high"]))
        return out

    def _shortened(self, words: str) -> str:
        """Names of sizes in words as short as labels have them."""
        for size in sorted({str(row["size"]) for row in self.ladder}, key=len, reverse=True):
            words = re.sub(rf"(?<![\w-]){re.escape(size)}(?![\w-])", self.short(size).replace("\\", r"\\"), words)
        return words


def spread(count: int, n_colours: int) -> list[str]:
    """The roles of ``count`` things in order, as far apart among the ordered colours as they can be."""
    if count == 1:
        return [f"s{n_colours // 2}"]
    return [f"s{round(i * (n_colours - 1) / (count - 1))}" for i in range(count)]


def panel_title(law: Row) -> str:
    """``Coverage along training tokens``: what a joint law is of, without what is in brackets."""
    return clean(re.sub(r" \([^)]*\)", "", law["names"]), 60)


def interval_points(rows: Sequence[Row], x: str) -> list[Point]:
    """Rungs as points with the interval of their accuracy."""
    return [
        (row[x], row["accuracy"]["value"], row["accuracy"]["low"], row["accuracy"]["high"])
        for row in rows
        if is_number(row[x]) and row[x] > 0 and is_number(row["accuracy"]["value"])
    ]
