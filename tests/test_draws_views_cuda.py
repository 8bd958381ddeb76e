"""Views on a CUDA device: the CPU's within rounding, and without waiting for the device."""

from __future__ import annotations

import pytest
import torch

from ttscale.draws import keyed
from ttscale.draws.grammar import views
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import apply_view

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SMOOTH = views(
    "d4 * scales(0.9) + shift(2,-1) + crops(.9) + rotations(5) + shear(.1,.05) + brightness(1.3) + contrast(.7)"
    "+ saturation(2) + hue(-.1) + gamma(1.5) + sharpness(2) + autocontrast + blur(1.5) + noise(.1) + random_shift(3)"
    "+ random_translate(.2) + random_crop(.7) + random_scale(.3) + random_rotate(9) + random_shear(.2)"
    "+ random_brightness(.9) + random_contrast(.9) + random_saturation(.9) + random_sharpness(.9) + random_hue(.4)"
    "+ random_gamma(1) + random_blur(2) + random_noise(.2)"
)
STEPWISE = views("equalize + jpeg(40) + random_jpeg(20) + policies(2, 20, 12)")  # rounding may take another step
DEVICES = ("cpu", "cuda:0") if torch.cuda.is_available() else ("cpu",)
SPACES = [PixelSpace.on(torch.device(device), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) for device in DEVICES]


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    pixels = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pixels = torch.nn.functional.interpolate(pixels, (64, 64), mode="bicubic").clamp(0, 1)
    return SPACES[0].from_pixels((pixels * 255).round() / 255)


def on_both(view, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    keys = torch.from_numpy(keyed.item_keys(f"item{i}" for i in range(len(x))))
    here, there = (apply_view(view, x.to(s.mean.device), s, 0, keys.to(s.mean.device)) for s in SPACES)
    return here, there.cpu()


def test_cuda_views_equal_the_cpus(x):
    for view in SMOOTH:
        here, there = on_both(view, x)
        torch.testing.assert_close(there, here, atol=2e-3, rtol=0, msg=lambda text, name=view.name: f"{name}: {text}")


def test_cuda_views_with_steps_equal_the_cpus_nearly_everywhere(x):
    for view in STEPWISE:
        here, there = on_both(view, x)
        assert ((there - here).abs() > 2e-3).float().mean() < 0.02, view.name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_changes_no_cuda_view(x, dtype):
    space = SPACES[1]
    there = x.to("cuda:0")
    keys = torch.from_numpy(keyed.item_keys(f"item{i}" for i in range(len(x)))).to("cuda:0")
    for view in (*SMOOTH, *STEPWISE):
        expected = apply_view(view, there, space, 0, keys)
        with torch.autocast("cuda", dtype):
            made = apply_view(view, there, space, 0, keys)
        assert made.dtype == expected.dtype == torch.float32, view.name
        torch.testing.assert_close(made, expected, atol=1e-5, rtol=0, msg=view.name)


def test_cuda_views_never_wait_for_the_device(x):
    space = SPACES[1]
    there = x.to("cuda:0")
    keys = torch.from_numpy(keyed.item_keys(f"item{i}" for i in range(len(x)))).to("cuda:0")
    for view in (*SMOOTH, *STEPWISE):
        apply_view(view, there, space, 0, keys)  # constants are copied once
        torch.cuda.set_sync_debug_mode("error")
        try:
            apply_view(view, there, space, 0, keys)
        finally:
            torch.cuda.set_sync_debug_mode("default")
