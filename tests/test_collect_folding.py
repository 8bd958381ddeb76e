"""Batch norms fold into convolutions where that is the same function, and nowhere else."""

from dataclasses import replace
from types import MethodType

import numpy as np
import pytest
import timm
import torch
from conftest import make_data, make_model
from test_deploy_wrap import make_plan
from torch import nn

import ttscale as tts
from ttscale.collecting.fast import fast_copy
from ttscale.collecting.folding import folded


def settled(module, *shape):
    """In eval mode, with running statistics and affine weights that are not those of a fresh batch norm."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.running_mean, part.weight, part.bias):
                if values is not None:
                    nn.init.normal_(values)
            if part.running_var is not None:
                nn.init.uniform_(part.running_var, 0.5, 2)
    return module.eval(), torch.randn(3, *shape)


@torch.no_grad()
def check(module, x, n):
    """The copy gives the module's outputs and has ``n`` batch norms less; the module stays."""
    before = {name: value.clone() for name, value in module.state_dict().items()}
    fast, found = folded(module, [x.shape[1:]])
    assert found == n
    with torch.autocast("cpu", enabled=False):
        torch.testing.assert_close(fast(x), module(x), atol=1e-5, rtol=1e-4)
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert (fast is module) == (n == 0)
    return fast


def test_folded_weights_are_those_worked_out_by_hand():
    conv, norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, eps=0.0)
    module = nn.Sequential(conv, norm, nn.Flatten()).eval()
    with torch.no_grad():
        for values, numbers in (
            (conv.weight, (2.0, 3.0)), (conv.bias, (1.0, 0.0)), (norm.weight, (6.0, 1.0)), (norm.bias, (0.5, -1.0)),
            (norm.running_mean, (5.0, 1.0)), (norm.running_var, (4.0, 0.25)),
        ):  # fmt: skip
            values.view(-1).copy_(torch.tensor(numbers))
    fast = check(module, torch.randn(3, 1, 2, 2), 1)
    assert fast[0].weight.flatten().tolist() == [2 * 6 / 2, 3 * 1 / 0.5]
    assert fast[0].bias.tolist() == [(1 - 5) * 3 + 0.5, (0 - 1) * 2 - 1]


@pytest.mark.parametrize(
    ("name", "n"), [("resnet18", 20), ("mobilenetv3_small_050", 34), ("densenet121", 59), ("vit_tiny_patch16_224", 0)]
)  # the first convolution of a DenseNet layer is normed, its input is normed before it
def test_real_architectures(name, n):
    options = {"img_size": 64} if name.startswith("vit") else {}
    check(*settled(timm.create_model(name, num_classes=10, **options), 3, 64, 64), n)


class Pair(nn.Module):
    """A convolution and its batch norm, and what else a subclass does with them."""

    def __init__(self, **norm):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4, **norm)

    def forward(self, x):
        return self.norm(self.conv(x)).mean((2, 3))


class ReadTwice(Pair):
    def forward(self, x):
        y = self.conv(x)
        return (self.norm(y) + y).mean((2, 3))


class CalledTwice(Pair):
    def forward(self, x):
        return self.norm(self.conv(x)).mean((2, 3)) + self.conv(x).sum((2, 3))


class Standardised(Pair):
    def forward(self, x):
        weight = self.conv.weight - self.conv.weight.mean((1, 2, 3), keepdim=True)
        return self.norm(nn.functional.conv2d(x, weight)).mean((2, 3))


class AskedForShape(Pair):
    def forward(self, x):
        y = self.conv(x)
        assert y.shape[1] == 4 and y.size(0) > 0
        return self.norm(y).mean((2, 3))


class KeepsItsConvolution(Pair):
    """Reads the convolution's weights besides: a folded copy would give other outputs."""

    def forward(self, x):
        return self.norm(self.conv(x)).mean((2, 3)) + self.conv.weight.sum()


class Clamped(nn.BatchNorm2d):
    """The affine map on noise, and another function on larger values."""

    def forward(self, x):
        return super().forward(x).clamp(-30, 30)


class AsksForSize(Pair):
    def forward(self, x):
        y = self.conv(x)
        return (self.norm(y) + (y if x.shape[-1] > 6 else 0)).mean((2, 3))


class AsksForValues(Pair):
    def forward(self, x):
        y = self.conv(x)
        return (y if x.mean() > 1 else self.norm(y)).mean((2, 3))


