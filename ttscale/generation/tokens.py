"""Prompts as tokens, and tokens as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ttscale.draws.prompts import Prompt
from ttscale.errors import TtscaleError
from ttscale.models.language import LanguageModel

SEAMS = ("0", "a", " a", "\n")  # what may follow a text: a tokenizer joins each with its end in another way


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


def beginnings(model: LanguageModel, prompts: Iterable[Prompt]) -> dict[Prompt, tuple[int, ...]]:
    """Per prompt the tokens of its shared text (with what a chat template puts before it) that stay as they are
    whatever text follows. They do not depend on the company that a prompt is asked in; none without a shared text,
    unless it stands in a chat template.
    """
    stem_of = {prompt: replace(prompt, own="") for prompt in prompts}
    found: dict[Prompt, tuple[int, ...]] = {}
    for stem in dict.fromkeys(stem_of.values()):
        first, *others = encode(model, [replace(stem, own=seam) for seam in SEAMS])
        same = min(_agreeing(first, other) for other in others) if stem.shared or stem.chat else 0
        found[stem] = first[:same]
    return {prompt: found[stem] for prompt, stem in stem_of.items()}


def shared_length(tokens: Sequence[int], beginning: Sequence[int]) -> int:
    """How many tokens of a prompt are those of the beginning; one of its own is left over."""
    return min(_agreeing(tokens, beginning), len(tokens) - 1)


def _agreeing(a: Sequence[int], b: Sequence[int]) -> int:
    differs = (i for i, (one, other) in enumerate(zip(a, b, strict=False)) if one != other)
    return next(differs, min(len(a), len(b)))


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
