"""Frames: how the tensor that a view starts from is cut out of the raw image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """A window of the resized raw image, of the shape of the model's input.

    Attributes:
        share: the window's side as a share of the short side of the resized image, in (0, 1]; 0.875 is 224 of 256, the
            ImageNet convention. None: as the model's own preprocessing has it.
        x, y: where the window stands, from 0 (left, top) to 1 (right, bottom); ½ is the centre.
        size: side of the tensor in pixels; None: the model's own input size.
    """

    share: float | None = None
    x: float = 0.5
    y: float = 0.5
    size: int | None = None

    def shape(self, input_size: Sequence[int]) -> tuple[int, int, int]:
        """(channel, height, width) of the tensor for a model whose own input has ``input_size``."""
        channels, height, width = input_size
        return (channels, height, width) if self.size is None else (channels, self.size, self.size)


OWN = Frame()  # the model's own preprocessing
