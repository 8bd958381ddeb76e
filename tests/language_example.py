"""A language model small enough for tests: random weights, one token a byte, real transformers code throughout."""

from __future__ import annotations

import torch

from ttscale.models.language import LanguageModel

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def tiny_tokenizer(*, chat: bool = True, pad: bool = True):
    """One token a byte, then ``<|im_start|>``, ``<|im_end|>`` (end of text) and, if asked for, ``<|pad|>``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    plain.decoder = decoders.ByteLevel()
    special = {"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, **special, **({"pad_token": "<|pad|>"} if pad else {}))
    tokenizer.chat_template = CHAT if chat else None
    return tokenizer


def tiny_language_model(
    name: str = "tiny", *, seed: int = 0, context: int = 512, chat: bool = True, pad: bool = True, family: str = "llama"
) -> LanguageModel:
    """Two layers, 4 query heads on 2 key-value heads, width 32; ``family`` is ``llama`` or ``gemma3`` (sliding
    windows)."""
    from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig

    tokenizer = tiny_tokenizer(chat=chat, pad=pad)
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": context,
        "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    if family == "gemma3":
        config = Gemma3TextConfig(**sizes, sliding_window=16, layer_types=["sliding_attention", "full_attention"])
    else:
        config = LlamaConfig(**sizes, initializer_range=0.3)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    return LanguageModel(name, f"tests:{name}", module, tokenizer, context)
