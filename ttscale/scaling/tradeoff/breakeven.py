"""From how many queries on a model that cost more to train is the cheaper one.

Options a and b cost ``T_a`` and ``T_b`` FLOPs to train and ``F_a`` and ``F_b`` per query. With a the one of more
training, their totals ``T + Q · F`` meet at::

    Q* = (T_a − T_b) / (F_b − F_a)

Below Q* queries b is cheaper in all, above it a. If a's queries cost no less than b's they never meet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals.interval import Interval, check_level, percentiles
from ttscale.scaling.numbers import is_number, positive
from ttscale.scaling.summaries.words import flops_words, number_words


@dataclass(frozen=True, eq=False)
class Priced:
    """An option with what it costs.

    Attributes:
        name: in words.
        train_flops: in all. test_flops: per query; ∞ where the option does not reach what is compared.
        train_replicates, test_replicates: the same in resamples, ``float64 [boot]``, paired with those of other
            options; None where it is known.
    """

    name: str
    train_flops: float
    test_flops: float
    train_replicates: np.ndarray | None = field(default=None, repr=False)
    test_replicates: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class BreakEven:
    """The number of queries from which on the option of more training is the cheaper.

    Attributes:
        trained: the name of the option that costs more to train (of equal ones the one that answers for less).
        lean: that of the other.
        queries: 0 where ``trained`` is never dearer, ∞ where it is never cheaper, NaN where a cost is unknown.
        share_never: in which share of the resamples it is never cheaper.
        text: the same in a sentence.
    """

    trained: str
    lean: str
    queries: Interval
    share_never: float
    text: str


def break_even(a: Priced, b: Priced, *, level: float = 0.95) -> BreakEven:
    """Compare two options that do the same work, whichever costs more to train.

    Raises:
        TtscaleError: costs that are no numbers, or below 0; resamples of unequal number; a level that is no
            probability.
    """
    level = check_level(level, "level")
    for one in (a, b):
        _check(one)
    if (b.train_flops, -b.test_flops) > (a.train_flops, -a.test_flops):
        a, b = b, a
    costs = [_resampled(one) for one in (a, b)]
    if len({len(x) for pair in costs for x in pair} - {1}) > 1:
        raise TtscaleError(
            "replicates", expected="equally many resamples of every cost", got="unequal numbers",
            fix="Take those of one bootstrap.",
        )  # fmt: skip
    value = float(_meet(a.train_flops, a.test_flops, b.train_flops, b.test_flops))
    several = np.atleast_1d(_meet(*costs[0], *costs[1]))
    unknown = math.isnan(value) or bool(np.isnan(several).any())
    low, high = (math.nan, math.nan) if unknown else (float(x) for x in percentiles(several, level))
    queries = Interval(value, low, high, level, "percentiles of the resampled costs")
    never = float(np.isinf(several).mean()) if not unknown else math.nan
    return BreakEven(a.name, b.name, queries, never, _words(a, b, queries, never))


def equal_cost_multiplier(big: Priced, small: Priced, queries: float) -> float:
    """How many times its test compute the small option may spend until it has cost as much as the big one, over a
    number of queries: ``(T_big − T_small + Q · F_big) / (Q · F_small)``.

    Raises:
        TtscaleError: queries that are not a finite number above 0, or as :func:`break_even`.
    """
    for one in (big, small):
        _check(one)
    positive("queries", queries)
    saved = big.train_flops - small.train_flops
    return (saved + queries * big.test_flops) / (queries * small.test_flops)


def _check(one: Priced) -> None:
    for name in ("train_flops", "test_flops"):
        value = getattr(one, name)
        if not is_number(value) or value < 0 or (name == "train_flops" and value == math.inf):
            raise TtscaleError(
                name, expected="FLOPs of at least 0 (NaN where unknown)", got=f"{value!r} of {one.name}",
                fix="Give them.",
            )  # fmt: skip


def _resampled(one: Priced) -> tuple[np.ndarray, np.ndarray]:
    train = np.array([one.train_flops]) if one.train_replicates is None else np.asarray(one.train_replicates)
    test = np.array([one.test_flops]) if one.test_replicates is None else np.asarray(one.test_replicates)
    return train, test


def _meet(
    train_a: np.ndarray | float, test_a: np.ndarray | float, train_b: np.ndarray | float, test_b: np.ndarray | float
) -> np.ndarray:  # fmt: skip
    """From how many queries on a is cheaper: 0 if always, ∞ if never; broadcast."""
    train_a, test_a, train_b, test_b = np.broadcast_arrays(train_a, test_a, train_b, test_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        more, less = train_a - train_b, test_b - test_a
        met = np.where(less > 0, np.maximum(more, 0.0) / less, np.inf)
    met = np.where((less == 0) & (more < 0), 0.0, met)
    met = np.where(np.isinf(test_a), np.inf, met)
    unknown = np.isnan(train_a) | np.isnan(test_a) | np.isnan(train_b) | np.isnan(test_b)
    return np.where(unknown, math.nan, met)


def _words(a: Priced, b: Priced, queries: Interval, never: float) -> str:
    if math.isnan(queries.value):
        return f"What {a.name} and {b.name} cost is not all known: there is no number of queries to break even at."
    if math.isinf(a.test_flops) or math.isinf(b.test_flops):
        out = [one.name for one in (a, b) if math.isinf(one.test_flops)]
        return (
            f"{' and '.join(out)} {'does' if len(out) == 1 else 'do'} not get there at any cost: nothing breaks even."
        )
    per = f"{flops_words(a.test_flops)} against {flops_words(b.test_flops)} per query"
    trained = f"{flops_words(a.train_flops)} against {flops_words(b.train_flops)} of training"
    often = f" ({100 * never:.0f}% of the resamples never break even)" if 0 < never < 1 else ""
    if a.train_flops == b.train_flops:
        if a.test_flops == b.test_flops:
            return f"{a.name} and {b.name} cost the same, in training and per query."
        return f"{a.name} is cheaper than {b.name} from the first query on: equal training, {per}{often}."
    if math.isinf(queries.value):
        same = "the same" if a.test_flops == b.test_flops else "more"
        dearer = f"{trained}, and {a.name} costs {same} per query ({per})"
        return f"{b.name} is cheaper than {a.name} at any number of queries: {dearer}{often}."
    low, high = (_count(x) for x in (queries.low, queries.high))
    known = not math.isnan(queries.low) and queries.low < queries.high
    between = f" ({100 * queries.level:g}% interval {low} to {high})" if known else ""
    return (
        f"Below {_count(queries.value)} queries{between} {b.name} is cheaper in all, above it {a.name}: {trained}, "
        f"{per}{often}."
    )


def _count(queries: float) -> str:
    return "never" if math.isinf(queries) else number_words(queries)
