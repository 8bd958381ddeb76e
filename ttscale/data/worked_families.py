"""The families of worked arithmetic: a question, the steps of its solution in few characters, and the answer last.

Steps are numbers with a space between them. An addition in columns writes the sum of each column with its carry, units
first: ``347+586=13 13 9 933``. The others write every intermediate result: ``47*6+58=42 282 340``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

from ttscale.data.arithmetic_families import Case


@dataclass(frozen=True)
class WorkedFamily:
    """Problems of one kind.

    Attributes:
        operands: the range of each operand; an operand is drawn uniformly from it.
        write: puts operands into a case.
        swaps: the operands may change places without changing the problem, so that neither order of a test item is
            trained on.
    """

    operands: tuple[range, ...]
    write: Callable[..., Case]
    swaps: bool = False

    @property
    def n_cases(self) -> int:
        """How many questions there are."""
        return prod(len(values) for values in self.operands)

    def identity(self, operands: tuple[int, ...]) -> tuple[int, ...]:
        """Equal for two problems that count as one."""
        return tuple(sorted(operands)) if self.swaps else operands


def _case(question: str, steps: Sequence[int]) -> Case:
    return Case(f"{question}=", str(steps[-1]), " ".join(map(str, steps)))


def _columns(a: int, b: int) -> Case:
    """The sums of the columns, units first, each with the carry into it."""
    sums, carry, left, right = [], 0, a, b
    while left or right:
        sums.append(left % 10 + right % 10 + carry)
        carry, left, right = sums[-1] // 10, left // 10, right // 10
    return _case(f"{a}+{b}", [*sums, a + b])


def _running_sum(*terms: int) -> Case:
    return _case("+".join(map(str, terms)), list(accumulate(terms))[1:])


def _product(a: int, b: int) -> list[int]:
    """Units times b, then the whole product."""
    return [a % 10 * b, a * b]


def _product_plus(a: int, b: int, c: int) -> Case:
    return _case(f"{a}*{b}+{c}", [*_product(a, b), a * b + c])


def _two_products(a: int, b: int, c: int, d: int) -> Case:
    return _case(f"{a}*{b}+{c}*{d}", [*_product(a, b), *_product(c, d), a * b + c * d])


def _of_length(digits: int) -> range:
    return range(10 ** (digits - 1), 10**digits)


TWO, DIGIT = _of_length(2), _of_length(1)
FACTOR = range(2, 10)

FAMILIES: Mapping[str, WorkedFamily] = {
    "add2": WorkedFamily((_of_length(2),) * 2, _columns, swaps=True),
    "add3": WorkedFamily((_of_length(3),) * 2, _columns, swaps=True),
    "add4": WorkedFamily((_of_length(4),) * 2, _columns, swaps=True),
    "add5": WorkedFamily((_of_length(5),) * 2, _columns, swaps=True),
    "five_digits": WorkedFamily((DIGIT,) * 5, _running_sum),
    "three_terms": WorkedFamily((TWO,) * 3, _running_sum),
    "product_plus": WorkedFamily((TWO, FACTOR, TWO), _product_plus),
    "two_products": WorkedFamily((TWO, FACTOR, TWO, FACTOR), _two_products),
}  # fmt: skip
