"""`ttscale report`: the figures and the page, from Records or from a summary.json that is there already."""

from __future__ import annotations

from typing import Any

from ttscale.cli.console import results, step
from ttscale.cli.job import Job
from ttscale.cli.schema import ReportConfig
from ttscale.cli.verbs.analyze import FILES, check_analysis, summarize_records
from ttscale.errors import TtscaleError
from ttscale.records.read import read_records
from ttscale.reporting.ready import check_parts, joined
from ttscale.reporting.report import report


def run(config: ReportConfig, job: Job) -> None:
    if (config.records is None) == (config.summary is None):
        raise TtscaleError(
            "records, summary", expected="one of them", got="both" if config.records else "none",
            fix="Give records=FOLDER to analyse them, or summary=FILE to draw what was analysed before.",
        )  # fmt: skip
    check_analysis(config)
    ready = config.summary or _summary(config, job)
    with step("drawing"):
        report(None, job.out, summary=ready)
    results(job.out, **FILES)


def _summary(config: ReportConfig, job: Job) -> dict[str, Any]:
    """Of the Records, or of several by name."""
    if isinstance(config.records, str):
        return summarize_records(read_records(config.records), config, job)
    named = {name: read_records(str(folder)) for name, folder in check_parts("records", config.records).items()}
    return joined({name: summarize_records(records, config, job) for name, records in named.items()})
