"""Costs against hand arithmetic, published counts and each other, with known traps of the counter set on purpose."""

from __future__ import annotations

from threading import Thread

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch._dynamo import eval_frame
from torch.utils import flop_counter

from ttscale.cost.analytic import count_analytic
from ttscale.cost.flops import measure_forward
from ttscale.errors import TtscaleError
from ttscale.models.resnet8 import resnet8

# Multiply-adds by fvcore's convention; FLOPs are twice this. (The project's goldens, measured with attention counted.)
GMACS = {
    ("resnet18", 224): 1.814073344,
    ("resnet50", 224): 4.089184256,
    ("tf_efficientnet_lite0", 224): 0.385187552,
    ("tf_efficientnet_lite2", 260): 0.859736272,
    ("vit_small_patch16_224", 224): 4.598882304,
    ("convnext_tiny", 224): 4.455531264,
}


@pytest.mark.parametrize(("name", "size"), GMACS)
def test_published_counts(name: str, size: int):
    cost = measure_forward(timm.create_model(name), (3, size, size))
    assert cost.flops == pytest.approx(2e9 * GMACS[name, size], rel=1e-9)
    assert cost.analytic_flops == pytest.approx(cost.flops, rel=1e-9)
    assert cost.source == "counter"


@pytest.mark.parametrize("make", [torchvision.models.vit_b_16, lambda: timm.create_model("vit_base_patch16_224")])
def test_attention_counts_whoever_wrote_the_vision_transformer(make):
    cost = measure_forward(make(), (3, 224, 224))
    assert cost.flops == pytest.approx(35.128e9, rel=1e-4)
    assert cost.analytic_flops == cost.flops


def by_hand(*terms: float) -> float:
    """FLOPs of so many multiply-adds."""
    return 2.0 * sum(terms)


LAYERS = {
    "linear": (nn.Linear(5, 7), (5,), by_hand(5 * 7)),
    "convolution": (nn.Conv2d(3, 8, 3, padding=1), (3, 10, 10), by_hand(8 * 100 * 3 * 9)),
    "grouped, strided": (nn.Conv2d(4, 8, (3, 5), stride=2, groups=2), (4, 9, 11), by_hand(8 * 4 * 4 * 2 * 15)),
    "one dimension": (nn.Conv1d(2, 3, 4), (2, 10), by_hand(3 * 7 * 2 * 4)),
    "three dimensions": (nn.Conv3d(1, 2, 2), (1, 3, 3, 3), by_hand(2 * 8 * 8)),
    "transposed": (nn.ConvTranspose2d(3, 5, 2, stride=2), (3, 4, 4), by_hand(3 * 16 * 5 * 4)),
    "encoder layer": (  # 4 projections, scores and weighted sum, 2 feed-forward layers; the fast path would count 0
        nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), (6, 16),
        by_hand(6 * 4 * 16 * 16, 2 * 6 * 6 * 16, 6 * 2 * 16 * 32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_by_hand(name: str):
    module, shape, flops = LAYERS[name]
    cost = measure_forward(module, shape)
    assert (cost.counter_flops, cost.analytic_flops, cost.flops) == (flops, flops, flops)


class Products(nn.Module):
    def forward(self, x):
        y = x @ x.mT
        y = y + torch.einsum("bij,bkj->bik", x, x) + torch.bmm(x, x.mT) + torch.matmul(x, x.mT)
        return torch.baddbmm(y, x, x.mT) + nn.functional.scaled_dot_product_attention(y, y, y)


def test_free_products_by_hand():
    cost = measure_forward(Products(), (4, 3))
    expected = by_hand(5 * 4 * 4 * 3, 2 * 4 * 4 * 4)
    assert (cost.flops, cost.analytic_flops) == (expected, expected)


def test_fused_layers_are_counted_by_the_analytic_count_alone():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    attention = nn.MultiheadAttention(16, 2, batch_first=True).eval()
    x = torch.zeros(1, 6, 16)
    assert torch.backends.mha.get_fastpath_enabled()
    assert count_analytic(lambda: layer(x)) == LAYERS["encoder layer"][2]
    assert count_analytic(lambda: attention(x, x, x)) == by_hand(6 * 4 * 16 * 16, 2 * 6 * 6 * 16)


def test_a_counter_that_misses_an_operator_is_overruled(monkeypatch):
    """As torch 2.13 does with fused attention on the CPU: here its formula for convolutions is taken away."""
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 5))
    honest = measure_forward(module, (3, 8, 8))
    registry = {name: f for name, f in flop_counter.flop_registry.items() if name is not torch.ops.aten.convolution}
    monkeypatch.setattr(flop_counter, "flop_registry", registry)
    cost = measure_forward(module, (3, 8, 8))
    assert cost.counter_flops == by_hand(8 * 36 * 5)
    assert (cost.flops, cost.source) == (honest.flops, "analytic")
    assert cost.uncounted["aten.convolution"] == 1


