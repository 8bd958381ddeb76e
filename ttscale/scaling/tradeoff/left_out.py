"""What a joint law missed in cells that it had not seen, and whether it describes the grid at all."""

from __future__ import annotations

import math

import numpy as np

from ttscale.scaling.surfaces.backtest import HeldOut
from ttscale.scaling.surfaces.fit import SurfaceFit
from ttscale.scaling.surfaces.points import BUDGET
from ttscale.scaling.surfaces.quantity import error_of

_LARGEST = {
    "n": "the largest size", "d": "the largest amount of data", BUDGET: "the largest training budget",
    "k": "the largest number of draws",
}  # fmt: skip
_WHOLE = {"n": "sizes", "d": "amounts of data", BUDGET: "training budgets"}  # draws are left out with whole rungs
_WORST = 1 / 2  # of the errors' standard deviation: beyond, less than three quarters of their variance is foreseen
_BAD = {"not_converged": "its fit did not converge", "off_the_data": "its fit is off the data"}


def left_out(surface: SurfaceFit) -> dict[str, tuple[float, float]]:
    """What refits that did not see them missed the largest size, amount of data, training budget and number of draws
    by, and any of them: root mean square error in percentage points of accuracy. Of inputs with so many values that the
    others determine the law."""
    return {_LARGEST[axis]: missed for axis, missed in _missed(surface).items()}


def misfit(surface: SurfaceFit) -> str:
    """Why a law is not to be used for what was not measured, as a clause; empty where it may be.

    It may not where its fit failed, or where whole sizes, amounts of data or training budgets that were left out are
    missed by more than half of what errors differ by over the grid.
    """
    if surface.status in _BAD:
        return _BAD[surface.status]
    spread = 100 * float(np.std(error_of(surface.quantity, surface.points.y)))
    missed = {axis: every for axis, (_, every) in _missed(surface).items() if axis in _WHOLE}
    worst = max(missed, key=lambda axis: missed[axis], default=None)
    if worst is None or not missed[worst] > _WORST * spread:
        return ""
    return (
        f"whole {_WHOLE[worst]} that were left out are missed by {missed[worst]:.1f} points, where errors differ by "
        f"{spread:.1f} points (standard deviation)"
    )


def cells_of(surface: SurfaceFit, axis: str) -> list[HeldOut]:
    """The cells of an input that were left out, smallest first; none where its ends could not be."""
    cells = [cell for cell in surface.held_out if cell.cell.startswith(f"{axis} = ")]
    return cells if cells and cells[-1].beyond else []


def _missed(surface: SurfaceFit) -> dict[str, tuple[float, float]]:
    """By axis, what the largest cell was missed by, and any."""
    out = {}
    for axis in _LARGEST:
        cells = cells_of(surface, axis)
        if cells and cells[-1].ranks:
            squares = sum(cell.n_points * cell.error_rmse**2 for cell in cells)
            every = math.sqrt(squares / sum(cell.n_points for cell in cells))
            out[axis] = (100 * cells[-1].error_rmse, 100 * every)
    return out
