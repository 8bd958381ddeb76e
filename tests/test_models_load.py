"""load_model for a user's own modules and factories, the zoo's folder, and every way of getting the spec wrong."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from ttscale.cost.flops import measure_forward
from ttscale.data.load import load_data
from ttscale.errors import TtscaleError
from ttscale.models import zoo
from ttscale.models.load import expand_specs, load_model
from ttscale.models.resnet8 import resnet8

GREY = {"input_size": (1, 28, 28), "mean": [0.25], "std": [0.5]}


def small(n_classes: int = 10) -> nn.Module:
    torch.manual_seed(3)
    return resnet8(4, n_classes)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A zoo folder of three untrained models."""
    for width, seed in ((4, 0), (4, 1), (16, 0)):
        torch.manual_seed(seed)
        name = f"resnet8-w{width}-s{seed}"
        save_file(resnet8(width).state_dict(), tmp_path / f"{name}.safetensors")
        card = {
            "name": name, "architecture": {"width": width, "n_classes": 10, "in_channels": 1},
            "mean": [0.2], "std": [0.3], "input_size": [1, 28, 28], "class_names": [f"c{i}" for i in range(10)],
            "size": f"resnet8-w{width}", "seed": seed, "n_params": 1, "train_flops": 1e9,
        }  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
    monkeypatch.setattr(zoo, "ZOO_FOLDER", tmp_path)
    return tmp_path


def test_a_module_with_its_preprocessing_given_in_numbers():
    module = small().train()
    model = load_model(module, **GREY, class_names=list("abcdefghij"))
    assert not module.training
    assert (model.name, model.spec, model.n_classes) == ("Sequential", "module:Sequential", 10)
    assert (model.mean, model.std, model.input_size) == ((0.25,), (0.5,), (1, 28, 28))
    assert model.class_names == tuple("abcdefghij")
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    by_hand = (torch.from_numpy(pixels / 255).float()[None] - 0.25) / 0.5
    assert torch.allclose(model.preprocess(Image.fromarray(pixels)), by_hand, atol=1e-6)
    assert model.card["n_params"] == sum(p.numel() for p in module.parameters())


def test_a_module_with_a_callable():
    model = load_model(small(), preprocess=lambda image: torch.ones(1, 28, 28), mean=[0], std=[1], name="mine")
    assert model.name == "mine"
    assert model.input_size == (1, 28, 28)  # found by a blank image


def test_a_timm_module_brings_its_own_config():
    import timm

    module = timm.create_model("resnet18")
    model = load_model(module)
    assert model.input_size == (3, 224, 224)
    assert model.mean == module.pretrained_cfg["mean"]
    assert model.class_names[0] == "tench, Tinca tinca"
    assert model.preprocess_key == load_model("timm:resnet18", pretrained=False).preprocess_key


class Features(nn.Module):
    def forward(self, x):
        return x


def test_modules_that_are_no_classifiers_are_refused():
    with pytest.raises(TtscaleError, match=r"logits of shape.*\(1, 1, 28, 28\)"):
        load_model(Features(), **GREY)
    with pytest.raises(TtscaleError, match="input_size"):
        load_model(small(), input_size=(3, 28, 28), mean=[0] * 3, std=[1] * 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "no input_size, mean, std"),
        ({"input_size": (1, 28, 28), "mean": [0]}, "no std"),
        ({**GREY, "input_size": (28, 28)}, "input_size: expected"),
        ({**GREY, "input_size": (1, 28, 0)}, "at least 1"),
        ({**GREY, "mean": 0.5}, "mean: expected a sequence"),
        ({**GREY, "mean": [0, 0, 0]}, "mean: expected 1 value"),
        ({**GREY, "std": [0]}, "std: expected positive"),
        ({**GREY, "mean": [128]}, r"mean: expected the mean of pixel values in \[0, 1\], got \(128.0,\). Divide"),
        ({**GREY, "std": [64]}, r"std: expected the std of pixel values in \[0, 1\]"),
        ({**GREY, "mean": [math.nan]}, "mean: expected the mean"),
        ({**GREY, "std": [math.inf]}, "std: expected the std"),
        ({**GREY, "class_names": ["a", "b"]}, "class_names: expected 10 names, one per output, got 2"),
        ({**GREY, "n_classes": 7}, "n_classes: expected 10"),
        ({**GREY, "checkpoint": "no/such/file.pth"}, "no file"),
        ({**GREY, "checkpoint": 5}, "checkpoint: expected a path, got 5"),
        ({**GREY, "n_classes": "ten"}, "n_classes: expected an integer"),
        ({**GREY, "name": 5}, "name: expected text"),
        ({**GREY, "pretrained": False}, "pretrained: expected nothing for a module"),
    ],
)
def test_wrong_options_are_named(wrong: dict, message: str):
    with pytest.raises(TtscaleError, match=message):
        load_model(small(), **wrong)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet50", "timm:resnet50"),
        ("tim:resnet50", "Did you mean timm"),
        ("timm:", "SOURCE:NAME"),
        ("timm:resnet_50", "resnet50"),
        ("timm:resnet18.a1_in2k", "resnet18.a1_in1k"),
        ("timm:beit3_giant_patch14_224", "which has none"),
        ("torchvision:resnet19", "resnet18"),
        ("torchvision:resnet18.IMAGENET1K_V3", "IMAGENET1K_V1"),
        ("torchvision:fasterrcnn_resnet50_fpn", "classifiers"),
        ("zoo:nothing", "known name"),
        ("pip:efficientnet-lite7", "efficientnet-lite"),
        ("json:nothing", "importable"),
        ("int8:module:Net", "got 'module:Net'. It names a member made in Python"),
        ("soup:module:Net+module:Net", "make it again and pass it"),
        ("module:soup:zoo:a+zoo:b", "a soup with norms"),
        ("json:JSONDecoder", "nn.Module"),
        (3, "a spec or an nn.Module, got int"),
    ],
)
def test_wrong_specs_are_named(spec, message: str):
    with pytest.raises(TtscaleError, match=message):
        load_model(spec)


