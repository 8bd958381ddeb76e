"""Images of every mode become the tensor that hand arithmetic gives; keys tell equal preprocessing from unequal."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from callables import Custom, keys, scaled
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

from ttscale.data.image_modes import UnusableImage, to_mode
from ttscale.errors import TtscaleError
from ttscale.models.callable_key import callable_key
from ttscale.models.preprocess import (
    ImagePreprocess,
    ResizeCropNormalise,
    given_preprocessing,
    plain_preprocessing,
    timm_preprocessing,
)


def palette(transparent: bool) -> Image.Image:
    image = Image.new("P", (1, 1), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    if transparent:
        image.info["transparency"] = b"\xff\x00"  # colour 1 is invisible
    return image


def of_png(image: Image.Image) -> Image.Image:
    image.format = "PNG"  # as older versions of Pillow read 16 bits
    return image


HALF_BLACK = 255 - 128  # black with alpha 128 over white

RGB_CASES = {
    "RGB": (Image.new("RGB", (1, 1), (1, 2, 3)), (1, 2, 3)),
    "greyscale": (Image.new("L", (1, 1), 7), (7, 7, 7)),
    "1 bit": (Image.new("1", (1, 1), 1), (255, 255, 255)),
    "palette": (palette(False), (200, 100, 50)),
    "palette, transparent": (palette(True), (255, 255, 255)),
    "alpha": (Image.new("RGBA", (1, 1), (0, 0, 0, 128)), (HALF_BLACK,) * 3),
    "opaque alpha": (Image.new("RGBA", (1, 1), (9, 8, 7, 255)), (9, 8, 7)),
    "greyscale alpha": (Image.new("LA", (1, 1), (0, 128)), (HALF_BLACK,) * 3),
    "16 bit": (Image.fromarray(np.array([[0x8001]], np.uint16)), (128, 128, 128)),
    "32 bit of a 16-bit file": (of_png(Image.fromarray(np.array([[0x8001]], np.int32))), (128, 128, 128)),
    "CMYK": (Image.new("CMYK", (1, 1), (0, 255, 255, 0)), (255, 0, 0)),
}


@pytest.mark.parametrize("case", RGB_CASES)
def test_modes_become_rgb(case: str):
    image, expected = RGB_CASES[case]
    converted = to_mode(image, "RGB")
    assert converted.mode == "RGB"
    assert converted.getpixel((0, 0)) == expected


def test_colour_becomes_greyscale_by_luma():
    assert to_mode(Image.new("RGB", (1, 1), (255, 0, 0)), "L").getpixel((0, 0)) == 76  # 0.299 × 255
    assert to_mode(palette(True), "L").getpixel((0, 0)) == 255


@pytest.mark.parametrize(
    ("kind", "told"), [(np.float32, "mode F: floating-point"), (np.int32, "mode I: integers of 32")]
)
def test_pixels_of_no_known_range_are_refused(kind, told):
    for mode in ("RGB", "L"):
        with pytest.raises(UnusableImage, match=told):
            to_mode(Image.fromarray(np.zeros((1, 1), kind)), mode)


def test_lab_becomes_grey_by_way_of_colour():
    lab = Image.new("LAB", (1, 1), (200, 128, 128))
    colour = to_mode(lab, "RGB")
    assert to_mode(lab, "L").getpixel((0, 0)) == colour.convert("L").getpixel((0, 0)) > 150


def test_plain_preprocessing_by_hand():
    pixels = np.array([[0, 51, 102, 0], [0, 153, 255, 0]], np.uint8)  # 2 high, 4 wide: the middle two columns stay
    made = plain_preprocessing((1, 2, 2), (0.2,), (0.4,)).preprocess(Image.fromarray(pixels))
    assert torch.allclose(made, torch.tensor([[[0.0, 0.5], [1.0, 2.0]]]), atol=1e-6)
    assert made.dtype == torch.float32


def test_plain_preprocessing_keeps_the_aspect():
    wide = Image.new("RGB", (60, 20), (255, 255, 255))
    wide.paste((0, 0, 0), (0, 0, 16, 20))
    made = plain_preprocessing((3, 10, 10), (0,) * 3, (1,) * 3).preprocess(wide)
    assert made.shape == (3, 10, 10)
    assert made.min() == 1  # the black strip is cropped away, not squashed in


def test_a_transform_of_another_shape_is_refused():
    preprocess = ImagePreprocess(transforms.ToTensor(), (3, 8, 8))
    with pytest.raises(TtscaleError, match=r"\(3, 8, 8\).*\(3, 8, 9\)"):
        preprocess(Image.new("RGB", (9, 8)))
    with pytest.raises(TtscaleError, match="PIL image"):
        ResizeCropNormalise((1, 2, 2), (0,), (1,))(torch.zeros(1, 2, 2))


def test_timm_preprocessing_is_timms_own():
    from timm.data import create_transform

    config = {
        "input_size": (3, 32, 32), "interpolation": "bicubic", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6),
        "crop_pct": 0.8, "crop_mode": "center",
    }  # fmt: skip
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70), np.uint8))
    made = timm_preprocessing(config).preprocess(image)
    assert torch.equal(made, create_transform(**config, is_training=False)(image.convert("RGB")))
    assert timm_preprocessing(config).key == timm_preprocessing(dict(reversed(config.items()))).key
    assert timm_preprocessing(config).key != timm_preprocessing({**config, "crop_pct": 0.9}).key


@pytest.mark.parametrize("kit", [transforms, v2])
def test_what_is_not_said_is_read_off_the_users_transform(kit):
    tensor = kit.ToTensor() if kit is transforms else v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    normalise = kit.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    found = given_preprocessing(
        kit.Compose([kit.CenterCrop(12), kit.Compose([tensor, normalise])]), input_size=None, mean=None, std=None
    )
    assert found.input_size == (3, 12, 12)
    assert found.mean == pytest.approx((0.1, 0.2, 0.3))
    assert found.std == pytest.approx((0.4, 0.5, 0.6))
    assert found.preprocess(Image.new("L", (20, 20))).shape == (3, 12, 12)


def test_one_function_with_other_facts_has_another_key():
    def same(image: Image.Image) -> torch.Tensor:
        return torch.zeros(1, 4, 4)

    facts = {"input_size": (1, 4, 4), "mean": (0.0,), "std": (1.0,)}
    changes = ({}, {"input_size": (3, 4, 4)}, {"mean": (0.5,)}, {"std": (0.5,)})
    assert len({given_preprocessing(same, **(facts | change)).key for change in changes}) == len(changes)
    assert given_preprocessing(same, **facts).key == given_preprocessing(same, **facts).key


def test_missing_facts_are_asked_for():
    resize = transforms.Compose([transforms.Resize((4, 4)), transforms.ToTensor()])
    with pytest.raises(TtscaleError, match="mean= and std="):
        given_preprocessing(resize, input_size=None, mean=None, std=None)
    with pytest.raises(TtscaleError, match="input_size="):
        given_preprocessing(lambda raw: raw["pixels"], input_size=None, mean=(0.0,), std=(1.0,))
    with pytest.raises(TtscaleError, match="callable"):
        given_preprocessing("resize", input_size=None, mean=(0.0,), std=(1.0,))


def test_keys_tell_what_callables_do():
    more = transforms.Normalize((0.5,), (0.5,)), transforms.Normalize((0.4,), (0.5,)), torch.relu
    made = [*keys(), *map(callable_key, more)]
    assert len(set(made)) == len(made)
    assert callable_key(scaled(1)) == callable_key(scaled(1))
    assert callable_key(Custom(1)) == callable_key(Custom(1))


def test_keys_are_the_same_in_another_process():
    code = "import callables; print(callables.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=Path(__file__).parent
    )
    assert done.stdout.strip() == str(keys()), done.stderr


def test_preprocessing_can_be_sent_to_workers():
    made = plain_preprocessing((1, 4, 4), (0.5,), (0.5,))
    image = Image.new("L", (4, 4), 100)
    assert torch.equal(pickle.loads(pickle.dumps(made.preprocess))(image), made.preprocess(image))
