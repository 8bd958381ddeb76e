"""The images that a classifier is trained on: in memory, and split by their ids into validation and training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from ttscale.data.dataset import Dataset
from ttscale.data.image_modes import to_mode
from ttscale.draws import keyed
from ttscale.errors import TtscaleError
from ttscale.models.preprocess import ResizeCropNormalise
from ttscale.training.recipe import is_integer


@dataclass(frozen=True)
class Images:
    """Images held in memory: ``pixels`` uint8 ``[item, channel, height, width]`` and ``labels`` int64 ``[item]``."""

    pixels: torch.Tensor
    labels: torch.Tensor

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel, in units of pixel values in [0, 1]."""
        values = self.pixels.double() / 255
        return tuple(values.mean((0, 2, 3)).tolist()), tuple(values.std((0, 2, 3)).tolist())


@dataclass(frozen=True)
class Split:
    """All images of a set with the order that splits them.

    Attributes:
        pixels: uint8 ``[item, channel, height, width]``. labels: int64 ``[item]``.
        ranks: of each item by its keyed uniform, int ``[item]``: the first ones are for validation, the next ones for
            training, so that a smaller training set is part of every larger one.
        n_validation: items for validation.
    """

    pixels: np.ndarray
    labels: np.ndarray
    ranks: np.ndarray
    n_validation: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image: (channel, height, width)."""
        return self.pixels.shape[1:]

    @property
    def n_classes(self) -> int:
        return int(self.labels.max()) + 1

    def validation(self) -> Images:
        return self._images(self.ranks < self.n_validation)

    def training(self, n_train: int | None) -> Images:
        return self._images(training_rows(self.ranks, self.n_validation, n_train))

    def _images(self, rows: np.ndarray) -> Images:
        return Images(torch.from_numpy(self.pixels[rows]), torch.from_numpy(self.labels[rows]))


def load_split(data: Dataset, n_validation: int, image_size: int | Sequence[int] | None) -> Split:
    """Read every image of a set, cut to ``image_size`` where it is given.

    Raises:
        TtscaleError: images of unequal shapes and no ``image_size``.
    """
    pixels = _same_shape(data) if image_size is None else _cut(data, sides(image_size))
    return Split(pixels, data.labels, split_ranks(data), n_validation)


def sides(image_size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) of an image size: one number for squares, or both.

    Raises:
        TtscaleError: it is neither.
    """
    both: Sequence[int] = [image_size] * 2 if isinstance(image_size, int) else image_size
    if not isinstance(both, Sequence) or len(both) != 2 or not all(is_integer(side, 1) for side in both):
        raise TtscaleError(
            "image_size", expected="pixels a side, or (height, width)", got=repr(image_size),
            fix="Leave it out where all images have one shape.",
        )  # fmt: skip
    height, width = both
    return height, width


def split_ranks(data: Dataset) -> np.ndarray:
    """See :class:`Split`."""
    order = np.argsort(keyed.uniforms(0, keyed.item_keys(data.item_ids), stream=keyed.SPLIT))
    return np.argsort(order)


def validation_rows(data: Dataset, n_validation: int) -> np.ndarray:
    """Boolean mask ``[item]`` of the validation items: those with the smallest keyed uniforms."""
    return split_ranks(data) < n_validation


def training_rows(ranks: np.ndarray, n_validation: int, n_train: int | None) -> np.ndarray:
    """Boolean mask ``[item]`` of the training items."""
    last = len(ranks) if n_train is None else n_validation + n_train
    return (ranks >= n_validation) & (ranks < last)


def _same_shape(data: Dataset) -> np.ndarray:
    arrays = [np.asarray(data.load(i)) for i in range(len(data))]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise TtscaleError(
            "data", expected="images of one shape",
            got=f"{len(shapes)} shapes, for example {sorted(shapes, key=str)[:2]}",
            fix="Give image_size: the shorter side is resized to it, and the centre cut out.",
        )  # fmt: skip
    return _channels_first(np.stack(arrays))


def _cut(data: Dataset, size: tuple[int, int]) -> np.ndarray:
    """Every image resized to cover ``size`` and cut in its centre, as the trained model is given it later; greyscale
    where all are."""
    framed = ResizeCropNormalise((0, *size), (), ()).framed
    images = [framed(_plain(data.load(i))) for i in range(len(data))]
    if len({image.mode for image in images}) > 1:
        images = [to_mode(image, "RGB") for image in images]
    return _channels_first(np.stack([np.asarray(image) for image in images]))


def _plain(image: Any) -> Image.Image:
    if not isinstance(image, Image.Image):
        raise TtscaleError(
            "data", expected="images", got=type(image).__name__, fix="Give a set whose items are PIL images."
        )
    return image if image.mode in ("L", "RGB") else to_mode(image, "RGB")


def _channels_first(stacked: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2))
