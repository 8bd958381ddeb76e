"""Keyed randomness: every random number is a pure function of what it is for.

A uniform depends on (run seed, item, variant, sample, stream, step) and on nothing else, so that batch size, order,
workers and a resumed run cannot change it. The mixer is SplitMix64's finaliser (Steele, Lea and Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014), applied once per key part in signed 64-bit arithmetic, which
numpy and torch share; so the same call serves the analysis on numpy and a deployed model on its device.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from array_api_compat import array_namespace

# Streams keep independent uses of one item's randomness apart. The numbers are part of the Records format.
TIES = 1
VIEWS = 2
SPLIT = 3
SAMPLING = 4
PROBLEMS = 5  # generated problems and their examples
ORDERS = 6  # random orders of exchangeable samples, in the analysis

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def item_keys(item_ids: Iterable[str]) -> np.ndarray:
    """64-bit key of each item id, ``int64 [item]``: the first 8 bytes of its BLAKE2b hash."""
    digests = b"".join(hashlib.blake2b(item_id.encode(), digest_size=8).digest() for item_id in item_ids)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


def row_keys(member: str, item_ids: Iterable[str], variants: Iterable[str]) -> np.ndarray:
    """64-bit key of each row of a language model's batch, ``int64 [row]``: of its member, item and prompt variant.

    The member is part of it, because two language models must not share their luck.
    """
    return item_keys(json.dumps([member, *row]) for row in zip(item_ids, variants, strict=True))


def uniforms(seed: int, keys: Any, *, stream: int, variant: Any = 0, sample: Any = 0, step: Any = 0) -> Any:
    """One uniform in [0, 1) per key: ``float64``, of the library and device of ``keys``.

    Args:
        seed: the run's seed.
        keys: ``int64`` of any shape from :func:`item_keys` or :func:`row_keys`, as a numpy array or a torch tensor.
        stream: one of the streams of this module.
        variant, sample, step: the rest of the key, non-negative: whole numbers, or ``int64`` arrays of the library of
            ``keys`` that broadcast with it (the result has the common shape).
    """
    mixed = _mix(keys + _signed(_mix_int(seed)))
    for part in (stream, variant, sample, step):
        mixed = _mix(mixed + _step(part))
    xp = array_namespace(keys)
    return xp.astype(_shift_right(mixed, 11), xp.float64) * 2.0**-53


def _step(part: Any) -> Any:
    """How far one part of the key moves the generator: a signed 64-bit number, or an array of them."""
    return _signed(_GOLDEN * (int(part) + 1)) if isinstance(part, int | np.integer) else (part + 1) * _signed(_GOLDEN)


def _mix(z: Any) -> Any:
    z = (z ^ _shift_right(z, 30)) * _signed(_MIX_1)
    z = (z ^ _shift_right(z, 27)) * _signed(_MIX_2)
    return z ^ _shift_right(z, 31)


def _shift_right(z: Any, bits: int) -> Any:
    """Logical shift of a signed 64-bit array (``>>`` alone copies the sign)."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _mix_int(value: int) -> int:
    """SplitMix64's finaliser of one Python integer, so that neighbouring seeds are unrelated."""
    value = (value + _GOLDEN) & ((1 << 64) - 1)
    value = ((value ^ (value >> 30)) * _MIX_1) & ((1 << 64) - 1)
    value = ((value ^ (value >> 27)) * _MIX_2) & ((1 << 64) - 1)
    return value ^ (value >> 31)
