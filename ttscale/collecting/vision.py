"""The vision runner: blocks of images through every view and member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ttscale.collecting.loader import Batch, batches
from ttscale.data.dataset import Dataset
from ttscale.draws import keyed
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import ViewSet, apply_view
from ttscale.errors import TtscaleError
from ttscale.models.model import Model

# What allocators say when they are not torch.OutOfMemoryError: torch's on the CPU, CUDA's libraries.
_OUT_OF_MEMORY = ("DefaultCPUAllocator", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


@dataclass(frozen=True)
class BlockResult:
    """Draws of one block.

    Attributes:
        item_ids: of the items kept.
        log_probs: per member, ``[item, variant, class]``.
        skipped: item_id and reason of each item that could not be read.
        flipped: per member, draws whose most likely class is another (or tied) after rounding to the stored type.
    """

    item_ids: tuple[str, ...]
    log_probs: Mapping[str, np.ndarray]
    skipped: tuple[Mapping[str, str], ...]
    flipped: Mapping[str, int]


class VisionRunner:
    """Runs the members on all views of a range of items.

    Members with the same preprocessing share decoded images and views; every view of an item is the same for all
    members. A batch that does not fit in memory is halved, and batches stay that small.
    """

    def __init__(
        self,
        members: tuple[Model, ...],
        view_set: ViewSet,
        data: Dataset,
        *,
        seed: int,
        batch_size: int,
        device: torch.device,
        workers: int,
        dtype: np.dtype,
        skip_bad: bool,
        channels_last: bool,
    ) -> None:
        self.members, self.view_set, self.data = members, view_set, data
        self.seed, self.batch_size, self.device, self.dtype = seed, batch_size, device, dtype
        self.workers, self.skip_bad = workers, skip_bad
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.groups: dict[str, list[Model]] = {}
        for model in members:
            self.groups.setdefault(model.preprocess_key, []).append(model)
        self.spaces = {key: PixelSpace.on(device, group[0].mean, group[0].std) for key, group in self.groups.items()}
        self.limit = batch_size

    @torch.inference_mode()
    def run(self, start: int, stop: int, on_items: Callable[[int], None]) -> BlockResult:
        """Items ``start`` to ``stop``; ``on_items`` is told how many items each finished batch held."""
        item_ids: list[str] = []
        skipped: list[Mapping[str, str]] = []
        parts: dict[str, list[np.ndarray]] = {model.name: [] for model in self.members}
        flipped = dict.fromkeys(parts, 0)
        stream = batches(
            self.data, start, stop, self.batch_size, {key: group[0].preprocess for key, group in self.groups.items()},
            workers=self.workers, skip_bad=self.skip_bad, pin=self.device.type == "cuda",
        )  # fmt: skip
        for batch in stream:
            skipped += batch.skipped
            item_ids += batch.item_ids
            if batch.item_ids:
                for name, exact in self._run_batch(batch).items():
                    stored = exact.astype(self.dtype, copy=False)
                    flipped[name] += 0 if stored is exact else _count_flipped(exact, stored)
                    parts[name].append(stored)
            on_items(len(batch.item_ids) + len(batch.skipped))
        empty = np.empty((0, len(self.view_set), self.members[0].n_classes), self.dtype)
        log_probs = {name: np.concatenate(values) if values else empty for name, values in parts.items()}
        return BlockResult(tuple(item_ids), log_probs, tuple(skipped), flipped)

    def _run_batch(self, batch: Batch) -> dict[str, np.ndarray]:
        """Log-probabilities ``float32 [item, variant, class]`` per member, in as many parts as memory asks for."""
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
                return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            self.limit = min(self.limit, len(batch.item_ids)) // 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _run_part(self, batch: Batch) -> dict[str, np.ndarray]:
        keys = torch.from_numpy(keyed.item_keys(batch.item_ids)).to(self.device)
        out = {
            model.name: torch.empty(len(keys), len(self.view_set), model.n_classes, device=self.device)
            for model in self.members
        }
        for key, group in self.groups.items():
            x = batch.inputs[key].to(self.device, non_blocking=True, memory_format=self.layout)
            for number, view in enumerate(self.view_set):
                seen = apply_view(view, x, self.spaces[key], self.seed, keys)
                for model in group:
                    out[model.name][:, number] = torch.log_softmax(model.module(seen).float(), -1)
        return {name: self._checked(name, values.cpu().numpy(), batch) for name, values in out.items()}

    def _checked(self, member: str, values: np.ndarray, batch: Batch) -> np.ndarray:
        bad = np.isnan(values).any(-1)
        if bad.any():
            item, view = np.argwhere(bad)[0]
            raise TtscaleError(
                "models", expected="finite outputs",
                got=f"NaN from member {member!r} on item {batch.item_ids[item]!r}, view {self.view_set.names[view]!r}",
                fix="Check the member's weights and numeric format, and the item's file.",
            )  # fmt: skip
        return values


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in _OUT_OF_MEMORY)


def _count_flipped(exact: np.ndarray, stored: np.ndarray) -> int:
    """Draws whose set of most likely classes changed in rounding."""
    before, after = (values == values.max(-1, keepdims=True) for values in (exact, stored))
    return int((before != after).any(-1).sum())
