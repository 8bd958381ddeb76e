"""Frames of a raw image for preprocessing that resizes, cuts out the centre and makes a tensor of it.

Another place, share or size only changes what is resized to and what is cut, so every frame goes through the same parts
as the model's own preprocessing. The image is converted once, resized once for each size that is needed, and made a
tensor once for each resized image: windows of it are slices.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from ttscale.draws.frames import OWN, Frame
from ttscale.errors import TtscaleError

Sides = tuple[int, int]  # (height, width)

LARGEST_RESIZED = 8192  # short side of an image that windows are cut from, which is held in memory whole


@dataclass(frozen=True)
class Cut:
    """What one share and size ask of a preprocessing.

    Attributes:
        resized: sides that the resized image covers; cuts with equal ones share the resized image.
        resize: of a converted image, so that it covers ``resized``.
        size: sides of what is cut out.
    """

    resized: Sides
    resize: Callable[[Image.Image], Image.Image]
    size: Sides


@dataclass(frozen=True)
class Framing:
    """Makes a preprocess of several frames; see :attr:`ttscale.models.model.Model.frames`.

    Attributes:
        own: the model's own preprocess.
        convert: of a raw image to the mode that the model takes.
        cut: (share, size) of a frame to its cut; None, None are the model's own.
        finish: an image of any size to a normalised tensor, pixel by pixel.
        rounding: of the place of a window to whole pixels, as the model's own preprocessing does it.
    """

    own: Callable[[Any], torch.Tensor]
    convert: Callable[[Image.Image], Image.Image]
    cut: Callable[[float | None, int | None], Cut]
    finish: Callable[[Image.Image], torch.Tensor]
    rounding: Callable[[float], int] = round

    def __call__(self, frames: Sequence[Frame]) -> Callable[[Any], list[torch.Tensor]]:
        """A preprocess that gives the tensor of each frame.

        Raises:
            TtscaleError: the model's preprocessing has no such frame.
        """
        if all(frame == OWN for frame in frames):
            return lambda raw: [self.own(raw)] * len(frames)
        return Framed(self, tuple((frame, self.cut(frame.share, frame.size)) for frame in frames))

    def place(self, frame: Frame) -> Hashable:
        """Where a frame lies, whatever it is called: frames of equal places have equal tensors, of every image.

        Raises:
            TtscaleError: the model's preprocessing has no such frame.
        """
        cut = self.cut(frame.share, frame.size)
        return cut.resized, cut.size, frame.x, frame.y


@dataclass(frozen=True)
class Framed:
    """A preprocess that gives one tensor a frame."""

    framing: Framing
    parts: tuple[tuple[Frame, Cut], ...]

    def __call__(self, raw: Any) -> list[torch.Tensor]:
        if not isinstance(raw, Image.Image):
            raise TtscaleError(
                "preprocess", expected="a PIL image, to cut frames from", got=type(raw).__name__,
                fix="Give data that load as images, or use crops(side), which cuts from the tensor.",
            )  # fmt: skip
        image = self.framing.convert(raw)
        tensors: dict[int, torch.Tensor] = {}
        for resized in dict.fromkeys(cut.resized for _, cut in self.parts):
            numbers = [i for i, (_, cut) in enumerate(self.parts) if cut.resized == resized]
            tensors.update(zip(numbers, self._windows(image, [self.parts[i] for i in numbers]), strict=True))
        return [tensors[i] for i in range(len(self.parts))]

    def _windows(self, image: Image.Image, parts: list[tuple[Frame, Cut]]) -> list[torch.Tensor]:
        """Windows of one resized image: slices of the smallest part of it that holds them all."""
        whole = parts[0][1].resize(image)
        corners = [self._corner(whole, frame, cut.size) for frame, cut in parts]
        top, left = (min(at) for at in zip(*corners, strict=True))
        bottom = max(y + cut.size[0] for (y, _), (_, cut) in zip(corners, parts, strict=True))
        right = max(x + cut.size[1] for (_, x), (_, cut) in zip(corners, parts, strict=True))
        tensor = self.framing.finish(whole.crop((left, top, right, bottom)))
        return [
            tensor[:, y - top : y - top + cut.size[0], x - left : x - left + cut.size[1]]
            for (y, x), (_, cut) in zip(corners, parts, strict=True)
        ]

    def _corner(self, image: Image.Image, frame: Frame, size: Sides) -> tuple[int, int]:
        """(top, left) of a window."""
        rounding = self.framing.rounding
        return rounding(frame.y * (image.height - size[0])), rounding(frame.x * (image.width - size[1]))


def sides(share: float | None, size: int | None, own: Sides, own_resized: Sides) -> tuple[Sides, Sides]:
    """Sides of a frame and of the resized image that it is cut from, given those of the model.

    Raises:
        TtscaleError: another size for a model whose own input is not square, or an image too large to be resized to.
    """
    if size is not None and own[0] != own[1]:
        raise TtscaleError(
            "draws", expected="views at the model's own input size, which is not square",
            got=f"size {size} for {own[0]} x {own[1]}", fix="Leave out size(…), and the size of window(…).",
        )  # fmt: skip
    cut = own if size is None else (size, size)
    if share is not None and max(cut) / share > LARGEST_RESIZED:
        raise TtscaleError(
            "draws", expected=f"windows of images resized to at most {LARGEST_RESIZED} pixels",
            got=f"a share of {share:g} that is {max(cut)} pixels wide", fix="Take a larger share, or a smaller size.",
        )  # fmt: skip
    if share is not None:
        return cut, (round(cut[0] / share), round(cut[1] / share))
    return cut, (round(cut[0] * own_resized[0] / own[0]), round(cut[1] * own_resized[1] / own[1]))
