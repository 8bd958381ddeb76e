"""`ttscale train`: a ladder of small classifiers with metered training FLOPs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ttscale.cli.build import build
from ttscale.cli.console import results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import TrainConfig
from ttscale.cli.verbs.collect import load_images

if TYPE_CHECKING:
    from ttscale.training.ladder import Rung


def run(config: TrainConfig, job: Job) -> None:
    recipe = build(config.train)
    with step("loading torch and data"):
        from ttscale.training.ladder import train_ladder

        data = load_images(config)
    per_rung = recipe.epochs if config.processes == 1 else 1  # with a pool only finished rungs are told
    n_rungs = len(config.widths) * len(config.seeds)
    say(f"{n_rungs} models of {recipe.epochs} epochs on {len(data)} items of {data.name} into {job.out}")
    text, left = TextColumn("{task.description}"), TextColumn("left:")
    columns = (text, BarColumn(), MofNCompleteColumn(), left, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("train", total=n_rungs * per_rung)

        def on_epoch(rung: Rung, epoch: int, loss: float) -> None:
            bar.update(task, advance=1, description=f"{rung.name} epoch {epoch} loss {loss:.3f}")

        def on_rung(card: dict[str, Any]) -> None:
            bar.update(task, advance=0 if config.processes == 1 else 1)
            say(f"{card['name']}: accuracy {card['validation_accuracy']:.4f} after {card['train_flops']:.3g} FLOPs")

        cards = train_ladder(
            data, job.out / "models", widths=config.widths, seeds=config.seeds, recipe=recipe,
            n_validation=config.n_validation, processes=config.processes, device=config.device,
            command=job.command, on_epoch=on_epoch, on_rung=on_rung,
        )  # fmt: skip
        bar.update(task, completed=n_rungs * per_rung)  # a resumed run skips what is there
    job.write_summary(models=list(cards))
    results(job.out, models_and_cards="models", summary="summary.json")
    say("", f"Use them: ttscale sweep 'models=zoo:{job.out}/models/*'")
