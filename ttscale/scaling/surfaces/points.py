"""Measured points of a surface: checked once, with the cells that can be held out and the groups that are resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.numbers import SAME
from ttscale.scaling.surfaces.quantity import fitted_of

BUDGET = "n·d"  # the training budget but for a constant
_LEAST_SPREAD = 0.25  # a point that resamples hardly move may not outweigh all others
_MOST_CELLS = 12  # of one axis; a finer one is cut into ranges of equally many points


@dataclass(frozen=True, eq=False)
class Points:
    """Errors measured at some sizes, amounts of data and, for a surface with draws, budgets.

    Attributes:
        names: ``("n", "d")``, or with ``"k"`` at the end; ``("n", "k")`` and ``("d", "k")`` where the other never
            varied.
        inputs: one ``float64 [point]`` per name, above 0 (k at least 1).
        y: what is fitted: error or loss, or −ln(accuracy) as ``quantity`` says; ``float64 [point]``, above 0.
        units: ``int [point]``, which points are resampled together, as an index from 0.
        grouping: what a unit is, in words.
        quantity: see :mod:`ttscale.scaling.surfaces.quantity`.
        replicates: y of resamples that the caller made, ``float64 [boot, point]``, in place of resampled units.
    """

    names: tuple[str, ...]
    inputs: tuple[np.ndarray, ...]
    y: np.ndarray
    units: np.ndarray
    grouping: str
    quantity: str = "error"
    replicates: np.ndarray | None = None

    @property
    def n_units(self) -> int:
        return int(self.units.max()) + 1

    @property
    def axes(self) -> tuple[str, ...]:
        """What cells are made by: each input, and the training budget n·d."""
        return (*self.names, *([BUDGET] if {"n", "d"} <= set(self.names) else []))

    @cached_property
    def spread(self) -> np.ndarray | None:
        """Standard error of ln y by the caller's resamples, ``float64 [point]``, not below a quarter of its median;
        None without such."""
        if self.replicates is None:
            return None
        spread = np.log(self.replicates).std(axis=0)
        return np.maximum(spread, _LEAST_SPREAD * np.median(spread))

    def fitted_as(self, quantity: str) -> Points:
        """The same errors by another quantity; TtscaleError for errors of 1 and above, which have no other, or where it
        is not above 0."""
        if quantity == "error":
            return self
        for name, values in (("y", self.y), ("replicates", self.replicates)):
            if values is not None and (bad := np.argwhere(values >= 1)).size:
                at = tuple(map(int, bad[0]))
                raise TtscaleError(
                    name, expected=f"errors below 1 for quantity={quantity!r}",
                    got=f"{values[at]:g} at {at if len(at) > 1 else f'position {at[0]}'}",
                    fix='Give quantity="error", the only one of losses and of errors of 1 and above.',
                )  # fmt: skip
        again = None if self.replicates is None else fitted_of(quantity, self.replicates)
        return replace(
            self,
            y=_numbers("y", fitted_of(quantity, self.y)),
            quantity=quantity,
            replicates=None if again is None else _of_points("replicates", again, len(self.y)),
        )

    def cells(self, axis: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Labels of the cells along one of the ``axes``, smallest first, and which one each point is in,
        ``int [point]``."""
        values = np.log(self.inputs[0] * self.inputs[1] if axis == BUDGET else self.inputs[self.names.index(axis)])
        levels = np.sort(values)
        starts = np.concatenate([levels[:1], levels[1:][np.diff(levels) > SAME]])
        if len(starts) > _MOST_CELLS:
            starts = np.unique(np.quantile(levels, np.arange(_MOST_CELLS) / _MOST_CELLS, method="inverted_cdf"))
        cell = np.searchsorted(starts, values, side="right") - 1
        ends = [np.exp([values[cell == i].min(), values[cell == i].max()]) for i in range(len(starts))]
        return tuple(_label(axis, low, high) for low, high in ends), cell


def _label(name: str, low: float, high: float) -> str:
    return f"{name} = {low:.3g}" if high <= low * (1 + 2 * SAME) else f"{name} = {low:.3g} to {high:.3g}"


