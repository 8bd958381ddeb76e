"""`ttscale sweep`: collect once, then everything that Records tell."""

from __future__ import annotations

from ttscale.cli.job import Job
from ttscale.cli.schema import SweepConfig
from ttscale.cli.verbs.analyze import check_analysis, show, write_analysis
from ttscale.cli.verbs.collect import collect_records, collect_shifts
from ttscale.data.dataset import CLEAN


def run(config: SweepConfig, job: Job) -> None:
    check_analysis(config)
    if isinstance(config.data.shift, list):
        shifts, failed = collect_shifts(config, job)
        clean = shifts.pop(CLEAN)
        show(write_analysis(clean, config, job, **({"shifts": shifts} if shifts else {})), job)
        if failed is not None:
            raise failed
        return
    show(write_analysis(collect_records(config, job), config, job), job)
