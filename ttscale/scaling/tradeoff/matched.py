"""Matched FLOPs: at a test budget per item, the best of everything that was trained, and the runner-up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals.crossfit import Choice
from ttscale.scaling.intervals.interval import Interval, undefined
from ttscale.scaling.numbers import is_number
from ttscale.scaling.summaries.words import accuracy_words, detectable_words, flops_words, option_words, points_words
from ttscale.scaling.tradeoff.entrants import Entrants

_BUDGETS = 8
_DIGITS = 2  # of budgets that nobody gave


@dataclass(frozen=True)
class Pick:
    """A way to spend a budget: a rung, what is done with it, and how often.

    Attributes:
        rung, curve, k: its key, the name of its curve, and the draws.
        flops: per item. train_flops: of every model that it uses; NaN where unknown.
        rival: whether it was made of another rung with further training (a soup, a student).
        folds: how many of the folds of the items chose it.
        words: ``6 views of resnet8-w8-e16``.
    """

    rung: str
    curve: str
    k: int
    flops: float
    train_flops: float
    rival: bool
    folds: int
    words: str


@dataclass(frozen=True)
class Matched:
    """The best that a test budget buys, and the best of another size or strategy.

    Attributes:
        at_flops: the most that an item may cost; up_to: the largest of the budgets looked at that changes nothing.
        at_training: the most that may have been spent on training; ∞ where
            anything may.
        best, runner_up: what most folds of the items chose; None where the budgets allow nothing (else).
        accuracy: of the best within the budgets, each fold scored by what the others chose.
        difference: that less the accuracy of the runner-up, as a fraction, cross-fitted; it includes the noise of
            training where the two are of different rungs and some rung has several seeds. Of one rung it is that of
            these trained models, which ``text`` says.
        detectable: the true difference that would have been shown with 80 % probability, as a fraction.
        winner: ``"best"``, ``"runner-up"`` (on items that did not choose), ``"too close to call"`` when the interval
            holds 0, or empty where there are no two.
        choices, others: the different choices of best and runner-up, those of most folds first.
        text: the same in a sentence.
    """

    at_flops: float
    up_to: float
    at_training: float
    best: Pick | None
    runner_up: Pick | None
    accuracy: Interval
    difference: Interval
    detectable: float
    winner: str
    choices: tuple[Choice, ...]
    others: tuple[Choice, ...]
    text: str


def matched(
    entrants: Entrants, budgets: Sequence[float] | None = None, train_flops: Sequence[float] = (math.inf,)
) -> tuple[Matched, ...]:
    """The best and the runner-up at each test budget, under each limit of training.

    Both are chosen on nine tenths of the items and scored on the tenth that is left (see
    :mod:`ttscale.scaling.intervals.crossfit`), whichever rungs and strategies these are. The runner-up is of another
    size, or another strategy of the same: not the same at another k, nor the same trained less. An ensemble's training
    counts every member.

    Args:
        entrants: everything that takes part.
        budgets: FLOPs per item; None: eight in equal ratios from the cheapest decision to the dearest, of which those
            that change nothing are told together.
        train_flops: the most that training may have cost; ∞ for no limit.

    Raises:
        TtscaleError: budgets or limits that are no positive numbers; too few items to choose on some of them.
    """
    at = default_budgets(entrants.contest.flops) if budgets is None else check_amounts("budgets", budgets)
    limits = check_amounts("train_flops", train_flops, infinite=True)
    found = [[_matched(entrants, flops, limit) for flops in at] for limit in limits]
    return tuple(one for several in found for one in (several if budgets is not None else _together(several)))


def default_budgets(flops: np.ndarray) -> list[float]:
    """Costs in equal ratios from the least to the most, rounded up to two digits; fewer where that makes them equal."""
    low, high = float(flops.min()), float(flops.max())
    return list(dict.fromkeys(_rounded_up(x) for x in np.geomspace(low, high, _BUDGETS)))


def check_amounts(argument: str, values: Sequence[float], *, infinite: bool = False) -> list[float]:
    """Positive numbers as floats; TtscaleError for anything else."""
    listed = isinstance(values, (list, tuple, np.ndarray))
    wrong = [x for x in values if not (is_number(x) and x > 0 and (infinite or x < math.inf))] if listed else [values]
    if wrong:
        raise TtscaleError(
            argument, expected="a list of positive numbers", got=repr(wrong[0]), fix="Give for example [1e6, 1e7]."
        )
    return [float(value) for value in values]


def _matched(entrants: Entrants, flops: float, training: float) -> Matched:
    contest = entrants.contest
    allowed, nothing = entrants.within(flops, training), undefined(contest.curves[0].level)
    empty = Matched(flops, flops, training, None, None, nothing, nothing, math.nan, "", (), (), "")
    if not allowed.any():
        return replace(empty, text=f"{_head(empty)} there is nothing: every option costs more.")
    first = contest.choose(allowed)
    top = _favourite(first, entrants.ways)
    best = _pick(entrants, top, first)
    alone = replace(
        empty, best=best, accuracy=entrants.accuracy(contest.credit(first)),
        choices=contest.choices(first),
    )  # fmt: skip
    left = allowed & (entrants.ways != entrants.ways[first][:, None])
    if not left.any(axis=1).all():
        text = f"{_head(alone)} {best.words} is best: {accuracy_words(alone.accuracy)}; no other size or strategy fits."
        return replace(alone, text=text)
    second = contest.choose(left)
    next_best = _favourite(second[entrants.ways[first] == entrants.ways[top]], entrants.ways)
    noise = entrants.noise(first, second)
    difference, smallest = contest.difference(contest.credit(first), contest.credit(second), noise=noise)
    winner = "best" if difference.low > 0 else "runner-up" if difference.high < 0 else "too close to call"
    found = replace(
        alone, runner_up=_pick(entrants, next_best, second), difference=difference, detectable=smallest, winner=winner,
        others=contest.choices(second),
    )  # fmt: skip
    return replace(found, text=_words(found, entrants.rungs[found.best.rung].n_seeds if found.best else 0))


def _together(found: Sequence[Matched]) -> list[Matched]:
    """Neighbours of which a larger budget changes neither choice, as one."""
    out: list[Matched] = []
    for one in found:
        if out and out[-1].best is not None and (out[-1].choices, out[-1].others) == (one.choices, one.others):
            before = out.pop()
            head, wider = _head(before), replace(before, up_to=one.up_to)
            one = replace(wider, text=_head(wider) + before.text.removeprefix(head))
        out.append(one)
    return out


def _favourite(chosen: np.ndarray, ways: np.ndarray) -> int:
    """Of the way that most folds chose, the candidate that most of them did."""
    way = Counter(ways[chosen].tolist()).most_common(1)[0][0]
    return int(Counter(chosen[ways[chosen] == way].tolist()).most_common(1)[0][0])


def _pick(entrants: Entrants, candidate: int, chosen: np.ndarray) -> Pick:
    option, row = entrants.option(candidate), int(entrants.contest.row[candidate])
    k = int(option.curve.budgets[row])
    rung = entrants.rung(candidate)
    made = f" ({rung.how})" if rung.of and rung.how else ""
    return Pick(
        option.rung, option.curve.name, k, float(option.curve.flops[row]), float(option.train_flops[row]),
        bool(rung.of), int((chosen == candidate).sum()), option_words(option.curve, k) + made,
    )  # fmt: skip


def _words(found: Matched, n_seeds: int) -> str:
    """``n_seeds``: of the best one's rung."""
    head, best, other = _head(found), found.best, found.runner_up
    assert best is not None and other is not None
    training = ""
    if best.train_flops > 0 and other.train_flops > 0:
        spent = [flops_words(pick.train_flops) for pick in (best, other)]
        training = f"; training took {' against '.join(dict.fromkeys(spent))}{' for either' * (spent[0] == spent[1])}"
    if best.rung == other.rung:
        which = "one trained model" if n_seeds == 1 else f"the same {n_seeds} trained models"
        training += f"; both rest on {which}, and others trained alike may differ"
    if found.winner == "too close to call":
        missed = f", and {detectable_words(found.detectable)}" if math.isfinite(found.detectable) else ""
        return (
            f"{head} {best.words} against {other.words} is too close to call: {points_words(found.difference)}"
            f"{missed}{training}."
        )
    if found.winner == "runner-up":
        return (
            f"{head} {best.words}, best on most parts of the items, does worse than {other.words} on the rest of "
            f"them: {points_words(found.difference)}{training}."
        )
    verb = "beat" if best.words[0].isdigit() else "beats"
    return f"{head} {best.words} {verb} {other.words}: {points_words(found.difference)}{training}."


def _head(found: Matched) -> str:
    limit = "" if math.isinf(found.at_training) else f" and at most {flops_words(found.at_training)} of training"
    budget = f"At {flops_words(found.at_flops)} per item"
    if found.up_to > found.at_flops:
        budget = f"From {flops_words(found.at_flops)} to {flops_words(found.up_to)} per item"
    return f"{budget}{limit},"


def _rounded_up(x: float) -> float:
    step = 10.0 ** (math.floor(math.log10(x)) - _DIGITS + 1)
    return float(f"{math.ceil(x / step - 1e-9) * step:.{_DIGITS + 1}g}")
