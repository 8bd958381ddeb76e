"""What is laid beside published models, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import accuracy_words, flops_words, points_words, ratio_words, sentence_start
from ttscale.scaling.tradeoff.anchors import few_classes
from ttscale.scaling.tradeoff.families import Reference

if TYPE_CHECKING:
    from ttscale.scaling.tradeoff.beside import Laid, PublishedPrice


def laid_words(one: Laid, tied: Reference | None) -> str:
    """An option at a budget beside the published models; ``tied``: the one that its rung is, of the anchored."""
    trained = "" if math.isnan(one.train_flops) else f", about {flops_words(one.train_flops)} of training"
    head = f"{sentence_start(one.words)} ({flops_words(one.flops)} per item{trained})"
    if math.isnan(one.scaled.value):
        best = "costliest" if math.isnan(one.rival.accuracy) else "most accurate"
        there = f"the {best} published model for about as many is {_priced_words(one.rival)}" if one.rival.name else ""
        return f"{head}: {there or 'no published model costs as little'}."
    scaled = f"{100 * one.scaled.value:.1f}%" if one.scaled.low == one.scaled.high else accuracy_words(one.scaled)
    of = (
        f" ({100 * tied.accuracy:.1f}% published, {points_words(one.gain)} measured)" if tied and one.gain.value else ""
    )
    reached = "No published model reaches that."
    if one.peer.name:
        ratio, low, high = (ratio_words(x) for x in (one.test_ratio.value, one.test_ratio.low, one.test_ratio.high))
        reached = (
            f"That is {ratio}{'' if low == high else f' ({low} to {high})'} the test FLOPs of "
            f"{_priced_words(one.peer)}, the cheapest published model that reaches it."
        )
    gap = points_words(one.difference)
    rival = f" For about as many there is {_priced_words(one.rival)}: {gap}." if one.rival.name else ""
    return f"{head}: {scaled}{of}. {reached}{rival}"


def _priced_words(priced: PublishedPrice) -> str:
    accuracy = "" if math.isnan(priced.accuracy) else f"{100 * priced.accuracy:.1f}%, "
    unknown = math.isnan(priced.train_flops)
    training = "training unknown" if unknown else f"about {flops_words(priced.train_flops)} of training"
    return f"{priced.name} ({accuracy}{flops_words(priced.test_flops)}, {training})"


def notes_of(
    basis: str, told: str, reason: str, asked: bool, options: Sequence[Option], domain: str
) -> list[str]:  # fmt: skip
    """What may and may not be compared on a basis, and why; ``told``: the benchmark, ``asked``: costs alone."""
    notes = ["Training FLOPs of published models are estimates; their accuracies have no intervals."]
    if domain == "text":
        notes.append("Published language models are taken to read and write as many tokens per item.")
    if basis == "costs":
        none = "the table has none" if not told else "as asked" if asked else "no rung is one of the published models"
        notes.append(f"Accuracies are not compared: {reason or none}.")
    elif basis == "anchored":
        few = few_classes(options)
        also = f", although these are {few}" if few else ""
        notes.append(f"A gain on these items is taken to be worth as much on all of {told}{also}.")
    else:
        notes.append(f"The items are declared to be a sample of those of {told}.")
    return notes
