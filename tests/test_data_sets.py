"""Fashion-MNIST, torchvision's sets and any torch dataset as items."""

from __future__ import annotations

import gzip
import hashlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch.utils.data import Subset, TensorDataset

from ttscale.data import fashion_mnist as fashion
from ttscale.data.bad_item import BadItem
from ttscale.data.load import load_data
from ttscale.errors import TtscaleError

SHA256 = "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a"  # of the test images' pixels


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_mnist(folder, prefix: str, n: int, ending: str = "") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    pixels, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, values in (("images-idx3-ubyte", pixels), ("labels-idx1-ubyte", labels)):
        content = idx(values)
        (folder / f"{prefix}-{kind}{ending}").write_bytes(gzip.compress(content) if ending else content)
    return pixels, labels


def test_the_shipped_test_split():
    data = load_data("fashion-mnist")
    assert (len(data), data.name) == (10_000, "fashion-mnist-test")
    assert np.bincount(data.labels).tolist() == [1000] * 10
    assert data.item_ids[:2] == ("fashion-mnist/test/00000", "fashion-mnist/test/00001")
    assert data.class_names[int(data.labels[0])] == "Ankle boot"  # the well-known first image
    first = data.load(0)
    assert (first.mode, first.size) == ("L", (28, 28))
    pixels = np.stack([np.asarray(data.load(i)) for i in range(len(data))])
    assert pixels.mean() / 255 == pytest.approx(0.2868, abs=1e-4)  # as published for the test split
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == SHA256
    assert "Zalando SE" in (fashion.SHIPPED / "LICENSE").read_text()
    assert list(data.class_names) == torchvision.datasets.FashionMNIST.classes


@pytest.mark.parametrize("place", ["", "FashionMNIST/raw"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_training_split_from_a_folder(tmp_path, place, ending):
    pixels, labels = write_mnist(tmp_path / place, "train", 20, ending)
    data = load_data("fashion-mnist", split="train", root=tmp_path)
    assert data.labels.tolist() == labels.tolist()
    assert data.item_ids[-1] == "fashion-mnist/train/00019"
    assert np.array_equal(np.asarray(data.load(7)), pixels[7])
    with pytest.raises(TtscaleError, match="t10k-images-idx3-ubyte"):
        load_data("fashion-mnist", split="test", root=tmp_path)


def test_the_training_split_from_debian_then_from_torchvision(tmp_path, monkeypatch):
    write_mnist(tmp_path / "debian", "train", 20, ".gz")
    monkeypatch.setattr(fashion, "DEBIAN", tmp_path / "debian")
    assert len(load_data("fashion-mnist", split="train")) == 20
    monkeypatch.setattr(fashion, "DEBIAN", tmp_path / "none")
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "cache"))

    def lose_the_network(self) -> None:
        raise RuntimeError("network lost")

    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "download", lose_the_network)
    with pytest.raises(TtscaleError, match=r"network lost.*dataset-fashion-mnist"):
        load_data("fashion-mnist", split="train")

    def download(self) -> None:
        for prefix in ("train", "t10k"):
            write_mnist(tmp_path / "cache" / "torchvision" / "FashionMNIST" / "raw", prefix, 30)

    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "download", download)
    assert len(load_data("fashion-mnist", split="train")) == 30


def test_damaged_idx_files_are_named(tmp_path):
    write_mnist(tmp_path, "t10k", 5)
    images = tmp_path / "t10k-images-idx3-ubyte"
    good = images.read_bytes()
    for damaged in (b"", b"abcd", good[:-1], b"\x00\x00\x0d" + good[3:]):
        images.write_bytes(damaged)
        with pytest.raises(TtscaleError, match="t10k-images-idx3-ubyte"):
            load_data("fashion-mnist", root=tmp_path)
    images.unlink()
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(good)[:-20])
    with pytest.raises(TtscaleError, match=r"ubyte\.gz"):
        load_data("fashion-mnist", root=tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((4, 28, 28), np.uint8))))
    with pytest.raises(TtscaleError, match="one label per image"):
        load_data("fashion-mnist", root=tmp_path)
    with pytest.raises(TtscaleError, match="Known: test, train"):
        load_data("fashion-mnist", split="validation")


