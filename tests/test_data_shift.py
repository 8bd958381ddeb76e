"""Shifted data: corruptions against Pillow and the published severities, class priors by hand, folders by name."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ttscale as tts
from ttscale.data.bad_item import BadItem
from ttscale.data.corruptions import CORRUPTIONS, corrupt
from ttscale.data.dataset import Dataset
from ttscale.data.imagenet import imagenet_classes
from ttscale.data.load import load_data
from ttscale.data.prior_shift import sizes
from ttscale.data.shift import read_shift
from ttscale.errors import TtscaleError


def smooth(height: int, width: int, channels: int = 3) -> Image.Image:
    """Waves of colour, the same every time."""
    y, x = np.mgrid[:height, :width] / 16
    planes = [np.sin((1 + c) * x + y) + np.cos(x - (2 + c) * y) for c in range(channels)]
    pixels = (np.stack(planes, -1) * 55 + 128).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def make(n: int = 8, *, labels=None, image=lambda i: smooth(28, 28, 1), names=None) -> Dataset:
    labels = np.arange(n) % 2 if labels is None else np.asarray(labels)
    return Dataset("waves", tuple(f"waves/{i}" for i in range(len(labels))), labels, image, names)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(float)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 90, 3), (5, 2, 3)])
def test_every_corruption_keeps_size_and_mode_and_changes_the_image(name, shape):
    clean = smooth(*shape)
    for severity in (1, 5):
        image = corrupt(clean, name, severity, "waves/3")
        assert (image.size, image.mode) == (clean.size, clean.mode)
    if name not in ("spatter", "saturate") and min(shape[:2]) > 5:  # no drop need fall; greys have no saturation
        assert np.abs(pixels(image) - pixels(clean)).mean() > 2


def test_all_corruptions_of_the_package_are_known():
    package = importlib.import_module("imagecorruptions")
    assert sorted(package.get_corruption_names("all")) == list(CORRUPTIONS)


@pytest.mark.parametrize(("severity", "quality"), [*enumerate((25, 18, 15, 10, 7), 1)])
def test_jpeg_is_pillows_at_the_published_qualities(severity, quality):
    clean, file = smooth(64, 48), io.BytesIO()
    clean.save(file, "JPEG", quality=quality)
    assert np.array_equal(pixels(corrupt(clean, "jpeg_compression", severity, "a")), pixels(Image.open(file)))


@pytest.mark.parametrize(("severity", "factor"), [(1, 0.4), (3, 0.2), (5, 0.05)])
def test_contrast_is_the_published_formula(severity, factor):
    clean = smooth(64, 48)
    mean = pixels(clean).mean((0, 1))
    expected = np.floor((pixels(clean) - mean) * factor + mean)
    assert np.abs(pixels(corrupt(clean, "contrast", severity, "a")) - expected).max() <= 1  # rounding


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("severity", "sigma"), [*enumerate((0.08, 0.12, 0.18, 0.26), 1)])
def test_noise_has_the_published_strength_in_grey_too(channels, severity, sigma):
    grey = Image.new("L" if channels == 1 else "RGB", (120, 120), 128 if channels == 1 else (128, 128, 128))
    noise = pixels(corrupt(grey, "gaussian_noise", severity, "a")) - 127.5  # truncated to whole numbers
    inside = np.clip(np.random.default_rng(0).normal(scale=sigma * 255, size=10**6), -128, 127).std()
    assert noise.std() == pytest.approx(inside, rel=0.03)
    assert abs(noise.mean()) < 1.5


def test_impulses_hit_the_published_share():
    hit = pixels(corrupt(Image.new("RGB", (100, 100), (99, 99, 99)), "impulse_noise", 5, "a"))
    assert np.isin(hit, (0, 255)).mean() == pytest.approx(0.27, abs=0.01)


def test_a_small_image_is_mirrored_at_its_edges():
    """The blur of a ramp stays a ramp inside and levels out at mirrored edges; black borders would darken them."""
    ramp = Image.fromarray(np.tile(np.arange(100, 128, dtype=np.uint8), (28, 1)))
    blurred = pixels(corrupt(ramp, "gaussian_blur", 1, "a"))
    assert np.abs(blurred[:, 5:-5] - pixels(ramp)[:, 5:-5]).max() <= 1
    assert blurred.min() >= 100 and blurred.max() <= 127


def test_the_noise_belongs_to_the_item_whatever_the_order_and_the_thread():
    data = load_data(make(12, image=lambda i: smooth(28, 28, 1)), shift="gaussian_noise@3")
    first = [pixels(data.load(i)) for i in range(12)]
    assert len({image.tobytes() for image in first}) == 12
    np.random.seed(7)
    undisturbed = np.random.uniform()
    np.random.seed(7)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda i: pixels(data.load(i)), [*reversed(range(12))] * 4))
    assert np.random.uniform() == undisturbed
    assert all(np.array_equal(image, first[11 - i % 12]) for i, image in enumerate(again))
    part = load_data(make(12), shift="gaussian_noise@3", limit=5)
    assert all(
        np.array_equal(pixels(part.load(i)), first[data.item_ids.index(item_id)])
        for i, item_id in enumerate(part.item_ids)
    )


@pytest.mark.parametrize("name", ["glass_blur", "impulse_noise", "snow"])
def test_what_else_is_random_is_keyed(name):
    image = smooth(40, 40)
    a, b, other = (pixels(corrupt(image, name, 3, item_id)) for item_id in ("a", "a", "b"))
    assert np.array_equal(a, b) and not np.array_equal(a, other)


def test_severities_of_an_item_share_their_pattern():
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    weak, strong = (pixels(corrupt(grey, "gaussian_noise", severity, "a")).ravel() for severity in (1, 3))
    assert np.corrcoef(weak, strong)[0, 1] > 0.99


def test_a_corruption_that_changes_no_image_is_refused():
    grey = make(40)
    with pytest.raises(
        TtscaleError, match=r"shift: expected a corruption that changes .* got saturate@3, which leaves all"
    ):
        load_data(grey, shift="saturate@3")
    coloured = make(40, image=lambda i: smooth(33, 40, 3 if i == 39 else 1))
    assert load_data(coloured, shift="saturate@3").shift == "saturate 3"

    def bad(i: int) -> Image.Image:
        raise BadItem(str(i), "files", "broken")

    assert len(load_data(make(4, image=bad), shift="fog@1")) == 4  # told, or skipped, when it is collected


def test_spatter_without_a_drop_leaves_the_image():
    clean = smooth(28, 28, 1)
    images = [corrupt(clean, "spatter", 1, f"item {i}") for i in range(40)]
    untouched = [image == clean for image in images]
    assert any(untouched) and not all(untouched)
    assert all(image.getextrema()[1] > 0 for image in images)


def test_another_corruption_without_a_number_is_not_called_clean(monkeypatch):
    def broken(pixels, **_):
        return np.float64(0) / np.zeros(()) + pixels

    monkeypatch.setattr(importlib.import_module("imagecorruptions"), "corrupt", broken)
    with pytest.raises(BadItem, match=r"item waves/2: .*fog at severity 3: .*invalid value"):
        load_data(make(), shift="fog@3").load(2)


def test_reading_shifted_records_loads_no_pictures():
    code = "import sys, ttscale.records.shifts; assert not {'PIL', 'torch', 'ttscale.data.shift'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_corrupted_data_keep_their_ids_and_say_what_they_are():
    clean, noisy, blurred = (load_data(make(), shift=shift) for shift in (None, "gaussian_noise@3", "gaussian_blur@3"))
    assert clean.item_ids == noisy.item_ids and clean.labels.tolist() == noisy.labels.tolist()
    assert (clean.shift, noisy.shift, noisy.name) == (None, "gaussian noise 3", "waves, gaussian noise 3")
    assert len({clean.digest(), noisy.digest(), blurred.digest()}) == 3
    assert load_data(make(), shift="none").digest() == clean.digest() == make().digest()
    assert noisy.subset([1, 2]).shift == "gaussian noise 3"


def test_modes_that_are_neither_grey_nor_rgb():
    image = smooth(40, 40)
    for mode, becomes in (("CMYK", "RGB"), ("P", "RGB"), ("RGBA", "RGB"), ("LA", "L"), ("1", "L")):
        assert corrupt(image.convert(mode), "contrast", 1, "a").mode == becomes


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        ("gausian_noise@3", "shift: expected a known name, got 'gausian_noise'. Did you mean gaussian_noise"),
        ("fog@6", "severity from 1 to 5 after fog@, got 'fog@6'. For example fog@3"),
        ("fog", "severity from 1 to 5"),
        ("fog@2.0", "severity from 1 to 5"),
        ("prior:1", "ratio above 0 other than 1"),
        ("prior:-2", "ratio above 0"),
        ("prior:1/0", "ratio above 0"),
        ("prior:many", "got prior:many"),
        ("prior:1e400", "of 1e+09 at most either way, got prior:1e400"),
        ("prior:1e-400", "got prior:1e-400"),
        ("prior:1e999999999", "got prior:1e999999999"),
        ("prior:2/1e999999999", "got prior:2/1e999999999"),
        ("prior:1/10000000000", "got prior:1/10000000000"),
        ("prior:nan", "got prior:nan"),
        ("folder:/no/such", "no folder /no/such"),
        ("folder:", "got 'folder:'. Known"),
        (["fog@1"], "A list is for ttscale sweep"),
    ],
)
def test_shifts_that_are_none_are_told(shift, message):
    with pytest.raises(TtscaleError, match="shift") as error:
        load_data(make(), shift=shift)
    assert message in str(error.value)


def test_problems_and_tensors_cannot_be_corrupted():
    with pytest.raises(TtscaleError, match="shift: expected nothing for arithmetic"):
        load_data("arithmetic:sum_digit", shift="fog@1")
    data = load_data(make(image=lambda i: np.zeros((3, 4, 4))), shift="fog@1")
    with pytest.raises(TtscaleError, match="PIL images to corrupt, got a ndarray from item waves/0"):
        data.load(0)


def test_a_missing_package_is_told_before_anything_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(TtscaleError, match=r"pip install 'ttscale\[shift\]'"):
        load_data(make(), shift="fog@1")

    def without_display(name: str):
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", without_display)
    with pytest.raises(TtscaleError, match=r"libGL.*opencv-python-headless"):
        load_data(make(), shift="fog@1")


def test_sizes_of_a_long_tailed_profile_by_hand():
    assert sizes(np.array([10, 10, 10]), 4).tolist() == [10, 5, 2]
    assert sizes(np.array([10, 10, 10]), 1 / 4).tolist() == [2, 5, 10]
    assert sizes(np.array([2, 8, 8]), 4).tolist() == [2, 1, 1]
    assert sizes(np.array([100, 40]), 2).tolist() == [80, 40]  # the second class is the one that is short


def test_a_prior_shift_leaves_items_out_and_no_other():
    labels = np.repeat([0, 3, 5], 20)
    data = make(labels=labels, image=lambda i: i)
    steep, mild = (load_data(data, shift=f"prior:{ratio}") for ratio in (10, 2))
    assert np.bincount(steep.labels).tolist() == [20, 0, 0, 6, 0, 2]
    assert (steep.shift, steep.name) == ("class prior 10", "waves, class prior 10")
    assert set(steep.item_ids) < set(mild.item_ids) < set(data.item_ids)
    assert [data.item_ids[i] for i in map(steep.load, range(len(steep)))] == list(steep.item_ids)
    assert load_data(data, shift="prior:1/2").shift == load_data(data, shift="prior:0.5").shift == "class prior 1/2"
    with pytest.raises(TtscaleError, match="class 1 alone in waves"):
        load_data(make(labels=[1, 1]), shift="prior:2")


def folder_of(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (root / name).mkdir(parents=True)
        Image.new("L", (4, 4), i).save(root / name / "x.png")
    return root


def test_a_folder_is_labelled_as_the_data_are(tmp_path):
    data = make(names=("T-shirt/top", "Ankle boot"))
    folder = folder_of(tmp_path / "photos" / "mine", "ankle_boot", "T-shirt top", ".hidden")
    shifted = load_data(data, shift=f"folder:{folder}")
    assert dict(zip(shifted.item_ids, shifted.labels.tolist(), strict=True)) == {
        "T-shirt top/x.png": 0, "ankle_boot/x.png": 1,
    }  # fmt: skip
    assert (shifted.name, shifted.shift) == ("waves, photos/mine", "photos/mine")
    folder_of(folder, "anckle boot")
    with pytest.raises(TtscaleError, match=r"'anckle boot'. Did you mean Ankle boot.*classes of waves"):
        load_data(data, shift=f"folder:{folder}")
    with pytest.raises(TtscaleError, match="waves without class names"):
        load_data(make(), shift=f"folder:{folder}")


@pytest.mark.parametrize("n", [10, 2])
def test_a_folder_of_some_or_all_classes_is_collected_as_the_data_are(tmp_path, n):
    """Folders cannot be called as the classes are, and the first two classes have labels without a gap."""
    clean = load_data("fashion-mnist", limit=4)
    folder = folder_of(tmp_path / "photos", *(name.replace("/", " ") for name in clean.class_names[:n]))
    shifted = load_data(clean, shift=f"folder:{folder}")
    assert shifted.class_names == clean.class_names
    records = tts.collect(
        tts.load_model("zoo:resnet8-w4-s0"), shifted, draws="flip", out=tmp_path / "run", progress=False, device="cpu"
    )
    assert sorted(records.labels.tolist()) == list(range(n))
    assert records.log_probs("resnet8-w4-s0").shape == (n, 2, 10)


def test_a_folder_of_wordnet_ids(tmp_path):
    _, names = imagenet_classes()
    data = make(2, names=names)
    shifted = load_data(data, shift=f"folder:{folder_of(tmp_path, 'n01440764', 'goldfish, Carassius auratus')}")
    assert sorted(shifted.labels.tolist()) == [0, 1] and shifted.class_names == names
    with pytest.raises(TtscaleError, match="'crane'"):  # two classes of ImageNet are called so
        load_data(data, shift=f"folder:{folder_of(tmp_path, 'crane')}")


def test_labels_of_shifts_are_names_of_folders():
    shifts = [read_shift(spec) for spec in ("none", "fog@2", "prior:1/10", "folder:/data/my pictures/b")]
    assert [shift.slug for shift in shifts] == ["clean", "fog-2", "class-prior-1-10", "my-pictures-b"]
