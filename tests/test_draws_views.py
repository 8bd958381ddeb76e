"""What every view keeps, what random ones draw, and the language that names them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from scipy import stats

from ttscale.draws import keyed, making
from ttscale.draws.frames import OWN, Frame
from ttscale.draws.grammar import view_named, views
from ttscale.draws.policies import sub_policy
from ttscale.draws.steps import TRANSFORMS, PixelSpace
from ttscale.draws.view_sets import FACTORIES
from ttscale.draws.views import Step, View, apply_view, needs_square
from ttscale.errors import TtscaleError

SPACE = PixelSpace.on(torch.device("cpu"), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY = PixelSpace.on(torch.device("cpu"), (0.3,), (0.4,))
PLAIN = PixelSpace.on(torch.device("cpu"), (0.0,), (1.0,))

EVERY = views(
    "flip*shifts(1) + 10crop*rotations(5) + scales(0.9, 0.90000001) + random_crop(0.3333333333,2)*vflip + d4"
    "+ brightness(1.1)*contrast(.9) + sizes(20, 32)*saturation(2) + windows(.8, 2, 24) + hue(-.1) + gamma(1.5)"
    "+ shear(.1,0) + sharpness(2) + autocontrast + equalize + blur(1.5) + noise(.1) + jpeg(40) + crops(.9)"
    "+ random_shift(3, 2)"
    "+ random_translate(.2) + random_scale(.3) + random_rotate(9) + random_shear(.2) + random_brightness(.9)"
    "+ random_contrast(.9) + random_saturation(.9) + random_sharpness(.9) + random_hue(.4) + random_gamma(1)"
    "+ random_blur(2) + random_noise(.2) + random_jpeg(5) + policies(2, 30, 24)"
)


def keys(n: int) -> torch.Tensor:
    return torch.from_numpy(keyed.item_keys(f"item{i}" for i in range(n)))


def images(n: int = 6, channels: int = 3, height: int = 24, width: int = 24) -> torch.Tensor:
    """Normalised images whose pixels fill [0, 1]."""
    space = SPACE if channels == 3 else GREY
    pixels = torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0))
    return (pixels - space.mean) / space.std


# --- what holds for every view ---


def test_every_transform_and_every_name_is_among_the_views_tested_here():
    assert {step.transform for view in EVERY for step in view.steps} == set(TRANSFORMS)
    of_sets = "identity hflip scale rotate rotate90 shift window size crop rotations90 5crop"  # their views are there
    assert set(FACTORIES) - set(re.findall(r"\w+", EVERY.spec)) == set(of_sets.split())


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_every_view_keeps_shape_type_layout_and_the_pixel_range(channels, layout):
    space = {1: GREY, 3: SPACE}.get(channels) or PixelSpace.on(torch.device("cpu"), (0.5,) * 4, (0.2,) * 4)
    pixels = torch.rand(3, channels, 20, 20, generator=torch.Generator().manual_seed(channels))
    x = ((pixels - space.mean) / space.std).contiguous(memory_format=layout)
    before = x.clone()
    for view in EVERY:
        made = apply_view(view, x, space, 0, keys(3))
        assert (made.shape, made.dtype) == (x.shape, x.dtype), view.name
        assert made.is_contiguous(memory_format=layout), view.name
        back = made * space.std + space.mean
        assert back.min() > -1e-5 and back.max() < 1 + 1e-5, view.name
    assert torch.equal(x, before)


def test_no_view_waits_for_the_device():
    """On torch's meta device there are no values: a view that fetched one to the host would fail."""
    space = PixelSpace.on(torch.device("meta"), (0.5,) * 3, (0.2,) * 3)
    x, ids = torch.empty(3, 3, 20, 20, device="meta"), torch.empty(3, dtype=torch.int64, device="meta")
    for view in EVERY:
        assert apply_view(view, x, space, 0, ids).shape == x.shape, view.name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_no_view(dtype):
    """It is for the model's forward: a sampling grid or a DCT in half precision would be another view."""
    x = images(2)
    for view in EVERY:
        with torch.autocast("cpu", dtype):
            made = apply_view(view, x, SPACE, 0, keys(2))
            assert torch.mm(x[0, 0], x[0, 1]).dtype == dtype  # it is on again
        expected = apply_view(view, x, SPACE, 0, keys(2))
        assert made.dtype == torch.float32 and torch.equal(made, expected), view.name


