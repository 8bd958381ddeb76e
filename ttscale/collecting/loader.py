"""Batches of decoded, preprocessed items, made by threads while the model works on the batches before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from ttscale.collecting.inputs import InputKey, InputMaker
from ttscale.data.bad_item import BadItem
from ttscale.data.dataset import Dataset
from ttscale.data.image_modes import UnusableImage
from ttscale.errors import TtscaleError


@dataclass(frozen=True)
class Batch:
    """Preprocessed items.

    Attributes:
        item_ids: of the items kept.
        inputs: per preprocessing and frame, ``float32 [item, channel, height, width]``.
        skipped: item_id and reason of each item that could not be read.
    """

    item_ids: tuple[str, ...]
    inputs: Mapping[InputKey, torch.Tensor]
    skipped: tuple[Mapping[str, str], ...]

    def split(self, most: int) -> Iterator[Batch]:
        """The items kept, in parts of at most ``most``."""
        for start in range(0, len(self.item_ids), most):
            rows = slice(start, start + most)
            yield Batch(self.item_ids[rows], {key: x[rows] for key, x in self.inputs.items()}, ())


def batches(
    data: Dataset, start: int, stop: int, batch_size: int, make: InputMaker, *, workers: int, ahead: int,
    skip_bad: bool, pin: bool,
) -> Iterator[Batch]:  # fmt: skip
    """Items ``start`` to ``stop`` in batches; the ``ahead`` next ones are decoded, stacked and pinned meanwhile.

    ``data.load`` and ``make`` are called from ``workers`` threads at once.

    Raises:
        TtscaleError: an item cannot be read (it is named), unless ``skip_bad``; or preprocessing fails on one.
    """
    edges = deque((a, min(a + batch_size, stop)) for a in range(start, stop, batch_size))
    items: deque[list[Future]] = deque()
    stacked: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(max(1, workers)) as readers, ThreadPoolExecutor(1) as stacker:

        def begin() -> None:
            positions = range(*edges.popleft())
            items.append([readers.submit(read_item, data, position, make) for position in positions])
            stacked.append(stacker.submit(_collate, data, positions, items[-1], skip_bad, pin))

        try:
            while edges or stacked:
                while edges and len(stacked) <= ahead:
                    begin()
                yield stacked.popleft().result()
                items.popleft()
        finally:
            for future in (*stacked, *(one for some in items for one in some)):
                future.cancel()


def read_item(data: Dataset, position: int, make: InputMaker) -> dict[InputKey, torch.Tensor] | BadItem:
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
        return make(raw)
    except UnusableImage as error:
        return BadItem(item_id, data.name, f"an image of mode {error.mode}: {error.reason}")
    except TtscaleError as error:
        got = f"{error.got} (item {item_id!r})"
        raise TtscaleError(error.argument, expected=error.expected, got=got, fix=error.fix) from error
    except Exception as error:
        raise TtscaleError(
            "preprocess", expected=f"one that takes the inputs of {data.name}",
            got=f"{type(error).__name__} on item {item_id!r} (a {type(raw).__name__}): {error}",
            fix="Give load_model a preprocess for such inputs, or mend the item.",
        ) from error  # fmt: skip


def _collate(data: Dataset, positions: Sequence[int], items: Sequence[Future], skip_bad: bool, pin: bool) -> Batch:
    """One batch of what the readers bring, stacked in pinned memory where it goes on to another device."""
    kept: list[tuple[int, Any]] = []
    skipped = []
    for position, item in zip(positions, items, strict=True):
        outcome = item.result()
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
    return Batch(tuple(data.item_ids[position] for position, _ in kept), inputs, tuple(skipped))
