"""What either run does in a comparison: its strategy, and which of its budgets face which of the other's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.budgets import last_within
from ttscale.scaling.curves.curve import Curve, accuracy_curve, default_strategy
from ttscale.scaling.curves.image_costs import image_flops
from ttscale.scaling.curves.text_costs import budget_costs
from ttscale.scaling.planning.planned import Plan, load_plan
from ttscale.scaling.quality.quality import doublings
from ttscale.scaling.strategy import Strategy, check_draws
from ttscale.voting.votes import DEFAULT

_ROUNDING = 1e-9
_EQUAL_COST = 0.1  # budgets face each other where new costs at most this share less than old


@dataclass(frozen=True)
class Side:
    """One run in a comparison.

    Attributes:
        budgets: those that can be measured, ``int64 [k]``. flops, tokens: what they cost an item, ``float64 [k]``;
            NaN where unknown (tokens: of images).
    """

    records: Records
    strategy: Strategy
    budgets: np.ndarray
    flops: np.ndarray
    tokens: np.ndarray

    @property
    def last(self) -> int:
        return int(self.budgets[-1])

    def cost(self, of: str, k: int) -> float:
        """``"flops"`` or ``"tokens"`` of a budget."""
        values: np.ndarray = getattr(self, of)
        return float(values[int(np.flatnonzero(self.budgets == k)[0])])

    def curve(self, budgets: Sequence[int], **settings: Any) -> Curve:
        return accuracy_curve(self.records, self.strategy, budgets=sorted(set(budgets)), **settings)


def side_of(records: Records, *, vote: str, members: Any, plan: Any) -> Side:
    """What a run does: what its plan says, else all draws of its members under a vote.

    Args:
        members: a name, a list of names or None for all. plan: a :class:`Plan`, its file, or None.
    """
    if plan is not None:
        strategy, budgets = _planned(records, plan)
    else:
        strategy = default_strategy(records, vote, members=_names(members))
        check_draws(records, strategy)
        budgets = np.arange(1, len(strategy.draws) + 1)
    if records.outcome == "text":
        costs = budget_costs(records, strategy, budgets)
        return Side(records, strategy, budgets, costs.flops, costs.tokens)
    flops = image_flops(records, strategy, budgets)
    return Side(records, strategy, budgets, flops, np.full(len(budgets), math.nan))


def for_both(argument: str, value: Any) -> tuple[Any, Any]:
    """A setting of both runs, or ``{"old": …, "new": …}``, as one for either; TtscaleError for other keys."""
    if not isinstance(value, Mapping):
        return value, value
    if set(value) != {"old", "new"}:
        raise TtscaleError(
            argument, expected="one for both runs, or the keys old and new", got=", ".join(map(str, value)),
            fix=f"Write for example {{old: A, new: B}} for {argument}.",
        )  # fmt: skip
    return value["old"], value["new"]


def same_draws(old: Side, new: Side) -> bool:
    """Whether both do the same with Records of the same content, in which members may have other names."""
    return _numbered(old) == _numbered(new)


def _numbered(side: Side) -> tuple[Any, ...]:
    """The vote and the draws, each member as its place in the run."""
    places = {member.name: place for place, member in enumerate(side.records.members)}
    draws = [(places[draw[0]], *draw[1:]) for draw in side.strategy.draws]
    return side.strategy.vote, draws


def equal_draws(old: Side, new: Side, last: int, headline: int) -> list[int]:
    """The other equal budgets to compare, 1, 2, 4, … ``last``: without 1 or 2 where both are the same plurality.

    Two samples of one pool that share the credit of a tie are right as often as one.
    """
    ks = [k for k in doublings(last) if k != headline]
    if all(_is_plurality(side) for side in (old, new)):
        return [k for k in ks if k != 2 and (k, headline) != (1, 2)]
    return ks


def _is_plurality(side: Side) -> bool:
    """Whether it is the plurality among samples of one pool."""
    strategy = side.strategy
    pools = {draw[:-1] for draw in strategy.draws}
    return side.records.outcome == "text" and strategy.vote == DEFAULT["text"] and len(pools) == 1


def same_cost(old: Side, new: Side) -> tuple[str, list[tuple[int, int]]]:
    """``"flops"`` (``"tokens"`` where the FLOPs of a run are unknown, ``""`` where neither is known), and pairs of
    budgets that cost about the same: for 1, 2, 4, … draws of either run, what new can do at no more than old pays, and
    at most 10 % less; other than equal numbers of draws."""
    of = next((of for of in ("flops", "tokens") if all(_known(getattr(side, of)) for side in (old, new))), "")
    if not of:
        return "", []
    pairs = {(k, _affordable(new, of, old.cost(of, k))) for k in doublings(old.last) if k in old.budgets}
    pairs |= {(_enough(old, of, new.cost(of, k)), k) for k in doublings(new.last) if k in new.budgets}
    least, most = 1 - _EQUAL_COST - _ROUNDING, 1 + _ROUNDING
    near = [(a, b) for a, b in sorted(pairs) if a != b and least <= new.cost(of, b) / old.cost(of, a) <= most]
    return of, sorted(_thinned(near))


def side_notes(old: Side, new: Side, *, same: bool) -> list[str]:
    """What a reader should know of the draws of both."""
    notes = []
    if same:
        notes.append("Old and new are the same draws of the same Records, so nothing can differ.")
    if old.strategy.kind != new.strategy.kind:
        notes.append(f"The runs spend draws in two ways: {old.strategy.name} in old, {new.strategy.name} in new.")
    elif [draw[1:3] for draw in old.strategy.draws[: new.last]] != [
        draw[1:3] for draw in new.strategy.draws[: old.last]
    ]:
        what = "prompts and decodings" if old.records.outcome == "text" else "views"
        notes.append(f"The {what} of the draws differ between the runs, or come in another order.")
    for name, side in (("Old", old), ("New", new)):
        held = draws_held(side.records)
        if held.min() < held.max():
            notes.append(
                f"{name} holds {held.min()} to {held.max()} draws an item: budgets go up to what every item has."
            )
    if not np.array_equal(draws_held(old.records), draws_held(new.records)):
        notes.append(
            "The runs hold different numbers of samples: their accuracies can be compared, but with more samples an "
            "item is more often clearly right or clearly wrong, so that fixed and broken are no test."
        )
    return notes


def draws_held(records: Records) -> np.ndarray:
    """How many draws each item has, ``int64 [item]``."""
    if records.outcome != "text":
        return np.ones(records.n_items, dtype=np.int64)
    return np.asarray(records.graded().exists.sum(axis=1))


def _thinned(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The largest pair, and then those at which both budgets are at most two thirds of those before."""
    last = (math.inf, math.inf)
    for a, b in reversed(pairs):
        if 3 * a <= 2 * last[0] and 3 * b <= 2 * last[1]:
            last = (a, b)
            yield a, b


