"""How much each draw counts, and how sure it is taken to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError

_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Weighting:
    """Weights and temperatures of the draws of one budget.

    Attributes:
        weights: ``float64 [draw]``, or ``[draw, class]`` where a draw counts differently for each class: not negative,
            of sum 1 over the draws; None: all alike.
        temperatures: ``float64 [draw]``: each draw's log-probabilities are divided by its temperature and normalised
            again before they are merged; None: as they are.
        temperature: the same for the merged log-scores. It changes how sure the vote is, never what it decides.
    """

    weights: Any = None
    temperatures: Any = None
    temperature: float = 1.0

    @property
    def decides_alike(self) -> bool:
        """Whether every decision is that of the unweighted vote."""
        return self.weights is None and self.temperatures is None


def check_weighting(weighting: Weighting, n_draws: int, n_classes: int | None = None) -> None:
    """Refuse a weighting that is not one of so many draws (and classes, where their number is given).

    Raises:
        TtscaleError: another shape, a negative weight, weights that do not add up to 1, or a temperature that is not
            a positive number.
    """
    if weighting.weights is not None:
        weights = np.asarray(weighting.weights, dtype=np.float64)
        classes = weights.shape[1:] if n_classes is None else (n_classes,)
        if weights.shape not in ((n_draws,), (n_draws, *classes)) or weights.ndim > 2:
            raise _wrong(f"weights of {n_draws} draws, one each or one a class", f"shape {weights.shape}")
        if not (weights >= 0).all() or (np.abs(weights.sum(axis=0) - 1) > _SUM_TOLERANCE).any():
            raise _wrong("weights that are not negative and add up to 1 over the draws", f"{weights.tolist()}")
    if weighting.temperatures is not None:
        temperatures = np.asarray(weighting.temperatures, dtype=np.float64)
        if temperatures.shape != (n_draws,) or not _positive(temperatures):
            raise _wrong(f"a positive temperature for each of {n_draws} draws", f"{temperatures.tolist()}")
    if not _positive(np.asarray(weighting.temperature, dtype=np.float64)):
        raise _wrong("a positive temperature", f"{weighting.temperature}")


def _positive(values: np.ndarray) -> bool:
    return bool((np.isfinite(values) & (values > 0)).all())


def _wrong(expected: str, got: str) -> TtscaleError:
    return TtscaleError("weighting", expected=expected, got=got, fix="Learn it again, or leave it out.")
