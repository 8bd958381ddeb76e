"""Numeric variants: rounding and pruning against arithmetic by hand and against torch's own, and torchao's integers."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm

import ttscale as tts
from ttscale.errors import TtscaleError
from ttscale.models.load import expand_specs, load_model
from ttscale.models.numeric import numeric
from ttscale.models.weights import count_bytes, is_wrapper

ZOO = "zoo:resnet8-w4-s0"
VECTORS = {"input_size": (1, 2, 2), "mean": [0.0], "std": [1.0]}


def two_layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def kernels_of(module: nn.Module) -> dict[str, np.ndarray]:
    return {n: p.detach().double().numpy() for n, p in module.named_parameters() if p.ndim > 1}


def test_bf16_cuts_every_weight_and_statistic_to_sixteen_bits():
    plain = make_model()
    rounded = numeric(plain, "bf16")
    for name, tensor in plain.module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        bits = tensor.numpy().view(np.uint32).astype(np.uint64)
        nearest_even = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
        np.testing.assert_array_equal(rounded.module.state_dict()[name].numpy(), nearest_even, err_msg=name)
    assert rounded.card["weight_bytes"] * 2 == count_bytes(plain.module)
    assert next(rounded.module.parameters()).dtype == torch.float32


def test_bf16_leaves_a_layer_that_works_in_doubles_a_double():
    class Doubles(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2, bias=False).double()

        def forward(self, x):
            return self.head(x.flatten(1).double())

    plain = load_model(Doubles(), **VECTORS)
    rounded = numeric(plain, "bf16")
    assert rounded.module.head.weight.tolist() == plain.module.head.weight.bfloat16().tolist()
    assert rounded.card["weight_bytes"] == 16
    assert rounded.module(torch.ones(1, 1, 2, 2)).dtype == torch.float64


def test_int8_keeps_one_scale_an_output_channel_and_at_most_255_levels():
    plain = make_model()
    rounded = numeric(plain, "int8")
    n_bytes = count_bytes(plain.module)
    for name, weight in kernels_of(plain.module).items():
        got = kernels_of(rounded.module)[name]
        scale = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True) / 127
        np.testing.assert_allclose(got, np.round(weight / scale) * scale, atol=1.01 * scale.max() * 1e-4)
        assert (np.abs(got - weight) <= scale * 0.5001).all()
        fake = torch.fake_quantize_per_channel_affine(
            torch.from_numpy(weight).float(), torch.from_numpy(scale.ravel()).float(),
            torch.zeros(len(weight), dtype=torch.int32), 0, -127, 127,
        )  # fmt: skip
        assert (np.abs(got - fake.double().numpy()) > 1e-6).mean() < 1e-3  # halves may round either way
        n_bytes += weight.size + 4 * len(weight) - 4 * weight.size
    assert rounded.card["weight_bytes"] == n_bytes
    for name, parameter in plain.module.named_parameters():
        if parameter.ndim == 1:
            assert torch.equal(parameter, rounded.module.get_parameter(name)), name


def test_a_channel_of_zeros_stays_one():
    module = two_layers()
    with torch.no_grad():
        module[1].weight[1] = 0
    assert numeric(load_model(module, **VECTORS), "int8").module[1].weight[1].tolist() == [0.0] * 4


def test_pruning_takes_the_smallest_weights_of_the_whole_network():
    plain = load_model(two_layers(), **VECTORS)
    twin = copy.deepcopy(plain.module)
    prune.global_unstructured([(twin[1], "weight"), (twin[3], "weight")], prune.L1Unstructured, amount=1 / 3)
    pruned = numeric(plain, "prune33.33")
    for layer in (1, 3):
        assert torch.equal(pruned.module[layer].weight, twin[layer].weight)
    kept = 18 - 6
    assert pruned.card["weight_bytes"] == 4 * kept + 2 + 1 + 4 * 5  # a bit for each of 12 and 6 places; five biases
    assert (pruned.card["format"], pruned.card["how"]) == ("prune33.33", "prune 33.33%")


@pytest.mark.parametrize("format", ["bf16", "int8", "prune50"])
def test_a_variant_is_a_member_of_its_own_that_its_spec_loads_again(format):
    plain, model = load_model(ZOO), load_model(f"{format}:{ZOO}")
    assert (model.name, model.spec) == (f"resnet8-w4-s0-{format}", f"{format}:{ZOO}")
    assert (model.card["size"], model.card["of"]) == (f"resnet8-w4 {format}", "resnet8-w4")
    assert model.fingerprint() == numeric(plain, format).fingerprint() != plain.fingerprint()
    assert model.card["weight_bytes"] < plain.card["weight_bytes"]
    assert load_model(f"{format}:{ZOO}", name="x").name == "x"
    assert plain.fingerprint() == load_model(ZOO).fingerprint()  # which numeric has not changed
    data = tts.load_data("fashion-mnist", limit=200)
    with torch.inference_mode():
        x = torch.stack([plain.preprocess(data.load(i)) for i in range(len(data))])
        same = (plain.module(x).argmax(-1) == model.module(x).argmax(-1)).double().mean()
    assert same > {"bf16": 0.98, "int8": 0.96, "prune50": 0.7}[format]


def test_a_glob_gives_each_of_its_models_in_the_format():
    assert expand_specs("int8:zoo:resnet8-w4-s[01]") == ("int8:zoo:resnet8-w4-s0", "int8:zoo:resnet8-w4-s1")


@pytest.mark.parametrize("spec", [f"int8:prune50:{ZOO}", f"prune50:int8:{ZOO}", f"bf16:bf16:{ZOO}"])
def test_a_format_of_a_format_is_refused_since_its_bytes_are_not_known(spec):
    with pytest.raises(TtscaleError, match=r"got resnet8-w4-s0-\w+ in \w+\. Make each variant of the plain model"):
        load_model(spec)


def test_pruning_too_little_to_save_a_byte_costs_none():
    """One of 18 weights: a mask of 2 bytes frees 4 in the larger tensor; in the smaller one nothing is 0."""
    plain = load_model(two_layers(), **VECTORS)
    smallest = min((p.abs().min().item(), name) for name, p in plain.module.named_parameters() if p.ndim > 1)
    masks = {"1.weight": 2, "3.weight": 1}
    pruned = numeric(plain, "prune5")
    assert pruned.card["weight_bytes"] == plain.card["weight_bytes"] - 4 + masks[smallest[1]]
    large = nn.Sequential(nn.Flatten(), nn.Linear(4, 64), nn.Linear(64, 2))
    assert numeric(load_model(large, **VECTORS), "prune0.2").card["weight_bytes"] <= 4 * (384 + 66)


@pytest.mark.parametrize("format", ["int8", "prune50", "bf16"])
@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm, spectral_norm])
def test_weights_that_the_module_computes_are_refused(format, norm):
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), norm(nn.Linear(3, 2)))
    with pytest.raises(TtscaleError, match=r"1 layers of Sequential that compute theirs, such as 2\..*remove_param"):
        numeric(load_model(module, **VECTORS), format)


def test_a_network_without_kernels_has_nothing_to_round():
    plain = load_model(nn.Sequential(nn.Flatten(), nn.LayerNorm(4)), **VECTORS)
    for format in ("int8", "prune50"):
        with pytest.raises(TtscaleError, match=r"kernels or matrices.*got Sequential without one.*Use bf16"):
            numeric(plain, format)
    assert numeric(plain, "bf16").card["weight_bytes"] == 16


def test_a_run_of_plain_and_rounded_members_keeps_their_sizes_apart(tmp_path):
    members = [load_model(spec) for spec in (ZOO, "zoo:resnet8-w4-s1", f"int8:{ZOO}")]
    records = tts.collect(members, tts.load_data("fashion-mnist", limit=40), out=tmp_path, progress=False)
    sizes = [member.card["size"] for member in records.members]
    assert sizes == ["resnet8-w4", "resnet8-w4", "resnet8-w4 int8"]
    assert records.members[2].card["weight_bytes"] < records.members[0].card["weight_bytes"]


def test_a_plan_loads_its_rounded_member_again(tmp_path):
    data = tts.load_data("fashion-mnist", limit=60)
    model = load_model("int8:zoo:resnet8-w4-s0")
    records = tts.collect(model, data, draws="flip", out=tmp_path, progress=False, device="cpu")
    plan = tts.plan(records, max_flops=1.5 * records.members[0].flops)  # a single view
    better = tts.wrap(None, plan)
    images = torch.stack([better.preprocess(data.load(i)) for i in range(len(data))])
    expected = records.log_probs(model.name)[:, 0].argmax(-1)
    assert better.classify(images, data.item_ids).tolist() == expected.tolist()


@pytest.mark.parametrize("format", ["prune0", "prune100", "prune", "int4", 8])
def test_unknown_formats_are_refused(format):
    with pytest.raises(TtscaleError, match=r"format: expected one of bf16, int8.*share in per cent"):
        numeric(make_model(), format)


def test_language_models_are_refused_in_words():
    with pytest.raises(TtscaleError, match=r"classifier.*got Endpoint.*GGUF"):
        load_model("int8:endpoint:http://localhost:1/v1?model=a")


@pytest.fixture(scope="module")
def transformer():
    import timm

    torch.manual_seed(0)
    module = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=10, in_chans=1)
    return replace(make_model("vit", size=32), module=module.eval(), input_size=(1, 32, 32))


def test_torchao_holds_and_multiplies_integers(transformer, tmp_path):
    pytest.importorskip("torchao")
    model = numeric(transformer, "torchao-int8")
    weight = model.module.get_parameter("blocks.0.attn.qkv.weight")
    assert is_wrapper(weight) and weight.qdata.dtype == torch.int8
    assert model.card["weight_bytes"] < 0.4 * count_bytes(transformer.module)
    assert model.fingerprint() == numeric(transformer, "torchao-int8").fingerprint() != transformer.fingerprint()
    other = copy.deepcopy(transformer.module)
    with torch.no_grad():
        other.get_parameter("blocks.0.attn.qkv.weight").mul_(2)  # changes the scales alone
    assert numeric(replace(transformer, module=other), "torchao-int8").fingerprint() != model.fingerprint()
    records = tts.collect([transformer, model], make_data(8, size=32), out=tmp_path, progress=False, device="cpu")
    plain, rounded = (np.exp(records.log_probs(member.name)) for member in records.members)
    assert 0 < np.abs(plain - rounded).max() < 0.05
    assert records.members[1].flops == records.members[0].flops
    with pytest.raises(TtscaleError, match="in torchao-int8"):
        numeric(model, "int8")


def test_torchao_refuses_convolutions_and_says_what_serves_them():
    pytest.importorskip("torchao")
    with pytest.raises(TtscaleError, match=r"linear layers.*160 of 4,9\d\d in Sequential.*Use int8"):
        numeric(make_model(), "torchao-int8")
