"""Records of text: what was drawn is read again as arrays, graded once or several times, and damage is found."""

import json
import math
from dataclasses import replace

import language_run as fake
import numpy as np
import pyarrow.parquet as pq
import pytest

from ttscale.collecting.collect import collect
from ttscale.draws.sampling import sampling
from ttscale.errors import TtscaleError
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.grading import regrade
from ttscale.records.read import read_manifest, read_records
from ttscale.records.records import Records

DRAWS = sampling([5, 2], [0.8, 1.2], variants="template1")
A_MEMBER = 2 * (1 + 5 + 2)


@pytest.fixture
def engines(monkeypatch):
    return fake.install(monkeypatch)


def run(folder, **more):
    arguments = {"draws": DRAWS, "out": folder, "seed": 3, "progress": False} | more
    return collect([fake.member("a"), fake.member("b")], fake.sums(), **arguments)


def table(folder):
    """All draws as pandas sees them, in the order of items, then as they were drawn."""
    files = sorted((folder / "draws").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pandas().to_dict("records")]
    return {(r["item_id"], r["member"], r["variant"], r["decode_id"], r["sample"]): r for r in rows}


def test_arrays_are_the_rows_of_the_table(tmp_path, engines):
    records = run(tmp_path)
    graded, rows = records.graded(), table(tmp_path)
    assert len(graded.draws) == 2 * A_MEMBER and len(rows) == 12 * 2 * A_MEMBER
    assert graded.draws[:3] == tuple(TextDraw("a", "plain", d, s) for d, s in (("greedy", 0), ("T0.8", 0), ("T0.8", 1)))
    texts = records.texts()
    for i, item_id in enumerate(records.item_ids):
        for d, draw in enumerate(graded.draws):
            row = rows[(item_id, *draw)]
            digits = row["text"].strip()
            answered = digits.isdigit()
            number = graded.answers[i, d]
            assert (number >= 0) == answered and texts[i][d] == row["text"]
            if answered:
                assert graded.texts[i][number] == digits and graded.correct[i, number] == (digits == str(i + 3))
            assert graded.n_tokens[i, d] == row["n_tokens"] and graded.flops[i, d] == row["flops"]
            for name in ("sum_logprob", "mean_logprob", "self_certainty"):
                assert graded.scores[name][i, d] == row[name]
    assert 0 < graded.abstained == sum(not r["text"].strip().isdigit() for r in rows.values())
    reasons = records.finish_reasons()
    assert sum(reasons["b"].values()) == 12 * A_MEMBER
    assert reasons["a"]["length"] == sum(r["finish_reason"] == "length" and r["member"] == "a" for r in rows.values())


def test_answers_are_numbered_by_first_appearance_over_all_members(tmp_path, engines):
    graded = run(tmp_path).graded()
    for row in graded.answers:
        new = [number for at, number in enumerate(row) if number >= 0 and number not in row[:at]]
        assert new == sorted(new) == list(range(len(new)))


def test_a_shared_beginning_is_paid_in_equal_parts_and_a_prompt_once(tmp_path, engines):
    graded = run(tmp_path / "shared").graded()
    pairs = {(m, v) for m in "ab" for v in ("plain", "template1")}
    assert set(graded.prompt_flops) == set(graded.prefix_flops) == set(graded.prompt_tokens) == pairs
    for pair in pairs:
        assert (graded.prompt_flops[pair] == fake.PROMPT_FLOPS).all() and (graded.prompt_tokens[pair] == 12).all()
        assert graded.prefix_flops[pair].sum() == pytest.approx(fake.PREFIX_FLOPS)
        assert (graded.beginning_flops[pair] == fake.PREFIX_FLOPS).all()
    apart = run(tmp_path / "apart", prefill="per_sample").graded()
    for pair in pairs:
        assert (apart.prompt_flops[pair] == fake.PROMPT_FLOPS + fake.PREFIX_FLOPS).all()
        assert (apart.prefix_flops[pair] == 0).all() and (apart.beginning_flops[pair] == 0).all()
    costs = pq.read_table(tmp_path / "shared" / "costs.parquet").to_pylist()
    prefixes = [row for row in costs if row["scope"] == "prefix"]
    assert len(prefixes) == 4 and sum(row["flops"] for row in prefixes) == 4 * fake.PREFIX_FLOPS
    assert sum(row["scope"] == "prompt" for row in costs) == 12 * 4


def test_take_and_families_keep_to_the_items(tmp_path, engines):
    records = run(tmp_path)
    part = records.take([7, 2]).take([1])
    whole, one = records.graded(), part.graded()
    assert part.golds.tolist() == ["5"] and part.questions.tolist() == ["2 + 3"] and part.texts() == records.texts([2])
    assert np.array_equal(one.answers, whole.answers[[2]]) and one.texts == whole.texts[2:3]
    assert np.array_equal(one.scores["self_certainty"], whole.scores["self_certainty"][[2]])
    assert sum(part.finish_reasons()["a"].values()) == A_MEMBER
    with pytest.raises(TtscaleError, match="Records of text"):
        records.log_probs("a")
    with pytest.raises(TtscaleError, match="class log-probabilities"):
        Records.from_arrays({"a": np.log(np.full((2, 1, 2), 0.5))}, [0, 1]).graded()


