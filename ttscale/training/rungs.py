"""Rungs trained one after another or side by side, told as they go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ttscale.collecting.environment import pick_device
from ttscale.data.dataset import Dataset
from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError
from ttscale.training.claims import claimed
from ttscale.training.images import Split, count_classes, load_split, sides
from ttscale.training.planned import OnStart, Planned, wall_seconds
from ttscale.training.pool import train_all
from ttscale.training.recipe import Recipe, check_number, check_recipe
from ttscale.training.rung import Job, Rung

OnEpoch = Callable[[Rung, int, float], None]
OnRung = Callable[[dict[str, Any]], None]


def make_job(
    data: Dataset,
    out: Any,
    *,
    n_validation: int,
    image_size: int | Sequence[int] | None,
    processes: int,
    device: str,
    command: str | None,
) -> Job:
    """What the rungs share, checked.

    Raises:
        TtscaleError: an unusable argument, fewer than two classes, items without a label, or no such device.
    """
    check_data(data)
    check_number("processes", processes, 1)
    check_number("n_validation", n_validation, 1)
    run: dict[str, Any] = {"data_sha256": data.digest(), "n_validation": n_validation}
    if image_size is not None:
        run["image_size"] = list(sides(image_size))
    return Job(to_path("out", out), data.name, data.class_names, str(pick_device(device)), run, command)


def train_rungs(
    job: Job,
    rungs: Sequence[Rung],
    data: Dataset,
    processes: int,
    on_start: OnStart = lambda planned: None,
    on_epoch: OnEpoch = lambda rung, epoch, loss: None,
    on_rung: OnRung = lambda card: None,
    *,
    label_flops: Callable[[], float] = lambda: 0.0,
    prepare: Callable[[list[Rung]], list[Rung]] = lambda rungs: rungs,
) -> tuple[dict[str, Any], ...]:
    """Train every rung that the folder does not hold yet; returns the cards of all, in their order.

    Args:
        label_flops: gives those of ``prepare``, which are told with the rest before anything is done.
        prepare: given the rungs that are to be trained; returns them with what only these need, as a teacher's labels.

    Raises:
        TtscaleError: what :func:`ttscale.training.images.load_split` and :func:`ttscale.training.claims.claimed`
            raise, or rungs in the folder of another run.
    """
    with claimed(job.folder, rungs, job.is_finished) as missing:
        if missing:
            split = load_split(data, job.run["n_validation"], job.run.get("image_size"))
            planned = _planned(job, missing, split, processes, label_flops())
            on_start(planned)
            order = prepare(missing)
            if processes > 1:
                order = sorted(order, key=lambda rung: -planned.flops[rung.name])
            train_all(partial(job.train, split), {rung.name: rung for rung in order}, processes, on_epoch, on_rung)
    return tuple(json.loads((job.folder / f"{rung.name}.json").read_text()) for rung in rungs)


def _planned(job: Job, rungs: Sequence[Rung], split: Split, processes: int, label_flops: float) -> Planned:
    """Their FLOPs and seconds; a teacher's forwards are taken to be as many FLOPs a second as the training."""
    flops = {rung.name: rung.planned_flops(split) for rung in rungs}
    alike = {(rung.width, rung.recipe.batch_size): rung for rung in rungs}
    step = {key: rung.step_seconds(split, job.device) for key, rung in alike.items()}
    alone = {rung.name: step[rung.width, rung.recipe.batch_size] * rung.n_steps(split) for rung in rungs}
    trained = sum(flops.values())
    labelled = sum(alone.values()) * label_flops / trained if trained else 0.0
    return Planned(flops, wall_seconds(alone, processes) + labelled, label_flops)


def check_data(data: Dataset) -> None:
    """TtscaleError unless it is a Dataset of labelled items of two classes or more."""
    if not isinstance(data, Dataset):
        raise TtscaleError("data", expected="a Dataset", got=type(data).__name__, fix="Make it with load_data.")
    least, n_classes = (int(data.labels.min()), count_classes(data)) if len(data) else (0, 0)
    if least < 0 or n_classes < 2 or data.labels.max() >= n_classes:
        raise TtscaleError(
            "data", expected="labelled items of two classes at least",
            got=f"labels from {least} on, of {n_classes} class{'' if n_classes == 1 else 'es'}",
            fix="Give a set with one folder a class, or leave out what has no label.",
        )  # fmt: skip


def check_images(recipe: Recipe, n_available: int) -> None:
    """TtscaleError unless the recipe can be done with so many training images."""
    check_recipe(recipe)
    n_train = n_available if recipe.n_train is None else recipe.n_train
    if n_train > n_available:
        raise TtscaleError(
            "recipe.n_train", expected=f"at most {n_available} images", got=str(n_train),
            fix="Lower it or n_validation, or give more training images.",
        )  # fmt: skip
    if n_train < recipe.batch_size:
        raise TtscaleError(
            "n_validation" if recipe.n_train is None else "recipe.n_train",
            expected=f"at least one batch of {recipe.batch_size} images to train on", got=str(max(n_train, 0)),
            fix="Lower n_validation or the batch size, or give more training images.",
        )  # fmt: skip
