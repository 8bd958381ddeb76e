"""`ttscale collect`: the draws of some models on some data, as Records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.cli.app import Job
from ttscale.cli.build import build, strings
from ttscale.cli.console import results, say, step
from ttscale.cli.schema import CollectConfig, SweepConfig
from ttscale.records.files import write_json
from ttscale.records.records import Records

if TYPE_CHECKING:
    from ttscale.draws.views import ViewSet


def run(config: CollectConfig, job: Job) -> None:
    records = collect_records(config, job)
    write_json(
        job.out / "summary.json", {"schema_version": 1, "kind": "ttscale-collect", "run": describe(records, job)}
    )
    results(job.out, Records="manifest.json", summary="summary.json")
    say("", f"Next: ttscale analyze records={job.out}")


def collect_records(config: CollectConfig | SweepConfig, job: Job) -> Records:
    """Load models and data, say what will be run, and run it; a folder that holds it already is read."""
    specs = strings("models", config.models)
    draws: ViewSet = build(config.draws)
    with step("loading torch, data and models"):
        from ttscale.models.load import expand_specs, load_model

        data = build(config.data)
        models = [load_model(spec) for spec in expand_specs(specs)]
    say(f"{len(data)} items of {data.name} x {len(draws)} views x {len(models)} members into {job.out}")
    return build(config.collect, models, data, draws=draws, out=job.out, seed=config.seed, command=job.command)


def describe(records: Records, job: Job) -> dict[str, object]:
    """What a collection holds and what it cost, for summary.json."""
    manifest = records.manifest
    flops = sum(records.draw_flops(member.name, view) for member in records.members for view in records.variants)
    return {
        "command": job.command, "dataset": manifest.dataset["name"], "n_items": records.n_items,
        "n_classes": records.n_classes, "seed": manifest.seed, "device": manifest.device,
        "versions": dict(manifest.versions),
        "members": [member.name for member in records.members], "variants": list(records.variants),
        "flops_per_item": flops, "flops": flops * records.n_items, "skipped_items": len(manifest.skipped_items),
    }  # fmt: skip