def test_no_view_depends_on_the_batch():
    x = images()
    for view in EVERY:
        whole = apply_view(view, x, SPACE, 0, keys(6))
        alone = apply_view(view, x[4:5], SPACE, 0, keys(6)[4:5])
        torch.testing.assert_close(whole[4:5], alone, atol=1e-5, rtol=0, msg=view.name)


def test_views_work_on_images_that_are_not_square_or_tiny():
    for height, width in ((17, 24), (2, 2), (1, 1)):
        x = images(2, height=height, width=width)
        for view in EVERY:
            if not (needs_square(view) and height != width):
                assert apply_view(view, x, SPACE, 0, keys(2)).shape == x.shape, view.name


def test_only_odd_quarter_turns_need_a_square():
    assert [view.name for view in views("d4 + 5crop + hflip*rotate90(5)") if needs_square(view)] == [
        "rotate90(1)", "rotate90(3)", "hflip*rotate90(1)", "hflip*rotate90(3)",
    ]  # fmt: skip


def test_views_of_grey_images_have_no_colour():
    x = images(channels=1)
    for name in ("saturation(2)", "hue(0.2)"):
        assert torch.equal(apply_view(view_named(name), x, GREY, 0, keys(6)), x)


# --- random views ---


def test_random_views_are_told_from_fixed_ones():
    drawn = ("random_", "policies", "noise")
    assert [view.name for view in EVERY if view.random] == [name for name in EVERY.names if name.startswith(drawn)]


def test_random_views_differ_between_items_and_seeds_and_fixed_ones_do_not():
    same = images(1).expand(6, -1, -1, -1)
    for view in EVERY:
        made = apply_view(view, same, SPACE, 0, keys(6))
        if view.random:
            assert len({row.numpy().tobytes() for row in made}) > 1, view.name
            assert not torch.equal(made, apply_view(view, same, SPACE, 1, keys(6))), view.name
        else:
            assert torch.equal(made, made[:1].expand(6, -1, -1, -1)), view.name


def test_random_shifts_are_uniform_over_whole_pixels():
    ramp = torch.arange(41.0).expand(4000, 1, 1, 41)
    moved = apply_view(view_named("random_shift(2)[0]"), ramp, PLAIN, 0, keys(4000))
    steps, counts = np.unique((20 - moved[:, 0, 0, 20]).numpy(), return_counts=True)
    assert steps.tolist() == [-2, -1, 0, 1, 2]
    assert abs(counts - 800).max() < 5 * np.sqrt(800)


def test_noise_is_gaussian_and_independent_between_pixels_and_items():
    flat = torch.full((200, 1, 10, 10), 0.5)
    drawn = ((apply_view(view_named("noise(0.1)"), flat, PLAIN, 0, keys(200)) - 0.5) / 0.1).flatten(1).numpy()
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    between_pixels, between_items = np.corrcoef(drawn.T), np.corrcoef(drawn)
    assert abs(between_pixels - np.eye(100)).max() < 5.5 / np.sqrt(200)
    assert abs(between_items - np.eye(200)).max() < 5.5 / np.sqrt(100)
    other = apply_view(view_named("random_noise(0.1)[1]"), flat, PLAIN, 0, keys(200)).flatten(1).numpy()
    assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(drawn.size)


def test_strengths_are_those_asked_for():
    x = torch.full((4000, 1, 1, 1), 0.5)
    drawn = apply_view(view_named("random_brightness(0.4)[0]"), x, PLAIN, 0, keys(4000))[:, 0, 0, 0].numpy() / 0.5
    assert stats.kstest(drawn, stats.uniform(0.6, 0.8).cdf).pvalue > 1e-3


def test_sub_policies_are_fixed_by_their_number_and_grow_with_magnitude():
    made = views("policies(3, 15, 40)").views[1:]
    assert [view.steps for view in made] == [sub_policy(3, 15, i) for i in range(40)]
    assert {len(view.steps) for view in made} == {3}
    assert {step.transform for view in made for step in view.steps} == {
        "shear", "translate", "rotate", "brightness", "saturation", "contrast", "sharpness", "posterize", "solarize",
        "autocontrast", "equalize",
    }  # fmt: skip
    half = {step.transform: step for view in made for step in view.steps}
    assert half["rotate"] == Step("rotate", (-15,), (15,))  # half of 30 degrees
    assert half["brightness"] == Step("brightness", (1 - 0.45,), (1.45,))
    assert half["solarize"] == Step("solarize", (0.5,), (1.0,))
    bits = half["posterize"]
    assert (round(bits.low[0]), round(bits.high[0])) == (6, 8)


