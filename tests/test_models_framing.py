"""Frames of raw images against the libraries' own transforms, torchvision's TenCrop, and arithmetic by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from ttscale.draws.frames import OWN, Frame
from ttscale.draws.grammar import views
from ttscale.errors import TtscaleError
from ttscale.models.load import load_model
from ttscale.models.module import Options
from ttscale.models.preprocess import Preprocessing, plain_preprocessing, timm_preprocessing
from ttscale.models.torchvision_models import weights_preprocessing

HALF = (0.5, 0.5, 0.5)
TIMM = {
    "input_size": (3, 48, 48), "interpolation": "bicubic", "mean": HALF, "std": (0.2, 0.3, 0.4), "crop_pct": 0.875,
    "crop_mode": "center",
}  # fmt: skip
EVERYWHERE = [view.frame for view in views("10crop + windows(.7, 2) + sizes(40, 64) + window(.5, 1, 0, 20)")]


def torchvision_preset(**changes) -> Preprocessing:
    import torchvision

    options = Options(**{"input_size": (3, 48, 48), **changes})
    return weights_preprocessing(torchvision.models.ResNet18_Weights.DEFAULT, options)


MAKERS = {
    "timm": lambda: timm_preprocessing(TIMM),
    "timm, 0.9": lambda: timm_preprocessing({**TIMM, "crop_pct": 0.9, "interpolation": "bilinear"}),
    "timm, no crop": lambda: timm_preprocessing({**TIMM, "crop_pct": 1.0}),
    "torchvision": torchvision_preset,
    "plain": lambda: plain_preprocessing((3, 48, 48), HALF, HALF),
    "plain, grey": lambda: plain_preprocessing((1, 28, 28), (0.3,), (0.4,)),
    "timm, not square": lambda: timm_preprocessing({**TIMM, "input_size": (3, 48, 40)}),
    "plain, not square": lambda: plain_preprocessing((3, 40, 48), HALF, HALF),
}


def image(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


RAW = (image(101, 70), image(61, 90), image(48, 48), image(30, 31), image(28, 28, "L"), image(57, 80, "RGBA"))


@pytest.mark.parametrize("maker", MAKERS)
def test_the_own_frame_is_the_models_preprocess_to_the_bit(maker):
    made = MAKERS[maker]()
    windows = [frame for frame in EVERYWHERE if frame.size is None or "not square" not in maker]
    for raw in RAW:
        expected = made.preprocess(raw)
        assert torch.equal(made.frames([OWN])(raw)[0], expected)
        tensors = made.frames(windows)(raw)
        assert windows[0] == OWN and torch.equal(tensors[0], expected)
        for frame, tensor in zip(windows, tensors, strict=True):
            side = made.input_size[1:] if frame.size is None else (frame.size, frame.size)
            assert tensor.shape == (made.input_size[0], *side) and tensor.dtype == torch.float32


@pytest.mark.parametrize("maker", ["timm", "torchvision", "plain"])
def test_ten_crop_is_torchvisions_on_the_resized_image(maker):
    """Short side 256 for 224 (Krizhevsky et al. 2012, He et al. 2016), here 64 for 56; other models' shares are not
    theirs: timm's 0.9 and torchvision's 232 stay with the plain view."""
    size = {"input_size": (3, 56, 56)}
    made = {
        "timm": lambda: timm_preprocessing({**TIMM, **size, "crop_pct": 0.9}),
        "torchvision": lambda: torchvision_preset(**size),
        "plain": lambda: plain_preprocessing(size["input_size"], HALF, HALF),
    }[maker]()
    mode = transforms.InterpolationMode.BICUBIC if maker == "timm" else transforms.InterpolationMode.BILINEAR
    finish = transforms.Compose([transforms.ToTensor(), transforms.Normalize(made.mean, made.std)])
    crops = views("10crop").views[1:]
    frames = list(dict.fromkeys(view.frame for view in crops))
    for raw in (image(48, 48), image(70, 101), image(128, 64)):
        by_frame = dict(zip(frames, made.frames(frames)(raw), strict=True))
        tensors = [by_frame[view.frame].flip(-1) if view.steps else by_frame[view.frame] for view in crops]
        if maker == "plain":  # it rounds the longer side where torchvision cuts
            resized = made.preprocess.transform.resized((64, 64), raw)
        else:
            resized = transforms.Resize(64, mode)(raw)
        theirs = [finish(crop) for crop in transforms.TenCrop(56)(resized)]
        # theirs: left top, right top, left bottom, right bottom, centre; then those of the mirrored image
        straight, mirrored = [theirs[i] for i in (4, 0, 1, 2, 3)], [theirs[i] for i in (9, 6, 5, 8, 7)]
        centre_is_mirrored = (resized.width - 56) % 2 == 0  # else the mirrored centre is cut a pixel further
        for i, (one, other) in enumerate(zip(tensors, straight + mirrored, strict=True)):
            assert torch.equal(one, other) or (i == 5 and not centre_is_mirrored), i


@pytest.mark.parametrize("raw", RAW[:3])
def test_another_size_is_the_model_loaded_at_that_size(raw):
    size = 40
    for made, other in (
        (timm_preprocessing(TIMM), timm_preprocessing({**TIMM, "input_size": (3, size, size)})),
        (torchvision_preset(), torchvision_preset(input_size=(3, size, size))),
        (plain_preprocessing((3, 48, 48), HALF, HALF), plain_preprocessing((3, size, size), HALF, HALF)),
    ):
        assert torch.equal(made.frames([Frame(size=size)])(raw)[0], other.preprocess(raw))


def test_windows_by_hand():
    """An image 4 high and 8 wide; half the short side is a window of 2, cut from the image as it is."""
    pixels = np.arange(32, dtype=np.uint8).reshape(4, 8)
    made = plain_preprocessing((1, 2, 2), (0,), (1,)).frames
    assert made is not None
    cut = made([Frame(0.5, 0, 0), Frame(0.5, 1, 0), Frame(0.5, 0, 1), Frame(0.5), Frame(1.0, 1, 1, 4)])
    tensors = [(tensor[0] * 255).round().int().tolist() for tensor in cut(Image.fromarray(pixels))]
    assert tensors[0] == [[0, 1], [8, 9]]
    assert tensors[1] == [[6, 7], [14, 15]]
    assert tensors[2] == [[16, 17], [24, 25]]
    assert tensors[3] == [[11, 12], [19, 20]]
    assert tensors[4] == pixels[:, 4:].tolist()


@pytest.mark.parametrize("maker", ["timm", "torchvision", "plain"])
def test_the_image_is_resized_once_for_each_size(maker, monkeypatch):
    sizes = []
    resize = Image.Image.resize

    def counted(self, size, *more, **options):
        sizes.append(size)
        return resize(self, size, *more, **options)

    monkeypatch.setattr(Image.Image, "resize", counted)
    MAKERS[maker]().frames(EVERYWHERE)(image(201, 150))
    assert len(sizes) == len(set(sizes)) >= 5


def test_what_cannot_be_framed_is_refused_in_words():
    squashed = timm_preprocessing({**TIMM, "crop_mode": "squash"})
    assert torch.equal(squashed.frames([OWN])(RAW[0])[0], squashed.preprocess(RAW[0]))
    with pytest.raises(TtscaleError, match=r"draws.*squash.*crops"):
        squashed.frames([OWN, Frame(0.875)])
    for maker in ("timm, not square", "plain, not square"):
        with pytest.raises(TtscaleError, match=r"draws.*not square"):
            MAKERS[maker]().frames([Frame(size=32)])
    for maker, share in itertools.product(("timm", "torchvision", "plain"), (1e-320, 48 / 8193)):
        with pytest.raises(TtscaleError, match=r"draws.*at most 8192 pixels.*48 pixels wide"):
            MAKERS[maker]().frames([Frame(share)])
    with pytest.raises(TtscaleError, match=r"preprocess.*PIL image"):
        MAKERS["plain"]().frames([Frame(0.9)])(np.zeros((4, 4), np.uint8))


def test_loaded_models_have_frames_and_own_callables_have_none():
    model = load_model("zoo:resnet8-w8-s0")
    raw = image(28, 28, "L")
    assert model.frames is not None and torch.equal(model.frames([OWN, Frame(0.8)])(raw)[0], model.preprocess(raw))
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    own = load_model(net, preprocess=transforms.ToTensor(), input_size=(3, 2, 2), mean=(0,) * 3, std=(1,) * 3)
    assert own.frames is None
