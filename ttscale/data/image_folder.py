"""A folder with one subfolder per class and images at any depth below it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ttscale.data.bad_item import BadItem
from ttscale.data.dataset import Dataset
from ttscale.data.imagenet import imagenet_classes
from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError, unknown_name

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".gif", ".tif", ".tiff", ".webp")
IMAGENET = "imagenet-1k"
SORTED = "sorted"
WORDNET_ID = re.compile(r"n\d{8}")


def image_folder(
    root: str | Path, *, class_index: Mapping[str, int] | str | None = None, name: str | None = None
) -> Dataset:
    """Images under ``root/CLASS/…/IMAGE``; item ids are paths relative to ``root``, with forward slashes.

    Args:
        root: folder whose subfolders are the classes; hidden ones (``.name``) are passed over. Links to folders are
            followed, within a class to each folder once.
        class_index: from folder name to label: a mapping, a JSON file of one (or of a list of names in label order, or
            Keras's ``{"0": ["n01440764", "tench"]}``), ``"imagenet-1k"`` for WordNet ids, ``"sorted"`` for the folders
            in sorted order. None: ``"imagenet-1k"`` where every folder is one of its WordNet ids, else ``"sorted"``.
        name: default: the folder's name.

    Raises:
        TtscaleError: no such folder, no class folders, no images, or a folder that ``class_index`` does not name.
    """
    root = to_path("root", root)
    if not root.is_dir():
        raise TtscaleError("root", expected="a folder of class folders", got=f"no folder {root}", fix="Check the path.")
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise TtscaleError(
            "root", expected="one subfolder per class", got=f"none in {root}", fix="Put the images into class folders."
        )
    index, class_names = read_class_index(class_index, folders)
    item_ids, labels = [], []
    for folder in folders:
        paths = _images_below(root / folder, seen={os.path.realpath(root)})
        if paths and folder not in index:
            raise unknown_name("class_index", folder, index, fix="Give every class folder with images an index.")
        item_ids += [path.relative_to(root).as_posix() for path in paths]
        labels += [index.get(folder, -1)] * len(paths)
    return Dataset(
        name=name or root.resolve().name,
        item_ids=tuple(item_ids),
        labels=np.array(labels, dtype=np.int64),
        load=_ImageLoader(root, tuple(item_ids)),
        class_names=class_names,
    )


def loose_images(root: str | Path, *, argument: str = "root") -> Dataset:
    """Every image at any depth of a folder, without classes (all labels are 0); item ids as of :func:`image_folder`.

    Raises:
        TtscaleError: no such folder; it names ``argument``.
    """
    root = to_path(argument, root)
    if not root.is_dir():
        raise TtscaleError(argument, expected="a folder of images", got=f"no folder {root}", fix="Check the path.")
    item_ids = tuple(path.relative_to(root).as_posix() for path in _images_below(root, seen=set()))
    return Dataset(root.resolve().name, item_ids, np.zeros(len(item_ids), dtype=np.int64), _ImageLoader(root, item_ids))


def read_class_index(
    class_index: Mapping[str, int] | str | None, folders: list[str]
) -> tuple[dict[str, int], tuple[str, ...] | None]:
    """(folder name to label, class names in label order or None where labels have gaps)."""
    if class_index is None:
        wordnet = all(WORDNET_ID.fullmatch(folder) for folder in folders)
        class_index = IMAGENET if wordnet and set(folders) <= set(imagenet_classes()[0]) else SORTED
    if class_index == SORTED:
        return {folder: i for i, folder in enumerate(folders)}, tuple(folders)
    if class_index == IMAGENET:
        ids, names = imagenet_classes()
        return {wordnet_id: i for i, wordnet_id in enumerate(ids)}, names
    index = dict(class_index) if isinstance(class_index, Mapping) else _read_json(to_path("class_index", class_index))
    for folder, label in index.items():
        if isinstance(label, bool) or not isinstance(label, int | np.integer) or label < 0:
            raise TtscaleError(
                "class_index", expected="a label of 0 or more for each folder", got=f"{folder}: {label!r}",
                fix="Labels are the positions in the model's output.",
            )  # fmt: skip
    by_label = {label: folder for folder, label in index.items()}
    complete = len(by_label) == len(index) and sorted(by_label) == list(range(len(index)))
    return index, tuple(by_label[i] for i in range(len(index))) if complete else None


def _read_json(path: Path) -> dict[str, Any]:
    shapes = '{"folder": 0, …}, ["folder", …] or {"0": ["folder", "name"], …}'
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TtscaleError(
            "class_index", expected=f"{IMAGENET}, {SORTED}, or a JSON file with {shapes}", got=f"{path}: {error}",
            fix="Check the path and the file.",
        ) from error  # fmt: skip
    if isinstance(content, list):
        return {str(folder): i for i, folder in enumerate(content)}
    if isinstance(content, dict) and all(isinstance(v, list) and v and k.isdigit() for k, v in content.items()):
        return {str(names[0]): int(label) for label, names in content.items()}
    if not isinstance(content, dict):
        got = f"a {type(content).__name__} in {path}"
        raise TtscaleError("class_index", expected=shapes, got=got, fix="Change the file.")
    return content


def _images_below(folder: Path, seen: set[str]) -> list[Path]:
    """Image files at any depth; a folder that links lead to again, by another path or in a cycle, is walked once."""
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(place) / file for file in files if file.lower().endswith(EXTENSIONS) and file[0] != "."]
    return sorted(found)


class _ImageLoader:
    """Reads an image file completely, so that a truncated one is found here."""

    def __init__(self, root: Path, item_ids: tuple[str, ...]) -> None:
        self.root, self.item_ids = root, item_ids

    def __call__(self, position: int) -> Image.Image:
        item_id = self.item_ids[position]
        path = self.root / item_id
        try:
            with Image.open(path) as image:
                image.load()
                return image
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise BadItem(item_id, str(path), str(error)) from error
