"""Weights from a file into a module, strictly, and what tells two sets of weights apart."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError

WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "module")  # where training scripts save them
PREFIXES = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile


def fingerprint(module: nn.Module, beside: str) -> str:
    """SHA-256 over the text ``beside`` the weights, and their names, shapes, types and bytes."""
    digest = hashlib.sha256(beside.encode())
    for name, tensor in sorted(module.state_dict().items()):
        for part in plain_tensors(tensor.detach()):
            digest.update(f"{name}{tuple(part.shape)}{part.dtype}".encode())
            digest.update(part.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def plain_tensors(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensor; of one that wraps others (a quantised weight: integers and scales), those that it holds."""
    if not is_wrapper(tensor):
        yield tensor
        return
    names, _ = tensor.__tensor_flatten__()  # type: ignore[attr-defined]
    for name in names:
        yield from plain_tensors(getattr(tensor, name))


def is_wrapper(tensor: torch.Tensor) -> bool:
    """Whether it only stands for other tensors (torch's wrapper subclasses)."""
    return hasattr(tensor, "__tensor_flatten__")


def count_bytes(module: nn.Module) -> int:
    """Bytes of the weights as they lie in memory: floating-point parameters and buffers, shared ones once."""
    held = (t for t in [*module.parameters(), *module.buffers()] if t.is_floating_point())
    return sum(part.numel() * part.element_size() for tensor in held for part in plain_tensors(tensor))


def device_of(module: nn.Module) -> torch.device:
    """Where a module's parameters are; the CPU where it has none."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """The state dict in a safetensors file or a ``torch.save`` file, on the CPU; code in the file is never run.

    A training checkpoint is opened to the weights inside it (the averaged ones first).

    Raises:
        TtscaleError: no such file, not a weights file, or one that would have to run code.
    """
    path = to_path("checkpoint", path)
    if not path.is_file():
        raise TtscaleError("checkpoint", expected="a weights file", got=f"no file {path}", fix="Check the path.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, str(error).splitlines()[0]) from error
    except Exception as error:
        if type(error).__module__.startswith("safetensors"):  # its error class derives from Exception alone
            raise _unreadable(path, str(error)) from error
        raise
    while isinstance(content, Mapping) and (keys := [k for k in WRAPPERS if isinstance(content.get(k), Mapping)]):
        content = content[keys[0]]
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise _unreadable(path, "something else than names and tensors")
    return {_without_prefixes(name): tensor for name, tensor in content.items()}


def load_strictly(module: nn.Module, weights: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Load ``weights`` into ``module``; every name and shape must match.

    Raises:
        TtscaleError: names what is missing, left over or of another shape.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in weights]
    extra = [name for name in weights if name not in own]
    unlike = [
        f"{name} {list(weights[name].shape)} for {list(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if missing or extra or unlike:
        parts = [
            f"{len(names)} {what} (such as {', '.join(names[:2])})"
            for what, names in (("missing", missing), ("left over", extra), ("of another shape", unlike))
            if names
        ]
        raise TtscaleError(
            "checkpoint", expected=f"the {len(own)} tensors of {type(module).__name__}",
            got=f"{source} with {'; '.join(parts)}",
            fix="Give the weights of this very architecture, and n_classes where its head has another width.",
        )  # fmt: skip
    module.load_state_dict(dict(weights), strict=True)


def _without_prefixes(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _unreadable(path: Path, got: str) -> TtscaleError:
    return TtscaleError(
        "checkpoint", expected="a .safetensors file, or a torch.save file of tensors only", got=f"{path}: {got}",
        fix="Save the state dict alone: torch.save(module.state_dict(), path), or use safetensors.",
    )  # fmt: skip
