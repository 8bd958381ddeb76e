"""Records of the same members on clean and on shifted items, side by side in one folder."""

from __future__ import annotations

from pathlib import Path

from ttscale.data.dataset import CLEAN
from ttscale.errors import TtscaleError
from ttscale.records.read import MANIFEST, read_records, runs_below
from ttscale.records.records import Records


def shift_of(records: Records) -> str:
    """The label of the shift that the items were under, as ``gaussian noise 3``; ``clean`` where there was none."""
    return str(records.manifest.dataset.get("shift") or CLEAN)


def shifts_below(folder: Path) -> Path | None:
    """Where the Records of several shifts stand side by side: in ``folder`` or, as a sweep writes them, in its
    ``records``; None where ``folder`` is Records itself, or has none below."""
    below = runs_below(folder)
    return below[0].parent if below and not (folder / MANIFEST).exists() else None


def read_shifts(folder: str | Path) -> dict[str, Records]:
    """The Records in the subfolders of ``folder``, by the label of their shift: clean first, the others by name.

    Raises:
        TtscaleError: none of them is clean, two are of one shift, or one cannot be read.
    """
    found = [read_records(path.parent) for path in sorted(Path(folder).glob(f"*/{MANIFEST}"))]
    labels = [shift_of(records) for records in found]
    if CLEAN not in labels or len(set(labels)) < len(labels):
        raise TtscaleError(
            "records", expected="a folder of Records, or one whose subfolders are Records of clean and shifted items",
            got=f"{folder} with " + (", ".join(labels) or "none"), fix="Give the `out` of a run, or its records/.",
        )  # fmt: skip
    by_label = dict(zip(labels, found, strict=True))
    return {CLEAN: by_label.pop(CLEAN), **dict(sorted(by_label.items()))}