def test_addresses_and_paths_are_no_globs():
    specs = ("endpoint:http://[::1]:8000/v1?model=a&n_params=1e6", "hf:/models/a[1]", "gguf:/models/*.gguf")
    assert expand_specs(specs) == specs
    with pytest.raises(TtscaleError, match="a glob of zoo: only"):
        expand_specs("timm:resnet*")


def test_a_factory(tmp_path, monkeypatch):
    (tmp_path / "own_models.py").write_text(
        "from ttscale.models.load import load_model\n"
        "from ttscale.models.resnet8 import resnet8\n"
        "def make(): return resnet8(4)\n"
        "def ready(): return load_model(resnet8(4), input_size=(1, 28, 28), mean=[0], std=[1])\n"
        "def broken(): raise KeyError('weights')\n"
        "def exits(): raise SystemExit(3)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_models", raising=False)
    model = load_model("own_models:make", **GREY)
    assert (model.name, model.spec) == ("make", "own_models:make")
    assert load_model("own_models:ready", name="x").name == "x"
    assert load_model("own_models:make", **GREY, n_classes=10, class_names=list("abcdefghij")).class_names[1] == "b"
    for option in (
        {"class_names": ["a"] * 10}, {"mean": [0.5]}, {"n_classes": 77}, {"checkpoint": "no/such/file"},
        {"pretrained": False}, {"preprocess": len}, {"input_size": (1, 28, 28)}, {"std": [1]},
    ):  # fmt: skip
        with pytest.raises(TtscaleError, match=f"{next(iter(option))}: expected nothing for own_models:ready"):
            load_model("own_models:ready", **option)
    with pytest.raises(TtscaleError, match="pretrained: expected nothing for own_models:make"):
        load_model("own_models:make", **GREY, pretrained=False)
    with pytest.raises(TtscaleError, match="KeyError: 'weights'"):
        load_model("own_models:broken", **GREY)
    (tmp_path / "own_script.py").write_text("import sys\nsys.exit(3)\n")
    for spec in ("own_models:exits", "own_script:make", "own_script.inner:make"):
        with pytest.raises(TtscaleError, match="SystemExit: 3"):
            load_model(spec, **GREY)


def test_checkpoints_load_strictly(tmp_path):
    torch.manual_seed(1)
    state = resnet8(4).state_dict()
    renamed = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 3, "state_dict": renamed}, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    for file in ("a.pth", "a.safetensors"):
        model = load_model(small(), **GREY, checkpoint=str(tmp_path / file))
        assert all(torch.equal(model.module.state_dict()[name], state[name]) for name in state)
    with pytest.raises(TtscaleError, match=r"8\.weight \[10, 16\] for \[5, 16\]"):
        load_model(small(5), **GREY, checkpoint=str(tmp_path / "a.pth"))
    with pytest.raises(TtscaleError, match=r"missing.*left over"):
        other = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(784, 10)))
        load_model(other, **GREY, checkpoint=str(tmp_path / "a.pth"))


