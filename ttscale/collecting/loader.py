"""Batches of decoded, preprocessed items, made by threads while the model works on the batch before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from ttscale.data.bad_item import BadItem
from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError

Preprocess = Callable[[Any], torch.Tensor]


@dataclass(frozen=True)
class Batch:
    """Preprocessed items.

    Attributes:
        item_ids, labels: of the items kept.
        inputs: per preprocessing key, ``float32 [item, channel, height, width]``.
        skipped: item_id and reason of each item that could not be read.
    """

    item_ids: tuple[str, ...]
    labels: tuple[int, ...]
    inputs: Mapping[str, torch.Tensor]
    skipped: tuple[Mapping[str, str], ...]


def batches(
    data: Dataset,
    start: int,
    stop: int,
    batch_size: int,
    preprocess: Mapping[str, Preprocess],
    *,
    workers: int,
    skip_bad: bool,
    pin: bool,
) -> Iterator[Batch]:
    """Items ``start`` to ``stop`` in batches; one batch ahead is being made while the caller uses the last.

    Raises:
        TtscaleError: an item cannot be read (it is named), unless ``skip_bad``.
    """
    edges = [(a, min(a + batch_size, stop)) for a in range(start, stop, batch_size)]
    with ThreadPoolExecutor(max(1, workers)) as pool:

        def begin(edge: tuple[int, int]) -> list[Future]:
            return [pool.submit(_read, data, position, preprocess) for position in range(*edge)]

        ahead = begin(edges[0])
        try:
            for number, (first, last) in enumerate(edges):
                pending, ahead = ahead, (begin(edges[number + 1]) if number + 1 < len(edges) else [])
                yield _collate(data, range(first, last), [future.result() for future in pending], skip_bad, pin)
        finally:
            for future in ahead:
                future.cancel()


def _read(data: Dataset, position: int, preprocess: Mapping[str, Preprocess]) -> dict[str, torch.Tensor] | BadItem:
    """The tensors of one item, or the error that reading or preprocessing it raised."""
    try:
        raw = data.load(position)
        return {key: make(raw) for key, make in preprocess.items()}
    except BadItem as error:
        return error
    except (TtscaleError, OSError, ValueError, SyntaxError) as error:  # the last three: Pillow on broken files
        return BadItem(data.item_ids[position], data.name, str(error))


def _collate(data: Dataset, positions: Sequence[int], outcomes: Sequence[Any], skip_bad: bool, pin: bool) -> Batch:
    kept, skipped = [], []
    for position, outcome in zip(positions, outcomes, strict=True):
        if not isinstance(outcome, BadItem):
            kept.append((position, outcome))
        elif skip_bad:
            skipped.append({"item_id": data.item_ids[position], "reason": outcome.reason})
        else:
            raise outcome
    inputs = {}
    for key in kept[0][1] if kept else ():
        stacked = torch.stack([outcome[key] for _, outcome in kept])
        inputs[key] = stacked.pin_memory() if pin else stacked
    return Batch(
        tuple(data.item_ids[position] for position, _ in kept),
        tuple(int(data.labels[position]) for position, _ in kept),
        inputs,
        tuple(skipped),
    )
