"""Tables of other people's samples: what they become, and which contradictions are refused, with their line."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.grading import regrade
from ttscale.records.read import read_records
from ttscale.records.save import save_records

# Two items, three samples of the first and two of the second, out of order; the second sample of q2 abstains.
ROWS = [
    {"id": "q1", "model": "a", "sample": 2, "prediction": "7", "gold": "8", "tokens": 30, "family": "sums"},
    {"id": "q1", "model": "a", "sample": 0, "prediction": "8.0", "gold": "8", "tokens": 10, "family": "sums"},
    {"id": "q2", "model": "a", "sample": 5, "prediction": "1,000", "gold": "1000", "tokens": 40, "family": "other"},
    {"id": "q1", "model": "a", "sample": 1, "prediction": "8", "gold": "8", "tokens": 20, "family": "sums"},
    {"id": "q2", "model": "a", "sample": 9, "prediction": None, "gold": "1000", "tokens": 50, "family": "other"},
]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def without(name):
    return [{key: value for key, value in row.items() if key != name} for row in ROWS]


def check(records):
    """What ROWS are, whatever file they stand in."""
    graded = records.graded()
    assert records.item_ids.tolist() == ["q1", "q2"] and records.golds.tolist() == ["8", "1000"]
    assert records.families.tolist() == ["sums", "other"]
    assert graded.draws == tuple(TextDraw("a", "plain", "sampled", s) for s in range(3))
    right = np.take_along_axis(graded.correct, np.maximum(graded.answers, 0), 1) & (graded.answers >= 0)
    assert right.tolist() == [[True, True, False], [True, False, False]]
    assert graded.answers[0, 0] == graded.answers[0, 1] != graded.answers[0, 2] and graded.answers[1, 1] == -1
    assert graded.drawn.tolist() == [[True, True, True], [True, True, False]]
    assert graded.n_tokens.tolist() == [[10, 20, 30], [40, 50, 0]]
    assert (graded.n_draws, graded.abstained) == (5, 1)
    assert records.manifest.dataset["notes"] == [
        "Items have from 2 to 3 samples: strategies use up to 2, estimates use all."
    ]  # 2 samples of both items are more than 3 of one


def test_a_row_for_each_draw(tmp_path):
    check(read_records(jsonl(tmp_path / "a.jsonl", ROWS)))
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    check(read_records(tmp_path / "a.json"))
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in ROWS)
    check(read_records(tmp_path / "a.jsonl.gz"))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    check(read_records(tmp_path / "a.parquet"))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    check(read_records(tmp_path / "a.csv"))


def test_a_row_for_each_item_with_lists(tmp_path):
    rows = [
        {"id": "q1", "model": "a", "predictions": ["8.0", "8", "7"], "gold": "8", "tokens": [10, 20, 30]},
        {"id": "q2", "model": "a", "predictions": ["1,000", None], "gold": "1000", "tokens": [40, 50]},
    ]  # fmt: skip
    rows = [row | {"family": family} for row, family in zip(rows, ("sums", "other"), strict=True)]
    check(read_records(jsonl(tmp_path / "a.jsonl", rows)))
    nested = [
        {**{key: row[key] for key in ("id", "model", "gold", "family")},
         "samples": [{"prediction": p, "tokens": t} for p, t in zip(row["predictions"], row["tokens"], strict=True)]}
        for row in rows
    ]  # fmt: skip
    check(read_records(jsonl(tmp_path / "b.jsonl", nested)))
    check(read_records(jsonl(tmp_path / "c.jsonl", nested), fields={"answer": "prediction"}))
    with pytest.raises(TtscaleError, match=r"tokens: expected 3 entries, as in predictions.*line 1"):
        read_records(jsonl(tmp_path / "d.jsonl", [{**rows[0], "tokens": [1, 2]}]))
    alone = [{"id": 1, "completions": ["It is 4", "5"], "answer": "4"}]
    with pytest.raises(TtscaleError, match=r"say so: fields.gold=answer fields.answer=null"):
        read_records(jsonl(tmp_path / "f.jsonl", alone))
    read = read_records(tmp_path / "f.jsonl", fields={"gold": "answer", "answer": None})
    assert read.graded().correct.tolist() == [[True, False]] and read.texts() == (("It is 4", "5"),)
    with pytest.raises(TtscaleError, match=r"expected a list, an entry a sample, got \[\] at e.jsonl, line 2"):
        read_records(jsonl(tmp_path / "e.jsonl", [rows[0], {**rows[1], "predictions": [], "tokens": []}]))


def test_columns_go_by_the_names_that_the_user_gives(tmp_path):
    rows = [{"problem": row["id"], "meta": {"said": row["prediction"], "kind": row["family"]}, "answer": row["gold"],
             "n_out": row["tokens"], "model": "a", "sample": row["sample"]} for row in ROWS]  # fmt: skip
    fields = {"item": "problem", "answer": "meta.said", "gold": "answer", "tokens": "n_out", "family": "meta.kind"}
    check(read_records(jsonl(tmp_path / "a.jsonl", rows), fields=fields))
    with pytest.raises(TtscaleError, match=r"fields.tokens: expected a known name, got 'nout'. Did you mean n_out"):
        read_records(tmp_path / "a.jsonl", fields={**fields, "tokens": "nout"})
    with pytest.raises(TtscaleError, match="Did you mean answer"):
        read_records(tmp_path / "a.jsonl", fields={"anser": "problem"})
    both = [{**row, "answer": old["gold"]} for row, old in zip(without("gold"), ROWS, strict=True)]
    with pytest.raises(TtscaleError, match=r"one column that holds it in b.jsonl, got answer and prediction"):
        read_records(jsonl(tmp_path / "b.jsonl", both))
    check(read_records(tmp_path / "b.jsonl", fields={"answer": "prediction", "gold": "answer"}))
    with pytest.raises(TtscaleError, match=r"fields.item: expected a column of item ids in c.jsonl"):
        read_records(jsonl(tmp_path / "c.jsonl", without("id")))


def test_answers_are_read_in_texts(tmp_path):
    rows = [
        {"id": 1, "completion": "2 + 3 = 5", "target": 5}, {"id": 1, "completion": "I think 6.", "target": 5},
        {"id": 2, "completion": "none", "target": 9}, {"id": 2, "completion": "9", "target": 9},
    ]  # fmt: skip
    records = read_records(jsonl(tmp_path / "a.jsonl", rows))
    graded = records.graded()
    assert graded.answers.tolist() == [[0, 1], [-1, 0]] and graded.correct.tolist() == [[True, False], [True, False]]
    assert records.texts([1]) == (("none", "9"),) and records.golds.tolist() == ["5", "9"]
    assert graded.n_tokens.tolist() == [[-1, -1]] * 2 and np.isnan(graded.tokens).all() and np.isnan(graded.flops).all()
    again = regrade(records, extract="text", equality="text").graded()
    assert again.texts == (("2 + 3 = 5", "I think 6."), ("none", "9")) and again.answers_known


def test_right_and_wrong_alone(tmp_path):
    rows = [{"id": row["id"], "passed": row["prediction"] is not None, "model": "a"} for row in ROWS]
    records = read_records(jsonl(tmp_path / "a.jsonl", rows))
    graded = records.graded()
    assert records.vote_kind == "verdicts" and not graded.answers_known and records.texts() is None
    assert graded.answers.tolist() == [[0, 0, 0], [0, 1, -1]] and graded.texts == (("right", "wrong"),) * 2
    assert np.array_equal(graded.scores["correct"], [[1, 1, 1], [1, 0, np.nan]], equal_nan=True)
    told = [{**row, "correct": False} for row in ROWS]
    assert not read_records(jsonl(tmp_path / "b.jsonl", told), fields={"answer": None}).graded().answers_known
    with pytest.raises(TtscaleError, match=r"passed: expected true or false .or 1 or 0., got 0.5 at c.jsonl, line 1"):
        read_records(jsonl(tmp_path / "c.jsonl", [{"id": "q", "passed": 0.5}]))


def test_counts_become_verdicts_in_an_order_of_their_own(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text("problem_id,n,c\nx,40,30\ny,50,0\n")
    graded = read_records(path).graded()
    assert graded.exists.sum(1).tolist() == [40, 50] and (graded.answers == 0).sum(1).tolist() == [30, 0]
    assert 10 < (graded.answers[0, :20] == 0).sum() < 20  # not all right ones first
    path.write_text("problem_id,n,c\ny,50,0\nx,40,30\n")
    again = read_records(path)
    assert np.array_equal(again.graded().answers[1], graded.answers[0])
    for text, message in (
        ("problem_id,n,c\nx,4,5\n", "c: expected from 0 to 4 right samples, got 5 at counts.csv, line 2"),
        ("problem_id,n,c\nx,0,0\n", "n: expected at least one sample, got 0"),
        ("problem_id,n,c\nx,4,\n", "got None"),
        ("problem_id,n,c\nx,4,nan\n", "c: expected a number, got 'nan'"),
        ("problem_id,n,c\nx,4.5,1\n", "n: expected a whole number"),
        ("problem_id,n,c\nx,4,2\nx,4,2\n", "item 'x' at counts.csv, line 2 and counts.csv, line 3"),
        ("problem_id,n,c\nx,4\n", "3 cells, as in the first line"),
        ("problem_id,n,c\n", "at least one row"),
    ):
        path.write_text(text)
        with pytest.raises(TtscaleError, match=message):
            read_records(path, format="counts")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, {**ROWS[0], "prediction": "9"}], "sample 2 of item 'q1' at a.jsonl, line 1 and at a.jsonl, line 6"),
        ([*ROWS, {**ROWS[0], "sample": 7, "gold": "9"}], "one gold of item 'q1', got '8', and '9' at .*line 6"),
        ([{**ROWS[1], "correct": True}, {**ROWS[3], "correct": False}],
         "on answer '8.0' of item 'q1', got right at a.jsonl, line 1 and wrong at a.jsonl, line 2"),
        ([{**ROWS[1], "correct": True}, {**ROWS[0], "correct": None}], "every answer, got none .*line 2"),
        ([{**ROWS[4], "correct": True}], "an answer where a draw is right, got none at a.jsonl, line 1"),
        ([ROWS[0], {**ROWS[1], "prediction": 8}], "expected text, as in the rows before, got 8 at .*line 2"),
        ([{**ROWS[0], "tokens": float("nan")}], "tokens: expected a number, got nan at a.jsonl, line 1"),
        ([{**ROWS[0], "tokens": 3.5}], "tokens: expected a whole number"),
        ([{**ROWS[0], "tokens": -3}], "tokens: expected a number of tokens, got -3"),
        ([{**ROWS[0], "tokens": "30"}], "tokens: expected a number, got '30'"),
        ([ROWS[0], {**ROWS[1], "sample": None}], "of every draw, or of none, got none at a.jsonl, line 2"),
        ([{**ROWS[0], "id": None}], "id: expected the id of an item, got None"),
        ([{**ROWS[0], "id": ["q"]}], "id: expected text or a number"),
        ([{**ROWS[0], "gold": None}], "which answers are right, or the gold answer of every item, got neither"),
        ([ROWS[0], {**ROWS[2], "family": None}], "a family of every item, or of none, got none of item 'q2'"),
        ([ROWS[0], ROWS[2], {**ROWS[1], "model": "b"}], "by b / plain / sampled, got none of item 'q2'"),
        ([{"id": "q", "gold": "1"}], "fields.answer: expected a column of answers"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(tmp_path, rows, message):
    with pytest.raises(TtscaleError, match=message):
        read_records(jsonl(tmp_path / "a.jsonl", rows), format="rows")


def test_a_mark_that_contradicts_the_gold_is_refused_or_told(tmp_path):
    rows = [{"id": "q", "answer": text, "gold": "4", "correct": right} for text, right in
            (("4", True), ("4.0", True), ("3", False), ("5", True), ("5", True))]  # fmt: skip
    records = read_records(jsonl(tmp_path / "a.jsonl", rows))
    assert records.graded().correct.tolist() == [[True, False, True]]
    assert records.manifest.dataset["notes"][0].startswith("In 2 of 5 samples the mark says otherwise than answer and")
    by_gold = read_records(tmp_path / "a.jsonl", fields={"correct": None})
    assert by_gold.graded().correct.tolist() == [[True, False, False]]
    wrong = [rows[2], {**rows[0], "correct": False}]
    with pytest.raises(
        TtscaleError, match=r"gold '4' letter by letter, got wrong at b.jsonl, line 2 .*fields.correct="
    ):
        read_records(jsonl(tmp_path / "b.jsonl", wrong))
    assert not read_records(tmp_path / "b.jsonl", fields={"gold": None}).graded().correct.any()


def test_half_characters_are_replaced_and_told(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [r'{"id": 1, "text": "ok 5 \ud83d", "gold": "5"}', r'{"id": 2, "text": "ok \ud83d\ude00 5", "gold": "5"}']
    path.write_text("\n".join(lines) + "\n")
    records = read_records(path)
    assert records.texts() == (("ok 5 \ufffd",), ("ok \U0001f600 5",))
    assert records.manifest.dataset["notes"][0].startswith("a.jsonl: in 1 rows characters cut in half are read as")
    saved = save_records(records, tmp_path / "out")
    assert saved.texts() == records.texts()


def test_a_checker_that_raises_is_named_with_its_item(tmp_path):
    def checker(answer, gold):
        raise ValueError("no number")

    with pytest.raises(TtscaleError, match=r"checker: .* answer '7' of item q1, got ValueError: no number"):
        read_records(jsonl(tmp_path / "a.jsonl", ROWS), checker=checker)


def test_whole_numbers_are_one_item_however_they_are_written(tmp_path):
    rows = [{"id": 1, "passed": True}, {"id": 1.0, "passed": False}, {"id": 1.5, "passed": False}]
    read = read_records(jsonl(tmp_path / "a.jsonl", rows))
    assert read.item_ids.tolist() == ["1", "1.5"] and read.graded().exists.sum(1).tolist() == [2, 1]


def test_parts_of_a_run_are_joined_by_one_name(tmp_path):
    for name in "ab":
        jsonl(tmp_path / f"{name}.jsonl", [{"id": name, "passed": True}])
    with pytest.raises(TtscaleError, match=r"none of item 'a'. If these are parts of one run, give member=NAME"):
        read_records(tmp_path)
    with pytest.raises(TtscaleError, match=r"got none that a/plain/sampled and b/plain/sampled share. If these are"):
        read_records(tmp_path, min_samples=1)
    assert read_records(tmp_path, member="m").item_ids.tolist() == ["a", "b"]


def test_unequal_samples_come_with_what_would_use_more(tmp_path):
    rows = [{"id": item, "passed": True} for item, n in enumerate((1, 4, 4, 4, 8)) for _ in range(n)]
    notes = read_records(jsonl(tmp_path / "a.jsonl", rows)).manifest.dataset["notes"]
    assert "With min_samples=4 they use up to 4, of 4 of 5 items." in notes[0]  # 16 samples; 5 of 1, and 8 of 8


def test_files_of_one_name_have_digests_of_their_own(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        jsonl(tmp_path / folder / "x.jsonl", [{"id": folder, "passed": True}])
    files = read_records([tmp_path / "a" / "x.jsonl", tmp_path / "b" / "x.jsonl"]).manifest.dataset["source"]["files"]
    assert list(files) == ["a/x.jsonl", "b/x.jsonl"] and len(set(files.values())) == 2


def test_what_ttscale_wrote_is_named(tmp_path):
    for name, content, told in (
        ("summary", '{"kind": "ttscale-laws"}', "results of ttscale"),
        ("manifest", "", "Records"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.json").write_text(content)
        with pytest.raises(TtscaleError, match=f"which holds {told}"):
            read_records([folder])
    with pytest.raises(TtscaleError, match="nosuch, which is not there"):
        read_records(tmp_path / "nosuch")
    with pytest.raises(TtscaleError, match="Give a folder of such files, or a list of them"):
        read_records(tmp_path / "*.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"[" * 100_000 + b"]" * 100_000, "one JSON object a line, got something else .*recursion.*line 1"),
        ("a.json", b"[" * 100_000 + b"]" * 100_000, "expected JSON, got .*recursion"),
        ("a.jsonl", b'{"id": 1, "passed": true, "passed": false}', "two values of 'passed'.* line 1"),
        ("a.jsonl", b"", "at least one row, got .*a.jsonl, which has none"),
        ("a.jsonl", b'{"id": 1, "passed": true}\n[2]\n', "one JSON object a line, got list: .*, line 2"),
        ("a.jsonl", b'{"id": 1,\n', "something else .* line 1"),
        ("a.jsonl", b'{"id": "\xff"}\n', "a file that can be read"),
        ("a.json", b'{"id": 1}', "a JSON array of objects"),
        ("a.json", b'{"id": 1}\n{"id": 2}', "ends in .jsonl"),
        ("a.csv", b'id,answer,gold\n1,"2,3\n', "expected CSV"),
        ("a.parquet", b"PAR1", "a file that can be read"),
        ("a.txt", b"1", "a file that ends in .jsonl"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TtscaleError, match=message):
        read_records(tmp_path / name)


def test_items_with_few_samples_can_be_left_out(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    records = read_records(path, min_samples=3)
    assert records.item_ids.tolist() == ["q1"] and records.graded().drawn is None
    assert records.manifest.skipped_items == ({"item_id": "q2", "reason": "too few samples", "block": 0},)
    assert "1 of 2 items have too few samples" in records.manifest.dataset["notes"][0]
    with pytest.raises(TtscaleError, match=r"min_samples: expected at most 3, .*, got 4"):
        read_records(path, min_samples=4)
    for wrong in (0, True, 2.0):
        with pytest.raises(TtscaleError, match="a whole number of at least 1"):
            read_records(path, min_samples=wrong)


def test_costs_follow_from_the_parameters(tmp_path):
    rows = [{**row, "prompt_tokens": 100 + 10 * (row["id"] == "q2"), "reward": 0.5, "temperature": 0.7} for row in ROWS]
    path = jsonl(tmp_path / "a.jsonl", rows)
    records = read_records(path, n_params={"a": 1e6}, scores=["reward"])
    graded, pair = records.graded(), ("a", "plain")
    assert graded.flops.tolist() == [[2e7, 4e7, 6e7], [8e7, 1e8, 0]]
    assert graded.prompt_flops[pair].tolist() == [2e8, 2.2e8] and graded.prompt_tokens[pair].tolist() == [100, 110]
    assert records.members[0].flops == 2e6 and not records.members[0].uncounted
    assert graded.draws[0].decoding == "T0.7" and graded.scores["reward"][0].tolist() == [0.5] * 3
    differ = [{**row, "prompt_tokens": 100 + number} for number, row in enumerate(ROWS)]
    own = read_records(jsonl(tmp_path / "b.jsonl", differ), n_params=1e6).graded()
    assert own.prompt_flops[pair].tolist() == [0, 0] and own.flops[0].tolist() == [2e6 * 111, 2e6 * 123, 2e6 * 130]
    unread = read_records(jsonl(tmp_path / "c.jsonl", ROWS), n_params=1e6).members[0]
    assert unread.uncounted == {"prompts, whose tokens are not known": 2}
    with pytest.raises(TtscaleError, match="Known: a"):
        read_records(path, n_params={"zzz": 1e6})
    for wrong in (-1, float("nan"), "7b"):
        with pytest.raises(TtscaleError, match="n_params: expected a positive number"):
            read_records(path, n_params=wrong)


def test_several_files_are_several_members(tmp_path):
    jsonl(tmp_path / "small.jsonl", without("model"))
    jsonl(tmp_path / "big.jsonl", [{**row, "prediction": row["gold"]} for row in without("model")])
    records = read_records([tmp_path / "small.jsonl", tmp_path / "big.jsonl"])
    assert [member.name for member in records.members] == ["small", "big"]
    assert records.graded().exists.tolist() == [[True] * 6, [True, True, False] * 2]
    assert sorted(m.name for m in read_records(tmp_path).members) == ["big", "small"]
    (tmp_path / "counts.csv").write_text("id,n,c\nq1,2,1\n")
    with pytest.raises(TtscaleError, match=r"files of one format, got .*\(rows\) and counts.csv \(counts\)|counts"):
        read_records(tmp_path)
    with pytest.raises(TtscaleError, match="which is not there"):
        read_records([tmp_path / "none.jsonl"])


def test_equality_and_checker_decide_which_answers_are_the_same(tmp_path):
    rows = [{"id": "q", "prediction": text, "gold": "1/2"} for text in ("0.5", "50%", "1/2", "two")]
    path = jsonl(tmp_path / "a.jsonl", rows)
    assert read_records(path).graded().answers.tolist() == [[0, 0, 0, 1]]
    assert read_records(path, equality="text").graded().answers.tolist() == [[0, 1, 2, 3]]
    checked = read_records(path, equality="text", checker=lambda answer, gold: answer == "two").graded()
    assert checked.correct.tolist() == [[False, False, False, True]]
