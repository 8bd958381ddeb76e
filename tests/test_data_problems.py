"""Problem sets: generated arithmetic, files of problems, and what is wrong with them told by name."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from ttscale.data.arithmetic import POOL, ordered_cases
from ttscale.data.arithmetic_families import FAMILIES
from ttscale.data.gsm8k import EXAMPLES
from ttscale.data.load import load_data
from ttscale.data.problems import Example, Problems, Template
from ttscale.draws.phrasing import prompt_variants
from ttscale.draws.prompts import check_variants, render
from ttscale.errors import TtscaleError
from ttscale.records.grader import Grader, grade


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


# --- arithmetic ---


def solved(family: str, question: str) -> int:
    """The answer, from the text of the question alone."""
    numbers = [int(found) for found in re.findall(r"\d+", question)]
    if family == "next_term":
        steps = np.diff(numbers)
        assert len(numbers) == 4 and len(set(steps.tolist())) == 1
        return int(numbers[-1] + steps[-1])
    if family == "story_bags":
        return numbers[0] * numbers[1] + numbers[2]
    if family.startswith("story_"):
        return sum(numbers)
    assert re.fullmatch(r"[\d+*/ -]+[=:]", question), question
    value = eval(question.rstrip("=:"))
    assert value == int(value) >= 0
    return int(value)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_problem_of_a_family_is_right_and_shows_its_steps(family):
    grader, kind = Grader("last_number"), FAMILIES[family]
    cases = ordered_cases(family)
    assert len({case.question for case in cases}) == len(cases) >= 60 + POOL
    assert [kind.write(*operands) for operands in kind.shown] == list(cases[:5])
    for case in cases[:1000]:
        assert int(case.gold) == solved(family, case.question)
        assert grader.correct(grader.answer(case.worked), case.gold)
        assert len(case.worked) + 2 <= kind.max_tokens  # a space before it and the end of the line
        steps = case.worked.split(", ") if kind.steps > 1 or "=" in case.worked else []
        assert len(steps) == (kind.steps if steps else 0)
        for left, right in (step.split(" = ") for step in steps):
            assert eval(left) == int(right)


def test_a_plain_prompt_of_small_products():
    data = load_data("arithmetic:products_small", n=40)
    prompt = render(data, 0)
    assert prompt.shared == "12 * 7 = 84\n3 * 5 = 15\n8 * 4 = 32\n6 * 9 = 54\n10 * 2 = 20\n"
    assert re.fullmatch(r"\d+ \* \d =", prompt.own)
    assert (data.stop, data.extract, data.shots, data.chat, data.max_tokens) == (("\n",), "last_number", 5, False, 8)


def test_items_are_the_same_on_every_machine_and_examples_are_never_among_them():
    data = load_data("arithmetic:" + "+".join(FAMILIES), n=50)
    assert len(data) == 50 * len(FAMILIES)
    assert data.item_ids[:2] == ("arithmetic/sum_digit/0000", "arithmetic/sum_digit/0001")
    assert list(data.families[:51:50]) == ["sum_digit", "difference_digit"]
    assert not set(data.questions) & {example.question for example in data.examples}
    digest = hashlib.sha256(repr((data.questions, data.examples)).encode()).hexdigest()
    assert digest == DIGEST


DIGEST = "0d92e6cc2e312cb440350c53f063f3e768a708068d5d2413626c8e7ae45e5764"


def test_a_smaller_set_is_part_of_a_larger_one():
    small, large = (load_data("arithmetic", families=["sum_digit", "next_term"], n=n) for n in (7, 60))
    questions = dict(zip(large.item_ids, large.questions, strict=True))
    assert len(small) == 14 and all(questions[i] == q for i, q in zip(small.item_ids, small.questions, strict=True))
    few = load_data("arithmetic:sum_digit+next_term", limit=9)
    assert len(few) == 9 and set(few.item_ids) < set(load_data("arithmetic:sum_digit+next_term", limit=20).item_ids)
    assert load_data("arithmetic:sum_digit", n=8).subset([3, 1]).questions == (small.questions[3], small.questions[1])


@pytest.mark.parametrize("spec", ["arithmetic:" + family for family in FAMILIES])
def test_built_in_sets_give_their_variants(spec):
    check_variants(load_data(spec, n=2), prompt_variants("(order(3) + choice(3)) * (plain + templates(3)) + shots(12)"))


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"spec": "arithmetic:products"}, r"families.*'products'.*products_small"),
        ({"spec": "arithmetic"}, "families: expected one or more"),
        ({"spec": "arithmetic:sum_digit+sum_digit"}, "different families"),
        ({"spec": "arithmetic:sum_digit", "families": ["next_term"]}, "families: expected nothing beside"),
        ({"spec": "arithmetic:products_small", "n": 97}, "n: expected 1 to 96 problems of products_small"),
        ({"spec": "arithmetic:products_small", "n": 0}, "n: expected 1 to 96"),
        ({"spec": "arithmetic:products_small", "n": 1.5}, "n: expected a whole number"),
        ({"spec": "arithmetic:sum_digit", "shots": 13}, r"shots: expected 0 to 12, the examples of family sum_digit"),
        ({"spec": "arithmetic:sum_digit", "root": "x"}, "root: expected nothing"),
        ({"spec": "arithmetic:sum_digit", "gold_pattern": "x"}, "gold_pattern: expected nothing"),
        ({"spec": "arithmetic:sum_digit", "class_index": {"a": 1}}, "class_index: expected nothing"),
        ({"spec": "arithmetic:sum_digit", "split": "validation"}, "split"),
        ({"spec": "arithmetic:sum_digit", "max_tokens": 0}, "max_tokens: expected at least 1"),
        ({"spec": "arithmetic:sum_digit", "stop": [""]}, "stop: expected texts"),
        ({"spec": "arithmetic:sum_digit", "checker": "no.such:thing"}, "checker.*ModuleNotFoundError"),
        ({"spec": "arithmetic:sum_digit", "checker": "math:pi"}, "checker: expected an importable.*cannot be called"),
        ({"spec": "arithmetic:sum_digit", "stop": 5}, "stop: expected texts"),
        ({"spec": "arithmetic:sum_digit", "chat": "no"}, "chat: expected True or False"),
        ({"spec": "arithmetic:sum_digit", "extract": "lastnumber"}, "extract.*last_number"),
        ({"spec": "arithmetic:sum_digit", "extract": "regex:("}, "extract"),
        ({"spec": "arithmetic:sum_digit", "equality": "num"}, "equality.*numeric"),
        ({"spec": "arithmetics:sum_digit"}, r"'arithmetics:sum_digit'.*arithmetic"),
        ({"spec": "fashion-mnist", "n": 5}, "n: expected nothing for fashion-mnist"),
        ({"spec": "fashion-mnist", "chat": True}, "chat: expected nothing for fashion-mnist"),
        ({"spec": "jsonl:x", "families": ["a"]}, "families: expected nothing for jsonl:x"),
        ({"spec": "jsonl"}, "expected jsonl:FILE"),
        ({"spec": "jsonl:x", "root": "y"}, "root: expected nothing"),
        ({"spec": "jsonl:/no/such/file"}, "/no/such/file: No such file"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, says):
    with pytest.raises(TtscaleError, match=says):
        load_data(**arguments)


def test_the_users_settings_replace_those_of_the_set():
    data = load_data(
        "arithmetic:sum_digit", n=3, shots=2, extract="first_number", checker="operator:eq", equality="text",
        max_tokens=5, stop=";", name="mine",
    )  # fmt: skip
    assert (data.shots, data.extract, data.checker("1", "1"), data.equality) == (2, "first_number", True, "text")
    assert (data.max_tokens, data.stop, data.name) == (5, (";",), "mine")
    assert render(data, 0).shared.count("\n") == 2
    chat = load_data("arithmetic:sum_digit", n=3, chat=True)
    assert chat.chat and chat.stop == () and render(chat, 0).chat
    assert load_data("arithmetic:sum_digit", n=3, chat=True, stop=["\n"]).stop == ("\n",)
    again = load_data(data, shots=1, limit=2)
    assert (again.shots, again.extract, len(again)) == (1, "first_number", 2)


# --- files ---


def test_a_file_with_fields_of_its_own(tmp_path):
    file = write(
        tmp_path / "quiz.jsonl",
        {"problem": "2 + 2?", "solution": 4, "kind": "sum", "source": "a", "key": "p1"},
        "",
        {"problem": " 1 / 3? ", "solution": 0.25, "kind": "quotient", "source": "b", "key": "p2"},
    )
    fields = {"question": "problem", "answer": "solution", "family": "kind", "cluster": "source", "id": "key"}
    data = load_data(f"jsonl:{file}", fields=fields)
    assert (data.item_ids, data.questions, data.golds) == (("p1", "p2"), ("2 + 2?", "1 / 3?"), ("4", "0.25"))
    assert (data.families.tolist(), data.clusters.tolist(), data.name) == (["sum", "quotient"], ["a", "b"], "quiz")
    assert render(data, 0).text == "Question: 2 + 2?\nAnswer:"
    assert load_data("jsonl", root=file, fields=fields).digest() == data.digest()


def test_ids_without_a_field_are_positions_and_examples_come_from_the_beginning_or_another_file(tmp_path):
    lines = [{"question": f"{i} + 1?", "answer": f"{i} and 1 make\n= {i + 1}"} for i in range(4)]
    file = write(tmp_path / "sums.jsonl", *lines)
    data = load_data(f"jsonl:{file}", examples=2, gold_pattern=r"= (\d+)")
    assert data.item_ids == ("sums/00002", "sums/00003") and data.golds == ("3", "4") and data.shots == 2
    assert data.examples == (Example("0 + 1?", "0 and 1 make\n= 1"), Example("1 + 1?", "1 and 1 make\n= 2"))
    assert render(data, 0).text.endswith("Question: 1 + 1?\nAnswer: 1 and 1 make\n= 2\n\nQuestion: 2 + 1?\nAnswer:")
    other = write(tmp_path / "pool.jsonl", {"question": "7 + 1?", "answer": "8"})
    data = load_data(f"jsonl:{file}", examples=other, gold_pattern=r"\d+$")
    assert (len(data), data.golds[3], data.shots, data.examples[0].answer) == (4, "4", 1, "8")
    check_variants(data, prompt_variants("templates"))
    with pytest.raises(
        TtscaleError, match=r"examples: expected none that is also an item, got the question of item sums"
    ):
        load_data(f"jsonl:{file}", examples=file)


GOOD = {"question": "1?", "answer": "1"}


@pytest.mark.parametrize(
    "lines, arguments, says",
    [
        (["{"], {}, r"one JSON object a line.*bad\.jsonl:1"),
        ([GOOD, "[1]"], {}, r"one JSON object a line.*bad\.jsonl:2"),
        ([GOOD, {"question": "2?"}], {}, r"a field 'answer' \(answer\), got only question in .*:2"),
        ([GOOD], {"fields": {"question": "q"}}, r"a field 'q' \(question\), got only question, answer"),
        ([GOOD], {"fields": {"id": "key"}}, r"a field 'key' \(id\)"),
        ([GOOD], {"fields": {"questoin": "q"}}, "fields.*question"),
        ([GOOD], {"fields": {"question": 3}}, "fields: expected the name of a field"),
        ([{"question": "1?", "answer": None}], {}, "text or a number as answer, got none"),
        ([{"question": "1?", "answer": [1]}], {}, r"text or a number as answer, got \[1\]"),
        ([{"question": "1?", "answer": True}], {}, "text or a number as answer, got true"),
        ([{"question": " ", "answer": "1"}], {}, "question of item bad/00000"),
        ([{"question": "1?", "answer": ""}], {}, "gold of item bad/00000"),
        ([{"question": "\ud800", "answer": "1"}], {}, "question of item bad/00000.*UTF-8"),
        ([{**GOOD, "id": "a"}, {**GOOD, "id": "a"}], {}, "one id per problem, got 'a' 2 times"),
        ([{**GOOD, "id": "a"}, GOOD], {}, "text or a number as id, got none"),
        ([], {}, "at least one problem"),
        ([GOOD], {"gold_pattern": "####"}, r"an answer that gold_pattern='####' matches, got '1' in .*:1"),
        ([GOOD], {"gold_pattern": "("}, "gold_pattern: expected a regular expression"),
        ([GOOD], {"examples": 1}, "examples: expected a file, or fewer than the 1 lines"),
        ([GOOD], {"examples": "/no/such"}, "/no/such: No such file"),
        (["[" * 100_000], {}, "one JSON object a line"),
    ],
)  # fmt: skip
def test_bad_lines_are_named(tmp_path, lines, arguments, says):
    file = write(tmp_path / "bad.jsonl", *lines)
    with pytest.raises(TtscaleError, match=says):
        load_data(f"jsonl:{file}", **arguments)


def test_files_that_are_not_text_or_begin_with_a_mark(tmp_path):
    (tmp_path / "latin.jsonl").write_bytes(b'{"question": "caf\xe9", "answer": "1"}')
    with pytest.raises(TtscaleError, match="expected UTF-8"):
        load_data(f"jsonl:{tmp_path / 'latin.jsonl'}")
    (tmp_path / "marked.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert load_data(f"jsonl:{tmp_path / 'marked.jsonl'}").questions == ("1?",)
    with pytest.raises(TtscaleError, match="readable file"):
        load_data(f"jsonl:{tmp_path}")


# --- GSM8K ---


def test_the_format_of_gsm8k(tmp_path):
    file = write(
        tmp_path / "gsm.jsonl",
        {"question": "How much?", "answer": "He pays 3*4=<<3*4=12>>12,000.\nSo #### is odd.\n#### 12,000 "},
        {"question": "And now?", "answer": "#### -5"},
    )
    data = load_data(f"gsm8k:{file}")
    assert (data.golds, data.extract, data.shots) == (("12,000", "-5"), "hash", 5)
    Grader(data.extract).check_golds(data.item_ids, data.golds)
    prompt = render(data, 1)
    assert prompt.text.count("####") == 5 and prompt.text.endswith("#### 10\n\nQuestion: And now?\nAnswer:")
    _, correct, _ = grade(Grader("hash"), [["12 * 1000\n#### 12000"], ["so -5"]], data.golds)
    assert correct.tolist() == [[True], [False]]
    check_variants(data, prompt_variants("order(3) + choice(3) * templates + shots(12)"))
    with pytest.raises(TtscaleError, match=r"gold_pattern.*gsm\.jsonl:1"):
        write(file, {"question": "How much?", "answer": "12"})
        load_data(f"gsm8k:{file}")


def test_our_examples_of_gsm8k_are_right():
    """Every equation in them, by Python's own arithmetic; the last one gives the answer."""
    for example in EXAMPLES:
        steps, gold = example.answer.split("\n#### ")
        equations = re.findall(r"([\d+*/ -]*\d [-+*/] [\d+*/ -]*\d) = \$?(\d+)", steps)
        assert len(equations) == steps.count("=") and equations
        assert all(eval(left) == int(right) for left, right in equations), example
        assert gold == equations[-1][1]


