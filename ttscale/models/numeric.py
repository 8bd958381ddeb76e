"""Numeric variants of a classifier: the same network with its weights rounded, pruned, or truly held as integers."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ttscale.errors import TtscaleError, require
from ttscale.models.model import Model
from ttscale.models.weights import count_bytes, is_wrapper

FORMATS = ("bf16", "int8", "prune50", "torchao-int8")  # as they are written; prune takes any share in per cent
_PRUNE = re.compile(r"prune(\d+(?:\.\d+)?)")

Convert = Callable[[nn.Module], int]  # changes a module in place, and gives the bytes of its weights


def numeric(model: Model, format: str, *, name: str | None = None) -> Model:
    """A classifier with its weights in another numeric format, as a member of its own; the model given is not changed.

    It runs on float32 input, and but for ``torchao-int8`` in float32: so its accuracy is that of the format, on any
    machine, while its seconds are not. ``card["weight_bytes"]`` tells what the weights take in the format. In a spec
    the format comes first: ``int8:timm:resnet50.a1_in1k``.

    Args:
        format: ``"bf16"``: all weights and statistics rounded to bfloat16.
            ``"int8"``: kernels and matrices rounded to 8-bit integers times one scale per output channel (the first
            axis; of a transposed convolution that is the input channel), symmetric around 0 (Krishnamoorthi 2018,
            section 3.1.2); biases and norms stay. Batch norm folded into a kernel only
            scales its channels, so folding first gives the same rounding.
            ``"prune50"`` (any share in per cent): of all kernels and matrices together, the half of the weights that is
            smallest in magnitude is set to 0 (Han et al. 2015, without training on). Bytes: those left, and a bit for
            each place; of a tensor that is smaller whole, the whole.
            ``"torchao-int8"``: linear layers held and multiplied as 8-bit integers, activations rounded per token as
            they come (torchao; needs ``ttscale[quant]``). For networks whose weights are mostly in linear layers.
        name: of the member; by default the model's with the format behind it.

    Raises:
        TtscaleError: an unknown format, no classifier, a model in a format already, weights that the module computes
            (weight or spectral norm), none to round, or for torchao a network of convolutions or one that it cannot
            run.
    """
    convert = _converter(format)
    _check(model)
    module = copy.deepcopy(model.module)
    with torch.no_grad():
        n_bytes = convert(module)
    base = model.card.get("size") or model.name
    how = f"prune {_PRUNE.fullmatch(format)[1]}%" if _PRUNE.fullmatch(format) else format  # type: ignore[index]
    made = [model.card["how"], how] if "how" in model.card else [how]
    card = {
        **model.card, "weight_bytes": n_bytes, "format": format, "size": f"{base} {format}",
        "of": model.card.get("of") or base, "how": ", ".join(made),
    }  # fmt: skip
    return replace(
        model, name=name or f"{model.name}-{format}", spec=f"{format}:{model.spec}", module=module, card=card
    )


def is_format(scheme: str) -> bool:
    """Whether a spec's first word is a numeric format."""
    return scheme in FORMATS or _PRUNE.fullmatch(scheme) is not None


def _converter(format: str) -> Convert:
    if isinstance(format, str) and (share := _PRUNE.fullmatch(format)) and 0 < float(share[1]) < 100:
        return lambda module: _prune(module, float(share[1]) / 100)
    makers: dict[str, Convert] = {"bf16": _bf16, "int8": _int8, "torchao-int8": _torchao_int8}
    if format not in makers:
        raise TtscaleError(
            "format", expected=f"one of {', '.join(FORMATS)}", got=repr(format),
            fix="The number behind prune is a share in per cent, above 0 and below 100.",
        )  # fmt: skip
    return makers[format]


