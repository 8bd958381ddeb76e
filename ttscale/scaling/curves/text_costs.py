"""What language draws cost an item at every budget: on average over which samples are taken, and at worst.

A prompt's prefill, and its share of a beginning that prompts have in common, is paid once for all samples of its member
and variant (or once a sample where the Records say ``per_sample``); each sample costs its own, and what the vote's
score takes. The mean needs no choice of samples: n samples of a pool cost n times the mean of the item's own pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.records.graded import Graded
from ttscale.records.profiles import Rows, item_seconds_of, latest, seconds_of, timed_items
from ttscale.records.records import Records
from ttscale.scaling.curves.sampled_credits import Part, parts_of, samples_of_pool
from ttscale.scaling.sampled import GREEDY, plain
from ttscale.scaling.strategy import Strategy
from ttscale.voting.votes import AnswerVote, get_vote

Prompt = tuple[str, str]  # member, variant


@dataclass(frozen=True, eq=False)
class DrawCosts:
    """One measure of cost, NaN where unknown.

    Attributes:
        own: of each draw, ``float64 [item, draw]``; 0 where one does not exist.
        once: of each prompt whose samples share it, for an item among others and for one that is asked by itself and
            pays the whole of a common beginning: ``float64 [item]`` each.
    """

    own: np.ndarray
    once: Mapping[Prompt, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class BudgetCosts:
    """Cost per item of each budget.

    Attributes:
        flops: the mean over items and over which samples are taken; flops_worst: the costliest item, asked by
            itself (it pays the whole of a shared beginning) and taking its costliest samples; NaN where unknown.
        tokens: generated, the mean.
        seconds: of one item alone on the device of the latest profile; NaN where it was not profiled.
    """

    flops: np.ndarray
    flops_worst: np.ndarray
    tokens: np.ndarray
    seconds: np.ndarray


def budget_costs(records: Records, strategy: Strategy, budgets: np.ndarray) -> BudgetCosts:
    """Cost of each budget."""
    graded, parts = records.graded(), parts_of(records.graded(), strategy)
    flops = flops_of(records, strategy)
    return BudgetCosts(
        mean_cost(graded, parts, flops, budgets), worst_cost(graded, parts, flops, budgets),
        mean_cost(graded, parts, tokens_of(records), budgets), mean_seconds(records, strategy, budgets),
    )  # fmt: skip


def flops_of(records: Records, strategy: Strategy) -> DrawCosts:
    """FLOPs, those of the vote's score among them."""
    graded, scored = records.graded(), _score_flops(records, strategy)
    own = graded.flops if scored is None else graded.flops + scored
    prompts = graded.prompt_flops
    if records.manifest.prefill == "per_sample":
        own = own + np.stack([prompts[draw.member, draw.variant] for draw in graded.draws], axis=1)
        return DrawCosts(_existing(graded, own), {})
    once = {
        prompt: (prefill + graded.prefix_flops[prompt], prefill + graded.beginning_flops[prompt])
        for prompt, prefill in prompts.items()
    }
    return DrawCosts(_existing(graded, own), once)


def tokens_of(records: Records) -> DrawCosts:
    """Tokens generated."""
    return DrawCosts(_existing(records.graded(), records.graded().tokens), {})


def bytes_of(records: Records, strategy: Strategy) -> DrawCosts:
    """Bytes of the weights that are read: once for each prompt, and once for each token after a sample's first.

    What a verifier reads is not known.
    """
    graded, each = records.graded(), records.manifest.prefill == "per_sample"
    unknown = _score_flops(records, strategy) is not None
    weights = {member.name: math.nan if unknown else member.bytes for member in records.members}
    forwards = np.maximum(graded.tokens - 1, 0.0) + each
    own = forwards * np.array([weights[draw.member] for draw in graded.draws])
    readings = {} if each else {
        prompt: np.full(graded.n_items, records.member(prompt[0]).bytes) for prompt in graded.prompt_flops
    }  # fmt: skip
    return DrawCosts(_existing(graded, own), {prompt: (reading, reading) for prompt, reading in readings.items()})


def mean_cost(graded: Graded, parts: Sequence[Part], costs: DrawCosts, budgets: np.ndarray) -> np.ndarray:
    """Over items and over which samples are taken, ``float64 [k]``."""
    out = np.zeros((graded.n_items, len(budgets)))
    for part in parts:
        taken = part.taken(budgets)
        one = costs.own[:, part.columns].sum(axis=1) / samples_of_pool(graded, part)
        out += np.where(taken > 0, one[:, None] * taken, 0.0)  # a pool that is not used may be unknown
    for prompt, used in begun(parts, costs, budgets).items():
        out += np.where(used, costs.once[prompt][0][:, None], 0.0)
    return out.mean(axis=0)


