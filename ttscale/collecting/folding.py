"""Batch norm folded into the convolution before it: one pass over memory less, the same function within rounding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ttscale.collecting.precision import computing_in
from ttscale.collecting.sharing import shared_copy

TOLERANCE = 1e-4  # of the largest output; rounding in float32 stays an order of magnitude below
_NORMS = (_BatchNorm.forward, nn.SyncBatchNorm.forward)  # in eval mode both are the affine map and nothing else
_NORM_AND_ACTIVATION = ("timm.layers.norm_act", "BatchNormAct2d.forward")  # which does its `drop` and `act` after it


@torch.no_grad()
def folded(
    module: nn.Module, shapes: Sequence[Sequence[int]], items: Sequence[torch.Tensor] = ()
) -> tuple[nn.Module, int]:
    """A module of the same outputs within rounding, and how many batch norms it computes within convolutions.

    In eval mode a batch norm is an affine map per channel, ``y = (x − m) / √(v + ε) · γ + β``, which a convolution
    right before it does as well by other weights (Jacob et al. 2018, section 3.2). Which pairs can be folded is seen
    in forwards, so that no tracing can fail: in each of them, a convolution hands its own weight to torch once, and
    one batch norm reads what it gives, and nothing else. A pair that changes an output of these forwards, in float32,
    by more than ``TOLERANCE`` of the largest stays as it is.

    Args:
        module: in eval mode; it stays as it is, and shares all weights but the folded ones with the copy.
        shapes: of one item, all that the module will be given: it is watched on noise of each.
        items: batches of real ones, that it is watched on besides.

    Returns:
        The folded copy; or ``module`` itself and 0 where nothing can be folded.
    """
    weight = next(module.parameters(), None)
    if weight is None or weight.dtype not in (torch.float32, torch.float64):
        return module, 0
    batches = [x.to(weight) for x in (*map(_noise, shapes), *items)]
    try:
        with computing_in(torch.float32, weight.device):
            expected, watched = zip(*(_watched(module, x) for x in batches), strict=True)
            pairs = dict(sorted(set.intersection(*(set(some.items()) for some in watched))))
            found = _Proof(module, batches, expected).keep(pairs)
            return (_rewritten(module, found), len(found)) if found else (module, 0)
    except Exception:  # a user's code may raise anything where it is watched or copied: then it runs as it is
        return module, 0


def _noise(shape: Sequence[int]) -> torch.Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))


def _watched(module: nn.Module, x: torch.Tensor) -> tuple[list[torch.Tensor], dict[str, str]]:
    """What the module gives for ``x``, and the pairs that could be folded in this forward."""
    with _Watch(module) as watch:
        outputs = _tensors(module(x))
    return outputs, watch.pairs()


@dataclass(frozen=True)
class _Proof:
    """What a module gave for some batches, which a copy has to give too."""

    module: nn.Module
    batches: Sequence[torch.Tensor]
    expected: Sequence[list[torch.Tensor]]

    def keep(self, pairs: dict[str, str]) -> dict[str, str]:
        """Those of ``pairs`` whose folding changes nothing; all of them, as a rule, by one look."""
        if not pairs or self._holds(pairs):
            return pairs
        return self._halved(pairs) if self._holds({}) else {}  # a random module changes without folding

    def _halved(self, pairs: dict[str, str]) -> dict[str, str]:
        """As :meth:`keep`, for pairs of which one at least changes something."""
        if len(pairs) == 1:
            return {}
        some = list(pairs.items())
        halves = [dict(some[: len(some) // 2]), dict(some[len(some) // 2 :])]
        kept: dict[str, str] = {}
        for half in halves:
            kept |= half if self._holds(half) else self._halved(half)
        return kept if self._holds(kept) else {}

    def _holds(self, pairs: dict[str, str]) -> bool:
        try:
            fast = _rewritten(self.module, pairs)
            return all(
                all(map(_close, _tensors(fast(x)), outputs))
                for x, outputs in zip(self.batches, self.expected, strict=True)
            )
        except Exception:  # what was taken out of the copy may be asked for by the user's code
            return False


class _Watch(TorchFunctionMode):
    """Sees every call of torch during one forward, and finds the convolutions that a batch norm alone reads."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        parts = list(module.named_modules())
        self._convolutions = {id(part.weight): name for name, part in parts if _is_convolution(part)}
        self._norms = {id(part.running_mean): name for name, part in parts if _is_norm(part)}
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


def _is_convolution(part: nn.Module) -> bool:
    return isinstance(part, _ConvNd) and not isinstance(part, _ConvTransposeNd)  # whose kernels lie the other way


def _is_norm(part: nn.Module) -> bool:
    """Whether its forward is one that is known: a subclass may do more, on inputs that no check sees."""
    return isinstance(part, _BatchNorm) and (type(part).forward in _NORMS or _activates(part))


def _activates(norm: nn.Module) -> bool:
    forward = type(norm).forward
    return (forward.__module__, forward.__qualname__) == _NORM_AND_ACTIVATION


def _plain(part: nn.Module) -> bool:
    """Whether a part computes what its class says: no hooks, no forward of its own, and in eval mode."""
    hooks = part._forward_hooks or part._forward_pre_hooks
    return not (part.training or hooks or "forward" in vars(part))


def _rewritten(module: nn.Module, pairs: Mapping[str, str]) -> nn.Module:
    """A copy that shares the weights of ``module`` but those of ``pairs``."""
    fast = shared_copy(module)
    after: dict[nn.Module, nn.Module] = {}
    for convolution_name, norm_name in pairs.items():
        convolution, norm = fast.get_submodule(convolution_name), fast.get_submodule(norm_name)
        assert isinstance(convolution, _ConvNd) and isinstance(norm, _BatchNorm)
        kernel, mean, variance = convolution.weight, norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        weight, bias = fuse_conv_bn_weights(  # in double precision: the product is rounded once
            kernel.double(), _double(convolution.bias), mean.double(), variance.double(), norm.eps,
            _double(norm.weight), _double(norm.bias),
        )  # fmt: skip
        convolution.weight = nn.Parameter(weight.to(kernel.dtype), requires_grad=kernel.requires_grad)
        convolution.bias = nn.Parameter(bias.to(kernel.dtype), requires_grad=kernel.requires_grad)
        after[norm] = nn.Sequential(*(norm.get_submodule(name) for name in ("drop", "act") if _activates(norm)))
    for parent in list(fast.modules()):  # a norm may stand under several names
        for name, child in parent._modules.items():
            if child in after:
                setattr(parent, name, after[child])
    return fast


def _double(values: torch.Tensor | None) -> torch.Tensor | None:
    return None if values is None else values.double()


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= TOLERANCE * b.abs().max())


def _tensors(values: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]
