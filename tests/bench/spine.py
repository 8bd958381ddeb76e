"""The rows: what a sweep costs over one pass, collection over bare forwards, curves, memory, and the wrapped model."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import in_process, paired_ratio, seconds
from PIL import Image

import ttscale as tts
from ttscale.data.dataset import Dataset
from ttscale.models.model import Model
from ttscale.records.records import Records
from ttscale.scaling.planning.planned import Plan

VIEWS = "(flip * shifts(1))[:16]"


def photos(n: int, side: int = 256) -> Dataset:
    """JPEG files of smooth random colours, decoded at each load as real photographs are."""
    folder = Path(tempfile.mkdtemp(prefix="ttscale-bench-"))
    rng = np.random.default_rng(0)
    for i in range(n):
        small = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{i:05d}.jpg", quality=90)
    return Dataset(
        name="photos", item_ids=tuple(f"{i:05d}" for i in range(n)), labels=rng.integers(0, 1000, n),
        load=lambda i: Image.open(folder / f"{i:05d}.jpg"),
    )  # fmt: skip


def lite0() -> Model:
    """EfficientNet-Lite0 at 224 with random weights: the arithmetic does not care."""
    return tts.load_model("timm:tf_efficientnet_lite0", pretrained=False)


def sweep_over_single_pass() -> dict[str, Any]:
    """Collecting at K = 16 and the curve at every budget, over collecting at K alone; the naive sweep beside it."""
    model, data = tts.load_model("zoo:resnet8-w28-s0"), tts.load_data("fashion-mnist", limit=2000)

    def single(draws: str = VIEWS) -> Records:
        with tempfile.TemporaryDirectory() as out:
            return tts.collect(model, data, draws=draws, out=out, progress=False)

    def sweep() -> None:
        with tempfile.TemporaryDirectory() as out:
            tts.accuracy_curve(tts.collect(model, data, draws=VIEWS, out=out, progress=False), vote="mean", n_boot=1000)

    def naive() -> None:
        for k in (1, 2, 4, 8, 16):
            single(f"({VIEWS})[:{k}]")

    row = paired_ratio(sweep, single)
    row["naive_powers_of_two"] = paired_ratio(naive, single)["ratio"]
    return row | {"limit": 1.10, "setting": "ResNet-8 w28, 2,000 Fashion-MNIST images, 16 views, 1,000 bootstraps"}


def collect_over_bare_forwards() -> dict[str, Any]:
    """``collect`` from JPEG files, over as many bare forwards of the same batches in the same memory format."""
    n, batch, draws = 64, 32, "flip * shifts(8)[:4]"
    data, model = photos(n), lite0()
    fastest = fastest_setting(model, batch)
    layout = torch.channels_last if fastest["channels_last"] else torch.contiguous_format
    n_views = len(tts.views(draws))
    images = torch.stack([model.preprocess(data.load(i)) for i in range(n)]).contiguous(memory_format=layout)

    def collected() -> None:
        with tempfile.TemporaryDirectory() as out:
            tts.collect(
                model, data, draws=draws, out=out, batch_size=batch, channels_last=fastest["channels_last"],
                threads=fastest["threads"], progress=False,
            )  # fmt: skip

    @torch.inference_mode()
    def bare() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(fastest["threads"])
        for part in images.split(batch):
            for _ in range(n_views):
                model.module(part)
        torch.set_num_threads(before)

    model.module.to(memory_format=layout)
    setting = f"EfficientNet-Lite0 at 224, {n} JPEG images, {n_views} views, batch {batch}"
    return paired_ratio(collected, bare) | {"limit": 1.15, "setting": setting, "fastest": fastest}


@torch.inference_mode()
def fastest_setting(model: Model, batch: int) -> dict[str, Any]:
    """The fastest of (channels last or not) × (1 or all threads) for the bare forward; images a second of each."""
    cores = torch.get_num_threads()
    rates = {}
    for channels_last in (True, False):
        layout = torch.channels_last if channels_last else torch.contiguous_format
        model.module.to(memory_format=layout)
        x = torch.randn(batch, *model.input_size).contiguous(memory_format=layout)
        for threads in sorted({1, cores}):
            torch.set_num_threads(threads)
            model.module(x)
            rates[channels_last, threads] = batch / min(seconds(lambda x=x: model.module(x)) for _ in range(3))
    torch.set_num_threads(cores)
    channels_last, threads = max(rates, key=lambda key: rates[key])
    tried = {f"channels_last={c}, threads={t}": round(rate, 1) for (c, t), rate in rates.items()}
    return {"channels_last": channels_last, "threads": threads, "images_per_second": tried}


def curves_at_every_budget() -> dict[str, Any]:
    """Curves of 10,000 items × 64 draws × 10 classes, every budget, 1,000 bootstraps: seconds, peak memory, ratio."""
    whole = in_process("make_curve", 10_000, 64, 10)
    records = random_records(2_000, 16, 10)

    def ours() -> None:
        tts.accuracy_curve(records, vote="mean", n_boot=1000)

    def naive() -> None:
        log_probs = records.log_probs("a")
        rng = np.random.default_rng(0)
        for k in range(1, 17):
            merged = np.log(np.exp(log_probs[:, :k]).mean(1))
            correct = merged.argmax(-1) == records.labels
            [correct[rng.integers(0, len(correct), len(correct))].mean() for _ in range(1000)]

    return paired_ratio(ours, naive) | {
        "setting": "ratio at 2,000 items × 16 draws over one merge and 1,000 resamples a budget",
        "full_size": {"items": 10_000, "draws": 64, "classes": 10, "bootstraps": 1000, **whole},
        "limit": {"seconds": 10, "peak_mib": 2048},
    }


def random_records(n_items: int, n_draws: int, n_classes: int) -> Records:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n_items)
    logits = rng.normal(size=(n_items, n_draws, n_classes)).astype(np.float32)
    logits[np.arange(n_items), :, labels] += 1
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return Records.from_arrays({"a": log_probs}, labels)


def make_curve(n_items: int, n_draws: int, n_classes: int) -> dict[str, float]:
    """In a process of its own: the curve alone, apart from making the log-probabilities."""
    records = random_records(n_items, n_draws, n_classes)
    return {"curve_seconds": seconds(lambda: tts.accuracy_curve(records, vote="mean", n_boot=1000))}


def memory_in_items() -> dict[str, Any]:
    """Peak memory of collecting and analysing n and 10 n items, each in a process of its own."""
    small, large = in_process("collect_and_analyse", 1_000), in_process("collect_and_analyse", 10_000)
    return {
        "ratio": large["peak_mib"] / small["peak_mib"], "peak_mib": [small["peak_mib"], large["peak_mib"]],
        "items": [1_000, 10_000], "limit": 1.10,
        "setting": "ResNet-8 w4 with 1,000 classes, 16 views: Records of 64 and 640 MB",
    }  # fmt: skip


def collect_and_analyse(n_items: int) -> int:
    """Images made at each load, a model with 1,000 classes: what grows with the items is Records on disk alone."""
    from ttscale.models.resnet8 import resnet8

    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = tts.load_model(resnet8(4, 1000), input_size=(1, 28, 28), mean=(0.5,), std=(0.5,), name="wide")
    data = Dataset(
        name="made", item_ids=tuple(f"{i:06d}" for i in range(n_items)), labels=np.arange(n_items) % 1000,
        load=lambda i: Image.fromarray(np.random.default_rng(i).integers(0, 256, (28, 28), dtype=np.uint8)),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as out:
        records = tts.collect(model, data, draws=VIEWS, out=out, batch_size=256, progress=False)
        tts.accuracy_curve(records, vote="mean", n_boot=1000)
    return n_items


def wrap_over_bare_model() -> dict[str, Any]:
    """``wrap`` of a one-view plan, over the bare module."""
    model = lite0()
    model.module.to(memory_format=torch.channels_last)
    member = {"name": model.name, "spec": model.spec, "fingerprint": model.fingerprint()}
    better = tts.wrap(model, single_view_plan(member))
    x = torch.randn(16, *model.input_size).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        row = paired_ratio(lambda: better(x), lambda: model.module(x), pairs=51)
    return row | {"limit": 1.02, "setting": "EfficientNet-Lite0 at 224, batch 16"}


def single_view_plan(member: dict[str, str]) -> Plan:
    """A plan of the bare decision, made from Records of one member with one view."""
    records = random_records(400, 1, 10)
    plan = tts.plan(records, min_accuracy=0.01)
    return replace(plan, draws=((member["name"], "identity"),), members=(member,))


ROWS = {
    "sweep_over_single_pass": sweep_over_single_pass,
    "collect_over_bare_forwards": collect_over_bare_forwards,
    "curves_at_every_budget": curves_at_every_budget,
    "memory_in_items": memory_in_items,
    "wrap_over_bare_model": wrap_over_bare_model,
}
