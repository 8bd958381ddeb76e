"""The families of generated arithmetic, by the number of steps; multi-step examples show their steps."""

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
        max_tokens: enough for its longest worked answer, one token a character.
    """

    steps: int
    operands: tuple[Sequence[int], ...]
    write: Callable[..., Case | None]
    max_tokens: int


def _from(low: int, high: int) -> range:
    return range(low, high + 1)


def _plain(expression: str, value: int) -> Case:
    return Case(f"{expression} =", str(value), str(value))


def _steps(question: str, *steps: tuple[str, int]) -> Case:
    """``4 * 5 = 20, 20 + 3 = 23``."""
    worked = ", ".join(f"{expression} = {value}" for expression, value in steps)
    return Case(question, str(steps[-1][1]), worked)


def _difference(a: int, b: int) -> Case | None:
    return _plain(f"{a} - {b}", a - b) if a >= b else None


def _quotient(b: int, c: int) -> Case:
    return _plain(f"{b * c} / {b}", c)


def _next_term(start: int, step: int) -> Case:
    terms = [start + i * step for i in range(5)]
    return Case(f"{', '.join(map(str, terms[:4]))},", str(terms[4]), str(terms[4]))


def _chain(*expressions: str, value: int) -> Case:
    """``7 + 4 * 3 = 7 + 12 = 19``: every step restates what is left."""
    return Case(f"{expressions[0]} =", str(value), " = ".join([*expressions[1:], str(value)]))


def _sum_of_product(a: int, b: int, c: int) -> Case:
    return _chain(f"{a} + {b} * {c}", f"{a} + {b * c}", value=a + b * c)


def _sum_of_four(a: int, b: int, c: int, d: int) -> Case:
    return _chain(f"{a} + {b} + {c} + {d}", f"{a + b} + {c} + {d}", f"{a + b + c} + {d}", value=a + b + c + d)


def _product_two_digit(a: int, b: int) -> Case | None:
    tens, ones = a // 10 * 10, a % 10
    return _chain(f"{a} * {b}", f"{tens * b} + {ones * b}", value=a * b) if ones else None


STORIES_TWO = (
    "Tom has {b} boxes with {c} apples each and finds {a} more apples. How many apples does Tom have?",
    "A bus has {b} rows of {c} seats and {a} seats at the back. How many seats does the bus have?",
    "Ann buys {b} packs of {c} pens and gets {a} pens for free. How many pens does Ann have?",
    "A farmer plants {b} rows of {c} trees and {a} trees by the house. How many trees does the farmer plant?",
)
STORIES_THREE = (
    "Sam has {b} bags with {c} coins each, finds {a} coins and loses {d} coins. How many coins does Sam have?",
    "A shop gets {b} crates of {c} melons, has {a} melons already and sells {d}. How many melons are left?",
    "Mia reads {b} pages a day for {c} days, then {a} pages, of which {d} are empty. How many pages had text?",
    "A class has {b} tables with {c} children, {a} children come in and {d} leave. How many children are there?",
)


def _words_two(story: int, a: int, b: int, c: int) -> Case:
    question = STORIES_TWO[story].format(a=a, b=b, c=c)
    return _steps(question, (f"{b} * {c}", b * c), (f"{b * c} + {a}", b * c + a))


def _words_three(story: int, a: int, b: int, c: int, d: int) -> Case | None:
    question = STORIES_THREE[story].format(a=a, b=b, c=c, d=d)
    product, total = b * c, b * c + a
    steps = ((f"{b} * {c}", product), (f"{product} + {a}", total), (f"{total} - {d}", total - d))
    return _steps(question, *steps) if d < total else None


FAMILIES: Mapping[str, Family] = {
    "sum_digit": Family(1, (_from(1, 20), _from(1, 9)), lambda a, b: _plain(f"{a} + {b}", a + b), 8),
    "difference_digit": Family(1, (_from(1, 20), _from(1, 9)), _difference, 8),
    "products_small": Family(1, (_from(1, 12), _from(1, 9)), lambda a, b: _plain(f"{a} * {b}", a * b), 8),
    "quotients_small": Family(1, (_from(1, 12), _from(1, 9)), _quotient, 8),
    "next_term": Family(1, (_from(1, 20), _from(2, 9)), _next_term, 8),
    "sums_two_digit": Family(1, (_from(10, 99), _from(10, 99)), lambda a, b: _plain(f"{a} + {b}", a + b), 8),
    "differences_two_digit": Family(1, (_from(10, 99), _from(10, 99)), _difference, 8),
    "sum_of_product": Family(2, (_from(2, 9), _from(2, 9), _from(2, 9)), _sum_of_product, 16),
    "products_two_digit": Family(3, (_from(11, 99), _from(2, 9)), _product_two_digit, 24),
    "sum_of_four": Family(3, (_from(2, 9),) * 4, _sum_of_four, 32),
    "words_two_steps": Family(2, (range(len(STORIES_TWO)), _from(2, 9), _from(2, 9), _from(2, 9)), _words_two, 32),
    "words_three_steps": Family(
        3, (range(len(STORIES_THREE)), _from(2, 9), _from(2, 6), _from(2, 9), _from(2, 9)), _words_three, 48
    ),
}
