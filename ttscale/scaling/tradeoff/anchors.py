"""Rungs that are published models: what ties accuracies on our items to published ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.errors import unknown_name
from ttscale.records.records import Records
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import accuracy_words, points_words, ratio_words, sentence_start
from ttscale.scaling.tradeoff.families import Reference
from ttscale.scaling.tradeoff.ladder import Rung

_SHARE = 0.5


@dataclass(frozen=True)
class Anchor:
    """A rung that is itself a published model.

    Attributes:
        rung, reference: their names. published: accuracy, as a fraction; measured: of one plain decision.
        offset: measured − published, with the interval of the measured.
        flops_ratio: measured test FLOPs / published; NaN of text, where the published are per token.
        text: the same in a sentence.
    """

    rung: str
    reference: str
    published: float
    measured: Interval
    offset: Interval
    flops_ratio: float
    text: str


def find_anchors(
    references: Sequence[Reference], rungs: Sequence[Rung], same: Mapping[str, str]
) -> tuple[dict[str, Reference], list[str]]:
    """Which rung is which published model, by its name, and notes on names that fit several.

    Names are compared without case, blanks, ``-`` and ``_``. What follows a blank in a published name tells recipes of
    one architecture apart (``ResNet-50 V2``): a rung ``resnet50`` may be either, so that ``same`` must tell.

    Raises:
        TtscaleError: a name in ``same`` that no rung or no reference has.
    """
    by_name = {one.name: one for one in references}
    for mine, name in same.items():
        if mine not in {one.name for one in rungs}:
            raise unknown_name("same", mine, (one.name for one in rungs))
        if name not in by_name:
            raise unknown_name("same", name, by_name)
    by_key: dict[str, list[Reference]] = {}
    for one in by_name.values():
        for key in {_key(one.name), _key(one.name.partition(" ")[0])}:
            by_key.setdefault(key, []).append(one)
    found, notes = {}, []
    for rung in rungs:
        if rung.name in same:
            found[rung.name] = by_name[same[rung.name]]
            continue
        fits = {one.name: one for name in (rung.name, rung.size, *rung.members) for one in by_key.get(_key(name), ())}
        if len(fits) == 1:
            found[rung.name] = next(iter(fits.values()))
        elif fits:
            notes.append(f"{rung.name} may be {' or '.join(fits)}: `same` must tell which was measured.")
    return found, notes


def anchor(rung: Rung, reference: Reference) -> Anchor:
    """One plain decision of a rung beside what was published of it."""
    at, published = rung.accuracy, reference.accuracy
    offset = Interval(at.value - published, at.low - published, at.high - published, at.level, at.method)
    ratio = rung.flops / reference.test_flops if reference.domain == "image" else math.nan
    cost = f"; it costs {ratio_words(ratio)} the published test FLOPs" if math.isfinite(ratio) else ""
    text = (
        f"{sentence_start(rung.plainly)}, taken to be {reference.name}, has {accuracy_words(at)} here and "
        f"{100 * published:.1f}% published: items and preprocessing make {points_words(offset)}{cost}."
    )
    return Anchor(rung.name, reference.name, published, at, offset, ratio, text)


def not_of_benchmark(references: Sequence[Reference], options: Sequence[Option]) -> str:
    """Why the items cannot be those of the benchmark, in words; empty where nothing speaks against it."""
    wanted = {one.classes for one in references if not math.isnan(one.accuracy) and not math.isnan(one.classes)}
    records = _records(options)
    if not wanted or records is None or records.n_classes in wanted:
        return ""
    named = " or ".join(f"{n:,.0f}" for n in sorted(wanted))
    return f"items decided among {records.n_classes:,} classes, where those of the published models are among {named}"


def few_classes(options: Sequence[Option]) -> str:
    """That the items come from fewer classes than a sample of a whole test set would, in words; else empty.

    n items of C equally frequent classes are of ``C (1 − (1 − 1/C)^n)`` different ones on average; fewer than half of
    that are no such sample.
    """
    records = _records(options)
    if records is None:
        return ""
    n_classes, present = records.n_classes, len(np.unique(records.labels))
    expected = n_classes * (1 - (1 - 1 / n_classes) ** records.n_items)
    if present >= _SHARE * expected:
        return ""
    return f"{records.n_items:,} items of {present:,} of {n_classes:,} classes"


def _records(options: Sequence[Option]) -> Records | None:
    """The Records of images that options were measured on; None of text, and of curves without any."""
    found = next((records for option in options for records, _ in option.strategies), None)
    return None if found is None or found.outcome == "text" else found


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())
