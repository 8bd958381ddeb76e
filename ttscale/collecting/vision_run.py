"""Every view of every image through every classifier, block by block, into Records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from ttscale.collecting.checks import check_vision, probe
from ttscale.collecting.environment import describe_device, pick_device, torch_threads, versions
from ttscale.collecting.progress import bar
from ttscale.collecting.vision import VisionRunner
from ttscale.cost.flops import measure_forward
from ttscale.data.dataset import Dataset
from ttscale.draws.grammar import views
from ttscale.draws.views import ViewSet
from ttscale.errors import TtscaleError
from ttscale.models.model import Model
from ttscale.records.schema import Manifest, Member
from ttscale.records.store import RecordsWriter

# A block is what a kill can cost: some tens of seconds of work, and no more than fits in memory at ease.
_BLOCK_BYTES = 32 << 20
_BLOCK_FLOPS = {"cpu": 1e12, "accelerator": 5e13}
_FLOAT16_ABOVE = 4 << 30


def collect_images(
    members: tuple[Model, ...], data: Dataset, draws: str | ViewSet, *, out: str | Path, seed: int,
    batch_size: int | None, device: str, threads: int | None, workers: int, channels_last: bool, log_probs_dtype: str,
    on_bad_item: str, progress: bool, command: str | None,
) -> None:  # fmt: skip
    """What :func:`ttscale.collect` does for classifiers; the arguments are its own."""
    view_set = views(draws)
    check_vision(members, data, view_set, workers, log_probs_dtype, on_bad_item)
    target = pick_device(device)
    size = batch_size or _default_batch_size(members, target)
    with torch_threads(threads), _placed(members, target, channels_last):
        probe(members, data, target, skip_bad=on_bad_item == "skip")
        described = tuple(_describe(model) for model in members)
        dtype = _pick_dtype(log_probs_dtype, len(data), len(view_set), len(members), members[0].n_classes)
        block_items = _block_items(described, len(view_set), members[0].n_classes * dtype.itemsize, size, target)
        digest, installed = data.digest(), versions("torchvision", "timm")
        manifest = Manifest(
            seed=seed,
            config={
                "seed": seed, "views": list(view_set.names), "batch_size": size, "block_items": block_items,
                "members": [f"{model.name} {model.fingerprint[:12]}" for model in described],
                "dataset": f"{len(data)} items of {data.name}, {digest[:12]}",
                "device": target.type, "channels_last": channels_last, "log_probs_dtype": dtype.name,
                "versions": installed,
            },
            versions=installed, device=describe_device(target),
            dataset={"name": data.name, "n_items": len(data), "sha256": digest},
            n_classes=members[0].n_classes, class_names=_class_names(members, data), variants=view_set.names,
            members=described, n_blocks=-(-len(data) // block_items), command=command,
        )  # fmt: skip
        runner = VisionRunner(
            members, view_set, data, seed=seed, batch_size=size, device=target, workers=workers, dtype=dtype,
            skip_bad=on_bad_item == "skip", channels_last=channels_last,
        )  # fmt: skip
        with RecordsWriter(Path(out), manifest) as writer:
            if not writer.manifest.complete:
                _run(runner, writer, data, block_items, progress)


def _run(runner: VisionRunner, writer: RecordsWriter, data: Dataset, block_items: int, progress: bool) -> None:
    flops = {m.name: [m.flops] * len(writer.manifest.variants) for m in writer.manifest.members}
    with bar("items", len(data), progress) as advance:
        for block, start in enumerate(range(0, len(data), block_items)):
            stop = min(start + block_items, len(data))
            if not writer.has_block(block):
                result = runner.run(start, stop, advance)
                writer.write_block(
                    block, result.item_ids, result.log_probs, flops, skipped=result.skipped, flipped=result.flipped
                )
            else:
                advance(stop - start)
    skipped = {item["item_id"] for item in writer.manifest.skipped_items}
    kept = data.subset([i for i, item_id in enumerate(data.item_ids) if item_id not in skipped])
    if not len(kept):
        first = writer.manifest.skipped_items[0]
        got = f"none; {first['item_id']}: {first['reason']}"
        raise TtscaleError("data", expected="at least one readable item", got=got, fix="Check the files.")
    writer.finish(kept.item_ids, kept.labels, kept.clusters, kept.families)


def _describe(model: Model) -> Member:
    cost = measure_forward(model.module, model.input_size)
    return Member(
        name=model.name, spec=model.spec, fingerprint=model.fingerprint(), flops=cost.flops, flops_source=cost.source,
        bytes=cost.bytes, uncounted=dict(cost.uncounted), input_size=tuple(model.input_size), n_params=cost.n_params,
        card=dict(model.card),
    )  # fmt: skip


@contextmanager
def _placed(members: tuple[Model, ...], device: torch.device, channels_last: bool) -> Iterator[None]:
    """The members on ``device`` in the chosen memory format inside the block, and as they were after it."""
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    before = [(model.module, _device_of(model), _layout_of(model)) for model in members]
    try:
        for module, _, _ in before:
            module.eval().to(device).to(memory_format=wanted)
        yield
    finally:
        for module, home, layout in before:
            module.to(home).to(memory_format=layout)


def _device_of(model: Model) -> torch.device:
    return next((parameter.device for parameter in model.module.parameters()), torch.device("cpu"))


def _layout_of(model: Model) -> torch.memory_format:
    kernels = [p for p in model.module.parameters() if p.ndim == 4 and not p.is_contiguous()]
    return torch.channels_last if kernels else torch.contiguous_format


def _default_batch_size(members: tuple[Model, ...], device: torch.device) -> int:
    """A power of 2 near 5 million input values (32 images at 3 × 224 × 224); eight times that on an accelerator."""
    values = max(int(np.prod(model.input_size)) for model in members)
    wanted = (5_000_000 if device.type == "cpu" else 40_000_000) / values
    return 2 ** int(np.clip(np.round(np.log2(wanted)), 0, 9 if device.type == "cpu" else 12))


def _block_items(
    members: Sequence[Member], n_views: int, draw_bytes: int, batch_size: int, device: torch.device
) -> int:
    """Items a block: whole batches, at least one."""
    by_memory = _BLOCK_BYTES / (n_views * draw_bytes)
    flops = sum(member.flops for member in members) * n_views
    by_work = _BLOCK_FLOPS["cpu" if device.type == "cpu" else "accelerator"] / flops if flops > 0 else by_memory
    return max(1, int(min(by_memory, by_work)) // batch_size) * batch_size


def _pick_dtype(asked: str, n_items: int, n_views: int, n_members: int, n_classes: int) -> np.dtype:
    total = n_items * n_views * n_members * n_classes * 4
    return np.dtype(("float16" if total > _FLOAT16_ABOVE else "float32") if asked == "auto" else asked)


def _class_names(members: tuple[Model, ...], data: Dataset) -> tuple[str, ...] | None:
    names = members[0].class_names or data.class_names
    return names if names and len(names) == members[0].n_classes else None
