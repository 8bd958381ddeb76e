"""A GGUF file of the tests' tiny language model, written with the `gguf` package alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ttscale.models.language import LanguageModel

PARTS = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def write_gguf(model: LanguageModel, path: Path) -> None:
    """The model's float32 weights and its one-token-a-byte vocabulary, as llama.cpp lays a llama out."""
    import gguf

    config = model.module.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = sorted(model.tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    special = model.tokenizer.all_special_tokens
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token, _ in vocabulary]
    )
    writer.add_token_scores([0.0] * len(vocabulary))  # without merges, readers take the order of merges from these
    writer.add_eos_token_id(model.tokenizer.eos_token_id)
    writer.add_chat_template(model.tokenizer.chat_template)
    for name, tensor in model.module.state_dict().items():
        if name != "lm_head.weight":  # tied
            writer.add_tensor(_name(name), _laid_out(name, tensor.numpy(), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _name(name: str) -> str:
    if name.startswith("model.layers."):
        _, _, layer, part = name.removesuffix(".weight").split(".", 3)
        return f"blk.{layer}.{PARTS[part]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def _laid_out(name: str, weight: np.ndarray, config) -> np.ndarray:
    """llama.cpp keeps the two halves of a head's rotary dimensions interleaved."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    part = name.removesuffix(".weight").rpartition(".")[2]
    if part not in heads:
        return weight
    rows, columns = weight.shape
    return weight.reshape(heads[part], 2, rows // heads[part] // 2, columns).swapaxes(1, 2).reshape(rows, columns)