def test_files_that_are_not_weights_are_refused(tmp_path):
    torch.save({"model": Features()}, tmp_path / "pickled.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    for file in ("pickled.pth", "text.pth", "text.safetensors", "tensor.pth"):
        with pytest.raises(TtscaleError, match=r"checkpoint: .*" + file):
            load_model(small(), **GREY, checkpoint=str(tmp_path / file))


def test_zoo_models_carry_their_card(shelf):
    model = load_model("zoo:resnet8-w4-s1")
    assert (model.name, model.spec) == ("resnet8-w4-s1", "zoo:resnet8-w4-s1")
    assert model.card["train_flops"] == 1e9
    assert model.class_names[3] == "c3"
    torch.manual_seed(1)
    twin = resnet8(4).eval()
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(model.module(x), twin(x))
    assert model.fingerprint() != load_model("zoo:resnet8-w4-s0").fingerprint()
    assert model.preprocess_key == load_model("zoo:resnet8-w16-s0").preprocess_key
    elsewhere = load_model(f"zoo:{shelf}/resnet8-w4-s1")
    assert elsewhere.fingerprint() == model.fingerprint()


def test_zoo_models_take_a_preprocess_of_the_user(shelf):
    def halves(image: Image.Image) -> torch.Tensor:
        assert image.mode == "L"
        return torch.full((1, 28, 28), 0.5)

    model = load_model("zoo:resnet8-w4-s0", preprocess=halves, mean=[0.5], std=[0.25])
    assert (model.input_size, model.mean, model.std) == ((1, 28, 28), (0.5,), (0.25,))
    assert model.preprocess(Image.new("RGB", (9, 9))).unique().tolist() == [0.5]
    with pytest.raises(TtscaleError, match=r"Give mean= and std="):
        load_model("zoo:resnet8-w4-s0", preprocess=halves)


class Casting(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.to(next(self.inner.parameters()).dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_modules_of_another_type_than_their_input_are_refused_at_load(dtype):
    with pytest.raises(TtscaleError, match=rf"module: expected .*float32 input.*{dtype}.*module\.float"):
        load_model(small().to(dtype), **GREY)
    assert load_model(Casting(small().to(dtype)), **GREY).n_classes == 10


def test_zoo_globs(shelf):
    everything = ("zoo:resnet8-w4-s0", "zoo:resnet8-w4-s1", "zoo:resnet8-w16-s0")  # 4 before 16
    assert expand_specs("zoo:*") == everything
    mixed = expand_specs(["zoo:*-s1", "timm:resnet18", "zoo:*"])
    assert mixed == (everything[1], "timm:resnet18", everything[0], everything[2])
    assert expand_specs(f"zoo:{shelf}/*w16*") == (f"zoo:{shelf}/resnet8-w16-s0",)
    with pytest.raises(TtscaleError, match="resnet8-w4-s0"):
        expand_specs("zoo:vit*")
    with pytest.raises(TtscaleError, match="zoo: only"):
        expand_specs("timm:resnet*")
    with pytest.raises(TtscaleError, match="at least one"):
        expand_specs([])


def test_damaged_zoo_files_are_named(shelf):
    (shelf / "resnet8-w4-s0.json").write_text("{}")
    with pytest.raises(TtscaleError, match="no name, architecture"):
        load_model("zoo:resnet8-w4-s0")
    (shelf / "resnet8-w4-s1.safetensors").unlink()
    with pytest.raises(TtscaleError, match="no file"):
        load_model("zoo:resnet8-w4-s1")
    with pytest.raises(TtscaleError, match="mean: expected nothing"):
        load_model("zoo:resnet8-w16-s0", mean=[0.5])
    with pytest.raises(TtscaleError, match="Did you mean zoo:resnet8-w16-s0"):
        load_model("zoo:resnet8-w16-s7")


@pytest.mark.parametrize("spec", expand_specs("zoo:*"))
def test_shipped_models_are_what_their_cards_say(spec: str):
    model = load_model(spec)
    cost = measure_forward(model.module, model.input_size)
    assert (cost.flops, cost.n_params) == (model.card["flops"], model.card["n_params"])
    assert model.card["train_flops"] > 2 * cost.flops * model.card["images_seen"]  # backward costs about twice forward
    data = load_data("fashion-mnist", limit=200)
    assert model.class_names == data.class_names
    with torch.inference_mode():
        logits = model.module(torch.stack([model.preprocess(data.load(i)) for i in range(len(data))]))
    assert (logits.argmax(-1).numpy() == data.labels).mean() > 0.8


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_a_missing_package_is_told_with_its_install_line(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TtscaleError, match=f"pip install '{package}'"):
        load_model(f"{package}:resnet18", pretrained=False)
