"""Answers: read out of completions, compared exactly, graded; what cannot be read abstains."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.data.answers import RULES, extractor
from ttscale.data.equality import canonical, number
from ttscale.errors import TtscaleError
from ttscale.records.grader import Grader, grade

SAME = (
    ("1,000", "1000", "1000.0", "1e3", "1.0E+3", "$1000", "$1,000.00", "1000.", "+1000", "10 × 10^2",
     r"1 \times 10^{3}", "**1000**", r"\$1000", "1 thousand", "1000 apples", "1000 red apples", "1000 km",
     "1000km", r"1000\text{ cm}^2",
     r"\(1000\)", "€1000"),
    ("1/2", "0.5", ".5", "50%", "50 %", r"50\%", "50 percent", r"\frac{1}{2}", r"\dfrac12", "$0.50", "2/4"),
    ("-3", "−3", "–3", "-3.0", "-$3", "$-3", "-6/2", r"\frac{-3}{1}"),
    ("1 1/2", "1.5", "3/2", "150%"),
    ("24", "2 dozen", "2 dozen eggs"),
    ("Paris", "paris.", " PARIS ", r"\text{Paris}", "`Paris`"),
    ("x + 1", "$x + 1$", r"\left x + 1"),
)  # fmt: skip
DIFFERENT = (
    ("50%", "50"), ("3", "3x"), ("2", "2 pi"), ("12", "12:30"), ("1,00", "100"), ("1/0", "0"), ("0.1", "1/9"),
    ("5", "-5"), ("0.3333333333", "1/3"), ("100000000000000000001", "1e20"), ("2 hundred", "2"), ("1 3/2", "5/2"),
    ("A", "B"),
)  # fmt: skip


@pytest.mark.parametrize("group", SAME, ids=lambda group: group[0])
def test_ways_to_write_one_answer_are_equal(group):
    assert len({canonical(answer) for answer in group}) == 1, {answer: canonical(answer) for answer in group}


@pytest.mark.parametrize("one, other", DIFFERENT)
def test_different_answers_stay_different(one, other):
    assert canonical(one) != canonical(other)


@given(st.fractions(max_denominator=10**6), st.integers(0, 12))
def test_any_fraction_is_read_exactly_in_every_form(value, places):
    assert number(str(value)) == value
    assert number(f"\\frac{{{value.numerator}}}{{{value.denominator}}}") == value
    assert number(f"{value.numerator:,}") == value.numerator
    shown = f"{float(value):.{places}f}"
    assert number(shown) == Fraction(shown)
    assert number(f"{shown}%") == Fraction(shown) / 100


@given(st.text(max_size=60))
def test_no_text_breaks_a_rule_or_the_equality(text):
    for rule in RULES:
        answer = extractor(rule)(text)
        assert answer is None or (answer == answer.strip() != "" and canonical(answer) == canonical(answer))


READ = {
    "last_number": {
        "8 * 9 = 72": "72", " 72\n": "72", "10 - 3": "3", "10-3": "3", "it is -3": "-3", "so 1/2.": "1/2",
        "costs $1,000.50.": "$1,000.50", "a 50% share": "50%", "1, 2, 3": "3", "2e5.": "2e5", "5 x 10^2": "5 x 10^2",
        "pages 5–7": "7", r"is \frac{3}{4}": r"\frac{3}{4}", "1 1/2 cups": "1 1/2", "72/8 = 9 each": "9", "x=.5": ".5",
        "12,345,67": "67", "no answer": None, "": None, "…": None,
    },
    "first_number": {" 72 and then 9": "72", "about -4 or 5": "-4", "none": None},
    "hash": {
        "48 - 30 = 18\n#### 18": "18", "#### $1,200\n\nQuestion: 5": "$1,200", "#### 20%": "20", "####-7": "-7",
        "#### 18\n#### 19": "18", "#### Step one\n#### 6": "6", "####\nParis\n#### Rome ": "Rome", "18": None,
        "####": None,
    },
    "boxed": {
        r"so \boxed{7}": "7", r"\boxed{\frac{1}{2}}": r"\frac{1}{2}", r"\boxed{1} then \boxed{2}": "2",
        r"\boxed{1} and \boxed{2": "1", r"\boxed{\boxed{5}}": "5", r"\fbox{3}": "3", r"\boxed{ }": None, "7": None,
        r"\boxed{\{1,2\}}": r"\{1,2\}", r"{\boxed{4}": "4",
    },
    "choice:ABCD": {
        " B\n": "B", "(C) because": "C", "The answer is **D**.": "D", "Answer: (A)": "A", "I think A dog, or B": "B",
        "B. not A.": "B", "A": "A", "Option A is wrong, so the answer is C": "C", "none": None, "E": None, "\nD)": "D",
        "A dog": None, r"\boxed{C}": "C", "It's D's": None,
    },
    "last_line": {"a\n b \n\n": "b", " \n": None},
    "text": {" x = 1 ": "x = 1"},
    r"regex:x=(\d+)|y=(\d+)": {"x=1 y=2": "2", "x=1": "1", "z=3": None},
    r"regex:\d{3}": {"12 345 678 9": "678"},
}  # fmt: skip


@pytest.mark.parametrize(
    "rule, text, answer", [(rule, text, answer) for rule, cases in READ.items() for text, answer in cases.items()]
)
def test_rules_read_the_answer_that_stands_there(rule, text, answer):
    assert extractor(rule)(text) == answer


@pytest.mark.parametrize(
    "rule, says",
    [("last_nmber", "last_number"), ("regex:(", "regular expression"), ("regex:", "regex:PATTERN"),
     ("choice:abc", "capital letters"), ("choice:AAB", "different")],
)  # fmt: skip
def test_rules_that_cannot_be_used_are_named(rule, says):
    with pytest.raises(TtscaleError, match=says):
        Grader(rule)


def test_settings_that_cannot_be_used_are_named():
    with pytest.raises(TtscaleError, match=r"equality.*numeric"):
        Grader(equality="numerical")
    with pytest.raises(TtscaleError, match="checker"):
        Grader(checker="int")


def test_grades_of_a_run():
    texts = [["= 72", "72.0 it is", "71", "", "I do not know", "71"], ["1/2", "50%", "2", "0.5", "-2", "two"]]
    answers, correct, different = grade(Grader(), texts, ["72", "0.50"])
    assert answers.tolist() == [[0, 0, 1, -1, -1, 1], [0, 0, 1, 0, 2, -1]]
    assert answers.dtype == np.int32 and correct.dtype == bool
    assert correct.tolist() == [[True, False, False], [True, False, False]]
    assert different == (("72", "71"), ("1/2", "2", "-2"))


def test_grades_where_nobody_answers_and_of_no_items():
    answers, correct, different = grade(Grader(), [["", "none"]], ["1"])
    assert (answers.tolist(), correct.shape, different) == ([[-1, -1]], (1, 0), ((),))
    answers, correct, different = grade(Grader(), [], [])
    assert (answers.shape, correct.shape, different) == ((0, 0), (0, 0), ())


def test_text_equality_is_character_by_character():
    answers, correct, _ = grade(Grader("last_line", equality="text"), [["Yes", "yes", "Yes", "1.0"]], ["yes"])
    assert answers.tolist() == [[0, 1, 0, 2]] and correct.tolist() == [[False, True, False]]


def test_a_checker_decides_and_sees_each_answer_once():
    seen = []

    def near(answer: str, gold: str) -> bool:
        seen.append((answer, gold))
        return abs(float(answer) - float(gold)) <= 1

    answers, correct, _ = grade(Grader(checker=near), [["9", "9.0", "12"], ["5", "", "5"]], ["10", "6"])
    assert answers.tolist() == [[0, 0, 1], [0, -1, 0]]
    assert correct.tolist() == [[True, False], [True, False]]
    assert seen == [("9", "10"), ("12", "10"), ("5", "6")]


def test_a_checker_that_raises_is_named_with_item_and_answer():
    with pytest.raises(TtscaleError, match=r"answer '7' of item sums/3.*ZeroDivisionError"):
        grade(Grader(checker=lambda answer, gold: 1 // 0 > 0), [["7"]], ["7"], ["sums/3"])


@pytest.mark.parametrize(
    "rule, good, bad",
    [
        ("last_number", ("84", "1,000", "-3", "1/2", "$5", "5 apples", "20%"), ("eighty", "12:30", "3 x 4 = 12", " ")),
        ("hash", ("18", "70,000", "Rome"), ("20%", "")),
        ("boxed", (r"\frac{1}{2}", "x+1"), ("}", "")),
        ("choice:ABCD", ("A", "D"), ("E", "a", "AB")),
        ("last_line", ("Paris",), ("two\nlines",)),
        (r"regex:= (\d+)", ("84", "anything"), ("",)),
    ],
)
def test_golds_that_the_rule_cannot_read_are_named_before_the_run(rule, good, bad):
    grader = Grader(rule)
    grader.check_golds([f"item{i}" for i in range(len(good))], good)
    for gold in bad:
        with pytest.raises(TtscaleError, match="gold of item lost"):
            grader.check_golds(["fine", "lost"], [good[0], gold])


@pytest.mark.parametrize("said", ["no", float("nan"), None, 2])
def test_a_checker_that_says_neither_true_nor_false_is_named(said):
    with pytest.raises(TtscaleError, match=r"checker: expected True or False for answer '7' to gold '8'"):
        grade(Grader(checker=lambda answer, gold: said), [["7"]], ["8"])
    for right in (True, np.True_, 1):
        assert Grader(checker=lambda answer, gold, right=right: right).correct("7", "8") is True


def test_golds_of_a_checker_are_its_own_business():
    Grader(checker=lambda answer, gold: True).check_golds(["a"], ["assert f(2) == 4"])


def test_ids_tell_graders_apart_and_are_the_same_in_every_process():
    def one(answer, gold):
        return True

    def other(answer, gold):
        return False

    graders = [
        Grader(), Grader("first_number"), Grader(equality="text"), Grader(checker=one), Grader(checker=other),
        Grader("regex:a"), Grader("regex:b"),
    ]  # fmt: skip
    assert len({grader.id for grader in graders}) == len(graders)
    assert Grader().id == Grader("last_number", None, "numeric").id
    code = "from ttscale.records.grader import Grader; print(Grader('boxed').id)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == Grader("boxed").id


HOSTILE = ("answer" + " " * 50_000, "\\boxed{" * 10_000, "1,111" * 10_000, "9" * 50_000, "answer: **" * 5_000,
           "\\frac{" * 10_000, "1 " * 25_000, "####" * 10_000, "$" * 50_000, "\\text{" * 10_000, "1/" * 25_000,
           "1e999999999", "(" * 50_000)  # fmt: skip


def test_hostile_text_takes_no_time():
    """Model text is untrusted: no rule may take quadratic time, no exponent may fill the memory."""
    start = time.process_time()
    for text in HOSTILE:
        for rule in RULES:
            canonical(extractor(rule)(text) or "")
    assert time.process_time() - start < 10  # about 0.3 s; a quadratic rule takes minutes


# --- mathematics ---


@pytest.mark.parametrize(
    "gold, answer, equal",
    [
        ("x+1", "1+x", True), ("x^2-1", "(x-1)(x+1)", True), (r"\frac{1}{2}", "0.5", True), (r"\sqrt{4}", "2", True),
        (r"\{1,2\}", r"\{2,1\}", True), ("(1,2)", "(2,1)", False), ("x", "y", False), ("7", "8", False),
        (r"\frac{", "7", False), ("9^{9^{9^9}}", "5", False),
    ],
)  # fmt: skip
def test_mathematical_equality(gold, answer, equal):
    pytest.importorskip("math_verify")
    assert Grader("boxed", equality="math").correct(answer, gold) is equal


def test_votes_put_mathematically_equal_answers_together():
    pytest.importorskip("math_verify")
    texts = [[rf"\boxed{{{answer}}}" for answer in ("x+1", "2x", "1+x", "x+x", "x + 1", "3")]]
    answers, correct, different = grade(Grader("boxed", equality="math"), texts, ["2x"])
    assert answers.tolist() == [[0, 1, 0, 1, 0, 2]]
    assert correct.tolist() == [[False, True, False]] and different == (("x+1", "2x", "3"),)


def test_a_missing_library_is_an_error_with_its_install_line():
    code = (
        "import sys; sys.modules['math_verify'] = None\n"
        "from ttscale.records.grader import Grader\n"
        "Grader('boxed', equality='math').correct('x', 'y')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 1 and "pip install 'ttscale[math]'" in done.stderr
