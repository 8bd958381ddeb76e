"""Prompts and their variants: what a model reads, which ways to ask there are, and what a set cannot give."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations, permutations

import numpy as np
import pytest

from ttscale.data.problems import Example, Problems, Template
from ttscale.draws.phrasing import prompt_variants, variant_named
from ttscale.draws.prompts import PLAIN, Prompt, PromptVariant, check_variants, nth_choice, nth_order, render
from ttscale.draws.sampling import Decoding, Sampling, sampling
from ttscale.errors import TtscaleError

TEMPLATES = (
    Template("plain", "{question} {answer}\n", "{question}"),
    Template("q-a", "Q: {question} A: {answer}\n", "Q: {question} A:", "Solve.\n"),
)


def problems(n_examples: int = 4, shots: int = 3, **changes) -> Problems:
    """One item of each of two families; the second's pool has one example less."""
    pool = [Example(f"{i} +", f"a{i}") for i in range(n_examples - 1)] + [Example("own", "x", "first")]
    settings = {
        "name": "made", "item_ids": ("m/0", "m/1"), "questions": ("1 + 1 =", "{answer} {question} {0}"),
        "golds": ("2", "3"), "templates": TEMPLATES, "examples": tuple(pool), "shots": shots,
        "families": np.array(["first", "second"]),
    }  # fmt: skip
    return Problems(**settings | changes)


def test_the_plain_prompt_is_examples_then_question():
    assert render(problems(), 0) == Prompt("0 + a0\n1 + a1\n2 + a2\n", "1 + 1 =")
    assert render(problems(), 0, PLAIN).text == "0 + a0\n1 + a1\n2 + a2\n1 + 1 ="
    assert render(problems(chat=True, shots=0), 0) == Prompt("", "1 + 1 =", chat=True)


def test_braces_in_a_question_stay_as_they_are():
    assert render(problems(shots=0), 1, variant_named("template1")).text == "Solve.\nQ: {answer} {question} {0} A:"


def test_examples_are_those_of_the_family_and_those_of_none():
    shared = render(problems(), 0, variant_named("shots4")).shared
    assert shared == "0 + a0\n1 + a1\n2 + a2\nown x\n"
    with pytest.raises(TtscaleError, match=r"variant shots4: expected 4 examples in family second of made, got 3"):
        render(problems(), 1, variant_named("shots4"))


def test_every_order_of_the_examples_comes_once_and_the_plain_one_first():
    found = [nth_order(4, number) for number in range(24)]
    assert found[0] == (0, 1, 2, 3) and set(found) == set(permutations(range(4)))
    assert nth_order(7, 3) == nth_order(7, 3) != nth_order(7, 2)


def test_every_selection_of_examples_comes_once_and_the_first_ones_first():
    found = [nth_choice(5, 3, number) for number in range(10)]
    assert found[0] == (0, 1, 2) and set(found) == set(combinations(range(5), 3))


def test_selections_do_not_prefer_an_example():
    """Each of 12 stands in 5/12 of the selections: within 4 standard errors."""
    chosen = np.bincount(np.concatenate([nth_choice(12, 5, number) for number in range(1, 201)]), minlength=12)
    assert np.all(np.abs(chosen - 200 * 5 / 12) < 4 * np.sqrt(200 * 5 / 12 * 7 / 12))


def test_a_variant_is_the_same_on_every_machine():
    """Prompts are part of what Records mean: these numbers may never change."""
    assert [nth_order(5, number) for number in (1, 2, 3)] == ORDERS
    assert [nth_choice(12, 5, number) for number in (1, 2, 3)] == CHOICES


ORDERS = [(1, 0, 4, 3, 2), (4, 2, 0, 1, 3), (4, 1, 2, 0, 3)]
CHOICES = [(5, 6, 7, 8, 9), (2, 3, 4, 8, 10), (1, 2, 5, 6, 8)]


def test_variants_change_what_they_say_and_nothing_else():
    lines = {name: render(problems(5), 0, variant_named(name)).shared.splitlines() for name in NAMES}
    plain = ["0 + a0", "1 + a1", "2 + a2"]
    assert lines["plain"] == plain
    assert lines["order1"] != plain and sorted(lines["order1"]) == plain
    assert lines["choice1"] != plain and len(set(lines["choice1"])) == 3
    assert lines["template1"] == ["Solve.", "Q: 0 + A: a0", "Q: 1 + A: a1", "Q: 2 + A: a2"]
    assert lines["shots1"] == plain[:1]
    both = lines["choice1*order1"]
    assert sorted(both) == sorted(lines["choice1"]) and both != lines["choice1"]


NAMES = ("plain", "order1", "choice1", "template1", "shots1", "choice1*order1")


def test_the_grammar_of_variants():
    def names(spec: str) -> list[str]:
        return [variant.name for variant in prompt_variants(spec)]

    assert names("plain") == ["plain"]
    assert names("order(2)") == ["plain", "order1", "order2"]
    assert names("plain + order(1) + choice(2) + templates") == [
        "plain", "order1", "choice1", "choice2", "template1", "template2"
    ]  # fmt: skip
    assert names("choice(2) * order(2)") == [
        "plain", "choice1*order1", "choice2*order1", "choice1*order2", "choice2*order2"
    ]  # fmt: skip
    assert names("order(1) * (plain + templates(1))") == ["plain", "order1", "order1*template1"]
    assert names("order1 + order(2) + shots(0) + shots8") == ["plain", "order1", "order2", "shots0", "shots8"]
    assert prompt_variants("order2 * choice3 * template1 * shots(4)")[1] == PromptVariant(
        "shots4*choice3*order2*template1", 4, 3, 2, 1
    )


