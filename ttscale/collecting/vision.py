"""The vision runner: blocks of images through every view and member."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ttscale.collecting.inputs import InputMaker, key_of
from ttscale.collecting.loader import Batch, batches
from ttscale.collecting.transfer import Copied, Transfer, layout_of
from ttscale.data.dataset import Dataset
from ttscale.draws import keyed
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import View, ViewSet, apply_view
from ttscale.errors import TtscaleError, in_a_line
from ttscale.models.model import Model
from ttscale.records.codes import count_flipped, stored_as

# What allocators say when they are not torch.OutOfMemoryError: torch's on the CPU, CUDA's libraries.
_OUT_OF_MEMORY = ("DefaultCPUAllocator", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


@dataclass(frozen=True)
class BlockResult:
    """Draws of one block.

    Attributes:
        item_ids: of the items kept.
        log_probs: per member, ``[item, variant, class]``, as they are stored.
        skipped: item_id and reason of each item that could not be read.
        flipped: per member, draws whose most likely class is another (or tied) after rounding to the stored type.
    """

    item_ids: tuple[str, ...]
    log_probs: Mapping[str, np.ndarray]
    skipped: tuple[Mapping[str, str], ...]
    flipped: Mapping[str, int]


@dataclass(frozen=True)
class _Running:
    """A batch whose log-probabilities are on their way to the host, per member, in parts of its items."""

    batch: Batch
    parts: Mapping[str, list[Copied]]


class VisionRunner:
    """Runs the members on all views of a range of items.

    Views that start from the same tensor share it, and members of one preprocessing share views; every view of an item
    is the same for all members. A batch that does not fit in memory is halved, and batches stay that small. The device
    works on one batch while the host decodes the next ones and reads the results of the one before.
    """

    def __init__(
        self,
        members: tuple[Model, ...],
        view_set: ViewSet,
        data: Dataset,
        make: InputMaker,
        *,
        seed: int,
        batch_size: int,
        device: torch.device,
        workers: int,
        ahead: int,
        dtype: np.dtype,
        skip_bad: bool,
        channels_last: bool,
        whole_batches: bool,
    ) -> None:
        """``ahead``: batches decoded before they are needed. ``dtype``: of the Records. ``whole_batches``: fill up the
        last one, for modules compiled for one number of rows."""
        self.members, self.view_set, self.data, self.make = members, view_set, data, make
        self.seed, self.batch_size, self.device, self.dtype = seed, batch_size, device, dtype
        self.workers, self.ahead, self.skip_bad, self.whole_batches = workers, ahead, skip_bad, whole_batches
        self.transfer = Transfer.to(device, layout_of(channels_last))
        self.spaces = {model.preprocess_key: PixelSpace.on(device, model.mean, model.std) for model in members}
        self.limit = batch_size

    @torch.inference_mode()
    def run(self, start: int, stop: int, on_items: Callable[[int], None]) -> BlockResult:
        """Items ``start`` to ``stop``; ``on_items`` is told how many items each finished batch held."""
        item_ids: list[str] = []
        skipped: list[Mapping[str, str]] = []
        parts: dict[str, list[np.ndarray]] = {model.name: [] for model in self.members}
        flipped = dict.fromkeys(parts, 0)
        for running in self._running(start, stop):
            skipped += running.batch.skipped
            item_ids += running.batch.item_ids
            for name, copies in running.parts.items():
                exact = self._checked(name, np.concatenate([copy.wait().numpy() for copy in copies]), running.batch)
                stored = stored_as(exact, self.dtype)
                flipped[name] += count_flipped(exact, stored)
                parts[name].append(stored)
            on_items(len(running.batch.item_ids) + len(running.batch.skipped))
        empty = np.empty((0, len(self.view_set), self.members[0].n_classes), self.dtype)
        log_probs = {name: np.concatenate(values) if values else empty for name, values in parts.items()}
        return BlockResult(tuple(item_ids), log_probs, tuple(skipped), flipped)

    def _running(self, start: int, stop: int) -> Iterator[_Running]:
        """Every batch, a device's results one batch late, so that it need not wait for them to be read."""
        stream = batches(
            self.data, start, stop, self.batch_size, self.make,
            workers=self.workers, ahead=self.ahead, skip_bad=self.skip_bad, pin=self.device.type == "cuda",
        )  # fmt: skip
        before: _Running | None = None
        for batch in stream:
            running = _Running(batch, self._begin(batch) if batch.item_ids else {})
            if before is not None:
                yield before
            before = running
        if before is not None:
            yield before

    def _begin(self, batch: Batch) -> dict[str, list[Copied]]:
        """Every view of the batch through every member, in as many parts as memory asks for."""
        while True:
            try:
                parts = [self._run_part(part) for part in batch.split(self.limit)]
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if min(self.limit, len(batch.item_ids)) == 1:
                    raise TtscaleError(
                        "batch_size", expected="members that fit in memory with one item",
                        got=f"out of memory at batch size 1 on {self.device}",
                        fix="Use fewer or smaller members, or another device.",
                    ) from error  # fmt: skip
            else:
                return {name: [part[name] for part in parts] for name in parts[0]}
            self.limit = min(self.limit, len(batch.item_ids)) // 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _run_part(self, batch: Batch) -> dict[str, Copied]:
        """Log-probabilities ``float32 [item, variant, class]`` per member."""
        keys = torch.from_numpy(keyed.item_keys(batch.item_ids))
        keys = self.transfer.there(keys.pin_memory() if self.transfer.streams else keys)
        out = {
            model.name: torch.empty(len(keys), len(self.view_set), model.n_classes, device=self.device)
            for model in self.members
        }
        for (preprocessing, frame), x in batch.inputs.items():
            there = self.transfer.there(x)
            for number, view in enumerate(self.view_set):
                if view.frame != frame:
                    continue
                seen = apply_view(view, there, self.spaces[preprocessing], self.seed, keys)
                for model in self.members:
                    if key_of(model, view) == (preprocessing, frame):
                        out[model.name][:, number] = self._forward(model, seen, batch, view)
        return {name: self.transfer.back(values) for name, values in out.items()}

    def _forward(self, model: Model, x: torch.Tensor, batch: Batch, view: View) -> torch.Tensor:
        rows = len(x)
        if self.whole_batches and rows < self.limit:
            x = torch.cat([x, x[-1:].expand(self.limit - rows, -1, -1, -1)])
        try:
            output = model.module(x)
        except Exception as error:  # the user's code may raise anything
            if isinstance(error, TtscaleError) or _is_out_of_memory(error):
                raise
            first, last = batch.item_ids[0], batch.item_ids[-1]
            raise TtscaleError(
                "models", expected=f"{model.name} to take every batch",
                got=f"{in_a_line(error)}, on items {first!r} to {last!r}, view {view.name!r}",
                fix="Mend the module and give the command again: the run goes on where it stopped.",
            ) from error  # fmt: skip
        return model.read(output)[:rows]

    def _checked(self, member: str, values: np.ndarray, batch: Batch) -> np.ndarray:
        bad = np.isnan(values).any(-1)
        if bad.any():
            item, view = np.argwhere(bad)[0]
            raise TtscaleError(
                "models", expected="finite outputs",
                got=f"NaN from member {member!r} on item {batch.item_ids[item]!r}, view {self.view_set.names[view]!r}",
                fix="Check the member's weights, the item's file, and the numeric format (dtype=float32).",
            )  # fmt: skip
        return values


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in _OUT_OF_MEMORY)
