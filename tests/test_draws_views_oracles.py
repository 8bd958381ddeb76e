"""Views pixel by pixel against torchvision, ttach, Pillow and numpy, wherever these have the same view."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tvf
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode

from ttscale.draws import keyed
from ttscale.draws.grammar import view_named
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import Step, View, apply_view

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SPACE = PixelSpace.on(torch.device("cpu"), MEAN, STD)
KEYS = torch.from_numpy(keyed.item_keys(f"item{i}" for i in range(6)))
LEVEL = 1 / 255
ROUNDING = 3e-6


def random_pixels(height: int, width: int) -> torch.Tensor:
    """8-bit values in [0, 1], as images have them, with some pixels grey and one image black."""
    levels = torch.randint(0, 256, (6, 3, height, width), generator=torch.Generator().manual_seed(0))
    levels[:, 1:, :3] = levels[:, :1, :3]
    levels[5] = 0
    return levels / 255


@pytest.fixture
def pixels() -> torch.Tensor:
    return random_pixels(24, 32)


def seen(view: str | View, pixels: torch.Tensor) -> torch.Tensor:
    """A view of the normalised images, brought back to pixel values by plain arithmetic."""
    view = view_named(view) if isinstance(view, str) else view
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return apply_view(view, (pixels - mean) / std, SPACE, 0, KEYS) * std + mean


def inside(images: torch.Tensor, margin: int) -> torch.Tensor:
    return images[..., margin:-margin, margin:-margin]


def tolerance(name: str) -> float:
    """A power below 1 enlarges what rounding leaves of black."""
    return LEVEL / 20 if "gamma" in name else ROUNDING


def one_by_one(adjust, values):
    """torchvision's function with another parameter for each item."""
    return lambda x: torch.stack([adjust(image, value) for image, value in zip(x, values, strict=True)])


EQUAL = {
    "identity": lambda x: x,
    "hflip": tvf.horizontal_flip,
    "vflip": tvf.vertical_flip,
    "brightness(1.3)": lambda x: tvf.adjust_brightness(x, 1.3),
    "contrast(0.6)": lambda x: tvf.adjust_contrast(x, 0.6),
    "contrast(1.7)": lambda x: tvf.adjust_contrast(x, 1.7),
    "saturation(0.4)": lambda x: tvf.adjust_saturation(x, 0.4),
    "saturation(2)": lambda x: tvf.adjust_saturation(x, 2),
    "gamma(0.7)": lambda x: tvf.adjust_gamma(x, 0.7),
    "gamma(1.8)": lambda x: tvf.adjust_gamma(x, 1.8),
    "sharpness(0)": lambda x: tvf.adjust_sharpness(x, 0),
    "sharpness(2.5)": lambda x: tvf.adjust_sharpness(x, 2.5),
    "autocontrast": tvf.autocontrast,
    "blur(0.8)": lambda x: tvf.gaussian_blur(x, [7, 7], [0.8, 0.8]),
    "blur(2)": lambda x: tvf.gaussian_blur(x, [13, 13], [2.0, 2.0]),
    "hflip*brightness(0.5)": lambda x: tvf.adjust_brightness(tvf.horizontal_flip(x), 0.5),
    "gamma(2)*vflip*saturation(0.5)": lambda x: tvf.adjust_saturation(tvf.vertical_flip(tvf.adjust_gamma(x, 2)), 0.5),
}


