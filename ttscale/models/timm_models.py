"""``timm:NAME``: timm's models with their own eval transform and class names."""

from __future__ import annotations

import contextlib
from typing import Any

from ttscale.data.imagenet import names_of_config
from ttscale.errors import TtscaleError, require, unknown_name
from ttscale.models.hub import offline_when_unreachable
from ttscale.models.model import Model
from ttscale.models.module import Options, assemble, data_config, module_preprocessing, timm_config
from ttscale.models.preprocess import timm_preprocessing
from ttscale.models.weights import load_strictly, read_weights

ELSEWHERE = ("hf-hub:", "hf_hub:", "local-dir:")  # prefixes under which timm reads models that are not in its registry


def load_timm(name: str, options: Options) -> Model:
    """A timm model by its name, such as ``resnet50.a1_in1k``; see :func:`ttscale.models.load.load_model`."""
    check_name(name, pretrained=options.pretrained and options.checkpoint is None)
    module = _create(name, options)
    config = timm_config(module)
    if options.checkpoint is not None:
        load_strictly(module, read_weights(options.checkpoint), source=str(options.checkpoint))
    preprocessing = (
        module_preprocessing(module, options)
        if options.preprocess is not None
        else timm_preprocessing(data_config(config, options))
    )
    card = {
        "family": type(module).__module__.rpartition(".")[2], "architecture": config.get("architecture", name),
        "licence": config.get("license"), "source": f"timm {name}",
        "pretrained": options.pretrained or options.checkpoint is not None,
    }  # fmt: skip
    return assemble(
        module, preprocessing, options, spec=f"timm:{name}", name=name, card=card, class_names=names_of_config(config)
    )


def check_name(name: str, *, pretrained: bool) -> None:
    """Raise unless timm has this architecture and, if ``pretrained``, weights under this tag."""
    timm = require("timm", install="timm", needed_for="timm:NAME")

    if name.startswith(ELSEWHERE):
        return
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown_name("models", name, timm.list_models(), fix="timm.list_models() lists them all.")
    known = timm.list_models(f"{architecture}.*", pretrained=True) if (tag or pretrained) else []
    if tag and name not in known:
        raise unknown_name("models", name, known or [architecture], fix=f"These are the weights of {architecture}.")
    if pretrained and not timm.is_model_pretrained(name):
        raise TtscaleError(
            "models", expected="a timm model with pretrained weights", got=f"{name}, which has none",
            fix="Choose another model, give checkpoint=, or pretrained=False for random weights.",
        )  # fmt: skip


def _create(name: str, options: Options) -> Any:
    timm = require("timm", install="timm", needed_for="timm:NAME")

    pretrained = options.pretrained and options.checkpoint is None
    more: dict[str, Any] = {}
    if options.n_classes is not None and not pretrained:
        more["num_classes"] = options.n_classes
    if options.input_size is not None:
        more["in_chans"] = options.input_size[0]
        if not name.startswith(ELSEWHERE) and _has_fixed_size(name):
            more["img_size"] = options.input_size[1:]
    try:
        with offline_when_unreachable() if pretrained or name.startswith(ELSEWHERE) else contextlib.nullcontext():
            return timm.create_model(name, pretrained=pretrained, **more)
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, OSError):  # no network, no such repository, or a file that is not in the cache
            raise TtscaleError(
                "models", expected=f"the weights of timm:{name}, from the model hub or its local cache",
                got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
                fix="Connect to the network once to fill the cache, or give checkpoint=FILE (or pretrained=False).",
            ) from error  # fmt: skip
        raise TtscaleError(
            "models", expected=f"a model that timm can build from {name!r}", got=f"{type(error).__name__}: {error}",
            fix="Check the name and the input_size.",
        ) from error  # fmt: skip


def _has_fixed_size(name: str) -> bool:
    timm = require("timm", install="timm", needed_for="timm:NAME")

    config = timm.get_pretrained_cfg(name)
    return config is not None and bool(config.fixed_input_size)
