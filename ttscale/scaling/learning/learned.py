"""Ensembles of language models whose shares of the draws follow from costs, or were learned from labels.

Learned shares are a choice by accuracy, and no label may be used for it twice: :func:`cross_fitted_team` is to be
shown, :func:`planned_curve` to be chosen by a plan, both as :mod:`ttscale.scaling.learning.crossed` describes.

The weights are those of :mod:`ttscale.scaling.learning.weights`, best with ever more samples; at finite budgets each
member takes its share of the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.coverage import COVERAGE, coverage_credits, interval_of
from ttscale.scaling.curves.curve import Curve, curve_of_strategy
from ttscale.scaling.curves.estimate import EXACT, Estimate
from ttscale.scaling.curves.sampled_credits import sampled_credits, vote_possible
from ttscale.scaling.curves.text_costs import budget_costs
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.learning.crossed import credit_by_part, planning_parts, with_costs
from ttscale.scaling.learning.weights import CrossFitted, answer_shares, cross_fitted, learn_weights
from ttscale.scaling.strategy import Strategy


@dataclass(frozen=True, eq=False)
class Team:
    """An ensemble of learned shares, cross-fitted.

    Attributes:
        curve, coverage: over both halves, each under the shares that the other half learned, with their costs;
            ``strategy`` is that of the shares learned on all items.
        ceiling: accuracy of the weighted vote over all draws collected, cross-fitted.
    """

    curve: Curve
    coverage: Curve
    ceiling: Interval


def team_pools(records: Records) -> list[sampled.Pool]:
    """Of each member the plain prompt under the main decoding."""
    return [(member.name, records.variants[0], sampled.main_decoding(records)) for member in records.members]


def can_share(records: Records) -> bool:
    """Whether there are several members with several samples each, to share draws among."""
    held = records.graded().pools
    wanted = team_pools(records)
    return len(wanted) > 1 and all(len(held.get(pool, ())) > 1 for pool in wanted)


def equal_compute(records: Records) -> np.ndarray | None:
    """Shares that spend as many FLOPs on each member, ``float64 [member]``; None where these are not known."""
    graded = records.graded()
    held = graded.pools
    each = np.array([graded.flops[:, held[pool]].mean() for pool in team_pools(records)])
    return (1 / each) / (1 / each).sum() if np.isfinite(each).all() and (each > 0).all() else None


def team(records: Records, shares: np.ndarray, *, kind: str, vote: str) -> Strategy:
    """All members with these shares of the draws, ``[member]``."""
    names = [member.name for member in records.members]
    given = dict(zip(names, shares.tolist(), strict=True))
    return sampled.ensemble(records, names, vote=vote, shares=given, subject="all", kind=kind)


def learn_cross_fitted(records: Records, *, seed: int) -> CrossFitted:
    """Weights of the members learned on each half of the items, and on all."""
    graded = records.graded()
    first = first_half(records.item_ids, records.clusters, seed=seed)
    return cross_fitted(answer_shares(graded, team_pools(records)), graded.correct, first)


def cross_fitted_team(
    records: Records, learned: CrossFitted, *, vote: str, ci: float, n_boot: int, seed: int, ties: str = "shared",
    interval: str = "percentile",
) -> Team | None:  # fmt: skip
    """The ensemble of learned shares as a summary shows it.

    Args:
        learned: from :func:`learn_cross_fitted` with the same seed.

    Returns:
        None where the vote needs a score that not every member has.
    """
    first = first_half(records.item_ids, records.clusters, seed=seed)
    whole, *halves = (team(records, w, kind="learned", vote=vote) for w in (learned.weights, *learned.halves))
    if not vote_possible(records, replace(whole, draws=_all_draws(records))):
        return None
    parts = [(halves[0], ~first), (halves[1], first)]
    budgets = np.arange(1, min(len(one.draws) for one in (whole, *halves)) + 1)

    def curve(found: Estimate, **described: str) -> Curve:
        made = curve_of_strategy(
            records, whole, budgets, found, reference=None, level=ci, n_boot=n_boot, seed=seed,
            interval=interval, **described,
        )  # fmt: skip
        costs = [budget_costs(records.take(np.flatnonzero(items)), one, budgets) for one, items in parts]
        made = with_costs(made, parts, [asdict(cost) for cost in costs])
        return replace(made, members=tuple(member.name for member in records.members))

    return Team(
        curve(_sampled(records, parts, budgets, seed, ties), ties=ties),
        curve(
            Estimate(
                credit_by_part(records, parts, lambda half, one: coverage_credits(half, one, budgets)),
                np.zeros(len(budgets)), EXACT,
            ),
            name=f"{whole.name}/{COVERAGE}", vote=COVERAGE,
        ),
        interval_of(records, learned.credit, "cross-fitted weighted vote over all draws", ci, n_boot, seed),
    )  # fmt: skip


def planned_curve(
    records: Records, first: np.ndarray, *, vote: str, level: float, n_boot: int, seed: int,
    shares: np.ndarray | None = None,
) -> Curve | None:  # fmt: skip
    """The ensemble of shares learned on the half of the items that chooses, as a candidate of a plan.

    Args:
        first: the items that choose, ``bool [item]``. shares: learned on these already, ``[member]``.

    Returns:
        None where there are no members to share draws among, the choosing half is too small to be halved again, all
        weight is on one member (whose samples are a candidate anyhow), or the vote needs a score that is not known.
    """
    if records.outcome != "text" or not can_share(records):
        return None
    graded = records.graded()
    given, correct = answer_shares(graded, team_pools(records)), graded.correct
    if shares is None:
        shares = learn_weights(given[:, first], correct[first])
    deployed = team(records, shares, kind="learned", vote=vote)
    if (shares > 0).sum() < 2 or not vote_possible(records, replace(deployed, draws=_all_draws(records))):
        return None

    def learn(items: np.ndarray) -> Strategy:
        return team(records, learn_weights(given[:, items], correct[items]), kind="learned", vote=vote)

    parts = planning_parts(records, first, deployed, learn, seed=seed)
    if parts is None:
        return None
    budgets = np.arange(1, min(len(one.draws) for one, _ in parts) + 1)
    found = _sampled(records, parts, budgets, seed)
    return curve_of_strategy(
        records, deployed, budgets, found, reference=None, level=level, n_boot=n_boot, seed=seed
    )  # fmt: skip


def _sampled(
    records: Records, parts: Sequence[tuple[Strategy, np.ndarray]], budgets: np.ndarray, seed: int, ties: str = "shared"
) -> Estimate:  # fmt: skip
    """Each item's credits under the strategy that is scored on it."""
    found: list[Estimate] = []

    def credit(half: Records, one: Strategy) -> np.ndarray:
        found.append(sampled_credits(half, one, budgets, seed=seed, ties=ties))
        return found[-1].credit

    whole = credit_by_part(records, parts, credit)
    shares = [items.mean() for _, items in parts]
    error = np.sqrt(sum(np.square(share * one.error) for share, one in zip(shares, found, strict=True)))
    return Estimate(whole, error, "; ".join(dict.fromkeys(one.estimator for one in found)))


def _all_draws(records: Records) -> tuple[sampled.TextDraw, ...]:
    graded = records.graded()
    held = graded.pools
    return tuple(graded.draws[held[pool][0]] for pool in team_pools(records))
