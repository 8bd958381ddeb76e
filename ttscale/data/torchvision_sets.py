"""``torchvision:NAME``: torchvision's classification sets."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from ttscale.data.cache import cache_folder
from ttscale.data.dataset import Dataset
from ttscale.data.paths import to_path
from ttscale.data.torch_sets import from_torch
from ttscale.errors import TtscaleError, require, unknown_name


def torchvision_set(
    set_name: str, *, root: str | Path | None = None, split: str = "test", name: str | None = None,
    on_bad_item: str = "error",
) -> Dataset:  # fmt: skip
    """A torchvision dataset by its class name, such as ``CIFAR10``; read from ``root`` or downloaded into it.

    Args:
        root: folder that holds the set or shall; None: a folder in the user's cache.
        split: ``"train"`` or ``"test"``, or what the set's own ``split`` argument takes; either names a set that is
            one split by itself.

    Raises:
        TtscaleError: unknown set or split, or files that are neither there nor can be downloaded.
    """
    torchvision = require("torchvision", install="torchvision", needed_for="torchvision:NAME")

    known = {n for n in torchvision.datasets.__all__ if inspect.isclass(getattr(torchvision.datasets, n))}
    if set_name not in known:
        raise unknown_name("data", set_name, known, fix="These are torchvision.datasets.")
    make = getattr(torchvision.datasets, set_name)
    accepted = inspect.signature(make).parameters
    arguments: dict[str, Any] = {}
    if "split" in accepted:
        arguments["split"] = split
    elif split not in ("train", "test"):
        raise unknown_name("split", split, ("train", "test"), fix=f"{set_name} has no others.")
    elif "train" in accepted:
        arguments["train"] = split == "train"
    if root is not None and "root" not in accepted:
        raise TtscaleError("root", expected=f"nothing for {set_name}", got=repr(root), fix="Leave root out.")
    if "root" in accepted:
        arguments["root"] = str(to_path("root", root) if root is not None else cache_folder() / "torchvision")
    dataset = _open(make, arguments, can_download="download" in accepted)
    part = f"{set_name}/{split}" if {"split", "train"} & set(accepted) else set_name
    return from_torch(dataset, name=name or part.replace("/", "-"), prefix=f"{part}/", on_bad_item=on_bad_item)


def _open(make: Any, arguments: dict[str, Any], *, can_download: bool) -> Any:
    """The set as it is on disk; where files are missing and it can fetch them, after a download."""
    name, where = make.__name__, arguments.get("root")
    try:
        return make(**arguments)
    except (TypeError, ValueError) as error:
        raise TtscaleError(
            "data", expected=f"arguments that torchvision.datasets.{name} takes", got=f"{arguments}: {error}",
            fix="Change split, or build the dataset yourself and give it to load_data.",
        ) from error  # fmt: skip
    except (OSError, RuntimeError) as error:
        reason: Exception = error
    if can_download:
        try:
            return make(**arguments, download=True)
        except (OSError, RuntimeError, ValueError) as error:
            reason = error
    raise TtscaleError(
        "data", expected=f"{name} in {where}" + (", or a network to download it" if can_download else ""),
        got=f"{type(reason).__name__}: {' '.join(str(reason).split())}", fix="Give root=FOLDER with its files.",
    ) from reason  # fmt: skip
