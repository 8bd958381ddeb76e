"""`ttscale demo`: the main job on the models that ship with ttscale, from draws to a plan that predicts."""

from __future__ import annotations

from ttscale.cli.app import Job
from ttscale.cli.build import build
from ttscale.cli.console import say, step
from ttscale.cli.schema import SweepConfig
from ttscale.cli.verbs.analyze import show, write_analysis
from ttscale.cli.verbs.collect import collect_records

SHOWN = 8


def run(config: SweepConfig, job: Job) -> None:
    records = collect_records(config, job)
    summary = write_analysis(records, config, job)
    show(summary, job)
    if summary["plan"]:
        say("", predictions(config, job))
    say("", f"Open {job.out / 'report.html'}")


def predictions(config: SweepConfig, job: Job) -> str:
    """What the planned model says of the first items: `wrap` loads plan.json and predicts."""
    with step("loading the plan and predicting"):
        import torch

        from ttscale.deploy.wrap import wrap

        data = build(config.data)
        better = wrap(None, job.out / "plan.json")
        positions = range(min(SHOWN, len(data)))
        x = torch.stack([better.preprocess(data.load(i)) for i in positions])
        with torch.inference_mode():
            answers = better.classify(x, [data.item_ids[i] for i in positions]).tolist()
    names = data.class_names or tuple(str(i) for i in range(max(data.labels) + 1))
    right = sum(answer == data.labels[i] for i, answer in zip(positions, answers, strict=True))
    said = ", ".join(names[answer] for answer in answers)
    return f"The planned model, loaded from plan.json, on the first {len(answers)} images: {said} ({right} right)."
