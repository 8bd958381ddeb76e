"""The vision runner: blocks of images through every view and member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ttscale.collecting.forward import Forward
from ttscale.collecting.loader import Batch, batches
from ttscale.data.dataset import Dataset
from ttscale.draws import keyed
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import ViewSet, apply_view
from ttscale.errors import TtscaleError
from ttscale.models.model import Model


@dataclass(frozen=True)
class BlockResult:
    """Draws of one block: ids of the items kept, ``[item, variant, class]`` per member, and what was skipped."""

    item_ids: tuple[str, ...]
    log_probs: Mapping[str, np.ndarray]
    skipped: tuple[Mapping[str, str], ...]


class VisionRunner:
    """Runs the members on all views of a range of items.

    Members with the same preprocessing share decoded images and views; every view of an item is the same for all
    members.
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
        self.forward = Forward(batch_size)

    @torch.inference_mode()
    def run(self, start: int, stop: int, on_items: Callable[[int], None]) -> BlockResult:
        """Items ``start`` to ``stop``; ``on_items`` is told how many items each finished batch held."""
        item_ids: list[str] = []
        skipped: list[Mapping[str, str]] = []
        parts: dict[str, list[np.ndarray]] = {model.name: [] for model in self.members}
        stream = batches(
            self.data, start, stop, self.batch_size, {key: group[0].preprocess for key, group in self.groups.items()},
            workers=self.workers, skip_bad=self.skip_bad, pin=self.device.type == "cuda",
        )  # fmt: skip
        for batch in stream:
            skipped += batch.skipped
            item_ids += batch.item_ids
            if batch.item_ids:
                for name, values in self._run_batch(batch).items():
                    parts[name].append(values)
            on_items(len(batch.item_ids) + len(batch.skipped))
        empty = np.empty((0, len(self.view_set), self.members[0].n_classes), self.dtype)
        log_probs = {name: np.concatenate(values) if values else empty for name, values in parts.items()}
        return BlockResult(tuple(item_ids), log_probs, tuple(skipped))

    def _run_batch(self, batch: Batch) -> dict[str, np.ndarray]:
        keys = torch.from_numpy(keyed.item_keys(batch.item_ids)).to(self.device)
        out = {
            model.name: torch.empty(len(keys), len(self.view_set), model.n_classes, device=self.device)
            for model in self.members
        }
        for key, group in self.groups.items():
            x = batch.inputs[key].to(self.device, non_blocking=True, memory_format=self.layout)
            space = PixelSpace(group[0].mean, group[0].std)
            for number, view in enumerate(self.view_set):
                seen = apply_view(view, x, space, self.seed, keys)
                for model in group:
                    out[model.name][:, number] = self.forward.log_probs(model, seen)
        return {name: self._checked(name, values, batch).astype(self.dtype) for name, values in out.items()}

    def _checked(self, member: str, values: torch.Tensor, batch: Batch) -> np.ndarray:
        on_host = values.cpu().numpy()
        bad = np.isnan(on_host).any(-1)
        if bad.any():
            item, view = np.argwhere(bad)[0]
            raise TtscaleError(
                "models", expected="finite outputs",
                got=f"NaN from member {member!r} on item {batch.item_ids[item]!r}, view {self.view_set.names[view]!r}",
                fix="Check the member's weights and numeric format, and the item's file.",
            )  # fmt: skip
        return on_host
