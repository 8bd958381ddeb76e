"""timm: and torchvision: models, without a network: names, transforms, class names, local weights, and the hub away."""

from __future__ import annotations

import urllib.error

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image

from ttscale.data.imagenet import imagenet_classes
from ttscale.errors import TtscaleError
from ttscale.models import hub
from ttscale.models.load import load_model


def picture(width: int = 80, height: int = 60) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))


def test_timm_uses_its_own_eval_transform():
    model = load_model("timm:mobilenetv3_small_100.lamb_in1k", pretrained=False)
    config = timm.data.resolve_model_data_config(model.module)
    expected = timm.data.create_transform(**config, is_training=False)(picture())
    assert torch.equal(model.preprocess(picture()), expected)
    assert (model.name, model.spec) == ("mobilenetv3_small_100.lamb_in1k", "timm:mobilenetv3_small_100.lamb_in1k")
    assert (model.n_classes, model.class_names[217]) == (1000, "English springer, English springer spaniel")
    assert model.card["family"] == "mobilenetv3"
    assert model.card["architecture"] == "mobilenetv3_small_100"
    assert "size" not in model.card  # weights of one architecture under two tags are no seeds of one recipe
    assert model.card["pretrained"] is False


def test_timm_input_can_be_changed():
    model = load_model("timm:resnet18", pretrained=False, input_size=(1, 32, 32), mean=[0.5], std=[0.25], n_classes=10)
    assert (model.input_size, model.n_classes, model.class_names) == ((1, 32, 32), 10, None)
    made = model.preprocess(Image.new("RGB", (40, 40), (255, 255, 255)))
    assert made.shape == (1, 32, 32)
    assert torch.allclose(made, torch.tensor(2.0))
    vit = load_model("timm:vit_tiny_patch16_224", pretrained=False, input_size=(3, 96, 96))
    assert vit.input_size == (3, 96, 96)


def test_timm_checkpoint(tmp_path):
    torch.manual_seed(0)
    trained = timm.create_model("resnet18", num_classes=7)
    torch.save(trained.state_dict(), tmp_path / "mine.pth")
    model = load_model("timm:resnet18", checkpoint=str(tmp_path / "mine.pth"), n_classes=7, class_names=list("abcdefg"))
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(model.module(x), trained.eval()(x))
    assert model.card["pretrained"] is True
    with pytest.raises(TtscaleError, match="n_classes"):
        load_model("timm:resnet18", checkpoint=str(tmp_path / "mine.pth"))


def test_an_unreachable_hub_is_one_clear_error_at_once(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "_resolves", lambda host: False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(TtscaleError, match=r"weights of timm:resnet18.*checkpoint=FILE"):
        load_model("timm:resnet18.a1_in1k")
    assert not constants.HF_HUB_OFFLINE


def test_torchvision_uses_the_transforms_of_its_weights():
    model = load_model("torchvision:mobilenet_v3_small", pretrained=False)
    weights = torchvision.models.MobileNet_V3_Small_Weights.DEFAULT
    assert torch.equal(model.preprocess(picture()), weights.transforms()(picture()))
    assert model.mean == pytest.approx((0.485, 0.456, 0.406))
    assert model.n_classes == 1000
    assert model.card["architecture"] == "mobilenet_v3_small" and "size" not in model.card
    small = load_model("torchvision:mobilenet_v3_small", pretrained=False, input_size=(3, 112, 112), n_classes=4)
    assert small.preprocess(picture()).shape == (3, 112, 112)
    assert (small.n_classes, small.class_names) == (4, None)
    assert small.preprocess_key != model.preprocess_key


def test_torchvisions_classes_stand_in_imagenets_order():
    categories = torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"]
    agree = [category.lower() in name.lower() for category, name in zip(categories, imagenet_classes()[1], strict=True)]
    assert np.mean(agree) > 0.97  # a few are spelt another way


def test_torchvision_checkpoint_and_an_unreachable_server(tmp_path, monkeypatch):
    trained = torchvision.models.squeezenet1_1()
    torch.save(trained.state_dict(), tmp_path / "mine.pth")
    model = load_model("torchvision:squeezenet1_1", checkpoint=str(tmp_path / "mine.pth"))
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(model.module(x), trained.eval()(x))

    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no such host")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    with pytest.raises(TtscaleError, match=r"weights of torchvision:squeezenet1_1.*no such host.*checkpoint=FILE"):
        load_model("torchvision:squeezenet1_1")
    with pytest.raises(TtscaleError, match="square"):
        load_model("torchvision:squeezenet1_1", pretrained=False, input_size=(3, 64, 96))
