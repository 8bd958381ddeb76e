"""``zoo:NAME``: the small classifiers that ship with ttscale, safetensors weights with a JSON card beside each."""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.model import Model
from ttscale.models.module import Options, assemble, module_preprocessing
from ttscale.models.preprocess import plain_preprocessing
from ttscale.models.resnet8 import resnet8
from ttscale.models.weights import load_strictly, read_weights

ZOO_FOLDER = Path(__file__).parent.parent / "zoo"
CARD_KEYS = ("name", "architecture", "mean", "std", "input_size")  # what loading needs


def zoo_names(folder: Path | None = None) -> tuple[str, ...]:
    """Names of the models in a folder (the shipped ones), numbers in them in numeric order (w8 before w16)."""
    return tuple(sorted((path.stem for path in (folder or ZOO_FOLDER).glob("*.json")), key=_natural))


def match_zoo(pattern: str) -> tuple[str, ...]:
    """Names that a glob matches: ``*`` for the shipped models, ``FOLDER/*`` for those of a folder."""
    folder, prefix, stem = _split(pattern)
    return tuple(prefix + name for name in zoo_names(folder) if fnmatch.fnmatchcase(name, stem))


def load_zoo(name: str, options: Options) -> Model:
    """A shipped model, or ``FOLDER/NAME`` as `ttscale train` wrote it; its card becomes the member's card."""
    options.refuse(f"zoo:{name}", "checkpoint", "pretrained")
    if options.preprocess is None:
        options.refuse(f"zoo:{name}", "input_size", "mean", "std")
    folder, prefix, stem = _split(name)
    if stem not in zoo_names(folder):
        raise unknown_name("models", f"zoo:{name}", (f"zoo:{prefix}{known}" for known in zoo_names(folder)))
    card = read_card(folder / f"{stem}.json")
    try:
        module = resnet8(**card["architecture"])
    except TypeError as error:
        raise _damaged(folder / f"{stem}.json", f"architecture {card['architecture']}") from error
    weights = folder / f"{stem}.safetensors"
    load_strictly(module, read_weights(weights), source=weights.name)
    preprocessing = (
        module_preprocessing(module, replace(options, input_size=options.input_size or tuple(card["input_size"])))
        if options.preprocess is not None
        else plain_preprocessing(tuple(card["input_size"]), tuple(card["mean"]), tuple(card["std"]))
    )
    names = tuple(card["class_names"]) if card.get("class_names") else None
    return assemble(module, preprocessing, options, spec=f"zoo:{name}", name=card["name"], card=card, class_names=names)


def read_card(path: Path) -> dict[str, Any]:
    """The card in a JSON file.

    Raises:
        TtscaleError: it is not a card.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    missing = [key for key in CARD_KEYS if not isinstance(card, dict) or key not in card]
    if missing:
        raise _damaged(path, f"no {', '.join(missing)}")
    return card


def _split(name: str) -> tuple[Path, str, str]:
    """(folder, prefix of the folder in the spec, rest) of ``FOLDER/NAME`` or ``NAME``."""
    place, slash, stem = name.rpartition("/")
    return (Path(place) if slash else ZOO_FOLDER), place + slash, stem


def _damaged(path: Path, got: str) -> TtscaleError:
    return TtscaleError(
        "models", expected=f"a model card with {', '.join(CARD_KEYS)}", got=f"{path}: {got}",
        fix="Reinstall ttscale, or train the model again with `ttscale train`.",
    )  # fmt: skip


def _natural(name: str) -> list[tuple[bool, int, str]]:
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]