def gsm8k_file() -> Path:
    own = os.environ.get("TTSCALE_GSM8K_TEST")
    return Path(own) if own else Path(__file__).parents[2] / "shared" / "data" / "gsm8k_test.jsonl"


def test_the_test_split_of_gsm8k():
    if not gsm8k_file().is_file():
        pytest.skip(f"no GSM8K test split at {gsm8k_file()} (set TTSCALE_GSM8K_TEST)")
    data = load_data(f"gsm8k:{gsm8k_file()}")
    assert (len(data), data.golds[:3], data.item_ids[-1]) == (1319, ("18", "3", "70000"), "gsm8k_test/01318")
    Grader(data.extract).check_golds(data.item_ids, data.golds)
    solutions = [json.loads(line)["answer"] for line in gsm8k_file().read_text().splitlines()]
    _, correct, _ = grade(Grader("hash"), [[solution] for solution in solutions], data.golds)
    assert correct.all()


# --- multiple choice ---


def test_multiple_choice_in_its_formats(tmp_path):
    texts = ["Paris", "Rome", "Oslo"]
    file = write(
        tmp_path / "mc.jsonl",
        {"question": "Capital of France?", "choices": texts, "answer": 0},
        {"question": "Of Norway?", "choices": texts, "answer": "C"},
        {"question": "Of Italy?", "choices": texts, "answer": "Rome"},
        {"question": "Of France?", "choices": {"text": [*texts, "Bonn"], "label": ["1", "2", "3", "4"]}, "answer": "1"},
        {"question": "5 - 3?", "choices": [3, 2], "answer": 1},
    )
    data = load_data(f"choices:{file}", examples=1)
    assert (data.golds, data.extract, data.shots) == (("C", "B", "A", "B"), "choice:ABCD", 1)
    assert render(data, 0).text == (
        "Question: Capital of France?\nA. Paris\nB. Rome\nC. Oslo\nAnswer: A\n\n"
        "Question: Of Norway?\nA. Paris\nB. Rome\nC. Oslo\nAnswer:"
    )
    Grader(data.extract).check_golds(data.item_ids, data.golds)
    check_variants(data, prompt_variants("templates"))


