"""The back-test of surfaces: cells of the measured points that a refit does not see and then predicts.

A cell is every point of one size, of one amount of data, of one training budget, or at one number of draws. Where
points that are resampled together, such as the draws of one model at several budgets, lie in several cells, a refit
sees neither the cell nor anything else of the points it is scored on: a quarter of the units is left out at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.surfaces.points import Points

_FOLDS = 4


@dataclass(frozen=True)
class HeldOut:
    """Points that no refit scored on them saw.

    Attributes:
        cell: what they have in common, for example ``"n = 1.2e+08"``.
        n_points: how many there are.
        rmse: root mean square of ln predicted − ln measured (about the relative error).
        bias: mean of the same.
        beyond: whether the cell is the first or the last of its input, so that predicting it extrapolates.
        converged: whether all of its refits did.
    """

    cell: str
    n_points: int
    rmse: float
    bias: float
    beyond: bool
    converged: bool


@dataclass(frozen=True, eq=False)
class Refit:
    """A fit without some points: those that it sees and those that it is scored on, ``bool [point]``."""

    cell: str
    beyond: bool
    seen: np.ndarray
    scored: np.ndarray


@dataclass(frozen=True)
class Backtest:
    """What a law missed on cells that it had not seen.

    Attributes:
        cells: one by one. rmse: of those at either end of an input together (ln y), which is what predictions outside
            the measured range are to be trusted by; NaN when none could be left out.
        inside_rmse: of those between the ends; ``rmse`` where there are none.
        converged: the share of the cells whose refits all did; 1 where there is no cell.
    """

    cells: tuple[HeldOut, ...]
    rmse: float
    inside_rmse: float

    @property
    def converged(self) -> float:
        return float(np.mean([cell.converged for cell in self.cells])) if self.cells else 1.0


def refits_of(points: Points, n_parameters: int, seed: int) -> list[Refit]:
    """Every cell of every axis that can be left out of a fit of so many parameters, with the refits that takes."""
    fold = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, 1]).permutation(points.n_units) % _FOLDS
    out = []
    for axis in points.axes:
        names, cell = points.cells(axis)
        split = any(len(np.unique(cell[points.units == unit])) > 1 for unit in range(points.n_units))
        parts = fold[points.units] if split else np.zeros(len(cell), dtype=np.intp)
        for i, name in enumerate(names):
            some = [
                Refit(name, i in (0, len(names) - 1), (cell != i) & ~(split & (parts == part)), scored)
                for part in np.unique(parts)
                if (scored := (cell == i) & (parts == part)).any()
            ]
            if all(_possible(points, one.seen, n_parameters) for one in some):
                out += some
    return out


def _possible(points: Points, seen: np.ndarray, n_parameters: int) -> bool:
    return bool(seen.sum() > n_parameters and all(np.ptp(np.log(x[seen])) > 0 for x in points.inputs))


def score(refits: Sequence[Refit], errors: np.ndarray, converged: np.ndarray) -> Backtest:
    """What the refits predict where they are scored: ``errors [refit, point]`` of ln y, ``converged [refit]``."""
    by_cell: dict[tuple[str, bool], list[int]] = {}
    for row, one in enumerate(refits):
        by_cell.setdefault((one.cell, one.beyond), []).append(row)
    cells = []
    for (name, beyond), rows in by_cell.items():
        missed = np.concatenate([errors[row, refits[row].scored] for row in rows])
        cells.append(
            HeldOut(name, len(missed), _rms(missed), float(missed.mean()), beyond, bool(converged[rows].all()))
        )
    ends, inside = (
        _rms(np.repeat([c.rmse for c in some], [c.n_points for c in some])) if some else math.nan
        for some in ([c for c in cells if c.beyond], [c for c in cells if not c.beyond])
    )
    return Backtest(tuple(cells), ends, ends if math.isnan(inside) else inside)


def _rms(values: np.ndarray) -> float:
    return math.sqrt(float((values**2).mean()))
