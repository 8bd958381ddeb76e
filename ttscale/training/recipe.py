"""What a training run does, apart from its data, its size and its seed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum under a one-cycle cosine schedule that ends at zero.

    Attributes:
        epochs: passes over the training images; the schedule is complete within them.
        batch_size: images a step; the last, incomplete batch of an epoch is dropped.
        learning_rate: peak of the schedule, reached after ``warmup`` of the steps.
        warmup: share of the steps in [0, 1).
        weight_decay: on the weights of convolutions and linear layers only.
        momentum: of SGD.
        max_shift: each image is shifted by up to so many pixels each way (edges repeated).
        flip: whether half of the images are mirrored.
    """

    epochs: int = 16
    batch_size: int = 128
    learning_rate: float = 0.1
    warmup: float = 0.2
    weight_decay: float = 5e-4
    momentum: float = 0.9
    max_shift: int = 1
    flip: bool = True
