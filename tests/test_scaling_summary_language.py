"""The summary of language: complete, JSON-ready, and equal to what its parts compute."""

import json
import subprocess
import sys

import numpy as np
import pytest
from text_example import make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.scaling import sampled
from ttscale.scaling.candidates import plan_votes
from ttscale.scaling.coverage import coverage_curve, vote_ceiling
from ttscale.scaling.curves import accuracy_curve, paired_difference
from ttscale.scaling.fit import fit_law
from ttscale.scaling.plan import plan
from ttscale.scaling.summary import summarize


@pytest.fixture(scope="module")
def records():
    n = 80
    made = make_text_records(n)
    texts = [[f"<b>text</b> {i} {d}" + "x" * 700 for d in range(len(made.graded().draws))] for i in range(n)]
    return make_text_records(n, texts=texts)


@pytest.fixture(scope="module")
def summary(records):
    return summarize(records, min_accuracy=0.4, n_boot=100)


def test_its_parts(summary):
    assert set(summary) == {
        "schema_version", "kind", "outcome", "conventions", "run", "curves", "fits", "tradeoff", "pareto", "plan",
        "plan_error", "headline", "language",
    }  # fmt: skip
    assert summary["outcome"] == "text" and summary["kind"] == "ttscale-summary"
    assert set(summary["language"]) == {
        "plain", "abstained", "finish_reasons", "families", "votes", "variants", "variant_worth", "ensembles",
        "ceiling", "examples",
    }  # fmt: skip
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["run"]["members"][0]["plain"] == "one greedy answer" and summary["run"]["orders"] == 32


def test_curves_carry_their_coverage_and_ceiling(summary, records):
    assert len({c["id"] for c in summary["curves"]}) == len(summary["curves"])
    for name in ("samples/small/T0.8/best:judge", "mixture/big/T0.8", "ensemble/all/T0.8"):
        shown = next(c for c in summary["curves"] if c["id"] == name)
        kind, vote = shown["kind"], shown["vote"]
        strategy = {
            "samples": lambda vote=vote: sampled.samples(records, "small", vote=vote),
            "mixture": lambda: sampled.mixture(records, "big"),
            "ensemble": lambda: sampled.ensemble(records, ["small", "big"], subject="all"),
        }[kind]()
        curve, covered = (make(records, strategy, n_boot=100) for make in (accuracy_curve, coverage_curve))
        for key in ("budgets", "flops", "flops_worst", "tokens", "multiplier", "accuracy", "low", "high"):
            assert shown[key] == pytest.approx(getattr(curve, key).tolist())
        assert shown["coverage"]["low"] == pytest.approx(covered.low.tolist())
        assert shown["ceiling"] == pytest.approx(vote_ceiling(records, strategy, n_boot=100).as_dict())
    assert next(c for c in summary["curves"] if c["id"] == "mixture/big/T0.8")["variants"] == ["plain", "order1"]


def test_fits_of_votes_and_of_coverage(summary, records):
    chosen = [fit for fit in summary["fits"] if fit["covers"] == "samples/big/T0.8" and fit["chosen"]]
    assert {fit["of"]: fit["curve"] for fit in chosen} == {
        "accuracy": "samples/big/T0.8", "coverage": "samples/big/T0.8/coverage"
    }  # fmt: skip
    direct = fit_law(coverage_curve(records, sampled.samples(records, "big"), n_boot=100))
    shown = next(fit for fit in chosen if fit["of"] == "coverage")
    assert (shown["law"], shown["unit"]) == (direct.law, "draws")
    assert shown["line"]["accuracy"][-1] == pytest.approx(direct.predict(24).value)


def test_the_plan_is_the_plan(summary, records):
    direct = plan(records, min_accuracy=0.4, n_boot=100, votes=plan_votes(records))
    assert summary["plan"] == json.loads(json.dumps(direct.as_dict())) and summary["plan_error"] is None


def test_votes_are_compared_with_the_plurality(summary, records):
    rows = {row["curve"]: row for row in summary["language"]["votes"]}
    assert rows["samples/big/T0.8"]["difference"] == {"value": None, "low": None, "high": None}
    a, b = (
        accuracy_curve(records, sampled.samples(records, "big", vote=v), n_boot=100)
        for v in ("best:judge", "plurality")
    )
    assert rows["samples/big/T0.8/best:judge"]["difference"] == pytest.approx(paired_difference(a, 12, b, 12).as_dict())
    assert {row["vote"] for row in rows.values()} >= {"plurality", "weighted:mean_logprob", "best:self_certainty"}


def test_variants_against_samples(summary, records):
    rows = [row for row in summary["language"]["variant_worth"] if row["member"] == "big"]
    assert [row["k"] for row in rows] == [2, 4, 8, 12]
    mixed, plain = (
        accuracy_curve(records, make(records, "big"), n_boot=100) for make in (sampled.mixture, sampled.samples)
    )
    assert rows[2]["difference"] == pytest.approx(paired_difference(mixed, 8, plain, 8).as_dict())
    assert rows[2]["flops_variants"] == mixed.flops[7] and rows[2]["flops_samples"] == plain.flops[7]
    table = [row for row in summary["language"]["variants"] if row["member"] == "small"]
    assert [row["variant"] for row in table] == ["plain", "order1"]
    assert table[0]["accuracy"] == pytest.approx(
        accuracy_curve(records, sampled.samples(records, "small"), n_boot=100).accuracy[0]
    )


