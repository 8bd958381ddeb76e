"""Verbs on language models, really run, with an adder in place of a model; once with a real one, tiny and random."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from language_run import Adder, install

from ttscale.cli.main import main
from ttscale.errors import TtscaleError
from ttscale.records.read import read_records
from ttscale.scaling.planning.planned import load_plan

MODEL = 'models="endpoint:http://127.0.0.1:9/v1?model=adder"'
SUMS = ["data=arithmetic", "data.families=[sum_digit,sums_two_digit]", "data.n=16", "draws=samples"]
QUICK = "report.n_boot=100"


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("language")


@pytest.fixture(autouse=True)
def adders(work: Path, monkeypatch) -> list[Adder]:
    monkeypatch.chdir(work)
    made = install(monkeypatch)

    def deployed(model, *, seed, device, batch_size, dtype):
        return Adder(model.name, seed)

    monkeypatch.setattr("ttscale.deploy.language.generator_for", deployed)
    return made


@pytest.fixture(scope="module")
def collected(work: Path) -> str:
    with contextlib.chdir(work), pytest.MonkeyPatch.context() as patch:
        install(patch)
        assert main(["collect", MODEL, *SUMS, "out=runs/sums"]) == 0
    return "runs/sums"


def summary_of(folder: str) -> dict:
    return json.loads(Path(folder, "summary.json").read_text())


def test_collect_says_what_was_drawn(collected: str):
    run, records = summary_of(collected)["run"], read_records(collected)
    graded = records.graded()
    assert (run["outcome"], run["n_items"], run["draws"], run["decodings"]) == ("text", 32, 32 * 17, ["greedy", "T0.8"])
    assert run["tokens"] == graded.n_tokens.sum() and run["abstained"] == graded.abstained > 0
    prefill = sum(part.sum() for part in (*graded.prompt_flops.values(), *graded.prefix_flops.values()))
    assert run["flops"] == pytest.approx(graded.flops.sum() + prefill)


def test_sweep_makes_a_page_with_examples_votes_and_a_plan(capsys):
    given = [MODEL, *SUMS, QUICK, "min_accuracy=0.5", "out=runs/swept"]
    assert main(["sweep", *given]) == 0
    out, summary = capsys.readouterr().out, summary_of("runs/swept")
    assert "32 items of arithmetic x 17 draws x 1 member into runs/swept" in out
    assert summary["outcome"] == "text" and {curve["vote"] for curve in summary["curves"]} > {"plurality"}
    assert load_plan("runs/swept/plan.json").outcome == "text"
    page = Path("runs/swept/report.html").read_text()
    for shown in ("Draws without an answer", "sums_two_digit", "Votes over the same samples"):
        assert shown in page
    assert {path.stem for path in Path("runs/swept/figures").glob("*.png")} >= {"accuracy_vs_tokens", "votes", "laws"}


def test_votes_by_score_and_prompt_variants(collected: str):
    assert main(["analyze", f"records={collected}", QUICK, "vote=weighted", "out=runs/weighted"]) == 0
    assert summary_of("runs/weighted")["curves"][1]["vote"] == "weighted:mean_logprob"
    given = [MODEL, *SUMS[:3], "draws=prompt_variants", "draws.variants='plain + order(1)'", "draws.n=4", QUICK]
    assert main(["sweep", *given, "out=runs/variants"]) == 0
    summary = summary_of("runs/variants")
    assert summary["run"]["variants"] == ["plain", "order1"] and summary["language"]["variant_worth"]
    assert "What a variant buys against one more sample" in Path("runs/variants/report.html").read_text()


def test_grade_reads_the_same_answers_by_another_rule(collected: str):
    before = read_records(collected).graded()
    assert main(["grade", f"records={collected}", "extract=boxed", "out=runs/boxed"]) == 0
    assert summary_of("runs/boxed")["now"] | {"grader": ""} == {"grader": "", "right": 0.0, "abstained": 32 * 17}
    assert main(["grade", f"records={collected}", "extract=last_number", "out=runs/back"]) == 0
    assert main(["grade", f"records={collected}", "extract=first_number", "out=runs/graded"]) == 0
    told = summary_of("runs/graded")
    items = np.arange(before.n_items)[:, None]
    right = (before.correct[items, np.maximum(before.answers, 0)] & (before.answers >= 0)).mean()
    assert told["before"]["right"] == told["now"]["right"] == pytest.approx(right)
    assert told["before"]["grader"] != told["now"]["grader"] == read_records(collected).graded().grader


def test_verify_adds_a_score_that_a_vote_can_use(collected: str, monkeypatch, work: Path):
    (work / "judges.py").write_text(
        "def even(question, text):\n    return 1.0 if text.strip()[-1:] in '02468' else 0.5\n"
    )
    monkeypatch.syspath_prepend(work)
    assert main(["verify", f"records={collected}", "verifier=judges:even", "name=even", "out=runs/verified"]) == 0
    graded = read_records(collected).graded()
    assert set(np.unique(graded.scores["even"])) == {0.5, 1.0}
    assert main(["analyze", f"records={collected}", QUICK, "vote.vote=best:even", "out=runs/best"]) == 0
    assert any(curve["vote"] == "best:even" for curve in summary_of("runs/best")["curves"])


def test_report_of_several_records_is_one_page(collected: str):
    given = f"records={{first: {collected}, second: {collected}}}"
    assert main(["report", given, QUICK, "out=runs/two"]) == 0
    assert list(summary_of("runs/two")["parts"]) == ["first", "second"]
    assert "What test-time compute bought: first and second" in Path("runs/two/report.html").read_text()


def test_demo_shows_language_beside_vision_and_runs_both_plans(capsys):
    vision = ["models=zoo:resnet8-w4-s0", "data.limit=40", "draws=flip", "min_accuracy=0.3", QUICK]
    language = [f"language.{MODEL}", "language.data.families=[sum_digit]", "language.data.n=16"]
    given = ["demo", *vision, *language, "language.draws.n=4", "language.min_accuracy=0.5", "out=runs/demo"]
    assert main(given) == 0
    out, parts = capsys.readouterr().out, summary_of("runs/demo")["parts"]
    assert list(parts) == ["vision", "language"]
    assert all(line in out for part in parts.values() for line in part["headline"])
    assert load_plan("runs/demo/language_plan.json").as_dict() == parts["language"]["plan"]
    assert load_plan("runs/demo/plan.json").as_dict() == parts["vision"]["plan"]
    assert "The planned strategy, loaded from language_plan.json, on 8 problems: " in out
    assert "The planned model, loaded from plan.json, on the first 8 images: " in out
    page = Path("runs/demo/report.html").read_text()
    assert "What test-time compute bought: vision and language" in page and 'id="language_votes"' in page
    folders = {path.name: path.stat().st_mtime_ns for path in Path("runs/demo").glob("*-*/manifest.json")}
    assert main([*given, "language.min_accuracy=0.9999"]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in Path("runs/demo").glob("*-*/manifest.json")} == folders
    assert not Path("runs/demo/language_plan.json").exists() and Path("runs/demo/plan.json").exists()


def test_a_language_model_that_is_not_there_leaves_a_way_out(capsys):
    given = ["models=zoo:resnet8-w4-s0", "data.limit=40", "draws=flip", "out=runs/none"]
    assert main(["demo", *given, "language.models=hf:/no/such/folder"]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("ttscale: language.models: expected") and "language=null" in err
    assert not Path("runs/none").exists()


def test_views_of_problems_are_refused_before_anything_is_loaded(capsys):
    assert main(["collect", "models=hf:/no/such/folder", "data=arithmetic", "out=runs/never"]) == 2
    out, err = capsys.readouterr()
    assert err == (
        "ttscale: draws: expected samples, since arithmetic are problems, got views, which are of images. "
        "Give draws=samples.\n"
    ) and not out  # fmt: skip


def test_a_file_with_other_fields_is_read(monkeypatch):
    loaded = []

    def instead(config, inputs, folder, job):
        loaded.append(inputs.data)
        raise TtscaleError("test", expected="no more", got="enough", fix="Stop.")

    monkeypatch.setattr("ttscale.cli.verbs.collect.collect_inputs", instead)
    lines = [{"problem": f"{i} + 3", "solution": str(i + 3)} for i in range(12)]
    Path("other.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    fields = "data.fields={question: problem, answer: solution}"
    given = ["collect", MODEL, "data=jsonl", "data.root=other.jsonl", fields, "draws=samples", "out=runs/other"]
    assert main(given) == 2
    assert loaded[0].questions[:2] == ("0 + 3", "1 + 3") and loaded[0].golds[:2] == ("3", "4")


def test_one_vote_of_a_plan_needs_no_list(collected: str):
    given = ["plan", f"records={collected}", "max_flops=1e9", "votes=plurality", "n_boot=100", "out=runs/one"]
    assert main(given) == 0
    assert load_plan("runs/one/plan.json").vote == "plurality"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["collect", MODEL, "data=arithmetic"], "views, which are of images. Give draws=samples."),
        (["collect", MODEL, "data.limit=5"], "'endpoint:http://127.0.0.1:9/v1?model=adder' writes"),
        (["collect", MODEL, "data.limit=5", "draws=samples"], "ttscale: data: expected"),
        (["collect", "models=zoo:resnet8-w4-s0", *SUMS], "ttscale: data: expected"),
        (["collect", MODEL, "data=gsm8k", "draws=samples"], "ttscale: data.root: expected the file of problems"),
        (
            ["collect", MODEL, "data=jsonl", "data.root=p", "draws=samples", "data.fields=x"],
            "ttscale: data.fields: exp",
        ),
        (
            ["collect", MODEL, "data=jsonl", "data.root=p", "draws=samples", "data.fields.question=problem"],
            "'data.fields={question: ...}'",
        ),
        (["plan", "records=runs/sums", "min_accuracy=0.5", "votes=mean"], "Known: "),
        (["collect", MODEL, "data=gsm8k", "data.root=/no/such.jsonl", "draws=samples"], "ttscale: data"),
        (["collect", MODEL, *SUMS, "data.families=[sumdigit]"], "ttscale: data.families: expected a known name"),
        (["collect", MODEL, *SUMS, "data.shots=99"], "ttscale: data.shots: expected"),
        (["collect", MODEL, *SUMS, "collect.prefill=twice"], "ttscale: collect.prefill: expected"),
        (["train", "data=arithmetic"], "ttscale: data: expected images"),
        (
            ["verify", "records=runs/sums", "verifier=no.such:thing", "name=x"],
            "ttscale: verifier: expected an importable",
        ),
        (["grade", "records=runs/sums", "checker=no.such:thing"], "ttscale: checker: expected an importable"),
    ],
)
def test_mistakes_are_told_in_words(given: list[str], said: str, collected: str, capsys):
    assert main([*given, "out=runs/never"]) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err
    assert not Path("runs/never").exists()


def test_a_real_model_of_a_folder(work: Path, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.chdir(work)
    from language_example import tiny_language_model

    tiny = tiny_language_model()
    tiny.module.save_pretrained(work / "tiny")
    tiny.tokenizer.save_pretrained(work / "tiny")
    given = ["models=hf:tiny", *SUMS, "data.n=2", "draws.n=3", "draws.max_tokens=4", QUICK, "out=runs/tiny"]
    assert main(["sweep", *given]) == 0
    assert summary_of("runs/tiny")["run"]["draws_per_item"] == 4
    assert main(["profile", "records=runs/tiny", "n_items=1", "repeats=1", "out=runs/timed"]) == 0
    rows = summary_of("runs/timed")["profile"]
    assert [(row["decode_id"], row["samples"]) for row in rows] == [
        ("greedy", 1),
        ("T0.8", 1),
        ("T0.8", 2),
        ("T0.8", 3),
    ]
    assert all(row["seconds"] > 0 for row in rows) and read_records("runs/tiny").profiles().num_rows == 4
    assert "slowest item" in capsys.readouterr().out
    assert all(row["item_seconds"] == [row["seconds"]] and len(row["item_ids"]) == 1 for row in rows)