@pytest.mark.parametrize("how", ["whole", "in place", "a part"])
def test_compiled_modules_are_counted_as_what_they_were(how: str):
    inner = nn.Conv2d(3, 8, 3)
    module = nn.Sequential(torch.compile(inner) if how == "a part" else inner)
    if how == "whole":
        module = torch.compile(module)
    if how == "in place":
        module.compile()
    assert measure_forward(module, (3, 8, 8)).flops == by_hand(8 * 36 * 27)


def test_what_is_not_counted_is_listed():
    cost = measure_forward(resnet8(4), (1, 28, 28))
    assert cost.uncounted["aten._native_batch_norm_legit_no_training"] == 9
    assert cost.uncounted["aten.relu"] == 7
    assert not any("view" in name or "empty" in name for name in cost.uncounted)
    recurrent = measure_forward(nn.LSTM(4, 8), (5, 4))
    assert any("rnn" in name or "lstm" in name for name in recurrent.uncounted)


def test_zoo_flops_by_hand():
    """Width 4: a stem, then blocks of width 4, 8, 16 at 14, 7 and 4 pixels, the last two with a projection."""
    stem = 14**2 * 4 * 9
    first = 14**2 * 2 * 4 * 4 * 9
    second = 7**2 * (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8)
    third = 4**2 * (8 * 16 * 9 + 16 * 16 * 9 + 8 * 16)
    assert measure_forward(resnet8(4), (1, 28, 28)).flops == by_hand(stem, first, second, third, 16 * 10)


def test_bytes_by_hand():
    cost = measure_forward(nn.Linear(4, 3), (4,))
    assert cost.bytes == 4 * (4 + 12 + 3 + 3)  # input, weight, bias, output
    assert measure_forward(nn.Linear(4, 3).double(), (4,)).bytes == 2 * cost.bytes
    assert cost.n_params == 15


def test_shared_parameters_count_once():
    shared = nn.Linear(4, 4)
    assert measure_forward(nn.Sequential(shared, shared), (4,)).n_params == 20


def test_the_module_and_torch_are_left_as_they_were():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4).eval(), nn.Dropout()).train()
    module[1].eval()
    before = [part.training for part in module.modules()]
    state = {name: value.clone() for name, value in module.state_dict().items()}
    measure_forward(module, (4,))
    with pytest.raises(TtscaleError, match=r"without the batch dimension, got \(5,\)"):
        measure_forward(module, (5,))
    assert [part.training for part in module.modules()] == before == [True, True, False, True]
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled()
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


def test_threads_that_count_at_once_leave_the_compiler_as_it_was():
    """What torch compiles is one setting of all threads: two that change and restore it in turns leave it changed."""
    before = eval_frame._stance.stance
    modules = [nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(20)]) for _ in range(8)]
    threads = [Thread(target=measure_forward, args=(module, (3, 64, 64))) for module in modules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert eval_frame._stance.stance == before
