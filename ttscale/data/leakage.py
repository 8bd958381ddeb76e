"""Leakage: test images that stand, or nearly stand, in a training set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ttscale.data.dataset import Dataset
from ttscale.data.image_folder import loose_images
from ttscale.data.image_modes import to_mode
from ttscale.data.load import SPECS, load_data
from ttscale.data.near_hashes import nearest_hashes
from ttscale.errors import TtscaleError, require

SIDE = 16  # of the perceptual hash
BITS = SIDE**2
MAX_DISTANCE = 16
_HASHING = 0.95  # share of the time; the search takes the rest
_SLICE = 2048  # images handed to the workers at a time: each that waits takes 2 kB

_Print = tuple[bytes, np.ndarray] | None  # digest of the pixels and perceptual hash; None: cannot be read


@dataclass(frozen=True)
class Match:
    """A test image that stands in the training set.

    Attributes:
        item_id: of the test image.
        train: the nearest training image: its path below the folder, or its item id.
        exact: whether their decoded pixels are the same.
        distance: bits of the perceptual hash that differ, of 256; 0 where ``exact``.
        n_near: training images within the largest distance.
    """

    item_id: str
    train: str
    exact: bool
    distance: int
    n_near: int


@dataclass(frozen=True)
class Leakage:
    """What :func:`leakage` found.

    Attributes:
        data, train: names of the two sets. n_items, n_train: images of each that could be read.
        max_distance: bits, of 256, up to which two images count as near.
        matches: the flagged test images, in the order of the data.
        unreadable: test and training images that could not be read and were left out, by name.
    """

    data: str
    train: str
    n_items: int
    n_train: int
    max_distance: int
    matches: tuple[Match, ...]
    unreadable: tuple[str, ...]

    @property
    def n_exact(self) -> int:
        return sum(match.exact for match in self.matches)

    @property
    def text(self) -> str:
        """What was found, in a sentence."""
        if not self.matches:
            return f"None of {self.n_items} images of {self.data} stands in {self.train} ({self.n_train} images)."
        return (
            f"{len(self.matches)} of {self.n_items} images of {self.data} stand in {self.train} ({self.n_train} "
            f"images): {self.n_exact} exactly, {len(self.matches) - self.n_exact} nearly."
        )

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON, with every match; :func:`ttscale.data.exclude.flagged` reads it."""
        return asdict(self) | {"bits": BITS, "n_exact": self.n_exact, "text": self.text}


