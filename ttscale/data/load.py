"""``load_data``: from a spec, or a torch dataset, to a set of labelled items or of problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ttscale.data.dataset import Dataset
from ttscale.data.exclude import check_flagged, flagged, without
from ttscale.data.fashion_mnist import fashion_mnist
from ttscale.data.image_folder import image_folder
from ttscale.data.problem_sets import SPECS as PROBLEM_SPECS
from ttscale.data.problem_sets import ProblemOptions, load_problems, with_options
from ttscale.data.problems import Problems
from ttscale.data.shift import Shift, read_shift
from ttscale.data.torch_sets import from_torch
from ttscale.data.torchvision_sets import torchvision_set
from ttscale.draws.keyed import item_keys
from ttscale.errors import TtscaleError, unknown_name

SPECS = ("fashion-mnist", "imagefolder", "torchvision")
BAD_ITEM = ("error", "skip")
WHOLE = ("train", "test")

Set = TypeVar("Set", Dataset, Problems)


def load_data(
    spec: str | Any,
    *,
    root: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    class_index: Mapping[str, int] | str | None = None,
    on_bad_item: str = "error",
    name: str | None = None,
    shift: str | None = None,
    exclude: str | Path | None = None,
    families: Sequence[str] | str | None = None,
    n: int | None = None,
    fields: Mapping[str, str] | None = None,
    gold_pattern: str | None = None,
    examples: str | Path | int | None = None,
    shots: int | None = None,
    extract: str | None = None,
    checker: Callable[[str, str], bool] | str | None = None,
    equality: str | None = None,
    max_tokens: int | None = None,
    stop: Sequence[str] | str | None = None,
    chat: bool | None = None,
) -> Dataset | Problems:
    """Labelled images, or problems for language models, with stable ids; no image is decoded before it is asked for.

    Args:
        spec: ``imagefolder:FOLDER`` (or ``imagefolder`` and ``root``), ``fashion-mnist`` (its test split ships with
            ttscale), ``torchvision:NAME`` such as ``torchvision:CIFAR10``, a map-style dataset of (image, label);
            problems: ``arithmetic:FAMILY+FAMILY`` (generated), ``worked`` or ``worked:FAMILY+FAMILY`` (generated, for
            the models of `ttscale train train=arithmetic`), ``jsonl:FILE``, ``gsm8k:FILE``, ``choices:FILE`` (multiple
            choice); or a ready ``Dataset`` or ``Problems``.
        root: folder of the data, where ``spec`` does not hold it.
        split: of ``fashion-mnist`` and torchvision's sets. An image folder or a dataset is one split by itself, which
            may be called ``"train"`` or ``"test"``.
        limit: use this many items: those with the smallest hash of their id, in the order of the set. The choice is the
            same on every machine, and the items of a smaller limit are among those of a larger one.
        class_index: of an image folder, see :func:`ttscale.data.image_folder.image_folder`.
        on_bad_item: ``"error"`` or ``"skip"``, for datasets whose labels come only by reading every item. In all
            others an item is read when ``collect`` loads it; one that cannot be read raises ``BadItem`` then, and
            ``collect`` has its own setting for that.
        name: in reports; a shift is added to it.
        shift: of images: ``gaussian_noise@3`` and the like, ``prior:10``, ``folder:PATH``, or ``none``; see
            :func:`ttscale.data.shift.read_shift`. ``limit`` takes from the shifted items.
        exclude: of images: a ``summary.json`` of ``ttscale leakage``, whose flagged items are left out.
        families: of ``arithmetic`` and ``worked``, where the spec does not name them; see
            :mod:`ttscale.data.arithmetic_families` and :mod:`ttscale.data.worked_families`.
        n: problems of each family of ``arithmetic`` (60 by default) and ``worked`` (30).
        fields: of a file, where question, answer, id, family, cluster and choices stand: ``{"question": "problem"}``.
        gold_pattern: regular expression that finds the gold in a file's answer field.
        examples: of a file, its few-shot examples: another such file, or how many of its first lines.
        shots: examples in a prompt.
        extract: rule that reads an answer, see :func:`ttscale.data.answers.extractor`.
        checker: ``checker(answer, gold) -> bool``, or an importable ``package.module:function``.
        equality: ``"numeric"``, ``"text"`` or ``"math"``, see :class:`ttscale.records.grader.Grader`.
        max_tokens, stop: of a completion.
        chat: ask through the model's chat template; the set's own stop strings are then left out.

    Raises:
        TtscaleError: unknown spec or split, an argument that this spec has no use for, missing folder or files, no
            items, or labels out of range.
    """
    if on_bad_item not in BAD_ITEM:
        raise unknown_name("on_bad_item", on_bad_item, BAD_ITEM)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise TtscaleError("limit", expected="an integer of at least 1", got=repr(limit), fix="Leave it out for all.")
    if not isinstance(split, str):
        raise TtscaleError("split", expected="text", got=repr(split), fix="For example split='train'.")
    change = read_shift("none" if shift is None else shift)
    options = ProblemOptions(
        families, n, fields, gold_pattern, examples, shots, extract, checker, equality, max_tokens, stop, chat
    )
    if isinstance(spec, Problems) or (isinstance(spec, str) and spec.partition(":")[0] in PROBLEM_SPECS):
        _check_whole(split)
        label = spec if isinstance(spec, str) else "problems"
        _refuse(label, class_index=class_index, shift=shift, exclude=exclude)
        return _cut(_load_problems(spec, options, root, name), limit)
    options.refuse(spec if isinstance(spec, str) else "images")
    if isinstance(spec, str):
        data = _load_spec(spec, root, split, class_index, on_bad_item, name)
    else:
        _check_whole(split)
        _refuse("a dataset", root=root, class_index=class_index)
        if isinstance(spec, Dataset):
            data = spec if name is None else replace(spec, name=name)
        else:
            data = from_torch(spec, name=name, on_bad_item=on_bad_item)
    return _cut(_chosen(data, change, exclude), limit)


def _chosen(data: Dataset, change: Shift, exclude: str | Path | None) -> Dataset:
    """The items without those that were flagged, shifted, checked."""
    check_dataset(data)
    leaked = frozenset[str]() if exclude is None else flagged(exclude)
    check_flagged(data, leaked)
    kept = without(data, leaked)
    if not len(kept):
        raise TtscaleError(
            "exclude", expected="a check that leaves some items", got=f"all {len(data)} of {data.name} flagged",
            fix="Take other data, or run ttscale leakage against another training set.",
        )  # fmt: skip
    shifted = without(change.apply(kept), leaked)  # a folder of other images may hold the same ids again
    check_dataset(shifted)
    return shifted


def _load_problems(
    spec: str | Problems, options: ProblemOptions, root: str | Path | None, name: str | None
) -> Problems:
    if isinstance(spec, str):
        return load_problems(spec, options, root, name)
    _refuse("problems", root=root)
    options.refuse("problems", "families", "n", "fields", "gold_pattern", "examples")
    return with_options(spec if name is None else replace(spec, name=name), options)


def _cut(data: Set, limit: int | None) -> Set:
    return data if limit is None or limit >= len(data) else data.subset(limited(data.item_ids, limit))


def limited(item_ids: tuple[str, ...], limit: int) -> np.ndarray:
    """Positions, ascending, of the ``limit`` items with the smallest id hash."""
    return np.sort(np.argsort(item_keys(item_ids), kind="stable")[:limit])


def check_dataset(data: Dataset) -> None:
    """Raise unless the set has items, each with an id of its own and a label in range."""
    if len(data) == 0:
        raise TtscaleError("data", expected="at least one item", got=f"none in {data.name}", fix="Check the folder.")
    if len(set(data.item_ids)) < len(data):
        seen: set[str] = set()
        double = next(i for i in data.item_ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
        raise TtscaleError(
            "data", expected="one id per item", got=f"{double!r} more than once", fix="Leave doubled items out."
        )
    unwritable = next((item_id for item_id in data.item_ids if not _is_text(item_id)), None)
    if unwritable is not None:
        raise TtscaleError(
            "data", expected="item ids that UTF-8 can write", got=repr(unwritable), fix="Rename the file of that item."
        )
    n_classes = len(data.class_names) if data.class_names is not None else None
    bad = np.flatnonzero((data.labels < 0) | (data.labels >= (n_classes or np.iinfo(np.int64).max)))
    if len(bad):
        raise TtscaleError(
            "data", expected=f"labels from 0 to {n_classes - 1}" if n_classes else "labels of 0 or more",
            got=f"label {data.labels[bad[0]]} on item {data.item_ids[bad[0]]} (and {len(bad) - 1} more)",
            fix="Correct the labels, or give class_index.",
        )  # fmt: skip


def _is_text(item_id: str) -> bool:
    """False for a file name that is not valid in the file system's encoding: Python reads it with lone surrogates."""
    try:
        item_id.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_whole(split: str) -> None:
    """A set without splits is called by one of the usual names, so that a misspelt one is told all the same."""
    if split not in WHOLE:
        raise unknown_name("split", split, WHOLE, fix="This data is one split by itself: leave split out.")


def _refuse(spec: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise TtscaleError(name, expected=f"nothing for {spec}", got=repr(value), fix=f"Leave {name} out.")


def _load_spec(
    spec: str, root: str | Path | None, split: str, class_index: Any, on_bad_item: str, name: str | None
) -> Dataset:
    scheme, _, rest = spec.partition(":")
    if scheme not in SPECS:
        raise unknown_name("data", spec, (*SPECS, *PROBLEM_SPECS))
    if scheme == "imagefolder":
        _check_whole(split)
        if rest:
            _refuse(spec, root=root)
        folder = rest or root
        if folder is None:
            raise TtscaleError("root", expected="the folder of the images", got="none", fix="Give root=FOLDER.")
        return image_folder(folder, class_index=class_index, name=name)
    _refuse(spec, class_index=class_index)
    if scheme == "fashion-mnist":
        if rest:
            raise unknown_name("data", spec, SPECS)
        return fashion_mnist(split, root=root, name=name)
    if not rest:
        raise TtscaleError("data", expected="torchvision:NAME", got=repr(spec), fix="For example torchvision:CIFAR10.")
    return torchvision_set(rest, root=root, split=split, name=name, on_bad_item=on_bad_item)
