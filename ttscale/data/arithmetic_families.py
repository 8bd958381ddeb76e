"""The families of generated arithmetic, by the number of steps; examples of several steps show every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Case(NamedTuple):
    """``question`` to continue, ``gold`` alone, and ``worked``: the answer as an example writes it."""

    question: str
    gold: str
    worked: str


@dataclass(frozen=True)
class Family:
    """Problems of one kind.

    Attributes:
        steps: operations that its worked answers show.
        operands: the values of each operand; their grid holds the family's cases.
        write: puts the operands into words; None leaves them out.
        shown: operands of the examples of a plain prompt, spread over the range.
        max_tokens: enough for its longest worked answer, one token a character.
    """

    steps: int
    operands: tuple[Sequence[int], ...]
    write: Callable[..., Case | None]
    shown: tuple[tuple[int, ...], ...]
    max_tokens: int


def _from(low: int, high: int) -> range:
    return range(low, high + 1)


def _plain(expression: str, value: int) -> Case:
    return Case(f"{expression} =", str(value), str(value))


def _worked(question: str, *steps: tuple[str, int]) -> Case:
    """``4 * 5 = 20, 20 + 3 = 23``: every step is an equation of its own."""
    worked = ", ".join(f"{expression} = {value}" for expression, value in steps)
    return Case(question, str(steps[-1][1]), worked)


def _difference(a: int, b: int) -> Case | None:
    return _plain(f"{a} - {b}", a - b) if a >= b else None


def _next_term(start: int, step: int) -> Case:
    terms = [start + i * step for i in range(5)]
    return Case(f"{', '.join(map(str, terms[:4]))},", str(terms[4]), str(terms[4]))


def _sum_of_three(a: int, b: int, c: int) -> Case:
    return _worked(f"{a} + {b} + {c}:", (f"{a} + {b}", a + b), (f"{a + b} + {c}", a + b + c))


def _product_plus(a: int, b: int, c: int) -> Case:
    return _worked(f"{a} * {b} + {c}:", (f"{a} * {b}", a * b), (f"{a * b} + {c}", a * b + c))


def _sum_of_four(a: int, b: int, c: int, d: int) -> Case:
    two, three = a + b, a + b + c
    steps = ((f"{a} + {b}", two), (f"{two} + {c}", three), (f"{three} + {d}", three + d))
    return _worked(f"{a} + {b} + {c} + {d}:", *steps)


THINGS = ("apples", "coins", "books", "pens", "eggs")
NAMES = ("Tom", "Ann", "Sam", "Mia", "Ben")


def _story(opening: int, *rest: str) -> str:
    return " ".join([f"{NAMES[opening]} has", *rest])


def _story_one_step(who: int, a: int, b: int) -> Case:
    return _worked(_story(who, f"{a} {THINGS[who]} and buys {b} more."), (f"{a} + {b}", a + b))


def _story_two_steps(who: int, a: int, b: int, c: int) -> Case:
    question = _story(who, f"{a} {THINGS[who]}, buys {b} and finds {c}.")
    return _worked(question, (f"{a} + {b}", a + b), (f"{a + b} + {c}", a + b + c))


def _story_bags(who: int, a: int, b: int, c: int) -> Case:
    question = _story(who, f"{a} bags of {b} {THINGS[who]} and buys {c} more.")
    return _worked(question, (f"{a} * {b}", a * b), (f"{a * b} + {c}", a * b + c))


DIGITS = _from(2, 9)
WHO = range(len(NAMES))

FAMILIES: Mapping[str, Family] = {
    "sum_digit": Family(
        1, (_from(1, 20), _from(1, 9)), lambda a, b: _plain(f"{a} + {b}", a + b),
        ((12, 7), (3, 5), (18, 4), (9, 9), (15, 2)), 8,
    ),
    "difference_digit": Family(
        1, (_from(1, 20), _from(1, 9)), _difference, ((12, 7), (8, 5), (18, 4), (10, 9), (15, 2)), 8
    ),
    "products_small": Family(
        1, (_from(1, 12), _from(1, 9)), lambda a, b: _plain(f"{a} * {b}", a * b),
        ((12, 7), (3, 5), (8, 4), (6, 9), (10, 2)), 8,
    ),
    "quotients_small": Family(
        1, (_from(1, 12), _from(1, 9)), lambda b, c: _plain(f"{b * c} / {b}", c),
        ((12, 7), (3, 5), (8, 4), (6, 9), (10, 2)), 8,
    ),
    "next_term": Family(1, (_from(1, 20), _from(1, 9)), _next_term, ((2, 2), (5, 5), (10, 3), (1, 6), (7, 1)), 8),
    "sums_two_digit": Family(
        1, (_from(10, 99), _from(10, 99)), lambda a, b: _plain(f"{a} + {b}", a + b),
        ((12, 27), (45, 38), (61, 17), (83, 54), (30, 29)), 8,
    ),
    "story_one_step": Family(
        1, (WHO, DIGITS, DIGITS), _story_one_step, ((0, 2, 7), (1, 6, 3), (2, 4, 4), (3, 9, 5), (4, 8, 2)), 16
    ),
    "sum_of_three": Family(
        2, (DIGITS,) * 3, _sum_of_three, ((2, 7, 4), (6, 3, 5), (8, 8, 2), (5, 9, 9), (3, 4, 6)), 32
    ),
    "product_plus": Family(
        2, (DIGITS,) * 3, _product_plus, ((2, 7, 4), (6, 3, 5), (8, 8, 2), (5, 9, 9), (3, 4, 6)), 32
    ),
    "story_two_steps": Family(
        2, (WHO, *(DIGITS,) * 3), _story_two_steps,
        ((0, 2, 7, 4), (1, 6, 3, 5), (2, 8, 8, 2), (3, 5, 9, 9), (4, 3, 4, 6)), 32,
    ),
    "story_bags": Family(
        2, (WHO, *(DIGITS,) * 3), _story_bags,
        ((0, 2, 7, 4), (1, 6, 3, 5), (2, 8, 8, 2), (3, 5, 9, 9), (4, 3, 4, 6)), 32,
    ),
    "sum_of_four": Family(
        3, (DIGITS,) * 4, _sum_of_four,
        ((2, 7, 4, 5), (6, 3, 5, 2), (8, 8, 2, 7), (5, 9, 9, 3), (3, 4, 6, 6)), 48,
    ),
}  # fmt: skip
