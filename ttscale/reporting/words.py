"""How numbers and foreign strings are written: units, intervals, "–" for the undefined, no control characters."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Mapping
from typing import Any, TypeGuard

DASH = "–"
_MEMBERS = 8  # named at most
_PREFIXES = ((1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
# Control and format characters (bidirectional overrides among them), lone surrogates, private use: replaced.
_UNSHOWABLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def clean(value: Any, limit: int | None = None) -> str:
    """A foreign value as one line of showable characters, cut to ``limit`` characters with an ellipsis."""
    text = "".join(
        " " if c in "\n\r\t" else "\ufffd" if unicodedata.category(c) in _UNSHOWABLE else c for c in str(value)
    )
    return text if limit is None or len(text) <= limit else text[: limit - 1].rstrip(" .-_:/") + "…"


def escape(value: Any) -> str:
    """A foreign value as HTML text or a quoted attribute."""
    return html.escape(clean(value), quote=True)


def escape_lines(value: Any, limit: int) -> str:
    """A foreign value as HTML text that keeps its line ends, cut to ``limit`` characters with an ellipsis."""
    text = str(value)
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "\n".join(escape(line) for line in cut.splitlines())


def is_number(value: Any) -> TypeGuard[float]:
    """Whether there is a finite number to show."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def count(value: Any) -> str:
    """``12000`` as ``12,000``."""
    return f"{value:,.0f}" if is_number(value) else DASH


def significant(value: Any, digits: int = 3) -> str:
    """A number with ``digits`` significant digits, thousands grouped, powers of ten for the very large and small."""
    if not is_number(value):
        return DASH
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if not -4 <= exponent < 7:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa} × 10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}".replace(
            "-", "−"
        )
    rounded = round(value, digits - 1 - exponent)
    return f"{rounded:,.{max(0, digits - 1 - exponent)}f}".replace("-", "−")


def scaled(value: Any, unit: str, digits: int = 3) -> str:
    """A quantity with an SI prefix: ``14800000`` FLOPs as ``14.8 MFLOPs``."""
    if not is_number(value):
        return DASH
    for size, prefix in _PREFIXES:
        if abs(value) >= size * 0.9995:
            return f"{significant(value / size, digits)} {prefix}{unit}"
    return f"{significant(value, digits)} {unit}".rstrip()


def flops(value: Any) -> str:
    return scaled(value, "FLOPs")


def percent(value: Any, decimals: int = 1) -> str:
    """A share in [0, 1] as a percentage."""
    return f"{100 * value:.{decimals}f}%" if is_number(value) else DASH


def percent_interval(row: Mapping[str, Any], key: str = "accuracy") -> str:
    """``91.9% (91.3 to 92.4)`` from the value under ``key`` and its ``low`` and ``high``."""
    if not is_number(row.get(key)):
        return DASH
    if not (is_number(row.get("low")) and is_number(row.get("high"))):
        return percent(row[key])
    return f"{percent(row[key])} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def points(value: Any, decimals: int = 2) -> str:
    """A difference of two accuracies in percentage points, with its sign."""
    return _minus(f"{round(100 * value, decimals) + 0.0:+.{decimals}f}") if is_number(value) else DASH


def points_interval(interval: Mapping[str, Any]) -> str:
    if not is_number(interval.get("value")):
        return DASH
    if not (is_number(interval.get("low")) and is_number(interval.get("high"))):
        return points(interval["value"])
    return f"{points(interval['value'])} ({points(interval['low'])} to {points(interval['high'])})"


def number_interval(interval: Mapping[str, Any], digits: int = 3) -> str:
    """``1.21 (0.91 to 1.51)`` of an interval in its own unit; ``1.21 (0.91 or more)`` when it has no upper end."""
    if not is_number(interval.get("value")):
        return DASH
    value, low, high = (significant(interval.get(key), digits) for key in ("value", "low", "high"))
    if DASH not in (low, high):
        return f"{value} ({low} to {high})"
    return f"{value} ({low} or more)" if low != DASH else f"{value} ({high} or less)" if high != DASH else value


def temperatures(of: Mapping[Any, Any]) -> str:
    """``w8-s0 1.2, w8-s1 0.97``, of the first few members."""
    named = [f"{clean(member, 60)} {significant(value)}" for member, value in of.items()]
    return ", ".join(named[:_MEMBERS]) + (", …" if len(named) > _MEMBERS else "")


def times(value: Any) -> str:
    """A ratio: ``5.2×``, with a digit more near 1 and from 100 on."""
    if not is_number(value):
        return DASH
    return f"{significant(value, 2 if 2 <= abs(value) < 100 or abs(value) < 0.5 else 3)}×"


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """The text with a capital first letter and a full stop."""
    return capital(text) if text.endswith((".", "!", "?")) else f"{capital(text)}."


def plural(n: Any, one: str, many: str | None = None) -> str:
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def _minus(text: str) -> str:
    return text.replace("-", "−")
