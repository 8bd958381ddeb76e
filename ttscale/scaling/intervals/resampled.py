"""Credits of some items with what resampling the items tells of their means, made when it is first asked for.

Most curves are only averaged with others, or scored on half of the items, so that their own resamples are never needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals.bootstrap import acceleration, bootstrap_means, count_units, mean_credit
from ttscale.scaling.intervals.interval import (
    Interval,
    bca,
    check_method,
    difference_bounds,
    few_words,
    level_of_few,
    percentiles,
    wilson,
)  # fmt: skip

_WORDS = {"percentile": "percentile bootstrap", "bca": "BCa bootstrap"}


@dataclass(frozen=True, eq=False)
class Resampled:
    """Rows of credits.

    Attributes:
        credit: ``float64 [row, item]``.
        units: cluster index per item, or None when the items are resampled one by one.
        level, n_boot, seed: of the intervals and resamples.
        method: of the intervals: ``"percentile"``, ``"bca"``, or ``"wilson"`` for credits of 0 and 1 of independent
            items.

    Raises:
        TtscaleError: an unknown method, or Wilson's for other credits or for clusters.
    """

    credit: np.ndarray
    units: np.ndarray | None
    level: float
    n_boot: int
    seed: int
    method: str = "percentile"

    def __post_init__(self) -> None:
        check_method(self.method)
        if self.method == "wilson":
            _check_plain(self.credit, self.units)

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
        """Intervals by the method, ``float64 [row]`` each end; Wilson's where all items agree."""
        rows = np.arange(len(self.credit))
        if self.method == "wilson":
            low, high = np.empty(len(rows)), np.empty(len(rows))
        else:
            level = level_of_few(self.level, self.n_units)
            if self.method == "bca":
                low, high = bca(self.replicates, self.accuracy, acceleration(self.credit, self.units), level)
            else:
                low, high = percentiles(self.replicates, level)
            rows = np.flatnonzero(self._agreed)
        for row in rows:
            low[row], high[row] = wilson(self.accuracy[row] * self.n_units, self.n_units, self.level)
        return low, high

    @cached_property
    def _agreed(self) -> np.ndarray:
        """Rows in which every item has the same credit, ``bool [row]``."""
        same: np.ndarray = (self.credit == self.credit[:, :1]).all(axis=1)
        return same

    def interval(self, row: int) -> Interval:
        """The mean of a row with its interval and how that was made."""
        low, high = (float(end[row]) for end in self.bounds)
        plain = self.method != "wilson" and self._agreed[row]
        words = f"Wilson's score interval over {self._over}, which all agree" if plain else self.method_words
        return Interval(float(self.accuracy[row]), low, high, self.level, words)

    @property
    def method_words(self) -> str:
        """The method in words, with what it resampled."""
        if self.method == "wilson":
            return f"Wilson's score interval over {self._over}"
        few = few_words(self.n_units)
        return f"{_WORDS[self.method]} over {self._over}, {self.n_boot} resamples{few}"

    @property
    def _over(self) -> str:
        return f"{self.n_units} {'items' if self.units is None else 'clusters of items'}"

    def minus(self, row: int, other: Resampled, other_row: int) -> Interval:
        """The mean of one row less that of another of the same items and resamples, paired by item.

        Its interval is BCa where this one's are, and of percentiles otherwise: a difference is no plain proportion.
        """
        credit = (self.credit[row] - other.credit[other_row])[None]
        value = float(mean_credit(credit)[0])
        difference = Resampled(
            credit, self.units, self.level, self.n_boot, self.seed, "bca" if self.method == "bca" else "percentile"
        )
        replicates = self.replicates[:, row] - other.replicates[:, other_row]
        corrected = (value, float(acceleration(credit, self.units)[0])) if self.method == "bca" else None
        bounds = difference_bounds(replicates, self.level, self.n_units, corrected=corrected)
        return Interval(value, *bounds, self.level, f"paired {difference.method_words}")

    def at_rows(self, rows: np.ndarray) -> Resampled:
        """Some of the rows, given by their positions."""
        return replace(self, credit=self.credit[rows])


def _check_plain(credit: np.ndarray, units: np.ndarray | None) -> None:
    """TtscaleError unless every credit is 0 or 1, of items that are independent."""
    shared = int(((credit > 1e-9) & (credit < 1 - 1e-9)).any(axis=0).sum())
    if units is None and not shared:
        return
    got = f"{shared} items with a share of the credit" if shared else "items in clusters"
    raise TtscaleError(
        "interval", expected="credits of 0 or 1 of independent items, for Wilson's interval of a plain proportion",
        got=got, fix='Use interval="bca" or "percentile".',
    )  # fmt: skip
