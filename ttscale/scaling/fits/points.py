"""What of a curve a law is fitted to: budgets spaced evenly in log k, their covariance, and the counts behind them.

Of a curve with every budget from 1 to 80, sixty lie in the last two doublings: they share nearly all their draws and
so tell little more than a few of them, yet would outweigh the budgets where accuracy changes; and the covariance of so
many correlated points is so nearly singular that weighted least squares can leave the points altogether (Fröhner,
"Assigning uncertainties to scientific data", Nucl. Sci. Eng. 126 (1997), on Peelle's pertinent puzzle).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.fits.covariance import mean_covariance
from ttscale.scaling.fits.pairs import Pairs, pairs_of
from ttscale.scaling.intervals.bootstrap import bootstrap_means

_PER_DOUBLING = 2  # budgets fitted
_AT_LEAST = 9  # budgets fitted, where the curve has them
_COVERAGE = "coverage"  # the vote of a curve of coverage


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a curve that laws are fitted to.

    Attributes:
        curve: at the budgets fitted.
        unit: what laws are a function of: ``"draws"``, or ``"multiplier"`` (cost in units of the first draw's).
        x: ``float64 [k]``.
        of: what the curve shows: ``"accuracy"`` or ``"coverage"``.
    """

    curve: Curve
    unit: str
    x: np.ndarray
    of: str
    pairs: Pairs | None = field(repr=False)

    @property
    def y(self) -> np.ndarray:
        return self.curve.accuracy

    @cached_property
    def covariance(self) -> np.ndarray:
        """Of ``y`` over items, with the Monte Carlo error of its estimation, ``float64 [k, k]``."""
        return mean_covariance(self.curve.credit, self.curve.units) + self.monte_carlo

    @cached_property
    def monte_carlo(self) -> np.ndarray:
        """Variance of each point that comes from drawing subsets of the samples at random, ``float64 [k, k]``."""
        error = self.curve.sampling_error
        return np.zeros((len(self.x),) * 2) if error is None else np.diag(np.square(error))

    @cached_property
    def pair_weights(self) -> np.ndarray:
        """How many items of each resample have each pair of counts, ``float64 [boot, pair]``."""
        assert self.pairs is not None
        curve = self.curve
        share = bootstrap_means(self.pairs.members, units=curve.units, n_boot=curve.n_boot, seed=curve.seed)
        return share * curve.n_items

    @property
    def varies(self) -> bool:
        """Whether accuracy changes with the budget."""
        return float(((self.y - self.y.mean()) ** 2).sum()) > 1e-24 * len(self.y)

    @property
    def all_agree(self) -> bool:
        """Whether all items have the same credit at each budget, so that resamples show no spread at all."""
        return bool((self.curve.credit == self.curve.credit[:, :1]).all())


def points_of(curve: Curve) -> Points:
    """The points of a curve that laws are fitted to.

    Raises:
        TtscaleError: no curve, budgets that do not increase, fewer than two of them, or an accuracy that is undefined.
    """
    _check(curve)
    rows = log_spaced(curve.budgets)
    unit, x = _abscissa(curve)
    counted = unit == "draws" and curve.counts is not None
    of = _COVERAGE if curve.vote == _COVERAGE or counted else "accuracy"
    pairs = pairs_of(curve.counts) if counted and curve.counts is not None else None
    return Points(curve.at_rows(rows), unit, x[rows], of, pairs)


def log_spaced(budgets: np.ndarray) -> np.ndarray:
    """Rows of the budgets nearest to points spaced evenly in log k, the first and the last among them: ``int [row]``.

    There are two points per doubling, or more where the budgets would otherwise give fewer than 9.
    """
    n = max(_AT_LEAST, 1 + math.ceil(_PER_DOUBLING * math.log2(budgets[-1] / budgets[0])))
    wanted = np.geomspace(budgets[0], budgets[-1], n)
    return np.unique(np.abs(np.log(budgets[:, None] / wanted)).argmin(axis=0))


def _abscissa(curve: Curve) -> tuple[str, np.ndarray]:
    """k itself, or cost relative to the first draw where draws differ in cost by more than 5 % (ensembles of sizes).

    Draws of text are always counted: a prompt paid once makes the first dearer, and a law in cost no law in draws.
    """
    if curve.tokens is not None:
        return "draws", curve.budgets.astype(np.float64)
    per_draw = np.diff(curve.flops, prepend=0.0) / np.diff(curve.budgets, prepend=0)
    if np.isfinite(per_draw).all() and (per_draw > 0).all() and per_draw.max() > 1.05 * per_draw.min():
        return "multiplier", curve.flops / per_draw[0]
    return "draws", curve.budgets.astype(np.float64)


def _check(curve: Curve) -> None:
    if not isinstance(curve, Curve):
        raise TtscaleError(
            "curve", expected="a Curve", got=type(curve).__name__, fix="Make one with ttscale.accuracy_curve(records)."
        )
    budgets = np.asarray(curve.budgets)
    if len(budgets) < 2:
        raise TtscaleError(
            "curve", expected="at least 2 budgets", got=str(len(budgets)),
            fix="Collect more draws per item, or add members.",
        )  # fmt: skip
    if budgets[0] < 1 or (np.diff(budgets) <= 0).any():
        raise TtscaleError(
            "curve", expected="budgets of at least 1 that increase, each once", got=f"budgets {budgets.tolist()}",
            fix="Sort them and leave out what is double.",
        )  # fmt: skip
    if np.isnan(curve.credit).any():
        undefined = budgets[np.isnan(curve.credit).any(axis=1)].tolist()
        raise TtscaleError(
            "curve", expected="an accuracy of every item at every budget", got=f"NaN at budgets {undefined}",
            fix="Compute the curve up to the least number of samples that an item has.",
        )  # fmt: skip
