"""Searches over a surface: the data that an error takes, and the size, data and draws of least cost, for all refits.

Sizes, data and draws are searched in their logarithms, inside a box about what was measured: a law of logarithms says
something about every size, and nothing that can be trusted about one far from those it was fitted to. A grid need not
fill its box: the largest models may never have been trained on the most data, so what counts as measured follows the
data that each size had.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals.interval import Interval, percentiles
from ttscale.scaling.numbers import levels, positive
from ttscale.scaling.surfaces.fit import refit_interval
from ttscale.scaling.surfaces.points import Points
from ttscale.scaling.tradeoff.costs import Costs

INPUTS = ("n", "d", "k")
BEYOND = 1.0  # how many times outside of what was measured is searched: no extrapolation unless asked for
_REFITS = 200  # of them intervals are made: enough for the percentiles of a 95 % interval
_CLOSE = 1e-10  # of ln error
_SAME = 1e-6  # of a logarithm: beyond an end by no more is on it
_STEPS = 60


class Surface(Protocol):
    """What the searches need of a fitted surface (or of a published law, which has no refits).

    ``errors_at`` takes parameters ``[..., p]`` and n, d, k that broadcast against ``[...]``, element by element.
    """

    @property
    def best(self) -> np.ndarray: ...
    @property
    def replicates(self) -> np.ndarray: ...
    @property
    def level(self) -> float: ...
    @property
    def points(self) -> Points: ...
    def predict(self, n: float | None = None, d: float | None = None, k: float | None = None) -> Interval: ...
    def errors_at(self, parameters: np.ndarray, n: np.ndarray, d: np.ndarray, k: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Box:
    """Where is searched and what was measured: the logarithms of n, d and k, each ``float64 [3]``.

    Attributes:
        low, high: ends of the search. measured_low, measured_high: of what was measured, axis by axis.
        staircase: ln n of every measured size, ascending, and ln of the least and the most data that it had,
            ``float64 [size, 3]``; None where the surface does not vary the size.
    """

    low: np.ndarray
    high: np.ndarray
    measured_low: np.ndarray
    measured_high: np.ndarray
    staircase: np.ndarray | None = None

    def inside(self, n: np.ndarray, d: np.ndarray, k: np.ndarray) -> np.ndarray:
        """Whether all three lie within what was measured: n and k between their ends, and d between the least and the
        most data that models of size n had, between measured sizes linearly in the logarithms."""
        logs = np.log(np.stack(np.broadcast_arrays(n, d, k), axis=-1))
        low, high = (np.broadcast_to(end, logs.shape).copy() for end in (self.measured_low, self.measured_high))
        if self.staircase is not None:
            sizes, least, most = self.staircase.T
            low[..., 1], high[..., 1] = (np.interp(logs[..., 0], sizes, ends) for ends in (least, most))
        return ((logs >= low - _SAME) & (logs <= high + _SAME)).all(axis=-1)

    def at_end(self, n: float, d: float, k: float) -> tuple[str, ...]:
        """Which of them lie on an end of what was searched: n, d or k would have gone on (k = 1 is a true end)."""
        logs = np.log([n, d, k])
        free = self.high > self.low
        ends = free & ((logs >= self.high - 1e-3) | ((logs <= self.low + 1e-3) & (np.arange(3) < 2)))
        return tuple(name for name, is_end in zip(INPUTS, ends, strict=True) if is_end)


def box_of(surface: Surface, costs: Costs, beyond: float = BEYOND) -> Box:
    """The box about the measured points of a surface, ``beyond`` times to either side; k from 1 on.

    Without a k among the points there is one draw. Without an n there is one size, that of the costs.

    Raises:
        TtscaleError: a surface without d, costs of several sizes where the surface knows one, unknown training FLOPs,
            or a ``beyond`` below 1.
    """
    positive("beyond", beyond, least=1.0, fix="1 is what was measured.")
    known = dict(zip(surface.points.names, surface.points.inputs, strict=True))
    if "d" not in known or ("n" not in known and len(costs.n) > 1):
        raise TtscaleError(
            "surface", expected="a law of size and data", got=f"one of {', '.join(known)}",
            fix="Measure at least two training budgets of at least two sizes.",
        )  # fmt: skip
    if np.isnan(costs.train).any():
        raise TtscaleError(
            "costs", expected="known training FLOPs of every size", got="unknown ones",
            fix="Name train_flops on the models' cards.",
        )  # fmt: skip
    staircase = _staircase(known["n"], known["d"]) if "n" in known else None
    known = {"n": costs.n, "k": np.ones(1), **known}
    low, high = (np.log([reduce(known[name]) for name in INPUTS]) for reduce in (np.min, np.max))
    out = np.where(high > low, math.log(beyond), 0.0)
    searched = low - out
    searched[2] = 0.0
    return Box(searched, high + out, low, high, staircase)


def _staircase(n: np.ndarray, d: np.ndarray) -> np.ndarray:
    """ln n of every size, ascending, with ln of the least and the most data that it had, ``float64 [size, 3]``."""
    of, log_n, log_d = levels(n), np.log(n), np.log(d)
    rows = [(log_n[of == one].mean(), log_d[of == one].min(), log_d[of == one].max()) for one in np.unique(of)]
    return np.array(sorted(rows))


def refits(surface: Surface) -> np.ndarray:
    """The refits that intervals are made of, ``[boot, p]``."""
    return surface.replicates[:_REFITS]


def interval_of(surface: Surface, value: float, replicates: np.ndarray) -> Interval:
    """A value with the percentiles of what the refits say, see
    :func:`ttscale.scaling.surfaces.fit.refit_interval`; NaN where there are no refits."""
    return refit_interval(value, replicates, surface.level, surface.points.grouping)


def refit_ends(surface: Surface, replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The percentiles of what the refits say, ``[boot, ...]``; NaN where there are none."""
    if not len(replicates):
        nothing = np.full(replicates.shape[1:], math.nan)
        return nothing, nothing
    return percentiles(replicates, surface.level)


