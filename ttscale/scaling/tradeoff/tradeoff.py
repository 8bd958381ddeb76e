"""Test-time compute beside training-time compute: verdicts, exchange rates, joint laws and lifetimes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.estimate import check_estimation
from ttscale.scaling.intervals.crossfit import Contest
from ttscale.scaling.numbers import SAME
from ttscale.scaling.planning.options import Option
from ttscale.scaling.tradeoff.answers import QUERIES, Answers, answers_of
from ttscale.scaling.tradeoff.breakeven import BreakEven
from ttscale.scaling.tradeoff.entrants import Entrants
from ttscale.scaling.tradeoff.exchanges import Exchange, exchange_between, training_axis
from ttscale.scaling.tradeoff.joint import joint_fits
from ttscale.scaling.tradeoff.ladder import Rung, climb, same_items
from ttscale.scaling.tradeoff.matched import Matched, check_amounts, matched
from ttscale.scaling.tradeoff.notes import notes
from ttscale.scaling.tradeoff.pareto import FrontPoint, front
from ttscale.scaling.tradeoff.verdicts import Verdict, verdict

_CLIMBED, _FITTED = 0.2, 0.8  # shares of the work


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """The training ladder at k = 1 beside the test-time curves of its rungs.

    Attributes:
        ladder: the sizes under each training budget, cheapest first. rivals: what was made of them (numeric formats,
            pruning, weight soups, students), plainly used; they take no part in the verdicts.
        options: per rung, TTA (mean over seeds), ensemble and product.
        axis: in what training is counted: ``"train_flops"``, or ``"n_params"`` where that is not known of every rung.
        verdicts: for each rung but those of the cheapest size; exchange: for each two rungs that differ in size or in
            budget alone and each curve of the smaller.
        matched: at each test budget (and under each limit of training) the best of all entrants, and the runner-up.
        front: of test FLOPs and accuracy, over all entrants.
        laws: per kind of strategy and axis of data the joint law of size, data and draws, with its exchange rates,
            lines of equal error and lifetimes; empty where they were not asked for.
        notes: what could not be said, and why; empty when all could.
    """

    ladder: tuple[Rung, ...]
    rivals: tuple[Rung, ...]
    options: tuple[Option, ...]
    axis: str
    verdicts: tuple[Verdict, ...]
    exchange: tuple[Exchange, ...]
    matched: tuple[Matched, ...]
    front: tuple[FrontPoint, ...]
    laws: tuple[Answers, ...]
    notes: tuple[str, ...]

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves of the options."""
        return tuple(option.curve for option in self.options)

    @property
    def break_evens(self) -> tuple[BreakEven, ...]:
        """Of the measured exchanges that have one, in their order."""
        return tuple(one.break_even for one in self.exchange if one.break_even is not None)


