"""Shifted data: ``gaussian_noise@3``, ``prior:10``, ``folder:PATH``, from a spec to the items it makes of a set."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from ttscale.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt, imagecorruptions
from ttscale.data.dataset import CLEAN, Dataset
from ttscale.data.image_folder import image_folder
from ttscale.data.image_modes import grey_or_rgb
from ttscale.data.imagenet import imagenet_classes
from ttscale.data.paths import to_path
from ttscale.data.prior_shift import long_tailed
from ttscale.errors import TtscaleError, unknown_name

_IMAGENET_CLASSES = 1000
_LOOKED_AT = 16  # images at most, until one is changed
STEEPEST = 10**9  # ratio of a class prior
_FORMS = "none, CORRUPTION@SEVERITY, prior:RATIO or folder:PATH"


@dataclass(frozen=True)
class Shift:
    """One shift.

    Attributes:
        label: in reports and in a data set's name and digest, such as ``gaussian noise 3``.
        apply: makes the shifted items of a set; raises ``TtscaleError`` where the set does not allow it.
    """

    label: str
    apply: Callable[[Dataset], Dataset]

    @property
    def slug(self) -> str:
        """The label as the name of a folder."""
        return re.sub(r"[^\w.-]+", "-", self.label)


def read_shift(spec: str) -> Shift:
    """The shift of a spec; nothing of the data is read.

    Args:
        spec: ``none``; ``NAME@SEVERITY``, a corruption of :data:`ttscale.data.corruptions.CORRUPTIONS` at 1 to 5 that
            keeps the item ids; ``prior:RATIO``, such as ``prior:10`` or ``prior:1/10``, see
            :func:`ttscale.data.prior_shift.long_tailed`; ``folder:PATH``, other images of the same classes.

    Raises:
        TtscaleError: none of these, or an unknown corruption or severity.
    """
    if not isinstance(spec, str):
        raise TtscaleError("shift", expected=f"one of {_FORMS}", got=repr(spec), fix="A list is for ttscale sweep.")
    kind, colon, rest = spec.partition(":")
    if spec == "none":
        return Shift(CLEAN, lambda data: data)
    if colon and kind == "prior":
        ratio = _ratio(rest)
        label = f"class prior {ratio}"
        return Shift(label, lambda data: _named(long_tailed(data, float(ratio)), label))
    if kind == "folder" and rest:
        folder = to_path("shift", rest)
        label = "/".join(folder.resolve().parts[-2:])
        return Shift(label, lambda data: _named(_from_folder(folder, data), label, of=data.name))
    return _corruption(spec)


def _corruption(spec: str) -> Shift:
    name, at, severity = spec.partition("@")
    if name not in CORRUPTIONS:
        raise unknown_name("shift", name, CORRUPTIONS, fix=f"A shift is {_FORMS}.")
    if not at or severity not in map(str, SEVERITIES):
        raise TtscaleError(
            "shift", expected=f"a severity from {SEVERITIES[0]} to {SEVERITIES[-1]} after {name}@", got=repr(spec),
            fix=f"For example {name}@3.",
        )  # fmt: skip

    def apply(data: Dataset) -> Dataset:
        imagecorruptions()  # a missing package is told before anything is run
        corrupted = _Corrupted(data, name, int(severity))
        _check_changes(corrupted, spec)
        return _named(replace(data, load=corrupted), label)

    label = f"{name.replace('_', ' ')} {severity}"
    return Shift(label, apply)


def _named(data: Dataset, label: str, *, of: str | None = None) -> Dataset:
    return replace(data, name=f"{of or data.name}, {label}", shift=label)


class _Corrupted:
    def __init__(self, data: Dataset, name: str, severity: int) -> None:
        self.data, self.name, self.severity = data, name, severity

    def __call__(self, position: int) -> Image.Image:
        raw, item_id = self.data.load(position), self.data.item_ids[position]
        if not isinstance(raw, Image.Image):
            raise TtscaleError(
                "shift", expected="PIL images to corrupt", got=f"a {type(raw).__name__} from item {item_id}",
                fix="Give a dataset whose items are images, before they are made into tensors.",
            )  # fmt: skip
        return corrupt(raw, self.name, self.severity, item_id)


def _check_changes(corrupted: _Corrupted, spec: str) -> None:
    """Refuse a corruption that leaves all of some images as they are: of grey ones there is nothing to saturate."""
    data = corrupted.data
    seen = 0
    for position in np.unique(np.linspace(0, len(data) - 1, _LOOKED_AT).astype(int)):
        try:
            clean = data.load(int(position))
            changed = not np.array_equal(np.asarray(grey_or_rgb(clean)), np.asarray(corrupted(int(position))))
        except Exception:  # an item that cannot be read is told, or skipped, when it is collected
            continue
        if changed:
            return
        seen += 1
    if seen:
        raise TtscaleError(
            "shift", expected=f"a corruption that changes the images of {data.name}",
            got=f"{spec}, which leaves all of {seen} as they are", fix="Leave it out, or take a greater severity.",
        )  # fmt: skip


def _ratio(text: str) -> Fraction:
    try:
        roughly = [float(part) for part in text.split("/")]  # before a huge exponent is written out
        ratio = Fraction(text) if all(1e-30 < part < 1e30 for part in roughly) else Fraction(0)
    except (ValueError, ZeroDivisionError):
        ratio = Fraction(0)
    if ratio == 1 or not Fraction(1, STEEPEST) <= ratio <= STEEPEST:
        raise TtscaleError(
            "shift", expected=f"prior:RATIO with a ratio above 0 other than 1, of {STEEPEST:.0e} at most either way",
            got=f"prior:{text}",
            fix="prior:10 has ten times as many items of the first class as of the last, prior:1/10 the reverse.",
        )  # fmt: skip
    return ratio


def _from_folder(folder: Path, data: Dataset) -> Dataset:
    """A folder of class folders, with the labels and class names of ``data``, of which some may be missing."""
    if not folder.is_dir():
        raise TtscaleError(
            "shift", expected="folder:PATH of a folder of class folders", got=f"no folder {folder}", fix="Check it."
        )
    if data.class_names is None:
        raise TtscaleError(
            "shift", expected="data whose classes have names, to find those of the folder",
            got=f"{data.name} without class names", fix="Load the folder by itself, with class_index.",
        )  # fmt: skip
    known = _labels(data.class_names)
    folders = [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    unknown = [name for name in folders if _plain(name) not in known]
    if unknown:
        fix = f"The subfolders of {folder} are called as the classes of {data.name}."
        raise unknown_name("shift", unknown[0], data.class_names, fix=fix)
    found = image_folder(folder, class_index={name: known[_plain(name)] for name in folders})
    return replace(found, class_names=data.class_names)  # the folder may spell them otherwise and hold only some


def _labels(class_names: tuple[str, ...]) -> dict[str, int]:
    """Label of each class by its plain name, where no other has the same, and by WordNet id for ImageNet's classes."""
    plain = [_plain(name) for name in class_names]
    labels = {name: label for label, name in enumerate(plain) if plain.count(name) == 1}
    if len(class_names) == _IMAGENET_CLASSES:
        wordnet_ids, names = imagenet_classes()
        labels |= {wordnet_id: i for i, wordnet_id in enumerate(wordnet_ids) if names == class_names}
    return labels


def _plain(name: str) -> str:
    """The name in lower case, anything but letters and digits as a space: what a folder can be called."""
    return re.sub(r"[\W_]+", " ", name.lower()).strip()
