"""Points of a summary's curves and fitted lines, ready to draw: those where there are numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.reporting.words import is_number

Point = tuple[float, float, float | None, float | None]  # x, y, and the bounds of y or None


def finite_points(row: Mapping[str, Any], x: str, y: str = "accuracy") -> list[Point]:
    """(x, y, low, high) of a curve or fitted line where x > 0 and y are numbers; no bounds unless both are."""
    n = len(row[y])
    lows, highs = row.get("low") or [None] * n, row.get("high") or [None] * n
    points: list[Point] = []
    for a, b, low, high in zip(row[x], row[y], lows, highs, strict=True):
        if is_number(a) and is_number(b) and a > 0:
            bounded = is_number(low) and is_number(high)
            points.append((a, b, low if bounded else None, high if bounded else None))
    return points


def coverage_points(curve: Mapping[str, Any], x: str) -> list[Point]:
    """The same of a curve's coverage, where it has one."""
    return finite_points({x: curve[x], **curve["coverage"]}, x) if curve.get("coverage") and curve.get(x) else []


def xy(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]


def thinned(points: list[Point], n: int = 14) -> list[Point]:
    """At most ``n`` points, evenly spaced on a log axis, the first and last among them."""
    if len(points) <= n:
        return points
    last = math.log(len(points))
    return [points[i] for i in sorted({round(math.exp(last * j / (n - 1))) - 1 for j in range(n)})]