def worst_cost(graded: Graded, parts: Sequence[Part], costs: DrawCosts, budgets: np.ndarray) -> np.ndarray:
    """Of the costliest item, asked by itself and taking its costliest samples, ``float64 [k]``."""
    out = np.zeros((graded.n_items, len(budgets)))
    for part in parts:
        taken, own = part.taken(budgets), costs.own[:, part.columns]
        unknown = np.isnan(own).any(axis=1, keepdims=True) & (taken > 0)  # one unknown cost may be the largest
        out += np.where(unknown, math.nan, running(-np.sort(-own, axis=1))[:, taken])
    for prompt, used in begun(parts, costs, budgets).items():
        out += np.where(used, costs.once[prompt][1][:, None], 0.0)
    return out.max(axis=0)


def begun(parts: Sequence[Part], costs: DrawCosts, budgets: np.ndarray) -> dict[Prompt, np.ndarray]:
    """Which budgets ask each of the prompts that are paid once, ``bool [k]``."""
    out: dict[Prompt, np.ndarray] = {}
    for part in parts:
        prompt = (part.pool[0], part.pool[1])
        if prompt in costs.once:
            out[prompt] = out.get(prompt, np.zeros(len(budgets), dtype=bool)) | (part.taken(budgets) > 0)
    return out


def running(costs: np.ndarray, axis: int = -1) -> np.ndarray:
    """Sums of the first 0, 1, 2, … along an axis."""
    return np.insert(np.cumsum(costs, axis=axis), 0, 0.0, axis=axis)


def mean_seconds(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """Seconds of each budget, ``float64 [k]``: the mean over the items of the latest profile."""
    rows = _seconds_rows(records, strategy)
    return _member_after_member(records, strategy, budgets, rows, seconds_of)


def item_seconds(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """The same of each item that the latest profile timed, ``float64 [item, k]``; of no item where it keeps the mean
    alone, or does not know the seconds.

    Each is timed with its first samples as numbered; other items, and other samples of these, are not guessed at.
    """
    rows = _seconds_rows(records, strategy)
    if not timed_items(rows):
        return np.empty((0, len(budgets)))
    seconds = _member_after_member(records, strategy, budgets, rows, item_seconds_of)
    return seconds if np.isfinite(seconds).any() else seconds[:0]


def _seconds_rows(records: Records, strategy: Strategy) -> Rows:
    """The latest profile; nothing where the vote needs a score that was not timed."""
    return latest(records.profiles()) if _score_flops(records, strategy) is None else []


def _member_after_member(
    records: Records, strategy: Strategy, budgets: np.ndarray, rows: Rows, of: Callable[..., np.ndarray]
) -> np.ndarray:
    """Sums over the pools of a strategy, ``[…, k]``; a prompt that is not the plain one was not timed."""
    total = np.zeros(len(budgets))
    for part in parts_of(records.graded(), strategy):
        member, variant, decoding = part.pool
        taken = part.taken(budgets)
        plain_prompt = variant == records.variants[0]
        timed = of(rows, member, taken, decoding=decoding)
        total = total + (timed if plain_prompt else np.where(taken > 0, math.nan, 0.0))
    return total


def plain_cost(records: Records, member: str) -> tuple[float, str]:
    """FLOPs per item of a member's plain decision, and what it is: one greedy answer, or one sample where none was
    collected."""
    strategy = plain(records, member)
    unit = "one greedy answer" if strategy.kind == GREEDY else "one sample"
    return float(budget_costs(records, strategy, np.array([1])).flops[0]), unit


def known_costs(records: Records) -> bool:
    """Whether the FLOPs of every draw and prompt are known, none is negative, and no member answers for nothing.

    A draw of one token costs nothing more: its token comes with the prefill.
    """
    graded = records.graded()
    once = [*graded.prompt_flops.values(), *graded.prefix_flops.values(), *graded.score_flops.values()]
    known = all(np.isfinite(values).all() and (values >= 0).all() for values in (graded.flops, *once))
    return known and all(plain_cost(records, member.name)[0] > 0 for member in records.members)


def _score_flops(records: Records, strategy: Strategy) -> np.ndarray | None:
    """What the vote's score took for each draw, ``float64 [item, draw]``; None where it comes with the draws."""
    vote = get_vote(strategy.vote, records.vote_kind)
    assert isinstance(vote, AnswerVote)
    return records.graded().score_flops.get(vote.score) if vote.score is not None else None


def _existing(graded: Graded, costs: np.ndarray) -> np.ndarray:
    return np.where(graded.exists, costs, 0.0)
