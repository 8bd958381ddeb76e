"""The laws whose back-test does not tell them from the chosen one: what they answer instead is uncertainty as well."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from ttscale.scaling.fits.fitted import CONVERGED
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.surfaces.compared import missed
from ttscale.scaling.surfaces.fit import SurfaceFit

_CLOSE = 1.25  # times what the chosen one misses


def near(surface: SurfaceFit, inputs: Collection[str]) -> tuple[SurfaceFit, ...]:
    """The other candidates that depend on all of some inputs, converged as their refits did, and miss at most a quarter
    more by the measure that the law was chosen by (:func:`ttscale.scaling.surfaces.compared.missed`)."""
    own, *errors = missed((surface, *surface.candidates))
    return tuple(
        one
        for one, error in zip(surface.candidates, errors, strict=True)
        if (one.law, one.quantity) != (surface.law, surface.quantity)
        and set(inputs) <= set(one.definition.inputs)
        and one.status not in ("not_converged", "off_the_data")
        and one.backtest.converged >= CONVERGED
        and error <= _CLOSE * own < math.inf
    )


def over_laws(own: Interval, others: Sequence[Interval]) -> Interval:
    """The value of the chosen law with the ends of all intervals together, so that the choice of law is in them; an
    interval that is not known, of the others, is left out."""
    known = [one for one in others if not math.isnan(one.low)]
    if math.isnan(own.low) or not known:
        return own
    low, high = min(own.low, *(one.low for one in known)), max(own.high, *(one.high for one in known))
    return replace(own, low=low, high=high, method=f"{own.method}, of {len(known) + 1} laws together")
