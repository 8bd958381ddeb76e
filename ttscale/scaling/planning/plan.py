"""The cheapest strategy for a target: chosen on one half of the items, scored on the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling.checks import check_costs, check_records
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.intervals.bootstrap import check_bootstrap
from ttscale.scaling.intervals.bounds import Table, joint_tables, table_on
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import check_level
from ttscale.scaling.learning.at_hand import AtHand
from ttscale.scaling.learning.learned import planned_curve
from ttscale.scaling.learning.learners import BY_LIKELIHOOD, Selection
from ttscale.scaling.learning.policies import planned_curves
from ttscale.scaling.planning.candidates import candidates, plan_votes
from ttscale.scaling.planning.planned import Half, Plan, as_tuples
from ttscale.scaling.summaries.words import flops_words, option_words
from ttscale.voting.votes import AUTO
from ttscale.voting.weighting import Weighting

_UNTIL_LEARNED = 0.5  # of the time that a plan takes, roughly


def plan(
    records: Records,
    *,
    min_accuracy: float | None = None,
    max_flops: float | None = None,
    confidence: float = 0.95,
    votes: Sequence[str] | str = AUTO,
    learn: bool = True,
    objective: str = BY_LIKELIHOOD.objective,
    replacement: bool = BY_LIKELIHOOD.replacement,
    n_boot: int = 1000,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
    at_hand: AtHand | None = None,
) -> Plan:
    """The cheapest way to reach an accuracy, or the most accurate way within a cost.

    All strategies of :func:`ttscale.scaling.planning.candidates.candidates` at all budgets are compared on one half of
    the items (keyed by ``seed``; clusters are kept whole), and strategies that this half itself taught, cross-fitted
    within it (see :mod:`ttscale.scaling.learning.crossed`): of images orders and weights of the draws
    (:mod:`ttscale.scaling.learning.learners`), of text from several members their ensemble with learned shares
    (:mod:`ttscale.scaling.learning.learned`). For ``min_accuracy`` the cheapest whose one-sided lower bound reaches it
    is taken; for ``max_flops`` the most accurate that costs no more (the cheapest of equals). The bounds hold for all
    candidates at once (max-t bootstrap, Romano and Wolf 2005, "Exact and approximate stepdown methods for multiple
    hypothesis testing"), so that looking at many of them does not let a lucky one through. The accuracy to quote is the
    one on the other half, which took no part in the choice.

    Args:
        records: with known costs; where a served language model's FLOPs are not known, the cheapest is the one that
            generates the fewest tokens, or takes the fewest draws where these are not known either, and ``max_flops``
            is refused.
        min_accuracy: fraction in (0, 1). max_flops: per item. Exactly one of them.
        confidence: of the one-sided bound, and level of the intervals.
        votes: to consider; ``"auto"`` is mean and log_mean, of text the plurality and the weighted votes whose scores
            are known.
        learn: whether to consider learned strategies, under the first of the votes.
        objective, replacement: of images, how orders are learned: see
            :class:`ttscale.scaling.learning.learners.Selection`.
        n_boot, seed: of the bootstrap and of the halves.
        on_progress: told the share of the work that is done, in [0, 1].
        at_hand: what is known already of these Records under the same options, so that it is not computed again.

    Raises:
        TtscaleError: not exactly one target, one out of range or out of reach (the best at hand is named), unknown
            votes or costs, too few items to halve.
    """
    check_records(records)
    check_target(min_accuracy, max_flops)
    level = check_level(confidence, "confidence")
    selection, at_hand = Selection(objective, replacement), AtHand() if at_hand is None else at_hand
    if records.outcome != "text" or max_flops is not None:
        check_costs(records)
    check_bootstrap(n_boot, level, records.n_items, seed)
    first = first_half(records.item_ids, records.clusters, seed=seed)
    strategies = candidates(records, votes=plan_votes(records) if votes == AUTO else votes)
    total = sum(len(strategy.draws) for strategy in strategies)
    until = _UNTIL_LEARNED if learn else 1.0
    curves: list[Curve] = []
    for strategy in strategies:
        curves.append(at_hand.curve(strategy) or accuracy_curve(records, strategy, ci=level, n_boot=n_boot, seed=seed))
        on_progress(until * sum(len(curve.budgets) for curve in curves) / total)
    if learn:
        settings: dict[str, Any] = {"vote": strategies[0].vote, "level": level, "n_boot": n_boot, "seed": seed}
        if records.outcome != "text":
            curves += planned_curves(
                records, first, selection=selection, known=at_hand.learned, on_progress=_rest(on_progress, until),
                **settings,
            )  # fmt: skip
        elif (shared := planned_curve(records, first, **settings)) is not None:
            curves.append(shared)
        on_progress(1.0)
    return choose(records, curves, first, min_accuracy=min_accuracy, max_flops=max_flops, n_boot=n_boot, seed=seed)


def _rest(on_progress: Callable[[float], None], start: float) -> Callable[[float], None]:
    return lambda share: on_progress(start + (1 - start) * share)


def choose(
    records: Records, curves: Sequence[Curve], first: np.ndarray, *, min_accuracy: float | None = None,
    max_flops: float | None = None, n_boot: int, seed: int,
) -> Plan:  # fmt: skip
    """Choose among curves of single strategies on the items where ``first`` holds, and score on the others."""
    level = curves[0].level
    tables = joint_tables(curves, first, level, n_boot, seed)
    points = [(i, row) for i, curve in enumerate(curves) for row in range(len(curve.budgets))]
    accuracy = np.array([tables[i][0][row] for i, row in points])
    bound = np.array([tables[i][3][row] for i, row in points])
    flops = np.array([cost[row] for cost in _costs(curves) for row in range(len(cost))])
    if min_accuracy is not None:
        good = bound >= min_accuracy
        keys = (-accuracy, flops)
    else:
        good = flops <= max_flops
        keys = (flops, -accuracy)
    if not good.any():
        best = int(np.argmax(bound)) if min_accuracy is not None else int(np.argmin(flops))
        i, row = points[best]
        raise _out_of_reach(curves[i], row, float(accuracy[best]), float(bound[best]), level, min_accuracy, max_flops)
    order = np.lexsort(keys)
    i, row = points[int(order[good[order]][0])]
    target = {"min_accuracy": float(min_accuracy)} if min_accuracy is not None else {"max_flops": float(max_flops or 0)}
    return _plan(
        records, curves[i], row, first, tables[i], seed=seed, n_boot=n_boot, n_candidates=len(points), target=target
    )


def _costs(curves: Sequence[Curve]) -> list[np.ndarray]:
    """What makes a budget cheap: its FLOPs, or where these are not known everywhere the tokens that it generates, or
    else its draws."""
    if all(np.isfinite(curve.flops).all() for curve in curves):
        return [curve.flops for curve in curves]
    tokens = [curve.flops if curve.tokens is None else curve.tokens for curve in curves]
    if all(np.isfinite(known).all() for known in tokens):
        return tokens
    return [np.asarray(curve.budgets, dtype=np.float64) for curve in curves]


def _plan(
    records: Records, curve: Curve, row: int, first: np.ndarray, chosen: Table, *, seed: int,
    n_boot: int, n_candidates: int, target: Mapping[str, float],
) -> Plan:  # fmt: skip
    strategy = curve.strategy
    assert strategy is not None  # plan() makes curves of single strategies only
    scored, _ = table_on(curve, ~first, curve.level, n_boot, seed)
    k = int(curve.budgets[row])
    draws = strategy.draws[:k]
    used = [records.member(name) for name in dict.fromkeys(draw[0] for draw in draws)]
    asked = {draw.decoding for draw in draws if isinstance(draw, TextDraw)}
    tokens = None if curve.tokens is None else float(curve.tokens[row])
    counted = strategy.weightings.get(k, Weighting())
    halves = [
        Half(int(items.sum()), *(float(part[row]) for part in table))
        for items, table in ((first, chosen), (~first, scored))
    ]
    return Plan(
        strategy=strategy.name, kind=strategy.kind, vote=strategy.vote, draws=draws, k=k,
        members=tuple(_used(member) for member in used),
        seed=int(records.manifest.seed), target=target, confidence=curve.level, chosen_on=halves[0],
        scored_on=halves[1], optimism=halves[0].accuracy - halves[1].accuracy, flops=float(curve.flops[row]),
        flops_worst=float(curve.flops_worst[row]), multiplier=float(curve.multiplier[row]),
        reference_member=curve.reference_member, n_candidates=n_candidates, unit=curve.unit,
        tokens=None if tokens is None or math.isnan(tokens) else tokens, outcome=records.outcome,
        decodings=tuple(one for one in records.manifest.decodings if one["id"] in asked),
        prompting=records.manifest.prompting, prefill=records.manifest.prefill,
        weights=as_tuples(counted.weights), temperatures=as_tuples(counted.temperatures),
        temperature=None if counted.temperature == 1 else float(counted.temperature),
        class_names=records.class_names,
    )  # fmt: skip


def _used(member: Member) -> dict[str, Any]:
    """What a plan says of a member."""
    order = {} if member.class_order is None else {"class_order": member.class_order}
    return {"name": member.name, "spec": member.spec, "fingerprint": member.fingerprint} | order


def check_target(min_accuracy: float | None, max_flops: float | None) -> None:
    if (min_accuracy is None) == (max_flops is None):
        raise TtscaleError(
            "min_accuracy, max_flops", expected="exactly one of them", got=f"{min_accuracy!r} and {max_flops!r}",
            fix="Give the accuracy to reach, or the cost to stay within.",
        )  # fmt: skip
    target = min_accuracy if min_accuracy is not None else max_flops
    number = isinstance(target, (int, float)) and not isinstance(target, bool)
    if min_accuracy is not None and not (number and 0 < min_accuracy < 1):
        percent = number and 1 < min_accuracy <= 100
        raise TtscaleError(
            "min_accuracy", expected="a fraction strictly between 0 and 1", got=repr(min_accuracy),
            fix=f"Give {min_accuracy / 100:g} for {min_accuracy:g} %." if percent else "Give for example 0.8.",
        )  # fmt: skip
    if max_flops is not None and not (number and 0 < max_flops < math.inf):
        raise TtscaleError("max_flops", expected="a positive number", got=repr(max_flops), fix="Give FLOPs per item.")


def _out_of_reach(
    curve: Curve, row: int, accuracy: float, bound: float, level: float, min_accuracy: float | None,
    max_flops: float | None,
) -> TtscaleError:  # fmt: skip
    words = option_words(curve, int(curve.budgets[row]))
    cost = flops_words(float(curve.flops[row]))
    if min_accuracy is None:
        return TtscaleError(
            "max_flops", expected=f"at least the cheapest decision: {cost} ({words})", got=flops_words(max_flops or 0),
            fix="Allow more, or collect a cheaper member.",
        )  # fmt: skip
    return TtscaleError(
        "min_accuracy", expected=f"a target that a strategy at hand reaches with {100 * level:g}% confidence",
        got=f"{min_accuracy:g}; the best lower bound is {bound:.4f} (accuracy {accuracy:.4f}, {words}, {cost})",
        fix=(f"Ask for at most {math.floor(bound * 1000) / 1000:g}, or c" if bound >= 0.001 else "C")
        + "ollect more draws, members or items.",
    )  # fmt: skip
