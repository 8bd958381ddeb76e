"""Language models: a local one with its tokenizer, or one behind a server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ttscale.models.weights import fingerprint


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """One local member: a causal language model in eval mode and its tokenizer.

    Attributes:
        name: the member's name in Records, unique in a run.
        spec: what :func:`ttscale.load_model` takes to load it again.
        module: a ``transformers`` causal LM.
        tokenizer: its ``transformers`` tokenizer.
        context: most tokens of prompt and completion together.
        card: facts such as ``n_params``, ``train_tokens``, ``licence``, ``source``, ``dequantised_from``.
    """

    name: str
    spec: str
    module: nn.Module
    tokenizer: Any
    context: int
    card: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """SHA-256 over names, shapes, types and bytes of the weights, the vocabulary and the chat template."""
        vocabulary = json.dumps([sorted(self.tokenizer.get_vocab().items()), self.tokenizer.chat_template])
        return fingerprint(self.module, vocabulary)


@dataclass(frozen=True)
class Endpoint:
    """One member behind an OpenAI-compatible server. It holds no key: that is read from the environment when used.

    Attributes:
        name, spec: as in :class:`LanguageModel`.
        url: base address, with its ``/v1``.
        model: the name that the server knows it by.
        n_params: parameters that a token passes, for the FLOPs; None leaves FLOPs unknown.
        key_variable: environment variable that holds the API key.
        concurrency: requests under way at a time. timeout: seconds for one. retries: of a failed one.
        api: ``"auto"`` (chat for prompts that ask for it, else completions), ``"chat"`` or ``"completions"``.
        context: most tokens of prompt and completion together, or None when unknown.
        card: facts, as in :class:`LanguageModel`.
    """

    name: str
    spec: str
    url: str
    model: str
    n_params: float | None = None
    key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 8
    timeout: float = 120.0
    retries: int = 5
    api: str = "auto"
    context: int | None = None
    card: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """SHA-256 over address and model name: what stands behind them cannot be known."""
        return hashlib.sha256(json.dumps([self.url, self.model]).encode()).hexdigest()