# --- the language ---


def test_every_option_of_the_command_line_is_a_set_of_its_own():
    paths = (Path(__file__).parents[1] / "configs/draws").glob("*.yaml")
    options = {path.stem: OmegaConf.load(path) for path in paths if path.stem != "demo"}  # which asks for the device
    specs = {name: option.spec for name, option in options.items() if option._target_.endswith("grammar.views")}
    assert {"flip", "d4", "ten_crop", "multi_scale", "photometric", "policies"} <= set(specs)
    assert len({views(spec).names for spec in specs.values()}) == len(specs)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("identity", ["identity"]),
        ("hflip", ["identity", "hflip"]),
        ("flip * scales(0.9)", ["identity", "scale(0.9)", "hflip*scale(0.9)"]),
        ("flip + shift(1,0) + flip", ["identity", "hflip", "shift(1,0)"]),
        ("(flip * shifts(1))[:3]", ["identity", "hflip", "shift(1,0)"]),
        ("random_shift(2, 2)", ["identity", "random_shift(2)[0]", "random_shift(2)[1]"]),
        ("policies(2, 9, 2)[:2]", ["identity", "policies(2,9)[0]", "policies(2,9)[1]"]),
        ("flip * flip", ["identity", "hflip"]),
        ("hflip * vflip * vflip * hflip", ["identity"]),
        ("rotate90(1) * rotate90(1) + rotate90(2) + hflip * vflip", ["identity", "rotate90(2)"]),
        ("vflip + rotate90(2) * hflip + hflip * rotate90(2)", ["identity", "vflip"]),
        ("gamma(2) * rotate90(1) * hflip * rotate90(1) * gamma(2)", ["identity", "gamma(2)*hflip*gamma(2)"]),
        ("policies(2,9)[1] * vflip * hflip", ["identity", "policies(2,9)[1]*rotate90(2)"]),
        ("scale(1) + crop(1) + crop(1,0,0) + rotate(0) + rotate(-360) + shear(0,0) + hue(0)", ["identity"]),
        ("brightness(1) + contrast(1) + saturation(1) + gamma(1) + sharpness(1)", ["identity"]),
        ("hflip * brightness(1)", ["identity", "hflip"]),
        ("rotate90(2) * rotate90(2) * rotate90(-1)", ["identity", "rotate90(3)"]),
        ("hflip * size(20)", ["identity", "size(20)*hflip"]),
        ("noise(.1) * window(.5)", ["identity", "window(0.5,0.5,0.5)*noise(0.1)"]),
        ("(hflip * size(20)) * (hflip * gamma(2))", ["identity", "size(20)*gamma(2)"]),
        ("windows(.5, 1, 64) + sizes(16)", ["identity", "window(0.5,0.5,0.5,64)", "size(16)"]),
    ],
)
def test_specifications(spec, names):
    assert list(views(spec).names) == names


@pytest.mark.parametrize("spec", ["d4 * flip", "flip * d4", "d4 * d4", "rotations90 * (identity + vflip) + d4 + vflip"])
def test_products_of_turns_and_flips_are_the_eight_symmetries_of_a_square(spec):
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    space, keys = PixelSpace.on(torch.device("cpu"), (0.0,), (1.0,)), torch.zeros(1, dtype=torch.int64)
    seen = [tuple(apply_view(view, x, space, 0, keys).flatten().tolist()) for view in views(spec)]
    by_hand = {tuple(torch.rot90(y, k, (2, 3)).flatten().tolist()) for y in (x, x.flip(3)) for k in range(4)}
    assert len(seen) == 8 and set(seen) == by_hand


def test_a_product_does_its_parts_one_after_the_other():
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    space, keys = PixelSpace.on(torch.device("cpu"), (0.0,), (1.0,)), torch.zeros(1, dtype=torch.int64)
    parts = [views(name).views[-1] for name in ("hflip", "vflip", "rotate90(1)", "rotate90(2)", "hflip*rotate90(3)")]
    for first in parts:
        for second in parts:
            turned = apply_view(second, apply_view(first, x, space, 0, keys), space, 0, keys)
            assert torch.equal(apply_view(first.then(second), x, space, 0, keys), turned)


