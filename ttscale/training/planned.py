"""What a run is about to train, told before it begins: its FLOPs, and about how long it will take here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ttscale.training.loop import one_thread

_TIMED = 2  # steps that are timed, after one that warms up


@dataclass(frozen=True)
class Planned:
    """The work of a run.

    Attributes:
        flops: training FLOPs of each rung that is to be trained, by name; of a begun one its whole training.
        seconds: of all of it, about: steps of each size timed on the device of the training, before it begins.
        label_flops: of a teacher's forwards for the labels of its students, which come first, also where an earlier
            run collected some; 0 without a teacher.
    """

    flops: Mapping[str, float]
    seconds: float
    label_flops: float = 0.0

    @property
    def total(self) -> float:
        """All FLOPs."""
        return sum(self.flops.values()) + self.label_flops


OnStart = Callable[[Planned], None]


def step_seconds(step: Callable[[], float], device: str) -> float:
    """Seconds that a step takes: the least of some, so that what else the machine does counts little.

    Args:
        step: does one training step and returns its loss, so that it is over when it returns.
        device: of the training; on the CPU it has one thread, as a training has.
    """
    with one_thread(device):
        step()
        return min(_seconds(step) for _ in range(_TIMED))


def wall_seconds(alone: Mapping[str, float], processes: int) -> float:
    """Seconds that trainings take which take ``alone`` seconds one by one, some of them at a time: at least an equal
    share of all, and at least the longest."""
    return max(sum(alone.values()) / processes, max(alone.values(), default=0.0))


def _seconds(step: Callable[[], float]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began