def data_for(
    surface: Surface, parameters: np.ndarray, n: np.ndarray, k: np.ndarray, error: float, box: Box
) -> np.ndarray:  # fmt: skip
    """The least data, within the box, that reach an error with models of size n asked for k draws, ``[...]``; ∞ where
    none do."""
    shape, p, (n, k) = _flat(parameters, n, k)

    def missing(log_d: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.log(surface.errors_at(p[at], n[at], np.exp(log_d), k[at])) - math.log(error)

    return np.exp(falling_root(missing, box.low[1], box.high[1], len(n))).reshape(shape)


def draws_for(
    surface: Surface, parameters: np.ndarray, n: np.ndarray, d: np.ndarray, error: float, box: Box
) -> np.ndarray:  # fmt: skip
    """The least draws k, not rounded, within the box, that reach an error, ``[...]``; ∞ where none do."""
    shape, p, (n, d) = _flat(parameters, n, d)

    def missing(log_k: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.log(surface.errors_at(p[at], n[at], d[at], np.exp(log_k))) - math.log(error)

    return np.exp(falling_root(missing, box.low[2], box.high[2], len(n))).reshape(shape)


def _flat(parameters: np.ndarray, *inputs: np.ndarray) -> tuple[tuple[int, ...], np.ndarray, list[np.ndarray]]:
    """The common shape, and parameters ``[element, p]`` and inputs ``[element]`` of all its elements in a row."""
    shape = np.broadcast_shapes(parameters.shape[:-1], *(np.shape(x) for x in inputs))
    rows = np.broadcast_to(parameters, (*shape, parameters.shape[-1])).reshape(-1, parameters.shape[-1])
    return shape, rows, [np.broadcast_to(x, shape).reshape(-1) for x in inputs]


def falling_root(
    f: Callable[[np.ndarray, np.ndarray], np.ndarray], low: float | np.ndarray, high: float | np.ndarray, count: int
) -> np.ndarray:  # fmt: skip
    """Where falling functions reach 0, ``[count]``: ``low`` where they are there at once, ∞ where they stay above 0 (or
    are NaN) up to ``high``.

    False position as modified by Anderson and Björck (BIT 13, 1973), which keeps a bracket and converges faster than
    linearly; those that are done drop out.

    Args:
        f: takes places ``[some]`` and which functions they are of, ``int [some]``.
        low, high: ends, of all or of each ``[count]``.
    """
    everyone = np.arange(count)
    a, b = np.full(count, low), np.full(count, high)
    fa, fb = f(a, everyone), f(b, everyone)
    out = np.where(fa <= 0, low, np.where(fb <= 0, high, np.inf))
    at = np.flatnonzero((fa > 0) & (fb < 0))
    a, b, fa, fb, last = a[at], b[at], fa[at], fb[at], np.zeros(len(at), dtype=np.int8)
    for _ in range(_STEPS):
        if not len(at):
            break
        x = (a * fb - b * fa) / (fb - fa)
        x = np.where((x > a) & (x < b), x, (a + b) / 2)
        fx = f(x, at)
        out[at] = x
        above = fx > 0
        side = np.where(above, 1, -1).astype(np.int8)
        shrink = 1 - fx / np.where(above, fa, fb)
        shrink = np.where(side != last, 1.0, np.where(shrink > 0, shrink, 0.5))
        fa, fb = np.where(above, fx, fa * shrink), np.where(above, fb * shrink, fx)
        a, b = np.where(above, x, a), np.where(above, b, x)
        going = (np.abs(fx) > _CLOSE) & (b - a > _CLOSE)
        at, a, b, fa, fb, last = (y[going] for y in (at, a, b, fa, fb, side))
    return out
