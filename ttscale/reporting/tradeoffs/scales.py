"""Axes of the tradeoff's figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ttscale.reporting.canvas import LogTicks, percent_axis
from ttscale.reporting.words import scaled

_WIDE = 2.5  # times the least error: from here on errors are told apart by their ratios
_LOW, _HIGH = 0.5, 0.995  # accuracies between which ratios of errors are the better scale
_ROUND = (
    0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998, 0.999,
)  # fmt: skip
_LEAST = 1e-5  # an error of 0 has no logarithm
_APART = 0.055  # of the axis, between two ticks
_END = 0.03  # of the axis, which a tick must not stand in


def accuracy_axis(ax: Axes, values: Sequence[float]) -> str:
    """Limits, scale and ticks of a y axis of accuracies; returns its name.

    Where errors span a wide range the scale is logarithmic in the error: a power law is a straight line, and the gain
    from 94 % to 95 % takes more room than that from 70 % to 71 %.
    """
    low, high = min(values), max(values)
    least, most = max(1 - high, _LEAST), max(1 - low, _LEAST)
    if most / least < _WIDE or low < _LOW or high > _HIGH:
        margin = max(0.07 * (high - low), 0.002)
        ax.set_ylim(low - margin, min(high + margin, 1 + margin / 2))
        percent_axis(ax)
        return "accuracy"
    room = (most / least) ** 0.06
    ax.set_yscale("function", functions=(_to_scale, _from_scale))
    bottom, top = 1 - min(most * room, 1.2), 1 - least / room
    ax.set_ylim(bottom, top)
    ax.yaxis.set_major_locator(FixedLocator(_ticks(max(bottom, 0.0), top)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))
    return "accuracy, log scale of the error"


def log_range(ax: Axes, low: float, high: float) -> None:
    """Limits of a log x axis whose last tick does not stand at its very end, where its number has no room."""
    decade = 10.0 ** math.floor(math.log10(high))
    if math.log(high / decade) < _END * math.log(high / low):
        high = decade * 0.999
    ax.set_xlim(low, high)


def flops_y(ax: Axes) -> None:
    """Log y with ticks in FLOPs."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogTicks())
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: scaled(value, "", 1).rstrip()))


def _to_scale(accuracy: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(1 - np.asarray(accuracy, dtype=float), _LEAST / 10))


def _from_scale(y: np.ndarray) -> np.ndarray:
    return 1 - np.exp(-np.asarray(y, dtype=float))


def _ticks(low: float, high: float) -> list[float]:
    """Round accuracies, far enough apart, those of fewest digits first."""
    span = math.log(1 - low) - math.log(1 - high)
    known = [x for x in _ROUND if low <= x <= high] if span > 0.4 else []
    if len(known) < 3:
        step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1) if (high - low) / s <= 8)
        known = [round(i * step, 4) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    chosen: list[float] = []
    for tick in sorted(known, key=lambda x: (len(f"{100 * x:g}".rstrip("0")), x)):
        if all(abs(math.log((1 - tick) / (1 - other))) > _APART * span for other in chosen):
            chosen.append(tick)
    return sorted(chosen)
