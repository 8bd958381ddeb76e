"""Logs of lm-evaluation-harness and inspect_ai, as these tools write them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ttscale.errors import TtscaleError
from ttscale.records.read import read_records

STAMP = "2026-11-22T15-21-52.818032"


def line(doc, said, filtered, name="strict-match", target="2", arguments=None, **metrics):
    """A line as lm_eval 0.4.13 writes it (``--log_samples``), without its hashes."""
    given = {"gen_args_0": {"arg_0": "What is 1+1?\nA:", "arg_1": arguments or {"until": ["\n"], "do_sample": False}}}
    return {
        "doc_id": doc, "doc": {"question": "What is 1+1?", "answer": target, "kind": "sum"}, "target": target,
        "arguments": given, "resps": [said], "filtered_resps": filtered, "filter": name, "metrics": list(metrics),
        **metrics,
    }  # fmt: skip


def choice(doc, likely, target, acc):
    """A line of a multiple choice: everything in ``resps`` is text, even numbers and truth values."""
    arguments = {f"gen_args_{i}": {"arg_0": "Q:", "arg_1": f" {i}"} for i in range(len(likely))}
    return {
        "doc_id": doc, "doc": {"question": "Q"}, "target": target, "arguments": arguments,
        "resps": [[[str(value), "False"]] for value in likely], "filtered_resps": [[str(v), "False"] for v in likely],
        "filter": "none", "metrics": ["acc", "acc_norm"], "acc": acc, "acc_norm": 0.0,
    }  # fmt: skip


def written(folder, task, lines, model="org/model"):
    inside = folder / model.replace("/", "__")
    inside.mkdir(parents=True, exist_ok=True)
    (inside / f"results_{STAMP}.json").write_text(json.dumps({"model_name": model}))
    file = inside / f"samples_{task}_{STAMP}.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return file


BOTH = [
    line(0, ["It is 2."], ["[invalid]"], exact_match=0.0),
    line(1, ["It is #### 5"], ["5"], target="4", exact_match=0.0),
    line(0, ["It is 2."], ["2"], name="flexible-extract", exact_match=1.0),
    line(1, ["It is #### 5"], ["5"], name="flexible-extract", target="4", exact_match=0.0),
]


def test_one_filter_of_lm_eval_is_read(tmp_path):
    file = written(tmp_path, "adds", BOTH)
    with pytest.raises(TtscaleError, match=r"one of strict-match, flexible-extract, .*Choose: filter=flexible-extract"):
        read_records(file)
    with pytest.raises(TtscaleError, match="Did you mean strict-match"):
        read_records(file, filter="strict")
    strict, flexible = (read_records(tmp_path, filter=name) for name in ("strict-match", "flexible-extract"))
    assert strict.graded().answers.tolist() == [[-1], [0]] and not strict.graded().correct.any()
    graded = flexible.graded()
    assert graded.answers.tolist() == [[0], [0]] and graded.correct.tolist() == [[True], [False]]
    assert flexible.item_ids.tolist() == ["0", "1"] and flexible.golds.tolist() == ["2", "4"]
    assert flexible.members[0].name == "org/model" and graded.draws[0].decoding == "greedy"
    assert flexible.texts([0]) == (("It is 2.",),)


def test_all_repeats_of_lm_eval_count(tmp_path):
    heat = {"do_sample": True, "temperature": 0.7}
    said, given = (
        ["It is 2.", "3", "no idea", "2"],
        {"target": "1+1 is 2\n#### 2", "arguments": heat, "exact_match": 1.0},
    )
    lines = [line(0, said, ["2"], name=name, **given) for name in ("first", "maj@4")]
    records = read_records(written(tmp_path, "adds", lines))
    graded = records.graded()
    assert graded.answers.tolist() == [[0, 1, -1, 0]] and graded.correct.tolist() == [[True, False]]
    assert records.golds.tolist() == ["2"] and [draw.decoding for draw in graded.draws] == ["T0.7"] * 4
    assert "read from resps by extract=last_number" in records.manifest.dataset["notes"][0]


def test_choices_and_several_tasks_of_lm_eval(tmp_path):
    written(tmp_path, "picks", [choice(0, [-2.9, -1.8, -0.2], "2", 1.0), choice(1, [-0.1, -1.8, -0.2], "1", 0.0)])
    written(tmp_path, "adds", [line(0, ["2"], ["2"], name="none", exact_match=1.0)])
    records = read_records(tmp_path)
    assert records.item_ids.tolist() == ["adds/0", "picks/0", "picks/1"]
    assert records.families.tolist() == ["adds", "picks", "picks"]
    graded = records.graded()
    assert graded.texts == (("2",), ("2",), ("0",)) and graded.correct[:, 0].tolist() == [True, True, False]
    by_norm = read_records(next(tmp_path.rglob("samples_picks*")), metric="acc_norm").graded()
    assert not by_norm.correct.any()
    written(tmp_path, "adds", [line(0, ["2"], ["2"], exact_match=1.0)], model="org/other")
    with pytest.raises(TtscaleError, match="at least one sample of every item by org/other"):
        read_records(tmp_path)


def test_lm_eval_lines_that_tell_nothing_are_refused(tmp_path):
    half = written(tmp_path, "adds", [line(0, ["2"], ["2"], exact_match=0.5)])
    with pytest.raises(TtscaleError, match=r"exact_match: expected true or false .*got 0.5 at samples_adds.*line 1"):
        read_records(half)
    odd = written(tmp_path, "adds", [line(0, ["2"], ["2"], bleu=0.0, rouge=1.0)])
    with pytest.raises(TtscaleError, match="one of bleu, rouge"):
        read_records(odd)
    with pytest.raises(TtscaleError, match="Did you mean rouge"):
        read_records(odd, metric="rogue")
    broken = written(tmp_path, "adds", [BOTH[0], {"doc_id": 1}])
    with pytest.raises(TtscaleError, match=r"one without target, resps, filtered_resps at .*line 2"):
        read_records(broken)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Two logs that inspect_ai writes by its own mock model: 3 samples x 2 epochs and two scorers, and a choice."""
    pytest.importorskip("inspect_ai")
    folder = tmp_path_factory.mktemp("logs")
    subprocess.run([sys.executable, Path(__file__).with_name("inspect_example.py"), str(folder)], check=True)
    return {path.suffix: path for path in folder.iterdir()}


