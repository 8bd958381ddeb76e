"""Every view of every image through every classifier, block by block, into Records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttscale.collecting.batch_sizes import batches_ahead, block_items, default_batch_size
from ttscale.collecting.checks import check_vision, probe
from ttscale.collecting.compiling import compiled
from ttscale.collecting.environment import describe_device, pick_device, torch_threads, versions
from ttscale.collecting.folding import folded
from ttscale.collecting.forward_costs import ForwardCosts, cost_rows, flops_of, forward_costs
from ttscale.collecting.inputs import InputKey, input_maker, key_of, shape_of
from ttscale.collecting.memory import kept_memory
from ttscale.collecting.precision import computing_in, image_format
from ttscale.collecting.progress import bar
from ttscale.collecting.same_views import without_same
from ttscale.collecting.transfer import layout_of
from ttscale.collecting.vision import VisionRunner
from ttscale.cost.flops import ForwardCost
from ttscale.data.dataset import Dataset
from ttscale.draws.grammar import views
from ttscale.draws.views import ViewSet
from ttscale.errors import TtscaleError
from ttscale.models.classes import align, names_known
from ttscale.models.model import Model
from ttscale.models.weights import device_of
from ttscale.records.checks import check_labels
from ttscale.records.schema import Manifest, Member
from ttscale.records.store import RecordsWriter

_FLOAT16_ABOVE = 4 << 30


def collect_images(
    members: tuple[Model, ...], data: Dataset, draws: str | ViewSet, *, out: str | Path, seed: int,
    batch_size: int | None, device: str, threads: int | None, workers: int, channels_last: bool, fold: bool,
    compile: bool, dtype: str, log_probs_dtype: str, on_bad_item: str, progress: bool, command: str | None,
) -> None:  # fmt: skip
    """What :func:`ttscale.collect` does for classifiers; the arguments are its own."""
    asked, target = views(draws), pick_device(device)
    check_vision(workers, log_probs_dtype, on_bad_item, channels_last=channels_last, fold=fold, compile=compile)
    format_ = image_format(dtype, target)
    members = align(members, data)
    check_labels(data.labels, len(data), members[0].n_classes)
    view_set, left_out = without_same(asked, members)
    make = input_maker((model, view) for model in members for view in view_set)
    n_classes, skip_bad = members[0].n_classes, on_bad_item == "skip"
    stored = _pick_dtype(log_probs_dtype, len(data) * len(view_set) * len(members) * n_classes)
    size = batch_size or default_batch_size(members, view_set, target)
    with torch_threads(threads), kept_memory(target), _placed(members, target, channels_last):
        with computing_in(format_, target):
            items = probe(members, data, make, target, skip_bad=skip_bad)
        costs = forward_costs(members, view_set)
        flops = {model.name: flops_of(costs, model, view_set) for model in members}
        read = 4 if stored == np.uint8 else stored.itemsize  # bytes of a value in memory
        block = block_items(sum(map(sum, flops.values())), len(view_set) * n_classes * read, size, target)
        described = tuple(_describe(model, costs[model.name, model.input_size]) for model in members)
        with computing_in(format_, target):
            fast, merged = _fast(members, view_set, items, size, target, channels_last, fold=fold, compile=compile)
            runner = VisionRunner(
                fast, view_set, data, make, seed=seed, batch_size=size, device=target, workers=workers,
                ahead=batches_ahead(members, view_set, size), dtype=stored, skip_bad=skip_bad,
                channels_last=channels_last, whole_batches=compile,
            )  # fmt: skip
            digest, installed = data.digest(), versions("torchvision", "timm")
            config = {
                "seed": seed, "views": list(view_set.names), "batch_size": size, "block_items": block,
                "members": [f"{model.name} {model.fingerprint[:12]}" for model in described],
                "dataset": f"{len(data)} items of {data.name}, {digest[:12]}", "device": target.type,
                "channels_last": channels_last, "fold": merged, "compile": compile,
                "dtype": str(format_).removeprefix("torch."), "log_probs_dtype": stored.name,
                "versions": installed,
            } | ({"left_out": left_out} if left_out else {}) | _orders(members)  # fmt: skip
            manifest = Manifest(
                seed=seed, config=config, versions=installed, device=describe_device(target),
                dataset={"name": data.name, "n_items": len(data), "sha256": digest} | _facts(data),
                n_classes=n_classes, class_names=data.class_names or names_known(members),
                variants=view_set.names, members=described, n_blocks=-(-len(data) // block), command=command,
            )  # fmt: skip
            with RecordsWriter(Path(out), manifest) as writer:
                if not writer.manifest.complete:
                    _run(runner, writer, block, progress)
                    _finish(writer, data, costs, flops)


def _run(runner: VisionRunner, writer: RecordsWriter, block_items: int, progress: bool) -> None:
    n_items = len(runner.data)
    with bar("items", n_items, progress) as advance:
        for block, start in enumerate(range(0, n_items, block_items)):
            stop = min(start + block_items, n_items)
            if not writer.has_block(block):
                result = runner.run(start, stop, advance)
                writer.write_block(
                    block, result.item_ids, result.log_probs, skipped=result.skipped, flipped=result.flipped
                )
            else:
                advance(stop - start)


def _finish(writer: RecordsWriter, data: Dataset, costs: ForwardCosts, flops: Mapping[str, Sequence[float]]) -> None:
    skipped = {item["item_id"] for item in writer.manifest.skipped_items}
    kept = data.subset([i for i, item_id in enumerate(data.item_ids) if item_id not in skipped])
    if not len(kept):
        first = writer.manifest.skipped_items[0]
        got = f"none; {first['item_id']}: {first['reason']}"
        raise TtscaleError("data", expected="at least one readable item", got=got, fix="Check the files.")
    writer.finish(kept.item_ids, kept.labels, kept.clusters, kept.families, forwards=cost_rows(costs), draw_flops=flops)


def _fast(
    members: tuple[Model, ...], view_set: ViewSet, items: Sequence[Mapping[InputKey, torch.Tensor]], batch_size: int,
    device: torch.device, channels_last: bool, *, fold: bool, compile: bool,
) -> tuple[tuple[Model, ...], dict[str, int]]:  # fmt: skip
    """What runs in place of the members, and how many batch norms of each are folded away; ``items`` are the tensors of
    some real ones."""
    merged: dict[str, int] = {}
    fast = list(members)
    for i, model in enumerate(members):
        shapes = dict.fromkeys(shape_of(model, view) for view in view_set)
        if fold:
            keys = dict.fromkeys(key_of(model, view) for view in view_set) if items else ()
            real = [torch.stack([item[key] for item in items]) for key in keys]
            module, merged[model.name] = folded(model.module, list(shapes), real)
            fast[i] = replace(model, module=module)
        if compile:
            fast[i] = compiled(fast[i], [(batch_size, *shape) for shape in shapes], device, layout_of(channels_last))
    return tuple(fast), merged


def _describe(model: Model, cost: ForwardCost) -> Member:
    return Member(
        name=model.name, spec=model.spec, fingerprint=model.fingerprint(), flops=cost.flops, flops_source=cost.source,
        bytes=cost.bytes, uncounted=dict(cost.uncounted), input_size=tuple(model.input_size), n_params=cost.n_params,
        card=dict(model.card), class_order=model.class_order or (),
    )  # fmt: skip


def _orders(members: tuple[Model, ...]) -> dict[str, Any]:
    """Digests of the class orders, where some are not the members' own: a run goes on in the order it began with."""
    orders = {
        model.name: hashlib.sha256(repr(model.class_order).encode()).hexdigest()[:12]
        for model in members
        if model.class_order is not None
    }
    return {"class_orders": orders} if orders else {}