def tradeoff(
    records: Records | Sequence[Records], *, budgets: Sequence[float] | None = None, train_flops: Sequence[float] = (),
    queries: Sequence[float] = QUERIES, errors: Sequence[float] | None = None, total_flops: Sequence[float] = (),
    laws: bool = True, vote: str = "auto", ci: float = 0.95, n_boot: int = 1000, seed: int = 0,
    interval: str = "percentile", on_progress: Callable[[float], None] = lambda share: None,
) -> Tradeoff:  # fmt: skip
    """Compare model size and training with test-time compute.

    Of text, one greedy answer of a bigger model is compared with the samples of smaller ones.

    Members are grouped into rungs by ``card["size"]`` and ``card["budget"]``; training costs come from
    ``card["train_flops"]``. Tied answers share the credit: what a rung can do does not hang on a rule for ties.

    Args:
        records: one Records with several rungs, or several Records of the same items.
        budgets: test FLOPs per item to tell the best option of; None: eight between the cheapest and the dearest.
        train_flops: limits of training FLOPs to tell it under, beside no limit.
        queries: numbers of queries of which a model's life may consist, to tell the cheapest size, data and draws for.
        errors: levels, as fractions, of the lines of equal error, and targets of the lifetimes; None: between those
            that were measured.
        total_flops: of training and all queries together, to tell the least error that they pay for.
        laws: whether joint laws are fitted.
        vote: of every option; ``"auto"`` is the mean, of text the plurality.
        ci, n_boot, seed, interval: as for :func:`ttscale.scaling.curves.curve.accuracy_curve`.
        on_progress: told the share of the work that is done, in [0, 1].

    Raises:
        TtscaleError: Records of different items, labels or classes; a member twice; options out of range.
    """
    check_estimation("shared", interval)
    limits = [math.inf, *check_amounts("train_flops", train_flops)]
    some = budgets if budgets is None else check_amounts("budgets", budgets)
    levels = errors if errors is None else check_amounts("errors", errors)
    lives, totals = check_amounts("queries", queries), check_amounts("total_flops", total_flops)
    sizes, options = climb(
        same_items(records), vote=vote, on_progress=lambda share: on_progress(_CLIMBED * share), ci=ci, n_boot=n_boot,
        seed=seed, interval=interval,
    )  # fmt: skip
    rungs, made = [rung for rung in sizes if not rung.of], [rung for rung in sizes if rung.of]
    axis = training_axis(rungs)
    entrants = Entrants.of(rungs, made, options)
    fitted = joint_fits(
        sizes, options, ci=ci, seed=seed, n_boot=n_boot,
        on_progress=lambda share: on_progress(_CLIMBED + (_FITTED - _CLIMBED) * share),
    ) if laws else ()  # fmt: skip
    answers = []
    for joint in fitted:
        answers.append(answers_of(joint, queries=lives, errors=levels, total_flops=totals))
        on_progress(_FITTED + (1 - _FITTED) * len(answers) / (len(fitted) + 1))
    found = Tradeoff(
        ladder=tuple(rungs), rivals=tuple(made), options=tuple(options), axis=axis,
        verdicts=_verdicts(rungs, options), exchange=_exchanges(rungs, options, axis),
        matched=matched(entrants, some, limits), front=front(entrants), laws=tuple(answers), notes=notes(rungs, axis),
    )  # fmt: skip
    on_progress(1.0)
    return found


def _verdicts(rungs: Sequence[Rung], options: Sequence[Option]) -> tuple[Verdict, ...]:
    out = []
    for big in rungs:
        smaller = [small for small, other in _of_sizes(rungs) if other is big and small.flops < big.flops]
        if smaller:
            out.append(verdict(big, smaller, options))
    return tuple(out)


def _exchanges(rungs: Sequence[Rung], options: Sequence[Option], axis: str) -> tuple[Exchange, ...]:
    contests = {id(one): Contest.among([(one.curve, np.arange(len(one.curve.budgets)))]) for one in options}
    return tuple(
        exchange_between(small, big, option, axis=axis, contest=contests[id(option)])
        for small, big in (*_of_sizes(rungs), *_of_data(rungs))
        for option in options
        if option.rung == small.name
    )


def _of_sizes(rungs: Sequence[Rung]) -> list[tuple[Rung, Rung]]:
    """A rung of a smaller and one of a bigger size, under the same training budget; under any where no two share
    one."""
    shared = len({rung.budget for rung in rungs}) < len(rungs)
    return [
        (small, big)
        for big in rungs
        for small in rungs
        if small.size != big.size and (small.budget == big.budget or not shared) and _smaller(small, big)
    ]


def _smaller(one: Rung, other: Rung) -> bool:
    """Whether a rung has fewer parameters, or, where these are the same or unknown, fewer FLOPs per decision."""
    known = one.n_params > 0 and other.n_params > 0
    if known and not _same(one.n_params, other.n_params):
        return one.n_params < other.n_params
    return one.flops < other.flops and not _same(one.flops, other.flops)


def _of_data(rungs: Sequence[Rung]) -> list[tuple[Rung, Rung]]:
    """A rung and one of the same size that was trained on more different items as often, or on as many more often."""
    return [
        (small, big)
        for big in rungs
        for small in rungs
        if small.size == big.size and (_less(small, big, "unique", "epochs") or _less(small, big, "epochs", "unique"))
    ]


def _less(small: Rung, big: Rung, along: str, fixed: str) -> bool:
    """Whether a rung had less of one axis of data and the same of the other."""
    less, more = getattr(small, along), getattr(big, along)
    return _same(getattr(small, fixed), getattr(big, fixed)) and less < more and not _same(less, more)


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=SAME)
