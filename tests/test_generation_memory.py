"""Keys and values in parts: grids, attention over them against torch's own, and buffers whose shapes stand still."""

from types import SimpleNamespace

import pytest
import torch
from language_example import tiny_language_model

from ttscale.generation.attention import attend, reading, shared_attention
from ttscale.generation.memory import Grid, Memory, Part, Stored
from ttscale.generation.packed import PackedLinears, can_pack
from ttscale.generation.placement import placed
from ttscale.generation.rows import PromptTokens
from ttscale.generation.shared import Flight, SharedRunner

CPU = torch.device("cpu")


@pytest.mark.parametrize("groups", [[0, 0, 1, 1], [0, 1, 2], [1, 0, 1, 1, 0], [0, 2, 2, 1, 2]])
def test_a_grid_puts_rows_by_their_group_and_back(groups: list[int]):
    grid = Grid.of(groups, max(groups) + 1, CPU)
    rows = torch.arange(len(groups))[:, None] * torch.ones(1, 3)
    spread = grid.spread(rows)
    assert torch.equal(grid.gather(spread), rows)
    for group in range(max(groups) + 1):
        seated = [row for row, at in enumerate(groups) if at == group]
        assert spread[group, : len(seated), 0].tolist() == seated


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("softcap", [None, 2.0])
def test_attention_over_parts_is_attention_over_the_whole(window: int | None, softcap: float | None):
    """Two prefixes, three prompts of different lengths behind them, five rows with two tokens of their own."""
    torch.manual_seed(0)
    heads, key_heads, size = 4, 2, 8
    module = SimpleNamespace(layer_idx=0)

    def stored(length: int, start: int) -> Stored:
        return Stored((torch.randn(key_heads, length, size),), (torch.randn(key_heads, length, size),), start)

    prefixes = [stored(5, 0), stored(3, 0)]
    prompts = [stored(2, 5), stored(4, 3), stored(1, 5)]
    prefix_of, prompt_of = [0, 0, 1, 0, 1], [0, 0, 1, 2, 1]
    memory = Memory([Part.of(prefixes, prefix_of), Part.of(prompts, prompt_of)], 5, 2, CPU)
    starts = torch.tensor([prompts[one].end for one in prompt_of])
    own: list[tuple[torch.Tensor, torch.Tensor]] = []
    for step in range(2):
        query = torch.randn(5, heads, 1, size)
        key, value = torch.randn(5, key_heads, 1, size), torch.randn(5, key_heads, 1, size)
        own.append((key, value))
        memory.open((starts + step)[:, None])
        memory.update(key, value, 0)
        with reading(memory):
            found, _ = attend(module, query, key, value, scaling=0.3, sliding_window=window, softcap=softcap)
        memory.close()
        for row in range(5):
            past = [prefixes[prefix_of[row]], prompts[prompt_of[row]]]
            keys = torch.cat([*(one.keys[0] for one in past), *(k[row] for k, _ in own)], 1)
            values = torch.cat([*(one.values[0] for one in past), *(v[row] for _, v in own)], 1)
            if window is not None:
                keys, values = keys[:, -window:], values[:, -window:]
            scores = torch.einsum("hd,hnd->hn", query[row, :, 0], keys.repeat_interleave(2, 0)) * 0.3
            if softcap is not None:
                scores = softcap * torch.tanh(scores / softcap)
            expected = torch.einsum("hn,hnd->hd", scores.softmax(-1), values.repeat_interleave(2, 0))
            assert torch.allclose(found[row, 0], expected, atol=1e-5)


class StillFlight(Flight):
    """What a recorded step does, without the recording: the same shapes at every step."""

    def step(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        if self.memory.column is None:
            self.memory.column = torch.tensor([self.memory.used])
        self.memory.column.fill_(self.memory.used)
        return super().step(tokens, positions)


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_a_buffer_whose_shapes_stand_still_gives_the_same_logits(family: str):
    """Also across a regrouping, where a row leaves and a fresh one joins."""
    module = tiny_language_model(family=family).module
    runner = SharedRunner(module, CPU)
    prompts = [PromptTokens(tuple(range(20 + n)), 18, "p") for n in (0, 3)]
    with torch.inference_mode(), shared_attention(module):
        kept, _ = runner.prefill(prompts)
        flights = [runner.flight(kept, [0, 1, 1], 6), runner.flight(kept, [0, 1, 1], 6)]
        flights[1] = StillFlight(runner, flights[1].memory, flights[1].first)
        tokens, positions = torch.tensor([5, 6, 7]), torch.tensor([20, 23, 23])
        for step in range(3):
            grown, still = (flight.step(tokens + step, positions + step) for flight in flights)
            assert torch.allclose(grown, still, atol=1e-5)
        assert flights[1].memory.seen == 6
        joined = [runner.regroup(flight, kept, [0, 1, 1], [0, None, 2], 6) for flight in flights]
        joined[1] = StillFlight(runner, joined[1].memory, joined[1].first)
        positions = torch.tensor([23, 23, 26])
        for step in range(3):
            grown, still = (flight.step(tokens + step, positions + step) for flight in joined)
            assert torch.allclose(grown, still, atol=1e-5)
    with torch.inference_mode():
        whole = module(input_ids=torch.tensor([[*range(23), 6, 7, 8]]), use_cache=False).logits[0, -1]
    assert torch.allclose(grown[1], whole, atol=1e-4)


def test_columns_that_no_row_needs_are_dropped_when_rows_join():
    module = tiny_language_model().module
    runner = SharedRunner(module, CPU)
    with torch.inference_mode(), shared_attention(module):
        kept, _ = runner.prefill([PromptTokens(tuple(range(9)), 0, "")])
        flight = runner.flight(kept, [0], 4)
        for step in range(4):
            flight.step(torch.tensor([step]), torch.tensor([9 + step]))
        joined = runner.regroup(flight, kept, [0, 0], [0, None], 3)
        assert (joined.memory.used, joined.memory.capacity) == (4, 7)
        joined.step(torch.tensor([1, 1]), torch.tensor([13, 9]))
        fresh = runner.regroup(joined, kept, [0], [1], 2)
        assert (fresh.memory.used, fresh.memory.capacity) == (1, 3)


def test_packed_products_are_the_layers_own_and_go_when_the_block_ends():
    module = tiny_language_model().module
    assert can_pack(module)
    packed = PackedLinears(module)
    layer, x = module.model.layers[0].mlp.up_proj, torch.randn(3, 2, 32)
    with torch.inference_mode():
        plain = layer(x)
        with packed.installed():
            assert "forward" in layer.__dict__
            assert torch.allclose(layer(x), plain, atol=1e-6)
            assert torch.allclose(layer(x.transpose(0, 1)), plain.transpose(0, 1), atol=1e-6)
        assert "forward" not in layer.__dict__
        assert torch.equal(layer(x), plain)


def test_packing_is_left_out_where_memory_is_small_or_numbers_are_not_float32(monkeypatch):
    module = tiny_language_model().module
    assert not can_pack(module.bfloat16())
    monkeypatch.setattr("ttscale.generation.packed.os.sysconf", lambda name: 200)
    assert not can_pack(module.float())


def test_a_device_with_and_without_its_number_is_the_same():
    module = tiny_language_model().module
    assert placed(module, torch.device("cpu", 0), torch.float32) is module
    moved = placed(module, torch.device("meta"), torch.float32)
    assert moved is not module
    assert {p.device.type for p in moved.parameters()} == {"meta"}
