"""`ttscale compare`: two runs on the same items; exit status 1 when the new one is worse, and for nothing else."""

from __future__ import annotations

import math
from typing import Any

from ttscale.cli.build import arguments, naming, strings
from ttscale.cli.console import bar, results, say, step, table
from ttscale.cli.job import Job
from ttscale.cli.outcome import REGRESSED
from ttscale.cli.schema import CompareConfig
from ttscale.reporting.run_page import write_run_page
from ttscale.scaling.comparison.compare import RunComparison, compare_runs
from ttscale.scaling.comparison.rows import BETTER, WORSE, Flip, RunDifference
from ttscale.scaling.comparison.verdict import GROUPS
from ttscale.scaling.comparison.words import exit_words, interval_words, p_words, row_words, run_lines, run_summary

_GROUPS_SHOWN = 10
_IDS_SHOWN = 5


def run(config: CompareConfig, job: Job) -> int:
    """Returns the exit status: 1 when something that can decide is worse, else 0."""
    fail_on = strings("fail_on", config.fail_on)
    options = arguments(config.vote) | arguments(config.report)
    with bar("comparing") as on_progress, naming(config.vote, config.report):
        found = compare_runs(
            config.old, config.new, members=config.members, plan=config.plan, items=config.items, budget=config.budget,
            margin=config.margin, fail_on=fail_on, seed=config.seed, on_progress=on_progress, **options,
        )  # fmt: skip
    summary = run_summary(found)
    job.write_summary(**summary)
    with step("drawing"):
        write_run_page(job.out, summary | {"command": job.command})
    _show(found, summary)
    results(job.out, page="report.html", every_number="summary.json", figures="figures")
    say("", f"Exit status {int(found.regressed)}: {exit_words(found)}")
    return REGRESSED if found.regressed else 0


def _show(found: RunComparison, summary: dict[str, Any]) -> None:
    say("", *(f"- {line}" for line in run_lines(found)), *(f"- {note}" for note in summary["notes"]), "")
    groups = [row for row in found.rows if row.about == GROUPS and row.verdict in (BETTER, WORSE)]
    shown = sorted(groups, key=lambda row: row.difference.value)[:_GROUPS_SHOWN]
    rows = [_cells(found, row) for row in (*(row for row in found.rows if row.about != GROUPS), *shown)]
    level = f"{100 * found.level:g}%"
    say(*table(["", "old", "new", f"points ({level} interval)", "fixed", "broken", "adjusted p", "verdict"], rows))
    if flips := [*_flip_lines("broken", found.flips_broken), *_flip_lines("fixed", found.flips_fixed)]:
        say("", *flips)


def _cells(found: RunComparison, row: RunDifference) -> list[str]:
    return [
        row_words(found, row), f"{100 * row.old.value:.1f}%", f"{100 * row.new.value:.1f}%",
        interval_words(row.difference), str(row.fixed), str(row.broken),
        "–" if math.isnan(row.p_adjusted) else p_words(row.p_adjusted).removeprefix("= "), row.verdict,
    ]  # fmt: skip


def _flip_lines(what: str, flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return []
    named = ", ".join(flip.item_id for flip in flips[:_IDS_SHOWN])
    more = f" and {len(flips) - _IDS_SHOWN} more in summary.json" if len(flips) > _IDS_SHOWN else ""
    return [f"{what.capitalize()}: {named}{more}"]
