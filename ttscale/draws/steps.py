"""The elementary image transforms that views are made of, each on a whole batch with one parameter row an item.

They act on the *normalised* tensor that a model takes. Geometric ones move values and interpolate with weights that sum
to one, edges repeated, so they commute with normalisation; photometric ones go to pixel values in [0, 1], act, clip to
that range and come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


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
        return x * self.std + self.mean

    def from_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels.clamp(0, 1) - self.mean) / self.std


def hflip(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """Mirror left and right."""
    return x.flip(-1)


def vflip(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """Mirror top and bottom."""
    return x.flip(-2)


def shift(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """Move the content by whole pixels, ``parameters [item, (right, down)]``, edges repeated, no interpolation."""
    n, _, height, width = x.shape
    right, down = parameters.round().long().unbind(-1)
    rows = (torch.arange(height, device=x.device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) - right[:, None]).clamp(0, width - 1)
    batch = torch.arange(n, device=x.device)[:, None, None]
    return x[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def crop(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """A window of the image, resized (bilinear) to the full size: ``parameters [item, (side, x, y)]``.

    ``side`` is the window's share of the image's side; x and y place it from 0 (left, top) to 1 (right, bottom).
    """
    side, at_x, at_y = parameters.unbind(-1)
    return _affine(x, 1 / side, torch.zeros_like(side), (2 * at_x - 1) * (1 - side), (2 * at_y - 1) * (1 - side))


def scale(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """Enlarge about the centre by ``parameters [item, 1]`` (below 1: shrink, edges repeated), bilinear."""
    factor = parameters[:, 0]
    zero = torch.zeros_like(factor)
    return _affine(x, factor, zero, zero, zero)


def rotate(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """Turn about the centre, counter-clockwise, by ``parameters [item, 1]`` degrees, bilinear, edges repeated."""
    angle = torch.deg2rad(parameters[:, 0])
    zero = torch.zeros_like(angle)
    return _affine(x, torch.ones_like(angle), angle, zero, zero)


def brightness(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """Pixel values times ``parameters [item, 1]``, clipped to [0, 1]."""
    return space.from_pixels(space.to_pixels(x) * parameters[:, 0, None, None, None])


def contrast(x: torch.Tensor, parameters: torch.Tensor, space: PixelSpace) -> torch.Tensor:
    """Distances from the image's mean grey level times ``parameters [item, 1]``, clipped to [0, 1].

    Grey is ITU-R 601 luma for three channels, as in Pillow and torchvision, else the mean over channels.
    """
    pixels = space.to_pixels(x)
    if x.shape[1] == 3:
        grey = 0.2989 * pixels[:, 0:1] + 0.587 * pixels[:, 1:2] + 0.114 * pixels[:, 2:3]
    else:
        grey = pixels.mean(1, keepdim=True)
    centre = grey.mean((1, 2, 3), keepdim=True)
    return space.from_pixels(centre + parameters[:, 0, None, None, None] * (pixels - centre))


Transform = Callable[[torch.Tensor, torch.Tensor, PixelSpace], torch.Tensor]

TRANSFORMS: dict[str, Transform] = {
    "hflip": hflip, "vflip": vflip, "shift": shift, "crop": crop, "scale": scale, "rotate": rotate,
    "brightness": brightness, "contrast": contrast,
}  # fmt: skip


def _affine(
    x: torch.Tensor, factor: torch.Tensor, angle: torch.Tensor, centre_x: torch.Tensor, centre_y: torch.Tensor
) -> torch.Tensor:
    """Sample about a centre (in units of half a side), enlarged by ``factor`` and turned counter-clockwise."""
    height, width = x.shape[-2:]
    cos, sin = torch.cos(angle) / factor, torch.sin(angle) / factor
    theta = torch.stack(
        [
            torch.stack([cos, -sin * height / width, centre_x], -1),
            torch.stack([sin * width / height, cos, centre_y], -1),
        ],
        1,
    ).to(x.dtype)
    grid = torch.nn.functional.affine_grid(theta, list(x.shape), align_corners=False)
    return torch.nn.functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
