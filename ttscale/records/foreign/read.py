"""Records that other tools wrote: what kind of files they are, and reading them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ttscale.data.files import sha256_file
from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.foreign.build import build
from ttscale.records.foreign.columns import columns_of, listed
from ttscale.records.foreign.counts import gather_counts
from ttscale.records.foreign.files import ROW_SUFFIXES, read_rows, suffix_of
from ttscale.records.foreign.gather import Gathered
from ttscale.records.foreign.inspect_logs import gather_inspect
from ttscale.records.foreign.lm_eval import gather_lm_eval, is_lm_eval, sample_files
from ttscale.records.foreign.reading import FORMATS, Reading
from ttscale.records.foreign.rows import gather_rows
from ttscale.records.records import Records

FOREIGN = FORMATS[2:]
_HEAD = 65536


def read_foreign(path: str | Path | Sequence[str | Path], format: str, reading: Reading) -> Records:
    """Records of the files at a path.

    Args:
        path: a file, a folder of files of one format, or a list of files.
        format: one of ``FOREIGN``, or ``"auto"``.

    Raises:
        TtscaleError: no such file, an unknown format, files of different formats, or what reading them raises.
    """
    if format not in ("auto", *FOREIGN):
        raise unknown_name("format", format, FORMATS)
    files, aside = _files(path)
    kinds = {file: format if format != "auto" else _kind(file, reading) for file in files}
    if len(set(kinds.values())) > 1:
        two = list(dict.fromkeys(kinds.values()))[:2]
        names = [next(file.name for file in files if kinds[file] == kind) for kind in two]
        raise TtscaleError("format", expected="files of one format",
                           got=" and ".join(f"{name} ({kind})" for name, kind in zip(names, two, strict=True)),
                           fix="Give the files of one, or name it with format=.")  # fmt: skip
    kind = kinds[files[0]]
    found = Gathered(tuple(reading.scores))
    if kind == "lm_eval":
        gather_lm_eval(files, found, reading)
    elif kind == "inspect_ai":
        gather_inspect(files, found, reading)
    else:
        for file in files:
            (gather_counts if kind == "counts" else gather_rows)(file, found, reading)
    if aside:
        found.notes.append(f"Left aside, since no samples are in them: {listed([file.name for file in aside])}.")
    digests = {name: sha256_file(file) for name, file in zip(_names(files), files, strict=True)}
    name = files[0].name.removesuffix(".gz").rsplit(".", 1)[0] if len(files) == 1 else files[0].resolve().parent.name
    return build(found, reading, {"name": name, "format": kind, "files": digests})


def _files(path: str | Path | Sequence[str | Path]) -> tuple[list[Path], list[Path]]:
    """The files to read, and those of a folder that hold no samples."""
    given = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    files: list[Path] = []
    aside: list[Path] = []
    for one in given:
        if one.is_dir():
            inside, others = _inside(one)
            files, aside = files + inside, aside + others
        elif one.is_file():
            files.append(one)
        else:
            fix = "Give a folder of such files, or a list of them: '[a.jsonl,b.jsonl]'." if "*" in str(one) else ""
            raise TtscaleError("records", expected="a file or folder", got=f"{one}, which is not there",
                               fix=fix or "Check the path.")  # fmt: skip
    if not files:
        raise TtscaleError("records", expected="at least one file", got="none", fix="Name a file.")
    return files, aside


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of a folder that can be read: samples of lm-evaluation-harness and logs of inspect_ai at any depth, and
    the tables in the folder itself; and its JSON files that hold something else beside such samples or logs."""
    own = _own_results(folder)
    if own is not None:
        raise TtscaleError(
            "records", expected="samples of another tool", got=f"{folder}, which holds {own}",
            fix="Give a Records folder alone, not in a list; results are made from Records, and hold no samples.",
        )  # fmt: skip
    samples = sample_files(folder)
    logs = sorted([*folder.rglob("*.eval"), *(file for file in folder.rglob("*.json") if _is_inspect(file))])
    tables = [file for file in sorted(folder.iterdir()) if file.is_file() and suffix_of(file) in ROW_SUFFIXES]
    tables = [file for file in tables if file not in samples and file not in logs]
    others = [file for file in tables if suffix_of(file) == ".json"] if samples or logs else []
    found = [*samples, *logs, *(file for file in tables if file not in others)]
    if not found:
        raise TtscaleError(
            "records", expected="a Records folder (with a manifest.json), or samples of another tool", got=str(folder),
            fix="Give the `out` of a collect or sweep, samples_*.jsonl of lm_eval, logs of inspect_ai, or a table.",
        )  # fmt: skip
    return found, [file for file in others if not (samples and file.name.startswith("results_"))]


def _own_results(folder: Path) -> str | None:
    """What ttscale wrote into a folder, if it did: Records, or the results of a verb."""
    if (folder / "manifest.json").is_file():
        return "Records"
    try:
        kind = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"results of ttscale ({kind})" if str(kind).startswith("ttscale-") else None


def _names(files: Sequence[Path]) -> list[str]:
    """The names of files below the folder that they share."""
    whole = [file.resolve() for file in files]
    shared = os.path.commonpath([file.parent for file in whole])
    return [file.relative_to(shared).as_posix() for file in whole]


def _kind(file: Path, reading: Reading) -> str:
    """The format of a file, by its ending and its first row."""
    if file.name.endswith(".eval") or (suffix_of(file) == ".json" and _is_inspect(file)):
        return "inspect_ai"
    first = next(read_rows(file))[1]
    if is_lm_eval(first):
        return "lm_eval"
    counts = {role: column for role, column in reading.fields.items() if role in ("item", "n", "c")}
    known = columns_of(list(first), Reading(fields=counts), ("item", "n", "c"), file.name)
    return "counts" if {"n", "c"} <= set(known) and not isinstance(first[known["n"]], list) else "rows"


def _is_inspect(file: Path) -> bool:
    """Whether a JSON file begins as a log of inspect_ai does: with its version, status and eval."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD).decode("utf-8", "replace")
    return head.lstrip()[:1] == "{" and '"status"' in head[:200] and '"eval"' in head[:400]