def test_epochs_of_inspect_are_samples(logs):
    with pytest.raises(TtscaleError, match=r"scorer: expected one of match, includes, .*Choose: scorer=match"):
        read_records(logs[".eval"])
    records = read_records(logs[".eval"], scorer="match", fields={"family": "kind"}, n_params=10)
    graded = records.graded()
    right = graded.correct[[[0], [1], [2]], graded.answers]
    assert records.item_ids.tolist() == ["q1", "q2", "q3"] and records.golds.tolist() == ["2", "4", "6"]
    assert right.tolist() == [[True, True], [False, True], [True, False]]
    assert graded.n_tokens.tolist() == [[0, 3], [1, 4], [2, 5]] and records.families.tolist() == ["b", "a", "b"]
    assert graded.prompt_tokens["mockllm/model", "plain"].tolist() == [11] * 3
    assert graded.flops.tolist() == [[0, 60], [20, 80], [40, 100]]
    assert records.texts([1]) == (("it is 5", "4"),) and records.questions.tolist() == ["1+1?", "2+2?", "3+3?"]


def test_a_folder_of_inspect_logs_is_one_run(logs):
    picked = read_records(logs[".json"])
    assert picked.graded().correct[:, 0].tolist() == [True, False] and picked.golds.tolist() == ["B", "B"]
    whole = read_records(list(logs.values()), scorer="match")
    assert sorted(whole.item_ids) == ["picks/1", "picks/2", "sums/q1", "sums/q2", "sums/q3"]
    assert set(whole.families) == {"sums", "picks"} and whole.graded().exists.sum() == 3 * 2 + 2
    with pytest.raises(TtscaleError, match="one log for each model and task"):
        read_records([logs[".eval"], logs[".eval"]], scorer="match")
    with pytest.raises(TtscaleError, match="Did you mean match"):
        read_records(logs[".eval"], scorer="mach")
    alone = read_records(logs[".eval"], scorer="includes", fields={"answer": None})
    assert alone.vote_kind == "verdicts" and alone.graded().answers_known is False


def test_a_folder_is_read_whole_or_refused(logs, tmp_path):
    folder = next(iter(logs.values())).parent
    whole = read_records(folder, scorer="match")
    assert sorted(whole.item_ids) == ["picks/1", "picks/2", "sums/q1", "sums/q2", "sums/q3"]
    written(tmp_path, "adds", BOTH)
    (tmp_path / "more.jsonl").write_text('{"id": 1, "passed": true}\n')
    with pytest.raises(TtscaleError, match=r"files of one format, got samples_adds.* and more.jsonl \(rows\)"):
        read_records(tmp_path)
    (tmp_path / "more.jsonl").rename(tmp_path / "eval-set.json")
    noted = read_records(tmp_path, filter="strict-match").manifest.dataset["notes"]
    assert noted[0] == "Left aside, since no samples are in them: eval-set.json."


def test_a_damaged_inspect_log_is_refused(tmp_path):
    pytest.importorskip("inspect_ai")
    (tmp_path / "a.eval").write_bytes(b"no archive")
    with pytest.raises(TtscaleError, match=r"expected a log of inspect_ai, got .*a.eval"):
        read_records(tmp_path / "a.eval")


def test_inspect_ai_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    (tmp_path / "a.eval").write_bytes(b"")
    with pytest.raises(TtscaleError, match=r"ttscale\[inspect\]"):
        read_records(tmp_path / "a.eval")
