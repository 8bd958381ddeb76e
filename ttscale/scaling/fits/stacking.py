"""A weighted average of laws: what they say together, each counting by how well it predicted what it had not seen.

Averaging predictions by their out-of-sample errors is stacking (Wolpert, "Stacked generalization", Neural Networks 5,
1992; Yao, Vehtari, Simpson and Gelman, "Using stacking to average Bayesian predictive distributions", Bayesian Analysis
13, 2018). The held-out budgets of one curve are few and correlated, too few for weights that are fitted freely. The
weights here are the odds that a law errs less than the best one does (:mod:`ttscale.scaling.fits.doubt`), so that laws
that the back-test cannot tell apart weigh nearly alike, divided by e for every parameter, as Akaike's are (Burnham and
Anderson, "Model selection and multimodel inference", 2002, §2.9).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttscale.scaling.fits.backtest import Backtest
from ttscale.scaling.fits.choice import pick
from ttscale.scaling.fits.doubt import Doubt, doubt_of
from ttscale.scaling.fits.fitted import Fitted
from ttscale.scaling.fits.forecast import Forecast
from ttscale.scaling.fits.points import Points

STACKED = "stacked"


@dataclass(frozen=True, eq=False)
class Stack:
    """Forecasts and their weights ``float64 [law]``, which are positive and sum to 1."""

    parts: tuple[Forecast, ...]
    weights: np.ndarray

    name = STACKED
    formula = "Σ weight · law"
    purpose = "all laws together, weighted by their back-tests"
    loss = STACKED
    forecasts = True

    @property
    def solved(self) -> tuple[Fitted, ...]:
        return tuple(law for part in self.parts for law in part.solved)

    @property
    def shares(self) -> dict[str, float]:
        """The weight of each law."""
        return {part.name: float(weight) for part, weight in zip(self.parts, self.weights, strict=True)}

    @property
    def points(self) -> Points:
        return self.parts[0].points

    @property
    def method(self) -> str:
        return self.parts[0].method

    def at(self, x: np.ndarray) -> np.ndarray:
        """Accuracy at ``x [k]``: ``float64 [k]``."""
        return sum((w * part.at(x) for w, part in zip(self.weights, self.parts, strict=True)), np.zeros(len(x)))

    def resampled_at(self, x: np.ndarray) -> np.ndarray:
        """The same for every resample, with these weights: ``float64 [boot, k]``."""
        return self._mean([part.resampled_at(x) for part in self.parts])

    @property
    def limit(self) -> float:
        """What it tends to with ever more draws; NaN where one of its laws, such as a logarithm, has no limit."""
        return float(self._mean([np.clip(part.limit, 0.0, 1.0) for part in self.parts]))

    @property
    def resampled_limits(self) -> np.ndarray:
        """The same for every resample: ``float64 [boot]``."""
        return self._mean([np.clip(part.resampled_limits, 0.0, 1.0) for part in self.parts])

    @property
    def has_limit(self) -> bool:
        """Whether what it tends to is decided by the data, in all of its laws."""
        return all(part.has_limit for part in self.parts)

    def _mean(self, of_parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.tensordot(self.weights, np.stack(of_parts), 1)


def weights_of(errors: np.ndarray, n_parameters: np.ndarray, doubt: Doubt) -> np.ndarray:
    """Weights of laws by their back-test errors ``[law]``, summing to 1; 0 where the error is NaN.

    Where the back-tests leave no doubt the laws of the least error share everything.
    """
    squares, sizes = np.square(np.asarray(errors, dtype=np.float64)), np.asarray(n_parameters)
    weights = doubt.odds(squares) * np.exp(sizes[np.isfinite(squares)].min() - sizes)
    return np.asarray(weights / weights.sum())


def stacked_backtest(backtests: Sequence[Backtest], n_parameters: np.ndarray) -> Backtest:
    """The back-test of the average of laws, by each law's own (all of them possible, on the same folds).

    The weights of a fold come from the folds of the other splits; where there is one split, from its other direction.
    (What one direction of a split overshoots the other one undershoots, so that weights from it alone are the wrong
    ones.) Other splits halve the same items in another way: their errors have seen this fold's items, yet all that they
    hand over is one weight per law. How unsure they are is found from all folds together.
    """
    doubt = doubt_of(backtests)
    return _nested(backtests, lambda errors: weights_of(errors, n_parameters, doubt))


def chosen_backtest(backtests: Sequence[Backtest], n_parameters: np.ndarray) -> Backtest:
    """The back-test of choosing a law: in every fold the one that is chosen by the folds of the other splits.

    The least of several errors is less than what the law that has it will err; by this one can see how much less.
    """
    doubt = doubt_of(backtests)
    return _nested(backtests, lambda errors: np.eye(len(errors))[pick(errors, n_parameters, doubt.margins(errors**2))])


def _nested(backtests: Sequence[Backtest], weigh: Callable[[np.ndarray], np.ndarray]) -> Backtest:
    """The back-test of the mean of laws, its weights found anew for each fold from the errors in others."""
    first = backtests[0]
    squares = np.array([b.squares for b in backtests])
    weights = np.stack(
        [weigh(np.sqrt(squares[:, rest].mean(axis=1))) for rest in _others(squares.shape[1] // 2)], axis=1
    )
    predicted, gain = (
        np.einsum("lf,lfk->fk", weights, np.stack(several))
        for several in ([b.predicted for b in backtests], [b.predicted_gain for b in backtests])
    )
    return replace(first, predicted=predicted, predicted_gain=gain, converged=min(b.converged for b in backtests))


def _others(n_splits: int) -> list[list[int]]:
    """For each fold the folds of the other splits; fold ``i + n_splits`` is the other direction of fold ``i``."""
    if n_splits == 1:
        return [[1], [0]]
    folds = range(2 * n_splits)
    return [[other for other in folds if (other - fold) % n_splits] for fold in folds]