@pytest.mark.parametrize(
    "choices, answer, says",
    [
        (["a", "b"], 2, "an answer that is a label"), (["a", "b"], -1, "an answer that is a label"),
        (["a", "b"], "C", "an answer that is a label"), (["a"], 0, "2 to 26 texts as choices"),
        (["a", " "], 0, "2 to 26 texts"), ("ab", 0, "2 to 26 texts"), ({"label": ["A"]}, "A", "2 to 26 texts"),
        ({"text": ["a", "b"], "label": ["A"]}, "A", "one label a choice"), (["a", None], 0, "2 to 26 texts"),
        ([1, 2, 3], 1, r"one way only, got 1, which may be A or B"), (["B", "A"], "A", "one way only"),
        (["a", "a"], "a", "one way only"), (["a", "b"], None, "text or a number as answer"),
        (["a", "b"], 0.5, "an answer that is a label"),
    ],
)  # fmt: skip
def test_choices_that_cannot_be_used_are_named(tmp_path, choices, answer, says):
    file = write(tmp_path / "mc.jsonl", {"question": "Which?", "choices": choices, "answer": answer})
    with pytest.raises(TtscaleError, match=rf"{says}.*mc\.jsonl:1"):
        load_data(f"choices:{file}")


def test_multiple_choice_needs_choices(tmp_path):
    file = write(tmp_path / "mc.jsonl", GOOD)
    with pytest.raises(TtscaleError, match=r"a field 'choices' \(choices\)"):
        load_data(f"choices:{file}")
    with pytest.raises(TtscaleError, match="gold_pattern: expected nothing for choices"):
        load_data(f"choices:{file}", gold_pattern="x")