def _known(costs: np.ndarray) -> bool:
    return bool(np.isfinite(costs).all() and (costs > 0).all())


def _affordable(side: Side, of: str, cost: float) -> int:
    """The largest budget that costs no more."""
    return int(side.budgets[last_within(getattr(side, of), cost)])


def _enough(side: Side, of: str, cost: float) -> int:
    """The smallest budget that costs no less, the largest where none does."""
    costs: np.ndarray = getattr(side, of)
    return int(side.budgets[min(int(np.searchsorted(costs, cost * (1 - _ROUNDING))), len(costs) - 1)])


def _names(members: Any) -> list[str] | None:
    """Members as a list; None: all. TtscaleError for what is neither a name nor names."""
    if members is None:
        return None
    names = [members] if isinstance(members, str) else members
    if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
        raise TtscaleError(
            "members", expected="a name, or a list of names", got=repr(members), fix="Leave it out for all members."
        )
    return list(names)


def _planned(records: Records, plan: Any) -> tuple[Strategy, np.ndarray]:
    """A plan's strategy at its own budget; TtscaleError where the Records do not hold its draws."""
    made = plan if isinstance(plan, Plan) else load_plan(_path(plan))
    if made.outcome != records.outcome:
        raise TtscaleError(
            "plan", expected="a plan for this kind of Records", got=f"one over {made.outcome}",
            fix="Make one of these Records with ttscale plan.",
        )  # fmt: skip
    weightings = {} if made.weighting is None else {made.k: made.weighting}
    subject = "+".join(dict.fromkeys(draw[0] for draw in made.draws))
    strategy = Strategy(made.strategy, made.kind, made.draws, made.vote, subject, weightings)
    check_draws(records, strategy)
    return strategy, np.array([made.k])


def _path(plan: Any) -> str | Path:
    if not isinstance(plan, (str, Path)):
        raise TtscaleError("plan", expected="the path of a plan.json", got=repr(plan), fix="Give its path.")
    return plan
