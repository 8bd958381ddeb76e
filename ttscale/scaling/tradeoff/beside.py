"""What was measured, laid beside published models (:mod:`ttscale.scaling.tradeoff.families`).

Costs can always be compared, accuracies only with care: a published one is of a whole test set, and our items may be
easier or harder, or prepared in another way. So one of two things is needed.

- **anchored**: a rung is itself a published model. What is laid beside the others is its published accuracy plus the
  gain that was measured over one plain decision of that rung, paired by item. That the gain is worth as much on the
  whole test set is an assumption.
- **declared**: the user says that the items are a sample of that very test set; accuracies are taken as measured.

Neither is possible where items are decided among another number of classes than those of the benchmark, and items of a
few of its classes are no sample of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.intervals.interval import Interval, undefined
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import option_words
from ttscale.scaling.tradeoff.anchors import Anchor, anchor, few_classes, find_anchors, not_of_benchmark
from ttscale.scaling.tradeoff.beside_words import laid_words, notes_of
from ttscale.scaling.tradeoff.families import Reference
from ttscale.scaling.tradeoff.ladder import Rung

_AFFORDS = 1.1  # published costs are rounded, and counted a few per cent apart


@dataclass(frozen=True)
class PublishedPrice:
    """A published model at its price.

    Attributes:
        name: empty where there is no such model. accuracy: as a fraction. test_flops: per item. train_flops: an
            estimate, of a distilled model without its teacher.
    """

    name: str = ""
    accuracy: float = math.nan
    test_flops: float = math.nan
    train_flops: float = math.nan


@dataclass(frozen=True)
class Laid:
    """A measured option at a budget beside the published models; what cannot be told is NaN.

    Attributes:
        rung, curve, k, words: what it is: ``24 views of efficientnet-lite0``.
        flops: per item. train_flops: of the models in use; of a published model that nobody metered, its estimate.
        accuracy: as measured. gain: over one plain decision of the rung, paired by item.
        scaled: accuracy on the scale of the benchmark: published + gain, or as measured.
        rival: the most accurate published model that costs no more per item (within 10 %); where no accuracies are
            published, the costliest such. difference: scaled − its accuracy; the interval is of the measured alone.
        peer: the published model of least test FLOPs that is at least as accurate as ``scaled``.
        test_ratio: flops / those of the peer, with the peers of the ends of ``scaled``; 0 where none reaches an end.
        text: the same in a sentence.
    """

    rung: str
    curve: str
    k: int
    words: str
    flops: float
    train_flops: float
    accuracy: Interval
    gain: Interval
    scaled: Interval
    rival: PublishedPrice
    difference: Interval
    peer: PublishedPrice
    test_ratio: Interval
    text: str = ""


@dataclass(frozen=True)
class Beside:
    """Measured options beside published models.

    Attributes:
        basis: ``"anchored"``, ``"declared"``, or ``"costs"`` where accuracies are not compared.
        benchmark: of the published accuracies; empty where there are none.
        references: those that take part. anchors: the rungs that are published models.
        laid: every budget of every option of the rungs.
        notes: what may and may not be compared, and why.
        text: sentences: each anchor, then each option at its largest budget.
    """

    basis: str
    benchmark: str
    references: tuple[Reference, ...] = field(repr=False)
    anchors: tuple[Anchor, ...]
    laid: tuple[Laid, ...] = field(repr=False)
    notes: tuple[str, ...]
    text: tuple[str, ...]


def beside(
    references: Sequence[Reference], rungs: Sequence[Rung], options: Sequence[Option], *,
    benchmark: str | None = None, same: Mapping[str, str] | None = None, comparable: bool | None = None,
) -> Beside:  # fmt: skip
    """Lay measured options beside published models.

    What a published language model costs per item is one plain decision of the rung times the ratio of what a token
    costs: it is taken to read and to write as many tokens.

    Args:
        references: of :func:`ttscale.scaling.tradeoff.families.reference_families`; those of the other domain are left
            out.
        rungs, options: of a tradeoff (its ladder and options); options of other rungs are left out.
        benchmark: which, where the references are of several.
        same: which rung is which published model; rungs with the name of one are found without it.
        comparable: True declares the items a sample of the benchmark's test set; False compares costs alone; None
            compares accuracies where there are anchors.

    Raises:
        TtscaleError: no references of the domain, several benchmarks, unknown names, or items that are not those of the
            benchmark (see the module) where ``same`` or ``comparable`` claim that they are.
    """
    if comparable not in (None, True, False) or (comparable is False and same):
        raise TtscaleError("comparable", expected="True, False without `same`, or None", got=repr(comparable),
                           fix="Leave it out to compare through models that were measured and published.")  # fmt: skip
    by_name = {rung.name: rung for rung in rungs}
    options = [option for option in options if option.rung in by_name]
    domain = "text" if options and options[0].curve.tokens is not None else "image"
    used, told = _chosen(references, domain, benchmark)
    reason = not_of_benchmark(used, options)
    refused = reason or (few_classes(options) if comparable else "")
    if refused and (comparable or same):
        raise TtscaleError("comparable" if comparable else "same", expected=f"items of {told}", got=refused,
                           fix="Leave it out: costs are compared all the same.")  # fmt: skip
    tied, notes = ({}, []) if reason else find_anchors(used, rungs, same or {})
    scaled = {} if comparable is False else {name: one for name, one in tied.items() if not math.isnan(one.accuracy)}
    basis = "declared" if comparable and told else "anchored" if scaled else "costs"
    laid = [
        _laid(option, row, by_name[option.rung], tied.get(option.rung), used, basis)
        for option in options
        for row in range(len(option.curve.budgets))
    ]
    last = {one.curve: one.text for one in laid}  # the largest budget comes last
    anchors = tuple(anchor(rung, scaled[rung.name]) for rung in rungs if rung.name in scaled)
    notes = [*notes_of(basis, told, reason, comparable is False, options, domain), *notes]
    return Beside(basis, told, used, anchors, tuple(laid), tuple(notes), (*(a.text for a in anchors), *last.values()))


def _chosen(
    references: Sequence[Reference], domain: str, benchmark: str | None
) -> tuple[tuple[Reference, ...], str]:  # fmt: skip
    """The references that take part, and their benchmark; empty where no accuracies are known."""
    used = [one for one in references if one.domain == domain]
    if not used:
        raise TtscaleError("reference", expected=f"published models of the domain {domain}", got="none",
                           fix="Give a table that has some.")  # fmt: skip
    several = sorted({one.benchmark for one in used if not math.isnan(one.accuracy)})
    if benchmark is not None and benchmark not in several:
        raise unknown_name("benchmark", benchmark, several)
    if benchmark is None and len(several) > 1:
        raise TtscaleError("benchmark", expected="one of them", got=f"accuracies of {', '.join(several)}",
                           fix=f"Give for example {several[0]!r}.")  # fmt: skip
    told = benchmark if benchmark is not None else "".join(several)
    return tuple(one for one in used if math.isnan(one.accuracy) or one.benchmark == told), told


def _laid(
    option: Option, row: int, rung: Rung, tied: Reference | None, used: Sequence[Reference], basis: str
) -> Laid:  # fmt: skip
    curve, k, flops = option.curve, int(option.curve.budgets[row]), float(option.curve.flops[row])
    measured, nothing = curve.at(k), undefined(curve.level)
    gain = _gain(option, row, rung) if basis != "costs" else nothing
    scaled = measured if basis == "declared" else nothing
    if basis == "anchored" and tied is not None:
        scaled = _moved(gain, tied.accuracy)  # NaN where that is not published
    training = float(option.train_flops[row])
    if math.isnan(training) and tied is not None:
        training = tied.train_flops * int(option.models[row])
    costs = np.array([one.test_flops for one in used])
    if used[0].domain == "text":
        costs = costs * rung.flops / (2 * rung.n_params) if rung.n_params > 0 else costs * math.nan
    rival, peer = _rival(used, costs, flops), _peer(used, costs, scaled.value)
    ends = [flops / _peer(used, costs, end).test_flops for end in (scaled.high, scaled.low)]
    low, high = (0.0 if math.isnan(end) else end for end in ends)
    ratio = nothing
    if peer.name:
        ratio = Interval(flops / peer.test_flops, low, high, curve.level, "models that reach the ends of the accuracy")
    found = Laid(
        rung.name, curve.name, k, option_words(curve, k), flops, training, measured, gain, scaled, rival,
        _moved(scaled, -rival.accuracy), peer, ratio,
    )  # fmt: skip
    return replace(found, text=laid_words(found, tied if basis == "anchored" else None))


def _gain(option: Option, row: int, rung: Rung) -> Interval:
    curve = option.curve
    if np.array_equal(curve.credit[row], rung.plain.credit[0]):
        return Interval(0.0, 0.0, 0.0, curve.level, "the plain decision itself")
    return curve.resampled.minus(row, rung.plain.resampled, 0)


def _moved(interval: Interval, by: float) -> Interval:
    return replace(interval, value=interval.value + by, low=interval.low + by, high=interval.high + by)


def _rival(used: Sequence[Reference], costs: np.ndarray, flops: float) -> PublishedPrice:
    accuracy = np.array([one.accuracy for one in used])
    score = costs if np.isnan(accuracy).all() else accuracy
    fits = (costs <= flops * _AFFORDS) & ~np.isnan(score)
    return _priced(used, costs, int(np.argmax(np.where(fits, score, -np.inf)))) if fits.any() else PublishedPrice()


def _peer(used: Sequence[Reference], costs: np.ndarray, accuracy: float) -> PublishedPrice:
    enough = np.array([one.accuracy for one in used]) >= accuracy - 1e-9
    return _priced(used, costs, int(np.argmin(np.where(enough, costs, np.inf)))) if enough.any() else PublishedPrice()


def _priced(used: Sequence[Reference], costs: np.ndarray, i: int) -> PublishedPrice:
    return PublishedPrice(used[i].name, used[i].accuracy, float(costs[i]), used[i].train_flops)