def _facts(data: Dataset) -> dict[str, str]:
    """What else must be known about the data to read the results."""
    facts = {"shift": data.shift} if data.shift else {}
    classes = np.unique(data.labels)
    if len(classes) == 1:
        name = repr(data.class_names[classes[0]]) if data.class_names else str(classes[0])
        facts["note"] = (
            f"All items are of one class, {name}: accuracy is the share of them that is found, and a decision that "
            "always names this class would score 1."
        )
    return facts


@contextmanager
def _placed(members: tuple[Model, ...], device: torch.device, channels_last: bool) -> Iterator[None]:
    """The members on ``device`` in the chosen memory format inside the block, and as they were after it."""
    before = [(model.module, device_of(model.module), _layout_of(model)) for model in members]
    try:
        for module, _, _ in before:
            module.eval().to(device).to(memory_format=layout_of(channels_last))
        yield
    finally:
        for module, home, layout in before:
            module.to(home).to(memory_format=layout)


def _layout_of(model: Model) -> torch.memory_format:
    return layout_of(any(p.ndim == 4 and not p.is_contiguous() for p in model.module.parameters()))


def _pick_dtype(asked: str, n_values: int) -> np.dtype:
    return np.dtype(("float16" if 4 * n_values > _FLOAT16_ABOVE else "float32") if asked == "auto" else asked)
