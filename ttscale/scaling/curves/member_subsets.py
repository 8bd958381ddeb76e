"""Ensembles of exchangeable members, averaged over which of them a budget takes.

Members that differ in their training seed alone are exchangeable, as the samples of a language model are: the accuracy
of r of m members is the mean over every subset of r of them, not that of those named first. Where each member sees
several views, all members see a view before any sees the next, and the subsets are of those that have seen the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.credits import chunks, laid_out
from ttscale.scaling.curves.curve import Curve, curve_of_strategy
from ttscale.scaling.curves.estimate import Estimate
from ttscale.scaling.curves.image_costs import image_costs
from ttscale.scaling.curves.sampled_credits import ORDERS, sampled_credits
from ttscale.scaling.curves.text_costs import budget_costs, plain_cost
from ttscale.scaling.strategy import Strategy
from ttscale.voting.decisions import credit
from ttscale.voting.merges import Vote, get_vote

MOST_SUBSETS = 1024
SAMPLED = 64  # subsets of a budget that has more, where all together are too many


def member_credits(
    records: Records, strategy: Strategy, budgets: np.ndarray, *, seed: int = 0, ties: str = "shared"
) -> Estimate:
    """Credits of a strategy of exchangeable members over all subsets of them.

    Exact where the budgets have up to ``MOST_SUBSETS`` subsets between them; else a budget that has more than
    ``SAMPLED`` is the mean over so many different ones, drawn by the seed, with its standard error.

    Args:
        strategy: every view by each member in turn. budgets: increasing, at most its number of draws.

    Raises:
        TtscaleError: draws in another order; outcomes that are not normalised log-probabilities.
    """
    if records.outcome == "text":
        return sampled_credits(records, strategy, budgets, seed=seed, ties=ties, orders=ORDERS, exchange=True)
    members, views = strategy.members, _views(strategy)
    wanted = {int(k): _subsets(len(members), int(k), budgets, seed) for k in budgets}
    for member in members:
        records.check(member)
    totals = {k: np.zeros(len(subsets)) for k, subsets in wanted.items()}
    out = np.zeros((len(budgets), records.n_items))
    row_of = {int(k): row for row, k in enumerate(budgets)}
    at = {variant: position for position, variant in enumerate(records.variants)}
    rule = get_vote(strategy.vote)
    for items in chunks(records):
        stored = {member: records.log_probs(member, items) for member in members}
        drawn = [[rule.read(_wide(stored[member][:, at[view]])) for member in members] for view in views]
        for k, number, scores in _merged(rule, drawn, wanted):
            earned = credit(scores, records.labels[items])
            earned = np.floor(earned) if ties == "strict" else earned
            out[row_of[k], items] += earned / len(wanted[k])
            totals[k][number] += earned.sum()
    possible = [math.comb(len(members), _last(int(k), len(members))) for k in budgets]
    errors = [_error(totals[int(k)] / records.n_items, some) for k, some in zip(budgets, possible, strict=True)]
    every = all(len(wanted[int(k)]) == some for k, some in zip(budgets, possible, strict=True))
    words = "exact over all subsets of the members" if every else f"mean over {SAMPLED} subsets of the members"
    return Estimate(out, np.array(errors), words)


def members_curve(
    records: Records, turns: Sequence[Strategy], budgets: np.ndarray, *, name: str, subject: str, level: float,
    n_boot: int, seed: int, ties: str = "shared", interval: str = "percentile",
) -> Curve:  # fmt: skip
    """The curve of exchangeable members over all subsets of them, at the mean cost of their orders.

    Args:
        turns: the strategy with each member at the head in turn, so that each is as often at every place.
    """
    found = member_credits(records, turns[0], budgets, seed=seed, ties=ties)
    curve = curve_of_strategy(
        records, turns[0], budgets, found, reference=None, level=level, n_boot=n_boot, seed=seed, name=name, ties=ties,
        interval=interval,
    )  # fmt: skip
    costs: list[dict[str, Any]]
    if records.outcome == "text":
        costs = [vars(budget_costs(records, one, budgets)) for one in turns]
        plain = [plain_cost(records, one.members[0])[0] for one in turns]
    else:
        costs = [image_costs(records, one, budgets) for one in turns]
        plain = [records.draw_flops(one.members[0], records.variants[0]) for one in turns]
    mean = {
        part: None if values is None else np.mean([cost[part] for cost in costs], axis=0)
        for part, values in costs[0].items()
    }
    one = float(np.mean(plain))
    flops = np.asarray(mean["flops"])
    worst = np.max([cost.get("flops_worst", cost["flops"]) for cost in costs], axis=0)
    multiplier = flops / one if one > 0 else np.full(len(flops), math.nan)
    known = {**mean, "flops_worst": worst, "multiplier": multiplier, "reference_flops": one}
    return replace(curve, subject=subject, strategy=None, **known)


def _views(strategy: Strategy) -> list[str]:
    """The views in turn; TtscaleError unless every member sees each before the next is begun."""
    members, draws = strategy.members, [(draw[0], draw[1]) for draw in strategy.draws]
    views = [draw[1] for draw in draws[:: len(members)]]
    if draws != [(member, view) for view in views for member in members]:
        raise TtscaleError(
            "strategy", expected="every view by each member in turn", got=repr(strategy.name),
            fix="Make it with ensemble or product.",
        )  # fmt: skip
    return views


def _last(k: int, n_members: int) -> int:
    """How many members have seen the last view of a budget."""
    return (k - 1) % n_members + 1


def _subsets(n_members: int, k: int, budgets: np.ndarray, seed: int) -> list[tuple[int, ...]]:
    """Which members have seen the last view of a budget, each of the subsets that are averaged over."""
    size = _last(k, n_members)
    together = sum(math.comb(n_members, _last(int(one), n_members)) for one in budgets)
    count = math.comb(n_members, size)
    if together <= MOST_SUBSETS or count <= SAMPLED:
        return list(combinations(range(n_members), size))
    rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, n_members, size])
    chosen: dict[tuple[int, ...], None] = {}
    while len(chosen) < SAMPLED:
        chosen[tuple(sorted(rng.choice(n_members, size, replace=False).tolist()))] = None
    return list(chosen)


def _merged(
    rule: Vote, drawn: Sequence[Sequence[Any]], wanted: dict[int, list[tuple[int, ...]]]
) -> Iterator[tuple[int, int, np.ndarray]]:
    """The log-scores of each subset: the budget, the subset's number, and ``float64 [item, class]``."""
    before = None
    for view, states in enumerate(drawn):
        for k, subsets in wanted.items():
            if (k - 1) // len(states) != view:
                continue
            held: list[tuple[int, Any]] = []  # the members of the last subset and the state of each of its beginnings
            for number, subset in enumerate(subsets):
                while held and [member for member, _ in held] != list(subset[: len(held)]):
                    held.pop()
                for member in subset[len(held) :]:
                    state = held[-1][1] if held else before
                    held.append((member, states[member] if state is None else rule.add(state, states[member])))
                yield k, number, rule.score(held[-1][1], k)
        for state in states:
            before = state if before is None else rule.add(before, state)


def _error(accuracy: np.ndarray, possible: int) -> float:
    """Standard error of the mean over different subsets of so many, of each of which the accuracy is given."""
    n = len(accuracy)
    return 0.0 if n == possible else float(accuracy.std(ddof=1) * math.sqrt((1 - n / possible) / n))


def _wide(log_probs: np.ndarray) -> np.ndarray:
    return laid_out(log_probs).astype(np.float64)
