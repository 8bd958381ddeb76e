"""The cost of a language model's tokens: FLOPs and bytes from the shapes of its weights and its attention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

TOLERANCE = 0.01  # relative difference from torch's counter up to which the shapes are believed
PROBE = 8  # tokens of the forward that is counted


@dataclass(frozen=True)
class LanguageCost:
    """FLOPs of a causal language model (1 multiply-add = 2 FLOPs).

    A token costs 2 × the parameters of the matrices that it passes, 2 × the output matrix where its logits are
    computed, and attention 4 × query heads × head size × context in every layer. The context of a prefill is the full
    square (each of its tokens sees all of them; no causal discount), capped by a layer's sliding window. Norms,
    activations and the softmax are not counted.

    Attributes:
        n_params: all parameters, shared ones once.
        body_params: of the matrices that every token passes, the output matrix excluded.
        output_params: of the output matrix, tied to the embedding or not.
        attention: (query heads × head size, window or None) of every layer.
        kv_values: numbers that one token leaves in the caches of all layers.
        source: ``"analytic"`` (the shapes), or ``"counter"`` where torch's FlopCounterMode sees other matrices at work
            than linear layers, and ``body_params`` was taken from it.
    """

    n_params: int
    body_params: float
    output_params: int
    attention: tuple[tuple[int, int | None], ...]
    kv_values: int
    source: str = "analytic"

    @classmethod
    def of(cls, module: nn.Module) -> LanguageCost:
        """Read the shapes of a ``transformers`` causal LM: its linear layers, whatever its architecture, and what its
        config says of attention."""
        whole: Any = module
        config = whole.config.get_text_config(decoder=True)
        output = whole.get_output_embeddings()
        heads = getattr(config, "num_attention_heads", 0)  # none: no layer attends
        size = getattr(config, "head_dim", None) or config.hidden_size // max(heads, 1)
        window = getattr(config, "sliding_window", None)
        kinds = getattr(config, "layer_types", None) if heads else ()
        if kinds is None:
            kinds = ["full_attention" if window is None else "sliding_attention"] * config.num_hidden_layers
        attending = [kind for kind in kinds if kind.endswith("attention") and not kind.startswith("linear")]
        return cls(
            n_params=sum(p.numel() for p in whole.parameters()),
            body_params=sum(m.weight.numel() for m in whole.modules() if _is_linear(m) and m is not output),
            output_params=output.weight.numel(),
            attention=tuple((heads * size, window if kind == "sliding_attention" else None) for kind in attending),
            kv_values=2 * (getattr(config, "num_key_value_heads", None) or heads) * size * len(attending),
        )

    def prefill(self, n_tokens: int, *, cached: int = 0, logits_at: int = 1) -> float:
        """FLOPs of ``n_tokens`` behind ``cached`` ones, with logits at ``logits_at`` of them."""
        context = cached + n_tokens
        seen = sum(width * min(context, window or context) for width, window in self.attention)
        return 2.0 * self.body_params * n_tokens + 2.0 * self.output_params * logits_at + 4.0 * n_tokens * seen

    def decode(self, context: int) -> float:
        """FLOPs of one token with its logits; it sees ``context`` tokens, itself included."""
        return self.prefill(1, cached=context - 1)

    def generate(self, prompt: int, n_tokens: int) -> float:
        """FLOPs of decoding ``n_tokens`` after ``prompt`` ones. The first comes out of the prompt's prefill and the
        last is never fed back, so that n tokens take n − 1 steps."""
        return sum(self.decode(prompt + step) for step in range(1, n_tokens))

    def step_bytes(self, rows: int, context: int, *, shared: int = 0, item_bytes: int = 4) -> float:
        """Least bytes that one decode step reads: every weight once, and the keys and values of each row's context
        (those of its first ``shared`` tokens once for all rows)."""
        cached = self.kv_values * (shared + rows * (context - shared))
        return float(item_bytes * (self.body_params + self.output_params + cached))

    @torch.no_grad()
    def checked(self, module: nn.Module) -> LanguageCost:
        """These costs against torch's operator counter on a short forward of the module itself.

        Where the two differ by more than 1 %, the body is taken from the counter: experts of which a token passes a
        few, or matrices that are no linear layers. A counter that sees less is believed only for mixtures of experts,
        since it counts nothing inside a kernel that it does not know.
        """
        device = next(module.parameters()).device
        tokens = torch.arange(PROBE, device=device)[None]
        with FlopCounterMode(display=False) as counter:
            module(input_ids=tokens, use_cache=False)
        counted, expected = float(counter.get_total_flops()), self.prefill(PROBE, logits_at=PROBE)
        config: Any = module.config
        experts = any("expert" in name for name in config.get_text_config(decoder=True).to_dict())
        low, high = expected * (1 - TOLERANCE), expected * (1 + TOLERANCE)
        if low <= counted <= high or (counted < low and not experts):
            return self
        body = self.body_params + (counted - expected) / (2 * PROBE)
        return replace(self, body_params=body, source="counter")


def _is_linear(layer: nn.Module) -> bool:
    """``nn.Linear`` and its subclasses, and the transposed one that ``transformers`` has for GPT-2."""
    return isinstance(layer, nn.Linear) or type(layer).__name__ == "Conv1D"
