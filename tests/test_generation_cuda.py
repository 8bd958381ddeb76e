"""The sampling engine on a GPU: recorded steps against eager ones, bfloat16 against float32, memory that runs out."""

import numpy as np
import pytest
import torch
from language_example import tiny_language_model
from test_generation_local import SHARED, ask, check_scores, generator, run, tokens_of

from ttscale.draws.prompts import Prompt
from ttscale.draws.sampling import Decoding
from ttscale.generation.placement import placed
from ttscale.generation.request import Request

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(params=["llama", "gemma3"])
def model(request):
    return tiny_language_model(family=request.param)


def lengths() -> list[Request]:
    """Completions of several lengths in few seats: rows leave and join, and steps are recorded anew."""
    return [
        Request(f"{i}", "plain", Prompt(SHARED, f"{i} ="), Decoding(0.9, max_tokens=9 + 7 * (i % 3)), (0, 1, 2))
        for i in range(8)
    ]


def test_recorded_steps_are_the_eager_ones(model):
    settings = {"device": "cuda", "dtype": "float32", "batch_size": 6}
    recorded, eager = (generator(model, compile=way, **settings) for way in (True, False))
    assert [made.plan()["decode"] for made in (recorded, eager)] == ["cuda-graph", "eager"]
    found, expected = run(recorded, lengths()), run(eager, lengths())
    same = [a == b for a, b in zip(tokens_of(found), tokens_of(expected), strict=True)]
    assert np.mean(same) >= 0.9  # buffers of another width round otherwise
    check_scores(found, lengths(), model, tolerance=1e-3)


def test_bfloat16_stays_close_to_float32(model):
    made = generator(model, device="cuda", batch_size=16)
    answered = run(made, ask())
    assert (made.plan()["dtype"], made.plan()["attention"]) == ("bfloat16", "shared")
    check_scores(answered, ask(), model, tolerance=0.05)


def test_float32_gives_what_a_cpu_gives(model):
    on_gpu = tokens_of(run(generator(model, device="cuda", dtype="float32"), ask()))
    on_cpu = tokens_of(run(generator(model), ask()))
    assert np.mean([a == b for a, b in zip(on_gpu, on_cpu, strict=True)]) >= 0.9


def test_memory_that_runs_out_on_the_gpu_halves_the_batch(monkeypatch):
    """More than 4 rows at a time ask the allocator for four times what the device has."""
    from ttscale.generation import shared

    made = generator(device="cuda", dtype="float32", batch_size=16)
    expected = tokens_of(run(generator(device="cuda", dtype="float32", batch_size=4), ask()))
    real = shared.SharedRunner.forward

    def forward(self, memory, tokens, *args):
        if len(tokens) > 4:
            torch.empty(torch.cuda.get_device_properties(0).total_memory, dtype=torch.float32, device="cuda")
        return real(self, memory, tokens, *args)

    monkeypatch.setattr(shared.SharedRunner, "forward", forward)
    found = tokens_of(run(made, ask()))
    assert made.plan()["batch_size"] == 4
    assert np.mean([a == b for a, b in zip(found, expected, strict=True)]) >= 0.9


def test_a_module_is_moved_only_to_another_device():
    module = tiny_language_model().module.cuda()
    assert placed(module, torch.device("cuda"), torch.float32) is module
    if torch.cuda.device_count() > 1:
        moved = placed(module, torch.device("cuda", 1), torch.float32)
        assert {p.device.index for p in moved.parameters()} == {1}
