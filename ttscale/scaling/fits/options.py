"""What an analysis was told about laws, and the fit of a curve by it."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.fits.fit_law import Fit, fit_law, log_spaced, needed_budgets
from ttscale.scaling.fits.fitted import DELTA


@dataclass(frozen=True)
class LawOptions:
    """``law``, ``loss`` and ``delta`` of :func:`ttscale.scaling.fits.fit_law.fit_law`."""

    law: str = "auto"
    loss: str = "auto"
    delta: float = DELTA

    def possible(self, curve: Curve) -> bool:
        """Whether a curve has budgets enough."""
        return len(log_spaced(curve.budgets)) >= needed_budgets(self.law)

    def fit(self, curve: Curve) -> Fit:
        return fit_law(curve, self.law, loss=self.loss, delta=self.delta)
