"""`ttscale compare`, really run: exit status, screen, summary.json and page, of images and of other tools' samples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ttscale.cli.main import main
from ttscale.records.schema import Manifest, Member
from ttscale.records.store import RecordsWriter

FAST = "report.n_boot=100"


def write_images(folder: Path, right: np.ndarray, labels: np.ndarray, *, flops: float = 1e6) -> str:
    """A run of one member and two views, which gives an item its label where ``right [item, view]``."""
    ids, classes = [f"set/{i:03d}" for i in range(len(labels))], 3
    log_probs = np.full((*right.shape, classes), np.log(0.1 / (classes - 1)), np.float32)
    answers = np.where(right, labels[:, None], (labels[:, None] + 1) % classes)
    np.put_along_axis(log_probs, answers[..., None], np.float32(np.log(0.9)), -1)
    member = Member("net", "zoo:net", "f" * 64, flops, "counter", 10.0, {}, (1, 8, 8), 5, {})
    manifest = Manifest(
        seed=0, config={}, versions={}, device="cpu", dataset={"name": "set", "n_items": len(labels)},
        n_classes=classes, class_names=("cat", "<b>dog</b>", "owl"), variants=("identity", "hflip"), members=(member,),
        n_blocks=1,
    )  # fmt: skip
    with RecordsWriter(folder, manifest) as writer:
        writer.write_block(0, ids, {"net": log_probs})
        writer.finish(ids, labels)
    return str(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, str]:
    """``base`` is right on 8 of 10, ``worse`` on half of these, ``alike`` on as many others."""
    work, labels = tmp_path_factory.mktemp("runs"), np.arange(200) % 2
    base = np.repeat((np.arange(200) % 10 < 8)[:, None], 2, axis=1)
    shares = {"base": base, "worse": base & (np.arange(200) % 4 < 2)[:, None], "alike": np.roll(base, 5, axis=0)}
    made = {name: write_images(work / name, right, labels) for name, right in shares.items()}
    return made | {"short": write_images(work / "short", base[:150], labels[:150])}


def summary_of(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text())


def test_a_worse_run_exits_with_1_and_says_where(runs, tmp_path, capsys):
    assert main(["compare", f"old={runs['base']}", f"new={runs['worse']}", f"out={tmp_path / 'o'}", FAST]) == 1
    said = capsys.readouterr().out
    assert "- New is worse." in said and said.rstrip().endswith("Exit status 1: New is worse.")
    assert "Broken: set/002, set/003, set/006" in said and "Fixed:" not in said
    assert re.search(r"all items, 2 draws +80\.0% +40\.0% +−40\.00", said)
    summary = summary_of(tmp_path / "o")
    assert (summary["kind"], summary["exit_status"], summary["regressed"]) == ("ttscale-compare", 1, True)
    assert [flip["item_id"] for flip in summary["broken"]][:2] == ["set/002", "set/003"]
    assert summary["command"].startswith("ttscale compare old=")


def test_an_equal_run_exits_with_0(runs, tmp_path, capsys):
    assert main(["compare", f"old={runs['base']}", f"new={runs['alike']}", f"out={tmp_path}", FAST]) == 0
    assert "Exit status 0: Nothing is clearly worse." in capsys.readouterr().out


def test_the_page_is_whole_and_escaped(runs, tmp_path):
    main(["compare", f"old={runs['base']}", f"new={runs['worse']}", f"out={tmp_path}", FAST])
    page = (tmp_path / "report.html").read_text()
    assert "<b>dog</b>" not in page and "class &lt;b&gt;dog&lt;/b&gt;" in page
    assert page.count("<h1>") == 1 and "New is worse." in page and "set/002" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {"differences.png", "differences.svg"}


def test_what_decides_is_an_option(runs, tmp_path, capsys):
    given = ["compare", f"old={runs['base']}", f"new={runs['alike']}", FAST]
    assert main([*given, "margin=0.2", f"out={tmp_path / 'a'}"]) == 0
    assert "shown to lose less than 20 percentage points" in capsys.readouterr().out
    assert main([*given, "margin=0.001", f"out={tmp_path / 'b'}"]) == 1
    assert main([*given, "fail_on=[headline,budgets]", "budget=1", f"out={tmp_path / 'c'}"]) == 0
    assert summary_of(tmp_path / "c")["fail_on"] == ["headline", "budgets"]
    assert summary_of(tmp_path / "c")["rows"][0]["k_new"] == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["old=nowhere", "new=nowhere"], "old: expected"),
        (["new=nowhere"], "old: expected a value"),
        (["old={base}", "new={base}", "fail_on=group"], "Did you mean groups?"),
        (["old={base}", "new={base}", "report.ci=95"], "report.ci: expected"),
        (["old={base}", "new={base}", "vote.vote=plurlity"], "vote.vote: expected"),
        (["old={base}", "new={base}", "members=nets"], "Did you mean net?"),
        (["old={base}", "new={base}", "plan=none.json"], "plan: expected a plan.json"),
        (["old={base}", "new={base}", "members=[]"], "members: expected a name, or a list of names, got []"),
        (["old={base}", "new={short}"], "new: expected every item of old, which has 200, got 150 of them"),
    ],
)
def test_what_cannot_be_used_exits_with_2(given, said, runs, tmp_path, capsys):
    assert main(["compare", *(one.format(**runs) for one in given), f"out={tmp_path}"]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "summary.json").exists()


def test_the_items_of_both_can_be_asked_for(runs, tmp_path, capsys):
    given = ["compare", f"old={runs['base']}", f"new={runs['short']}", "items=shared", f"out={tmp_path}", FAST]
    assert main(given) == 0
    assert "Exit status 0: Nothing is clearly worse, on 150 of 200 items" in capsys.readouterr().out
    assert len(summary_of(tmp_path)["items"]["only_old"]) == 50


def test_the_same_samples_pass_any_margin(tmp_path, capsys):
    rows = [json.dumps({"item": f"q{i}", "answer": "4" if i % 3 else "5", "gold": "4"}) for i in range(60)]
    for name in ("old", "new"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    given = ["compare", f"old={tmp_path / 'old.jsonl'}", f"new={tmp_path / 'new.jsonl'}", "margin=0.01", FAST]
    assert main([*given, f"out={tmp_path / 'o'}"]) == 0
    assert "nothing can differ" in capsys.readouterr().out


def test_a_bug_is_no_regression(runs, tmp_path, capsys, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("ttscale.cli.verbs.compare.compare_runs", broken)
    assert main(["compare", f"old={runs['base']}", f"new={runs['base']}", f"out={tmp_path}"]) == 70


def test_the_worst_job_of_a_multirun_counts(runs, tmp_path, capsys):
    given = ["compare", "--multirun", f"old={runs['base']}", f"new={runs['base']},{runs['worse']}", FAST]
    assert main([*given, f"out={tmp_path}"]) == 1
    assert [summary_of(tmp_path / job)["exit_status"] for job in "01"] == [0, 1]
    assert "nothing can differ" in capsys.readouterr().out


def test_logs_of_other_tools(tmp_path, capsys):
    """JSON lines of samples, of which the new ones are right less often."""
    rng = np.random.default_rng(0)
    for name, share in (("old", 0.8), ("new", 0.3)):
        rows = [
            {"item": f"q{i}", "sample": s, "answer": "4" if rng.random() < share else "5", "gold": "4"}
            for i in range(60) for s in range(4 + (name == "new" and i == 7))
        ]  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = [f"old={tmp_path / 'old.jsonl'}", f"new={tmp_path / 'new.jsonl'}", f"out={tmp_path / 'o'}", FAST]
    assert main(["compare", *given]) == 1
    said = capsys.readouterr().out
    assert "What a decision costs is not known in both runs." in said
    assert "New holds 4 to 5 draws an item" in said and "Old holds" not in said
    summary = summary_of(tmp_path / "o")
    assert summary["outcome"] == "text" and summary["matched"] is None and summary["items"]["shared"] == 60
