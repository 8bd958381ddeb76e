"""Laws whose parameters somebody has published, to search like fitted ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.surfaces.fit import refit_interval
from ttscale.scaling.surfaces.laws import SURFACES
from ttscale.scaling.surfaces.points import Points


@dataclass(frozen=True, eq=False)
class Published:
    """A law of known parameters.

    Attributes:
        law: its name in ``SURFACES``.
        best: its parameters ``[p]``. replicates: other published ones, ``[boot, p]``, in the place of refits; without
            any there are no intervals.
        points: the corners of the ranges in which it is taken to hold.
        level: of the intervals over the other parameters.
    """

    law: str
    best: np.ndarray
    replicates: np.ndarray
    points: Points
    level: float

    def errors_at(self, parameters: np.ndarray, n: np.ndarray, d: np.ndarray, k: np.ndarray) -> np.ndarray:
        """As of :class:`ttscale.scaling.tradeoff.search.Surface`."""
        law, given = SURFACES[self.law], {"n": n, "d": d, "k": k}
        split = np.moveaxis(np.asarray(parameters, dtype=np.float64), -1, 0)
        return np.asarray(law.value(*(given[name] for name in law.inputs), *split))

    def predict(self, n: float | None = None, d: float | None = None, k: float | None = None) -> Interval:
        """The error there, with the percentiles of what the other parameters say of it."""
        at = [np.array(math.nan if x is None else x) for x in (n, d, k)]
        value, several = (self.errors_at(p, *at) for p in (self.best, self.replicates))
        return refit_interval(float(value), several, self.level, self.points.grouping)


def published(
    law: str, parameters: Mapping[str, float], *, n: tuple[float, float], d: tuple[float, float],
    k: tuple[float, float] = (1.0, 1.0), others: Sequence[Mapping[str, float]] = (), level: float = 0.95,
) -> Published:  # fmt: skip
    """A published law over ranges of its inputs.

    Args:
        law: a name in ``SURFACES``. parameters: by name; ``others``: further published sets, which give the intervals.
        n, d, k: the least and the most of each that it is asked about.

    Raises:
        TtscaleError: an unknown law, or parameters that are not its own.
    """
    if law not in SURFACES:
        raise unknown_name("law", law, SURFACES)
    names = SURFACES[law].names
    for one in (parameters, *others):
        if set(one) != set(names):
            raise TtscaleError(
                "parameters", expected=", ".join(names), got=", ".join(one) or "none", fix="Give each of them once."
            )
    rows = np.array([[float(one[name]) for name in names] for one in (parameters, *others)])
    corners = np.meshgrid(*(np.array(ends, dtype=np.float64) for ends in (n, d, k)), indexing="ij")
    inputs = tuple(x.ravel() for x in corners)
    points = Points(("n", "d", "k"), inputs, np.ones(8), np.arange(8), "sets of parameters")
    return Published(law, rows[0], rows[1:], points, level)
