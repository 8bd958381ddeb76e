"""Views that blur, sharpen or add noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from ttscale.draws.pixels import PixelSpace, Value, each


def blur(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Gaussian blur: ``(sigma, radius)`` in pixels, the kernel cut at the radius, edges mirrored."""
    sigma, radius = each(values[0], x), int(values[1])
    for axis in (-1, -2):
        x = _blur_along(x, axis, sigma, min(radius, x.shape[axis] - 1))
    return x


def sharpness(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Distances from Pillow's smoothed image times ``(factor,)``: 0 smooths, 1 changes nothing; the border stays."""
    pixels = space.to_pixels(x)
    if min(x.shape[-2:]) < 3:
        return x
    centre = pixels[..., 1:-1, 1:-1]
    rows = pixels[..., :-2] + pixels[..., 1:-1] + pixels[..., 2:]
    around = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]
    smooth = (around + 4 * centre) / 13  # weight 5 at the centre, 1 around it
    sharp = pixels.clone()
    sharp[..., 1:-1, 1:-1] = smooth + values[0] * (centre - smooth)
    return space.from_pixels(sharp)


def noise(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Pixel values plus Gaussian noise: ``(sigma, normals)``, sigma in units of the pixel range, normals like ``x``."""
    sigma, normals = values
    return space.from_pixels(space.to_pixels(x) + sigma * normals)


def _blur_along(x: torch.Tensor, axis: int, sigma: torch.Tensor, radius: int) -> torch.Tensor:
    if radius == 0:
        return x
    distance = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernels = torch.softmax(-0.5 * (distance / sigma[:, None]) ** 2, -1)  # [item, tap], or [1, tap] for all
    n, channels = x.shape[:2]
    pad = (radius, radius, 0, 0) if axis == -1 else (0, 0, radius, radius)
    padded = functional.pad(x, pad, mode="reflect")
    shape = (-1, 1, 1, kernels.shape[1]) if axis == -1 else (-1, 1, kernels.shape[1], 1)
    weight = kernels.expand(n, -1).repeat_interleave(channels, 0).reshape(shape)
    merged = padded.reshape(1, n * channels, *padded.shape[-2:])  # every channel of every item has a kernel of its own
    return functional.conv2d(merged, weight, groups=n * channels).reshape(x.shape)
