"""FLOPs from the shapes of the functions that a model calls: the cross-check of torch's operator counter.

The counter sees operators below autograd and loses what a fused kernel hides. This count works one level up, on the
torch functions as Python calls them, with textbook formulas (1 multiply-add = 2 FLOPs): convolutions, linear layers,
matrix products, einsum, attention and torch's fused transformer layer. Neither count knows every function, and neither
counts anything twice, so each is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Formula = Callable[[tuple[Any, ...], Mapping[str, Any], Any], float]


class AnalyticCounter(TorchFunctionMode):
    """Counts the FLOPs of the torch functions called inside its ``with`` block."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula = FORMULAS.get(getattr(func, "__name__", ""))
        if formula is not None:
            self.flops += formula(args, kwargs, result)
        return result


def _argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], position: int, name: str, default: Any = None) -> Any:
    return args[position] if len(args) > position else kwargs.get(name, default)


def _convolution(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """Each output value is a dot product over (input channels / groups × kernel), which is the size of one filter."""
    weight = _argument(args, kwargs, 1, "weight")
    return 2.0 * result.numel() * math.prod(weight.shape[1:])


def _transposed_convolution(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """Each input value is spread over (output channels / groups × kernel)."""
    x, weight = _argument(args, kwargs, 0, "input"), _argument(args, kwargs, 1, "weight")
    return 2.0 * x.numel() * math.prod(weight.shape[1:])


def _linear(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    return 2.0 * result.numel() * _argument(args, kwargs, 1, "weight").shape[-1]


def _bilinear(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    return 2.0 * result.numel() * math.prod(_argument(args, kwargs, 2, "weight").shape[1:])


def _product(first: int) -> Formula:
    """A matrix product with its left factor at ``first``: each output value is a dot product along its last axis."""

    def formula(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
        names = ("input", "mat1") if first == 0 else ("mat1", "batch1")
        left = args[first] if len(args) > first else next(kwargs[name] for name in names if name in kwargs)
        return 2.0 * result.numel() * left.shape[-1]

    return formula


def _reversed_product(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    return 2.0 * result.numel() * args[1].shape[-1]


def _einsum(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """Two factors: one multiply-add per combination of all indices. More factors, or the list form, count nothing."""
    if not isinstance(args[0], str):
        return 0.0
    operands = args[1] if isinstance(args[1], list | tuple) else args[1:]
    terms = args[0].replace(" ", "").split("->")[0].split(",")
    if len(terms) != 2 or "..." in args[0]:
        return 0.0
    sizes = {i: n for term, x in zip(terms, operands, strict=True) for i, n in zip(term, x.shape, strict=True)}
    return 2.0 * math.prod(sizes.values())


def _attention(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """Scores and weighted sum over the full square, masked or not: per head 2 × queries × keys × (key + value size)."""
    query, key, value = (_argument(args, kwargs, i, name) for i, name in enumerate(("query", "key", "value")))
    return 2.0 * math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _multi_head_attention(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """``F.multi_head_attention_forward``: projections of query, key and value, attention, output projection."""
    query, key, value, width = (
        _argument(args, kwargs, i, name) for i, name in enumerate(("query", "key", "value", "embed_dim_to_check"))
    )
    projections = query.numel() * width + key.numel() * width + value.numel() * width + query.numel() * width
    batch = query.shape[1] if query.ndim == 3 else 1
    return 2.0 * projections + 4.0 * batch * query.shape[0] * key.shape[0] * width


def _fused_attention_layer(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """``torch._native_multi_head_attention(query, key, value, width, …)``, batch first."""
    query, key, value, width = args[:4]
    projections = 2 * query.numel() * width + key.numel() * width + value.numel() * width
    return 2.0 * projections + 4.0 * query.shape[0] * query.shape[1] * key.shape[1] * width


def _fused_encoder_layer(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """``torch._transformer_encoder_layer_fwd``: four projections, attention, and the two feed-forward layers."""
    x: Tensor = args[0]
    width = args[1]
    matrices = [p for p in args if isinstance(p, Tensor) and p.ndim == 2 and p is not x]
    batch, length = (x.shape[0], x.shape[1]) if x.ndim == 3 else (1, x.shape[0])
    return 2.0 * batch * length * sum(p.numel() for p in matrices) + 4.0 * batch * length * length * width


FORMULAS: Mapping[str, Formula] = {
    "conv1d": _convolution, "conv2d": _convolution, "conv3d": _convolution,
    "conv_transpose1d": _transposed_convolution, "conv_transpose2d": _transposed_convolution,
    "conv_transpose3d": _transposed_convolution,
    "linear": _linear, "bilinear": _bilinear,
    "matmul": _product(0), "__matmul__": _product(0), "mm": _product(0), "bmm": _product(0), "mv": _product(0),
    "__rmatmul__": _reversed_product,
    "addmm": _product(1), "baddbmm": _product(1),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head_attention,
    "_native_multi_head_attention": _fused_attention_layer,
    "_transformer_encoder_layer_fwd": _fused_encoder_layer,
}  # fmt: skip


@torch.no_grad()
def count_analytic(run: Callable[[], Any]) -> float:
    """FLOPs of everything that ``run()`` calls."""
    with AnalyticCounter() as counter:
        run()
    return counter.flops
