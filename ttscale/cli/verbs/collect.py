"""`ttscale collect`: the draws of some models on some data, as Records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.cli.build import build, strings
from ttscale.cli.console import results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import CollectConfig, SweepConfig, TrainConfig
from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError
from ttscale.records.records import Records

if TYPE_CHECKING:
    from ttscale.draws.views import ViewSet
    from ttscale.models.model import Model

_NAMED = 5  # so many skipped items are named; the manifest holds all


def run(config: CollectConfig, job: Job) -> None:
    records = collect_records(config, job)
    job.write_summary(run=describe(records))
    results(job.out, Records="manifest.json", summary="summary.json")
    say("", f"Next: ttscale analyze records={job.out}")


def collect_records(config: CollectConfig | SweepConfig, job: Job) -> Records:
    """Load models and data, say what will be run, and run it; a folder that holds it already is read."""
    return collect_inputs(config, *load_inputs(config), job.out, job)


def load_inputs(config: CollectConfig | SweepConfig) -> tuple[ViewSet, Dataset, list[Model]]:
    """The views, items and models of a config."""
    specs = strings("models", config.models)
    draws = build(config.draws)
    with step("loading torch, data and models"):
        from ttscale.models.load import expand_specs, load_model

        return draws, load_items(config), [load_model(spec) for spec in expand_specs(specs)]


def load_items(config: CollectConfig | SweepConfig | TrainConfig) -> Dataset:
    """The items of a config.

    Raises:
        TtscaleError: they cannot be read, or the function that the config names gives something else.
    """
    data = build(config.data)
    if not isinstance(data, Dataset):
        raise TtscaleError(
            "data._target_", expected="a function that gives a Dataset",
            got=f"{config.data._target_!r}, which gives {type(data).__name__}", fix="Return what load_data returns.",
        )  # fmt: skip
    return data


def collect_inputs(
    config: CollectConfig | SweepConfig, draws: ViewSet, data: Dataset, models: Sequence[Model], folder: Path, job: Job
) -> Records:
    """Say what will be run, and run it into ``folder``."""
    counts = (f"{len(data)} item", f"{len(draws)} view", f"{len(models)} member")
    items, n_views, n_members = (text if text.startswith("1 ") else f"{text}s" for text in counts)
    say(f"{items} of {data.name} x {n_views} x {n_members} into {folder}")
    records = build(config.collect, models, data, draws=draws, out=folder, seed=config.seed, command=job.command)
    if skipped := [str(item["item_id"]) for item in records.manifest.skipped_items]:
        named = ", ".join([*skipped[:_NAMED], "…"] if len(skipped) > _NAMED else skipped)
        say(f"{len(skipped)} of {len(data)} items could not be read and are left out: {named}")
    return records


def describe(records: Records) -> dict[str, object]:
    """What a collection holds and what it cost, for summary.json."""
    manifest = records.manifest
    flops = sum(records.draw_flops(member.name, view) for member in records.members for view in records.variants)
    return {
        "dataset": manifest.dataset["name"], "n_items": records.n_items,
        "n_classes": records.n_classes, "seed": manifest.seed, "device": manifest.device,
        "versions": dict(manifest.versions),
        "members": [member.name for member in records.members], "variants": list(records.variants),
        "flops_per_item": flops, "flops": flops * records.n_items, "skipped_items": len(manifest.skipped_items),
    }  # fmt: skip
