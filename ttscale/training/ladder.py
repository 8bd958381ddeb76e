"""A ladder: one architecture at several sizes and seeds, trained on the same images by one recipe."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from ttscale.collecting.environment import pick_device
from ttscale.cost.flops import measure_forward
from ttscale.data.dataset import Dataset
from ttscale.data.paths import to_path
from ttscale.draws import keyed
from ttscale.errors import TtscaleError
from ttscale.models.resnet8 import resnet8
from ttscale.models.zoo import read_card
from ttscale.records.files import write_atomic, write_json
from ttscale.training.checkpoint import Checkpoint, refuse_another_run
from ttscale.training.loop import Images, accuracy, fit_classifier
from ttscale.training.recipe import Recipe, check_recipe, is_integer


@dataclass(frozen=True)
class Rung:
    """One model to train: width of the ResNet-8 and seed of its weights, order and augmentation."""

    width: int
    seed: int

    @property
    def size(self) -> str:
        return f"resnet8-w{self.width}"

    @property
    def name(self) -> str:
        return f"{self.size}-s{self.seed}"


def train_ladder(
    data: Dataset,
    out: str | Path,
    *,
    widths: Sequence[int] = (4, 8, 16, 28),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    recipe: Recipe | None = None,
    n_validation: int = 5000,
    processes: int = 1,
    device: str = "cpu",
    command: str | None = None,
    on_epoch: Callable[[Rung, int, float], None] = lambda rung, epoch, loss: None,
    on_rung: Callable[[dict[str, Any]], None] = lambda card: None,
) -> tuple[dict[str, Any], ...]:
    """Train every (width, seed) that ``out`` does not hold yet; returns all cards, in order of width and seed.

    ``n_validation`` images, picked by keyed noise from their ids, are kept out of training; choose recipes by their
    accuracy. Each finished rung is ``<name>.safetensors`` and ``<name>.json`` in ``out``; an interrupted rung goes on
    at its last complete epoch.

    Args:
        data: small images of one shape, with labels.
        out: folder of the models; new, or begun with the same data, ``n_validation`` and recipe.
        widths: sizes of the models: channels of the first block of a ResNet-8.
        seeds: of each size; a seed decides the first weights, the order of the images and their augmentation.
        recipe: how each rung is trained; None: the recipe of the models that ship with ttscale.
        n_validation: number of images kept out of training.
        processes: rungs trained at a time, one CPU thread each.
        device: of the training: ``"cpu"``, ``"cuda"``, or ``"auto"`` (CUDA where there is one).
        command: the command line, kept in the cards.
        on_epoch: told the rung, its finished epochs and the mean training loss of the last one; only where
            ``processes`` is 1.
        on_rung: told the card of each rung as it is finished.

    Raises:
        TtscaleError: unusable arguments, no such device, fewer images than ``n_validation`` plus one batch, images of
            unequal shapes, or rungs in ``out`` (finished or begun) of other data, another split or another recipe.
    """
    recipe = Recipe() if recipe is None else recipe
    check_recipe(recipe)
    _check(data, widths, seeds, n_validation, processes, recipe.batch_size)
    device = str(pick_device(device))
    folder = to_path("out", out)
    run = {"data_sha256": data.digest(), "n_validation": n_validation, "recipe": asdict(recipe)}
    rungs = [Rung(width, seed) for width in sorted(widths) for seed in seeds]
    missing = [rung for rung in rungs if not _is_finished(folder, rung, run)]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        images, labels = _load_images(data)
        held_out = validation_rows(data, n_validation)
        job = _Job(folder, data.name, data.class_names, images, labels, held_out, recipe, device, run, command)
        if processes == 1:
            for rung in missing:
                on_rung(job.train(rung, partial(on_epoch, rung)))
        else:
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                for card in pool.map(job.train, reversed(missing)):
                    on_rung(card)
    return tuple(json.loads((folder / f"{rung.name}.json").read_text()) for rung in rungs)


def validation_rows(data: Dataset, n_validation: int) -> np.ndarray:
    """Boolean mask ``[item]`` of the validation items: those with the smallest keyed uniforms."""
    mask = np.zeros(len(data), dtype=bool)
    mask[np.argsort(keyed.uniforms(0, keyed.item_keys(data.item_ids), stream=keyed.SPLIT))[:n_validation]] = True
    return mask


@dataclass(frozen=True)
class _Job:
    """What every rung of a ladder shares; picklable, so that a pool of processes can run it."""

    folder: Path
    data_name: str
    class_names: tuple[str, ...] | None
    images: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    recipe: Recipe
    device: str
    run: dict[str, Any]
    command: str | None

    def train(self, rung: Rung, on_epoch: Callable[[int, float], None] = lambda epoch, loss: None) -> dict[str, Any]:
        if self.device == "cpu":
            torch.set_num_threads(1)
        training, validation = (self._split(~self.held_out), self._split(self.held_out))
        mean, std = training.moments()
        n_classes = int(self.labels.max()) + 1
        channels = self.images.shape[1]
        architecture = {"width": rung.width, "n_classes": n_classes, "in_channels": channels}
        torch.manual_seed(rung.seed)  # the initialisation draws from torch's global generator
        module = resnet8(**architecture)
        checkpoint = _checkpoint(self.folder, rung, self.run)
        device = torch.device(self.device)
        done = fit_classifier(
            module,
            training,
            self.recipe,
            seed=rung.seed,
            mean=mean,
            std=std,
            device=device,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )
        scored = accuracy(module, validation, mean=mean, std=std, device=device)
        module = module.cpu().to(memory_format=torch.contiguous_format)
        cost = measure_forward(module, self.images.shape[1:])
        card = {
            "name": rung.name, "family": "resnet8", "size": rung.size, "seed": rung.seed,
            "architecture": architecture, "input_size": list(self.images.shape[1:]), "mean": mean, "std": std,
            "class_names": self.class_names, "n_params": cost.n_params, "flops": cost.flops,
            "train_flops": done.train_flops,
            "train_flops_source": "forward and backward of one step by torch's FlopCounterMode, times steps",
            "train_flops_6nd": 6.0 * cost.n_params * done.images_seen,
            "steps": done.steps, "images_seen": done.images_seen, "train_seconds": round(done.seconds, 1),
            "device": f"{self.device}, {platform.machine()}, {torch.get_num_threads()} thread(s)",
            "torch": torch.__version__, "command": self.command, "data": self.data_name, **self.run,
            "n_train": len(training.labels), "validation_accuracy": scored, "licence": "MIT",
        }  # fmt: skip
        weights = save(module.state_dict())
        write_atomic(self.folder / f"{rung.name}.safetensors", lambda file: file.write(weights))
        write_json(self.folder / f"{rung.name}.json", card)
        checkpoint.path.unlink()
        return card

    def _split(self, rows: np.ndarray) -> Images:
        return Images(torch.from_numpy(self.images[rows]), torch.from_numpy(self.labels[rows]))


def _load_images(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All images of a set as uint8 ``[item, channel, height, width]``, with their labels."""
    arrays = [np.asarray(data.load(i)) for i in range(len(data))]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise TtscaleError(
            "data",
            expected="images of one shape",
            got=f"{len(shapes)} shapes, for example {sorted(shapes)[:2]}",
            fix="Resize the images first; the zoo's trainer takes small images of one size.",
        )
    stacked = np.stack(arrays)
    return np.ascontiguousarray(stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2)), data.labels


