"""Worked arithmetic: right by independent arithmetic, keyed, and never trained on what it is tested on."""

from __future__ import annotations

import hashlib
import re
from itertools import islice

import pytest

from ttscale.data.load import load_data
from ttscale.data.worked_arithmetic import (
    CHARACTERS,
    HELD_OUT,
    LONGEST_LINE,
    MAX_TOKENS,
    held_out_cases,
    training_lines,
    validation_lines,
)
from ttscale.data.worked_families import FAMILIES
from ttscale.draws.prompts import render
from ttscale.errors import TtscaleError
from ttscale.records.grader import Grader

LINES = list(islice(training_lines(0, 0), 20_000))


def sorted_terms(question: str) -> tuple[int, ...]:
    return tuple(sorted(int(term) for term in question.rstrip("=").split("+")))


def test_every_answer_is_what_python_computes():
    grader = Grader("last_number")
    for question, solution in LINES:
        assert solution.endswith("\n") and grader.answer(solution) == str(eval(question.rstrip("=")))


def test_the_steps_of_an_addition_are_the_sums_of_its_columns_with_their_carries():
    for question, solution in LINES:
        if question.count("+") == 1 and "*" not in question:
            a, b = question.rstrip("=").split("+")
            *sums, total = map(int, solution.split())
            carries = [0, *(column // 10 for column in sums)]
            assert sums == [int(x) + int(y) + carry for x, y, carry in zip(a[::-1], b[::-1], carries, strict=False)]
            assert sum(column % 10 * 10**i for i, column in enumerate(sums)) + carries[-1] * 10 ** len(sums) == total


@pytest.mark.parametrize(
    ("family", "operands", "question", "worked"),
    [
        ("add3", (347, 586), "347+586=", "13 13 9 933"), ("add2", (10, 90), "10+90=", "0 10 100"),
        ("five_digits", (3, 8, 5, 9, 4), "3+8+5+9+4=", "11 16 25 29"),
        ("three_terms", (34, 57, 28), "34+57+28=", "91 119"),
        ("product_plus", (47, 6, 58), "47*6+58=", "42 282 340"),
        ("two_products", (47, 6, 38, 4), "47*6+38*4=", "42 282 32 152 434"),
    ],
)  # fmt: skip
def test_problems_as_they_are_written(family, operands, question, worked):
    case = FAMILIES[family].write(*operands)
    assert (case.question, case.worked, case.gold) == (question, worked, worked.split()[-1])


def test_no_training_line_is_a_test_item_even_with_its_operands_swapped():
    data = load_data("worked", n=HELD_OUT)
    asked, swapped = set(data.questions), {sorted_terms(q) for q in data.questions if re.fullmatch(r"\d+\+\d+=", q)}
    assert len(asked) == HELD_OUT * len(FAMILIES)
    small = list(islice(training_lines(1, 7, ["add2"]), 20_000))  # about 10,000 questions, each seen many times
    for question, _ in [*LINES, *small, *islice(validation_lines(0), 5000)]:
        assert question not in asked
        assert not re.fullmatch(r"\d+\+\d+=", question) or sorted_terms(question) not in swapped
    assert len({question for question, _ in small}) > 0.8 * (FAMILIES["add2"].n_cases - 2 * HELD_OUT)


def test_lines_depend_on_seed_and_block_alone():
    again = training_lines(0, 0)
    next(training_lines(0, 1))
    assert list(islice(again, 300)) == LINES[:300]
    others = [training_lines(0, 1), training_lines(1, 0), validation_lines(0)]
    starts = [LINES[:50], *(list(islice(lines, 50)) for lines in others)]
    assert len({tuple(lines) for lines in starts}) == 4
    assert hashlib.sha256(repr([tuple(line) for line in LINES[:1000]]).encode()).hexdigest() == DIGEST


DIGEST = "a0865996998a0e4ee52d64846787e04c0ac472a0ef69b0efa075c989713891a6"


def test_families_come_about_as_often_as_each_other():
    shapes = [re.sub(r"\d+", lambda found: str(len(found[0])), question) for question, _ in LINES]
    for shape in ("2+2=", "3+3=", "4+4=", "5+5=", "1+1+1+1+1=", "2+2+2=", "2*1+2=", "2*1+2*1="):
        assert abs(shapes.count(shape) - 2500) < 5 * (20_000 / 8 * 7 / 8) ** 0.5
    assert all(re.fullmatch(r"\d+\*\d\+\d+=", question) for question, _ in islice(only("product_plus"), 100))


def only(family):
    return training_lines(0, 0, [family])


def test_every_line_fits():
    longest = [FAMILIES[name].write(*(values[-1] for values in FAMILIES[name].operands)) for name in FAMILIES]
    assert max(len(case.question) + len(case.worked) + 1 for case in longest) == LONGEST_LINE
    assert max(len(case.worked) + 1 for case in longest) <= MAX_TOKENS
    assert {character for question, solution in LINES for character in question + solution} == set(CHARACTERS)


def test_a_test_set():
    data = load_data("worked:add3+two_products", n=4)
    assert data.item_ids[3:5] == ("worked/add3/0003", "worked/two_products/0000")
    assert list(data.families) == ["add3"] * 4 + ["two_products"] * 4
    assert (data.stop, data.extract, data.shots, data.max_tokens) == (("\n",), "last_number", 0, MAX_TOKENS)
    assert [eval(question.rstrip("=")) for question in data.questions] == [int(gold) for gold in data.golds]
    assert render(data, 0).text == data.questions[0] == held_out_cases("add3")[0].question
    whole = load_data("worked")
    assert len(whole) == 240 and whole.name == "worked" and set(whole.families) == set(FAMILIES)
    larger = load_data("worked:add3", n=50)
    assert larger.questions[:4] == data.questions[:4] and len(set(larger.questions)) == 50


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"spec": "worked:add9"}, "families.*'add9'.*add"), ({"spec": "worked:add3+add3"}, "different families"),
        ({"spec": "worked", "n": 101}, "n: expected 1 to 100"), ({"spec": "worked", "n": 0}, "n: expected 1 to 100"),
        ({"spec": "worked", "root": "x"}, "root: expected nothing for worked"),
        ({"spec": "worked", "shots": 1}, "shots: expected 0 to 0"),
        ({"spec": "worked", "examples": 3}, "examples: expected nothing for worked"),
        ({"spec": "worked:add3", "families": ["add2"]}, "families: expected nothing beside"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(arguments, says):
    with pytest.raises(TtscaleError, match=says):
        load_data(**arguments)
