"""Coverage forecast from its counts, averaged over populations of problems: nothing to solve for, and no parameter.

The posterior says of every population how likely it is (:mod:`ttscale.scaling.laws.populations`); the forecast is its
mean. For an interval each resample of the items has a posterior of its own, whose mean is that resample's forecast. The
means of these vary less than the truth may be off where the counts say little and the prior much: at a hundred times
the samples. There each of them is moved by the distance from the mean of a population drawn from the posterior, scaled
so that the variance is that of the posterior. Where items come in clusters the resamples vary more, and stay as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.fits.backtest import Folds
from ttscale.scaling.fits.fitted import Fitted, Fitting
from ttscale.scaling.fits.pairs import Pairs
from ttscale.scaling.fits.points import Points
from ttscale.scaling.laws.populations import FORMULA, NAME, PURPOSE, Populations, populations_for

_LOSSES = ("auto", "binomial")
_AT_ONCE = 1000  # resamples


@dataclass(frozen=True, eq=False)
class Averaged:
    """The populations, and how likely each of them is after the counts of a curve.

    Attributes:
        posterior: ``float64 [population]``, of sum 1.
    """

    populations: Populations = field(repr=False)
    points: Points
    posterior: np.ndarray = field(repr=False)

    name = NAME
    formula = FORMULA
    purpose = PURPOSE
    loss = "counts"
    forecasts = True
    limit = 1.0  # of every population: none has chances of 0, and no counts tell these from small ones
    has_limit = False

    @property
    def solved(self) -> tuple[Fitted, ...]:
        return ()

    @property
    def shares(self) -> dict[str, float]:
        """How likely each family of populations is."""
        return self.populations.of_families(self.posterior)

    @property
    def method(self) -> str:
        return f"percentiles of posterior means in {self.points.curve.n_boot} resamples, as wide as the posterior"

    @property
    def resampled_limits(self) -> np.ndarray:
        return np.ones(self.points.curve.n_boot)

    def at(self, x: np.ndarray) -> np.ndarray:
        """Coverage at ``x [k]``: ``float64 [k]``."""
        return np.asarray(self.posterior @ self.populations.shares @ self.populations.solved(x))

    def resampled_at(self, x: np.ndarray) -> np.ndarray:
        """The same for every resample: ``float64 [boot, k]``."""
        solved = self.populations.solved(x)
        means, every = self.refits @ solved, self.populations.shares @ solved
        apart = every - self.posterior @ every
        variance = np.maximum(self.posterior @ apart**2, np.finfo(float).tiny)
        more = np.sqrt(np.maximum(1.0 - means.var(axis=0) / variance, 0.0))
        return np.clip(means + more * apart[self._drawn], 0.0, 1.0)

    @cached_property
    def refits(self) -> np.ndarray:
        """The mean population after each resample of the items, ``float64 [boot, chance]``."""
        pairs, weights = self.points.pairs, self.points.pair_weights
        assert pairs is not None
        some = [weights[first : first + _AT_ONCE] for first in range(0, len(weights), _AT_ONCE)]
        return np.concatenate([_mean_populations(self.populations, pairs.n, pairs.c, rows) for rows in some])

    @property
    def _drawn(self) -> np.ndarray:
        """A population from the posterior for each resample, the same ones at every x: ``int64 [boot]``."""
        curve = self.points.curve
        rng = np.random.default_rng([curve.seed & 0xFFFFFFFFFFFFFFFF, len(self.posterior), curve.n_boot])
        return rng.choice(len(self.posterior), size=curve.n_boot, p=self.posterior)


@dataclass(frozen=True)
class OverPopulations:
    """Averages curves of coverage over all populations."""

    name = NAME
    needs = 2

    def check(self, how: Fitting) -> None:
        if how.loss not in _LOSSES:
            raise TtscaleError(
                "loss", expected=f"{' or '.join(_LOSSES)} for {NAME!r}, which is no law of the points",
                got=repr(how.loss), fix='Give "auto".',
            )  # fmt: skip

    def tries(self, points: Points, how: Fitting) -> bool:
        """Where coverage does not grow at all, a constant says so better: no posterior is sure that it will not."""
        return points.pairs is not None and how.loss in _LOSSES and points.varies

    def fit(self, points: Points, how: Fitting) -> Averaged:
        """The posterior after all counts of a curve; TtscaleError where it has none."""
        if points.pairs is None:
            raise TtscaleError(
                "law", expected=f"a curve with counts of right samples for {NAME!r}",
                got=f"{points.curve.name!r}, a curve of {points.of} without them",
                fix="Give ttscale.coverage_curve of one pool of samples, or a law of LAWS.",
            )  # fmt: skip
        pairs, weights = points.pairs, _all(points.pairs)
        every = populations_for(pairs.n, pairs.c, weights)
        return Averaged(every, points, every.posterior(pairs.n, pairs.c, weights[None])[0])

    def predict(self, folds: Folds, how: Fitting) -> tuple[np.ndarray, float]:
        """Coverage at every budget from the thinned counts of each fold, ``float64 [fold, k]``, and 1.

        The grid is one for all folds: that of counts like theirs, half as many, so that every fold's posterior lies
        well within it.
        """
        n, c, weights = folds.thinned
        every = populations_for(n, c, 0.5 * weights.mean(axis=0))
        return _mean_populations(every, n, c, weights) @ every.solved(folds.points.x), 1.0


def _all(pairs: Pairs) -> np.ndarray:
    """How many items have each pair, ``float64 [pair]``."""
    return pairs.weights(np.ones(len(pairs.of_item), dtype=bool))


def _mean_populations(populations: Populations, n: np.ndarray, c: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Shares of the chances after counts of each ``weights [row, pair]``: ``float64 [row, chance]``."""
    return np.asarray(populations.posterior(n, c, weights) @ populations.shares)
