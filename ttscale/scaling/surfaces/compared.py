"""By what fits of surfaces are compared: the one rule by which a law is chosen, and by which others are near it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale.scaling.surfaces.fit import SurfaceFit
from ttscale.scaling.surfaces.quantity import error_of


def missed(fits: Sequence[SurfaceFit]) -> list[float]:
    """What each of some fits missed on cells left out, in one unit, so that they can be compared.

    Of ln y where all were fitted to the error itself. Otherwise in the error's own unit: logarithms of unlike
    quantities do not compare, and those of −ln(accuracy) or odds weigh errors by a scale that nobody asked for. Where
    no cell could be left out: the residuals in the error's own unit, by the degrees of freedom that the law leaves. ∞
    without any.
    """
    plain = any(fit.quantity != "error" for fit in fits)
    return [_missed(fit, plain) for fit in fits]


def _missed(fit: SurfaceFit, plain: bool) -> float:
    if fit.backtest.cells:
        error = fit.backtest.error_ranking if plain else fit.backtest.ranking
        return error if math.isfinite(error) else math.inf
    free = len(fit.points.y) - len(fit.params)
    n, d, k = (dict(zip(fit.points.names, fit.points.inputs, strict=True)).get(name) for name in ("n", "d", "k"))
    residual = fit.errors(n, d, k) - error_of(fit.quantity, fit.points.y)
    return math.sqrt(float((residual**2).sum()) / free) if free > 0 else math.inf
