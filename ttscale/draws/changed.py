"""Views that change the pixel values of the model's input."""

from __future__ import annotations

import math
from collections.abc import Callable

from ttscale.draws.making import (
    HALF_A_LEVEL,
    Numbers,
    Views,
    called,
    fixed,
    fraction,
    numbered,
    positive,
    random,
    unless,
    whole,
)
from ttscale.draws.policies import MOST, sub_policy
from ttscale.draws.views import Step, View

SIGMAS = 3  # a blur's kernel reaches so far


def by_factor(transform: str) -> Callable[[float], View]:
    return lambda factor: unless(factor == 1, transform, positive(factor, "factor"))


def by_blend(transform: str) -> Callable[[float], View]:
    """A factor that may be 0: greyscale, or smooth."""
    return lambda factor: unless(factor == 1, transform, factor if factor == 0 else positive(factor, "factor"))


def random_factor(transform: str) -> Callable[..., Views]:
    def factory(strength: float, n: Numbers = 1) -> Views:
        return random(transform, (1 - fraction(strength, "strength"),), (1 + strength,), strength, n)

    return factory


def hue(turns: float) -> View:
    if not -0.5 <= turns <= 0.5:
        raise ValueError("turns must lie in [-0.5, 0.5]")
    return unless(turns == 0, "hue", turns)


def random_hue(strength: float, n: Numbers = 1) -> Views:
    if not 0 < strength <= 0.5:
        raise ValueError("strength must lie in (0, 0.5]")
    return random("hue", (-strength,), (strength,), strength, n)


def random_gamma(strength: float, n: Numbers = 1) -> Views:
    return random("gamma", (1 / (1 + positive(strength, "strength")),), (1 + strength,), strength, n)


def blur(sigma: float) -> View:
    parameters = (sigma, _radius(sigma))
    return View(called("blur", sigma), (Step("blur", parameters, parameters),))


def random_blur(most: float, n: Numbers = 1) -> Views:
    radius = _radius(most)
    return random("blur", (most / 100, radius), (most, radius), most, n)


def _radius(sigma: float) -> float:
    return float(math.ceil(SIGMAS * positive(sigma, "sigma")))


def random_noise(most: float, n: Numbers = 1) -> Views:
    return random("noise", (0,), (positive(most, "sigma"),), most, n)


def random_jpeg(least: float, n: Numbers = 1) -> Views:
    lowest = whole(least, 1, 100, "quality")
    return random("jpeg", (lowest - HALF_A_LEVEL,), (100 + HALF_A_LEVEL,), lowest, n)


def policies(n_ops: float, magnitude: float, n: Numbers = 1) -> Views:
    count = whole(n_ops, 1, 10, "n_ops")
    if not 0 < magnitude <= MOST:
        raise ValueError(f"magnitude must lie in (0, {MOST}]")
    return numbered(called("policies", count, magnitude), n, lambda i: sub_policy(count, magnitude, i))


FACTORIES: dict[str, Callable[..., View | Views]] = {
    "brightness": by_factor("brightness"),
    "contrast": by_factor("contrast"),
    "saturation": by_blend("saturation"),
    "hue": hue,
    "gamma": by_factor("gamma"),
    "sharpness": by_blend("sharpness"),
    "autocontrast": lambda: fixed("autocontrast"),
    "equalize": lambda: fixed("equalize"),
    "blur": blur,
    "noise": lambda sigma: fixed("noise", positive(sigma, "sigma")),
    "jpeg": lambda quality: fixed("jpeg", whole(quality, 1, 100, "quality")),
}

NUMBERED: dict[str, Callable[..., Views]] = {
    "random_brightness": random_factor("brightness"),
    "random_contrast": random_factor("contrast"),
    "random_saturation": random_factor("saturation"),
    "random_hue": random_hue,
    "random_gamma": random_gamma,
    "random_sharpness": random_factor("sharpness"),
    "random_blur": random_blur,
    "random_noise": random_noise,
    "random_jpeg": random_jpeg,
    "policies": policies,
}
