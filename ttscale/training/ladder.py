"""A ladder: one architecture at several sizes, training budgets and seeds, trained on images of the same set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError
from ttscale.training.planned import OnStart
from ttscale.training.recipe import Recipe, check_numbers
from ttscale.training.rung import Rung
from ttscale.training.rungs import OnEpoch, OnRung, check_images, make_job, train_rungs

_NAME = re.compile(r"[^\W_][\w.]*")


def train_ladder(
    data: Dataset,
    out: str | Path,
    *,
    widths: Sequence[int] = (4, 8, 16, 28),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    recipe: Recipe | Mapping[str, Recipe] | None = None,
    n_validation: int = 5000,
    image_size: int | Sequence[int] | None = None,
    processes: int = 1,
    device: str = "cpu",
    command: str | None = None,
    on_start: OnStart = lambda planned: None,
    on_epoch: OnEpoch = lambda rung, epoch, loss: None,
    on_rung: OnRung = lambda card: None,
) -> tuple[dict[str, Any], ...]:
    """Train every (width, budget, seed) that ``out`` does not hold yet; returns all cards, in that order.

    ``n_validation`` images, picked by keyed noise from their ids, are kept out of training; choose recipes by their
    accuracy. Each finished rung is ``<name>.safetensors`` and ``<name>.json`` in ``out``; an interrupted rung goes on
    at its last complete epoch.

    Args:
        data: small images with labels.
        out: folder of the models; new, or begun with the same data, ``n_validation`` and recipe.
        widths: sizes of the models: channels of the first block of a ResNet-8.
        seeds: of each size; a seed decides the first weights, the order of the images and their augmentation.
        recipe: how each rung is trained; None: the recipe of the models that ship with ttscale. Several training
            budgets as a mapping from their names, which become part of the models' names, to recipes: each budget is a
            run of its own with its own complete schedule.
        n_validation: number of images kept out of training.
        image_size: pixels a side, or (height, width): the shorter side of every image is resized, and the centre cut
            out; None takes images of one shape as they are.
        processes: rungs trained at a time, one CPU thread each.
        device: of the training: ``"cpu"``, ``"cuda"``, or ``"auto"`` (CUDA where there is one).
        command: the command line, kept in the cards.
        on_start: told, before anything is trained, the FLOPs of each rung and the seconds that all may take.
        on_epoch: told the rung, its finished epochs and the mean training loss of the last one.
        on_rung: told the card of each rung as it is finished.

    Raises:
        TtscaleError: unusable arguments, no such device, fewer images than ``n_validation`` plus one batch, images of
            unequal shapes, rungs in ``out`` (finished or begun) of other data, another split or another recipe, or ones
            that another live run is training there.
    """
    job = make_job(
        data, out, n_validation=n_validation, image_size=image_size, processes=processes, device=device, command=command
    )
    check_numbers(widths=(widths, 1), seeds=(seeds, 0))
    budgets = budgets_of(recipe, len(data) - n_validation)
    rungs = [
        Rung(rung_name(f"resnet8-w{width}", name, seed), f"resnet8-w{width}", name, seed, width, budget)
        for width in sorted(widths)
        for name, budget in budgets.items()
        for seed in seeds
    ]
    return train_rungs(job, rungs, data, processes, on_start, on_epoch, on_rung)


def rung_name(base: str, budget: str, seed: int) -> str:
    """Of files and members: ``resnet8-w4-e16-s0``, or ``resnet8-w4-s0`` where no budget is named."""
    return f"{base}-{budget}-s{seed}" if budget else f"{base}-s{seed}"


def budgets_of(recipe: Recipe | Mapping[str, Recipe] | None, n_available: int) -> dict[str, Recipe]:
    """One recipe, or several by name, checked; a single one has the empty name.

    Raises:
        TtscaleError: no budget, a name that a file cannot have, an unusable recipe, or too few images for one batch.
    """
    budgets = dict(recipe) if isinstance(recipe, Mapping) else {"": Recipe() if recipe is None else recipe}
    if not budgets:
        raise TtscaleError(
            "recipe", expected="at least one budget", got="none", fix="Give a Recipe, or several by name."
        )
    for name, budget in budgets.items():
        if name != "" or len(budgets) > 1:
            check_name("recipe", name)
        check_images(budget, n_available)
    return budgets


def check_name(argument: str, name: Any) -> None:
    """TtscaleError unless the name of a budget or of a kind of student can be part of a file's name."""
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise TtscaleError(
            argument, expected="a name of letters, digits, dots and underscores, a letter or digit first",
            got=repr(name),
            fix="Rename it: it is part of file names.",
        )  # fmt: skip
