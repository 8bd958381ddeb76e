"""A key for a user's callable that says what it does, the same in every process."""

from __future__ import annotations

import functools
import hashlib
import sys
import types
from typing import Any

import numpy as np


def callable_key(function: Any) -> str:
    """Qualified name and a SHA-256 over code, captured values and state.

    Two callables with equal keys do the same as far as their own code and values say; global names that they read are
    not followed. State that cannot be read (an object that does not pickle) makes the key hold in this process only.
    """
    described = _describe(function, ())
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}.{name}:{hashlib.sha256(described.encode()).hexdigest()}"


def _describe(value: Any, above: tuple[int, ...]) -> str:
    """Text that is equal for equal values; ``above`` holds the objects being described, to cut cycles."""
    if id(value) in above:
        return f"cycle {len(above) - above.index(id(value))}"
    above = (*above, id(value))
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            return repr(value)
        case list() | tuple():
            return f"{type(value).__name__}({', '.join(_describe(v, above) for v in value)})"
        case set() | frozenset():
            return f"{type(value).__name__}({', '.join(sorted(_describe(v, above) for v in value))})"
        case dict():
            pairs = (f"{_describe(k, above)}: {_describe(v, above)}" for k, v in value.items())
            return f"{type(value).__name__}({', '.join(pairs)})"
        case _ if is_tensor(value):
            torch = sys.modules["torch"]
            flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
            return f"tensor {value.dtype} {tuple(value.shape)} {_describe(flat.numpy(), above)}"
        case np.ndarray():
            digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"array {value.dtype} {value.shape} {digest}"
        case type():
            return f"{value.__module__}.{value.__qualname__}"
        case types.ModuleType():
            return value.__name__
        case types.CodeType():
            return _describe((value.co_code, value.co_names, value.co_consts), above)
        case types.FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            parts = (value.__code__, value.__defaults__, value.__kwdefaults__, cells)
            return f"{value.__module__}.{value.__qualname__} {_describe(parts, above)}"
        case types.MethodType():
            return f"method {_describe((value.__self__, value.__func__), above)}"
        case functools.partial():
            return f"partial {_describe((value.func, value.args, value.keywords), above)}"
    return _describe_object(value, above)


def is_tensor(value: Any) -> bool:
    """Whether it is a torch tensor; where torch was never imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _describe_object(value: Any, above: tuple[int, ...]) -> str:
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:  # foreign code, which may raise anything
        return f"{type(value).__qualname__} in this process {id(value):x}"
    if isinstance(reduced, str):
        return f"{type(value).__qualname__} {reduced}"
    rebuild, arguments, *state = reduced
    state = [list(part) if hasattr(part, "__next__") else part for part in state]
    return f"object {getattr(rebuild, '__qualname__', rebuild)} {_describe((arguments, state), above)}"
