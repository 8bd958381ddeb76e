"""How much each draw counts, and how sure it is taken to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Weighting:
    """Weights and temperatures of the draws of one budget.

    Attributes:
        weights: ``float64 [draw]``, or ``[draw, class]`` where a draw counts differently for each class: not negative,
            of sum 1 over the draws.
        temperatures: ``float64 [draw]``: each draw's log-probabilities are divided by its temperature and normalised
            again before they are merged; None: as they are.
        temperature: the same for the merged log-scores. It changes how sure the vote is, never what it decides.
    """

    weights: Any
    temperatures: Any = None
    temperature: float = 1.0