def check_points(
    n: object, d: object, y: object, k: object | None = None, groups: Sequence[object] | np.ndarray | None = None,
    replicates: np.ndarray | None = None,
) -> Points:  # fmt: skip
    """The points, or TtscaleError: not numbers, of unlike lengths, not finite or not above 0, k below 1, one value
    only of an input, neither size nor data, or fewer than two groups."""
    inputs = {name: _numbers(name, values) for name, values in {"n": n, "d": d, "k": k}.items() if values is not None}
    if ("n" not in inputs and "d" not in inputs) or len(inputs) < 2:
        raise TtscaleError(
            "n, d, k", expected="two of them at least, n or d among them", got=", ".join(inputs) or "none",
            fix="ttscale.fit_law fits laws of draws alone.",
        )  # fmt: skip
    target = _numbers("y", y)
    for name, values in inputs.items():
        if len(values) != len(target):
            raise TtscaleError(
                name, expected=f"{len(target)} values, as many as y has", got=str(len(values)),
                fix="Give one value for every point.",
            )  # fmt: skip
        if np.ptp(np.log(values)) <= SAME:
            raise TtscaleError(
                name, expected="at least 2 different values", got=f"{values[0]:g} at every point",
                fix="A law cannot tell what an input does that never changes: add points"
                + (", or leave k out." if name == "k" else "."),
            )  # fmt: skip
    if np.ptp(np.log(target)) < 1e-12:
        raise TtscaleError(
            "y", expected="at least 2 different values", got=f"{target[0]:g} at every point",
            fix="Where nothing changes there is no law to fit.",
        )  # fmt: skip
    if "k" in inputs and inputs["k"].min() < 1:
        raise TtscaleError("k", expected="draws of at least 1", got=f"{inputs['k'].min():g}", fix="Count from 1.")
    units, grouping = _units(inputs, len(target), groups)
    again = None
    if replicates is not None:
        again, grouping = _of_points("replicates", replicates, len(target)), "items and seeds"
    return Points(tuple(inputs), tuple(inputs.values()), target, units, grouping, replicates=again)


def _of_points(name: str, values: object, n_points: int) -> np.ndarray:
    """``float64 [boot, point]``; TtscaleError for another shape, or what is not above 0 and finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != n_points:
        raise TtscaleError(
            name, expected=f"one row a resample of {n_points} values, as many as y has",
            got=f"an array of shape {array.shape}", fix="Give the errors of every resample at every point.",
        )  # fmt: skip
    bad = np.argwhere(~(np.isfinite(array) & (array > 0)))
    if bad.size:
        raise TtscaleError(
            name, expected="numbers above 0", got=f"{array[tuple(bad[0])]:g} at {tuple(map(int, bad[0]))}",
            fix="Leave out points whose resamples may have no error at all, or keep them above 0.",
        )  # fmt: skip
    return array


def _numbers(name: str, values: object) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0))) if array.ndim == 1 else np.empty(0)
    if array.ndim != 1 or not array.size or bad.size:
        got = f"{array[bad[0]]:g} at position {bad[0]}" if bad.size else f"an array of shape {array.shape}"
        raise TtscaleError(
            name, expected="numbers above 0, one per point", got=got,
            fix="A law of logarithms knows neither 0 nor what lies below: leave such points out.",
        )  # fmt: skip
    return array


def _units(
    inputs: dict[str, np.ndarray], n_points: int, groups: Sequence[object] | np.ndarray | None
) -> tuple[np.ndarray, str]:  # fmt: skip
    if groups is not None:
        labels = np.asarray(groups)
        if labels.shape != (n_points,):
            raise TtscaleError(
                "groups", expected=f"{n_points} labels, one per point", got=f"an array of shape {labels.shape}",
                fix="Give each point the label of the run or size that it belongs to.",
            )  # fmt: skip
        units, grouping = np.unique(labels.astype(str), return_inverse=True)[1], "groups"
    elif "k" in inputs:  # the budgets of one model share its draws
        pairs = np.stack([values for name, values in inputs.items() if name != "k"], axis=-1)
        units, grouping = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), "models"
    else:
        units, grouping = np.arange(n_points), "points"
    if units.max() < 1:
        raise TtscaleError(
            "groups", expected="at least 2 different groups", got="1", fix="Leave them out to resample single points.",
        )  # fmt: skip
    return units, grouping