def test_families_are_means_over_their_items(summary, records):
    row = next(r for r in summary["language"]["families"] if (r["member"], r["family"]) == ("big", "hard"))
    items = np.flatnonzero(records.families == "hard")
    alone = accuracy_curve(records.take(items), sampled.samples(records, "big"), n_boot=100)
    assert row["n_items"] == len(items) and row["k"] == 12
    assert row["vote"]["value"] == pytest.approx(alone.accuracy[-1])
    assert row["coverage"]["value"] == pytest.approx(
        coverage_curve(records.take(items), sampled.samples(records, "big"), n_boot=100).accuracy[-1]
    )


def test_ensembles(summary):
    rows = {row["kind"]: row for row in summary["language"]["ensembles"]}
    assert list(rows) == ["single", "uniform", "quotas", "learned"]
    assert rows["uniform"]["weights"] == {"small": 0.5, "big": 0.5} and rows["uniform"]["optimism"] is None
    assert rows["quotas"]["weights"]["small"] == pytest.approx(0.8, abs=0.02)  # the big one costs four times as much
    assert sum(rows["learned"]["weights"].values()) == pytest.approx(1) and rows["learned"]["optimism"] is not None
    assert rows["uniform"]["difference"]["value"] == pytest.approx(
        rows["uniform"]["accuracy"] - rows["single"]["accuracy"]
    )


def test_examples_show_answers_with_counts_and_a_text(summary, records):
    shown = {one["case"]: one for one in summary["language"]["examples"]}
    assert "the vote repairs it" in shown
    one = shown["the vote repairs it"]
    item = records.item_ids.tolist().index(one["item"])
    graded = records.graded()
    columns = sampled.pools(graded)["small", "plain", "T0.8"]
    given = graded.answers[item, columns]
    assert one["question"] == f"question {item}" and one["gold"] == "a0" and one["plain"] != "a0"
    assert one["abstained"] == (given == -1).sum()
    assert one["answers"][0]["answer"] == "a0" and one["answers"][0]["correct"]
    assert one["answers"][0]["count"] == (given == 0).sum() == max(answer["count"] for answer in one["answers"])
    first = columns[int(np.flatnonzero(given == 0)[0])]
    assert one["answers"][0]["text"].startswith(f"<b>text</b> {item} {first}") and len(one["answers"][0]["text"]) == 600


def test_abstentions_are_counted(summary, records):
    graded = records.graded()
    of_big = [i for i, draw in enumerate(graded.draws) if draw.member == "big"]
    assert summary["language"]["abstained"]["big"]["abstained"] == (graded.answers[:, of_big] == -1).sum()
    assert "of the draws have no answer" in summary["headline"][0]


def test_headline(summary):
    assert len(summary["headline"]) <= 10 and all(
        line[0].isupper() or line[0].isdigit() for line in summary["headline"]
    )
    text = " ".join(summary["headline"])
    assert "view" not in text and "one greedy answer of" in text and "samples of" in text
    assert "The cheapest plan for 40% accuracy is" in summary["headline"][-1]


def test_one_member_without_greedy_variants_or_families():
    rng = np.random.default_rng(0)
    answers = rng.integers(-1, 3, (40, 8))
    correct = np.eye(3, dtype=bool)[np.zeros(40, int)]
    found = summarize(samples_of(answers, correct), n_boot=50)
    assert found["curves"][0]["id"] == "samples/m/T0.8"
    assert found["run"]["members"][0]["plain"] == "one sample"
    language = found["language"]
    assert [language[key] for key in ("families", "variants", "variant_worth", "ensembles")] == [[], [], [], []]
    assert all(answer["text"] is None for one in language["examples"] for answer in one["answers"])


def test_only_greedy_answers():
    answers = np.arange(40)[:, None] % 2
    correct = np.eye(2, dtype=bool)[np.zeros(40, int)]
    found = summarize(samples_of(answers, correct, decoding="greedy"), n_boot=50)
    assert [c["id"] for c in found["curves"]] == ["greedy/m"] and found["fits"] == [] and found["headline"]


def test_nobody_answers():
    found = summarize(samples_of(np.full((40, 4), -1), np.zeros((40, 0))), n_boot=50)
    assert {c["accuracy"][-1] for c in found["curves"]} == {0.0}
    assert found["language"]["abstained"]["m"]["share"] == 1


def test_unknown_flops():
    found = summarize(make_text_records(40, flops=False), min_accuracy=0.2, n_boot=50)
    assert found["tradeoff"]["ladder"] == [] and "not known" in found["tradeoff"]["note"] and found["pareto"] == []
    assert set(found["curves"][1]["flops"]) == {None} and None not in found["curves"][1]["tokens"]
    assert found["plan"]["flops"] is None and found["plan"]["tokens"] > 0
    assert "tokens" in " ".join(found["headline"])


def test_votes_of_the_other_outcome_are_refused(records):
    with pytest.raises(TtscaleError, match="got 'mean'"):
        summarize(records, vote="mean")


def test_analysis_never_loads_torch():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from text_example import make_text_records\n"
        "from ttscale.scaling.summary import summarize\n"
        "summary = summarize(make_text_records(40), min_accuracy=0.1, n_boot=50)\n"
        "assert summary['plan'] and summary['fits']\n"
        "assert not {'torch', 'transformers', 'openai'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
