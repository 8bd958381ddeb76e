"""`ttscale import` and what comes after it, as a newcomer types it; nothing of it needs torch."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ttscale.cli.main import main
from ttscale.records.read import read_records

SIZES = ["n_params={small: 1e6, big: 1e7}"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = random.Random(0)
    rows = [
        {"id": i, "model": model, "said": str(i + (rng.random() > ease) * rng.randint(1, 3)), "gold": str(i),
         "subject": "ab"[i % 2], "length": rng.randint(5, 20)}
        for i in range(30) for model, ease in (("small", 0.5), ("big", 0.8)) for _ in range(5 + i % 2)
    ]  # fmt: skip
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = (f"q{i},{8 + i % 3},{rng.randint(0, 8)}" for i in range(40))
    Path("counts.csv").write_text("problem_id,n,c\n" + "\n".join(lines) + "\n")


def summary_of(folder):
    return json.loads(Path(folder, "summary.json").read_text())


def test_import_writes_records_and_says_what_they_are(capsys):
    command = ["import", "source=rows.jsonl", "fields.answer=said", "fields.tokens=length", "out=runs/rows"]
    assert main(command) == 0
    told, summary = capsys.readouterr().out, summary_of("runs/rows")
    records = read_records("runs/rows")
    assert "30 items, 330 samples (5 to 6 an item) of small, big: 0." in told
    assert "- Items have from 5 to 6 samples: strategies use up to 5, estimates use all." in told
    assert "Next: ttscale analyze records=runs/rows" in told
    assert (summary["kind"], summary["draws"], summary["samples"]) == ("ttscale-import", 330, [5, 6])
    assert summary["tokens"] == records.graded().n_tokens.sum() and summary["flops"] is None
    assert records.manifest.command == "ttscale " + " ".join(command)
    stamp = Path("runs/rows/manifest.json").stat().st_mtime_ns
    assert main(command) == 0 and Path("runs/rows/manifest.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["source=rows.jsonl"], "Name it: fields.answer=COLUMN"),
        (["source=rows.jsonl", "fields.answer=sayd"], "Did you mean said?"),
        (["source=rows.jsonl", "fields.anser=said"], "Did you mean fields.answer"),
        (["source=row.jsonl"], "source: expected a file or folder, got row.jsonl, which is not there"),
        (["source=rows.jsonl", "fields.answer=said", "format=row"], "Did you mean rows"),
        (["source=rows.jsonl", "fields.answer=said", "n_params={small: 1e6, bg: 1e7}"], "Did you mean big"),
        (["source=rows.jsonl", "fields.answer=said", "equality=numerc"], "Did you mean numeric"),
        (["source=rows.jsonl", "format=records"], "a Records folder"),
        ([], "source"),
    ],
)
def test_what_import_cannot_do_is_said_in_a_line(capsys, arguments, message):
    assert main(["import", *arguments, "out=runs/none"]) == 2
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told


def test_our_own_records_are_copied_as_they_are(capsys):
    assert main(["import", "source=counts.csv", "out=runs/counts"]) == 0
    assert main(["import", "source=runs/counts", "out=runs/again"]) == 0
    one, other = (read_records(f"runs/{name}") for name in ("counts", "again"))
    assert one.manifest == other.manifest and (one.graded().answers == other.graded().answers).all()
    assert main(["import", "source=runs/counts", "out=runs/again"]) == 2
    assert "runs/again, which is not empty" in capsys.readouterr().err


def test_what_was_imported_is_analysed_without_torch():
    assert main(["import", "source=rows.jsonl", "fields.answer=said", "fields.tokens=length", *SIZES, "out=a"]) == 0
    code = """
import sys
from ttscale.cli.main import main
for source, out in (("a", "of_rows"), ("counts.csv", "of_counts")):
    command = ["analyze", f"records={source}", f"out={out}", "report=quick", "report.n_boot=100", "law=constant"]
    assert main(command) == 0
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    rows, counts = summary_of("of_rows"), summary_of("of_counts")
    assert {curve["kind"] for curve in rows["curves"]} >= {"samples", "ensemble"} and rows["curves"][0]["flops"][0] > 0
    assert [curve["vote"] for curve in counts["curves"]] == ["best:correct"]
    assert max(counts["curves"][0]["budgets"]) == 8 and Path("of_counts/report.html").stat().st_size > 10_000
