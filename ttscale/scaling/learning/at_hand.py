"""What a summary has computed, and a plan on the same Records need not compute again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.learning.policies import LearnedGroup
from ttscale.scaling.strategy import Strategy


@dataclass(frozen=True, eq=False)
class AtHand:
    """Made with the level, resamples, seed and selection of the plan.

    Attributes:
        curves: of single strategies. learned: about orders and weights.
    """

    curves: Sequence[Curve] = ()
    learned: Sequence[LearnedGroup] = ()

    def curve(self, strategy: Strategy) -> Curve | None:
        """The curve of these draws under this vote at all budgets, under the strategy's name; None where there is
        none in which tied answers share the credit, as in every plan."""
        for curve in self.curves:
            known = curve.strategy
            if known is not None and (known.draws, known.vote, len(curve.budgets), curve.ties) == (
                strategy.draws, strategy.vote, len(strategy.draws), "shared",
            ):  # fmt: skip
                return replace(
                    curve, name=strategy.name, kind=strategy.kind, subject=strategy.subject, strategy=strategy
                )
        return None
