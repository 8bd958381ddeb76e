"""JPEG compression as a view: what a baseline encoder and decoder at a quality do to pixels, in batches on the device.

Pixels are rounded to 8 bits, turned to YCbCr, chroma halved both ways (4:2:0), blocks of 8 × 8 transformed (DCT),
quantised with the tables of the standard (ITU-T T.81, annex K) scaled to the quality as libjpeg does, and brought back,
chroma interpolated as libjpeg does ("fancy upsampling"). The mean difference to Pillow's files is about half a level of
255; only coefficients half-way between two steps may fall to the other side, as between any two JPEG libraries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch.nn import functional

from ttscale.draws.pixels import PixelSpace, Value, each

LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32,
)  # fmt: skip
TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))  # JFIF
BLOCK = 8


def jpeg(x: torch.Tensor, values: Sequence[Value], space: PixelSpace) -> torch.Tensor:
    """Compressed at ``(quality,)`` from 1 to 100 and read back; without three channels, all are luma."""
    scale = _table_scale(each(values[0], x))
    pixels = (space.to_pixels(x) * 255).round()
    if x.shape[1] != 3:
        return space.from_pixels((_coded(pixels - 128, LUMA, scale) + 128) / 255)
    planes = torch.einsum("dc,nchw->ndhw", _constant(TO_YCBCR, x.device, x.dtype), pixels).round()
    light = _coded(planes[:, :1] - 128, LUMA, scale)[:, 0] + 128
    blue, red = _chroma(planes[:, 1:], scale).unbind(1)
    rgb = torch.stack([light + 1.402 * red, light - 0.344136286 * blue - 0.714136286 * red, light + 1.772 * blue], 1)
    return space.from_pixels(rgb.round() / 255)


def _chroma(planes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Both chroma planes at half the size there and back."""
    height, width = planes.shape[-2:]
    halved = functional.avg_pool2d(_padded(planes, 2), 2)
    alternate = (torch.arange(halved.shape[-1], device=planes.device) % 2 - 0.5) / 4  # halves fall to either side
    coded = _coded((halved + alternate).round(), CHROMA, scale)
    full = functional.interpolate(coded, scale_factor=2, mode="bilinear", align_corners=False)
    return full[..., :height, :width].round()


def _table_scale(quality: torch.Tensor) -> torch.Tensor:
    """Per cent by which libjpeg scales the standard tables, ``[item, 1, 1, 1]``."""
    quality = quality.round().clamp(1, 100)
    return torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality).reshape(-1, 1, 1, 1)


def _padded(planes: torch.Tensor, multiple: int) -> torch.Tensor:
    """Edges repeated up to whole blocks."""
    height, width = planes.shape[-2:]
    return functional.pad(planes, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _coded(planes: torch.Tensor, table: tuple[int, ...], scale: torch.Tensor) -> torch.Tensor:
    """Planes about zero through DCT, quantisation and back, ``[item, channel, height, width]``."""
    whole = _padded(planes, BLOCK)
    n, channels, height, width = whole.shape
    dct = _constant(_dct(), planes.device, planes.dtype)
    blocks = whole.reshape(n, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    frequencies = dct @ blocks @ dct.T
    steps = _constant(table, planes.device, planes.dtype).reshape(BLOCK, BLOCK)
    steps = ((steps * scale + 50) / 100).floor().clamp(1, 255)[:, :, None, None]  # the same for all blocks of an item
    restored = dct.T @ ((frequencies / steps).round() * steps) @ dct
    made = restored.transpose(3, 4).reshape(whole.shape)[..., : planes.shape[-2], : planes.shape[-1]]
    return made.round().clamp(-128, 127)


@cache
def _dct() -> tuple[tuple[float, ...], ...]:
    """The orthonormal DCT-II of length 8, a row a frequency."""
    return tuple(
        tuple(
            math.sqrt((1 if k == 0 else 2) / BLOCK) * math.cos((2 * i + 1) * k * math.pi / (2 * BLOCK))
            for i in range(BLOCK)
        )
        for k in range(BLOCK)
    )


@cache
def _constant(values: tuple, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Copied to a device once, so that no batch waits for it."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device, dtype=dtype)
