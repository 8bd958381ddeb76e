"""Views that change colours and tones: pixel values in [0, 1] in, clipped to that range out; torchvision's formulas.

Images without three channels have no saturation or hue: they stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ttscale.draws.pixels import PixelSpace, Value, grey

LEVELS = 256  # of an 8-bit image


def brightness(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Pixel values times ``(factor,)``."""
    return space.from_pixels(space.to_pixels(x) * values[0])


def contrast(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Distances from the image's mean grey level times ``(factor,)``."""
    pixels = space.to_pixels(x)
    centre = grey(pixels).mean((1, 2, 3), keepdim=True)
    return space.from_pixels(centre + values[0] * (pixels - centre))


def saturation(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Distances from each pixel's own grey level times ``(factor,)``."""
    if x.shape[1] != 3:
        return x
    pixels = space.to_pixels(x)
    centre = grey(pixels)
    return space.from_pixels(centre + values[0] * (pixels - centre))


def hue(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Hue turned by ``(turns,)`` of the colour circle, in HSV (Smith, "Color gamut transform pairs", 1978)."""
    if x.shape[1] != 3:
        return x
    pixels = space.to_pixels(x)
    red, green, blue = pixels.split(1, 1)
    top = pixels.amax(1, keepdim=True)
    chroma = top - pixels.amin(1, keepdim=True)
    by = chroma.clamp(min=torch.finfo(x.dtype).tiny)  # grey pixels have chroma 0 and keep their value below
    angle = torch.where(
        top == red, (green - blue) / by, torch.where(top == green, 2 + (blue - red) / by, 4 + (red - green) / by)
    )
    angle = angle + 6 * values[0]
    places = [(offset + angle) % 6 for offset in (5, 3, 1)]  # of red, green and blue on the turned circle
    turned = [top - chroma * torch.minimum(place, 4 - place).clamp(0, 1) for place in places]
    return space.from_pixels(torch.cat(turned, 1))


def gamma(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Pixel values to the power ``(exponent,)``: above 1 is darker."""
    return space.from_pixels(space.to_pixels(x) ** values[0])


def solarize(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Pixel values from ``(threshold,)`` up inverted."""
    pixels = space.to_pixels(x)
    return space.from_pixels(torch.where(pixels >= values[0], 1 - pixels, pixels))


def posterize(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Pixel values cut to ``(bits,)``, rounded to whole bits."""
    bits = values[0]
    levels = 2 ** (bits.round() if isinstance(bits, torch.Tensor) else round(bits))
    steps = (space.to_pixels(x) * levels).floor()
    return space.from_pixels(torch.minimum(steps, steps.new_ones(()) * (levels - 1)) / levels)


def autocontrast(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Each channel stretched to the whole range (a channel of one value stays as it is)."""
    pixels = space.to_pixels(x)
    low, high = pixels.amin((2, 3), keepdim=True), pixels.amax((2, 3), keepdim=True)
    flat = high == low
    return space.from_pixels(torch.where(flat, pixels, (pixels - low) / torch.where(flat, 1, high - low)))


def equalize(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Each channel's histogram of 8-bit levels made flat, by Pillow's rule (whole numbers throughout)."""
    levels = (space.to_pixels(x) * (LEVELS - 1)).round().long()
    flat = levels.flatten(2)
    counts = flat.new_zeros(*flat.shape[:2], LEVELS).scatter_add_(2, flat, torch.ones_like(flat))
    highest = flat.amax(2, keepdim=True)
    step = (flat.shape[2] - counts.gather(2, highest)) // (LEVELS - 1)
    before = counts.cumsum(2) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(0, LEVELS - 1)
    made = torch.where(step == 0, flat, table.gather(2, flat))
    return space.from_pixels(made.reshape(x.shape).to(x.dtype) / (LEVELS - 1))
