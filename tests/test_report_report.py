"""`report`: the files it writes, what it takes, and what it refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_example import example_summary, lone_summary
from report_language import language_summary
from report_views import views_summary

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.reporting.report import report
from ttscale.scaling.summaries.summary import summarize

FIGURES = {f"{name}.{ending}" for ending in ("png", "svg")
           for name in ("accuracy_vs_flops", "accuracy_vs_multiplier", "gain_per_flop", "laws")}  # fmt: skip


def make_records(sizes: int = 2, seeds: int = 2, views: int = 4, items: int = 120) -> Records:
    """Members that are right more often the bigger they are, and views that disagree."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, items)
    shared = rng.normal(size=(items, 1, 5))
    log_probs, cards, flops = {}, {}, {}
    for size in range(sizes):
        for seed in range(seeds):
            scores = shared + rng.normal(size=(items, 1, 5)) + rng.normal(size=(items, views, 5))
            scores[np.arange(items), :, labels] += 1.2 + size
            name = f"net-{size}-s{seed}"
            log_probs[name] = (scores - np.log(np.exp(scores).sum(-1, keepdims=True))).astype(np.float32)
            cards[name] = {"size": f"net-{size}", "seed": seed, "train_flops": 1e12 * 4**size}
            flops[name] = 1e6 * 3.0**size
    return Records.from_arrays(log_probs, labels, flops=flops, cards=cards)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The page of the example, two folders below one that exists, and the seconds that it took."""
    begin = time.perf_counter()
    page = report(None, tmp_path_factory.mktemp("report") / "a" / "b", summary=example_summary())
    return page, time.perf_counter() - begin


def test_it_writes_everything_and_leaves_nothing_half_done(written: tuple[Path, float]) -> None:
    page, seconds = written
    assert seconds < 20
    assert page.name == "report.html" and page.parent.name == "b"
    assert files(page.parent) == {"report.html", "summary.json"} | {f"figures/{name}" for name in FIGURES}
    assert json.loads((page.parent / "summary.json").read_text()) == example_summary()


def test_the_same_summary_gives_the_same_files_and_replaces_older_ones(
    written: tuple[Path, float], tmp_path: Path
) -> None:
    first = written[0].parent
    report(None, tmp_path, summary=first / "summary.json")
    for name in files(first):
        assert (first / name).read_bytes() == (tmp_path / name).read_bytes(), name
    (tmp_path / "notes.txt").write_text("mine")
    report(None, tmp_path, summary=lone_summary())
    assert files(tmp_path) == {"report.html", "summary.json", "notes.txt"}


def parts_summary() -> dict[str, Any]:
    parts = {"vision": example_summary(), "language": language_summary()}
    return {"schema_version": 1, "kind": "ttscale-summary", "parts": parts}


def test_several_parts_are_one_report_that_replaces_and_is_replaced(tmp_path: Path) -> None:
    report(None, tmp_path, summary=example_summary())
    report(None, tmp_path, summary=parts_summary())
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names >= {"vision_laws.png", "language_votes.svg", "beside.png"} and not names & FIGURES
    assert json.loads((tmp_path / "summary.json").read_text()) == parts_summary()
    report(None, tmp_path, summary=example_summary())
    assert files(tmp_path) == {"report.html", "summary.json"} | {f"figures/{name}" for name in FIGURES}


def test_records_by_name_become_parts(tmp_path: Path) -> None:
    page = report(
        {"small": make_records(1, 1, 2), "big": make_records(1, 2, 3)}, tmp_path, law="log_linear", n_boot=100
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary["parts"]) == ["small", "big"]
    assert [len(part["run"]["members"]) for part in summary["parts"].values()] == [1, 2]
    assert "What test-time compute bought: small and big" in page.read_text()


def test_nan_and_numpy_become_json(tmp_path: Path) -> None:
    summary = lone_summary()
    curve = summary["curves"][0]
    curve["accuracy"] = np.array(curve["accuracy"])
    curve["gain_per_gflop"][0]["high"] = float("nan")
    summary["tradeoff"]["ladder"][0]["train_flops"] = np.float64("inf")
    summary["run"]["n_items"] = np.int64(12)
    report(None, tmp_path, summary=summary)
    read = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert read["curves"][0]["gain_per_gflop"][0]["high"] is None
    assert read["tradeoff"]["ladder"][0]["train_flops"] is None and read["run"]["n_items"] == 12


@pytest.mark.parametrize(
    ("sizes", "seeds", "views"), [(2, 2, 4), (1, 1, 4), (1, 1, 1), (2, 1, 1), (1, 3, 1), (3, 1, 3)]
)
def test_records_of_every_shape_make_a_page(tmp_path: Path, sizes: int, seeds: int, views: int) -> None:
    html = report(make_records(sizes, seeds, views), tmp_path, min_accuracy=0.6, law="power_floor", n_boot=100)
    summary = json.loads((tmp_path / "summary.json").read_text())
    text = html.read_text()
    assert len(summary["run"]["members"]) == sizes * seeds
    assert ("plotly.js" in text) == (sizes * seeds * views > 1)
    assert (tmp_path / "figures" / "accuracy_vs_multiplier.png").exists() == (seeds * views > 1 or sizes > 1)


def test_what_summarize_writes_is_what_is_shown(tmp_path: Path) -> None:
    records = make_records(1, 2, 3)
    ready = summarize(records, min_accuracy=0.999, n_boot=100)
    assert ready["plan"] is None
    text = report(None, tmp_path, summary=ready).read_text()
    assert "No plan." in text
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(ready))


def broken(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    summary = example_summary()
    change(summary)
    return summary


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        ({}, "kind None"),
        ("missing/summary.json", "No such file"),
        (42, "int"),
        (broken(lambda s: s.update(schema_version=9)), "version 9"),
        (broken(lambda s: s.pop("curves")), "one without curves"),
        (broken(lambda s: s["curves"][2].pop("label")), r"curves\[2\] without label"),
        (broken(lambda s: s["curves"][0]["flops"].pop()), r"curves\[0\] with columns"),
        (broken(lambda s: s["fits"][1]["line"]["accuracy"].pop()), r"fits\[1\]\.line with columns"),
        (broken(lambda s: s["tradeoff"]["ladder"][1].pop("size")), r"tradeoff\.ladder\[1\] without size"),
        ({**views_summary(), "policies": [{"kind": "policy"}]}, r"policies\[0\] without curve"),
        ({**views_summary(), "shifts": {"rows": [{"size": "w4"}]}}, r"shifts\.rows\[0\] without shift"),
        (broken(lambda s: s["curves"][0].update(weight_bytes=[4.0])), r"curves\[0\] with columns"),
        ({**parts_summary(), "parts": {}}, "got {}"),
        ({**parts_summary(), "parts": {"../etc": example_summary()}}, r"got '\.\./etc'"),
        ({**parts_summary(), "parts": {"vision": 5}}, "part vision.*got int"),
        ({**parts_summary(), "parts": {"vision": broken(lambda s: s.pop("fits"))}}, "part vision.*without fits"),
    ],
)
def test_what_is_no_summary_is_refused(tmp_path: Path, summary: Any, message: str) -> None:
    with pytest.raises(TtscaleError, match=message) as error:
        report(None, tmp_path / "out", summary=summary)
    assert error.value.argument.startswith("summary") and not (tmp_path / "out").exists()


def test_other_mistakes_name_the_argument(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "bad.json").write_text("{")
    cases: list[tuple[str, Callable[[], object]]] = [
        ("out", lambda: report(None, tmp_path / "file", summary=example_summary())),
        ("records", lambda: report(None, tmp_path / "out")),
        ("records", lambda: report(tmp_path, tmp_path / "out")),
        ("records", lambda: report({}, tmp_path / "out")),
        ("records", lambda: report({"A b": make_records()}, tmp_path / "out")),
        ("records", lambda: report(object(), tmp_path / "out")),  # type: ignore[arg-type]
        ("min_accuracy", lambda: report(None, tmp_path / "out", summary=example_summary(), min_accuracy=0.9)),
        ("summary", lambda: report(None, tmp_path / "out", summary=tmp_path / "bad.json")),
        ("foo", lambda: report(make_records(), tmp_path / "out", foo=1)),
        ("min_acuracy", lambda: report(None, tmp_path / "out", summary=example_summary(), min_acuracy=0.9)),
        ("vote", lambda: report(make_records(), tmp_path / "out", vote="means")),
        ("out", lambda: report(None, None, summary=example_summary())),  # type: ignore[arg-type]
        ("out", lambda: report(None, 5, summary=example_summary())),  # type: ignore[arg-type]
    ]
    for argument, call in cases:
        with pytest.raises(TtscaleError) as error:
            call()
        assert error.value.argument == argument
    assert not (tmp_path / "out").exists()
