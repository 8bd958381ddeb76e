"""Views that move the pixels of the model's input."""

from __future__ import annotations

from collections.abc import Callable

from ttscale.draws.framed import PLACES
from ttscale.draws.making import HALF_A_LEVEL, Numbers, Views, fixed, fraction, place, positive, random, unless, whole
from ttscale.draws.views import IDENTITY, View

NEIGHBOURS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))


def shift(right: float, down: float) -> View:
    if right != int(right) or down != int(down):
        raise ValueError("shifts are whole pixels")
    return unless(right == down == 0, "shift", right, down)


def rotate90(turns: float) -> View:
    quarters = whole(turns, -100, 100, "quarter turns") % 4
    return unless(not quarters, "rotate90", quarters)


def crop(side: float, x: float = 0.5, y: float = 0.5) -> View:
    return unless(side == 1, "crop", fraction(side, "side"), *place(x, y))


def scale(factor: float) -> View:
    return unless(factor == 1, "scale", positive(factor, "factor"))


def rotate(degrees: float) -> View:
    return unless(degrees % 360 == 0, "rotate", degrees)


def rotations90() -> Views:
    return tuple(rotate90(turns) for turns in range(4))


def d4() -> Views:
    return (*rotations90(), *(fixed("hflip").then(turn) for turn in rotations90()))


def random_shift(distance: float, n: Numbers = 1) -> Views:
    if distance < 1:
        raise ValueError("distance must be at least 1")
    reach = distance + HALF_A_LEVEL
    return random("shift", (-reach, -reach), (reach, reach), distance, n)


def random_translate(most: float, n: Numbers = 1) -> Views:
    fraction(most, "most")
    return random("translate", (-most, -most), (most, most), most, n)


def random_crop(least_side: float, n: Numbers = 1) -> Views:
    return random("crop", (fraction(least_side, "least_side"), 0, 0), (1, 1, 1), least_side, n)


def random_scale(strength: float, n: Numbers = 1) -> Views:
    return random("scale", (1 / (1 + positive(strength, "strength")),), (1 + strength,), strength, n)


def random_rotate(degrees: float, n: Numbers = 1) -> Views:
    return random("rotate", (-positive(degrees, "degrees"),), (degrees,), degrees, n)


def random_shear(strength: float, n: Numbers = 1) -> Views:
    positive(strength, "strength")
    return random("shear", (-strength, -strength), (strength, strength), strength, n)


FACTORIES: dict[str, Callable[..., View | Views]] = {
    "identity": lambda: IDENTITY,
    "hflip": lambda: fixed("hflip"),
    "vflip": lambda: fixed("vflip"),
    "rotate90": rotate90,
    "shift": shift,
    "crop": crop,
    "scale": scale,
    "rotate": rotate,
    "shear": lambda across, along: unless(across == along == 0, "shear", across, along),
    "flip": lambda: (IDENTITY, fixed("hflip")),
    "rotations90": rotations90,
    "d4": d4,
    "shifts": lambda distance: tuple(shift(distance * right, distance * down) for right, down in NEIGHBOURS),
    "crops": lambda side: tuple(crop(side, x, y) for x, y in PLACES),
    "scales": lambda *factors: tuple(scale(factor) for factor in factors),
    "rotations": lambda degrees: (rotate(degrees), rotate(-degrees)),
}

NUMBERED: dict[str, Callable[..., Views]] = {
    "random_shift": random_shift,
    "random_translate": random_translate,
    "random_crop": random_crop,
    "random_scale": random_scale,
    "random_rotate": random_rotate,
    "random_shear": random_shear,
}
