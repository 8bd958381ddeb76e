"""One model to train, and its training: from the first weights to a file of weights with a card beside it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from ttscale.cost.flops import measure_forward
from ttscale.errors import TtscaleError
from ttscale.models.resnet8 import resnet8
from ttscale.models.weights import load_strictly
from ttscale.models.zoo import read_card
from ttscale.records.files import write_atomic, write_json
from ttscale.training.checkpoint import Checkpoint, refuse_another_run
from ttscale.training.images import Split
from ttscale.training.loop import accuracy, fit_classifier, one_step, one_thread, step_flops
from ttscale.training.planned import step_seconds
from ttscale.training.recipe import Recipe
from ttscale.training.teaching import Teaching

COUNTED = "forward and backward of one step by torch's FlopCounterMode, times steps"
FORWARDS = "; labels of teachers and statistics of batch norms by forwards"
_PLAIN = dict.fromkeys(("image_size", "start", "teachers"))  # of a run that has none of them


@dataclass(frozen=True)
class Spent:
    """Training FLOPs that went into a model, of one kind: metered ones, and by 6 FLOPs a parameter and image (2 where
    no gradient is computed). None where they are not known."""

    flops: float | None
    flops_6nd: float | None

    def less(self, other: Spent) -> Spent:
        """What is left of it without ``other``."""
        return Spent(_less(self.flops, other.flops), _less(self.flops_6nd, other.flops_6nd))


@dataclass(frozen=True, eq=False)
class Start:
    """A trained model that a rung begins with: its weights, and mean and standard deviation of its pixels."""

    state: Mapping[str, torch.Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Rung:
    """One model to train.

    Attributes:
        name: of its files. size: ``card["size"]``, empty for what is only a step on the way to a member.
        budget: name of its training budget, or empty.
        seed: of its first weights, the order of the images and their augmentation.
        width: of the ResNet-8. recipe: how it is trained.
        start: what it begins with; None: fresh weights. teaching: soft labels; None: labels alone.
        run: what decides its weights, apart from data, split, size, seed and recipe; in plain values.
        facts: for its card. spent: on other models that it needs, by what for.
    """

    name: str
    size: str
    budget: str
    seed: int
    width: int
    recipe: Recipe
    start: Start | None = None
    teaching: Teaching | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    spent: Mapping[str, Spent] = field(default_factory=dict)

    def architecture(self, split: Split) -> dict[str, int]:
        return {"width": self.width, "n_classes": split.n_classes, "in_channels": split.shape[0]}

    def n_steps(self, split: Split) -> int:
        """Of its whole training."""
        n_images = len(split.ranks) - split.n_validation if self.recipe.n_train is None else self.recipe.n_train
        return n_images // self.recipe.batch_size * self.recipe.epochs

    def planned_flops(self, split: Split) -> float:
        """Training FLOPs that it will take itself."""
        with torch.device("meta"):
            module = resnet8(**self.architecture(split))
        return step_flops(module, (self.recipe.batch_size, *split.shape)) * self.n_steps(split)

    def step_seconds(self, split: Split, device: str) -> float:
        """Seconds that a step of its training takes on the device."""
        with torch.random.fork_rng(devices=[]):
            module = resnet8(**self.architecture(split))
        return step_seconds(one_step(module, (self.recipe.batch_size, *split.shape), torch.device(device)), device)


@dataclass(frozen=True)
class Job:
    """What all rungs of a folder share; picklable, so that a pool of processes can train them.

    Attributes:
        folder: of the models. data_name, class_names: of the training set.
        run: what decides the weights of every rung: digest of the data, number of validation images, their size.
    """

    folder: Path
    data_name: str
    class_names: tuple[str, ...] | None
    device: str
    run: Mapping[str, Any]
    command: str | None

    def run_of(self, rung: Rung) -> dict[str, Any]:
        """What decides the weights of a rung, besides its name; None for what it does not have."""
        return {**_PLAIN, **self.run, "recipe": asdict(rung.recipe), **rung.run}

    def told_of(self, rung: Rung) -> dict[str, Any]:
        """The run as a card has it."""
        return {key: value for key, value in self.run_of(rung).items() if value is not None}

    def checkpoint(self, rung: Rung) -> Checkpoint:
        return Checkpoint(self.folder / f"{rung.name}.checkpoint", self.run_of(rung))

    def is_finished(self, rung: Rung) -> bool:
        """Whether the folder holds this rung; one of another run is refused, whether finished or begun."""
        card_file = self.folder / f"{rung.name}.json"
        if card_file.exists():
            refuse_another_run(card_file, read_card(card_file), self.run_of(rung))
            self.checkpoint(rung).path.unlink(missing_ok=True)  # of a run that was killed at its very end
            return True
        self.checkpoint(rung).read()
        return False

    def train(
        self, split: Split, rung: Rung, on_epoch: Callable[[int, float], None] = lambda epoch, loss: None
    ) -> dict[str, Any]:
        """Train a rung and write its files; returns its card.

        Raises:
            TtscaleError: images that cannot be normalised, or a training that diverges.
        """
        with one_thread(self.device):
            return self._trained(split, rung, on_epoch)

    def _trained(self, split: Split, rung: Rung, on_epoch: Callable[[int, float], None]) -> dict[str, Any]:
        images, device, checkpoint = (
            split.training(rung.recipe.n_train),
            torch.device(self.device),
            self.checkpoint(rung),
        )
        with torch.random.fork_rng(devices=[]):  # the initialisation draws from torch's global generator
            torch.manual_seed(rung.seed)
            module = resnet8(**rung.architecture(split))
        mean, std = images.moments() if rung.start is None else (rung.start.mean, rung.start.std)
        if rung.start is not None:
            if len(mean) != split.shape[0]:
                raise TtscaleError(
                    "starts", expected=f"models of images of {split.shape[0]} channels, as the data's",
                    got=f"one of {len(mean)}", fix="Give images of as many channels as it was trained on.",
                )  # fmt: skip
            load_strictly(module, rung.start.state, source=rung.name)
        done = fit_classifier(
            module, images, rung.recipe, seed=rung.seed, mean=mean, std=std, device=device, teaching=rung.teaching,
            checkpoint=checkpoint, on_epoch=on_epoch,
        )  # fmt: skip
        scored = accuracy(module, split.validation(), mean=mean, std=std, device=device)
        module = module.cpu().to(memory_format=torch.contiguous_format)
        n_params = sum(parameter.numel() for parameter in module.parameters())
        own = Spent(done.train_flops, 6.0 * n_params * done.images_seen)
        card = {
            "name": rung.name, "family": "resnet8", **_named(size=rung.size), "budget": rung.budget, "seed": rung.seed,
            **rung.facts, **architecture_facts(module, rung.architecture(split), split.shape, mean, std),
            "class_names": self.class_names, **training_facts({**rung.spent, "training": own}),
            "steps": done.steps, "images_seen": done.images_seen, "train_seconds": round(done.seconds, 1),
            "device": f"{self.device}, {platform.machine()}, {torch.get_num_threads()} thread(s)",
            "torch": torch.__version__, "command": self.command, "data": self.data_name, **self.told_of(rung),
            "validation_below": split.validation_below, "n_train": len(images.labels), "validation_accuracy": scored,
            "licence": "MIT",
        }  # fmt: skip
        write_member(self.folder, module, card)
        checkpoint.path.unlink(missing_ok=True)
        return card


def architecture_facts(
    module: nn.Module, architecture: Mapping[str, int], shape: tuple[int, ...],
    mean: tuple[float, ...], std: tuple[float, ...],
) -> dict[str, Any]:  # fmt: skip
    """What loading a model of the zoo needs, and what one forward costs."""
    cost = measure_forward(module, shape)
    return {
        "architecture": dict(architecture), "input_size": list(shape), "mean": list(mean), "std": list(std),
        "n_params": cost.n_params, "flops": cost.flops,
    }  # fmt: skip


def training_facts(parts: Mapping[str, Spent]) -> dict[str, Any]:
    """Training FLOPs of a card: all that went into the model and, where that is more than one training, each part by
    itself; the sum is left out where a part is not known."""
    whole = total(list(parts.values()))
    source = COUNTED + (FORWARDS if len(parts) > 1 else "")
    facts = {"train_flops": whole.flops, "train_flops_source": source, "train_flops_6nd": whole.flops_6nd}
    known = {name: value for name, value in facts.items() if value is not None}
    return known | ({"train_flops_parts": {name: part.flops for name, part in parts.items()}} if len(parts) > 1 else {})


def write_member(folder: Path, module: nn.Module, card: Mapping[str, Any]) -> None:
    """The weights, then the card that says that they are there."""
    weights = save(module.state_dict())
    write_atomic(folder / f"{card['name']}.safetensors", lambda file: file.write(weights))
    write_json(folder / f"{card['name']}.json", dict(card))


def spent_on(card: Mapping[str, Any]) -> Spent:
    """What a trained model cost, as its card says."""
    return Spent(card.get("train_flops"), card.get("train_flops_6nd"))


def total(parts: Sequence[Spent]) -> Spent:
    """The sum; None where a part is."""
    return Spent(_sum([part.flops for part in parts]), _sum([part.flops_6nd for part in parts]))


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else whole - part


def _named(**facts: str) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}
