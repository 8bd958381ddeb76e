"""Cuts from the raw image that are the model's own: run once, by whichever name comes first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from PIL import Image

from ttscale.collecting.collect import collect
from ttscale.collecting.same_views import without_same
from ttscale.draws.grammar import views
from ttscale.errors import TtscaleError
from ttscale.models.model import Model
from ttscale.models.preprocess import Preprocessing, plain_preprocessing, timm_preprocessing

HALF = (0.5, 0.5, 0.5)
CORNERS = [f"window(0.875,{x},{y})" for y in (0, 1) for x in (0, 1)]
RAW = [
    Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8))
    for width, height in ((61, 90), (101, 70), (56, 56), (64, 64), (31, 30))
]


def by_timm(share: float | None, side: int = 56, **more: object) -> Preprocessing:
    config = {"input_size": (3, side, side), "interpolation": "bicubic", "mean": HALF, "std": HALF, "crop_pct": share}
    return timm_preprocessing(config | more)


def preset() -> Preprocessing:
    from torchvision.models import ResNet18_Weights

    from ttscale.models.module import Options
    from ttscale.models.torchvision_models import weights_preprocessing

    return weights_preprocessing(ResNet18_Weights.DEFAULT, Options(input_size=(3, 56, 56)))


def member(made: Preprocessing, name: str = "a") -> Model:
    model = make_model(name, channels=made.input_size[0])
    return replace(
        model, preprocess=made.preprocess, preprocess_key=made.key, input_size=made.input_size, mean=made.mean,
        std=made.std, frames=made.frames,
    )  # fmt: skip


def left(spec: str, *made: Preprocessing) -> list[str]:
    kept, told = without_same(views(spec), [member(one, f"m{i}") for i, one in enumerate(made)])
    assert (told is None) == (len(kept) == len(views(spec)))
    return list(kept.names)


def test_changes_of_colour_are_the_plain_view_where_all_members_are_grey():
    grey = plain_preprocessing((1, 28, 28), (0.5,), (0.5,))
    spec = "hflip + saturation(0.5) + hue(0.1) * hflip + random_hue(0.1) + random_hue(0.2) * random_shift(1) + gamma(2)"
    assert left(spec, grey) == ["identity", "hflip", "random_hue(0.2)[0]*random_shift(1)[0]", "gamma(2)"]
    assert left(spec, by_timm(0.875)) == list(views(spec).names)
    assert left(spec, grey, by_timm(0.875)) == list(views(spec).names)


@pytest.mark.parametrize("make", [lambda: by_timm(0.875), lambda: by_timm(None), preset])
def test_ten_crop_is_ten_views_where_the_centre_is_the_plain_one(make):
    """timm's own share, timm's default share, and torchvision's 256 for 224."""
    mirrored = [f"{name}*hflip" for name in ("window(0.875,0.5,0.5)", *CORNERS)]
    assert left("10crop", make()) == ["identity", *CORNERS, *mirrored]
    assert left("flip + 10crop", make()) == ["identity", "hflip", *CORNERS, *mirrored[1:]]
    assert left("flip * (identity + sizes(56, 40))", make()) == ["identity", "hflip", "size(40)", "size(40)*hflip"]
    assert left("flip * size(56)", make()) == ["identity", "size(56)*hflip"]


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ("10crop", [by_timm(0.9)]),
        ("10crop", [by_timm(0.875), by_timm(0.9)]),
        ("size(56)", [by_timm(0.875), by_timm(0.875, 48)]),
        ("window(0.875, 0.5, 0.5) * noise(0.1) + noise(0.1)", [by_timm(0.875)]),
        ("window(0.875, 0.5, 0.5) * gamma(2)", [by_timm(0.875)]),
        ("5crop", [plain_preprocessing((3, 56, 56), HALF, HALF)]),
        ("flip * random_crop(0.7, 2)", [by_timm(0.875, crop_mode="squash")]),
    ],
)
def test_views_that_a_member_sees_no_other_way_stay(spec, made):
    assert left(spec, *made) == list(views(spec).names)


def test_members_of_unlike_sizes_share_what_both_cut_anyway():
    assert left("5crop + window(1, 0.5, 0.5)", by_timm(0.875), by_timm(0.875, 48)) == [
        "identity", *CORNERS, "window(1,0.5,0.5)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [lambda: by_timm(0.875), lambda: by_timm(0.9), preset, lambda: plain_preprocessing((3, 56, 56), HALF, HALF)],
)
def test_exactly_what_is_equal_to_the_bit_is_left_out(make):
    """Every pair of cuts of a large set, compared by their tensors."""
    spec = "10crop + sizes(56, 48) + windows(1, 1) + windows(.9, 1) + windows(.875, 1, 56) + windows(.875, 3)"
    made = make()
    tensors: dict[str, list[torch.Tensor]] = {}
    expected = []
    for view in views(spec):
        mine = [made.frames([view.frame])(raw)[0].flip(-1 if view.steps else ()) for raw in RAW]
        if not any(all(map(torch.equal, mine, other)) for other in tensors.values() if mine[0].shape == other[0].shape):
            expected.append(view.name)
        tensors[view.name] = mine
    assert left(spec, made) == expected


def test_what_is_left_out_is_told_in_the_manifest_and_resumes(tmp_path):
    data = make_data(6, size=28)
    model = member(plain_preprocessing((1, 28, 28), (0.3,), (0.4,)))
    arguments = {"draws": "flip * (identity + size(28)) + size(20)", "out": tmp_path, "progress": False}
    records = collect(model, data, **arguments)
    assert records.variants == ("identity", "hflip", "size(20)")
    assert records.manifest.config["left_out"] == (
        "Left out, since all members see it in another view: size(28) (the same as identity), size(28)*hflip (the same "
        "as hflip)."
    )
    assert collect(model, data, **arguments).variants == records.variants
    other = collect(model, data, draws="flip", out=tmp_path / "more", progress=False)
    assert "left_out" not in other.manifest.config


def test_a_view_that_cannot_be_shown_is_told_first():
    with pytest.raises(TtscaleError, match="squash"):
        left("5crop", by_timm(0.875, crop_mode="squash"))
