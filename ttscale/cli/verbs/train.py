"""`ttscale train`: models of several sizes and training budgets, and rivals made of them, training FLOPs metered."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ttscale.cli.build import build, naming
from ttscale.cli.console import results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import TrainConfig
from ttscale.cli.verbs.collect import load_images
from ttscale.data.dataset import Dataset
from ttscale.training.plans import train

if TYPE_CHECKING:
    from ttscale.training.planned import Planned

_SETTINGS = ("widths", "seeds", "n_validation", "image_size")  # null leaves them to what is trained
_LABELS = ""  # stands for a teacher's labels, beside the names of models


def run(config: TrainConfig, job: Job) -> None:
    kind = build(config.train)
    given = {name: getattr(config, name) for name in _SETTINGS if getattr(config, name) is not None}
    with _Told() as told, naming(config.train, but=given):
        cards = train(
            kind, lambda: _load(config), job.out / "models", processes=config.processes, device=config.device,
            command=job.command, on_start=told.start, on_share=told.share, on_rung=told.done, **given,
        )  # fmt: skip
    job.write_summary(models=list(cards))
    results(job.out, models_and_cards="models", summary="summary.json")
    if cards[0]["family"] == "resnet8":
        say("", f"Use them: ttscale sweep 'models=zoo:{job.out}/models/*'")
    else:
        say("", f"Use them: ttscale sweep models=hf:{job.out}/models/{cards[-1]['name']} data=worked draws=samples")


def _load(config: TrainConfig) -> Dataset:
    with step("loading data"):
        return load_images(config)


class _Told:
    """What the user sees: a bar and the time left, by the planned FLOPs of all models, and a line for each model."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._flops: dict[str, float] = {}
        self._shares: dict[str, float] = {}
        self._began = time.perf_counter()

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._flops:
            self._bar.stop()

    def start(self, planned: Planned) -> None:
        n, labels = len(planned.flops), f" with {planned.label_flops:.3g} for a teacher's labels"
        say(
            f"{n} model{'' if n == 1 else 's'} to train, {planned.total:.3g} FLOPs in all"
            f"{labels if planned.label_flops else ''}, about {timedelta(seconds=math.ceil(planned.seconds))} here"
        )
        self._flops, self._began = {_LABELS: planned.label_flops, **planned.flops}, time.perf_counter()
        self._bar.start()
        first = "a teacher's labels" if planned.label_flops else "train"
        self._task = self._bar.add_task(first, total=planned.total, left="")

    def share(self, name: str, share: float, loss: float) -> None:
        self._shares |= {_LABELS: 1.0, name: share}  # models are trained once there are labels
        self._bar.update(self._task, completed=self._spent(), description=f"{name} loss {loss:.3f}", left=self._left())

    def done(self, card: Mapping[str, Any]) -> None:
        self._shares[card["name"]] = 1.0
        self._bar.update(self._task, completed=self._spent(), left=self._left())
        scored = f"accuracy {card['validation_accuracy']:.4f}" if "validation_accuracy" in card else "trained"
        cost = f"{card['train_flops']:.3g} FLOPs, {card['train_seconds']:.0f} s"
        left = self._left()
        say(f"{card['name']}: {scored} after {cost}" + f"; {left}" * bool(left))

    def _spent(self) -> float:
        return sum(flops * self._shares.get(name, 0.0) for name, flops in self._flops.items())

    def _left(self) -> str:
        """``about 0:12:30 left``, at the FLOPs a second so far."""
        spent, whole = self._spent(), sum(self._flops.values())
        if not 0 < spent < whole:
            return ""
        seconds = (time.perf_counter() - self._began) * (whole - spent) / spent
        return f"about {timedelta(seconds=round(seconds))} left"
