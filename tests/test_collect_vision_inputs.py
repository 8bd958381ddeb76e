"""What images become before a member sees them: frames, sizes, class orders, forms of output, and files of any kind."""

import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import make_data, make_model
from PIL import Image
from torch import nn

import ttscale as tts
from ttscale.collecting.collect import collect
from ttscale.draws.grammar import views
from ttscale.errors import TtscaleError

FRAMES = "hflip + 5crop + size(32) * hflip + window(0.5, 1, 0, 24)"


def framed(name="a", *, seed=0, size=28, **options):
    """A small network that takes any size, with preprocessing that resizes and cuts."""
    module = make_model(name, seed=seed).module
    given = {"input_size": (1, size, size), "mean": (0.3,), "std": (0.4,), "name": name} | options
    return tts.load_model(module, **given)


class Loads:
    """Data whose items count how often they are read."""

    def __init__(self, n=10, **options):
        data = make_data(n, **options)
        self.count = 0
        self.data = replace(data, load=lambda i: self._load(data, i))

    def _load(self, data, i):
        self.count += 1
        return data.load(i)


def test_views_are_cut_from_the_raw_image_which_is_read_once(tmp_path):
    members, loads = (framed("a"), framed("b", seed=1, size=24)), Loads(10, size=40)
    records = collect(members, loads.data, draws=FRAMES, out=tmp_path, batch_size=4, progress=False)
    assert loads.count == 10 + 2  # and the probe's
    for model in members:
        for number, view in enumerate(views(FRAMES)):
            x = torch.stack([model.frames([view.frame])(loads.data.load(i))[0] for i in range(10)])
            seen = x.flip(-1) if "hflip" in view.name else x
            with torch.no_grad():
                expected = torch.log_softmax(model.module(seen), -1).numpy()
            np.testing.assert_allclose(records.log_probs(model.name)[:, number], expected, atol=2e-5)


def test_a_draw_costs_what_its_size_costs(tmp_path):
    convolution = nn.Conv2d(1, 4, 3, padding=1)
    module = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    model = tts.load_model(module, input_size=(1, 28, 28), mean=(0.3,), std=(0.4,), name="a")
    records = collect(model, make_data(4), draws="size(14) + hflip", out=tmp_path, progress=False)
    flops = {side: 2 * 9 * 4 * side**2 + 2 * 4 * 10 for side in (28, 14)}
    assert [records.draw_flops("a", v) for v in ("identity", "size(14)", "hflip")] == [flops[28], flops[14], flops[28]]
    rows = {row["key"]: row for row in pq.read_table(tmp_path / "costs.parquet").to_pylist()}
    forwards = {key: row["flops"] for key, row in rows.items() if row["scope"] == "forward"}
    assert forwards == {"a@1x28x28": flops[28], "a@1x14x14": flops[14]}
    assert rows["a@1x14x14"]["bytes"] < rows["a@1x28x28"]["bytes"]


