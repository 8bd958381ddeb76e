"""The curves of a run that laws are fitted to: of images per size, of text per strategy with its coverage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ttscale.records.records import Records
from ttscale.scaling.curves.coverage import coverage_curve
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.planning.candidates import candidates, compared_votes, plan_votes
from ttscale.scaling.planning.options import averages, of_all
from ttscale.scaling.strategy import without_vote
from ttscale.voting.votes import DEFAULT, resolve


def run_curves(records: Records, *, vote: str = "auto", **settings: Any) -> list[Curve]:
    """Every curve of more than one budget.

    Of images per size the views, the ensemble and its product with the views, the same of all members, means over
    training seeds. Of text those of :func:`text_curves`, and the coverage of each set of draws once; those of a perfect
    checker are their own coverage, and stand for nothing else.

    Args:
        settings: of every curve, as for :func:`ttscale.scaling.curves.curve.accuracy_curve`.
    """
    chosen = resolve(vote, records.vote_kind)
    if records.outcome != "text":
        curves = [option.curve for option in averages(records, vote=chosen, **settings)]
        curves += [accuracy_curve(records, strategy, **settings) for strategy in of_all(records, chosen)]
        return [curve for curve in curves if len(curve.budgets) > 1]
    curves = [curve for curve in text_curves(records, vote=chosen, **settings) if len(curve.budgets) > 1]
    draws = {curve.strategy.draws: without_vote(curve.strategy) for curve in curves if curve.strategy is not None}
    voted = [curve for curve in curves if curve.vote != DEFAULT["verdicts"]]
    plain = untied(settings)
    return [*voted, *(coverage_curve(records, strategy, **plain) for strategy in draws.values())]


def untied(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of curves without the tie rule, for what no tie touches."""
    return {name: value for name, value in settings.items() if name != "ties"}


def text_curves(
    records: Records, *, vote: str, on_progress: Callable[[float], None] = lambda share: None, **settings: Any
) -> list[Curve]:
    """Of text, the curves of all candidates under the vote, and of those of the main decoding and the ensemble under
    every vote that can be compared with it."""
    votes = tuple(dict.fromkeys((vote, *plan_votes(records), *compared_votes(records))))
    wanted = candidates(records, votes=votes)
    curves = []
    for number, strategy in enumerate(wanted, 1):
        curves.append(accuracy_curve(records, strategy, **settings))
        on_progress(number / len(wanted))
    return curves
