"""Collection and wrapped plans on a GPU against the CPU: float32 within 2e-3, float16 within 5e-2 of a log-probability.

The tolerances are for networks of a few layers; what is compared beside them is the share of equal decisions.
"""

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from test_deploy_wrap import make_plan

import ttscale as tts

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

DRAWS = "flip * (identity + random_shift(2) + brightness(1.3))"
TOLERANCE = {"float32": 2e-3, "float16": 5e-2}


def collected(out, **options):
    members = (make_model("a", seed=0), make_model("b", seed=1))
    return tts.collect(members, make_data(200), draws=DRAWS, out=out, batch_size=64, progress=False, **options)


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory):
    return collected(tmp_path_factory.mktemp("cpu"), device="cpu")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_outcomes_are_those_of_the_cpu(on_cpu, tmp_path, dtype, compile, channels_last):
    there = collected(tmp_path, device="cuda", dtype=dtype, compile=compile, channels_last=channels_last, workers=4)
    assert there.manifest.config["dtype"] == dtype
    for member in ("a", "b"):
        found, expected = there.log_probs(member), on_cpu.log_probs(member)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE[dtype])
        assert (found.argmax(-1) == expected.argmax(-1)).mean() > 0.97


def test_float16_is_the_default_on_cuda_and_modules_come_back(tmp_path):
    model = make_model()
    records = tts.collect(model, make_data(8), out=tmp_path, device="cuda", progress=False)
    assert records.manifest.config["dtype"] == "float16"
    weights = list(model.module.parameters())
    assert {p.device.type for p in weights} == {"cpu"} and {p.dtype for p in weights} == {torch.float32}


def test_a_batch_that_does_not_fit_is_halved(tmp_path, on_cpu):
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(max(0, free - (96 << 20)), dtype=torch.uint8, device="cuda")
    model = make_model(channels=3, size=224)
    data = make_data(64, size=224, channels=3)
    squeezed = tts.collect(model, data, out=tmp_path / "a", device="cuda", dtype="float32", batch_size=64,
                           progress=False)  # fmt: skip
    del held
    torch.cuda.empty_cache()
    plain = tts.collect(model, data, out=tmp_path / "b", device="cuda", dtype="float32", batch_size=4, progress=False)
    np.testing.assert_allclose(squeezed.log_probs("a"), plain.log_probs("a"), atol=TOLERANCE["float32"])


def test_a_wrapped_plan_decides_on_cuda_without_waiting(on_cpu):
    models = (make_model("a", seed=0), make_model("b", seed=1))
    data = make_data(200)
    draws = [(model.name, variant) for variant in on_cpu.variants for model in models]
    better = tts.wrap(models, make_plan(models, draws, seed=0), device="cuda", dtype="float32")
    x = better.batch([data.load(i) for i in range(len(data))])
    with torch.inference_mode():
        better(x)  # what is made once a device
        torch.cuda.set_sync_debug_mode("error")
        try:
            scores = better(x)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        decided = better.classify(x, data.item_ids).cpu().numpy()
    assert scores.device.type == "cuda"
    expected = tts.wrap(models, make_plan(models, draws, seed=0)).classify(x.cpu(), data.item_ids).numpy()
    assert (decided == expected).mean() > 0.97
