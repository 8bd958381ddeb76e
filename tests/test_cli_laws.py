"""`ttscale laws`, really run on samples that another tool wrote: screen, summary.json, figure and page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ttscale.cli.main import main
from ttscale.cli.verbs.laws import _names

FAST = ["report.n_boot=100", "n_splits=1"]


def write_samples(file: Path, *, n: int, samples: int, seed: int) -> str:
    """Rows of one model whose samples are right with a probability of each item's own."""
    rng = np.random.default_rng(seed)
    right = rng.random((n, samples)) < rng.beta(1.2, 1.0, n)[:, None]
    answers = np.where(right, 7, rng.integers(0, 4, right.shape))
    rows = [
        {"id": f"q{i}", "sample": s, "answer": str(answers[i, s]), "gold": "7", "model": "m"}
        for i in range(n) for s in range(samples)
    ]  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[str]:
    work = tmp_path_factory.mktemp("laws")
    return [write_samples(work / f"<b>run{i}</b>.jsonl", n=60, samples=16, seed=i) for i in (1, 2)]


@pytest.fixture(scope="module")
def done(runs, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("out") / "o"
    assert main(["laws", f"records=[{','.join(repr(run) for run in runs)}]", f"out={out}", *FAST]) == 0
    return out, json.loads((out / "summary.json").read_text())


def test_the_summary_ranks_the_laws_of_every_curve(done):
    _, summary = done
    assert (summary["schema_version"], summary["kind"]) == (1, "ttscale-laws")
    assert [run["name"] for run in summary["runs"]] == ["<b>run1</b>.jsonl", "<b>run2</b>.jsonl"]
    assert [(run["n_items"], run["n_members"], run["n_curves"]) for run in summary["runs"]] == [(60, 1, 2)] * 2
    assert {(curve["run"], curve["of"]) for curve in summary["curves"]} == {
        (run["name"], of) for run in summary["runs"] for of in ("accuracy", "coverage")
    }  # fmt: skip
    first = summary["scores"][0]
    assert first["of"] == "accuracy" and first["n_curves"] == 2 and first["beats"] > 0.5 and first["purpose"]
    assert any(score["law"] == "beta_binomial" for score in summary["scores"] if score["of"] == "coverage")
    assert "2 curves of accuracy and 2 curves of coverage from 2 runs" in summary["text"][0]


def test_the_page_and_the_figure(done):
    out, summary = done
    page = (out / "report.html").read_text()
    assert page.startswith("<!doctype html>") and page.count("<svg") >= 2 and "<script" not in page
    assert "<b>run1</b>" not in page and "&lt;b&gt;run1&lt;/b&gt;" in page
    assert all(score["law"].replace("_", " ") in page for score in summary["scores"])
    assert {file.name for file in (out / "figures").iterdir()} == {"laws.png", "laws.svg"}


def test_the_screen_shows_a_table_of_each_kind(runs, tmp_path, capsys):
    given = f"records={{first: {runs[0]!r}}}"
    assert main(["laws", given, f"out={tmp_path / 'o'}", *FAST]) == 0
    said = capsys.readouterr().out
    assert "Laws of accuracy\nlaw " in said and "Laws of coverage\nlaw " in said and "rivals beaten" in said
    assert json.loads((tmp_path / "o/summary.json").read_text())["runs"][0]["name"] == "first"
    assert str(tmp_path / "o/report.html") in said


def test_runs_are_named_by_the_last_parts_that_tell_them_apart():
    assert _names(["runs/a/records", "runs/b/records"]) == ["a", "b"]
    assert _names(["x/one/records", "y/one/records"]) == ["x/one", "y/one"]
    assert _names(["records"]) == ["records"]
    assert _names(["a/records", "a"]) == ["a 1", "a 2"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["records=[]"], "records: expected"),
        (["records=nowhere"], "nowhere"),
        (["records=x", "splits=3"], "splits"),
    ],
)
def test_refusals(given, said, tmp_path, capsys):
    assert main(["laws", *given, f"out={tmp_path / 'o'}"]) == 2
    assert said in capsys.readouterr().err


def test_a_number_of_splits_that_is_none_is_refused(runs, tmp_path, capsys):
    assert main(["laws", f"records={runs[0]!r}", f"out={tmp_path / 'o'}", "n_splits=0"]) == 2
    assert "n_splits: expected a whole number of at least 1" in capsys.readouterr().err


def test_too_few_draws_are_refused_by_name(tmp_path, capsys):
    file = write_samples(tmp_path / "short.jsonl", n=20, samples=2, seed=0)
    assert main(["laws", f"records={file}", f"out={tmp_path / 'o'}", *FAST]) == 2
    said = capsys.readouterr().err
    assert "records: expected a curve of at least 4 budgets" in said and "got curves of at most 2 budgets" in said


def test_the_same_samples_twice_are_refused(runs, tmp_path, capsys):
    assert main(["laws", f"records={{a: {runs[0]!r}, b: {runs[0]!r}}}", f"out={tmp_path / 'o'}", *FAST]) == 2
    assert "records: expected different runs, got the same draws as 'a' and as 'b'" in capsys.readouterr().err


def test_a_run_that_nothing_changes_in_ranks_no_law(tmp_path, capsys):
    rows = [{"id": f"q{i}", "sample": s, "answer": "7", "gold": "7"} for i in range(40) for s in range(8)]
    file = tmp_path / "right.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["laws", f"records={file}", f"out={tmp_path / 'o'}", *FAST]) == 0
    said, page = capsys.readouterr().out, (tmp_path / "o/report.html").read_text()
    assert "nan" not in said and "predicts best" not in said and "2 curves tell no law from another" in said
    assert "nan" not in page and "No curve tells one law from another" in page and "&lt; 0.005" in page