def test_new_grades_lie_beside_the_old(tmp_path, engines):
    records = run(tmp_path)
    before = records.graded()
    never = regrade(records, checker=lambda answer, gold: False)
    assert not never.graded().correct.any() and np.array_equal(never.graded().answers, before.answers)
    assert set(never.graders) == {before.grader, never.graded().grader} and len(never.graders) == 2
    assert np.array_equal(never.graded(before.grader).correct, before.correct)
    by_line = regrade(tmp_path, extract="last_line", equality="text")
    assert "I do not know" in {answer for answers in by_line.graded().texts for answer in answers}
    assert by_line.graded().abstained == 0 and by_line.manifest.prompting["extract"] == "last_line"
    assert read_records(tmp_path).manifest.grader == by_line.manifest.grader
    assert regrade(by_line.take([4]), extract="last_number", equality="numeric").golds.tolist() == ["7"]
    assert len(read_records(tmp_path).graders) == 3  # those of the start were found again, not made again
    grades = pq.read_table(tmp_path / "grades" / f"{before.grader}.parquet").to_pandas()
    assert len(grades) == 12 * 2 * A_MEMBER and grades["answer"].isna().sum() == before.abstained
    with pytest.raises(TtscaleError, match="grader: expected a known name"):
        by_line.graded("0" * 12)


def test_grading_names_what_it_cannot_grade(tmp_path, engines):
    records = run(tmp_path)
    with pytest.raises(TtscaleError, match="gold of item sums/00"):
        regrade(records, extract="choice")

    def picky(answer, gold):
        if gold == "9":
            raise ValueError("no nines")
        return answer == gold

    with pytest.raises(TtscaleError, match=r"sums/06.*ValueError: no nines"):
        regrade(records, checker=picky)
    assert len(read_records(tmp_path).graders) == 1


def _spoil(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(("kind", "redone"), [("grades", 0), ("items", 0), ("costs", 0), ("draws", 1)])
def test_damage_is_found_and_only_what_is_damaged_is_made_again(tmp_path, engines, monkeypatch, kind, redone):
    monkeypatch.setattr("ttscale.collecting.language_run._BLOCK_DRAWS", 5 * 2 * A_MEMBER)
    run(tmp_path)
    whole = fake.files_of(tmp_path)
    file = next(iter(tmp_path.glob(f"{kind}*.parquet")), None) or sorted(tmp_path.glob(f"{kind}/*.parquet"))[0]
    _spoil(file)
    with pytest.raises(TtscaleError, match="another SHA-256"):
        read_records(tmp_path)
    made = len(engines)
    run(tmp_path)
    assert fake.files_of(tmp_path) == whole
    assert sum(engine.calls for engine in engines[made:]) == redone * 2 * 5 * 6  # members × items a block × requests
    read_records(tmp_path)


def test_unknown_costs_stay_unknown(tmp_path, engines, monkeypatch):
    unknown = lambda model, **_: replace(fake.describe(model), flops=math.nan)  # noqa: E731
    monkeypatch.setattr("ttscale.collecting.language_run.describe", unknown)
    records = run(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["members"][0]["flops"] is None
    assert math.isnan(records.members[0].flops) and math.isnan(read_manifest(tmp_path).members[1].bytes)


DRAW = TextDraw("a", "plain", "T1", 0), TextDraw("a", "plain", "T1", 1)
PAIR = ("a", "plain")


def made(**changes):
    two = np.ones((2, 2))
    values = {
        "grader": "g", "draws": DRAW, "answers": np.array([[0, -1], [0, 1]], np.int32),
        "correct": np.array([[True, False], [False, True]]), "texts": (("1",), ("2", "3")),
        "n_tokens": two.astype(np.int32), "flops": two, "scores": {"mean_logprob": two}, "score_flops": {},
        "prompt_flops": {PAIR: np.ones(2)}, "prompt_tokens": {PAIR: np.ones(2, int)},
        "prefix_flops": {PAIR: np.zeros(2)}, "beginning_flops": {PAIR: np.zeros(2)},
    }  # fmt: skip
    return Graded(**(values | changes))


def test_records_can_be_made_of_graded_draws():
    records = Records.from_graded(made(), item_ids=["x", "y"], golds=["1", "3"], cards={"a": {"size": "s"}})
    assert records.outcome == "text" and records.members[0].card == {"size": "s"} and records.texts() is None
    assert records.manifest.decodings == ({"id": "T1", "samples": 2},) and records.take([1]).golds.tolist() == ["3"]
    with pytest.raises(TtscaleError, match="graded draws alone"):
        regrade(records, extract="last_line")
    texts = [["= 1", "?"], ["2", "3"]]
    again = regrade(Records.from_graded(made(), golds=["1", "3"], texts=texts), extract="last_line", equality="text")
    assert again.graded().texts == (("= 1", "?"), ("2", "3")) and again.graded().abstained == 0


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"answers": np.zeros((2, 3), np.int32)}, {}, "2 different draws"),
        ({"draws": (DRAW[0], DRAW[0])}, {}, "2 different draws"),
        ({"n_tokens": np.ones((2, 1), np.int32)}, {}, "n_tokens of shape (2, 2)"),
        ({"scores": {"judge": np.ones(2)}}, {}, "scores['judge'] of shape (2, 2)"),
        ({"prefix_flops": {}}, {}, "prefix_flops of shape (2,)"),
        ({"correct": np.ones((2, 3), bool)}, {}, "correct of shape (2, 2)"),
        ({"answers": np.array([[0, 1], [0, 1]], np.int32)}, {}, "numbers of answers"),
        ({}, {"members": ["b"]}, "the members of the draws: a"),
        ({}, {"item_ids": ["x", "x"]}, "2 different names"),
        ({}, {"golds": ["1"]}, "golds: expected 2 names"),
        ({}, {"texts": [["1", "2"]]}, "2 items of 2 texts"),
        ({}, {"prefill": "twice"}, "shared or per_sample"),
    ],
)
def test_graded_draws_are_checked(changes, arguments, message):
    with pytest.raises(TtscaleError) as error:
        Records.from_graded(made(**changes), **arguments)
    assert message in str(error.value)
