"""``worked:FAMILY+FAMILY``: problems for models that were trained on worked arithmetic, and the lines they train on.

A problem is one line, ``QUESTION=STEPS ANSWER``. The first :data:`HELD_OUT` different problems of a family, in the
order of a generator of its own, are for tests: a test set is the first ``n`` of them, so that the items of a smaller
set are among those of a larger one. Training lines are drawn with replacement from all others, in blocks: a block is a
pure function of (seed, number), whatever was read before it. Large families hardly ever repeat a line; the small ones
do (``add2`` has 8,100 questions).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ttscale.data.arithmetic_families import Case
from ttscale.data.problems import Problems, Template
from ttscale.data.worked_families import FAMILIES
from ttscale.errors import TtscaleError, unknown_name

HELD_OUT = 100
PER_FAMILY = 30
MAX_TOKENS = 32  # characters: the longest solution has 22
LONGEST_LINE = 34  # characters, the newline included
CHARACTERS = "0123456789+*= \n"
_TEST, _TRAIN, _VALIDATION = 0, 1, 2  # the keys of the generators
_CHUNK = 256
_MOST_OPERANDS = max(len(family.operands) for family in FAMILIES.values())

Operands = tuple[int, ...]


class Line(NamedTuple):
    """A problem to train on: the question, and its solution up to the newline that ends it."""

    question: str
    solution: str


def worked_arithmetic(families: Sequence[str] = (), n: int = PER_FAMILY, *, name: str | None = None) -> Problems:
    """``n`` held-out problems of each family, asked by the bare question; none: all families. Item ids are
    ``worked/FAMILY/0000`` and so on.

    Raises:
        TtscaleError: an unknown or doubled family, or more problems than are held out.
    """
    chosen = check_families(families)
    if not 1 <= n <= HELD_OUT:
        raise TtscaleError("n", expected=f"1 to {HELD_OUT} problems of a family", got=str(n), fix="Ask for fewer.")
    cases = [case for family in chosen for case in held_out_cases(family)[:n]]
    return Problems(
        name=name or ("worked" if chosen == list(FAMILIES) else f"worked-{'+'.join(chosen)}"),
        item_ids=tuple(f"worked/{family}/{i:04d}" for family in chosen for i in range(n)),
        questions=tuple(case.question for case in cases),
        golds=tuple(case.gold for case in cases),
        templates=(Template("plain", "{question}{answer}\n", "{question}"),),
        extract="last_number",
        max_tokens=MAX_TOKENS,
        stop=("\n",),
        families=np.repeat(np.array(chosen), n),
    )


def training_lines(seed: int, block: int, families: Sequence[str] = ()) -> Iterator[Line]:
    """The endless lines of one block, each family about as often as the others.

    No line is one of the problems held out for tests, in either order of its operands where they may change places.

    Raises:
        TtscaleError: an unknown or doubled family.
    """
    return _lines(np.random.default_rng([_TRAIN, seed, block]), check_families(families))


def validation_lines(block: int, families: Sequence[str] = ()) -> Iterator[Line]:
    """Lines like those of training, of a generator that no training seed has, to choose recipes by. A small family's
    may be trained on all the same.

    Raises:
        TtscaleError: an unknown or doubled family.
    """
    return _lines(np.random.default_rng([_VALIDATION, block]), check_families(families))


def _lines(rng: np.random.Generator, families: Sequence[str]) -> Iterator[Line]:
    while True:
        for which, *shares in rng.random((_CHUNK, 1 + _MOST_OPERANDS)).tolist():
            family = families[int(which * len(families))]
            operands = _operands(family, shares)
            if FAMILIES[family].identity(operands) not in _held_out(family):
                case = FAMILIES[family].write(*operands)
                yield Line(case.question, f"{case.worked}\n")


@lru_cache(maxsize=len(FAMILIES))
def held_out_cases(family: str) -> tuple[Case, ...]:
    """The problems of a family that are never trained on, all different."""
    return tuple(FAMILIES[family].write(*operands) for operands in _held_out(family).values())


@lru_cache(maxsize=len(FAMILIES))
def _held_out(family: str) -> dict[Operands, Operands]:
    """The operands of the problems held out, by their identity, in order."""
    rng = np.random.default_rng([_TEST, *family.encode()])
    found: dict[Operands, Operands] = {}
    while len(found) < HELD_OUT:
        operands = _operands(family, rng.random(_MOST_OPERANDS).tolist())
        found.setdefault(FAMILIES[family].identity(operands), operands)
    return found


def _operands(family: str, shares: Sequence[float]) -> Operands:
    """The operands at these shares of their ranges."""
    ranges = FAMILIES[family].operands
    return tuple(values[int(share * len(values))] for values, share in zip(ranges, shares, strict=False))


def check_families(families: Sequence[str]) -> list[str]:
    """The families that are meant, in order; all where none is named.

    Raises:
        TtscaleError: an unknown or doubled one.
    """
    chosen = [family.strip() for family in families] or list(FAMILIES)
    for family in chosen:
        if family not in FAMILIES:
            raise unknown_name("families", family, FAMILIES)
    if len(set(chosen)) < len(chosen):
        raise TtscaleError("families", expected="different families", got=f"{chosen}", fix="Name each once.")
    return chosen
