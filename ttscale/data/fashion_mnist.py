"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, MIT): its test split ships with ttscale."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from ttscale.data.dataset import Dataset
from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError, unknown_name

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
SHIPPED = Path(__file__).parent.parent / "zoo" / "fashion-mnist"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
PREFIXES = {"test": "t10k", "train": "train"}
IDX_UINT8 = 0x08


def fashion_mnist(split: str = "test", *, root: str | Path | None = None, name: str | None = None) -> Dataset:
    """Greyscale images of 28 × 28 pixels, 10 classes; item ids are ``fashion-mnist/test/00000`` and so on.

    Args:
        split: ``"test"`` (10,000 items) or ``"train"`` (60,000).
        root: folder of the four IDX files (plain or ``.gz``), or the one that torchvision downloaded into. None: the
            shipped test split; for the training split Debian's folder, else torchvision's download into the cache.

    Raises:
        TtscaleError: unknown split, no files in ``root``, a damaged file, or no network for the download.
    """
    if split not in PREFIXES:
        raise unknown_name("split", split, PREFIXES)
    folder = _find(split, to_path("root", root) if root is not None else None)
    pixels = read_idx(_file(folder, split, "images-idx3-ubyte"))  # type: ignore[arg-type]
    labels = read_idx(_file(folder, split, "labels-idx1-ubyte"))  # type: ignore[arg-type]
    if pixels.ndim != 3 or labels.shape != pixels.shape[:1]:
        raise TtscaleError(
            "root", expected="one label per image", got=f"images {pixels.shape} and labels {labels.shape} in {folder}",
            fix="Replace the files.",
        )  # fmt: skip
    return Dataset(
        name=name or f"fashion-mnist-{split}",
        item_ids=tuple(f"fashion-mnist/{split}/{i:05d}" for i in range(len(labels))),
        labels=labels.astype(np.int64),
        load=_PixelLoader(pixels),
        class_names=CLASS_NAMES,
    )


def read_idx(path: Path) -> np.ndarray:
    """The unsigned bytes in an IDX file, plain or gzipped (0, 0, type, rank, sizes as big-endian uint32, values)."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        rank = content[3]
        shape = tuple(np.frombuffer(content, ">u4", count=rank, offset=4).astype(int))
        if content[:3] != bytes([0, 0, IDX_UINT8]) or len(content) != 4 + 4 * rank + int(np.prod(shape)):
            raise ValueError("not an IDX file of unsigned bytes, or of another length than it says")
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise TtscaleError(
            "root", expected="an IDX file", got=f"{path}: {error}", fix="Replace the file; this one is damaged."
        ) from error
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


class _PixelLoader:
    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __call__(self, position: int) -> Image.Image:
        return Image.fromarray(self.pixels[position])


def _file(folder: Path, split: str, kind: str) -> Path | None:
    candidates = (folder / f"{PREFIXES[split]}-{kind}{ending}" for ending in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _find(split: str, root: Path | None) -> Path:
    """The folder with both files of a split."""
    places = [SHIPPED, DEBIAN] if root is None else [root, root / "FashionMNIST" / "raw"]
    for folder in places:
        if _file(folder, split, "images-idx3-ubyte") and _file(folder, split, "labels-idx1-ubyte"):
            return folder
    if root is not None:
        raise TtscaleError(
            "root", expected=f"the files {PREFIXES[split]}-images-idx3-ubyte and -labels-idx1-ubyte, plain or .gz",
            got=f"none in {root}", fix="Check the folder, or leave root out to have torchvision download them.",
        )  # fmt: skip
    return _download()


def _download() -> Path:
    from torchvision.datasets import FashionMNIST

    from ttscale.data.cache import cache_folder

    folder = cache_folder() / "torchvision"
    try:
        FashionMNIST(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        raise TtscaleError(
            "data", expected="the training split of Fashion-MNIST",
            got=f"no local copy, and the download failed: {' '.join(str(error).split())}",
            fix="Install Debian's dataset-fashion-mnist, or give root=FOLDER with the files.",
        ) from error  # fmt: skip
    return folder / "FashionMNIST" / "raw"
