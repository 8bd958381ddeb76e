"""What is measured of one kind of strategy over a grid of rungs: the errors that a law is fitted to, with resamples.

Items and training seeds are resampled together. Of items, the curves' own replicates are taken: of equal seeds they
draw the same items for every rung and kind, so that differences between rungs keep only what is not common to their
items. Of seeds see :func:`ttscale.scaling.tradeoff.training_noise.with_seeds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.tradeoff.axes import amount
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.training_noise import with_seeds

REFITS = 200  # enough for the percentiles of a 95 % interval
_FEW = 5  # budgets that are all taken


@dataclass(frozen=True, eq=False)
class Measured:
    """Points of a grid.

    Attributes:
        n, d, k: parameters, training data in the unit of the axis, draws; ``float64 [point]``.
        error: 1 − accuracy, ``[point]``, kept off 0 and 1 by half an item.
        replicates: the same of each resample of items and seeds, ``[boot, point]``.
    """

    n: np.ndarray
    d: np.ndarray
    k: np.ndarray
    error: np.ndarray
    replicates: np.ndarray


def measure(rungs: Sequence[Rung], curves: Sequence[Curve], axis: str, *, seed: int) -> Measured:
    """The points of some rungs, each with the curve of one kind of strategy.

    Args:
        curves: one a rung, of the same items, ``n_boot`` and seed.
        seed: of the training seeds' deviates, which are a rung's own whatever the kind of strategy.
    """
    parts = []
    for rung, curve in zip(rungs, curves, strict=True):
        rows = rows_of(curve)
        again = with_seeds(curve.replicates[:REFITS, rows], rung, seed)
        parts.append(
            Measured(
                n=np.full(len(rows), float(rung.n_params)), d=np.full(len(rows), amount(rung, axis)),
                k=curve.budgets[rows].astype(np.float64),
                error=_off_the_ends(1.0 - curve.accuracy[rows], curve.n_items),
                replicates=_off_the_ends(1.0 - again, curve.n_items),
            )
        )  # fmt: skip
    joined = {of: np.concatenate([getattr(one, of) for one in parts], axis=-1) for of in Measured.__annotations__}
    return Measured(**joined)


def rows_of(curve: Curve) -> np.ndarray:
    """The budgets of a curve that a law is fitted to: those nearest to powers of two, and the last. Of votes over
    answers only odd ones, since of two answers that differ none has the majority: an even draw changes nothing."""
    budgets = curve.budgets
    votes = curve.tokens is not None and curve.vote == "plurality"
    rows = np.flatnonzero(budgets % 2 == 1) if votes and (budgets % 2 == 1).sum() > 1 else np.arange(len(budgets))
    if len(rows) <= _FEW:
        return rows
    known = np.log(budgets[rows])
    wanted = np.append(np.log(2.0) * np.arange(int(budgets[-1]).bit_length()), known[-1])
    return np.unique(rows[np.abs(known - wanted[:, None]).argmin(axis=1)])


def _off_the_ends(errors: np.ndarray, n_items: int) -> np.ndarray:
    return np.clip(errors, 0.5 / n_items, 1 - 0.5 / n_items)