def _check(model: Model) -> None:
    if not isinstance(model, Model):
        raise TtscaleError(
            "models", expected="a classifier: numeric variants are made of classifiers", got=type(model).__name__,
            fix="Load a language model in the format wanted: a quantised GGUF file, or collect(dtype='bfloat16').",
        )  # fmt: skip
    if "format" in model.card:
        raise TtscaleError(
            "models", expected="weights as they were trained", got=f"{model.name} in {model.card['format']}",
            fix="Make each variant of the plain model: the bytes of a format of a format are not known.",
        )  # fmt: skip
    if computed := [name for name, part in model.module.named_modules() if _computes_its_weight(part)]:
        raise TtscaleError(
            "models", expected="weights that are parameters, to round or prune",
            got=f"{len(computed)} layers of {model.name} that compute theirs, such as {computed[0] or 'itself'}",
            fix="Call torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') on each (of an old-style "
            "weight norm torch.nn.utils.remove_weight_norm), then load the module.",
        )  # fmt: skip


def _computes_its_weight(part: nn.Module) -> bool:
    """Whether its weight is made of other parameters, as by weight or spectral norm, of the old style or the new."""
    return is_parametrized(part) or isinstance(vars(part).get("weight"), torch.Tensor)


def kernels(module: nn.Module) -> list[nn.Parameter]:
    """Kernels and matrices: parameters of two or more axes called weight, shared ones once.

    Raises:
        TtscaleError: there is none.
    """
    found = [p for name, p in module.named_parameters() if p.ndim >= 2 and name.endswith("weight")]
    if not found:
        raise TtscaleError(
            "models", expected="kernels or matrices: parameters of two or more axes whose name ends in weight",
            got=f"{type(module).__name__} without one", fix="Use bf16, which rounds whatever there is.",
        )  # fmt: skip
    return found


def _bf16(module: nn.Module) -> int:
    held = [tensor for tensor in [*module.parameters(), *module.buffers()] if tensor.is_floating_point()]
    for tensor in held:
        tensor.copy_(tensor.bfloat16())
    return sum(tensor.numel() * torch.bfloat16.itemsize for tensor in held)


def _int8(module: nn.Module) -> int:
    saved = 0
    for weight in kernels(module):
        scale = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True) / 127
        scale[scale == 0] = 1
        weight.copy_((weight / scale).round().clamp(-127, 127) * scale)
        saved += weight.numel() * (weight.element_size() - 1) - scale.numel() * scale.element_size()
    return count_bytes(module) - saved


def _prune(module: nn.Module, share: float) -> int:
    weights = kernels(module)
    magnitudes = torch.cat([weight.abs().flatten() for weight in weights])
    kept = torch.ones(len(magnitudes), dtype=torch.bool, device=magnitudes.device)
    kept[magnitudes.argsort(stable=True)[: round(share * len(magnitudes))]] = False
    saved = 0
    for weight, mask in zip(weights, kept.split([weight.numel() for weight in weights]), strict=True):
        weight.mul_(mask.view(weight.shape))
        zeros = weight.numel() - int(weight.count_nonzero())
        saved += max(0, zeros * weight.element_size() - math.ceil(weight.numel() / 8))
    return count_bytes(module) - saved


def _torchao_int8(module: nn.Module) -> int:
    require("torchao", install="ttscale[quant]", needed_for="torchao-int8")
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    linear = sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))
    total = sum(weight.numel() for weight in kernels(module))
    if 2 * linear < total:
        raise TtscaleError(
            "models", expected="most weights in linear layers, for torchao-int8",
            got=f"{linear:,} of {total:,} in {type(module).__name__}",
            fix="Use int8, which rounds the weights of any layer and runs in float32.",
        )  # fmt: skip
    try:
        quantize_(module, Int8DynamicActivationInt8WeightConfig())
    except Exception as error:  # of several kinds, by torchao's version and the layer
        raise _refused(module, error) from error
    if not any(is_wrapper(parameter) for parameter in module.parameters()):
        raise _refused(module, "it left every layer as it was")
    return count_bytes(module)


def _refused(module: nn.Module, reason: object) -> TtscaleError:
    return TtscaleError(
        "models", expected="a network that torchao can quantise", got=f"{type(module).__name__}: {reason}",
        fix="Use int8, which rounds the weights of any layer and runs in float32.",
    )  # fmt: skip
