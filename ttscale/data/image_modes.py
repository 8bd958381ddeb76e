"""Modes of PIL images: what a file holds, as RGB or greyscale of 8 bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ttscale.errors import TtscaleError

_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_GREY = ("1", "L", "LA", "La", *_SIXTEEN_BITS)


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in ``"RGB"`` or ``"L"``, whatever its mode was.

    Transparent pixels are laid over white (their hidden colour means nothing); opaque pixels stay as they are. 16-bit
    greyscale is scaled to 8 bits, where Pillow's own conversion would clip it.

    Raises:
        TtscaleError: the mode cannot be converted (floating-point pixels have no known range).
    """
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode in _SIXTEEN_BITS:
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    try:
        if image.mode == "F":
            raise ValueError("floating-point pixels")
        return image.convert(mode)
    except ValueError as error:
        raise TtscaleError(
            "image", expected=f"a mode that converts to {mode}", got=f"{image.mode} ({error})",
            fix="Convert the file to 8-bit RGB or greyscale, or give load_model a preprocess of your own.",
        ) from error  # fmt: skip


def grey_or_rgb(image: Image.Image) -> Image.Image:
    """A grey image as ``"L"``, any other as ``"RGB"``."""
    return to_mode(image, "L" if image.mode in _GREY else "RGB")
