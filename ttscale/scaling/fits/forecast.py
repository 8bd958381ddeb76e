"""What a forecast is: a law with its parameters, an average of laws, or one over populations of problems."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ttscale.scaling.fits.fitted import Fitted
from ttscale.scaling.fits.points import Points


class Forecast(Protocol):
    """Accuracy at any budget, from the points of a curve, and from every resample of them."""

    @property
    def name(self) -> str: ...

    @property
    def formula(self) -> str: ...

    @property
    def purpose(self) -> str:
        """One phrase."""
        ...

    @property
    def points(self) -> Points: ...

    @property
    def loss(self) -> str:
        """How it was fitted; see :class:`ttscale.scaling.fits.fit.Fit`."""
        ...

    @property
    def method(self) -> str:
        """How its intervals are made, in words."""
        ...

    @property
    def forecasts(self) -> bool:
        """Whether it may be chosen, or averaged, for a curve of this kind."""
        ...

    @property
    def solved(self) -> tuple[Fitted, ...]:
        """The laws in it, whose parameters were solved for."""
        ...

    @property
    def shares(self) -> dict[str, float]:
        """Of what it is an average of, by name; a law has none."""
        ...

    @property
    def limit(self) -> float:
        """What it tends to with ever more draws; NaN where it tends to nothing."""
        ...

    @property
    def resampled_limits(self) -> np.ndarray:
        """The same for every resample, ``float64 [boot]``."""
        ...

    @property
    def has_limit(self) -> bool:
        """Whether what it tends to is decided by the data, and not by its form alone."""
        ...

    def at(self, x: np.ndarray) -> np.ndarray:
        """Accuracy at ``x [k]``, within [0, 1]: ``float64 [k]``."""
        ...

    def resampled_at(self, x: np.ndarray) -> np.ndarray:
        """The same for every resample: ``float64 [boot, k]``."""
        ...


def alone(forecast: Forecast) -> Fitted | None:
    """The law with parameters to read; None of an average."""
    return None if forecast.shares else forecast.solved[0]