# --- a user's own set ---


def made(**changes) -> Problems:
    settings = {
        "name": "made", "item_ids": ("a", "b"), "questions": ("1?", "2?"), "golds": ("1", "2"),
        "templates": (Template("plain", "{question} {answer}\n", "{question}"),),
    }  # fmt: skip
    return Problems(**settings | changes)


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"item_ids": ("a", "a")}, "'a' 2 times"),
        ({"golds": ("1",)}, "golds: expected one for each of 2 items, got 1"),
        ({"questions": ("1?", "")}, "question of item b"), ({"golds": ("1", 2)}, "gold of item b"),
        ({"families": np.array(["x"])}, "families: expected one for each"), ({"templates": ()}, "templates: expected"),
        ({"templates": (Template("t", "{question}", "{question}"),)}, r"template t: .*no \{answer\} in its example"),
        ({"templates": (Template("t", "{question}{answer}", "?"),)}, r"template t: .*no \{question\} in its query"),
        ({"examples": (Example("1?", "1"),)}, "the question of item a"), ({"shots": 1}, "shots: expected 0 to 0"),
        ({"item_ids": (), "questions": (), "golds": ()}, "at least one problem"),
    ],
)  # fmt: skip
def test_a_set_of_the_users_own_is_checked(changes, says):
    assert load_data(made(), name="other").name == "other"
    with pytest.raises(TtscaleError, match=says):
        load_data(made(**changes))
    with pytest.raises(TtscaleError, match="n: expected nothing for problems"):
        load_data(made(), n=1)


def test_a_digest_tells_sets_apart():
    sets = [made(), made(golds=("1", "3")), made(questions=("1?", "3?")), made(examples=(Example("9?", "9"),))]
    assert len({data.digest() for data in sets}) == 4 and made().digest() == made().digest()
    assert made().subset([1]).item_ids == ("b",)
