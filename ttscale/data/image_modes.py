"""Modes of PIL images: what a file holds, as RGB or greyscale of 8 bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ttscale.errors import TtscaleError

_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_SIXTEEN_BITS_AS_I = ("PNG", "PPM")  # files whose 16 bits Pillow may open as 32
_GREY = ("1", "L", "LA", "La", "I", *_SIXTEEN_BITS)


class UnusableImage(TtscaleError):
    """A picture whose pixels mean nothing definite; a collection takes it for an item that cannot be read.

    Args:
        mode: of the image. reason: why it is not converted.
    """

    def __init__(self, mode: str, reason: str) -> None:
        self.mode, self.reason = mode, reason
        super().__init__(
            "image", expected="pixels that convert to RGB or grey", got=f"an image of mode {mode}: {reason}",
            fix="Convert the file to 8-bit RGB or greyscale.",
        )  # fmt: skip

    def __reduce__(self) -> tuple[type[UnusableImage], tuple[str, str]]:
        return UnusableImage, (self.mode, self.reason)


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in ``"RGB"`` or ``"L"``, whatever its mode was.

    Transparent pixels are laid over white (their hidden colour means nothing); opaque pixels stay as they are. 16-bit
    greyscale is scaled to 8 bits, where Pillow's own conversion would clip it.

    Raises:
        UnusableImage: the mode cannot be converted; the range of pixels of 32 bits or floating point is not known.
    """
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise UnusableImage("F", "floating-point pixels, of which no range is known")
    sixteen = image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in _SIXTEEN_BITS_AS_I)
    if image.mode == "I" and not sixteen:
        raise UnusableImage("I", "integers of 32 bits, of which no range is known")
    if sixteen:
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    try:
        return image.convert("RGB").convert(mode) if image.mode == "LAB" else image.convert(mode)
    except ValueError as error:
        raise UnusableImage(image.mode, str(error)) from error


def grey_or_rgb(image: Image.Image) -> Image.Image:
    """A grey image as ``"L"``, any other as ``"RGB"``."""
    return to_mode(image, "L" if image.mode in _GREY else "RGB")
