"""Class-prior shift: other shares of the classes, by leaving items out."""

from __future__ import annotations

import numpy as np

from ttscale.data.dataset import Dataset
from ttscale.draws.keyed import item_keys
from ttscale.errors import TtscaleError


def long_tailed(data: Dataset, ratio: float) -> Dataset:
    """The items such that the first class has ``ratio`` times as many as the last, falling geometrically between.

    The usual long-tailed profile (Cui et al. 2019, "Class-balanced loss", eq. in section 5.1; as a shift of the test
    set Hong et al. 2021, "Disentangling label distribution"): of C classes in label order, class i has a share
    proportional to ``ratio ** (-i / (C - 1))``; a ratio below 1 favours the last class. The set is as large as the
    smallest classes allow without taking an item twice, and every class keeps at least one. Items are chosen by the
    hash of their id, so the items of one ratio are the same on every machine.

    Raises:
        TtscaleError: items of one class only.
    """
    classes, counts = np.unique(data.labels, return_counts=True)
    if len(classes) < 2:
        raise TtscaleError(
            "shift", expected="items of two classes or more for a shift of the class prior",
            got=f"class {classes[0]} alone in {data.name}", fix="Leave the shift out.",
        )  # fmt: skip
    wanted = sizes(counts, ratio)
    order = np.argsort(item_keys(f"prior: {item_id}" for item_id in data.item_ids), kind="stable")
    chosen = [order[data.labels[order] == label][:n] for label, n in zip(classes, wanted, strict=True)]
    return data.subset(np.sort(np.concatenate(chosen)))


def sizes(counts: np.ndarray, ratio: float) -> np.ndarray:
    """Items to keep of each class, ``int64 [class]``, where ``counts`` are there."""
    shares = ratio ** (-np.arange(len(counts)) / (len(counts) - 1))
    return np.maximum(1, np.floor(shares * np.min(counts / shares) + 1e-9)).astype(np.int64)
