"""What a module gives for a batch, read as normalised log-probabilities, whatever form it comes in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch

from ttscale.errors import TtscaleError

OUTPUTS = ("logits", "probabilities", "log_probs")
_SUM_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}  # by how much rounding moves the sum of 1,000 classes
_SUM_TOLERANCE_HALF = 1e-2


def scores_in(output: Any) -> torch.Tensor:
    """The tensor ``[batch, class]`` in an output: the output itself, or its ``logits`` (Hugging Face's classifiers).

    Raises:
        TtscaleError: it holds something else; what came is named.
    """
    scores = output
    if isinstance(output, Mapping):
        scores = output.get("logits")
    elif not isinstance(output, torch.Tensor):
        scores = getattr(output, "logits", None)
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2:
        raise TtscaleError(
            "module", expected="logits of shape (batch, class), alone or as `logits` of the output",
            got=describe_output(output),
            fix="Wrap the module so that its forward returns the logits of a classifier alone.",
        )  # fmt: skip
    return scores


def to_log_probs(scores: torch.Tensor, outputs: str) -> torch.Tensor:
    """Normalised log-probabilities, ``float32 [batch, class]``.

    A probability that has been rounded to 0 counts as the smallest normal float32 number (1.2e-38), so that its
    logarithm is finite, as that of a logit is. A row with a value that is no probability (below 0, or above 1 by more
    than rounding), or no logarithm of one, becomes NaN.
    """
    most = 1 + _SUM_TOLERANCE.get(scores.dtype, _SUM_TOLERANCE_HALF)
    scores = scores.float()
    if outputs == "probabilities":
        scores = scores.masked_fill(scores > most, math.nan)
        scores = scores.masked_fill(scores == 0, torch.finfo(torch.float32).tiny).log()
    elif outputs == "log_probs":
        scores = scores.masked_fill(scores > math.log(most), math.nan)
    return torch.log_softmax(scores, -1)


def reorder(log_probs: torch.Tensor, class_order: tuple[int, ...]) -> torch.Tensor:
    """The classes in another order; the order is copied to a device once, so that no batch waits for it."""
    return log_probs.index_select(-1, _order_on(log_probs.device, class_order))


@lru_cache(maxsize=64)
def _order_on(device: torch.device, class_order: tuple[int, ...]) -> torch.Tensor:
    with torch.inference_mode(False):  # kept, and used outside inference too
        return torch.tensor(class_order, device=device)


def look_like_probabilities(scores: torch.Tensor) -> bool:
    """Whether every row ``[class]`` lies in [0, 1] and sums to 1, as after a softmax; ask for several real items."""
    tolerance = _SUM_TOLERANCE.get(scores.dtype, _SUM_TOLERANCE_HALF)
    exact = scores.double()
    inside = bool(((exact >= 0) & (exact <= 1)).all())
    return inside and bool(((exact.sum(-1) - 1).abs() <= tolerance).all())


def check_outputs(scores: torch.Tensor, outputs: str) -> None:
    """Refuse scores that are not the probabilities, or their logarithms, that were declared.

    Raises:
        TtscaleError: rows that say otherwise. NaN passes: it is told later, with the item that it came from.
    """
    if outputs == "logits" or bool(torch.isnan(scores).any()):
        return
    shares = scores.double() if outputs == "probabilities" else scores.double().exp()
    if not look_like_probabilities(shares.to(scores.dtype)):
        sums = ", ".join(f"{total:.4g}" for total in shares.sum(-1)[:3].tolist())
        summed = "rows that sum to" if outputs == "probabilities" else "rows whose exponentials sum to"
        raise TtscaleError(
            "outputs", expected=f"{outputs.replace('_', '-')} from the module",
            got=f"values from {float(scores.min()):.4g} to {float(scores.max()):.4g}, with {summed} {sums}",
            fix="Leave outputs out for logits; scores that are neither (of a sigmoid) need a wrapping module.",
        )  # fmt: skip


def describe_output(output: Any) -> str:
    """What came, in words: ``a tuple of Tensor (2, 10), NoneType``."""
    if isinstance(output, torch.Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, Mapping):
        return f"{type(output).__name__} with {', '.join(map(str, output)) or 'nothing'}"
    if isinstance(output, tuple | list):
        parts = ", ".join(
            f"Tensor {tuple(part.shape)}" if isinstance(part, torch.Tensor) else type(part).__name__ for part in output
        )
        return f"{type(output).__name__} of {parts or 'nothing'}"
    return type(output).__name__
