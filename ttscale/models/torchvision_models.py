"""``torchvision:NAME`` and ``torchvision:NAME.WEIGHTS``: torchvision's classifiers with their weights' transforms."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ttscale.data.imagenet import imagenet_classes
from ttscale.errors import TtscaleError, require, unknown_name
from ttscale.models.framing import Cut, Framing, sides
from ttscale.models.model import Model
from ttscale.models.module import Options, assemble, module_preprocessing
from ttscale.models.preprocess import ImagePreprocess, Preprocessing
from ttscale.models.weights import load_strictly, read_weights


def load_torchvision(name: str, options: Options) -> Model:
    """A torchvision classifier, by default with its best weights; see :func:`ttscale.models.load.load_model`."""
    torchvision = require("torchvision", install="torchvision", needed_for="torchvision:NAME")

    architecture, _, tag = name.partition(".")
    known = torchvision.models.list_models(module=torchvision.models)
    if architecture not in known:
        raise unknown_name("models", architecture, known, fix="Only torchvision's classifiers fit.")
    choices = torchvision.models.get_model_weights(architecture)
    if tag and tag not in choices.__members__:
        raise unknown_name("models", tag, choices.__members__, fix=f"These are the weights of {architecture}.")
    weights = choices[tag] if tag else choices.DEFAULT
    module = _create(architecture, weights, options)
    if options.checkpoint is not None:
        load_strictly(module, read_weights(options.checkpoint), source=str(options.checkpoint))
    preprocessing = (
        module_preprocessing(module, options)
        if options.preprocess is not None
        else weights_preprocessing(weights, options)
    )
    card = {
        "family": module.__class__.__module__.rpartition(".")[2], "architecture": architecture,
        "licence": "BSD-3-Clause", "source": f"torchvision {weights}",
        "pretrained": options.pretrained or options.checkpoint is not None,
    }  # fmt: skip
    return assemble(
        module, preprocessing, options, spec=f"torchvision:{name}", name=name, card=card,
        class_names=imagenet_classes()[1],  # all weights of torchvision's classifiers are ImageNet-1k's, in its order
    )  # fmt: skip


def weights_preprocessing(weights: Any, options: Options) -> Preprocessing:
    """The transforms of a weights enum; mean and std may be replaced, and a new input size scales resize and crop."""
    preset = weights.transforms
    changes: dict[str, Any] = {}
    if options.input_size is not None:
        _, height, width = options.input_size
        if height != width:
            raise TtscaleError(
                "input_size", expected="a square for torchvision's transforms", got=str(options.input_size),
                fix="Give a square size, or a preprocess of your own.",
            )  # fmt: skip
        default = preset()
        changes = {"crop_size": width, "resize_size": round(width * default.resize_size[0] / default.crop_size[0])}
    changes |= {key: value for key in ("mean", "std") if (value := getattr(options, key)) is not None}
    transform = preset(**changes)
    size = (len(transform.mean), transform.crop_size[0], transform.crop_size[0])
    preprocess = ImagePreprocess(transform, size)
    key = "torchvision:" + " ".join(repr(transform).split())
    finish = partial(_normalised, mean=transform.mean, std=transform.std)
    frames = Framing(preprocess, preprocess.convert, partial(_preset_cut, transform), finish)
    return Preprocessing(preprocess, key, size, tuple(transform.mean), tuple(transform.std), frames)


def _preset_cut(preset: Any, share: float | None, size: int | None) -> Cut:
    """A preset's resize for another share or size."""
    from torchvision.transforms import Resize

    cut, resized = sides(share, size, (preset.crop_size[0],) * 2, (preset.resize_size[0],) * 2)
    return Cut(resized, Resize(resized[0], interpolation=preset.interpolation, antialias=preset.antialias), cut)


def _normalised(image: Any, *, mean: list[float], std: list[float]) -> torch.Tensor:
    """What a preset does after it has cut the image."""
    from torchvision.transforms import functional

    return functional.normalize(functional.to_tensor(image), mean, std)


def _create(architecture: str, weights: Any, options: Options) -> Any:
    torchvision = require("torchvision", install="torchvision", needed_for="torchvision:NAME")

    pretrained = options.pretrained and options.checkpoint is None
    more = {} if pretrained or options.n_classes is None else {"num_classes": options.n_classes}
    try:
        return torchvision.models.get_model(architecture, weights=weights if pretrained else None, **more)
    except OSError as error:  # urllib's errors are OSErrors
        raise TtscaleError(
            "models", expected=f"the weights of torchvision:{architecture}, from the network or torch's hub cache",
            got=f"{type(error).__name__}: {error}",
            fix="Connect to the network once to fill the cache, or give checkpoint=FILE (or pretrained=False).",
        ) from error  # fmt: skip
