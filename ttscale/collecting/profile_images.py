"""Seconds of a decision about one image: its views together, alone on the device."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from ttscale.collecting.fast import fast_copy
from ttscale.collecting.inputs import shape_of
from ttscale.collecting.precision import computing_in, image_format
from ttscale.collecting.shared_forward import shared_forward
from ttscale.draws import keyed
from ttscale.draws.grammar import view_named
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import View
from ttscale.models.model import Model
from ttscale.records.profiles import shape_word, timed_counts
from ttscale.records.records import Records


@dataclass(frozen=True)
class _Way:
    """A member shown its first views of one input shape."""

    model: Model
    shape: tuple[int, int, int]
    views: tuple[View, ...]


def time_images(
    records: Records, models: Sequence[Model], n_items: int, repeats: int, device: torch.device, dtype: str,
    advance: Callable[[int], None],
) -> list[dict[str, object]]:  # fmt: skip
    """A row of ``records.profiles.PROFILES`` (without device and format) for each member, input shape and number of
    views.

    The images are noise, since what is in one does not change how long it takes, and lie on the device: seconds are
    from the normalised tensor, views included, to log-probabilities that the host can read.
    """
    with computing_in(image_format(dtype, device), device):
        ways = [way for model in models for way in _ways(records, _ready(records, model, device))]
        decide = [_decision(way, records.manifest.seed, n_items, device) for way in ways]
        seconds: list[list[float]] = [[] for _ in ways]
        for repeat, number in product(range(repeats + 1), range(len(ways))):  # the first round warms up
            started = time.perf_counter()
            for item in range(n_items):
                decide[number](item)
            if repeat:
                seconds[number].append((time.perf_counter() - started) / n_items)
            advance(n_items)
    return [
        {
            "member": way.model.name, "shape": shape_word(way.shape), "samples": len(way.views), "items": n_items,
            "repeats": repeats, "seconds": float(np.median(values)), "fastest": min(values), "slowest": max(values),
        }
        for way, values in zip(ways, seconds, strict=True)
    ]  # fmt: skip


def count_images(records: Records, models: Sequence[Model], n_items: int, repeats: int) -> int:
    """How many decisions :func:`time_images` takes."""
    return sum(len(_ways(records, model)) for model in models) * n_items * (repeats + 1)


def _ways(records: Records, model: Model) -> list[_Way]:
    """Powers of two and all of the views, in the order collected, for each input shape."""
    by_shape: dict[tuple[int, int, int], list[View]] = {}
    for view in map(view_named, records.variants):
        by_shape.setdefault(shape_of(model, view), []).append(view)
    return [_Way(model, shape, tuple(views[:n])) for shape, views in by_shape.items() for n in timed_counts(len(views))]


def _decision(way: _Way, seed: int, n_items: int, device: torch.device) -> Callable[[int], torch.Tensor]:
    """Decides about one of the images by its number."""
    names = [f"profile/{number}" for number in range(n_items)]
    noise = torch.Generator().manual_seed(seed)
    images = torch.randn(n_items, 1, *way.shape, generator=noise).to(device)
    keys = torch.from_numpy(keyed.item_keys(names)).to(device)
    space = PixelSpace.on(device, way.model.mean, way.model.std)
    frames = dict.fromkeys(view.frame for view in way.views)

    @torch.inference_mode()
    def decide(item: int) -> torch.Tensor:
        x = images[item].contiguous(memory_format=torch.channels_last)
        inputs = dict.fromkeys(frames, x)
        return shared_forward(way.model, way.views, inputs, space=space, seed=seed, keys=keys[item : item + 1]).cpu()

    return decide


def _ready(records: Records, model: Model, device: torch.device) -> Model:
    """A copy of the member on the device, made fast as a wrapped plan makes it."""
    shapes = dict.fromkeys(shape_of(model, view) for view in map(view_named, records.variants))
    return fast_copy(replace(model, module=copy.deepcopy(model.module).to(device)), list(shapes))
