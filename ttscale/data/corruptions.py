"""Corrupted images: the noise, blur, weather and digital corruptions of ImageNet-C, keyed by item.

Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations", by the
package imagecorruptions (Michaelis et al. 2019) with its five severities. ImageNet-C corrupts the 224 × 224 crop; here
the raw image is corrupted, before any preprocessing, so that every member and view sees the same item. Noise, blur and
distortion are measured in pixels: a large photograph that is then scaled down suffers less than there, and an image of
28 × 28 more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from ttscale.data.bad_item import BadItem
from ttscale.data.image_modes import grey_or_rgb
from ttscale.draws.keyed import item_keys
from ttscale.errors import TtscaleError, require

NOISE = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
FIXED = (
    "defocus_blur", "zoom_blur", "gaussian_blur", "brightness", "contrast", "saturate", "pixelate", "jpeg_compression",
)  # fmt: skip
SEEDED = ("impulse_noise", "glass_blur")  # take a seed; the others draw from numpy's global generator
CORRUPTIONS = tuple(
    sorted({*NOISE, *FIXED, *SEEDED, "motion_blur", "snow", "frost", "fog", "elastic_transform", "spatter"})
)
SEVERITIES = range(1, 6)
SMALLEST = 32  # pixels of a side that the package takes

_GLOBAL_RANDOM = threading.Lock()


def corrupt(image: Image.Image, name: str, severity: int, item_id: str) -> Image.Image:
    """The image under one corruption, of the same size, ``"L"`` for a grey image and else ``"RGB"``.

    What is random about it depends on the corruption and the item alone: the severities of one item share their noise
    pattern, and threads and order do not matter. A side under 32 pixels is mirrored at its edges up to 32 and cut back.
    A grey image is corrupted as three equal channels; noise is then read from one of them, so that it keeps its
    strength, anything else as luminance.

    Raises:
        TtscaleError: the package is missing, or the image has floating-point pixels; BadItem: the package computes no
            number for this image.
    """
    package, plain = imagecorruptions(), grey_or_rgb(image)
    pixels = np.asarray(plain)
    margins = [((short := max(0, SMALLEST - side)) // 2, short - short // 2) for side in pixels.shape[:2]]
    padded = np.pad(pixels, margins + [(0, 0)] * (pixels.ndim - 2), mode="symmetric")
    seed = int(item_keys([f"{name}: {item_id}"])[0] & 0xFFFFFFFF)
    seeded = {"seed": seed} if name in SEEDED else {}
    with _numpy_seeded(seed, needed=name not in (*FIXED, *SEEDED)), np.errstate(invalid="raise"):
        try:
            corrupted = package.corrupt(padded, severity=severity, corruption_name=name, **seeded)
        except FloatingPointError as error:
            if name == "spatter":  # it scales its drops by the largest: on a small image none may fall
                return plain
            raise BadItem(item_id, f"{name} at severity {severity}", str(error)) from error
    (top, _), (left, _) = margins
    corrupted = corrupted[top : top + pixels.shape[0], left : left + pixels.shape[1]]
    if plain.mode == "RGB":
        return Image.fromarray(corrupted)
    return Image.fromarray(corrupted[..., 0]) if name in NOISE else Image.fromarray(corrupted).convert("L")


def imagecorruptions() -> Any:
    """The package, or an error that says what to install."""
    try:
        return require("imagecorruptions", install="ttscale[shift]", needed_for="corrupted images, shift=NAME@SEVERITY")
    except TtscaleError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise
        raise TtscaleError(
            "environment", expected="a package imagecorruptions that can be imported", got=str(error.__cause__),
            fix="On a machine without a display, pip uninstall opencv-python and pip install opencv-python-headless.",
        ) from error  # fmt: skip


@contextmanager
def _numpy_seeded(seed: int, *, needed: bool) -> Iterator[None]:
    """numpy's global generator at ``seed`` inside the block, for one thread at a time, and as it was after it."""
    if not needed:
        yield
        return
    with _GLOBAL_RANDOM:
        before = np.random.get_state()
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)
