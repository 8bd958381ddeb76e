"""A small Llama with a tokenizer of single characters, and its folder."""

from __future__ import annotations

from typing import Any

import torch

from ttscale.errors import require
from ttscale.training.language_recipe import LanguageSize

PADDING = "<pad>"
ROPE_BASE = 20.0  # wavelengths up to about the length of a line; the usual 10,000 is for thousands of tokens


def character_tokenizer(characters: str) -> Any:
    """One token a character, in this order, then the padding; a newline ends a text.

    No space is put between tokens, and no special token around a text.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    transformers = _transformers()
    vocabulary = {character: i for i, character in enumerate([*characters, PADDING])}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token=PADDING))
    plain.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    plain.decoder = decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, eos_token="\n", pad_token=PADDING, clean_up_tokenization_spaces=False
    )


def small_llama(size: LanguageSize, tokenizer: Any, *, context: int, seed: int) -> Any:
    """A model with first weights of standard deviation width^-1/2, from torch's generator at ``seed``; float32.

    Its attention is written out in matrix products (``"eager"``), which torch's FLOP counter sees.
    """
    transformers = _transformers()
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=size.width, intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.heads,
        max_position_embeddings=context, tie_word_embeddings=True, initializer_range=size.width**-0.5,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE}, attn_implementation="eager",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.LlamaForCausalLM(config)


def _transformers() -> Any:
    return require("transformers", install="ttscale[lm]", needed_for="language models")
