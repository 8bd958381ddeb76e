"""What a training run does, apart from its data, its size and its seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttscale.errors import TtscaleError

Ranges = Mapping[str, tuple[Callable[[Any], bool], str]]  # by attribute: whether a value will do, and what would


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum under a one-cycle cosine schedule that ends at zero.

    Attributes:
        n_train: different images to train on; None for all that are not kept out for validation. A smaller set is part
            of every larger one, and the same for every size and seed.
        epochs: passes over the training images; the schedule is complete within them.
        batch_size: images a step; the last, incomplete batch of an epoch is dropped.
        learning_rate: peak of the schedule, reached after ``warmup`` of the steps.
        warmup: share of the steps in [0, 1).
        weight_decay: on the weights of convolutions and linear layers only.
        momentum: of SGD.
        max_shift: each image is shifted by up to so many pixels each way (edges repeated).
        flip: whether half of the images are mirrored.
    """

    n_train: int | None = None
    epochs: int = 16
    batch_size: int = 128
    learning_rate: float = 0.1
    warmup: float = 0.2
    weight_decay: float = 5e-4
    momentum: float = 0.9
    max_shift: int = 1
    flip: bool = True


def check_recipe(recipe: Recipe) -> None:
    """Raise unless training can be done by the recipe.

    Raises:
        TtscaleError: names the attribute that is out of its range.
    """
    if not isinstance(recipe, Recipe):
        raise TtscaleError("recipe", expected="a Recipe", got=repr(recipe), fix="Leave it out for the zoo's recipe.")
    check_ranges(recipe, RANGES)


def check_ranges(recipe: object, ranges: Ranges) -> None:
    """TtscaleError for the first attribute of a recipe that is out of its range."""
    for name, (holds, expected) in ranges.items():
        value = getattr(recipe, name)
        if not holds(value):
            raise TtscaleError(f"recipe.{name}", expected=expected, got=repr(value), fix="Change the recipe.")


def is_integer(value: Any, least: int) -> bool:
    """An integer that is no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_number(name: str, value: Any, least: int) -> None:
    """TtscaleError unless it is an integer of at least ``least``."""
    if not is_integer(value, least):
        raise TtscaleError(name, expected=f"an integer of at least {least}", got=repr(value), fix="Change it.")


def check_numbers(**lists: tuple[Sequence[int], int]) -> None:
    """TtscaleError unless each is a list of different integers, none below its least one."""
    for name, (values, least) in lists.items():
        listed = isinstance(values, Sequence) and len(values) > 0 and all(is_integer(value, least) for value in values)
        if not listed or len(set(values)) < len(values):
            raise TtscaleError(
                name, expected=f"integers of at least {least}, each once", got=repr(values), fix="Give at least one."
            )


def is_real(value: Any) -> bool:
    """A finite number that is no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


RANGES: Ranges = {
    "n_train": (lambda v: v is None or is_integer(v, 2), "None or an integer of at least 2"),
    "epochs": (lambda v: is_integer(v, 1), "an integer of at least 1"),
    "batch_size": (lambda v: is_integer(v, 2), "an integer of at least 2, since batch norms take a mean over images"),
    "learning_rate": (lambda v: is_real(v) and v > 0, "a number above 0"),
    "warmup": (lambda v: is_real(v) and 0 <= v < 1, "a number in [0, 1)"),
    "weight_decay": (lambda v: is_real(v) and v >= 0, "a number of at least 0"),
    "momentum": (lambda v: is_real(v) and 0 < v < 1, "a number in (0, 1)"),
    "max_shift": (lambda v: is_integer(v, 0), "an integer of at least 0"),
    "flip": (lambda v: isinstance(v, bool), "True or False"),
}
