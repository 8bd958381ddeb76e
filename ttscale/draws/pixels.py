"""Pixel values of a model's normalised input, and the parameters that a transform takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

Value = float | torch.Tensor  # one parameter: a number for all items, or a tensor [item, 1, 1, 1]


@dataclass(frozen=True, eq=False)
class PixelSpace:
    """Normalisation of a model: normalised = (pixel − mean) / std with pixel in [0, 1].

    Attributes:
        mean, std: ``float32 [channel, 1, 1]`` on the device of the images, so that no view waits for a copy.
    """

    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def on(cls, device: torch.device, mean: Sequence[float], std: Sequence[float]) -> PixelSpace:
        """From one value a channel."""
        with torch.inference_mode(False):  # so that views can also be differentiated
            return cls(*(torch.tensor(tuple(values), device=device)[:, None, None] for values in (mean, std)))

    def to_pixels(self, x: torch.Tensor) -> torch.Tensor:
        """Values in [0, 1], whatever rounding or interpolation left outside."""
        return (x * self.std + self.mean).clamp(0, 1)

    def from_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised again, clipped to the range that the model was trained on."""
        return (pixels.clamp(0, 1) - self.mean) / self.std


Transform = Callable[[torch.Tensor, Sequence[Value], PixelSpace], torch.Tensor]


def each(value: Value, x: torch.Tensor) -> torch.Tensor:
    """A parameter as a vector on the device of ``x``: ``[item]``, or ``[1]`` where it is the same for all."""
    return value.reshape(-1) if isinstance(value, torch.Tensor) else x.new_full((1,), value)


def grey(pixels: torch.Tensor) -> torch.Tensor:
    """Grey level ``[item, 1, height, width]``: of three channels ITU-R 601 luma, as in torchvision, else the mean."""
    if pixels.shape[1] == 3:
        red, green, blue = pixels.split(1, 1)
        return 0.2989 * red + 0.587 * green + 0.114 * blue
    return pixels.mean(1, keepdim=True)
