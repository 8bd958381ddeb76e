"""Leakage: the search against every pair by hand, the check against copies that were made of known images."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from ttscale.data.bad_item import BadItem
from ttscale.data.dataset import Dataset
from ttscale.data.leakage import BITS, leakage
from ttscale.data.load import load_data
from ttscale.data.near_hashes import nearest_hashes
from ttscale.errors import TtscaleError


def bits_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``int [a, b]``: differing bits of every pair, bit by bit."""
    a, b = (np.unpackbits(words.view(np.uint8), axis=1).astype(int) for words in (a, b))
    return (a[:, None] != b[None]).sum(-1)


@pytest.mark.parametrize(("n", "m", "words"), [(90, 5000, 4), (5, 7, 4), (40, 60, 1), (257, 600, 2)])
def test_the_nearest_hashes_are_those_of_a_search_over_every_pair(n, m, words):
    rng = np.random.default_rng(m)
    queries, hashes = (rng.integers(0, 2**64, (count, words), dtype=np.uint64) for count in (n, m))
    for query in range(0, n, 3):  # plant near ones, in the first and in the last words
        for copy in rng.integers(0, m, 3):
            hashes[copy] = queries[query]
            for bit in rng.choice(64 * words, rng.integers(0, 14), replace=False):
                hashes[copy, bit // 64] ^= np.uint64(1 << int(bit) % 64)
    found, apart = nearest_hashes(queries, hashes, 10), bits_apart(queries, hashes)
    near = apart.min(axis=1) <= 10
    assert near.any() and not near.all()
    assert np.array_equal(found.count, (apart <= 10).sum(axis=1))
    assert np.array_equal(found.distance, np.where(near, apart.min(axis=1), -1))
    assert np.array_equal(found.position, np.where(near, apart.argmin(axis=1), -1))


def test_the_opposite_of_a_hash_is_not_near():
    zeros = np.zeros((1, 4), np.uint64)
    assert nearest_hashes(zeros, ~zeros, 64).count.tolist() == [0]  # 256 bits apart, which is 0 in eight bits


def picture(seed: int, side: int = 96) -> Image.Image:
    """Coloured clouds with detail at every scale, as unlike each other as photographs."""
    rng, planes = np.random.default_rng(seed), np.zeros((side, side, 3))
    for grain in (6, 12, 24, 48):
        noise = Image.fromarray(rng.integers(0, 256, (grain, grain, 3), dtype=np.uint8))
        planes += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC)) / grain
    return Image.fromarray((planes / planes.max() * 255).astype(np.uint8))


COPIES = {
    "same": lambda image: image,
    "grey": lambda image: image.convert("L"),
    "half": lambda image: image.resize((48, 48)),
    "squashed": lambda image: image.resize((96, 70)),
    "mirrored": ImageOps.mirror,
}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, Path]:
    """Test images 0 to 6, and training images 100 to 139 with copies of 0 to 5 at several depths."""
    for i in range(7):
        folder = tmp_path / "val" / ("cat", "dog")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        picture(i).save(folder / f"{i}.png")
    (tmp_path / "train" / "deep" / "er").mkdir(parents=True)
    for i in range(100, 140):
        picture(i).save(tmp_path / "train" / f"{i}.png")
    for i, (name, copy) in enumerate(COPIES.items()):
        copy(picture(i)).save(tmp_path / "train" / "deep" / f"{name}.png")
    picture(5).save(tmp_path / "train" / "deep" / "er" / "jpeg.jpg", quality=40)
    return f"imagefolder:{tmp_path / 'val'}", tmp_path / "train"


def test_copies_are_flagged_and_others_are_not(folders):
    val, train = folders
    shares: list[float] = []
    found = leakage(load_data(val), train, on_progress=shares.append)
    assert {Path(match.item_id).stem: match.train for match in found.matches} == {
        "0": "deep/same.png", "1": "deep/grey.png", "2": "deep/half.png", "3": "deep/squashed.png",
        "5": "deep/er/jpeg.jpg",
    }  # fmt: skip
    assert [match.item_id for match in found.matches if match.exact] == ["cat/0.png"]
    for match in found.matches:
        ours, theirs = (Image.open(path) for path in (Path(val[12:]) / match.item_id, train / match.train))
        assert match.distance == imagehash.phash(ours, 16) - imagehash.phash(theirs, 16)
        assert match.n_near == 1
    assert (found.n_items, found.n_train, found.n_exact, found.unreadable) == (7, 46, 1, ())
    assert found.text == "5 of 7 images of val stand in train (46 images): 1 exactly, 4 nearly."
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert leakage(load_data(val), train, workers=3) == found


def test_an_exact_copy_goes_before_one_that_is_as_near(folders):
    val, train = folders
    picture(0).convert("L").save(train / "a.png")  # comes first, at the same perceptual hash
    first = leakage(load_data(val), train).matches[0]
    assert (first.train, first.exact, first.n_near) == ("deep/same.png", True, 2)
    assert leakage(load_data(val), train, max_distance=0).matches[0] == first


def test_unreadable_images_are_named_on_both_sides(folders):
    val, train = folders
    (train / "broken.jpg").write_bytes(b"")
    (Path(val[12:]) / "cat" / "0.png").write_bytes((train / "100.png").read_bytes()[:300])
    found = leakage(load_data(val), train)
    assert found.unreadable == ("cat/0.png", "broken.jpg")
    assert (found.n_items, found.n_train, len(found.matches)) == (6, 46, 4)


