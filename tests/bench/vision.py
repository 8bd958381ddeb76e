"""The rows of vision: wrapped views against ttach's wrapper and against bare forwards, on CPU and GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from time import process_time
from typing import Any

import torch
import ttach
from measure import paired_ratio
from spine import lite0, single_view_plan

import ttscale as tts
from ttscale.collecting.memory import kept_memory
from ttscale.deploy.vision import Wrapped
from ttscale.models.model import Model

# Equal views in both grammars; the last doubles d4 by brightness, which ttach multiplies in without clipping.
VIEWS: dict[int, tuple[str, Callable[[], ttach.Compose]]] = {
    2: ("flip", lambda: ttach.Compose([ttach.HorizontalFlip()])),
    8: ("d4", ttach.aliases.d4_transform),
    16: (
        "d4 * (identity + brightness(1.2))",
        lambda: ttach.Compose([ttach.HorizontalFlip(), ttach.Rotate90([0, 90, 180, 270]), ttach.Multiply([1, 1.2])]),
    ),
}
SMALL = ((1, 2), (1, 8), (8, 2), (8, 16), (32, 2), (32, 8), (32, 16))  # (batch, views)
LARGE = ((1, 2), (1, 8), (8, 2), (32, 2))


def small() -> Model:
    return tts.load_model("zoo:resnet8-w16-s0")


def wrapped(model: Model, draws: str, **options: Any) -> Wrapped:
    """A plan of all these views under the vote ``mean``."""
    plan = single_view_plan({"name": model.name, "spec": model.spec, "fingerprint": model.fingerprint()})
    variants = tts.views(draws).names
    plan = replace(plan, draws=tuple((model.name, variant) for variant in variants), k=len(variants), class_names=None)
    better = tts.wrap(model, plan, **options)
    assert isinstance(better, Wrapped)
    return better


def against_ttach(model: Model, batch: int, views: int) -> dict[str, Any]:
    """Time of ours over theirs for one batch, same member, same normalised tensor on the host.

    Each has what it has by default: ours works in channels-last copies, with batch norms folded, and under
    ``"unfolded"`` without (what a member without batch norm gets); theirs is the module as it was loaded. Both keep
    their memory, since page faults otherwise depend on what malloc did before.
    """
    draws, transforms = VIEWS[views]
    x = torch.randn(batch, *model.input_size)
    theirs = ttach.ClassificationTTAWrapper(model.module, transforms(), merge_mode="mean")
    pairs = 51 if batch * views * x[0].numel() < 1_000_000 else 11
    row: dict[str, Any] = {}
    for name, fold in (("folded", True), ("unfolded", False)):
        ours = wrapped(model, draws, fold=fold)
        with torch.inference_mode(), kept_memory():
            timed = paired_ratio(partial(ours, x), partial(theirs, x), pairs=pairs, clock=process_time)
        rate = batch * views / timed["seconds"]["work"]
        row[name] = timed["ratio"] | {"images_times_views_per_second": round(rate, 1)}
    return row["folded"] | {"unfolded": row["unfolded"]}


def wrap_over_ttach() -> dict[str, Any]:
    """``wrap`` over ``ttach.ClassificationTTAWrapper`` in several configurations, batch norms folded as by default, and
    beside it not folded; ``ratio`` is the worst of the folded ones."""
    rows = {}
    for name, model, pairs in (("ResNet-8 w16 at 28", small(), SMALL), ("EfficientNet-Lite0 at 224", lite0(), LARGE)):
        for batch, views in pairs:
            rows[f"{name}, batch {batch}, {views} views"] = against_ttach(model, batch, views)
    worst = max(rows.values(), key=lambda row: row["median"])
    unfolded = [row["unfolded"]["median"] for row in rows.values()]
    return {
        "ratio": worst, "configurations": rows, "limit": 1.0,
        "setting": f"{len(rows)} configurations; ours folded and channels-last, as by default (not folded: "
        f"{min(unfolded):.3f} to {max(unfolded):.3f}), theirs the module as loaded; both in kept memory; CPU time of "
        f"one thread; ttach {version('ttach')}",
    }  # fmt: skip


def one_image_16_views_over_ttach() -> dict[str, Any]:
    """One image × 16 views on a small model: views share a forward, ttach runs them one by one."""
    return {
        "ratio": against_ttach(small(), 1, 16), "limit": 0.5,
        "setting": "ResNet-8 w16 at 28; ours folded and channels-last, as by default; CPU time of one thread",
    }  # fmt: skip


def wrapped_views_over_bare_forwards() -> dict[str, Any]:
    """``wrap`` with 4 views over 4 bare forwards of the same batches; not folded, as the bare module is, and folded."""
    model, batch, n = lite0(), 16, 4
    x = torch.randn(batch, *model.input_size).contiguous(memory_format=torch.channels_last)
    model.module.to(memory_format=torch.channels_last)
    draws = "flip * (identity + shift(8, 0))"
    plain, folded = wrapped(model, draws, fold=False), wrapped(model, draws)

    def bare() -> None:
        for _ in range(n):
            model.module(x)

    with torch.inference_mode():
        row = paired_ratio(lambda: plain(x), bare, clock=process_time)
        row["folded"] = paired_ratio(lambda: folded(x), bare, clock=process_time)["ratio"]
    return row | {
        "limit": 1 / 0.9,
        "setting": f"EfficientNet-Lite0 at 224, batch {batch}, {n} views; CPU time of one thread",
    }


def wrapped_views_on_gpu() -> dict[str, Any]:
    """``wrap`` with 16 views over 16 bare forwards on CUDA, both in float16 and channels-last; not measured without."""
    setting = "EfficientNet-Lite0 at 224, batch 64, 16 views, float16 by autocast, channels-last"
    if not torch.cuda.is_available():
        return {"ratio": None, "limit": 1 / 0.9, "setting": setting, "measured": False}
    model, batch, n = lite0(), 64, 16
    better = wrapped(model, VIEWS[n][0], device="cuda")
    x = torch.randn(batch, *model.input_size, device="cuda").contiguous(memory_format=torch.channels_last)
    module = better.members[0]  # folded, as ours runs it

    def ours() -> None:
        better(x)
        torch.cuda.synchronize()

    def bare() -> None:
        with torch.autocast("cuda", dtype=torch.float16):
            for _ in range(n):
                module(x)
        torch.cuda.synchronize()

    with torch.inference_mode():
        row = paired_ratio(ours, bare)
    rate = batch * n / row["seconds"]["work"]
    return row | {
        "limit": 1 / 0.9, "setting": setting, "measured": True, "images_times_views_per_second": round(rate),
        "gpu": torch.cuda.get_device_name(),
    }  # fmt: skip


def one_thread(row: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """The row with one CPU thread, whose time is its own however many others run."""

    def measured() -> dict[str, Any]:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return row()
        finally:
            torch.set_num_threads(before)

    measured.__doc__ = row.__doc__
    return measured


ROWS = {
    row.__name__: one_thread(row)
    for row in (
        wrap_over_ttach, one_image_16_views_over_ttach, wrapped_views_over_bare_forwards, wrapped_views_on_gpu
    )
}  # fmt: skip
