"""From a raw image to the normalised tensor that a model takes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from ttscale.data.image_modes import to_mode
from ttscale.errors import TtscaleError
from ttscale.models.callable_key import callable_key
from ttscale.models.framing import Cut, Framing, sides

MODES = {1: "L", 3: "RGB"}  # by number of channels


@dataclass(frozen=True)
class ImagePreprocess:
    """Converts the mode, then applies ``transform``; the result must have the shape ``input_size``.

    Attributes:
        transform: maps an image of the right mode to ``float32 [channel, height, width]``.
        input_size: (channel, height, width); 1 channel takes greyscale, 3 take RGB, others take the image as it comes.
    """

    transform: Callable[[Any], torch.Tensor]
    input_size: tuple[int, int, int]

    def __call__(self, raw: Any) -> torch.Tensor:
        tensor = self.transform(self.convert(raw))
        if not isinstance(tensor, torch.Tensor) or tuple(tensor.shape) != self.input_size:
            got = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise TtscaleError(
                "preprocess", expected=f"a tensor of shape {self.input_size}", got=str(got),
                fix="Make the preprocessing end in a tensor of one fixed shape, and give that as input_size.",
            )  # fmt: skip
        return tensor

    def convert(self, raw: Any) -> Any:
        """An image in the mode that the model takes; anything else as it is."""
        mode = MODES.get(self.input_size[0])
        return to_mode(raw, mode) if isinstance(raw, Image.Image) and mode is not None else raw


@dataclass(frozen=True)
class ResizeCropNormalise:
    """Shorter side to the input size (bilinear, only where it differs), centre crop, scale to [0, 1], normalise."""

    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Any) -> torch.Tensor:
        if not isinstance(image, Image.Image):
            raise TtscaleError(
                "preprocess", expected="a PIL image", got=type(image).__name__,
                fix="Give load_model a preprocess that takes what the data gives.",
            )  # fmt: skip
        return self.normalised(self.framed(image))

    def framed(self, image: Image.Image) -> Image.Image:
        """The centre of the resized image, of the input size."""
        _, height, width = self.input_size
        if image.size == (width, height):
            return image
        image = self.resized((height, width), image)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))

    def normalised(self, image: Image.Image) -> torch.Tensor:
        """An image of any size as it stands."""
        pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
        pixels = pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        return ((pixels - mean) / std).contiguous()

    @staticmethod
    def resized(cover: tuple[int, int], image: Image.Image) -> Image.Image:
        """The image in the size at which it just covers (height, width)."""
        height, width = cover
        scale = max(width / image.width, height / image.height)
        size = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
        return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)

    def cut(self, share: float | None, size: int | None) -> Cut:
        """For :class:`ttscale.models.framing.Framing`."""
        own = self.input_size[1:]
        cut, cover = sides(share, size, own, own)
        return Cut(cover, partial(self.resized, cover), cut)


@dataclass(frozen=True)
class Preprocessing:
    """A ready preprocess with the facts about it that :class:`ttscale.models.model.Model` holds."""

    preprocess: Callable[[Any], torch.Tensor]
    key: str
    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    frames: Framing | None = None


def plain_preprocessing(
    input_size: tuple[int, int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Preprocessing:
    """:class:`ResizeCropNormalise` for a model without a data config of its own."""
    transform = ResizeCropNormalise(input_size, mean, std)
    preprocess = ImagePreprocess(transform, input_size)
    frames = Framing(preprocess, preprocess.convert, transform.cut, transform.normalised, math.floor)
    return Preprocessing(preprocess, repr(transform), input_size, mean, std, frames)


def timm_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """timm's own eval transform for a data config as ``timm.data.resolve_data_config`` gives it."""
    from timm.data import create_transform

    input_size, mean, std = (tuple(config[name]) for name in ("input_size", "mean", "std"))
    transform = create_transform(**config, is_training=False)
    preprocess = ImagePreprocess(transform, input_size)
    key = "timm:" + json.dumps({name: config[name] for name in sorted(config)})
    finish = type(transform)(transform.transforms[2:])  # after resize and CenterCrop
    frames = Framing(preprocess, preprocess.convert, partial(_timm_cut, dict(config)), finish)
    return Preprocessing(preprocess, key, input_size, mean, std, frames)


def _timm_cut(config: Mapping[str, Any], share: float | None, size: int | None) -> Cut:
    """timm's own resize for this size and share."""
    from timm.data import create_transform

    if config.get("crop_mode") not in (None, "center"):
        raise TtscaleError(
            "draws", expected=f"views of the whole input for crop mode {config['crop_mode']!r}",
            got="a window or a size", fix="Use crops(side), which cuts from the model's input.",
        )  # fmt: skip
    channels, *own = config["input_size"]
    cut, _ = sides(share, size, tuple(own), tuple(own))
    asked = {"input_size": (channels, *cut), "crop_pct": share or config.get("crop_pct")}
    resize = create_transform(**{**config, **asked}, is_training=False).transforms[0]
    return Cut((resize.size,) * 2 if isinstance(resize.size, int) else tuple(resize.size), resize, cut)


def given_preprocessing(
    preprocess: Callable[[Any], torch.Tensor],
    *,
    input_size: tuple[int, int, int] | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> Preprocessing:
    """A user's own callable; what is not said is read off it: the shape by a blank image, mean and std by Normalize.

    Raises:
        TtscaleError: not callable, or the shape, mean or std is neither given nor to be found.
    """
    if not callable(preprocess):
        raise TtscaleError(
            "preprocess", expected="a callable that maps a raw input to a tensor", got=type(preprocess).__name__,
            fix="Give a function or a torchvision transform.",
        )  # fmt: skip
    input_size = input_size or _probe_shape(preprocess)
    if mean is None or std is None:
        found = _find_normalize(preprocess)
        if found is None:
            raise TtscaleError(
                "mean, std", expected="the mean and std that preprocess normalises with", got="none",
                fix="Give mean= and std= per channel (0 and 1 where preprocess leaves pixels in [0, 1]).",
            )  # fmt: skip
        mean, std = mean or found[0], std or found[1]
    key = f"{callable_key(preprocess)} {input_size} {mean} {std}"
    return Preprocessing(ImagePreprocess(preprocess, input_size), key, input_size, mean, std)


def _probe_shape(preprocess: Callable[[Any], torch.Tensor]) -> tuple[int, int, int]:
    try:
        shape = tuple(preprocess(Image.new("RGB", (256, 256))).shape)
    except Exception as error:  # the user's code may raise anything
        raise TtscaleError(
            "input_size", expected="(channel, height, width)",
            got=f"none, and preprocess failed on a blank image: {error}",
            fix="Give input_size=(channel, height, width).",
        ) from error  # fmt: skip
    if len(shape) != 3:
        raise TtscaleError(
            "preprocess", expected="a tensor of shape (channel, height, width)", got=str(shape),
            fix="Leave the batch dimension out of preprocess.",
        )  # fmt: skip
    return shape


def _find_normalize(transform: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """(mean, std) of the last Normalize in a (nested) torchvision transform, or of the transform itself."""
    for step in reversed(list(getattr(transform, "transforms", []))):
        if (found := _find_normalize(step)) is not None:
            return found
    mean, std = getattr(transform, "mean", None), getattr(transform, "std", None)
    if mean is None or std is None or callable(mean) or callable(std):
        return None
    return tuple(float(m) for m in mean), tuple(float(s) for s in std)
