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
        item_ids: of the items kept.
        inputs: per preprocessing key, ``float32 [item, channel, height, width]``.
        skipped: item_id and reason of each item that could not be read.
    """

    item_ids: tuple[str, ...]
    inputs: Mapping[str, torch.Tensor]
    skipped: tuple[Mapping[str, str], ...]

    def split(self, most: int) -> Iterator[Batch]:
        """The items kept, in parts of at most ``most``."""
        for start in range(0, len(self.item_ids), most):
            rows = slice(start, start + most)
            yield Batch(self.item_ids[rows], {key: x[rows] for key, x in self.inputs.items()}, ())


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

    ``data.load`` and ``preprocess`` are called from ``workers`` threads at once.

    Raises:
        TtscaleError: an item cannot be read (it is named), unless ``skip_bad``; or preprocessing fails on one.
    """
    edges = [(a, min(a + batch_size, stop)) for a in range(start, stop, batch_size)]
    with ThreadPoolExecutor(max(1, workers)) as pool:

        def begin(edge: tuple[int, int]) -> list[Future]:
            return [pool.submit(read_item, data, position, preprocess) for position in range(*edge)]

        ahead = begin(edges[0])
        try:
            for number, (first, last) in enumerate(edges):
                pending, ahead = ahead, (begin(edges[number + 1]) if number + 1 < len(edges) else [])
                yield _collate(data, range(first, last), [future.result() for future in pending], skip_bad, pin)
        finally:
            for future in ahead:
                future.cancel()


def read_item(
    data: Dataset, position: int, preprocess: Mapping[str, Preprocess]
) -> dict[str, torch.Tensor] | BadItem:
    """The tensors of one item, or the error of an item that cannot be read.

    Raises:
        TtscaleError: preprocessing fails on an input that could be read: that is the preprocessing's fault, or the
            whole data set's, so it is never skipped.
    """
    item_id = data.item_ids[position]
    try:
        raw = data.load(position)
    except BadItem as error:
        return error
    except (TtscaleError, OSError, ValueError, SyntaxError) as error:  # the last three: Pillow on broken files
        return BadItem(item_id, data.name, str(error))
    try:
        return {key: make(raw) for key, make in preprocess.items()}
    except Exception as error:
        raise TtscaleError(
            "preprocess", expected=f"one that takes the inputs of {data.name}",
            got=f"{type(error).__name__} on item {item_id!r} (a {type(raw).__name__}): {error}",
            fix="Give load_model a preprocess for such inputs, or mend the item.",
        ) from error  # fmt: skip


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
        inputs,
        tuple(skipped),
    )
