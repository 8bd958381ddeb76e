"""`ttscale analyze`: everything that Records tell, as summary.json, plan.json, figures and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttscale.cli.build import arguments, naming
from ttscale.cli.console import bar, results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import AnalyzeConfig, ReportConfig, SweepConfig
from ttscale.data.dataset import CLEAN
from ttscale.records.files import write_json
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.shifts import read_shifts, shifts_below
from ttscale.reporting.report import report
from ttscale.scaling.summaries.summary import check_options, summarize

FILES = {"page": "report.html", "every_number": "summary.json", "figures": "figures"}


def run(config: AnalyzeConfig, job: Job) -> None:
    check_analysis(config)
    if (folder := shifts_below(Path(config.records))) is not None:
        shifts = read_shifts(folder)
        show(write_analysis(shifts.pop(CLEAN), config, job, shifts=shifts), job)
        return
    show(write_analysis(read_records(config.records), config, job), job)


def check_analysis(config: AnalyzeConfig | SweepConfig | ReportConfig) -> None:
    """Refuse options of the analysis that cannot work, before anything long is done.

    Raises:
        TtscaleError: naming the key.
    """
    with naming(config.vote, config.law, config.report):
        check_options(**_options(config))


def write_analysis(records: Records, config: AnalyzeConfig | SweepConfig, job: Job, **changes: Any) -> dict[str, Any]:
    """Analyse, draw and write; returns the summary. A plan that an earlier run with another target left is removed."""
    last, summary = job.last_summary(), summarize_records(records, config, job, **changes)
    with step("drawing"):
        report(None, job.out, summary=summary)
    write_plan(job.out / "plan.json", summary, last)
    return summary


def write_plan(file: Path, summary: dict[str, Any], last: Mapping[str, Any]) -> None:
    """Write the plan of a summary; without one, remove the file if the last summary's plan is in it."""
    if summary["plan"]:
        write_json(file, summary["plan"])
    elif last.get("plan") and last["plan"] == _read(file):
        file.unlink()


def summarize_records(
    records: Records, config: AnalyzeConfig | SweepConfig | ReportConfig, job: Job, **changes: Any
) -> dict[str, Any]:
    """The summary of a run, with the command that made it; ``changes`` go before the options of the config."""
    with bar("analysing") as on_progress, naming(config.vote, config.law, config.report):
        summary = summarize(records, **_options(config) | changes, on_progress=on_progress)
    summary["run"]["command"] = job.command
    return summary


def show(summary: dict[str, Any], job: Job, **more: str) -> None:
    """The headline, why there is no plan, and where the results are: ``more`` beside the usual files."""
    tell(summary)
    results(job.out, **FILES, **({"plan": "plan.json"} if summary["plan"] else {}), **more)


def tell(summary: Mapping[str, Any]) -> None:
    """The headline, and why there is no plan."""
    say("", *(f"- {line}" for line in summary["headline"]))
    if summary["plan_error"]:
        say("", f"No plan: {summary['plan_error']}")


def _options(config: AnalyzeConfig | SweepConfig | ReportConfig) -> dict[str, Any]:
    """What `check_options` and `summarize` both take."""
    groups = arguments(config.vote) | arguments(config.law) | arguments(config.report)
    learning = {"objective": config.objective, "replacement": config.replacement}
    return {"min_accuracy": config.min_accuracy, "seed": config.seed, **learning, **groups}


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
