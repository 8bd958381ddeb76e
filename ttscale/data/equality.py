"""When two answers are the same: exact arithmetic for numbers, words otherwise, or a library for mathematics.

The numeric rule. An answer is a number when all of it is one, with a sign, a currency sign, thousands in groups of
three, a decimal point, an exponent (``1e3``, ``1.5 × 10^3``), a fraction (``1/2``, ``1 1/2``, ``\\frac{1}{2}``) or a
percent sign, and a unit (at most two words) behind it. Numbers are compared exactly, as fractions: ``1,000``,
``1000.0``, ``1e3`` and ``$1000`` are the same, and so are ``1/2``, ``0.5`` and ``50%`` (but not ``50``). Currency and
units are left out; ``hundred``, ``thousand``, ``million``, ``billion`` and ``dozen`` multiply. Everything else is
compared as words: case, spacing, LaTeX's text and maths marks and a full stop at the end do not count.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

EQUALITIES = ("numeric", "text", "math")  # by this module, character by character, or by the library math-verify

DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
POWER = r"(?:[eE][-+]?[0-9]+(?![0-9]|\.[0-9])| ?(?:×|\*|x|\\times|\\cdot) ?10\^(?:\{-?[0-9]+\}|-?[0-9]+))"
PLAIN = rf"(?:{DIGITS}(?:\.[0-9]+)?|(?<![0-9])\.[0-9]+){POWER}?"
FRACTION = rf"(?:{DIGITS} )?{DIGITS} ?/ ?{DIGITS}(?![0-9]|[./][0-9])"
LATEX = r"\\[dt]?frac ?(?:\{-?[0-9]+\} ?\{[0-9]+\}|[0-9] ?[0-9])"
CURRENCY = r"\\?[$€£¥₹]"
NUMBER = rf"(?:(?<![\w.)\]}}])[-+−–])?(?:{CURRENCY} ?[-−]?)?(?:{LATEX}|{FRACTION}|{PLAIN})(?: ?\\?%)?"

MOST_DIGITS = 300
"""Longer numbers are compared as words: an exponent in a model's text must not fill the memory."""

MULTIPLIERS = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "dozen": 12}
PERCENT = ("percent", "per cent")
NO_UNITS = ("pi", "sqrt", "or", "and", "to", "plus", "minus", "times")

# Without a space before it a unit is one of these: 3cm is a length, 3x is not a number.
ATTACHED = r"(?:mm|cm|dm|km|mg|kg|lbs?|oz|ft|mi|ml|mL|min|hrs?|ms|mph|°[CF]?)"
SPACED = r"(?:[mgshlL]|[A-Za-z]{2,}|°[CF]?)"
UNIT = rf"(?:{ATTACHED}| {SPACED})(?:\^?[23]|[²³])?(?: [A-Za-z]{{2,}})?"

_WHOLE = re.compile(
    rf"(?P<sign>[-+]?) ?(?:{CURRENCY} ?(?P<inner>-?))?(?P<number>{LATEX}|{FRACTION}|{PLAIN})"
    rf" ?(?P<percent>\\?%)?(?P<unit>{UNIT})?"
)
_POWER = re.compile(r"[eE]([-+]?[0-9]+)$| ?(?:×|\*|x|\\times|\\cdot) ?10\^\{?(-?[0-9]+)\}?$")


@lru_cache(maxsize=65536)
def canonical(answer: str) -> str:
    """One text for all answers that the numeric rule holds equal; ``"1/2"`` for ``"0.5"``, ``"1000"`` for ``"1e3"``."""
    value = number(answer)
    return words(answer) if value is None else str(value)


@lru_cache(maxsize=65536)
def number(answer: str) -> Fraction | None:
    """The exact value of an answer that is one number, else None."""
    found = _WHOLE.fullmatch(_unwrapped(answer))
    if found is None or len(found["number"]) > MOST_DIGITS:
        return None
    value = _value(found["number"])
    if value is None:
        return None
    unit = (found["unit"] or "").lower().strip()
    first = unit.split(" ")[0]
    if first in NO_UNITS:
        return None
    if found["percent"] or unit.startswith(PERCENT):
        value /= 100
    elif first in MULTIPLIERS:
        value *= MULTIPLIERS[first]
    return -value if (found["sign"] == "-") != (found["inner"] == "-") else value


def words(answer: str) -> str:
    """An answer that is not a number, as it is compared."""
    return " ".join(_unwrapped(answer).casefold().split())


def _unwrapped(answer: str) -> str:
    text = answer.replace("−", "-").replace("–", "-").strip()
    text = re.sub(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{([^{}]*)\}", r" \1", text)
    text = re.sub(r"\\[!,;: ]|\\left|\\right|\\displaystyle", " ", text).replace("~", " ")
    text = " ".join(text.split()).rstrip(".").strip()
    for opening, closing in (("**", "**"), ("\\(", "\\)"), ("\\[", "\\]"), ("$", "$"), ("`", "`"), ('"', '"')):
        if len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing):
            text = text[len(opening) : -len(closing)].strip()
    return text.rstrip(".").strip()


def _value(written: str) -> Fraction | None:
    digits = written.replace(",", "")
    if digits.startswith("\\"):
        top, bottom = re.findall(r"-?[0-9]+", digits) if "{" in digits else re.findall(r"[0-9]", digits)
        return Fraction(int(top), int(bottom)) if int(bottom) else None
    if "/" in digits:
        left, bottom = (part.strip() for part in digits.split("/"))
        *whole, top = left.split()
        if not int(bottom) or (whole and int(top) >= int(bottom)):
            return None
        return int(whole[0] if whole else 0) + Fraction(int(top), int(bottom))
    power = _POWER.search(digits)
    if power is None:
        return Fraction(digits)
    exponent = int(power[1] or power[2])
    return Fraction(digits[: power.start()]) * Fraction(10) ** exponent if abs(exponent) <= MOST_DIGITS else None
