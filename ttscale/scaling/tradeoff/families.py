"""Reference families: published models with what they cost to train and to use, from a CSV with a source for each row.

The shipped table holds ImageNet-1k classifiers (ResNet, EfficientNet, EfficientNet-Lite, ConvNeXt, DeiT) and language
models (SmolLM2, Gemma-3, Pythia). What is published are multiply-adds, parameters, epochs and tokens; training FLOPs
are estimated from these:

- image: 3 × forward FLOPs × images × epochs. A step's backward pass costs twice its forward pass (Kaplan et al. 2020,
  "Scaling laws for neural language models", 2.1, which gives 6 N D the same way). Forward FLOPs are those at the test
  resolution, times the square of the ratio of the resolutions where training had another one that is known.
- text: 6 N D, N the parameters that each token is multiplied with, D the training tokens.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError, unknown_name

FAMILIES_FILE = Path(__file__).parents[2] / "reference" / "families.csv"
SHIPPED = {"imagenet": "image", "language": "text"}  # names of parts of the shipped table, with their domain
DOMAINS = ("image", "text")
_WORDS = ("family", "name", "recipe", "domain", "benchmark", "teacher", "note", "source")
_NUMBERS = (
    "classes", "accuracy", "params", "multiplied", "gmacs", "resolution", "train_resolution", "images", "epochs",
    "tokens",
)  # fmt: skip
COLUMNS = (*_WORDS, *_NUMBERS)
_NEEDED = ("family", "name", "domain", "source")
_NEEDED_OF = {"image": "gmacs", "text": "params"}
_FORWARDS = 3  # forward passes that one step of training costs


@dataclass(frozen=True)
class Reference:
    """A published model: one row of the table. Numbers that are not known are NaN.

    Attributes:
        family, name: of the model. recipe: of its training, where a family has several; only models of one recipe are a
            line in figures.
        domain: ``"image"`` or ``"text"``.
        benchmark: what its accuracy is of, ``"ImageNet-1k top-1"``; classes: how many this has.
        accuracy: published, as a fraction (the file has per cent); without any interval.
        params: parameters. multiplied: those that each token of text is multiplied with: without an input embedding
            that is only looked up.
        gmacs: multiply-adds of one image at ``resolution`` pixels, in 1e9. train_resolution: pixels in training.
        images, epochs: training images, and how often each was seen. tokens: of text, training tokens seen.
        teacher: what it was distilled from; empty where it was not.
        note, source: remarks, and where the numbers were published (URLs, separated by blanks).
    """

    family: str
    name: str
    domain: str
    source: str
    recipe: str = ""
    benchmark: str = ""
    teacher: str = ""
    note: str = ""
    classes: float = math.nan
    accuracy: float = math.nan
    params: float = math.nan
    multiplied: float = math.nan
    gmacs: float = math.nan
    resolution: float = math.nan
    train_resolution: float = math.nan
    images: float = math.nan
    epochs: float = math.nan
    tokens: float = math.nan

    @property
    def test_flops(self) -> float:
        """FLOPs of one image, or of one token of text (attention to the context left out): 2 a multiply-add."""
        return 2e9 * self.gmacs if self.domain == "image" else 2 * self._active

    @property
    def train_flops(self) -> float:
        """The estimate (see :mod:`ttscale.scaling.tradeoff.families`); of a distilled model without its teacher."""
        if self.domain == "text":
            return 6 * self._active * self.tokens
        return _FORWARDS * self.test_flops * self._shrunk * self.images * self.epochs

    @property
    def distilled(self) -> bool:
        return bool(self.teacher)

    @property
    def estimate(self) -> str:
        """How the training FLOPs were estimated, and what is not in them."""
        if math.isnan(self.train_flops):
            missing = [name for name in self._inputs if math.isnan(getattr(self, name))]
            return f"training FLOPs unknown: {' and '.join(missing)} not published"
        if self.domain == "text":
            text = f"6 N D (Kaplan et al. 2020), N = {self._active:.4g} parameters, D = {self.tokens:.4g} tokens"
        else:
            text = f"3 × 2 × {self.gmacs:g} GMACs × {self.images:,.0f} images × {self.epochs:g} epochs"
            if self._shrunk != 1:
                text += f" × ({self.train_resolution:g}/{self.resolution:g})² for the resolution in training"
            elif math.isnan(self.train_resolution):
                text += ", as if trained at the test resolution"
        return f"{text}; without its teacher ({self.teacher})" if self.distilled else text

    @property
    def _active(self) -> float:
        return self.params if math.isnan(self.multiplied) else self.multiplied

    @property
    def _inputs(self) -> tuple[str, ...]:
        return ("images", "epochs") if self.domain == "image" else ("tokens",)

    @property
    def _shrunk(self) -> float:
        """Forward FLOPs in training per forward FLOPs in the test."""
        ratio = self.train_resolution / self.resolution
        return 1.0 if math.isnan(ratio) else ratio**2


def reference_families(path: str | PathLike[str] | None = None) -> tuple[Reference, ...]:
    """The published models of a table.

    Args:
        path: a CSV file of the columns ``COLUMNS``, in any order, of which ``family``, ``name``, ``domain`` and
            ``source`` are needed, with ``gmacs`` of images and ``params`` of text; other columns are refused, and empty
            cells are unknown. Accuracies are in per cent. ``"imagenet"`` or ``"language"``: that part of the shipped
            table; None: all of it.

    Raises:
        TtscaleError: no such file, or a line that is not such a row: which line, and what is wrong with it.
    """
    if path is None or (isinstance(path, str) and path in SHIPPED):
        found = _read(FAMILIES_FILE)
        return found if path is None else tuple(one for one in found if one.domain == SHIPPED[str(path)])
    file = to_path("reference", path)
    if not file.is_file():
        if file.suffix:
            raise TtscaleError("reference", expected="a CSV file", got=f"no file {str(file)!r}", fix="Check the path.")
        raise unknown_name("reference", str(path), SHIPPED, fix="Or give a CSV file of your own.")
    return _read(file)


def _read(file: Path) -> tuple[Reference, ...]:
    found: dict[str, tuple[int, Reference]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened, strict=True)
            _check_header(file, rows.fieldnames or ())
            for row in rows:
                one = _reference(file, rows.line_num, row)
                if one.name in found:
                    raise _bad(file, rows.line_num, "a name of its own", f"{one.name!r} of line {found[one.name][0]}")
                found[one.name] = (rows.line_num, one)
    except (UnicodeDecodeError, csv.Error) as error:
        raise TtscaleError("reference", expected="a CSV file in UTF-8", got=f"{file.name}: {error}",
                           fix="Save it as comma-separated values.") from error  # fmt: skip
    if not found:
        raise TtscaleError("reference", expected="at least one row", got=f"none in {file.name}", fix="Add models.")
    known = [one.accuracy for _, one in found.values() if not math.isnan(one.accuracy)]
    if known and max(known) <= 0.01:
        raise TtscaleError("reference", expected="accuracies in per cent", got=f"none above 1 in {file.name}",
                           fix="Write 76.1 for 76.1 %.")  # fmt: skip
    return tuple(one for _, one in found.values())


def _check_header(file: Path, header: object) -> None:
    columns = [str(name) for name in header] if isinstance(header, (list, tuple)) else []
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise _bad(file, 1, "different columns", f"{sorted(twice)} twice", "Leave one of them out.")
    for name in columns:
        if name not in COLUMNS:
            raise unknown_name("reference", name, COLUMNS, fix=f"Columns of {file.name}.")
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise _bad(file, 1, f"the columns {', '.join(_NEEDED)}", f"no {', '.join(missing)}", "Add to the first line.")


def _reference(file: Path, line: int, row: Mapping[str | None, str | list[str] | None]) -> Reference:
    if None in row or None in row.values():
        raise _bad(file, line, "as many cells as the first line", "more" if None in row else "fewer",
                   "Put text that holds commas into double quotes.")  # fmt: skip
    cells = {str(column): str(cell).strip() for column, cell in row.items()}
    for column in _NEEDED:
        if not cells[column]:
            raise _bad(file, line, f"a {column}", "an empty cell")
    domain = cells["domain"]
    if domain not in DOMAINS:
        raise _bad(file, line, f"the domain {' or '.join(DOMAINS)}", repr(domain))
    if not cells.get(_NEEDED_OF[domain]):
        raise _bad(file, line, f"{_NEEDED_OF[domain]}, which the cost of {domain} hangs on", "none")
    numbers = {name: _number(file, line, name, cells[name]) for name in _NUMBERS if cells.get(name)}
    if "accuracy" in numbers:
        numbers["accuracy"] /= 100
        if numbers["accuracy"] > 1:
            raise _bad(file, line, "an accuracy of at most 100 per cent", cells["accuracy"])
    words = {name: cells[name] for name in _WORDS if name in cells}
    return Reference(**cast(dict[str, Any], words | numbers))


def _number(file: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise _bad(file, line, f"a positive number as {column}", repr(cell))
    return value


def _bad(
    file: Path, line: int, expected: str, got: str, fix: str = "Correct it, or leave the line out."
) -> TtscaleError:  # fmt: skip
    return TtscaleError("reference", expected=expected, got=f"{got} in {file.name}:{line}", fix=fix)