def _checkpoint(folder: Path, rung: Rung, run: dict[str, Any]) -> Checkpoint:
    return Checkpoint(folder / f"{rung.name}.checkpoint", run)


def _is_finished(folder: Path, rung: Rung, run: dict[str, Any]) -> bool:
    """Whether ``folder`` holds this rung; one of another run is refused, whether finished or begun."""
    card_file = folder / f"{rung.name}.json"
    if card_file.exists():
        refuse_another_run(card_file, read_card(card_file), run)
        return True
    _checkpoint(folder, rung, run).read()
    return False


def _check(
    data: Dataset, widths: Sequence[int], seeds: Sequence[int], n_validation: int, processes: int, batch_size: int
) -> None:
    if not isinstance(data, Dataset):
        raise TtscaleError("data", expected="a Dataset", got=type(data).__name__, fix="Make it with load_data.")
    for name, values, least in (
        ("widths", widths, 1), ("seeds", seeds, 0), ("processes", [processes], 1), ("n_validation", [n_validation], 1),
    ):  # fmt: skip
        listed = isinstance(values, Sequence) and len(values) > 0 and all(is_integer(value, least) for value in values)
        if not listed or len(set(values)) < len(values):
            raise TtscaleError(
                name, expected=f"integers of at least {least}, each once", got=repr(values), fix="Give at least one."
            )
    if len(data) < n_validation + batch_size:
        raise TtscaleError(
            "n_validation", expected=f"at most {len(data) - batch_size} of {len(data)} images", got=str(n_validation),
            fix="Lower n_validation, or give more training images.",
        )  # fmt: skip