class OfOneSize(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(28 * 28, 10)

    def forward(self, x):
        return self.head(x.flatten(1))


@pytest.mark.parametrize(
    ("make", "draws", "told"),
    [
        (lambda: framed(), "size(32)", None),
        (lambda: make_model(), "size(32)", ("size(32)", " a ", "crops(side)")),
        (lambda: fixed(), "hflip + size(32)", ("size(32) of 32 × 32", "fixed", "windows")),
        (lambda: framed(input_size=(1, 28, 20)), "rotate90(1)", ("rotate90(1)", "20 × 28", "half turns")),
        (lambda: framed(input_size=(1, 28, 20)), "rotate90(2)", None),
        (lambda: framed(input_size=(1, 28, 20)), "size(32)", ("size(32)", "a can be shown", "square")),
        (lambda: framed(), "size(16) * shift(20, 0)", ("16 × 16", "size(16)*shift(20,0)")),
    ],
)
def test_views_that_a_member_cannot_be_shown_are_told_before_the_run(tmp_path, make, draws, told):
    arguments = {"draws": draws, "out": tmp_path / "r", "progress": False}
    if told is None:
        assert collect(make(), make_data(2), **arguments).n_items == 2
        return
    with pytest.raises(TtscaleError) as error:
        collect(make(), make_data(2), **arguments)
    assert all(part in str(error.value) for part in told), str(error.value)
    assert not (tmp_path / "r").exists()


def fixed():
    return tts.load_model(OfOneSize(), input_size=(1, 28, 28), mean=(0.3,), std=(0.4,), name="fixed")


def test_members_with_other_class_orders_are_brought_to_that_of_the_data(tmp_path):
    names = tuple("abcdefghij")
    data = replace(make_data(8), class_names=names)
    model, order = make_model("a"), [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    shuffled = replace(
        model, name="b", class_names=tuple(names[i] for i in order),
        module=nn.Sequential(model.module, Reordered(order)),
    )  # fmt: skip
    records = collect([replace(model, class_names=names), shuffled], data, draws="flip", out=tmp_path, progress=False)
    np.testing.assert_allclose(records.log_probs("b"), records.log_probs("a"), atol=1e-5)
    assert records.class_names == names


class Reordered(nn.Module):
    def __init__(self, order):
        super().__init__()
        self.order = order

    def forward(self, logits):
        return logits[:, self.order]


class Gives(nn.Module):
    """A classifier with its logits in another form."""

    def __init__(self, module, form):
        super().__init__()
        self.module, self.form = module, form

    def forward(self, x):
        return self.form(self.module(x))


def test_probabilities_taken_for_logits_are_told(tmp_path):
    model = make_model()
    soft = replace(model, module=Gives(model.module, lambda logits: logits.softmax(-1)))
    with pytest.raises(TtscaleError, match=r'outputs: .*load_model\(outputs="probabilities"\); on the command line'):
        collect(soft, make_data(4), out=tmp_path / "r", progress=False)
    declared = replace(soft, outputs="probabilities")
    found = collect(declared, make_data(4), out=tmp_path / "a", progress=False).log_probs("a")
    plain = collect(model, make_data(4), out=tmp_path / "b", progress=False).log_probs("a")
    np.testing.assert_allclose(found, plain, atol=1e-5)
    with pytest.raises(TtscaleError, match="outputs: expected probabilities"):
        collect(replace(model, outputs="probabilities"), make_data(4), out=tmp_path / "r", progress=False)


def test_outputs_that_hold_logits_are_read_and_others_named(tmp_path):
    model = make_model()
    plain = collect(model, make_data(4), out=tmp_path / "plain", progress=False).log_probs("a")
    held = replace(model, module=Gives(model.module, lambda logits: {"logits": logits, "hidden_states": None}))
    found = collect(held, make_data(4), out=tmp_path / "held", progress=False).log_probs("a")
    np.testing.assert_allclose(found, plain, atol=1e-5)
    pair = replace(model, module=Gives(model.module, lambda logits: (logits, None)))
    with pytest.raises(TtscaleError, match=r"tuple of Tensor \(2, 10\), NoneType"):
        collect(pair, make_data(4), out=tmp_path / "r", progress=False)


def test_data_of_one_class_run_with_a_note(tmp_path):
    data = replace(make_data(6), labels=np.full(6, 3), class_names=tuple("abcdefghij"))
    records = collect(make_model(), data, draws="flip", out=tmp_path, progress=False)
    assert "one class, 'd'" in records.manifest.dataset["note"]
    curve = tts.accuracy_curve(records, vote="mean", n_boot=50)
    assert math.isfinite(curve.accuracy[-1])
    assert "note" not in collect(make_model(), make_data(6), out=tmp_path / "more", progress=False).manifest.dataset


@pytest.fixture
def folder(tmp_path):
    """One image, saved in every mode that photographs come in, and files that are none."""
    root = tmp_path / "images"
    (root / "x").mkdir(parents=True)
    (root / "y").mkdir()
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8))
    rgb = grey.convert("RGB")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 256)
    for name, image in (
        ("grey.png", grey), ("rgb.png", rgb), ("palette.png", grey.convert("P")), ("16bit.png", wide),
        ("la.png", grey.convert("LA")), ("rgba.png", rgb.convert("RGBA")), ("cmyk.jpg", rgb.convert("CMYK")),
        ("1bit.png", grey.convert("1")),
    ):  # fmt: skip
        image.save(root / "x" / name)
    rgb.save(root / "y" / "last.jpg")
    return root


def rgb_model():
    module = make_model(channels=3, n_classes=2).module
    return tts.load_model(module, input_size=(3, 28, 28), mean=(0.3,) * 3, std=(0.4,) * 3, name="a")


def test_images_of_every_mode_are_taken(folder, tmp_path):
    data = tts.load_data(f"imagefolder:{folder}", class_index="sorted")
    records = collect(rgb_model(), data, draws="5crop", out=tmp_path / "r", progress=False)
    rows = {item_id.rpartition("/")[2]: records.log_probs("a")[i] for i, item_id in enumerate(records.item_ids)}
    assert len(rows) == 9
    for same in ("rgb.png", "palette.png", "16bit.png", "la.png", "rgba.png"):
        np.testing.assert_allclose(rows[same], rows["grey.png"], atol=1e-5)
    assert np.abs(rows["cmyk.jpg"] - rows["grey.png"]).max() < 1  # JPEG is lossy, inverted colours would be far off


@pytest.mark.parametrize("mode", ["F", "I"])
def test_images_of_no_known_range_are_named_or_skipped(folder, tmp_path, mode):
    Image.new(mode, (40, 30), 7).save(folder / "x" / "odd.tif")
    data = tts.load_data(f"imagefolder:{folder}", class_index="sorted")
    with pytest.raises(
        TtscaleError, match=rf"item x/odd\.tif: expected a readable input, got .*: an image of mode {mode}"
    ):
        collect(rgb_model(), data, out=tmp_path / "r", progress=False)
    records = collect(rgb_model(), data, draws="5crop", out=tmp_path / "s", on_bad_item="skip", progress=False)
    assert [item["item_id"] for item in records.manifest.skipped_items] == ["x/odd.tif"] and records.n_items == 9


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", None, b"not an image"])
def test_files_that_are_no_images_are_named_or_skipped(folder, tmp_path, content):
    bad = folder / "y" / "bad.jpg"
    whole = (folder / "y" / "last.jpg").read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] if content is None else content)
    data = tts.load_data(f"imagefolder:{folder}", class_index="sorted")
    with pytest.raises(TtscaleError, match=r"y/bad\.jpg"):
        collect(rgb_model(), data, out=tmp_path / "r", progress=False)
    records = collect(rgb_model(), data, draws="5crop", out=tmp_path / "s", on_bad_item="skip", progress=False)
    assert records.n_items == 9 and [item["item_id"] for item in records.manifest.skipped_items] == ["y/bad.jpg"]
    assert not np.isnan(records.log_probs("a")).any()
