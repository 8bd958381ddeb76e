"""Teams of equally many models on every rung.

Where rungs have unlike numbers of training seeds, the k-th draw of a team is not the same thing on all of them: four
draws are two models with two views each here, and three models and a second view there. A law over such draws would
take the number of models for an effect of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ttscale.scaling.curves.combined import mean_curve
from ttscale.scaling.planning.options import Group, Option, average
from ttscale.scaling.strategy import Strategy


def team_size(option: Option) -> int:
    """How many different models an option draws from."""
    return len({draw[0] for draw in option.strategies[0][1].draws}) if option.strategies else 1


def of_equal_teams(options: Sequence[Option]) -> list[Option]:
    """Options of one kind, each of as many models as the smallest team has.

    A larger team is replaced by the mean over as many smaller ones as it has members: each member with those after it,
    so that every one is in equally many.
    """
    least = min(map(team_size, options))
    return [option if team_size(option) == least else _smaller(option, least) for option in options]


def _smaller(option: Option, size: int) -> Option:
    """An option of so many of its models."""
    records, whole = option.strategies[0]
    names, curve = list(dict.fromkeys(draw[0] for draw in whole.draws)), option.curve
    made = []
    for first in range(len(names)):
        some = [names[(first + i) % len(names)] for i in range(size)]
        turns = [(records, _of_members(whole, some[i:] + some[:i])) for i in range(size)]
        group = Group(curve.name, option.rung, curve.subject, turns, views=False, turns=True)
        interval = "percentile" if curve.resampled.method == "wilson" else curve.resampled.method
        settings: dict[str, Any] = {
            "n_boot": curve.n_boot,
            "seed": curve.seed,
            "ties": curve.ties,
            "interval": interval,
        }
        made.append(average(group, ci=curve.level, **settings))
    return Option(
        option.rung, mean_curve([one.curve for one in made], curve.name, subject=curve.subject),
        np.mean([one.train_flops for one in made], axis=0), tuple(pair for one in made for pair in one.strategies),
    )  # fmt: skip


def _of_members(whole: Strategy, names: Sequence[str]) -> Strategy:
    """The draws of some members alone, in their order: each view by all of them before the next."""
    of = {name: [draw for draw in whole.draws if draw[0] == name] for name in names}
    return replace(whole, draws=tuple(draw for together in zip(*of.values(), strict=True) for draw in together))
