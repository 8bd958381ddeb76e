"""Image folders: stable ids, every way to say which folder is which class, and broken images named."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttscale.data.bad_item import BadItem
from ttscale.data.imagenet import imagenet_classes
from ttscale.data.load import check_dataset, limited, load_data
from ttscale.errors import TtscaleError


def write(path: Path, colour: int = 0, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (12, 8), colour).save(path)
    return path


@pytest.fixture
def animals(tmp_path) -> Path:
    for name in ("dog/b.png", "dog/a.jpg", "cat/old/x.PNG", "cat/new/deep/y.bmp", "bird/z.webp"):
        write(tmp_path / name)
    (tmp_path / "dog" / "notes.txt").write_text("not an image")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_folders_are_classes_in_sorted_order(animals):
    data = load_data(f"imagefolder:{animals}")
    assert data.item_ids == ("bird/z.webp", "cat/new/deep/y.bmp", "cat/old/x.PNG", "dog/a.jpg", "dog/b.png")
    assert data.labels.tolist() == [0, 1, 1, 2, 2]
    assert data.class_names == ("bird", "cat", "dog", "empty")
    assert data.name == animals.name
    assert data.load(3).size == (12, 8)
    assert load_data("imagefolder", root=animals, name="pets").name == "pets"


def test_ids_do_not_depend_on_the_place(animals, tmp_path_factory):
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(animals, copy)
    assert load_data(f"imagefolder:{copy}").item_ids == load_data(f"imagefolder:{animals}").item_ids


@pytest.mark.parametrize(
    ("index", "labels", "names"),
    [
        ({"dog": 0, "cat": 1, "bird": 2, "cow": 3}, [2, 1, 1, 0, 0], ("dog", "cat", "bird", "cow")),
        ({"dog": 5, "cat": 1, "bird": 9}, [9, 1, 1, 5, 5], None),
        (["dog", "cat", "bird"], [2, 1, 1, 0, 0], ("dog", "cat", "bird")),
        ({"0": ["dog", "Canis"], "1": ["cat", "Felis"], "7": ["bird", "Aves"]}, [7, 1, 1, 0, 0], None),
    ],
)
def test_class_index_files(animals, tmp_path_factory, index, labels, names):
    file = tmp_path_factory.mktemp("index") / "classes.json"
    file.write_text(json.dumps(index))
    data = load_data(f"imagefolder:{animals}", class_index=str(file))
    assert data.labels.tolist() == labels
    assert data.class_names == names


def test_wordnet_ids_find_their_imagenet_classes(tmp_path):
    for folder in ("n03888257", "n01440764", "n02102040"):
        write(tmp_path / folder / "a.png")
    data = load_data(f"imagefolder:{tmp_path}")
    assert data.labels.tolist() == [0, 217, 701]
    assert data.class_names == imagenet_classes()[1]
    assert data.class_names[701] == "parachute, chute"
    assert load_data(f"imagefolder:{tmp_path}", class_index="sorted").labels.tolist() == [0, 1, 2]
    write(tmp_path / "n00000001" / "a.png")  # no class of ImageNet-1k
    assert load_data(f"imagefolder:{tmp_path}").labels.tolist() == [0, 1, 2, 3]
    with pytest.raises(TtscaleError, match="n00000001"):
        load_data(f"imagefolder:{tmp_path}", class_index="imagenet-1k")


def test_the_ten_classes_of_the_validation_images():
    ids = imagenet_classes()[0]
    known = {
        "n01440764": 0, "n02102040": 217, "n02979186": 482, "n03000684": 491, "n03028079": 497, "n03394916": 566,
        "n03417042": 569, "n03425413": 571, "n03445777": 574, "n03888257": 701,
    }  # fmt: skip
    assert {wordnet_id: ids.index(wordnet_id) for wordnet_id in known} == known


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_index": {"dog": 0, "kat": 1, "bird": 2}}, "'cat'.*Did you mean kat"),
        ({"class_index": {"dog": 0, "cat": -1, "bird": 2}}, "cat: -1"),
        ({"class_index": {"dog": 0, "cat": "1", "bird": 2}}, "cat: '1'"),
        ({"class_index": "no/such.json"}, r"no/such\.json"),
        ({"class_index": ["dog", "cat", "bird"]}, "class_index: expected a path"),
        ({"root": "elsewhere"}, "root: expected nothing for imagefolder:"),
        ({"split": "tset"}, "split: .*Did you mean test"),
        ({"split": ["test"]}, "split: expected text"),
        ({"limit": 0}, "limit"),
        ({"limit": "3"}, "limit"),
        ({"on_bad_item": "ignore"}, "error or skip|Known: error, skip"),
    ],
)
def test_wrong_arguments_are_named(animals, arguments, message):
    with pytest.raises(TtscaleError, match=message):
        load_data(f"imagefolder:{animals}", **arguments)


def test_wrong_places_are_named(tmp_path):
    for spec, message in (
        (f"imagefolder:{tmp_path}/none", "no folder"),
        (f"imagefolder:{tmp_path}", "one subfolder per class"),
        ("imagefolder", "root"),
        ("fashion-mnist:train", "fashion-mnist"),
        ("imagefolders:/x", "imagefolder"),
        ("fashion", "fashion-mnist"),
        ("torchvision:", "CIFAR10"),
        ("torchvision:CIFAR11", "Did you mean CIFAR10"),
    ):
        with pytest.raises(TtscaleError, match=message):
            load_data(spec)
    for spec in ("imagefolder", "fashion-mnist", "torchvision:MNIST"):
        with pytest.raises(TtscaleError, match="root: expected a path, got 5"):
            load_data(spec, root=5)
    (tmp_path / "dog").mkdir()
    with pytest.raises(TtscaleError, match="at least one item"):
        load_data(f"imagefolder:{tmp_path}")
    write(tmp_path / "dog" / "a.png")
    (tmp_path / "classes.json").write_text("3")
    with pytest.raises(TtscaleError, match="a int in"):
        load_data(f"imagefolder:{tmp_path}", class_index=str(tmp_path / "classes.json"))
    with pytest.raises(TtscaleError, match="class_index"):
        load_data("fashion-mnist", class_index="imagenet-1k")


def test_broken_images_are_named(animals):
    whole = write(animals / "cat" / "whole.jpg").read_bytes()
    (animals / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (animals / "cat" / "nothing.png").write_bytes(b"")
    (animals / "cat" / "text.png").write_text("hello")
    data = load_data(f"imagefolder:{animals}")
    for item_id in ("cat/cut.jpg", "cat/nothing.png", "cat/text.png"):
        with pytest.raises(BadItem, match=f"item {item_id}.*{animals}/{item_id}") as caught:
            data.load(data.item_ids.index(item_id))
        assert caught.value.item_id == item_id
        sent = pickle.loads(pickle.dumps(caught.value))  # from a worker process
        assert (str(sent), sent.item_id) == (str(caught.value), item_id)
    assert isinstance(BadItem("a", "b", "c"), TtscaleError)


def test_images_of_every_kind_load(tmp_path):
    for name in ("1.png", "CMYK.jpg", "L.png", "LA.png", "P.gif", "P.png", "RGBA.png"):
        write(tmp_path / "all" / name, 0, name.split(".")[0])
    data = load_data(f"imagefolder:{tmp_path}")
    assert [data.load(i).mode for i in range(len(data))] == ["1", "CMYK", "L", "LA", "P", "P", "RGBA"]
    assert pickle.loads(pickle.dumps(data)).load(0).size == (12, 8)


def test_limit_is_keyed_by_id(animals):
    for i in range(60):
        write(animals / "cow" / f"{i}.png")
    full = load_data(f"imagefolder:{animals}")
    ten, thirty = (load_data(f"imagefolder:{animals}", limit=n) for n in (10, 30))
    assert len(ten) == 10
    assert set(ten.item_ids) < set(thirty.item_ids) < set(full.item_ids)
    assert [full.item_ids.index(i) for i in ten.item_ids] == sorted(full.item_ids.index(i) for i in ten.item_ids)
    assert len(load_data(f"imagefolder:{animals}", limit=1000)) == len(full)
    shuffled = tuple(np.random.default_rng(0).permutation(full.item_ids))
    assert {shuffled[i] for i in limited(shuffled, 10)} == set(ten.item_ids)


def test_file_names_that_are_no_text_are_named(tmp_path):
    write(tmp_path / "cat" / "a.png")
    try:
        (tmp_path / "cat" / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/cat/caf\xe9.png"))
    except OSError as error:
        pytest.skip(f"this file system takes no such names: {error}")
    with pytest.raises(TtscaleError, match=r"UTF-8.*caf"):
        load_data(f"imagefolder:{tmp_path}")


def test_a_ready_dataset_passes_through(animals):
    data = load_data(f"imagefolder:{animals}")
    assert load_data(data) is data
    two = load_data(data, limit=2, name="two")
    assert (len(two), two.name) == (2, "two")
    for option in ({"split": "nonsense"}, {"root": animals}, {"class_index": "sorted"}):
        with pytest.raises(TtscaleError, match=f"^{next(iter(option))}: "):
            load_data(data, **option)


def test_links_are_followed_but_never_in_a_circle(animals, tmp_path_factory):
    before = load_data(f"imagefolder:{animals}")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "c.png")
    (animals / "dog" / "more").symlink_to(elsewhere)
    (animals / "dog" / "once more").symlink_to(elsewhere)
    (animals / "cat" / "old" / "up").symlink_to(animals / "cat")
    (animals / "bird" / "top").symlink_to(animals)
    data = load_data(f"imagefolder:{animals}")
    assert data.item_ids == (*before.item_ids, "dog/more/c.png")
    assert data.labels.tolist() == [*before.labels.tolist(), 2]


def test_digests_tell_items_and_labels_apart(animals):
    data = load_data(f"imagefolder:{animals}")
    assert data.digest() == load_data(f"imagefolder:{animals}", name="other").digest()
    relabelled = load_data(f"imagefolder:{animals}", class_index={"bird": 0, "cat": 2, "dog": 1})
    others = [data.subset([0, 1]), data.subset([1, 0]), relabelled]
    assert len({data.digest(), *(other.digest() for other in others)}) == 4


def test_labels_out_of_range_and_doubled_ids_are_named(animals):
    data = load_data(f"imagefolder:{animals}")
    data.labels[2] = 4
    with pytest.raises(TtscaleError, match=r"labels from 0 to 3, got label 4 on item cat/old/x\.PNG"):
        check_dataset(data)
    with pytest.raises(TtscaleError, match=r"'cat/old/x\.PNG' more than once"):
        check_dataset(load_data(f"imagefolder:{animals}").subset([1, 2, 2]))