class Transposed(Pair):
    """One pair that cannot be folded beside one that can."""

    def __init__(self):
        super().__init__()
        self.up, self.up_norm = nn.ConvTranspose2d(4, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.up_norm(self.up(self.norm(self.conv(x)))).mean((2, 3))


class ReadsOneWeight(Transposed):
    """The first pair changes what is given; the second does not."""

    def __init__(self):
        super().__init__()
        self.up = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        return super().forward(x) + self.conv.weight.sum()


class Named(Pair):
    """A norm that stands under two names, of which the second one is called."""

    def __init__(self):
        super().__init__()
        self.again = nn.Sequential(self.conv, self.norm)

    def forward(self, x):
        return self.again(x).mean((2, 3))


def clamped():
    module = Pair()
    module.norm = Clamped(4)
    return module


def hooked():
    module = Pair()
    module.norm.register_forward_hook(lambda part, given, out: out + 1)
    return module


def patched():
    """Its forward is an attribute bound to it: the copy's must be bound to the copy."""
    module = Pair()
    module.forward = MethodType(Pair.forward, module)
    return module


@pytest.mark.parametrize(
    ("make", "n"),
    [
        (Pair, 1), (lambda: Pair(affine=False), 1), (AskedForShape, 1), (ReadTwice, 0), (CalledTwice, 0),
        (Standardised, 0), (KeepsItsConvolution, 0), (hooked, 0), (patched, 1),
        (lambda: Pair(track_running_stats=False), 0), (clamped, 0), (Transposed, 1), (ReadsOneWeight, 1), (Named, 1),
    ],
)  # fmt: skip
def test_only_what_is_the_same_function_is_folded(make, n):
    check(*settled(make(), 3, 6, 6), n)


@torch.no_grad()
def test_a_module_that_asks_its_input_is_watched_on_every_size_and_on_real_items():
    sizes, _ = settled(AsksForSize(), 3, 6, 6)
    assert [folded(sizes, shapes)[1] for shapes in ([(3, 6, 6)], [(3, 6, 6), (3, 8, 8)])] == [1, 0]
    values, x = settled(AsksForValues(), 3, 6, 6)
    assert folded(values, [(3, 6, 6)], [x])[1] == 1
    fast, n = folded(values, [(3, 6, 6)], [x, x + 3])
    assert n == 0 and torch.equal(fast(x + 3), values(x + 3))


def test_collection_and_wrapped_plans_fold_what_is_the_same_at_the_sizes_of_their_views(tmp_path):
    module, _ = settled(AsksForSize(), 3, 6, 6)
    model = tts.load_model(module, input_size=(3, 6, 6), mean=(0.5,) * 3, std=(0.2,) * 3, name="a")
    data, options = make_data(6, size=9, channels=3, n_classes=4), {"draws": "size(8)", "progress": False}
    fast = tts.collect(model, data, out=tmp_path / "fast", **options)
    plain = tts.collect(model, data, out=tmp_path / "plain", fold=False, **options)
    np.testing.assert_allclose(fast.log_probs("a"), plain.log_probs("a"), atol=1e-4)
    for views, n in ((["identity"], 1), (["identity", "size(8)"], 0)):
        better = tts.wrap(model, make_plan([model], [("a", view) for view in views]))
        assert sum(isinstance(part, nn.BatchNorm2d) for part in better.modules()) == 1 - n
    bright = replace(
        model, module=settled(AsksForValues(), 3, 6, 6)[0], preprocess=lambda raw: torch.full((3, 6, 6), 2.0)
    )
    options = {"draws": "identity", "progress": False}
    fast = tts.collect(bright, data, out=tmp_path / "b", **options)
    plain = tts.collect(bright, data, out=tmp_path / "c", fold=False, **options)
    assert np.array_equal(fast.log_probs("a"), plain.log_probs("a")) and fast.manifest.config["fold"] == {"a": 0}


def test_what_cannot_be_watched_or_copied_runs_as_it_is():
    class Locked(Pair):
        def __deepcopy__(self, memo):
            raise TypeError("not to be copied")

    check(*settled(Locked(), 3, 6, 6), 0)
    assert folded(Pair().eval(), [(5, 6, 6)])[1] == 0  # an input that it does not take
    assert folded(Pair().half().eval(), [(3, 6, 6)])[1] == 0
    check(nn.Flatten(), torch.randn(3, 3, 6, 6), 0)


def test_the_run_of_a_half_precision_collection_is_folded_too():
    module, x = settled(Pair(), 3, 6, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # whose rounding alone is above the tolerance
        check(module, x, 1)


def test_a_fast_copy_shares_memory_but_can_be_moved_alone():
    model = make_model("a", channels=3)
    fast = fast_copy(model, [model.input_size])
    own, copied = model.module, fast.module
    assert copied[0].weight.is_contiguous(memory_format=torch.channels_last) and own[0].weight.is_contiguous()
    assert copied[8].weight.data_ptr() == own[8].weight.data_ptr() and copied[8].weight is not own[8].weight
    x = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(copied(x), own(x), atol=1e-5, rtol=1e-4)
        copied.double()
        assert own(x).dtype == torch.float32
    assert fast_copy(model, [model.input_size], fold=False, channels_last=False).module is own
