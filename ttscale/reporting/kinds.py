"""The kinds of strategy: what grows in each, and how its lines and marks look, whatever draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """One kind of strategy.

    Attributes:
        name: what it spends more compute on.
        dashes: lengths of dash, gap, dash, gap …, in units of the line width; none for a solid line.
        mark: matplotlib's marker of a measured point.
    """

    name: str
    dashes: tuple[float, ...]
    mark: str

    @property
    def linestyle(self) -> Any:
        """For matplotlib."""
        return (0.0, self.dashes or None)

    @property
    def pixels(self) -> str:
        """For plotly.js, at the width of its lines."""
        return ",".join(f"{max(1.5, 2.3 * length):.3g}px" for length in self.dashes) or "solid"

    @property
    def dasharray(self) -> str:
        """For a stroke of 2 pixels in SVG; empty for a solid line."""
        return " ".join(f"{max(1.5, 2 * length):g}" for length in self.dashes)


_SOLID: tuple[float, ...] = ()
_DASHED, _DOTTED, _DASH_DOT = (4.2, 2.0), (0.9, 1.7), (4.2, 1.5, 0.9, 1.5)
_LONG, _LONG_DOT, _SHORT = (8.0, 2.0), (8.0, 1.5, 0.9, 1.5), (2.4, 1.4)

VISION: Mapping[str, Kind] = {
    "tta": Kind("views", _SOLID, "o"),
    "ensemble": Kind("members", _DASHED, "s"),
    "product": Kind("members × views", _DOTTED, "^"),
}
LEARNED: Mapping[str, Kind] = {  # of images, in a figure of their own beside the kind whose draws they reorder or weigh
    "policy": Kind("draws in learned order", _LONG, "D"),
    "weights": Kind("draws with learned weights", _DASH_DOT, "v"),
    "class_weights": Kind("draws with weights per class", _LONG_DOT, "P"),
    "spread": Kind("members with a view each", _SHORT, "X"),
}
LANGUAGE: Mapping[str, Kind] = {
    "samples": Kind("samples", _SOLID, "o"),
    "ensemble": Kind("members × samples", _DASHED, "s"),
    "quotas": Kind("members × samples, equal compute", _LONG, "v"),
    "learned": Kind("members × samples, learned shares", _LONG_DOT, "P"),
    "variants": Kind("prompt variants", _DOTTED, "^"),
    "mixture": Kind("variants × samples", _DASH_DOT, "D"),
}
COVERAGE = Kind("coverage", (0.1, 2.4), ".")  # the share of items that at least one of the draws gets right
