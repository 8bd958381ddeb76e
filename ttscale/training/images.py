"""The images that a classifier is trained on: in memory, and split by their ids into validation and training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from ttscale.data.dataset import Dataset
from ttscale.data.image_modes import grey_or_rgb, to_mode
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
        """Mean and standard deviation per channel, in units of pixel values in [0, 1].

        Raises:
            TtscaleError: a channel has one value in all images.
        """
        values = self.pixels.double() / 255
        mean, std = values.mean((0, 2, 3)).tolist(), values.std((0, 2, 3)).tolist()
        if 0 in std:
            raise TtscaleError(
                "data", expected="pixels that differ, in every channel",
                got=f"channel {std.index(0)} of {len(std)} is {mean[std.index(0)]:.3g} everywhere",
                fix="Give images without that channel: grey ones, for example.",
            )  # fmt: skip
        return tuple(mean), tuple(std)


@dataclass(frozen=True)
class Split:
    """All images of a set with the order that splits them.

    Attributes:
        pixels: uint8 ``[item, channel, height, width]``. labels: int64 ``[item]``.
        ranks: of each item by its keyed uniform, int ``[item]``: the first ones are for validation, the next ones for
            training, so that a smaller training set is part of every larger one.
        n_validation: items for validation. validation_below: the largest keyed uniform of one of them.
        n_classes: as of :func:`count_classes`.
    """

    pixels: np.ndarray
    labels: np.ndarray
    ranks: np.ndarray
    n_validation: int
    validation_below: float
    n_classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image: (channel, height, width)."""
        return self.pixels.shape[1:]

    def validation(self) -> Images:
        return self._images(self.ranks < self.n_validation)

    def training(self, n_train: int | None) -> Images:
        return self._images(training_rows(self.ranks, self.n_validation, n_train))

    def _images(self, rows: np.ndarray) -> Images:
        return Images(torch.from_numpy(self.pixels[rows]), torch.from_numpy(self.labels[rows]))


def load_split(data: Dataset, n_validation: int, image_size: int | Sequence[int] | None) -> Split:
    """Read every image of a set, cut to ``image_size`` where it is given.

    Raises:
        TtscaleError: items that are no images, or images of unequal shapes and no ``image_size``.
    """
    pixels = _pixels(data, None if image_size is None else sides(image_size))
    below = float(np.sort(split_uniforms(data))[n_validation - 1])
    return Split(pixels, data.labels, split_ranks(data), n_validation, below, count_classes(data))


def count_classes(data: Dataset) -> int:
    """Classes that a set names, whether it has images of them all or not; where it names none, up to the last label."""
    return int(data.labels.max()) + 1 if data.class_names is None else len(data.class_names)


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
    return np.argsort(np.argsort(split_uniforms(data)))


def split_uniforms(data: Dataset) -> np.ndarray:
    """Of each item, by its id alone; the smallest ones are for validation."""
    return keyed.uniforms(0, keyed.item_keys(data.item_ids), stream=keyed.SPLIT)


def validation_rows(data: Dataset, n_validation: int) -> np.ndarray:
    """Boolean mask ``[item]`` of the validation items: those with the smallest keyed uniforms."""
    return split_ranks(data) < n_validation


def training_rows(ranks: np.ndarray, n_validation: int, n_train: int | None) -> np.ndarray:
    """Boolean mask ``[item]`` of the training items."""
    last = len(ranks) if n_train is None else n_validation + n_train
    return (ranks >= n_validation) & (ranks < last)


def _pixels(data: Dataset, size: tuple[int, int] | None) -> np.ndarray:
    """Every image as the trained model is given it later, with ``size`` resized to cover it and cut in its centre;
    greyscale where all are."""
    framed = (lambda image: image) if size is None else ResizeCropNormalise((0, *size), (), ()).framed
    images = [framed(_plain(data.load(i))) for i in range(len(data))]
    if len({image.mode for image in images}) > 1:
        images = [to_mode(image, "RGB") for image in images]
    shapes = {(image.height, image.width) for image in images}
    if len(shapes) > 1:
        raise TtscaleError(
            "data", expected="images of one shape",
            got=f"{len(shapes)} shapes, for example {sorted(shapes)[:2]}",
            fix="Give image_size: the shorter side is resized to it, and the centre cut out.",
        )  # fmt: skip
    stacked = np.stack([np.asarray(image) for image in images])
    return np.ascontiguousarray(stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2))


def _plain(image: Any) -> Image.Image:
    if not isinstance(image, Image.Image):
        raise TtscaleError(
            "data", expected="images", got=type(image).__name__, fix="Give a set whose items are PIL images."
        )
    return grey_or_rgb(image)