@pytest.mark.parametrize("name", EQUAL)
def test_views_equal_torchvision(pixels, name):
    torch.testing.assert_close(seen(name, pixels), EQUAL[name](pixels), atol=tolerance(name), rtol=0)


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.02, 0.5])
def test_hue_equals_torchvision(pixels, turns):
    """A turn multiplies rounding by six, so a looser bound: still a fortieth of a level."""
    torch.testing.assert_close(seen(f"hue({turns})", pixels), tvf.adjust_hue(pixels, turns), atol=LEVEL / 40, rtol=0)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_solarize_equals_torchvision(threshold):
    pixels = torch.rand(6, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    view = View("solarize", (Step("solarize", (threshold,), (threshold,)),))
    torch.testing.assert_close(seen(view, pixels), tvf.solarize(pixels, threshold), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_posterize_equals_torchvision(bits):
    pixels = torch.rand(6, 3, 24, 32, generator=torch.Generator().manual_seed(2))
    view = View("posterize", (Step("posterize", (bits,), (bits,)),))
    off = (seen(view, pixels) - tvf.posterize(pixels, bits)).abs() > ROUNDING
    assert off.float().mean() < 1e-4  # a value within rounding of a step may fall to the other side


def test_equalize_equals_pillow_exactly(pixels):
    levels = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
    expected = np.stack([np.asarray(ImageOps.equalize(Image.fromarray(image))) for image in levels])
    made = (seen("equalize", pixels) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(made, expected)


def test_quarter_turns_equal_ttach_exactly():
    from ttach.functional import rot90

    x = (random_pixels(24, 24) - SPACE.mean) / SPACE.std
    for turns in range(-2, 4):
        assert torch.equal(apply_view(view_named(f"rotate90({turns})"), x, SPACE, 0, KEYS), rot90(x, turns % 4))


def test_flips_and_brightness_equal_ttach(pixels):
    import ttach

    for name, transform, value in (
        ("hflip", ttach.HorizontalFlip(), True), ("vflip", ttach.VerticalFlip(), True),
        ("brightness(0.7)", ttach.Multiply([0.7]), 0.7),
    ):  # fmt: skip
        expected = transform.apply_aug_image(pixels, **{transform.pname: value})
        torch.testing.assert_close(seen(name, pixels), expected, atol=ROUNDING, rtol=0)


def test_crops_are_ttachs_enlarged():
    """Cut by ttach and enlarged by torch's own interpolation: the same but at the window's border."""
    from ttach.functional import center_crop, crop_lb, crop_lt, crop_rb, crop_rt

    whole = random_pixels(24, 24)
    places = {(0.5, 0.5): center_crop, (0, 0): crop_lt, (1, 0): crop_rt, (0, 1): crop_lb, (1, 1): crop_rb}
    for (x, y), cut in places.items():
        made = seen(f"crop(0.5,{x},{y})", whole)
        expected = torch.nn.functional.interpolate(cut(whole, 12, 12), (24, 24), mode="bilinear")
        torch.testing.assert_close(inside(made, 2), inside(expected, 2), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(("right", "down"), [(3, -2), (-3, 2), (1, 0), (0, 5), (40, 40), (-31, -23)])
def test_shift_moves_content_and_repeats_edges(pixels, right, down):
    padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (40, 40), (40, 40)), mode="edge")
    expected = padded[:, :, 40 - down : 64 - down, 40 - right : 72 - right]
    torch.testing.assert_close(seen(f"shift({right},{down})", pixels), torch.from_numpy(expected), atol=1e-6, rtol=0)


def test_a_shift_of_each_item_is_the_fixed_one(pixels):
    """The gather of random shifts against the slice of fixed ones."""
    whole = {(r, d): seen(f"shift({r},{d})", pixels) for r in (-1, 0, 1) for d in (-1, 0, 1)}
    made = seen("random_shift(1)[0]", pixels)
    for i in range(6):
        assert sum(torch.equal(made[i], moved[i]) for moved in whole.values()) >= 1


def test_crop_equals_torchvision_resized_crop(pixels):
    expected = tvf.resized_crop(pixels, 6, 8, 12, 16, [24, 32], antialias=False)
    made = seen("crop(0.5,0.5,0.5)", pixels)
    torch.testing.assert_close(inside(made, 2), inside(expected, 2), atol=ROUNDING, rtol=0)  # it clamps at the window


def test_rotate_equals_torchvision_inside(pixels):
    expected = tvf.rotate(pixels, 10.0, InterpolationMode.BILINEAR)
    torch.testing.assert_close(inside(seen("rotate(10)", pixels), 7), inside(expected, 7), atol=1e-4, rtol=0)


def test_scale_equals_torchvision_inside(pixels):
    expected = tvf.affine(pixels, 0, [0, 0], 1.25, [0, 0], InterpolationMode.BILINEAR)
    torch.testing.assert_close(seen("scale(1.25)", pixels), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(seen("scale(1.25)", pixels), seen("crop(0.8)", pixels), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(("across", "along"), [(0.2, 0.0), (0.0, -0.15)])
def test_shear_equals_torchvision_inside(pixels, across, along):
    slant = [math.degrees(math.atan(across)), math.degrees(math.atan(along))]
    expected = tvf.affine(pixels, 0, [0, 0], 1.0, slant, InterpolationMode.BILINEAR)
    made = seen(f"shear({across},{along})", pixels)
    torch.testing.assert_close(inside(made, 5), inside(expected, 5), atol=1e-4, rtol=0)


PER_ITEM = {
    "brightness": tvf.adjust_brightness,
    "contrast": tvf.adjust_contrast,
    "saturation": tvf.adjust_saturation,
    "gamma": tvf.adjust_gamma,
    "sharpness": tvf.adjust_sharpness,
    "blur": lambda x, sigma: tvf.gaussian_blur(x, [7, 7], [sigma, sigma]),
}


@pytest.mark.parametrize("transform", PER_ITEM)
def test_a_strength_for_each_item_equals_torchvision_item_by_item(pixels, transform):
    fixed = (3.0,) if transform == "blur" else ()  # the radius
    view = View("v", (Step(transform, (0.5, *fixed), (1.5, *fixed)),))
    drawn = 0.5 + keyed.uniforms(0, KEYS, stream=keyed.VIEWS, variant=view.key)
    assert drawn.std() > 0.1
    expected = one_by_one(PER_ITEM[transform], drawn.tolist())(pixels)
    torch.testing.assert_close(seen(view, pixels), expected, atol=tolerance(transform), rtol=0)


# --- JPEG ---


def photo(height: int, width: int) -> Image.Image:
    """Smooth colours with an edge and a little grain, as in a photograph."""
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 256, (8, 9, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(image).astype(int) + rng.integers(-3, 4, (height, width, 3))
    values[height // 3 : height // 2] = (200, 30, 60)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def by_pillow(image: Image.Image, quality: int) -> np.ndarray:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).astype(float)


@pytest.mark.parametrize("size", [(64, 96), (61, 75)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_is_pillows_to_half_a_level(mode, size):
    image = photo(*size).convert(mode)
    x = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
    x = x[None, None] if mode == "L" else x.permute(2, 0, 1)[None]
    space = PixelSpace.on(torch.device("cpu"), (0.0,), (1.0,))
    for quality in (5, 25, 50, 75, 95, 100):
        expected = by_pillow(image, quality)
        made = apply_view(view_named(f"jpeg({quality})"), x, space, 0, KEYS[:1])[0].permute(1, 2, 0).squeeze(-1) * 255
        off = np.abs(made.numpy() - expected)
        changed = np.abs(np.asarray(image) - expected).mean()
        assert off.mean() < 0.7, quality
        assert off.mean() < 0.15 + 0.15 * changed, quality


def test_each_item_has_a_jpeg_quality_of_its_own():
    pixels = torch.from_numpy(np.array(photo(48, 48))).permute(2, 0, 1)[None].expand(6, -1, -1, -1) / 255
    view = view_named("random_jpeg(10)[0]")
    low, high = view.steps[0].low[0], view.steps[0].high[0]
    qualities = (low + (high - low) * keyed.uniforms(0, KEYS, stream=keyed.VIEWS, variant=view.key)).round().int()
    assert len(set(qualities.tolist())) == 6
    made = seen(view, pixels)
    for i, quality in enumerate(qualities.tolist()):
        torch.testing.assert_close(made[i], seen(f"jpeg({quality})", pixels)[i], atol=ROUNDING, rtol=0)


# --- normalisation ---


@pytest.mark.parametrize("name", ["brightness(1.5)", "jpeg(30)", "hue(0.1)*blur(1)", "noise(0.1)", "policies(3,20)[5]"])
def test_a_view_of_the_normalised_image_is_the_normalised_view_of_the_pixels(pixels, name):
    """Two models of unlike mean and std see the same view of an item: nothing is normalised twice."""
    bare = PixelSpace.on(torch.device("cpu"), (0.0,) * 3, (1.0,) * 3)
    expected = apply_view(view_named(name), pixels, bare, 0, KEYS)
    torch.testing.assert_close(seen(name, pixels), expected, atol=2 * LEVEL if "jpeg" in name else 1e-5, rtol=0)
