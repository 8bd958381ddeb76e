"""Credits of some items with what resampling the items tells of their means, made when it is first asked for.

Most curves are only averaged with others, or scored on half of the items, so that their own resamples are never needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ttscale.scaling.bootstrap import bootstrap_means, count_units, mean_credit
from ttscale.scaling.interval import percentiles, wilson


@dataclass(frozen=True, eq=False)
class Resampled:
    """Rows of credits.

    Attributes:
        credit: ``float64 [row, item]``.
        units: cluster index per item, or None when the items are resampled one by one.
        level, n_boot, seed: of the intervals and resamples.
    """

    credit: np.ndarray
    units: np.ndarray | None
    level: float
    n_boot: int
    seed: int

    @cached_property
    def n_units(self) -> int:
        """How many items, or clusters of items, there are."""
        return count_units(self.credit.shape[1], self.units)

    @cached_property
    def accuracy(self) -> np.ndarray:
        """``float64 [row]``."""
        return mean_credit(self.credit)

    @cached_property
    def replicates(self) -> np.ndarray:
        """Bootstrap means, ``float64 [boot, row]``."""
        return bootstrap_means(self.credit, units=self.units, n_boot=self.n_boot, seed=self.seed)

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Percentile intervals, ``float64 [row]`` each end; Wilson's where all items agree."""
        low, high = percentiles(self.replicates, self.level)
        for row in np.flatnonzero((self.credit == self.credit[:, :1]).all(axis=1)):
            low[row], high[row] = wilson(self.accuracy[row] * self.n_units, self.n_units, self.level)
        return low, high

    def at_rows(self, rows: np.ndarray) -> Resampled:
        """Some of the rows, given by their positions."""
        return Resampled(self.credit[rows], self.units, self.level, self.n_boot, self.seed)
