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

from ttscale.cost.flops import measure_forward
from ttscale.data.dataset import Dataset
from ttscale.draws import keyed
from ttscale.errors import TtscaleError
from ttscale.models.resnet8 import resnet8
from ttscale.records.files import write_atomic, write_json
from ttscale.training.loop import Images, accuracy, fit_classifier
from ttscale.training.recipe import Recipe


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
    seeds: Sequence[int] = (0, 1, 2),
    recipe: Recipe | None = None,
    n_validation: int = 5000,
    processes: int = 1,
    device: str = "cpu",
    on_epoch: Callable[[Rung, int, float], None] = lambda rung, epoch, loss: None,
    on_rung: Callable[[dict[str, Any]], None] = lambda card: None,
) -> tuple[dict[str, Any], ...]:
    """Train every (width, seed) that ``out`` does not hold yet; returns all cards, in order of width and seed.

    ``n_validation`` images, picked by keyed noise from their ids, are kept out of training; choose recipes by their
    accuracy. Each finished rung is ``<name>.safetensors`` and ``<name>.json`` in ``out``; an interrupted rung goes on
    at its last complete epoch. Rungs run one thread each, ``processes`` at a time; ``on_epoch`` is called only when
    ``processes`` is 1.

    Raises:
        TtscaleError: fewer images than ``n_validation`` plus one batch, images of unequal shapes, or a finished rung in
            ``out`` that was trained by another recipe.
    """
    recipe = recipe or Recipe()
    _check(data, widths, seeds, recipe, n_validation, processes)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    rungs = [Rung(width, seed) for width in sorted(widths) for seed in seeds]
    missing = [rung for rung in rungs if not _is_finished(folder, rung, recipe, data.name)]
    if missing:
        images, labels = _load_images(data)
        held_out = validation_rows(data, n_validation)
        job = _Job(folder, data.name, data.class_names, images, labels, held_out, recipe, device)
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
        checkpoint = self.folder / f"{rung.name}.checkpoint"
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
            "torch": torch.__version__, "data": self.data_name, "n_train": len(training.labels),
            "n_validation": len(validation.labels), "validation_accuracy": scored,
            "recipe": asdict(self.recipe), "licence": "MIT",
        }  # fmt: skip
        weights = save(module.state_dict())
        write_atomic(self.folder / f"{rung.name}.safetensors", lambda file: file.write(weights))
        write_json(self.folder / f"{rung.name}.json", card)
        checkpoint.unlink()
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


def _is_finished(folder: Path, rung: Rung, recipe: Recipe, data_name: str) -> bool:
    card_file = folder / f"{rung.name}.json"
    if not card_file.exists():
        return False
    card = json.loads(card_file.read_text())
    if card["recipe"] != asdict(recipe) or card["data"] != data_name:
        raise TtscaleError(
            "out",
            expected=f"a new folder, or one trained on {data_name} by this recipe",
            got=f"{card_file} trained on {card['data']} by {card['recipe']}",
            fix="Choose another `out`, or give the same data and recipe to add rungs.",
        )
    return True


def _check(
    data: Dataset, widths: Sequence[int], seeds: Sequence[int], recipe: Recipe, n_validation: int, processes: int
) -> None:
    for name, values, least in (("widths", widths, 1), ("seeds", seeds, 0), ("processes", [processes], 1)):
        if not values or min(values) < least:
            raise TtscaleError(
                name, expected=f"integers of at least {least}", got=repr(values), fix="Give at least one."
            )
    for name in ("epochs", "batch_size"):
        if getattr(recipe, name) < 1:
            raise TtscaleError(f"recipe.{name}", expected="at least 1", got=str(getattr(recipe, name)), fix="Raise it.")
    if not recipe.learning_rate > 0 or not 0 <= recipe.warmup < 1:
        raise TtscaleError(
            "recipe", expected="learning_rate > 0 and warmup in [0, 1)",
            got=f"{recipe.learning_rate} and {recipe.warmup}", fix="Change the recipe.",
        )  # fmt: skip
    if n_validation < 1 or len(data) < n_validation + recipe.batch_size:
        raise TtscaleError(
            "n_validation", expected=f"at least 1 and at most {len(data) - recipe.batch_size} of {len(data)} images",
            got=str(n_validation), fix="Lower n_validation, or give more training images.",
        )  # fmt: skip

