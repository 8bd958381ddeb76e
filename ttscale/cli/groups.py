"""The groups of the configs: a dataclass each, whose fields are the arguments of one function of the library.

`_target_` names that function where another may take its place. `vote`, `law` and `report` are arguments of the
analysis that the verb does (`summarize`, `tradeoff`), which is not for choice, so they have none.

They are not frozen: Hydra's ConfigStore makes a frozen dataclass read-only, and then no key could be overridden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


def key(default: Any, meaning: str) -> Any:
    """A config key: its default (MISSING where the user must say) and the meaning that `--help` shows."""
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata={"meaning": meaning})
    return field(default=default, metadata={"meaning": meaning})


@dataclass
class Data:
    """Which items are asked."""

    _target_: str = "ttscale.data.load.load_data"
    spec: str = key(MISSING, "fashion-mnist, imagefolder, torchvision:NAME")
    root: str | None = key(None, "folder that holds the data")
    split: str = key("test", "which split, where the set has several")
    limit: int | None = key(None, "use only so many items; null: all")
    class_index: str | None = key(
        None, "JSON file that maps folder names to class indices, or imagenet-1k; null: by name"
    )
    on_bad_item: str = key("error", "an unreadable item: error names it and stops, skip counts it and goes on")
    name: str | None = key(None, "name in reports; null: from spec")


@dataclass
class Draws:
    """Which views of an item a member sees, in order."""

    _target_: str = "ttscale.draws.grammar.views"
    spec: str = key(MISSING, "view set such as flip * shifts(1); the plain view comes first")


@dataclass
class Vote:
    """How draws become one decision."""

    vote: str = key("mean", "mean (of probabilities), log_mean (of their logarithms) or plurality")


@dataclass
class Law:
    """Which law is fitted to a curve."""

    law: str = key("auto", "name of a law, or auto: the one with the smallest back-test error")


@dataclass
class Collect:
    """How draws are run; which draws they are does not depend on it."""

    _target_: str = "ttscale.collecting.collect.collect"
    batch_size: int | None = key(None, "items a forward pass; null: chosen; halved when memory runs out")
    device: str = key("auto", "cpu, cuda, cuda:1, mps; auto: CUDA where it is there")
    threads: int | None = key(None, "CPU threads; null: torch's own choice")
    workers: int = key(1, "threads that decode and preprocess ahead")
    channels_last: bool = key(True, "memory format; the faster one for most convolutional networks")
    log_probs_dtype: str = key("auto", "stored as float32 or float16; auto: float16 when float32 would take over 4 GiB")
    on_bad_item: str = key("${data.on_bad_item}", "an unreadable item: as data.on_bad_item says")


@dataclass
class Report:
    """How sure the numbers of the report are."""

    ci: float = key(0.95, "level of the intervals, in (0, 1)")
    n_boot: int = key(1000, "bootstrap resamples of the items")


@dataclass
class Recipe:
    """How a classifier is trained."""

    _target_: str = "ttscale.training.recipe.Recipe"
    epochs: int = key(16, "passes over the training images")
    batch_size: int = key(128, "images a step")
    learning_rate: float = key(0.1, "peak of the one-cycle schedule")
    warmup: float = key(0.2, "share of the steps before the peak, in [0, 1)")
    weight_decay: float = key(5e-4, "on convolution and linear weights")
    momentum: float = key(0.9, "Nesterov momentum of SGD")
    max_shift: int = key(1, "each image is shifted by up to so many pixels")
    flip: bool = key(True, "mirror half of the images")


GROUPS: Mapping[str, type] = {
    "data": Data, "draws": Draws, "vote": Vote, "law": Law, "collect": Collect, "report": Report, "train": Recipe,
}  # fmt: skip
