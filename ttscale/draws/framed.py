"""Views that are cut from the raw image."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

from ttscale.draws.frames import Frame
from ttscale.draws.making import Views, called, fixed, fraction, place, whole
from ttscale.draws.views import View

PLACES = ((0.5, 0.5), (0, 0), (1, 0), (0, 1), (1, 1))  # centre and four corners, as (x, y)
SHARE_OF_FIVE_CROP = 0.875  # 224 of 256
LARGEST_SIDE = 4096


def window(share: float, x: float = 0.5, y: float = 0.5, size: float | None = None) -> View:
    fraction(share, "share")
    place(x, y)
    if size is None:
        return View(called("window", share, x, y), frame=Frame(share, x, y))
    side = whole(size, 1, LARGEST_SIDE, "size")
    return View(called("window", share, x, y, side), frame=Frame(share, x, y, side))


def at_size(side: float) -> View:
    return View(called("size", side), frame=Frame(size=whole(side, 1, LARGEST_SIDE, "size")))


def windows(share: float, n: float, size: float | None = None) -> Views:
    """From the centre outwards, so that a prefix is a good set too."""
    count = whole(n, 1, 100, "n")
    places = [i / (count - 1) for i in range(count)] if count > 1 else [0.5]
    grid = sorted(((x, y) for y, x in product(places, places)), key=lambda at: math.dist(at, (0.5, 0.5)))
    return tuple(window(share, x, y, size) for x, y in grid)


def five_crop(size: float | None = None) -> Views:
    return tuple(window(SHARE_OF_FIVE_CROP, x, y, size) for x, y in PLACES)


def ten_crop(size: float | None = None) -> Views:
    return (*five_crop(size), *(view.then(fixed("hflip")) for view in five_crop(size)))


FACTORIES: dict[str, Callable[..., View | Views]] = {
    "window": window,
    "size": at_size,
    "windows": windows,
    "sizes": lambda *sides: tuple(at_size(side) for side in sides),
    "5crop": five_crop,
    "10crop": ten_crop,
}