def leakage(
    data: Dataset, training: Dataset | str | Path, *, max_distance: int = MAX_DISTANCE, workers: int = 1,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Leakage:  # fmt: skip
    """Flag the images of ``data`` that stand in ``training``, pixel for pixel or nearly so.

    Near is a matter of the perceptual hash (the signs of the 16 × 16 lowest frequencies of the luminance about their
    median, package imagehash; Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"): two
    images are near where at most ``max_distance`` of its 256 bits differ. At 16, a copy that was saved as JPEG of
    quality 40, scaled to half its size, squashed or turned grey is found, and unlike photographs are some 80 bits and
    more apart; a mirrored, rotated or cropped copy is not found, and one of a picture without detail, whose bits are
    unstable, may be missed. In sets of small plain pictures look-alikes are near as well: look at the pairs.

    Args:
        training: a folder with images at any depth, a data set, or a spec of :func:`ttscale.load_data` such as
            ``fashion-mnist``, of which the split ``train`` is taken.
        workers: threads that decode and hash.

    Raises:
        TtscaleError: imagehash is missing, no image in one of the two (the smaller is read first), no worker, or a
            distance that is not from 0 to 64 bits.
    """
    if isinstance(max_distance, bool) or not isinstance(max_distance, int) or not 0 <= max_distance <= BITS // 4:
        raise TtscaleError(
            "max_distance", expected=f"0 to {BITS // 4} of {BITS} bits", got=repr(max_distance),
            fix="Unlike images differ in about half of the bits.",
        )  # fmt: skip
    if not isinstance(data, Dataset):
        raise TtscaleError(
            "data", expected="a data set of images", got=type(data).__name__, fix="Give one of tts.load_data."
        )
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise TtscaleError("workers", expected="a whole number of at least 1", got=repr(workers), fix="Give 1 or more.")
    require("imagehash", install="ttscale[shift]", needed_for="the check for leakage")
    known = _training_set(training)
    total = len(data) + len(known)
    prints: dict[str, _Prints] = {}
    done = 0
    for argument, some in sorted({"data": data, "training": known}.items(), key=lambda pair: len(pair[1])):
        prints[argument] = _prints(some, workers, partial(_tell, on_progress, done, total))
        done += len(some)
        if not prints[argument].item_ids:
            raise TtscaleError(
                argument, expected="images that can be read", got=f"none among {len(some)} of {some.name}",
                fix="Check the files.",
            )  # fmt: skip
    ours, theirs = prints["data"], prints["training"]
    matches = _matches(ours, theirs, max_distance, lambda share: on_progress(_HASHING + (1 - _HASHING) * share))
    return Leakage(
        data.name, known.name, len(ours.item_ids), len(theirs.item_ids), max_distance, tuple(matches),
        (*ours.unreadable, *theirs.unreadable),
    )  # fmt: skip


def _tell(on_progress: Callable[[float], None], before: int, total: int, n: int) -> None:
    on_progress(_HASHING * (before + n) / total)


def _training_set(training: Dataset | str | Path) -> Dataset:
    if isinstance(training, Dataset):
        return training
    if isinstance(training, str) and training.partition(":")[0] in SPECS:
        data = load_data(training, split="train")
        assert isinstance(data, Dataset)
        return data
    return loose_images(training, argument="training")


@dataclass(frozen=True)
class _Prints:
    """Of the images that could be read: ids, digests of the pixels, and hashes ``uint64 [image, 4]``."""

    item_ids: tuple[str, ...]
    pixels: tuple[bytes, ...]
    hashes: np.ndarray
    unreadable: tuple[str, ...]


def _prints(data: Dataset, workers: int, on_images: Callable[[int], None]) -> _Prints:
    item_ids, pixels, hashes, unreadable = [], [], [], []
    with ThreadPoolExecutor(workers) as pool:
        for n, found in enumerate(_in_slices(pool, lambda i: _print_of(data, i), len(data))):
            if found is None:
                unreadable.append(data.item_ids[n])
            else:
                item_ids.append(data.item_ids[n])
                pixels.append(found[0])
                hashes.append(found[1])
            on_images(n + 1)
    words = np.array(hashes, np.uint64).reshape(-1, BITS // 64)
    return _Prints(tuple(item_ids), tuple(pixels), words, tuple(unreadable))


def _in_slices(pool: ThreadPoolExecutor, work: Callable[[int], _Print], n: int) -> Iterator[_Print]:
    """``work`` of 0, 1, …, n − 1 in this order, by the threads of the pool."""
    for start in range(0, n, _SLICE):
        yield from pool.map(work, range(start, min(start + _SLICE, n)))


def _matches(ours: _Prints, theirs: _Prints, max_distance: int, on_progress: Callable[[float], None]) -> list[Match]:
    near = nearest_hashes(ours.hashes, theirs.hashes, max_distance, on_progress)
    same = {pixels: i for i, pixels in reversed(list(enumerate(theirs.pixels)))}
    matches = []
    for i in np.flatnonzero(near.count):  # the same pixels have the same hash
        exact = same.get(ours.pixels[i])
        at, distance = (near.position[i], int(near.distance[i])) if exact is None else (exact, 0)
        matches.append(Match(ours.item_ids[i], theirs.item_ids[at], exact is not None, distance, int(near.count[i])))
    return matches


def _print_of(data: Dataset, position: int) -> _Print:
    """(digest of the pixels, perceptual hash) of one image; None for one that cannot be read."""
    import imagehash

    try:
        raw = data.load(position)
        image = to_mode(raw, "RGB") if isinstance(raw, Image.Image) else None
    except (TtscaleError, OSError, ValueError, SyntaxError):
        return None
    if image is None:
        raise TtscaleError(
            "data", expected="PIL images", got=f"a {type(raw).__name__} from item {data.item_ids[position]}",
            fix="Give a dataset whose items are images, before they are made into tensors.",
        )  # fmt: skip
    pixels = hashlib.blake2b(image.tobytes(), digest_size=16, key=repr(image.size).encode()).digest()
    return pixels, np.packbits(imagehash.phash(image, hash_size=SIDE).hash).view(np.uint64)