def test_a_variant_is_found_again_by_its_name():
    for variant in prompt_variants("(plain + choice(2)) * (plain + order(1)) * (plain + templates) + shots(0)"):
        assert variant_named(variant.name) == variant


@pytest.mark.parametrize(
    "spec, says",
    [
        ("", "specification"), ("orders(3)", "order"), ("order", "order"), ("order(0)", "whole number"),
        ("order(1.5)", "whole number"), ("order0", "numbered 1, 2"), ("order01", "numbered"),
        ("order(2) * order(1)", "same"),
        ("order(2) - plain", "not a variant"), ("order(2", "order"), ("template(1)", "templates"),
        ("order(a)", "not a v"),
        ("+".join(["plain"] * 40_000), "nested"), ("order(10**9)", "not a variant"),
        ("order(99999999)", "whole number"),
        (3, "specification"), ("__import__('os')", "known name"), ("plain1", "plain"),
    ],
)  # fmt: skip
def test_specs_that_cannot_be_read_are_refused_in_words(spec, says):
    with pytest.raises(TtscaleError, match="variants") as raised:
        prompt_variants(spec)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "name, says",
    [
        ("template2", r"variant template2: expected 3 templates .*got 2"),
        ("shots5", r"variant shots5: expected 5 examples in family first"),
        ("choice1", r"variant choice1: expected 2 selections of 3 among its 3 examples in family second"),
        ("order6", r"variant order6: expected 7 orders of 3 examples .*got 6"),
        ("shots0*order1", r"variant shots0\*order1: expected 2 orders of 0 examples"),
    ],
)
def test_variants_that_a_set_cannot_give_are_named_before_the_run(name, says):
    check_variants(problems(), prompt_variants("plain + order(5) + template1"))
    with pytest.raises(TtscaleError, match=says):
        check_variants(problems(), [PLAIN, variant_named(name)])


# --- decodings ---


def test_greedy_comes_first_and_every_variant_is_sampled():
    made = sampling([4, 2], [0.8, 1.2], variants="order(2)", top_k=50, top_p=0.9, min_p=0.05, stop="\n", max_tokens=8)
    assert [(decoding.id, n) for decoding, n in made.decodings] == [
        ("greedy", 1), ("T0.8-k50-p0.9-m0.05", 4), ("T1.2-k50-p0.9-m0.05", 2)
    ]  # fmt: skip
    assert len(made) == 3 * 7
    assert made.decodings[0][0] == Decoding(0.0, max_tokens=8, stop=("\n",))
    assert sampling(3, 1, greedy=False).decodings == ((Decoding(1.0), 3),)


def test_close_decodings_have_ids_of_their_own():
    made = sampling([1, 1, 1], [0.8, 0.8000001, 1.0], top_p=0.9999999)
    assert [d.id for d, _ in made.decodings[1:]] == ["T0.8-p0.9999999", "T0.8000001-p0.9999999", "T1-p0.9999999"]
    assert Decoding.of({**asdict(made.decodings[1][0]), "id": "x", "samples": 3, "stop": []}).id == "T0.8-p0.9999999"


def test_two_decodings_of_one_id_are_refused():
    with pytest.raises(TtscaleError, match=r"T0\.8 2 times"):
        Sampling(((Decoding(0.8, max_tokens=4), 1), (Decoding(0.8, max_tokens=9), 1)), (PLAIN,))


@pytest.mark.parametrize(
    "arguments, names",
    [
        ({"n": 0}, "n"), ({"n": 1.5}, "n"), ({"n": [1, 2, 3], "temperature": [0.5, 1]}, "n"), ({"n": "16"}, "n"),
        ({"temperature": 0}, "temperature"), ({"temperature": [1, 1]}, "temperature"),
        ({"temperature": []}, "temperature"), ({"temperature": 1e-4}, "temperature"),
        ({"temperature": float("inf")}, "temperature"), ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k"), ({"top_k": True}, "top_k"), ({"top_p": 0}, "top_p"), ({"top_p": 1.1}, "top_p"),
        ({"min_p": -0.1}, "min_p"), ({"min_p": "0.1"}, "min_p"), ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [""]}, "stop"), ({"stop": 5}, "stop"), ({"greedy": "no"}, "greedy"),
        ({"stop": [1]}, "stop"), ({"variants": "ordr(2)"}, "variants"), ({"top_p": float("nan")}, "top_p"),
    ],
)  # fmt: skip
def test_decodings_out_of_range_are_refused_by_name(arguments, names):
    with pytest.raises(TtscaleError, match=rf"^{names}: expected"):
        sampling(**arguments)


def test_numbers_of_numpy_are_numbers():
    made = sampling(np.int64(4), np.float64(0.8), top_k=np.int32(3), max_tokens=np.int64(7))
    assert made == sampling(4, 0.8, top_k=3, max_tokens=7)
    assert type(made.decodings[1][0].top_k) is int and type(made.decodings[1][0].temperature) is float
