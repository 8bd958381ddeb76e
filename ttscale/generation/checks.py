"""What a local generator refuses, each in words."""

from __future__ import annotations

import torch

from ttscale.errors import TtscaleError
from ttscale.generation.request import Request


def checked_length(request: Request, length: int, context: int) -> int:
    """Tokens of the request's prompt and its longest completion.

    Raises:
        TtscaleError: an empty prompt, no limit on the completion, or more tokens than the model's context.
    """
    where, limit = f"prompt of item {request.item_id!r} ({request.variant})", request.decoding.max_tokens
    if not request.prompt.text or not length:
        raise TtscaleError(where, expected="some text", got="an empty prompt", fix="Give the item a question.")
    if limit is None:
        raise TtscaleError(where, expected="a decoding with max_tokens", got="none", fix="Say how many tokens.")
    if length + limit > context:
        raise TtscaleError(
            where, expected=f"at most {context} tokens with its completion",
            got=f"{length} tokens and up to {limit} more",
            fix="Use fewer examples, a shorter question or a smaller max_tokens.",
        )  # fmt: skip
    return length + limit


def check_settings(batch_size: int | None, compile: str | bool, device: torch.device) -> None:
    """Raise for a batch size below 1, and for ``compile`` that is unknown or asks for a GPU that is not there."""
    if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
        raise TtscaleError("batch_size", expected="at least 1", got=repr(batch_size), fix="Give a whole number.")
    if compile not in ("auto", True, False):
        raise TtscaleError("compile", expected="auto, true or false", got=repr(compile), fix="Leave it at auto.")
    if compile is True and device.type != "cuda":
        raise TtscaleError(
            "compile", expected="a CUDA device (decode steps are recorded as CUDA graphs)", got=device.type,
            fix="Leave compile at auto, or give device=cuda.",
        )  # fmt: skip
