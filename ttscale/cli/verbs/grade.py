"""`ttscale grade`: the answers of language models read by another rule; no model runs."""

from __future__ import annotations

from ttscale.cli.console import results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import GradeConfig
from ttscale.data.importing import named_function
from ttscale.records.graded import Graded
from ttscale.records.grading import regrade
from ttscale.records.read import read_records
from ttscale.scaling.curves.sampled_credits import right_draws


def run(config: GradeConfig, job: Job) -> None:
    records = read_records(config.records)
    checker = None if config.checker is None else named_function("checker", config.checker)
    before = records.graded() if records.outcome == "text" else None
    with step("grading"):
        graded = regrade(records, extract=config.extract, checker=checker, equality=config.equality).graded()
    tellings = {"before": _telling(before), "now": _telling(graded)} if before else {"now": _telling(graded)}
    job.write_summary(records=config.records, extract=config.extract, checker=config.checker,
                      equality=config.equality, **tellings)  # fmt: skip
    for when, telling in tellings.items():
        say(f"{when}: {telling['right']:.4f} of {graded.answers.size} draws right, {telling['abstained']} without an "
            f"answer (grades {telling['grader']})")  # fmt: skip
    results(job.out, summary="summary.json")
    say("", f"Next: ttscale analyze records={config.records}")


def _telling(graded: Graded) -> dict[str, object]:
    """The share of right draws; one that abstains is not right."""
    return {"grader": graded.grader, "right": float(right_draws(graded).mean()), "abstained": graded.abstained}
