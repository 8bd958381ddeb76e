"""Views that move pixels.

They interpolate with weights that sum to one and repeat edges, so they act on normalised values as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from ttscale.draws.pixels import PixelSpace, Value, each


def hflip(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Mirror left and right."""
    return x.flip(-1)


def vflip(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Mirror top and bottom."""
    return x.flip(-2)


def rotate90(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Quarter turns counter-clockwise: ``(turns,)``, the same for all items."""
    return torch.rot90(x, int(values[0]), (-2, -1))


def shift(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Move the content by ``(right, down)`` whole pixels, edges repeated, no interpolation."""
    right, down = values
    if isinstance(right, torch.Tensor) or isinstance(down, torch.Tensor):
        return _gather(x, each(right, x), each(down, x))
    height, width = x.shape[-2:]
    across, along = (max(-side, min(round(by), side)) for by, side in ((right, width), (down, height)))
    padded = functional.pad(x, (max(across, 0), max(-across, 0), max(along, 0), max(-along, 0)), mode="replicate")
    top, left = max(-along, 0), max(-across, 0)
    return padded[..., top : top + height, left : left + width]


def translate(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """:func:`shift` by ``(right, down)`` in shares of the image's sides, rounded to whole pixels."""
    right, down = values
    return shift(x, (right * x.shape[-1], down * x.shape[-2]), space)


def crop(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """A window of the image, resized (bilinear) to the full size: ``(side, x, y)``.

    ``side`` is the window's share of the image's side; x and y place it from 0 (left, top) to 1 (right, bottom).
    """
    side, at_x, at_y = (each(value, x) for value in values)
    zero = torch.zeros_like(side)
    return _affine(x, (side, zero, (2 * at_x - 1) * (1 - side)), (zero, side, (2 * at_y - 1) * (1 - side)))


def scale(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Enlarge about the centre by ``(factor,)`` (below 1: shrink, edges repeated), bilinear."""
    share = 1 / each(values[0], x)
    zero = torch.zeros_like(share)
    return _affine(x, (share, zero, zero), (zero, share, zero))


def rotate(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Turn about the centre, counter-clockwise, by ``(degrees,)``, bilinear, edges repeated."""
    height, width = x.shape[-2:]
    angle = torch.deg2rad(each(values[0], x))
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    return _affine(x, (cos, -sin * height / width, zero), (sin * width / height, cos, zero))


def shear(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Slant about the centre by ``(across, along)``: rows move by across × their height above the centre, columns
    by along × their distance left of it; bilinear, edges repeated."""
    height, width = x.shape[-2:]
    across, along = (each(value, x) for value in values)
    one, zero = torch.ones_like(across), torch.zeros_like(across)
    return _affine(x, (one, across * height / width, zero), (along * width / height, one, zero))


def _gather(x: torch.Tensor, right: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """Each item moved by whole pixels of its own."""
    n, _, height, width = x.shape
    rows = (torch.arange(height, device=x.device) - down.round().long()[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) - right.round().long()[:, None]).clamp(0, width - 1)
    batch = torch.arange(n, device=x.device)[:, None, None]
    return x[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _affine(x: torch.Tensor, *rows: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Sample at an affine map of each place (units of half a side about the centre); one grid serves all items where
    the map is the same for all."""
    entries = torch.broadcast_tensors(*(entry for row in rows for entry in row))
    theta = torch.stack(entries, -1).reshape(-1, 2, 3)
    grid = functional.affine_grid(theta, [len(theta), *x.shape[1:]], align_corners=False)
    grid = grid.expand(len(x), -1, -1, -1)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
