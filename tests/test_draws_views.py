"""Views against torchvision and numpy, and the language that names them."""

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tvf
from torchvision.transforms import InterpolationMode

from ttscale.draws import keyed
from ttscale.draws.grammar import view_named, views
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import apply_view
from ttscale.errors import TtscaleError

SPACE = PixelSpace.on(torch.device("cpu"), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
KEYS = torch.from_numpy(keyed.item_keys(f"item{i}" for i in range(6)))


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.rand(6, 3, 24, 32, generator=torch.Generator().manual_seed(0))


def seen(name: str, pixels: torch.Tensor) -> torch.Tensor:
    """A view of pixel-space images, back in pixel space."""
    normalised = (pixels - SPACE.mean) / SPACE.std
    return SPACE.to_pixels(apply_view(view_named(name), normalised, SPACE, 0, KEYS))


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("identity", lambda x: x),
        ("hflip", tvf.horizontal_flip),
        ("vflip", tvf.vertical_flip),
        ("brightness(1.3)", lambda x: tvf.adjust_brightness(x, 1.3)),
        ("contrast(0.6)", lambda x: tvf.adjust_contrast(x, 0.6)),
        ("hflip*brightness(0.5)", lambda x: tvf.adjust_brightness(tvf.horizontal_flip(x), 0.5)),
    ],
)
def test_views_equal_torchvision(pixels, name, oracle):
    torch.testing.assert_close(seen(name, pixels), oracle(pixels), atol=2e-6, rtol=0)


def test_shift_moves_content_and_repeats_edges(pixels):
    padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (5, 5), (5, 5)), mode="edge")
    torch.testing.assert_close(
        seen("shift(3,-2)", pixels), torch.from_numpy(padded[:, :, 7:31, 2:34]), atol=2e-6, rtol=0
    )


def test_crop_equals_torchvision_resized_crop(pixels):
    expected = tvf.resized_crop(pixels, 6, 8, 12, 16, [24, 32], antialias=False)
    inner = (
        slice(None),
        slice(None),
        slice(2, -2),
        slice(2, -2),
    )  # the oracle clamps at the window's edge, not the image's
    torch.testing.assert_close(seen("crop(0.5,0.5,0.5)", pixels)[inner], expected[inner], atol=3e-6, rtol=0)


def test_rotate_equals_torchvision_inside(pixels):
    expected = tvf.rotate(pixels, 10.0, InterpolationMode.BILINEAR)
    inner = (slice(None), slice(None), slice(7, -7), slice(7, -7))
    torch.testing.assert_close(seen("rotate(10)", pixels)[inner], expected[inner], atol=1e-4, rtol=0)


def test_scale_up_is_a_centre_crop(pixels):
    torch.testing.assert_close(seen("scale(1.25)", pixels), seen("crop(0.8)", pixels), atol=3e-6, rtol=0)


def test_photometric_views_stay_in_the_pixel_range(pixels):
    bright = seen("brightness(5)", pixels)
    assert bright.max() <= 1 + 1e-6 and bright.min() >= -1e-6


def test_memory_format_is_kept(pixels):
    x = pixels.contiguous(memory_format=torch.channels_last)
    for name in views("flip * shifts(1) + 5crop + rotations(3) + contrast(1.1)").names:
        assert apply_view(view_named(name), x, SPACE, 0, KEYS).is_contiguous(memory_format=torch.channels_last), name


def test_random_views_are_per_item_and_independent_of_the_batch(pixels):
    view = view_named("random_shift(3)[1]")
    whole = apply_view(view, pixels, SPACE, 0, KEYS)
    alone = torch.cat([apply_view(view, pixels[i : i + 1], SPACE, 0, KEYS[i : i + 1]) for i in range(6)])
    assert torch.equal(whole, alone)
    same_image = pixels[:1].expand(6, -1, -1, -1)
    assert len({row.numpy().tobytes() for row in apply_view(view, same_image, SPACE, 0, KEYS)}) > 1
    assert not torch.equal(whole, apply_view(view, pixels, SPACE, 1, KEYS))


def test_random_shifts_are_uniform_over_whole_pixels():
    ramp = torch.arange(41.0).expand(4000, 1, 1, 41)
    keys = torch.from_numpy(keyed.item_keys(f"{i}" for i in range(4000)))
    space = PixelSpace.on(torch.device("cpu"), (0.0,), (1.0,))
    moved = apply_view(view_named("random_shift(2)[0]"), ramp, space, 0, keys)
    steps = (20 - moved[:, 0, 0, 20]).numpy()
    counts = np.unique(steps, return_counts=True)
    assert counts[0].tolist() == [-2, -1, 0, 1, 2]
    assert abs(counts[1] - 800).max() < 5 * np.sqrt(800)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("identity", ["identity"]),
        ("hflip", ["identity", "hflip"]),
        ("flip * scales(0.9)", ["identity", "scale(0.9)", "hflip*scale(0.9)"]),
        ("flip + shift(1,0) + flip", ["identity", "hflip", "shift(1,0)"]),
        ("(flip * shifts(1))[:3]", ["identity", "hflip", "shift(1,0)"]),
        ("random_shift(2, 2)", ["identity", "random_shift(2)[0]", "random_shift(2)[1]"]),
    ],
)
def test_specifications(spec, names):
    assert list(views(spec).names) == names


def test_every_view_is_found_again_by_its_name():
    every = views(
        "flip*shifts(1) + 5crop*rotations(5) + scales(0.9, 0.90000001) + random_crop(0.3333333333,2)*vflip"
        " + brightness(1.1)*contrast(.9)"
    )
    assert [view_named(name) for name in every.names] == list(every)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("flop", "flip"), ("shift(1)", "down"), ("shift(0.5, 0)", "whole pixels"), ("crop(2)", "(0, 1]"),
        ("flip -", "flip -"),
        ("flip / 2", "not a view"), ("__import__('os')", "not a number"), ("", "view specification"),
        ("flip[:3]", "a set of 2 views"), ("shift(1e999, 0)", "infinity"), (" + ".join(["flip"] * 9000), "nested"),
        ("scale(-1)", "positive"), ("flip[:0]", "not a view"), ("random_shift(2, 1.5)", "whole number"),
    ],
)  # fmt: skip
def test_unusable_specifications_are_named(spec, message):
    with pytest.raises(TtscaleError, match="draws") as error:
        views(spec)
    assert message in str(error.value)
