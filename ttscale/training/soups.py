"""Soups of fine-tunings: one trained model tuned on with several seeds, the weights averaged (Wortsman et al. 2022).

Networks that begin with the same trained weights stay in one basin of the loss, so their average is a network; of those
trained from different first weights it mostly is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttscale.data.dataset import Dataset
from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError
from ttscale.models.model import Model
from ttscale.models.soup import soup
from ttscale.models.zoo import read_card
from ttscale.training.claims import claimed
from ttscale.training.images import Split, load_split, split_ranks, training_rows
from ttscale.training.loop import accuracy
from ttscale.training.members import load_member, trained_members
from ttscale.training.planned import OnStart
from ttscale.training.recipe import Recipe, check_numbers
from ttscale.training.rung import (
    Job,
    Rung,
    Spent,
    Start,
    architecture_facts,
    spent_on,
    total,
    training_facts,
    write_member,
)
from ttscale.training.rungs import OnEpoch, OnRung, check_data, check_images, make_job, train_rungs

TUNED = "tuned"  # folder of the fine-tuned models
TUNING = Recipe(epochs=4, learning_rate=0.01)
_BATCH = 500  # images a forward, for the statistics of batch norms


def train_soups(
    starts: str | Sequence[str],
    data: Dataset,
    out: str | Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    recipe: Recipe | None = None,
    n_validation: int = 5000,
    processes: int = 1,
    device: str = "cpu",
    command: str | None = None,
    on_start: OnStart = lambda planned: None,
    on_epoch: OnEpoch = lambda rung, epoch, loss: None,
    on_rung: OnRung = lambda card: None,
) -> tuple[dict[str, Any], ...]:
    """Fine-tune each start with every seed, and average the results of each; returns the cards of the soups.

    The fine-tuned models stand in ``out/tuned``. Means and variances of batch norms are estimated anew on the training
    images. A card counts the training of its start, every fine-tuning and that estimation, each by itself and in sum.

    Args:
        starts: specs of trained models (``zoo:NAME``, ``zoo:FOLDER/NAME``, globs), each the start of one soup.
        data: the images; of the set that the starts were trained on, or another one of the same shape and classes.
        out: folder of the soups; new, or begun by the same call.
        seeds: of the order and augmentation of each fine-tuning; two at least.
        recipe: of a fine-tuning; None: 4 epochs with a peak learning rate of .03.
        n_validation, processes, device, command, on_start, on_epoch, on_rung: as of
            :func:`ttscale.training.ladder.train_ladder`; ``on_rung`` is told the card of each fine-tuned model.

    Raises:
        TtscaleError: unusable arguments, starts that are no ResNet-8 of ``ttscale train``, that were trained on images
            which are for validation here, are of one name or of other classes, models in ``out`` of another run, or
            ones that another live run is making there.
    """
    check_data(data)
    recipe = TUNING if recipe is None else recipe
    check_numbers(seeds=(seeds, 0))
    if len(seeds) < 2:
        raise TtscaleError("seeds", expected="two seeds at least", got=repr(seeds), fix="A soup averages several.")
    trained = _starts(starts, data, n_validation)
    size = _common_size(trained)
    settings: dict[str, Any] = {
        "n_validation": n_validation, "image_size": size, "processes": processes, "device": device, "command": command
    }  # fmt: skip
    job, tuning = make_job(data, out, **settings), make_job(data, to_path("out", out) / TUNED, **settings)
    check_images(recipe, len(data) - n_validation)
    rungs = [_rung(start, seed, recipe) for start in trained for seed in seeds]
    plans = [Rung(_name(start, seeds), "", "", 0, 0, recipe, run=_run(start, seeds)) for start in trained]
    with claimed(job.folder, plans, job.is_finished) as missing:
        if missing:
            train_rungs(tuning, rungs, data, processes, on_start, on_epoch, on_rung)
            rows = training_rows(split_ranks(data), n_validation, recipe.n_train)
            images, split = data.subset(np.flatnonzero(rows)), load_split(data, n_validation, size)
        for plan in missing:
            start = trained[plans.index(plan)]
            names = [rung.name for rung in rungs if rung.run == _start_of(start)]
            tuned = [load_member("starts", f"zoo:{tuning.folder}/{name}") for name in names]
            _mix(job, plan, start, tuned, images, split)
    return tuple(read_card(job.folder / f"{plan.name}.json") for plan in plans)


def _rung(start: Model, seed: int, recipe: Recipe) -> Rung:
    """A fine-tuning: a step on the way to a member, so it has no size of its own."""
    facts = {"of": start.card["size"], "how": f"tuned for {recipe.epochs} epochs"}
    return Rung(
        f"{start.name}-t{seed}", "", str(start.card.get("budget", "")), seed, start.card["architecture"]["width"],
        recipe, start=Start(start.module.state_dict(), start.mean, start.std), run=_start_of(start), facts=facts,
        spent={"start": spent_on(start.card)},
    )  # fmt: skip


def _mix(job: Job, plan: Rung, start: Model, tuned: list[Model], images: Dataset, split: Split) -> None:
    """Average the fine-tunings of a start, and write the soup."""
    made = soup(tuned, norms=images, batch_size=_BATCH)
    accurate = accuracy(made.module, split.validation(), mean=made.mean, std=made.std, device=torch.device("cpu"))
    facts = architecture_facts(made.module, start.card["architecture"], made.input_size, made.mean, made.std)
    tuning = [spent_on(model.card).less(spent_on(start.card)) for model in tuned]
    forwards = Spent(facts["flops"] * len(images), 2.0 * facts["n_params"] * len(images))
    of = start.card["size"]
    card = {
        "name": plan.name, "family": "resnet8", "size": f"{of} soup of {len(tuned)}",
        "budget": start.card.get("budget", ""), "of": of, "how": f"soup of {len(tuned)}", **facts,
        "class_names": job.class_names,
        **training_facts({"start": spent_on(start.card), "tuning": total(tuning), "norms": forwards}),
        "images_seen": start.card["images_seen"] + sum(model.card["images_seen"] for model in tuned),
        "train_seconds": round(sum(model.card["train_seconds"] for model in tuned), 1),
        "soup": made.card["soup"], "command": job.command, "data": job.data_name, **job.told_of(plan),
        "validation_below": split.validation_below, "n_train": len(images), "validation_accuracy": accurate,
        "licence": "MIT",
    }  # fmt: skip
    write_member(job.folder, made.module, card)


def _name(start: Model, seeds: Sequence[int]) -> str:
    return f"{start.name}-soup" + "+".join(map(str, seeds))


def _start_of(start: Model) -> dict[str, Any]:
    return {"start": {"name": start.name, "fingerprint": start.fingerprint()}}


def _run(start: Model, seeds: Sequence[int]) -> dict[str, Any]:
    return {**_start_of(start), "seeds": list(seeds)}


def _common_size(starts: Sequence[Model]) -> tuple[int, int]:
    sizes = {start.input_size for start in starts}
    if len(sizes) > 1:
        raise TtscaleError(
            "starts",
            expected="models of one input size",
            got=f"{sorted(sizes)}",
            fix="Make the soups of each by itself.",
        )
    return starts[0].input_size[1:]


def _starts(specs: str | Sequence[str], data: Dataset, n_validation: int) -> list[Model]:
    """The starts; TtscaleError unless they can be tuned here."""
    starts = trained_members("starts", specs, data, n_validation)
    for start in starts:
        known = start.card.get("family") == "resnet8" and {"size", "images_seen"} <= start.card.keys()
        if not known or "soup" in start.card:
            raise TtscaleError(
                "starts", expected="models of ttscale train that are no soups", got=start.spec,
                fix="Give zoo:NAME, or zoo:FOLDER/NAME.",
            )  # fmt: skip
        if start.class_names and data.class_names and tuple(start.class_names) != tuple(data.class_names):
            raise TtscaleError(
                "starts", expected="models of the classes of the data, in their order",
                got=f"{start.name} of {', '.join(start.class_names)}", fix="Give models that were trained on this set.",
            )  # fmt: skip
    return starts
