"""Any torch map-style dataset that gives (image, label), as items with stable ids."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.data.bad_item import BadItem
from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError

TARGETS = ("targets", "labels", "_labels")  # where torchvision's sets and most others hold the labels


def from_torch(dataset: Any, *, name: str | None = None, prefix: str = "", on_bad_item: str = "error") -> Dataset:
    """A map-style dataset as items.

    Item ids are file paths relative to the set's root where it lists its files (``samples``), else positions such as
    ``00042``; a ``torch.utils.data.Subset`` keeps the ids of what it is a subset of. Labels come from the set's own
    list of them; where it has none, every item is read once, and one that cannot be read is an error or, with
    ``on_bad_item="skip"``, left out with a warning.

    Args:
        dataset: has ``len()`` and gives ``(image, label)``, the label an integer.
        prefix: put before positional ids, for example ``"CIFAR10/test/"``.

    Raises:
        TtscaleError: not a map-style dataset, or a label that is not an integer.
    """
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise TtscaleError(
            "data", expected="a map-style dataset with __len__ and __getitem__", got=type(dataset).__name__,
            fix="Turn a stream into a list of (image, label) first.",
        )  # fmt: skip
    base, positions = _unwrap_subsets(dataset)
    item_ids = _item_ids(base, prefix)
    known = _known_labels(base)
    load = _TorchLoader(base, item_ids)
    if known is None:
        positions, labels = _read_labels(load, positions, on_bad_item)
    else:
        labels = [_label(known[i], item_ids[i]) for i in positions]
    classes = getattr(base, "classes", None)
    everything = Dataset(
        name=name or type(base).__name__,
        item_ids=item_ids,
        labels=np.zeros(len(item_ids), dtype=np.int64),
        load=load,
        class_names=_class_names(classes),
    )
    everything.labels[positions] = labels
    return everything if positions == list(range(len(item_ids))) else everything.subset(positions)


class _TorchLoader:
    def __init__(self, dataset: Any, item_ids: tuple[str, ...]) -> None:
        self.dataset, self.item_ids = dataset, item_ids

    def __call__(self, position: int) -> Any:
        return self.pair(position)[0]

    def pair(self, position: int) -> tuple[Any, Any]:
        try:
            pair = self.dataset[position]
        except Exception as error:  # the user's code may raise anything
            reason = f"{type(error).__name__}: {error}"
            raise BadItem(self.item_ids[position], type(self.dataset).__name__, reason) from error
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TtscaleError(
                "data", expected="(image, label) from each item",
                got=f"{type(pair).__name__} from {self.item_ids[position]}",
                fix="Wrap the dataset so that each item is a pair.",
            )  # fmt: skip
        return pair[0], pair[1]


def _unwrap_subsets(dataset: Any) -> tuple[Any, list[int]]:
    """(innermost dataset, positions in it) of nested ``torch.utils.data.Subset``."""
    positions = list(range(len(dataset)))
    while type(dataset).__name__ == "Subset" and hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        positions = [int(dataset.indices[i]) for i in positions]
        dataset = dataset.dataset
    return dataset, positions


def _item_ids(dataset: Any, prefix: str) -> tuple[str, ...]:
    samples, root = getattr(dataset, "samples", None), getattr(dataset, "root", None)
    if samples is not None and root is not None and len(samples) == len(dataset):
        try:
            return tuple(Path(sample[0]).relative_to(root).as_posix() for sample in samples)
        except (TypeError, ValueError, IndexError):
            pass  # samples of another kind than (path, label): positions serve
    return tuple(f"{prefix}{i:05d}" for i in range(len(dataset)))


def _known_labels(dataset: Any) -> list[Any] | None:
    """The set's own list of labels, after its ``target_transform``; None where it has none of the right length."""
    change: Callable[[Any], Any] = getattr(dataset, "target_transform", None) or (lambda label: label)
    for attribute in TARGETS:
        values = getattr(dataset, attribute, None)
        if values is not None and not callable(values) and np.ndim(values) == 1 and len(values) == len(dataset):
            return [change(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]
    return None


def _read_labels(load: _TorchLoader, positions: list[int], on_bad_item: str) -> tuple[list[int], list[int]]:
    kept, labels, bad = [], [], []
    for position in positions:
        try:
            label = load.pair(position)[1]
        except BadItem as error:
            if on_bad_item == "error":
                raise
            bad.append(error.item_id)
            continue
        kept.append(position)
        labels.append(_label(label, load.item_ids[position]))
    if bad:
        warnings.warn(
            f"{len(bad)} of {len(positions)} items cannot be read and are left out: {', '.join(bad[:3])}", stacklevel=4
        )
    return kept, labels


def _label(value: Any, item_id: str) -> int:
    try:
        return operator.index(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TtscaleError(
            f"label of item {item_id}", expected="an integer class index", got=repr(value),
            fix="Give a dataset for classification, or a target_transform that returns the class index.",
        ) from error  # fmt: skip


def _class_names(classes: Any) -> tuple[str, ...] | None:
    """torchvision's ``classes``: names, or tuples of synonyms; a number or nothing where a set has no names."""
    if not isinstance(classes, list | tuple) or not classes:
        return None
    return tuple(", ".join(name) if isinstance(name, tuple) else str(name) for name in classes)
