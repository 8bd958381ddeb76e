"""Texts of draws in a temporary file, so that memory does not grow with them."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Sequence

import numpy as np


class Spool:
    """Texts in order of arrival; a text may be None."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._ends = array("q", [0])
        self._missing = bytearray()
        self.any = False

    def add(self, text: str | None) -> None:
        written = 0 if text is None else self._file.write(text.encode("utf-8", "surrogatepass"))
        self._ends.append(self._ends[-1] + written)
        self._missing.append(text is None)
        self.any = self.any or text is not None

    def __getitem__(self, number: int) -> str | None:
        if self._missing[number]:
            return None
        start, stop = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        return self._file.read(stop - start).decode("utf-8", "surrogatepass")


class SpooledTexts(Sequence[tuple[str | None, ...]]):
    """The texts ``[item][draw]`` of a spool, read when they are asked for.

    Args:
        numbers: ``int64 [item, draw]``, the number of each draw's text in the spool; −1 where there is no draw.
    """

    def __init__(self, spool: Spool, numbers: np.ndarray) -> None:
        self._spool, self._numbers = spool, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, item):  # type: ignore[no-untyped-def,override]  # of one item only
        return tuple(None if number < 0 else self._spool[number] for number in self._numbers[item].tolist())
