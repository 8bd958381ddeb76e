"""`ttscale analyze`: everything that Records tell, as summary.json, plan.json, figures and a page."""

from __future__ import annotations

from typing import Any

from ttscale.cli.app import Job
from ttscale.cli.build import build
from ttscale.cli.console import bar, results, say, step
from ttscale.cli.schema import AnalyzeConfig, ReportConfig, SweepConfig
from ttscale.records.files import write_json
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.reporting.report import report

FILES = {"page": "report.html", "every_number": "summary.json", "figures": "figures"}


def run(config: AnalyzeConfig, job: Job) -> None:
    show(write_analysis(read_records(config.records), config, job), job)


def write_analysis(records: Records, config: AnalyzeConfig | SweepConfig, job: Job) -> dict[str, Any]:
    """Analyse, draw and write; returns the summary."""
    summary = summarize_records(records, config, job)
    with step("drawing"):
        report(None, job.out, summary=summary)
    if summary["plan"]:
        write_json(job.out / "plan.json", summary["plan"])
    else:
        (job.out / "plan.json").unlink(missing_ok=True)  # of an earlier run with another target
    return summary


def summarize_records(records: Records, config: AnalyzeConfig | SweepConfig | ReportConfig, job: Job) -> dict[str, Any]:
    """The summary of a run, with the command that made it."""
    with bar("analysing") as on_progress:
        summary = build(
            config.report, records, min_accuracy=config.min_accuracy, vote=config.vote.vote, law=config.law.law,
            seed=config.seed, on_progress=on_progress,
        )  # fmt: skip
    summary["run"]["command"] = job.command
    return summary


def show(summary: dict[str, Any], job: Job) -> None:
    """The headline, the plan or why there is none, and where the results are."""
    say("", *(f"- {line}" for line in summary["headline"]))
    if summary["plan_error"]:
        say("", f"No plan: {summary['plan_error']}")
    results(job.out, **FILES, **({"plan": "plan.json"} if summary["plan"] else {}))
