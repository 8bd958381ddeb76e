"""What passes below autograd during a forward: operators that nobody counts, and bytes moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operators that do no arithmetic: they allocate, or ask for properties. Views are recognised by their schema.
SILENT = frozenset(
    {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "as_strided_", "_unsafe_view"}
)


class OperatorProbe(TorchDispatchMode):
    """Watches operators: calls by name of those without a FLOP formula, and the bytes that each reads and writes.

    Attributes:
        uncounted: operator name to number of calls.
        bytes: inputs read once and outputs written once by each operator that is not a view, weights included. Real
            traffic is lower where a cache keeps a value, and higher where a kernel reads twice.
    """

    def __init__(self, counted: Collection[Any]) -> None:
        super().__init__()
        self.counted = counted
        self.uncounted: Counter[str] = Counter()
        self.bytes = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not isinstance(func, torch._ops.OpOverload) or func.is_view or _name(func) in SILENT:
            return result
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        self.bytes += sum(_bytes(tensor) for tensor in tensors)
        if func._overloadpacket not in self.counted:
            self.uncounted[f"{func.namespace}.{_name(func)}"] += 1
        return result


def _name(func: Any) -> str:
    return func._overloadpacket.__name__


def _bytes(tensor: Tensor) -> float:
    """Bytes of the values that a tensor shows, those of an expanded axis once."""
    if tensor.layout is not torch.strided:
        return 0.0
    values = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        values *= size if stride else min(size, 1)
    return float(values * tensor.element_size())
