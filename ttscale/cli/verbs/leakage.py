"""`ttscale leakage`: test images that stand, or nearly stand, in a training set."""

from __future__ import annotations

from ttscale.cli.console import bar, results, say
from ttscale.cli.job import Job
from ttscale.cli.schema import LeakageConfig
from ttscale.cli.verbs.collect import load_images
from ttscale.data.leakage import Leakage, leakage

_SHOWN = 10  # so many pairs are printed; summary.json holds all


def run(config: LeakageConfig, job: Job) -> None:
    data = load_images(config)
    with bar("hashing") as on_progress:
        found = leakage(
            data, config.training, max_distance=config.max_distance, workers=config.workers, on_progress=on_progress
        )
    job.write_summary(**found.as_dict())
    say("", found.text, *_pairs(found))
    if found.unreadable:
        say(f"{len(found.unreadable)} images could not be read; summary.json names them.")
    results(job.out, summary="summary.json")
    if found.matches:
        say("", f"Next: data.exclude={job.out / 'summary.json'} leaves the flagged images out")


def _pairs(found: Leakage) -> list[str]:
    lines = [
        f"  {match.item_id} = {match.train}" if match.exact
        else f"  {match.item_id} ~ {match.train} ({match.distance} of 256 bits)"
        for match in sorted(found.matches, key=lambda match: match.distance)[:_SHOWN]
    ]  # fmt: skip
    return [*lines, "  …"] if len(found.matches) > _SHOWN else lines
