"""`ttscale import` of folders of Records: several become one, small enough to commit, that every verb reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ttscale.cli.main import main
from ttscale.records.read import read_records
from ttscale.records.schema import Manifest, Member
from ttscale.records.store import RecordsWriter

N, VIEWS = 60, ("identity", "hflip")


def write(folder: str, names: str) -> None:
    rng, labels = np.random.default_rng(len(names)), np.arange(N) % 3
    card = {"train_flops": 1e9}
    members = tuple(
        Member(f"net-{n}", f"zoo:{n}", "f" * 64, 1e6, "counter", 1.0, {}, (1, 8, 8), 5, card | {"size": n})
        for n in names
    )
    manifest = Manifest(
        seed=0, config={"batch_size": 8}, versions={"torch": "2"}, device="cpu", dataset={"name": "set", "n_items": N},
        n_classes=3, class_names=("cat", "dog", "owl"), variants=VIEWS, members=members, n_blocks=2,
    )  # fmt: skip
    ids = [f"set/{i:02d}" for i in range(N)]
    x = rng.normal(size=(len(names), N, len(VIEWS), 3)) + 1.5 * np.eye(3)[labels][:, None]
    values = (x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(np.float32)
    with RecordsWriter(Path(folder), manifest) as writer:
        for block, items in enumerate((slice(0, 32), slice(32, N))):
            writer.write_block(block, ids[items], {m.name: values[i, items] for i, m in enumerate(members)})
        writer.finish(ids, labels)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("runs/one", "ab")
    write("runs/two", "c")


def test_several_runs_become_one_of_codes(capsys):
    command = ["import", "source=[runs/one,runs/two]", "log_probs_dtype=uint8", "out=runs/all"]
    assert main(command) == 0
    told, summary = capsys.readouterr().out, json.loads(Path("runs/all/summary.json").read_text())
    assert re.search(r"60 items, 2 views, 3 members of 2 runs, as uint8: 0\.\d MB; 0 of 360 draws", told)
    assert summary["members"] == ["net-a", "net-b", "net-c"] and summary["flipped_draws"] == 0
    assert summary["log_probs_dtype"] == "uint8" and summary["bytes"] > 3 * N * len(VIEWS) * 3
    records = read_records("runs/all")
    assert records.stored("net-c").dtype == np.uint8 and "log_probs_dtype=uint8" in records.manifest.command
    exact = read_records("runs/two").log_probs("net-c")
    assert np.abs(records.log_probs("net-c") - exact).max() < 0.1
    stamp = Path("runs/all/manifest.json").stat().st_mtime_ns
    assert main(command) == 0 and Path("runs/all/manifest.json").stat().st_mtime_ns == stamp
    assert main(["tradeoff", "records=runs/all", "out=runs/told", "report.n_boot=100"]) == 0


def test_one_run_is_copied_or_written_in_another_type(capsys):
    assert main(["import", "source=runs/one", "out=runs/copy"]) == 0
    assert "Records already" in capsys.readouterr().out
    assert main(["import", "source=runs/one", "log_probs_dtype=float16", "out=runs/half"]) == 0
    assert read_records("runs/half").log_probs("net-a").dtype == np.float16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["source=[runs/one,runs/one]"], "'net-b'] twice"),
        (["source=[runs/one,rows.jsonl]"], "folders of Records alone"),
        (["source=rows.jsonl", "log_probs_dtype=uint8"], "samples of text have no use for it"),
        (["source=[runs/one,runs/two]", "log_probs_dtype=int8"], "float32 or float16 or uint8"),
        (["source=[runs/one,runs/two]", "scores=right"], "have their answers already"),
    ],
)
def test_what_cannot_become_one_is_said_in_a_line(capsys, arguments, message):
    Path("rows.jsonl").write_text('{"id": 1, "model": "m", "answer": "1", "gold": "1"}\n')
    assert main(["import", *arguments, "out=runs/none"]) == 2
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told
