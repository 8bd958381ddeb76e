"""Where test-time compute stops paying: what a rung's draws can reach, and the budget from which more buy nothing sure.

Three readings of each rung. The smallest budget k from which on twice as many draws are not surely better: the paired
interval of accuracy(2k) − accuracy(k) reaches 0. Of sampled answers, the limit of the vote
(:mod:`ttscale.scaling.limits.limit`), which needs no law. And, only where the last doubling still pays, the fitted
law's value with draws without end, if it is no farther from the last measured point than the law misses what it has not
seen. A law may say by its form alone where draws end (``by_form``: they remove all reducible error, or act like a
larger model), and is then no evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.intervals.interval import Interval, undefined
from ttscale.scaling.limits.limit import vote_limit
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import accuracy_words, count_words, points_words
from ttscale.scaling.surfaces.fit import SurfaceFit, refit_interval
from ttscale.scaling.surfaces.laws import form_of
from ttscale.scaling.surfaces.near import near, over_laws
from ttscale.scaling.tradeoff.ladder import Rung

_PLATEAUS = ("additive_draws", "draws_share", "draws_power")  # forms that say where draws end


@dataclass(frozen=True)
class Ceiling:
    """What test-time compute can reach on one rung.

    Attributes:
        rung: its name.
        law: accuracy by the law with draws without end, the interval over the laws of nearly as good a back-test too;
            NaN where that says nothing. by_form: whether that is for the law's form: it has no limit, or but its floor.
        vote: of sampled answers, the mean limit of the vote over the rung's seeds; None of images and coverage.
        stops: the smallest budget from which on no doubling that was measured is surely better; None where the last
            one is.
        last: accuracy at twice that budget minus at it, or of the last doubling, as a fraction.
        text: the same in a sentence.
    """

    rung: str
    law: Interval
    by_form: bool
    vote: Interval | None
    stops: int | None
    last: Interval
    text: str


def ceiling(
    rung: Rung, curve: Curve, surface: SurfaceFit | None, d: float, *, option: Option | None = None, seed: int = 0
) -> Ceiling:
    """The ceiling of one rung.

    Args:
        curve: of the kind of strategy that the surface is of. d: the rung's data in the unit of the surface.
        surface: None where no law describes the grid.
        option: of sampled answers under a vote, to find its limit; None to leave that out.
    """
    vote = None if option is None else _vote(option, curve, seed)
    stops, last = stops_paying(curve)
    by_form = surface is not None and form_of(surface.definition) not in _PLATEAUS
    law = undefined(curve.level)
    if surface is not None and not by_form and stops is None:
        law = _limit(rung, curve, surface, d)
    return Ceiling(rung.name, law, by_form, vote, stops, last, _words(rung, curve, law, vote, stops, last))


def _limit(rung: Rung, curve: Curve, surface: SurfaceFit, d: float) -> Interval:
    """The accuracy that draws without end reach by the law; NaN where that is farther from the last measured point
    than the law misses cells left out."""
    own = _reached(rung, surface, d)
    others = [_reached(rung, one, d) for one in near(surface, ("k",)) if form_of(one.definition) in _PLATEAUS]
    if not abs(own.value - float(curve.accuracy[-1])) <= surface.backtest.error_ranking:
        return undefined(surface.level)
    return over_laws(own, others)


def _reached(rung: Rung, surface: SurfaceFit, d: float) -> Interval:
    at = (rung.n_params, d, math.inf)
    value, refits = 1.0 - float(surface.errors(*at)), 1.0 - surface.errors(*at, refits=True)
    return refit_interval(value, refits, surface.level, surface.points.grouping)


def stops_paying(curve: Curve) -> tuple[int | None, Interval]:
    """The smallest budget from which on no doubling is surely better, with its doubling's difference; None, with the
    last difference, where the last one is. NaN where the curve holds no budget with its double."""
    budgets = curve.budgets
    rows = [(row, int(np.flatnonzero(budgets == 2 * k)[0])) for row, k in enumerate(budgets) if 2 * k in budgets]
    rows = [(row, double) for row, double in rows if not _changes_nothing(curve, int(budgets[row]))]
    found: tuple[int | None, Interval] = None, undefined(curve.level)
    for row, double in reversed(rows):
        difference = curve.resampled.minus(double, curve.resampled, row)
        if difference.low > 0:
            return found if found[0] is not None else (None, difference)
        found = int(budgets[row]), difference
    return found


def _changes_nothing(curve: Curve, k: int) -> bool:
    """Whether a doubling is no test: a plurality of two answers is as good as one."""
    return k == 1 and curve.tokens is not None and curve.vote == "plurality"


def _vote(option: Option, curve: Curve, seed: int) -> Interval | None:
    """The mean of the limits over the rung's seeds; its interval as if each seed's were independent of the items that
    they share would be too narrow, so that their ends are averaged."""
    found = [
        vote_limit(records, strategy, ci=curve.level, n_boot=curve.n_boot, seed=seed).interval
        for records, strategy in option.strategies
    ]
    value, low, high = (float(np.mean([getattr(one, end) for one in found])) for end in ("value", "low", "high"))
    return Interval(value, low, high, curve.level, f"mean over {len(found)} seeds, {found[0].method}")


def _words(
    rung: Rung, curve: Curve, law: Interval, vote: Interval | None, stops: int | None, last: Interval
) -> str:  # fmt: skip
    parts = []
    if vote is not None and math.isfinite(vote.value):
        parts.append(f"the vote ends at {accuracy_words(vote)}")
    if stops is not None:
        parts.append(f"from {count_words(stops, 'draw')} on twice as many are not surely better: {points_words(last)}")
    elif math.isfinite(last.value):
        parts.append(f"the last doubling measured still pays: {points_words(last)}")
    if math.isfinite(law.value):
        parts.append(f"beyond the {curve.budgets[-1]} draws measured, by the law, no more than {accuracy_words(law)}")
    return f"{rung.name}: {'; '.join(parts) or 'nothing is known of where draws end'}."
