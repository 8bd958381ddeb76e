"""What outcomes must be before they may become Records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError

_ROWS_AT_ONCE = 65536


def check_labels(labels: np.ndarray, n_items: int, n_classes: int) -> np.ndarray:
    """The labels as ``int64 [item]``; TtscaleError when their number, type or range is wrong."""
    if labels.shape != (n_items,) or n_items == 0:
        raise TtscaleError(
            "labels", expected=f"one label for each of {n_items} items (at least one)", got=f"shape {labels.shape}",
            fix="Give a one-dimensional array of class indices.",
        )  # fmt: skip
    if not np.issubdtype(labels.dtype, np.integer):
        raise TtscaleError("labels", expected="integers", got=str(labels.dtype), fix="Give class indices.")
    outside = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if outside.size:
        raise TtscaleError(
            "labels", expected=f"class indices from 0 to {n_classes - 1}",
            got=f"{int(labels[outside[0]])} at item {int(outside[0])} ({outside.size} outside in all)",
            fix="Check that data and model use the same classes, or give `class_index`.",
        )  # fmt: skip
    return labels.astype(np.int64)


def check_column(argument: str, values: Sequence[Any] | np.ndarray, n: int, *, distinct: bool = False) -> np.ndarray:
    """The values as ``object [n]``; TtscaleError unless there are ``n`` of them (all different, if ``distinct``)."""
    column = np.asarray(values, dtype=object)
    n_different = len(set(column.ravel().tolist()))
    if column.shape != (n,) or (distinct and n_different != n):
        raise TtscaleError(
            argument, expected=f"{n} {'different ' if distinct else ''}names",
            got=f"{n_different} different ones in shape {column.shape}",
            fix="Give one name for each" + (", and each of its own." if distinct else "."),
        )  # fmt: skip
    return column


def check_positions(positions: Sequence[int] | np.ndarray, n_items: int) -> np.ndarray:
    """The positions as ``int64 [position]``; TtscaleError unless they are different, in range, and at least one."""
    at = np.asarray(positions)
    if at.ndim != 1 or not at.size or not np.issubdtype(at.dtype, np.integer):
        mask = at.dtype == bool
        raise TtscaleError(
            "positions", expected="a list of at least one whole number", got=f"{at.dtype} of shape {at.shape}",
            fix="Give numpy.flatnonzero(mask)." if mask else "Give for example [0, 1, 2].",
        )  # fmt: skip
    if at.min() < 0 or at.max() >= n_items or len(np.unique(at)) < len(at):
        raise TtscaleError(
            "positions", expected=f"different positions from 0 to {n_items - 1}",
            got=f"{len(np.unique(at))} different ones among {len(at)}, from {at.min()} to {at.max()}",
            fix="Take each item at most once: a repeated item would count as another one.",
        )  # fmt: skip
    return at.astype(np.int64)


def check_log_probs(log_probs: np.ndarray, member: str, item_ids: Sequence[str] | np.ndarray) -> None:
    """Refuse outcomes ``[item, draw, class]`` that are not normalised log-probabilities; names member and item.

    The sum of the probabilities may miss 1 by 1e-3 (float32) or by 2e-2 (float16, whose rounding error of a
    log-probability grows with its size).
    """
    tolerance = 2e-2 if log_probs.dtype == np.float16 else 1e-3
    step = max(1, _ROWS_AT_ONCE // max(1, log_probs.shape[1]))
    for start in range(0, len(log_probs), step):
        with np.errstate(over="ignore"):  # of raw logits, which are refused below
            totals = np.exp(log_probs[start : start + step].astype(np.float32)).sum(-1)
        bad = ~(np.abs(totals - 1) <= tolerance)  # written so that NaN is bad
        if bad.any():
            item, draw = np.argwhere(bad)[0]
            values = log_probs[start + item, draw]
            got = "NaN" if np.isnan(values).any() else f"values whose exponentials sum to {totals[item, draw]:.4g}"
            raise TtscaleError(
                "log_probs", expected="normalised log-probabilities over the classes",
                got=f"{got} for item {item_ids[start + item]!r}, draw {int(draw)} of member {member!r}",
                fix="Give log_softmax of the logits (raw logits cannot be merged), and check the model for NaN.",
            )  # fmt: skip
