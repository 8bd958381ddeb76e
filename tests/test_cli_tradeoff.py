"""`ttscale tradeoff`, really run on the Records of a small grid: screen, summary.json, figures, page, refusals."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from ttscale.cli.main import main
from ttscale.records.merge import merge_records
from ttscale.records.records import Records

FAST = ["report.n_boot=40", "queries=[1e4,1e8]", "errors=0.4", "budgets=[2e4,1e5]"]


def small_grid(
    budgets: dict[str, tuple[int, int]], *, widths=(2, 8), seeds: int = 1, n: int = 150, views: int = 2
) -> Records:
    """Every width under every budget (different images, epochs); more of anything errs less."""
    rng = np.random.default_rng(5)
    labels, ease = rng.integers(0, 4, n), rng.normal(0, 1, n)
    log_probs, flops, cards = {}, {}, {}
    for width in widths:
        for budget, (images, epochs) in budgets.items():
            for seed in range(seeds):
                shift = 2.6 - 1.5 * width**-0.5 - 14 * (images * epochs) ** -0.5
                x = rng.normal(size=(n, 1, 4)) + 0.7 * rng.normal(size=(n, views, 4))
                x[np.arange(n), :, labels] += (shift + ease)[:, None]
                name = f"r-w{width}-{budget}-s{seed}"
                log_probs[name] = (x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(np.float32)
                flops[name] = 2_000.0 * width
                cards[name] = {
                    "size": f"r-w{width}", "budget": budget, "seed": seed, "n_params": 100.0 * width,
                    "n_train": images, "recipe": {"epochs": epochs},
                    "train_flops": 3 * flops[name] * images * epochs,
                }  # fmt: skip
    return Records.from_arrays(log_probs, labels, flops=flops, cards=cards)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("grid") / "records"
    merge_records([small_grid({"e1": (900, 1), "e16": (900, 16)})], out)
    return str(out)


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory) -> tuple[Path, dict, str]:
    out, said = tmp_path_factory.mktemp("out") / "o", io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["tradeoff", f"records={folder}", f"out={out}", *FAST, "reference=imagenet"]) == 0
    return out, json.loads((out / "summary.json").read_text()), said.getvalue()


def test_the_summary_answers_what_was_asked(done):
    _, summary, _ = done
    assert (summary["schema_version"], summary["kind"]) == (1, "ttscale-tradeoff")
    assert summary["command"].startswith("ttscale tradeoff records=")
    assert [(rung["size"], rung["budget"]) for rung in summary["ladder"]] == [
        (f"r-w{width}", budget) for width in (2, 8) for budget in ("e1", "e16")
    ]
    assert {one["at_flops"] for one in summary["matched"]} == {2e4, 1e5}
    life = summary["laws"][0]["lifetimes"]
    assert {(one["queries"], one["wanted"]) for one in life} == {(1e4, 0.4), (1e8, 0.4)}
    assert [one["error"] for one in summary["lives"]] == [0.4]
    assert summary["reference"]["basis"] == "costs" and summary["reference"]["models"]


def test_the_screen_has_the_ladder_and_ends_with_the_page(done):
    out, summary, said = done
    assert "different items  epochs  seeds" in said and "noise of training, points" in said
    assert all(one["text"] in said for one in summary["matched"])
    assert all(one["text"] in said for one in summary["laws"][0]["exchange"][:2])
    assert all(line in said for line in summary["text"])
    assert "What could not be said" in said  # two sizes tell no power from a floor
    assert said.rstrip().splitlines()[-3].split()[0] == str(out / "report.html")


def test_page_and_figures(done):
    out, _, _ = done
    page = (out / "report.html").read_text()
    assert page.startswith("<!doctype html>") and page.count("<svg") >= 6 and "<script" not in page
    names = {file.name for file in (out / "figures").iterdir()}
    assert {"tradeoff.png", "tradeoff.svg", "ladder.png", "contours.png"} <= names
    assert "families.png" not in names  # four classes against a thousand: accuracies are not compared


def test_the_page_can_be_drawn_again_from_its_summary(done, tmp_path):
    out, _, _ = done
    assert main(["report", f"summary={out / 'summary.json'}", f"out={tmp_path / 'again'}"]) == 0
    assert (tmp_path / "again/report.html").read_text() == (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("queries=-1", "queries: expected a list of positive numbers, got -1"),
        ("queries=[1e4,inf]", "queries: expected a list of positive numbers, got inf"),
        ("queries=nan", "queries: expected a list of positive numbers, got nan"),
        ("queries=many", "queries: expected a list of positive numbers, got 'many'"),
        ("queries=[]", "queries: expected at least one number, got []"),
        ("budgets=0", "budgets: expected a list of positive numbers, got 0"),
        ("train_flops=[-1e6]", "train_flops: expected a list of positive numbers"),
        ("errors=8", "errors: expected numbers in (0, 1), got 8"),
        ("total_flops=false", "total_flops: expected a list of positive numbers, got False"),
        ("reference=nowhere.csv", "reference: expected a CSV file, got no file"),
        ("reference=imagenets", "reference: expected a known name"),
        ("comparable=true", "comparable: expected null without a reference"),
        ("'same={a: b}'", "same: expected null without a reference"),
        ("vote.ties=strict", "vote.ties: expected shared"),
    ],
)
def test_bad_keys_are_refused_before_anything_is_read(given, said, tmp_path, capsys):
    assert main(["tradeoff", "records=nowhere", given.strip("'"), f"out={tmp_path / 'o'}"]) == 2
    assert said in capsys.readouterr().err


def test_one_budget_says_what_cannot_be_said(tmp_path, capsys):
    merge_records([small_grid({"": (900, 4)}, widths=(2, 4, 8), n=80)], tmp_path / "records")
    quick = ["report.n_boot=40", f"out={tmp_path / 'o'}"]
    assert main(["tradeoff", f"records={tmp_path / 'records'}", *quick]) == 0
    said, page = capsys.readouterr().out, (tmp_path / "o/report.html").read_text()
    assert "nothing can be said along" in said and "nothing can be said along" in page
    assert "nan" not in said and not (tmp_path / "o/figures/contours.png").exists()
