"""`ttscale plan`: the cheapest strategy for a target, as plan.json."""

from __future__ import annotations

import math

from ttscale.cli.build import strings
from ttscale.cli.console import bar, results, say
from ttscale.cli.job import Job
from ttscale.cli.schema import PlanConfig
from ttscale.records.read import read_records
from ttscale.scaling.planning.plan import plan
from ttscale.scaling.planning.planned import Plan
from ttscale.scaling.summaries.words import flops_words
from ttscale.voting.votes import AUTO


def run(config: PlanConfig, job: Job) -> None:
    records = read_records(config.records)
    with bar("comparing strategies") as on_progress:
        chosen = plan(
            records, min_accuracy=config.min_accuracy, max_flops=config.max_flops, confidence=config.confidence,
            votes=AUTO if config.votes == AUTO else strings("votes", config.votes), n_boot=config.n_boot,
            seed=config.seed, objective=config.objective, replacement=config.replacement, on_progress=on_progress,
        )  # fmt: skip
    chosen.save(job.out / "plan.json")
    job.write_summary(plan=chosen.as_dict())
    say(*plan_lines(chosen))
    results(job.out, plan="plan.json", summary="summary.json")
    say("", "It cannot be run by ttscale.wrap: the samples were imported." if chosen.imported else
        f'Use it: ttscale.wrap(None, "{job.out}/plan.json")')  # fmt: skip


def plan_lines(chosen: Plan) -> list[str]:
    """A plan in a few plain sentences."""
    scored, chosen_on = chosen.scored_on, chosen.chosen_on
    level = f"{100 * chosen.confidence:g}%"
    known = math.isfinite(chosen.multiplier)
    times = f", {chosen.multiplier:.3g} x {chosen.unit} of {chosen.reference_member}" if known else ""
    return [
        f"Plan: {chosen.strategy}, the first {chosen.k} draws, vote {chosen.vote}.",
        f"Cost: {flops_words(chosen.flops)} an item{times}.",
        f"Accuracy on the {scored.n_items} items that took no part in the choice: {scored.accuracy:.4f} "
        f"({level} interval {scored.low:.4f} to {scored.high:.4f}).",
        f"On the {chosen_on.n_items} items that chose: {chosen_on.accuracy:.4f}; optimism {chosen.optimism:+.4f}.",
        f"{chosen.n_candidates} pairs of strategy and budget were compared.",
    ]
