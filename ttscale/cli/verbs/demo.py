"""`ttscale demo`: the main job on the models that ship with ttscale, from draws to a plan that predicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttscale.cli.build import arguments, naming
from ttscale.cli.console import say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import SweepConfig
from ttscale.cli.verbs.analyze import check_analysis, show, write_analysis
from ttscale.cli.verbs.collect import collect_inputs, load_inputs, load_items

if TYPE_CHECKING:
    from ttscale.data.dataset import Dataset
    from ttscale.draws.views import ViewSet
    from ttscale.models.model import Model

SHOWN = 8
KEY_LENGTH = 8


def run(config: SweepConfig, job: Job) -> None:
    """Records go to a folder named by what they are made of, so that the demo runs again after any change."""
    check_analysis(config)
    draws, data, models = load_inputs(config)
    folder = job.out / f"records-{inputs_key(config, draws, data, models)}"
    records = collect_inputs(config, draws, data, models, folder, job)
    summary = write_analysis(records, config, job)
    show(summary, job, Records=folder.name)
    if summary["plan"]:
        say("", predictions(config, job))
    say("", f"Open {job.out / 'report.html'}")


def inputs_key(config: SweepConfig, draws: ViewSet, data: Dataset, models: Sequence[Model]) -> str:
    """Hex digits that change when the Records would: with weights, items, labels, views, seed, device or options."""
    from ttscale.collecting.environment import pick_device, versions

    with naming(config.collect):
        device = pick_device(config.collect.device).type
    made_of = {
        "members": [(model.name, model.fingerprint()) for model in models], "views": draws.names,
        "items": (data.name, data.item_ids, data.labels.tolist()), "seed": config.seed,
        "collect": arguments(config.collect), "device": device,
        "ttscale": versions().get("ttscale"),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def predictions(config: SweepConfig, job: Job) -> str:
    """What the planned model says of the first items: `wrap` loads plan.json and predicts."""
    with step("loading the plan and predicting"):
        import torch

        from ttscale.deploy.wrap import wrap

        data = load_items(config)
        better = wrap(None, job.out / "plan.json")
        positions = range(min(SHOWN, len(data)))
        x = torch.stack([better.preprocess(data.load(i)) for i in positions])
        with torch.inference_mode():
            answers = better.classify(x, [data.item_ids[i] for i in positions]).tolist()
    names = data.class_names or tuple(str(i) for i in range(max(data.labels) + 1))
    right = sum(answer == data.labels[i] for i, answer in zip(positions, answers, strict=True))
    said = ", ".join(names[answer] for answer in answers)
    return f"The planned model, loaded from plan.json, on the first {len(answers)} images: {said} ({right} right)."