def test_ten_crop_is_five_windows_and_their_mirror_images():
    five = ["window(0.875,0.5,0.5)", *(f"window(0.875,{x},{y})" for y in (0, 1) for x in (0, 1))]
    assert list(views("5crop").names) == ["identity", *five]
    assert views("10crop").names == views("5crop * flip").names
    assert list(views("10crop").names) == ["identity", *five, *(f"{name}*hflip" for name in five)]


def test_windows_go_from_the_centre_outwards():
    made = views("windows(0.8, 3)").views[1:]
    assert made[0].frame == Frame(0.8, 0.5, 0.5)
    assert {(view.frame.x, view.frame.y) for view in made} == {(x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1)}
    distance = [abs(view.frame.x - 0.5) + abs(view.frame.y - 0.5) for view in made]
    assert distance == sorted(distance)


def test_every_view_is_found_again_by_its_name():
    assert [view_named(name) for name in EVERY.names] == list(EVERY)
    assert {view.frame for view in EVERY if view.name.startswith(("hflip", "random", "policies"))} == {OWN}


@pytest.mark.parametrize("written", [r"\1.0", r"\1e0", r"\1_0e-1"])
def test_a_number_is_the_same_however_it_is_written(written):
    spec = EVERY.spec + "+ policies(2, 9, 4) * size(20) + shear(3, -3)"
    spelt = re.sub(r"(?<=[(,\- ])(\d+)(?=[,)])", written, spec)
    assert len(spelt) > len(spec) + 50
    assert views(spelt).views == views(spec).views


def test_nothing_is_not_less_than_nothing():
    assert views("shifts(-1.0)").names == views("shifts(-1)").names
    assert [view_named(name) for name in views("shifts(-1.0) + rotations(0)").names] == list(
        views("shifts(-1.0) + rotations(0)")
    )


def test_a_view_of_a_set_is_made_without_those_before_it(monkeypatch):
    made = []
    monkeypatch.setattr(making, "View", lambda *parts: made.append(parts) or View(*parts))
    assert views("policies(2, 7)[9999]").views[1].name == "policies(2,7)[9999]"
    assert len(made) == 1
    assert view_named("policies(2,7)[9998]") is view_named("policies(2,7)[9998]")  # made once


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("flop", "flip"), ("shift(1)", "down"), ("shift(0.5, 0)", "whole pixels"), ("crop(2)", "(0, 1]"),
        ("flip -", "flip -"),
        ("flip / 2", "not a view"), ("__import__('os')", "not a number"), ("", "view specification"),
        ("flip[:3]", "a set of 2 views"), ("shift(1e999, 0)", "infinity"), (" + ".join(["flip"] * 9000), "nested"),
        ("scale(-1)", "positive"), ("flip[:0]", "not a view"), ("random_shift(2, 1.5)", "whole number"),
        ("5crop * size(20)", "window(0.875,0.5,0.5) and size(20) are both cut from the raw image"),
        ("10crop(1, 2)", "10crop"), ("5crops", "5crops"), ("size(0)", "size must be a whole number"),
        ("window(0)", "share must lie in (0, 1]"),
        ("jpeg(0)", "quality"), ("hue(0.6)", "[-0.5, 0.5]"), ("policies(0, 9)", "n_ops"),
        ("policies(2, 31)", "magnitude"),
        ("noise(0)", "positive"), ("blur(1e999)", "positive"), ("policies(2, 9, 1000000)", "n must be"),
        ("random_noise(0.1)[-1]", "not a view"), ("random_noise(0.1)[10000]", "below 10000"),
        ("random_noise(0.1, 4)[2]", "random_noise(most)[number]"),
        ("policies(2)[1]", "policies(n_ops, magnitude)[number]"),
        ("policies(2, 9, 200) * random_crop(.7, 51)", "product of 200 and 51 views is more than 10000"),
        ("brightness(1e999)", "positive"), ("rotate90(0.5)", "quarter turns"),
        ("rotate(1e999)", "from -1e+06 to 1e+06"), ("rotations(-1e999)", "from -1e+06"),
        ("shear(0, 1e999)", "from -1e+06"), ("random_shift(1e999)", "from -1e+06"),
        ("random_rotate(1e999)", "degrees must be positive"), ("random_rotate(0)", "degrees must be positive"),
        ("random_rotate(-5)", "degrees must be positive"),
        ("scale(1e-46)", "positive, from 1e-06"), ("blur(1e-50)", "positive, from 1e-06"),
    ],
)  # fmt: skip
def test_unusable_specifications_are_named(spec, message):
    with pytest.raises(TtscaleError, match="draws") as error:
        views(spec)
    assert message in str(error.value)
