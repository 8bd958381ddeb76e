"""The elementary image transforms that views are made of, each on a whole batch of normalised images.

A transform takes the batch, its parameters (each a number for all items or a tensor ``[item, 1, 1, 1]``) and the
model's pixel space. Geometric ones act on normalised values; those that need pixel values take them in [0, 1], clip to
that range and come back, so nothing is normalised twice and nothing leaves the range that the model was trained on.
"""

from __future__ import annotations

from ttscale.draws.colours import (
    autocontrast,
    brightness,
    contrast,
    equalize,
    gamma,
    hue,
    posterize,
    saturation,
    solarize,
)
from ttscale.draws.filters import blur, noise, sharpness
from ttscale.draws.geometry import crop, hflip, rotate, rotate90, scale, shear, shift, translate, vflip
from ttscale.draws.jpeg import jpeg
from ttscale.draws.pixels import PixelSpace, Transform

__all__ = ["TRANSFORMS", "PixelSpace"]

TRANSFORMS: dict[str, Transform] = {
    "hflip": hflip, "vflip": vflip, "rotate90": rotate90, "shift": shift, "translate": translate, "crop": crop,
    "scale": scale, "rotate": rotate, "shear": shear,
    "brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue, "gamma": gamma,
    "solarize": solarize, "posterize": posterize, "autocontrast": autocontrast, "equalize": equalize,
    "blur": blur, "sharpness": sharpness, "noise": noise, "jpeg": jpeg,
}  # fmt: skip
