"""The back-test of surfaces: cells of the measured points that a refit does not see and then predicts.

A cell is every point of one size, of one amount of data, of one training budget, or at one number of draws. Where
points that are resampled together, such as the draws of one model at several budgets, lie in several cells, a refit
sees neither the cell nor anything else of the points it is scored on: a quarter of the units is left out at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttscale.scaling.surfaces.points import Points

_FOLDS = 4
_ENOUGH = 3  # cells of an input that tell a power law with a floor


@dataclass(frozen=True)
class HeldOut:
    """Points that no refit scored on them saw.

    Attributes:
        cell: what they have in common, for example ``"n = 1.2e+08"``.
        rmse: root mean square of ln predicted − ln measured (about the relative error).
        bias: mean of the same.
        error_rmse: root mean square of predicted − measured error, in the error's own unit.
        at, off: the points, as positions in the fit's, and predicted − measured error of each.
        beyond: whether the cell is the first or the last of its input, so that predicting it extrapolates.
        ranks: whether laws are ranked by it: it is beyond, and its refits see three other cells of its input, which a
            power law with a floor needs.
        converged: whether all of its refits did.
    """

    cell: str
    rmse: float
    bias: float
    beyond: bool
    ranks: bool
    converged: bool
    error_rmse: float
    at: tuple[int, ...] = field(repr=False)
    off: tuple[float, ...] = field(repr=False)

    @property
    def n_points(self) -> int:
        return len(self.at)


@dataclass(frozen=True, eq=False)
class Refit:
    """A fit without some points: those that it sees and those that it is scored on, ``bool [point]``."""

    cell: str
    beyond: bool
    ranks: bool
    seen: np.ndarray
    scored: np.ndarray


@dataclass(frozen=True)
class Backtest:
    """What a law missed on cells that it had not seen.

    Attributes:
        cells: one by one. rmse: of those at either end of an input together (ln y), which is what predictions outside
            the measured range are to be trusted by; NaN when none could be left out.
        inside_rmse: of those between the ends; ``rmse`` where there are none.
        ranking: what laws are ranked by: as ``rmse``, of the cells that rank, or of all at either end where none does.
        error_ranking: the same in the error's own unit, for fits of unlike quantities.
        converged: the share of the cells whose refits all did; 1 where there is no cell.
    """

    cells: tuple[HeldOut, ...]
    rmse: float
    inside_rmse: float
    ranking: float
    error_ranking: float

    @property
    def converged(self) -> float:
        return float(np.mean([cell.converged for cell in self.cells])) if self.cells else 1.0


def refits_of(points: Points, n_parameters: int, seed: int) -> list[Refit]:
    """Every cell of every axis that can be left out of a fit of so many parameters, with the refits that takes."""
    fold = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, 1]).permutation(points.n_units) % _FOLDS
    out = []
    for axis in points.axes:
        names, cell = points.cells(axis)
        last = len(names) - 1
        split = any(len(np.unique(cell[points.units == unit])) > 1 for unit in range(points.n_units))
        parts = fold[points.units] if split else np.zeros(len(cell), dtype=np.intp)
        for i, name in enumerate(names):
            some = [
                Refit(
                    name,
                    i in (0, last),
                    i in (0, last) and last >= _ENOUGH,
                    (cell != i) & ~(split & (parts == part)),
                    scored,
                )
                for part in np.unique(parts)
                if (scored := (cell == i) & (parts == part)).any()
            ]
            if all(_possible(points, one.seen, n_parameters) for one in some):
                out += some
    return out


def _possible(points: Points, seen: np.ndarray, n_parameters: int) -> bool:
    return bool(seen.sum() > n_parameters and all(np.ptp(np.log(x[seen])) > 0 for x in points.inputs))


def score(refits: Sequence[Refit], errors: np.ndarray, plain: np.ndarray, converged: np.ndarray) -> Backtest:
    """What the refits predict where they are scored: ``errors [refit, point]`` of ln y, ``plain`` of the error itself,
    ``converged [refit]``."""
    by_cell: dict[tuple[str, bool, bool], list[int]] = {}
    for row, one in enumerate(refits):
        by_cell.setdefault((one.cell, one.beyond, one.ranks), []).append(row)
    cells = []
    for (name, beyond, ranks), rows in by_cell.items():
        missed, off = (np.concatenate([of[row, refits[row].scored] for row in rows]) for of in (errors, plain))
        at = np.concatenate([np.flatnonzero(refits[row].scored) for row in rows])
        order = np.argsort(at)
        told = HeldOut(
            cell=name, rmse=_rms(missed), bias=float(missed.mean()), beyond=beyond, ranks=ranks,
            converged=bool(converged[rows].all()), error_rmse=_rms(off), at=tuple(at[order].tolist()),
            off=tuple(off[order].tolist()),
        )  # fmt: skip
        cells.append(told)
    at_ends, between = [c for c in cells if c.beyond], [c for c in cells if not c.beyond]
    ends, inside = _pooled(at_ends, "rmse"), _pooled(between, "rmse")
    ranking = [c for c in cells if c.ranks] or at_ends
    return Backtest(
        tuple(cells), ends, ends if math.isnan(inside) else inside, _pooled(ranking, "rmse"),
        _pooled(ranking, "error_rmse"),
    )  # fmt: skip


def _pooled(cells: Sequence[HeldOut], of: str) -> float:
    """Root mean square over the points of some cells; NaN without any."""
    return _rms(np.repeat([getattr(c, of) for c in cells], [c.n_points for c in cells])) if cells else math.nan


def _rms(values: np.ndarray) -> float:
    return math.sqrt(float((values**2).mean()))
