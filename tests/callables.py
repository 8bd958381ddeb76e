"""Preprocessing of a user's own, in a module that another process reads quickly: it needs no torch."""

from __future__ import annotations

from functools import partial

import numpy as np

from ttscale.models.callable_key import callable_key


def scaled(factor: float):
    return lambda image: np.zeros(1) * factor


class Custom:
    """Its repr hides its setting, and tells its address."""

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def __call__(self, image: object) -> np.ndarray:
        return np.zeros(1) * self.strength


def keys() -> list[str]:
    made = (
        scaled(1), scaled(2), scaled({"a", "b"}), Custom(1), Custom(2), Custom(np.ones(3)), Custom(3).__call__,
        partial(Custom, 1), Custom, callable_key,
    )  # fmt: skip
    return [callable_key(one) for one in made]
