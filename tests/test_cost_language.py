"""FLOPs of a language model: torch's counter on the real module, and arithmetic by hand."""

import pytest
import torch
from language_example import tiny_language_model
from torch.utils.flop_counter import FlopCounterMode

from ttscale.collecting.members import describe
from ttscale.cost.language import LanguageCost


def counted(module, tokens: int, **kwargs) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(input_ids=torch.arange(tokens)[None], **kwargs)
    return float(counter.get_total_flops())


@pytest.fixture(params=["llama", "gemma3"])
def module(request):
    return tiny_language_model(family=request.param).module


def test_prefill_matches_torchs_counter(module):
    cost = LanguageCost.of(module)
    assert counted(module, 16, use_cache=False) == cost.prefill(16, logits_at=16)
    assert counted(module, 16, use_cache=False, logits_to_keep=1) == cost.prefill(16)


def test_prefill_behind_a_cache_and_decode_match_torchs_counter(module):
    cost = LanguageCost.of(module)
    for new in (5, 1):
        with torch.no_grad():
            cache = module(input_ids=torch.arange(10)[None]).past_key_values
        assert counted(module, new, past_key_values=cache, logits_to_keep=1) == cost.prefill(new, cached=10)
    assert cost.decode(11) == cost.prefill(1, cached=10)


def test_by_hand():
    """Width 32, 4 query heads of 8 on 2 key heads, feed-forward 64, two layers, tied output."""
    example = tiny_language_model()
    cost, vocabulary = LanguageCost.of(example.module), len(example.tokenizer)
    layer = 32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 64
    assert cost.body_params == 2 * layer
    assert cost.output_params == 32 * vocabulary
    assert cost.n_params == 2 * layer + 32 * vocabulary + 5 * 32  # five norms
    assert cost.decode(7) == 2 * (2 * layer) + 2 * 32 * vocabulary + 2 * (4 * 4 * 8 * 7)
    assert cost.prefill(3, logits_at=0) == 3 * (2 * 2 * layer + 2 * (4 * 4 * 8 * 3))
    assert cost.generate(10, 3) == cost.decode(11) + cost.decode(12)
    assert cost.generate(10, 1) == 0
    kv = 2 * 2 * 2 * 8  # keys and values, layers, key heads, size
    assert cost.kv_values == kv
    assert cost.step_bytes(5, 30, shared=20) == 4 * (2 * layer + 32 * vocabulary + kv * (20 + 5 * 10))


def test_windows_cap_the_context():
    """Gemma's first layer has a window of 16, its second none; 4 × 4 heads × 8 numbers × context."""
    cost = LanguageCost.of(tiny_language_model(family="gemma3").module)
    assert cost.attention == ((32, 16), (32, None))
    assert cost.decode(40) - cost.decode(39) == 4 * 32
    assert cost.decode(10) - cost.decode(9) == 2 * 4 * 32


def test_a_check_that_agrees_changes_nothing(module):
    cost = LanguageCost.of(module)
    assert cost.checked(module) == cost
    assert cost.source == "analytic"


def test_experts_are_counted_as_a_token_uses_them():
    """Mixtral keeps its experts outside linear layers, and a token passes 2 of 4: the counter tells."""
    from transformers import AutoModelForCausalLM, MixtralConfig

    config = MixtralConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=64,
        sliding_window=None, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32, experts_implementation="eager").eval()
    cost = LanguageCost.of(module).checked(module)
    per_layer = 32 * 32 * 2 + 2 * 32 * 16 + 32 * 4 + 2 * 3 * 32 * 48
    assert cost.source == "counter"
    assert cost.body_params == 2 * per_layer


def test_gpt2_keeps_its_matrices_the_other_way_round():
    from transformers import AutoModelForCausalLM, GPT2Config

    config = GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32, bos_token_id=0, eos_token_id=0)
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    cost = LanguageCost.of(module)
    assert cost.body_params == 2 * 12 * 16 * 16
    assert counted(module, 8, use_cache=False) == cost.prefill(8, logits_at=8)


def test_a_member_moves_the_bytes_of_the_format_that_it_runs_in():
    model = tiny_language_model()
    whole = describe(model).bytes
    assert whole == LanguageCost.of(model.module).step_bytes(1, 1, item_bytes=4)
    assert describe(model, dtype=torch.bfloat16).bytes == whole / 2
