"""Prompts as tokens, and tokens as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ttscale.draws.prompts import Prompt
from ttscale.errors import TtscaleError
from ttscale.models.language import LanguageModel


def encode(model: LanguageModel, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """The tokens of prompts, with the special tokens that the tokenizer or the chat template puts around them.

    Raises:
        TtscaleError: a prompt asks for a chat template and the tokenizer has none.
    """
    tokenizer = model.tokenizer
    if any(prompt.chat for prompt in prompts) and not tokenizer.chat_template:
        raise TtscaleError(
            "chat", expected=f"a tokenizer with a chat template ({model.name})", got="one without",
            fix="Ask in plain text (chat=false), or take an instruction-tuned model.",
        )  # fmt: skip
    encoded: list[tuple[int, ...]] = []
    for prompt in prompts:
        text, special = prompt.text, True
        if prompt.chat:
            message = [{"role": "user", "content": prompt.text}]
            text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
            special = False
        encoded.append(tuple(tokenizer(text, add_special_tokens=special)["input_ids"]))
    return encoded


def common_beginning(sequences: Iterable[Sequence[int]]) -> int:
    """How many first tokens are the same in all sequences; at least one of each is left over. 0 for one sequence."""
    listed = sorted({tuple(sequence) for sequence in sequences})
    if len(listed) < 2:
        return 0
    low, high = listed[0], listed[-1]  # in sorted order, what these two share all share
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return min(same, min(len(sequence) for sequence in listed) - 1)


def end_tokens(model: LanguageModel) -> frozenset[int]:
    """Tokens that end a completion: those of the generation config and of the tokenizer."""
    config: Any = getattr(model.module, "generation_config", None)
    told = getattr(config, "eos_token_id", None)
    ends = [told] if told is None or isinstance(told, int) else list(told)
    return frozenset(end for end in [*ends, model.tokenizer.eos_token_id] if end is not None)


@dataclass
class Reader:
    """Reads generated tokens: text without special tokens, what is no UTF-8 as replacement characters."""

    tokenizer: Any

    def __post_init__(self) -> None:
        self._pieces: dict[int, str] = {}

    def text(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def cut(self, tokens: Sequence[int], stop: tuple[str, ...]) -> str | None:
        """The text before the first stop string, or None when there is none yet."""
        if not stop or not self._may_end(tokens[-1], stop):
            return None
        text = self.text(tokens)
        found = [at for at in (text.find(one) for one in stop) if at >= 0]
        return text[: min(found)] if found else None

    def _may_end(self, token: int, stop: tuple[str, ...]) -> bool:
        """Whether a stop string can end in this token: it holds the string's last character, or part of one.

        A tokenizer may drop spaces around a single token, so a string that ends in one is always looked for.
        """
        if token not in self._pieces:
            self._pieces[token] = self.text([token])
        piece = self._pieces[token]
        return "\ufffd" in piece or any(one[-1] == " " or one[-1] in piece for one in stop)
