"""Whether a model can take shared attention: it is tried on a few tokens and compared with the model's own forward."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from ttscale.generation.attention import shared_attention
from ttscale.generation.rows import PromptTokens
from ttscale.generation.shared import SharedRunner

TOKENS = 12
KINDS = {"full_attention", "sliding_attention"}
TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}


@torch.inference_mode()
def takes_shared_attention(module: nn.Module, device: torch.device) -> bool:
    """Run a prefix, a prompt behind it and two steps of two rows, and compare logits with one plain forward.

    What shows only at length is asked of the config instead: every layer must be of full or sliding attention, and
    tell the attention function the window that the config gives it.
    """
    whole: Any = module
    config = whole.config.get_text_config(decoder=True)
    kinds = getattr(config, "layer_types", None)
    if not set(kinds or ()) <= KINDS or "logits_to_keep" not in inspect.signature(whole.forward).parameters:
        return False
    tokens = tuple((7 * i + 5) % config.vocab_size for i in range(TOKENS))
    own = whole(input_ids=torch.tensor([tokens], device=device), use_cache=False).logits[0, -3:].float()
    try:
        shared, windows = _shared_logits(whole, device, tokens)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError, LookupError):
        return False
    window = getattr(config, "sliding_window", None)
    expected = [window if kinds is None or kind == "sliding_attention" else None for kind in kinds or windows]
    if not windows or [windows.get(layer) for layer in range(len(expected))] != expected:
        return False
    return bool((shared - own).abs().max() <= TOLERANCE.get(module.dtype, 1e-1) * own.abs().max())  # type: ignore[call-overload]


def _shared_logits(module: nn.Module, device: torch.device, tokens: tuple[int, ...]) -> tuple[Tensor, dict[int, Any]]:
    """Logits at the last three tokens ``[3, vocabulary]``, and the window of each layer that attended."""
    runner = SharedRunner(module, device)
    with shared_attention(module):
        kept, first = runner.prefill([PromptTokens(tokens[:-2], TOKENS // 3, "probe")])
        flight = runner.flight(kept, [0, 0], 2)
        found = [first[0]]
        for at in (TOKENS - 2, TOKENS - 1):
            found.append(flight.step(*(torch.tensor([x, x], device=device) for x in (tokens[at], at)))[1])
    return torch.stack(found), flight.memory.windows