def test_torchvision_sets_by_name(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw", "train", 3)
    pixels, labels = write_mnist(tmp_path / "MNIST" / "raw", "t10k", 12)
    data = load_data("torchvision:MNIST", root=tmp_path)
    assert data.labels.tolist() == labels.tolist()
    assert (data.name, data.item_ids[3]) == ("MNIST-test", "MNIST/test/00003")
    assert data.class_names[3] == "3 - three"
    assert np.array_equal(np.asarray(data.load(3)), pixels[3])
    with pytest.raises(TtscaleError, match="Known: test, train"):
        load_data("torchvision:MNIST", root=tmp_path, split="val")
    with pytest.raises(TtscaleError, match=r"split: .*Known: test, train"):
        load_data("torchvision:FakeData", split="val")
    with pytest.raises(TtscaleError, match="root: expected nothing for FakeData"):
        load_data("torchvision:FakeData", root=tmp_path)


def test_torchvision_sets_that_are_not_there(tmp_path, monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("no such host")

    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", unreachable)
    with pytest.raises(TtscaleError, match=r"MNIST in .*no such host.*root=FOLDER"):
        load_data("torchvision:MNIST", root=tmp_path)
    with pytest.raises(TtscaleError, match="arguments that torchvision"):
        load_data("torchvision:SVHN", root=tmp_path, split="validation")


class Pairs:
    """A map-style dataset without a list of labels."""

    def __init__(self, n: int, bad: tuple[int, ...] = (), label=lambda i: i % 3) -> None:
        self.n, self.bad, self.label = n, bad, label

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int):
        if i in self.bad:
            raise OSError("unreadable")
        return Image.new("L", (4, 4), i), self.label(i)


def test_any_map_style_dataset():
    data = load_data(Pairs(7), name="mine")
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert (data.item_ids[6], data.name, data.class_names) == ("00006", "mine", None)
    assert data.load(6).getpixel((0, 0)) == 6
    for kind in (np.int32, torch.tensor, lambda i: np.array([i])):
        assert load_data(Pairs(3, label=kind)).labels.tolist() == [0, 1, 2]


def test_subsets_keep_the_ids_of_the_whole():
    data = load_data(Subset(Subset(Pairs(10), [9, 7, 5, 3]), [2, 0]))
    assert data.item_ids == ("00005", "00009")
    assert data.labels.tolist() == [2, 0]
    assert data.load(1).getpixel((0, 0)) == 9


def test_lists_of_labels_are_used_without_reading_items():
    pairs = Pairs(4, bad=(0, 1, 2, 3))
    pairs.targets = torch.tensor([3, 1, 0, 2])
    pairs.classes = ["a", "b", "c", ("d", "dee")]
    data = load_data(pairs)
    assert data.labels.tolist() == [3, 1, 0, 2]
    assert data.class_names == ("a", "b", "c", "d, dee")
    with pytest.raises(BadItem, match=r"item 00002.*OSError: unreadable"):
        data.load(2)
    pairs.target_transform = lambda label: label // 2
    assert load_data(pairs).labels.tolist() == [1, 0, 0, 1]


def test_torchvision_image_folders_keep_their_paths(tmp_path):
    for name in ("cat/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    theirs, ours = load_data(torchvision.datasets.ImageFolder(tmp_path)), load_data(f"imagefolder:{tmp_path}")
    assert theirs.item_ids == ours.item_ids
    assert theirs.labels.tolist() == ours.labels.tolist()
    assert theirs.class_names == ours.class_names


def test_unreadable_items_without_known_labels():
    with pytest.raises(BadItem, match="item 00001"):
        load_data(Pairs(4, bad=(1,)))
    with pytest.warns(UserWarning, match="1 of 4 items cannot be read and are left out: 00001"):
        data = load_data(Pairs(4, bad=(1,)), on_bad_item="skip")
    assert data.item_ids == ("00000", "00002", "00003")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Pairs(0), "at least one item"),
        (iter([]), "map-style"),
        (Pairs(2, label=lambda i: -1), "labels of 0 or more, got label -1 on item 00000"),
        (Pairs(2, label=lambda i: 0.5), "label of item 00000.*integer"),
        (Pairs(2, label=lambda i: "cat"), "integer class index, got 'cat'"),
        (TensorDataset(torch.zeros(3, 2)), r"\(image, label\)"),
        (Subset(Pairs(3), [1, 1]), "'00001' more than once"),
    ],
)
def test_datasets_that_do_not_fit_are_named(dataset, message):
    with pytest.raises(TtscaleError, match=message):
        load_data(dataset)


def test_data_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['timm'] = None\n"
        "from ttscale.data.load import load_data\n"
        "print(len(load_data('fashion-mnist', limit=7)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "7", done.stderr
