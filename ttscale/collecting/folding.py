"""Batch norm folded into the convolution before it: one pass over memory less, the same function within rounding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ttscale.collecting.precision import computing_in
from ttscale.collecting.sharing import shared_copy

TOLERANCE = 1e-4  # of the largest output on noise; rounding in float32 stays an order of magnitude below


@torch.no_grad()
def folded(module: nn.Module, input_size: Sequence[int]) -> tuple[nn.Module, int]:
    """A module of the same outputs within rounding, and how many batch norms it computes within convolutions.

    In eval mode a batch norm is an affine map per channel, ``y = (x − m) / √(v + ε) · γ + β``, which a convolution
    right before it does as well by other weights (Jacob et al. 2018, section 3.2). Which pairs can be folded is seen
    in one forward on noise, so that no tracing can fail: a convolution that hands its own weight to torch once, and
    whose output one batch norm reads, and nothing else. A copy whose outputs differ on the noise is not used.

    Args:
        module: in eval mode; it stays as it is, and shares all weights but the folded ones with the copy.
        input_size: of one item.

    Returns:
        The folded copy; or ``module`` itself and 0 where nothing can be folded.
    """
    weight = next(module.parameters(), None)
    if weight is None or weight.dtype not in (torch.float32, torch.float64):
        return module, 0
    x = torch.randn(2, *input_size, generator=torch.Generator().manual_seed(0)).to(weight)
    try:
        with torch.autocast(x.device.type, enabled=False), computing_in(torch.float32, x.device):
            with _Watch(module) as watch:
                expected = module(x)
            pairs = watch.pairs()
            fast = _rewritten(module, pairs) if pairs else module
            close = all(map(_close, _tensors(fast(x)), _tensors(expected)))
    except Exception:  # a user's code may raise anything where it is watched or copied: then it runs as it is
        return module, 0
    return (fast, len(pairs)) if close else (module, 0)


class _Watch(TorchFunctionMode):
    """Sees every call of torch during one forward, and finds the convolutions that a batch norm alone reads."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        parts = list(module.named_modules())
        self._convolutions = {id(part.weight): name for name, part in parts if isinstance(part, _ConvNd)}
        self._norms = {id(part.running_mean): name for name, part in parts if isinstance(part, _NormBase)}
        self._outputs: dict[int, tuple[str, torch.Tensor]] = {}  # holds them, so that an id stays one tensor's
        self._calls: Counter[str] = Counter()
        self._reads: Counter[str] = Counter()
        self._normed_by: dict[str, str] = {}

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not _tensors(out):  # a question about a shape
            return out
        given = [id(tensor) for tensor in _tensors((args, kwargs))]
        read = [self._outputs[key][0] for key in given if key in self._outputs]
        self._reads.update(read)
        for key in given:
            if key in self._convolutions:
                self._calls[self._convolutions[key]] += 1
                self._outputs[id(out)] = self._convolutions[key], out
            elif key in self._norms:
                self._calls[self._norms[key]] += 1
                self._normed_by.update(dict.fromkeys(read, self._norms[key]))
        return out

    def pairs(self) -> dict[str, str]:
        """The name of the batch norm for the name of each convolution that it can be folded into."""
        return {
            convolution: norm
            for convolution, norm in self._normed_by.items()
            if self._reads[convolution] == self._calls[convolution] == self._calls[norm] == 1
            and all(_plain(self._module.get_submodule(name)) for name in (convolution, norm))
        }


def _plain(part: nn.Module) -> bool:
    """Whether a part computes what its class says: no hooks, and in eval mode."""
    return not (part.training or part._forward_hooks or part._forward_pre_hooks)


def _rewritten(module: nn.Module, pairs: Mapping[str, str]) -> nn.Module:
    """A copy that shares the weights of ``module`` but those of ``pairs``."""
    fast = shared_copy(module)
    for convolution_name, norm_name in pairs.items():
        convolution, norm = fast.get_submodule(convolution_name), fast.get_submodule(norm_name)
        assert isinstance(convolution, _ConvNd) and isinstance(norm, _NormBase)
        kernel, mean, variance = convolution.weight, norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        weight, bias = fuse_conv_bn_weights(  # in double precision: the product is rounded once
            kernel.double(), _double(convolution.bias), mean.double(), variance.double(), norm.eps,
            _double(norm.weight), _double(norm.bias),
        )  # fmt: skip
        convolution.weight = nn.Parameter(weight.to(kernel.dtype), requires_grad=kernel.requires_grad)
        convolution.bias = nn.Parameter(bias.to(kernel.dtype), requires_grad=kernel.requires_grad)
        # What stays of a norm are its children in order: nothing, or timm's BatchNormAct2d: dropout and activation.
        parent, _, name = norm_name.rpartition(".")
        setattr(fast.get_submodule(parent), name, nn.Sequential(*norm.children()))
    return fast


def _double(values: torch.Tensor | None) -> torch.Tensor | None:
    return None if values is None else values.double()


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= TOLERANCE * b.abs().max())


def _tensors(values: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]
