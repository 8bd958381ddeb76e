"""Everything that takes part in a comparison at matched FLOPs: the options of all rungs, and their trained rivals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ttscale.scaling.intervals.crossfit import Contest
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.intervals.resampled import Resampled
from ttscale.scaling.planning.options import Option
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.training_noise import noise_between

_EQUAL = 1 + 1e-9


@dataclass(frozen=True, eq=False)
class Entrants:
    """Budgets of options as candidates.

    Attributes:
        rungs: by their keys, the rivals' too.
        options: in the order of the contest's curves.
        contest: every budget of every option of a rung; of a rival one plain decision.
        ways: of each candidate its way, ``int64 [candidate]``: the same size and strategy, whichever k and training
            budget (the same rung and strategy where all are of one size). One draw of any strategy is the same
            (but for a greedy answer), and the first draws of a product are an ensemble's.
    """

    rungs: Mapping[str, Rung]
    options: tuple[Option, ...]
    contest: Contest
    ways: np.ndarray

    @classmethod
    def of(cls, ladder: Sequence[Rung], rivals: Sequence[Rung], options: Sequence[Option]) -> Entrants:
        """Rivals take part where training was added to what they were made of; numeric formats and pruning leave
        accuracy and FLOPs about as they are, and would come second to themselves."""
        rungs = {rung.name: rung for rung in ladder}
        trained = {rung.name: rung for rung in rivals if _was_trained(rung, rungs)}
        part = [option for option in options if option.rung in rungs or option.rung in trained]
        rows = [np.arange(len(one.curve.budgets) if one.rung in rungs else 1) for one in part]
        contest = Contest.among([(option.curve, some) for option, some in zip(part, rows, strict=True)])
        everyone = rungs | trained
        several = len({rung.size for rung in everyone.values()}) > 1
        group = {name: rung.size if several else name for name, rung in everyone.items()}
        names = [
            (group[part[i].rung], _strategy(part[i], int(row))) for i, row in zip(contest.of, contest.row, strict=True)
        ]
        known = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return cls(everyone, tuple(part), contest, np.array([known[name] for name in names]))

    @cached_property
    def train_flops(self) -> np.ndarray:
        """Of every model that a candidate uses, ``float64 [candidate]``; NaN where unknown."""
        at = zip(self.contest.of, self.contest.row, strict=True)
        return np.array([self.options[i].train_flops[row] for i, row in at])

    def option(self, candidate: int) -> Option:
        return self.options[self.contest.of[candidate]]

    def rung(self, candidate: int) -> Rung:
        return self.rungs[self.option(candidate).rung]

    def within(self, flops: float, train_flops: float = math.inf) -> np.ndarray:
        """Which candidates cost no more, ``bool [candidate]``; those of unknown training under no limit alone."""
        cheap = self.contest.flops <= flops * _EQUAL
        return cheap if math.isinf(train_flops) else cheap & (self.train_flops <= train_flops * _EQUAL)

    def noise(self, chosen: Iterable[int], others: Iterable[int]) -> float:
        """Standard deviation that training seeds add to the difference of what each fold chose, and of the others."""
        return noise_between((self.rung(a), self.rung(b)) for a, b in zip(chosen, others, strict=True))

    def accuracy(self, credit: np.ndarray) -> Interval:
        """The mean of cross-fitted credits ``[item]`` with its interval over items."""
        curve = self.contest.curves[0]
        found = Resampled(credit[None], curve.units, curve.level, curve.n_boot, curve.seed).interval(0)
        return replace(found, method=f"cross-fitted choice, {found.method}")


def _was_trained(rival: Rung, rungs: Mapping[str, Rung]) -> bool:
    origin = rungs.get(rival.of)
    return origin is not None and rival.train_flops > origin.train_flops * (1 + 1e-6)


def _strategy(option: Option, row: int) -> tuple[str, str]:
    """The kind of what an option does with so many draws, and the vote."""
    curve, k = option.curve, int(option.curve.budgets[row])
    if k == 1 and curve.kind != "greedy":
        return "one draw", ""
    kind = "ensemble" if curve.kind == "product" and k <= len(curve.members) else curve.kind
    return kind, curve.vote
