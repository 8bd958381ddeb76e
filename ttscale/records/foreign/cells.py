"""The cells of a table as text, numbers and truth values; a cell of another kind is refused with its line."""

from __future__ import annotations

import math
from typing import Any

from ttscale.errors import TtscaleError

TRUE, FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")
_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}


class Cells:
    """Reads the cells of one file.

    Args:
        source: name of the file and of its rows, as in ``samples.jsonl, line``.
        is_text: of a table whose cells are all text, so that numbers stand in them as text.
    """

    def __init__(self, source: str, is_text: bool) -> None:
        self.source, self._is_text = source, is_text
        self._kinds: dict[str, str] = {}

    def check(self, column: str, value: Any, line: int) -> None:
        """Refuse NaN, and a value of another kind than those before it; an empty one (None) is of any."""
        if value is None:
            return
        kind = _KINDS.get(type(value), type(value).__name__)
        if self._kinds.setdefault(column, kind) != kind:
            raise self.wrong(column, f"{self._kinds[column]}, as in the rows before", value, line,
                             "Write the whole column in one way.")  # fmt: skip
        if isinstance(value, float) and not math.isfinite(value):
            raise self.wrong(column, "a number", value, line, "Write null where it is not known.")

    def text(self, column: str, value: Any, line: int) -> str | None:
        """Text; numbers and truth values as JSON writes them."""
        self.check(column, value, line)
        if value is None or isinstance(value, str):
            return value or None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        raise self.wrong(column, "text or a number", value, line, "Name another column, or flatten it.")

    def whole(self, column: str, value: Any, line: int) -> int | None:
        """A whole number."""
        self.check(column, value, line)
        number = self._parsed(column, value, line)
        if number is None:
            return None
        if isinstance(value, bool) or number != int(number):
            raise self.wrong(column, "a whole number", value, line, "Name another column, or correct it.")
        return int(number)

    def number(self, column: str, value: Any, line: int) -> float:
        """A number; NaN where it is not known."""
        self.check(column, value, line)
        number = self._parsed(column, value, line)
        return math.nan if number is None else number

    def truth(self, column: str, value: Any, line: int) -> bool | None:
        """Right or wrong: true, false, 1, 0, and in text yes and no too."""
        self.check(column, value, line)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value)
        if isinstance(value, str) and value.lower() in TRUE + FALSE:
            return value.lower() in TRUE
        fix = "Write 1 or 0: decide from which mark on an answer counts as right."
        raise self.wrong(column, "true or false (or 1 or 0)", value, line, fix)

    def wrong(self, column: str, expected: str, value: Any, line: int, fix: str) -> TtscaleError:
        """The error about a cell."""
        return TtscaleError(column, expected=expected, got=f"{_short(value)} at {self.source} {line}", fix=fix)

    def _parsed(self, column: str, value: Any, line: int) -> float | None:
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        if self._is_text and isinstance(value, str):
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if math.isfinite(number):
                return number
        raise self.wrong(column, "a number", value, line, "Name another column, or correct it.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
