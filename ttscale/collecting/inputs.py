"""What is made of a raw item: one tensor for each preprocessing and frame that the views start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ttscale.draws.frames import OWN, Frame
from ttscale.draws.views import View, needs_square
from ttscale.errors import TtscaleError
from ttscale.models.model import Model

InputKey = tuple[str, Frame]  # a preprocess_key, and a frame


def key_of(model: Model, view: View) -> InputKey:
    """Which tensor a view of a member starts from; members of one preprocessing share it."""
    return model.preprocess_key, view.frame


def shape_of(model: Model, view: View) -> tuple[int, int, int]:
    """(channel, height, width) of what a member takes for a view."""
    return view.frame.shape(model.input_size)


@dataclass(frozen=True)
class InputMaker:
    """Makes all tensors of an item from its raw input, which is converted once and resized once a size.

    Attributes:
        parts: per preprocessing, its frames, and what makes their tensors, in their order, of a raw input.
    """

    parts: Mapping[str, tuple[tuple[Frame, ...], Callable[[Any], list[torch.Tensor]]]]

    def __call__(self, raw: Any) -> dict[InputKey, torch.Tensor]:
        return {
            (key, frame): tensor
            for key, (frames, make) in self.parts.items()
            for frame, tensor in zip(frames, make(raw), strict=True)
        }

    @property
    def keys(self) -> tuple[InputKey, ...]:
        return tuple((key, frame) for key, (frames, _) in self.parts.items() for frame in frames)


def input_maker(draws: Iterable[tuple[Model, View]]) -> InputMaker:
    """What makes the inputs of these views of these members.

    Raises:
        TtscaleError: a view that a member's preprocessing cannot be framed for, or whose input it turns from wide to
            high; view, member and fix are named.
    """
    models: dict[str, Model] = {}
    frames: dict[str, dict[Frame, None]] = {}
    for model, view in draws:
        check_view(model, view)
        models.setdefault(model.preprocess_key, model)
        frames.setdefault(model.preprocess_key, {})[view.frame] = None
    return InputMaker({key: (tuple(some), _framed(models[key], tuple(some))) for key, some in frames.items()})


def check_view(model: Model, view: View) -> None:
    """Refuse a view that cannot be made of this member's input."""
    if view.frame != OWN:
        if model.frames is None:
            raise TtscaleError(
                "draws", expected=f"views of the tensor, since {model.name} has a preprocess of its own",
                got=f"{view.name}, which is cut from the raw image",
                fix="Use crops(side) and the like, or load the model without `preprocess`.",
            )  # fmt: skip
        try:
            model.frames([view.frame])
        except TtscaleError as error:
            raise TtscaleError(
                "draws", expected=f"views that {model.name} can be shown", got=f"{view.name}: {error}",
                fix="Leave that view out, or collect the member in a run of its own.",
            ) from error  # fmt: skip
    _, height, width = shape_of(model, view)
    if needs_square(view) and height != width:
        raise TtscaleError(
            "draws", expected=f"views that keep the {width} × {height} pixels of {model.name}", got=view.name,
            fix="Turn by half turns (rotate90(2)), or use flips.",
        )  # fmt: skip
    for step in view.steps:
        if step.transform == "shift" and (abs(step.high[0]) >= width or abs(step.high[1]) >= height):
            raise TtscaleError(
                "draws", expected=f"shifts within the {width} × {height} pixels of {model.name}", got=view.name,
                fix="Shift by fewer pixels.",
            )  # fmt: skip


def _framed(model: Model, frames: tuple[Frame, ...]) -> Callable[[Any], list[torch.Tensor]]:
    return _Own(model.preprocess) if model.frames is None or frames == (OWN,) else model.frames(frames)


@dataclass(frozen=True)
class _Own:
    """The model's own preprocess, as one that makes a tensor a frame."""

    preprocess: Callable[[Any], torch.Tensor]

    def __call__(self, raw: Any) -> list[torch.Tensor]:
        return [self.preprocess(raw)]