def test_images_that_wait_for_a_thread_take_no_memory():
    def unreadable(position: int):
        raise BadItem(f"i{position}", "nowhere", "missing")

    n = 12_000
    data = Dataset("none", tuple(f"i{i}" for i in range(n)), np.zeros(n, np.int64), unreadable)
    tracemalloc.start()
    with pytest.raises(TtscaleError, match="images that can be read, got none"):
        leakage(data, data.subset([0]), workers=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20  # of 12,000 futures it is above 20 MiB


def test_data_without_a_match_and_sets_that_are_not_folders(folders):
    val, train = folders
    data = load_data(val)
    found = leakage(data.subset([3]), load_data(f"imagefolder:{train}"))  # classes: deep
    assert found.text == "None of 1 images of val stands in train (6 images)."
    assert (found.train, found.n_train) == ("train", 6)
    itself = leakage(data, data)
    assert [match.train for match in itself.matches] == list(data.item_ids) and itself.n_exact == 7


def test_a_spec_means_its_training_split(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path))
    raw = tmp_path / "torchvision" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    clothes = load_data("fashion-mnist", limit=3)
    pixels = np.stack([np.asarray(clothes.load(i)) for i in range(3)])
    for split, kept in (("train", pixels), ("t10k", pixels[:0])):
        for kind, values in (("images-idx3", kept), ("labels-idx1", np.zeros(len(kept), np.uint8))):
            head = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            (raw / f"{split}-{kind}-ubyte").write_bytes(head + values.tobytes())
    found = leakage(clothes, "torchvision:MNIST")
    assert [match.train for match in found.matches] == [f"MNIST/train/{i:05d}" for i in range(3)]
    assert (found.train, found.n_exact) == ("MNIST-train", 3)


@pytest.mark.parametrize("distance", [-1, BITS // 4 + 1, 1.5, True])
def test_a_distance_that_would_flag_anything_is_refused(folders, distance):
    with pytest.raises(TtscaleError, match="max_distance: expected 0 to 64 of 256 bits"):
        leakage(load_data(folders[0]), folders[1], max_distance=distance)


def test_problems_are_no_images(folders):
    with pytest.raises(TtscaleError, match="data: expected a data set of images, got Problems"):
        leakage(load_data("arithmetic:sum_digit"), folders[1])


def test_empty_and_missing_folders(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TtscaleError, match="training: expected images that can be read, got none among 0 of empty"):
        leakage(load_data(folders[0]), tmp_path / "empty")
    with pytest.raises(TtscaleError, match="training: expected a folder of images, got no folder nowhere"):
        leakage(load_data(folders[0]), "nowhere")


def test_the_smaller_set_is_read_first_and_named_where_none_of_it_can_be(folders):
    def bad(i: int) -> Image.Image:
        raise BadItem(str(i), "files", "broken")

    broken = Dataset("broken", ("0", "1"), np.zeros(2, np.int64), bad)

    def never(i: int) -> Image.Image:
        raise AssertionError("the larger set is read first")

    many = Dataset("many", tuple(map(str, range(9))), np.zeros(9, np.int64), never)
    for data, training, named in ((broken, many, "data"), (many, broken, "training")):
        with pytest.raises(
            TtscaleError, match=f"^{named}: expected images that can be read, got none among 2 of broken"
        ):
            leakage(data, training)


@pytest.mark.parametrize("workers", [0, -3, True, 1.5])
def test_workers_are_a_whole_number(folders, workers):
    with pytest.raises(TtscaleError, match="workers: expected a whole number of at least 1"):
        leakage(load_data(folders[0]), folders[1], workers=workers)


def test_a_check_that_flagged_everything_is_named_rather_than_the_folder(folders, tmp_path):
    val, _ = folders
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps(leakage(load_data(val), val).as_dict()))
    n = len(load_data(val))
    with pytest.raises(TtscaleError, match=f"exclude: expected a check that leaves some items, got all {n} of "):
        load_data(val, exclude=summary)


def test_flagged_items_are_left_out(folders, tmp_path):
    val, train = folders
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps(leakage(load_data(val), train).as_dict()))
    kept = load_data(val, exclude=summary)
    assert kept.item_ids == ("cat/4.png", "cat/6.png")
    assert np.array_equal(np.asarray(kept.load(1)), np.asarray(picture(6)))
    assert load_data(val, exclude=summary, shift="fog@1").item_ids == kept.item_ids
    again = load_data(val, exclude=summary, shift=f"folder:{val[12:]}")  # the same ids, in another folder
    assert again.item_ids == kept.item_ids
    assert load_data(val, exclude=summary, limit=1).item_ids[0] in kept.item_ids
    with pytest.raises(TtscaleError, match=r"exclude: expected flagged items of fashion-mnist-test, got 'cat/0.png'"):
        load_data("fashion-mnist", exclude=summary)
    with pytest.raises(TtscaleError, match="exclude: expected nothing for arithmetic"):
        load_data("arithmetic:sum_digit", exclude=summary)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"matches": [1]}', '{"kind": "other"}'])
def test_a_file_that_is_no_check_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(TtscaleError, match=r"exclude: expected the summary.json of ttscale leakage, got .*summary"):
        load_data("fashion-mnist", exclude=tmp_path / "summary.json")
