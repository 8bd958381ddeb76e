"""Reading an answer out of a completion: rules that find it, or say that there is none."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache

from ttscale.data.equality import NUMBER
from ttscale.errors import TtscaleError, unknown_name

Extractor = Callable[[str], str | None]

LETTERS = "ABCDEFGH"
_NUMBER = re.compile(NUMBER)
_HASH = re.compile(rf"####\s*({NUMBER})")
_HASH_LINE = re.compile(r"####[ \t]*(\S.*)")


def last_number(text: str) -> str | None:
    """The last number, as it is written: sign, currency, fraction and percent sign belong to it."""
    last = _last(_NUMBER, text)
    return last and last[0]


def first_number(text: str) -> str | None:
    """The first number, as it is written."""
    first = _NUMBER.search(text)
    return first and first[0]


def after_hashes(text: str) -> str | None:
    """The number after the first ``####`` that has one; where none has, the line after the last ``####``.

    As GSM8K's own script reads it, a percent sign is not part of the number.
    """
    found = _HASH.search(text)
    if found:
        return found[1].rstrip("\\% ")
    lines = _HASH_LINE.findall(text)
    return lines[-1] if lines else None


def boxed(text: str) -> str | None:
    """What the last ``\\boxed{…}`` (or ``\\fbox``) that is closed holds, braces within it included (MATH)."""
    opened = {found.end() for found in re.finditer(r"\\(?:boxed|fbox)\s?\{", text)}
    inside, closed = [], {}
    for brace in re.finditer(r"(?<!\\)[{}]", text):
        if brace[0] == "{":
            inside.append(brace.end())
        elif inside and inside[-1] in opened:
            closed[inside.pop()] = brace.start()
        elif inside:
            inside.pop()
    last = max(closed, default=None)
    return None if last is None else text[last : closed[last]]


def last_line(text: str) -> str | None:
    """The last line that is not empty."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else None


def choice(letters: str = LETTERS) -> Extractor:
    """The letter of a choice: the last one after "answer"; else the one that the text begins with; else the last in
    parentheses; else the last that stands alone (but A, which is also a word)."""
    one = f"[{letters}]"
    bold = r"(?:\*\*|\\boxed\{|\\text\{|\$)*"
    rules = (
        (re.compile(rf"(?i:answer|choice|option)(?i: is)?\s?:?\s{{0,3}}{bold}\(?({one})\b(?!['’])"), -1),
        (re.compile(rf"\A\s*{bold}\(?({one})\)?{bold} ?(?:[.):,]|$)", re.MULTILINE), 0),
        (re.compile(rf"\(({one})\)"), -1),
        (re.compile(rf"(?<![\w'’])(?!A)({one})(?![\w'’])"), -1),
    )

    def extract(text: str) -> str | None:
        for pattern, which in rules:
            found = pattern.findall(text)
            if found:
                return found[which]
        return None

    return extract


def by_pattern(pattern: str) -> Extractor:
    """The last match of a regular expression: its first group that took part, or all of it where it has none."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise TtscaleError(
            "extract", expected="a regular expression", got=f"{pattern!r} ({error})", fix="Correct the pattern."
        ) from error

    def extract(text: str) -> str | None:
        last = _last(compiled, text)
        if last is None or not compiled.groups:
            return last and last[0]
        return next((group for group in last.groups() if group is not None), None)

    return extract


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return deque(pattern.finditer(text), maxlen=1).pop() if pattern.search(text) else None


RULES: Mapping[str, Extractor] = {
    "last_number": last_number,
    "first_number": first_number,
    "hash": after_hashes,
    "boxed": boxed,
    "choice": choice(),
    "last_line": last_line,
    "text": lambda text: text,
}


@lru_cache(maxsize=256)
def extractor(rule: str) -> Extractor:
    """The function that reads an answer out of a completion; it gives None where there is none (the draw abstains).

    Args:
        rule: ``last_number``, ``first_number``, ``hash`` (after ``####``), ``boxed``, ``choice`` (``choice:ABCD`` for
            these letters only), ``last_line``, ``text`` (all of it) or ``regex:PATTERN``.

    Raises:
        TtscaleError: an unknown rule, letters that are not different capitals, or a pattern that cannot be read.
    """
    find = _finder(rule)

    def extract(text: str) -> str | None:
        found = find(text)
        return (found.strip() or None) if found is not None else None

    return extract


def _finder(rule: str) -> Extractor:
    if rule in RULES:
        return RULES[rule]
    kind, colon, rest = rule.partition(":")
    if kind == "regex" and rest:
        return by_pattern(rest)
    if kind == "choice" and colon:
        if not re.fullmatch("[A-Z]+", rest) or len(set(rest)) < len(rest):
            raise TtscaleError(
                "extract", expected="different capital letters after choice:", got=repr(rule), fix="Like choice:ABCD."
            )
        return choice(rest)
    raise unknown_name("extract", rule, [*RULES, "choice:LETTERS", "regex:PATTERN"])


def written(rule: str, answer: str) -> str | None:
    """A completion that gives ``answer`` in the form that the rule reads; None where the form is not known (regex)."""
    if rule.startswith("regex:"):
        return None
    if rule.startswith("choice"):
        return f"({answer})"
    return {"hash": f"#### {answer}", "boxed": f"\\boxed{{{answer}}}"}.get(rule, answer)
