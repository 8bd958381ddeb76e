"""The summary: complete, JSON-ready, and equal to what its parts compute."""

import json
import math
import re

import numpy as np
import pytest
from scaling_example import make_records

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.comparison.compare import compare_runs
from ttscale.scaling.curves.combined import gain_per_flop, mean_curve
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.curves.of_run import run_curves
from ttscale.scaling.curves.spending import spending
from ttscale.scaling.fits.fit_law import fit_law
from ttscale.scaling.fits.ranking import rank_laws
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.laws.table import LAWS
from ttscale.scaling.planning.candidates import PLAN_VOTES
from ttscale.scaling.planning.plan import plan
from ttscale.scaling.quality.compare import compare
from ttscale.scaling.quality.quality import quality
from ttscale.scaling.strategy import tta
from ttscale.scaling.summaries.summary import check_options, json_ready, summarize
from ttscale.scaling.summaries.words import accuracy_words, draws_words, flops_words, points_words, ratio_words
from ttscale.scaling.tradeoff.tradeoff import tradeoff


@pytest.fixture(scope="module")
def records():
    return make_records(300, sizes=("s8", "s16"), seeds=2, views=4)


@pytest.fixture(scope="module")
def summary(records):
    return summarize(records, min_accuracy=0.55, n_boot=100)


def test_its_parts(summary):
    assert set(summary) == {
        "schema_version", "kind", "conventions", "run", "curves", "fits", "tradeoff", "rivals", "pareto", "plan",
        "plan_error", "policies", "quality", "comparisons", "equivalents", "ensembles", "breakdown", "breakdown_note",
        "headline",
    }  # fmt: skip
    assert (summary["schema_version"], summary["kind"]) == (1, "ttscale-summary")
    assert {"flops", "ties", "intervals", "multiplier"} <= set(summary["conventions"])
    assert "2 FLOPs" in summary["conventions"]["flops"] and "95%" in summary["conventions"]["intervals"]
    ids = [c["id"] for c in summary["curves"]]
    assert ids[:8] == ["tta/s8", "ensemble/s8", "product/s8", "tta/s16", "ensemble/s16", "product/s16", "ensemble/all",
                       "product/all"]  # fmt: skip
    subsets = [i for i in ids if "+" in i]
    assert len(subsets) == 2 * (4 + 4) and ids[8:24] == subsets  # pairs of two sizes, and triples
    assert ids[24:] == list(dict.fromkeys(entry["curve"] for entry in summary["policies"])) and "policy/s8" in ids
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_curves_are_the_curves(summary, records):
    curve = mean_curve([accuracy_curve(records, tta(records, f"s8-{s}"), n_boot=100) for s in (0, 1)], "mean")
    shown = summary["curves"][0]
    for key in ("budgets", "flops", "multiplier", "accuracy", "low", "high"):
        assert shown[key] == pytest.approx(getattr(curve, key).tolist())
    assert shown["label"] == "TTA of s8" and shown["size"] == "s8" and shown["members"] == ["s8-0", "s8-1"]
    gains = gain_per_flop(curve)
    assert shown["gain_per_gflop"][0] == {"value": None, "low": None, "high": None}
    assert shown["gain_per_gflop"][2]["low"] == pytest.approx(gains[2].low)
    assert summary["curves"][-1]["size"] is None


def test_fits_are_the_fits(summary, records):
    curve = accuracy_curve(records, n_boot=100)
    shown = [f for f in summary["fits"] if f["curve"] == "product/all"]
    of_accuracy = {law.name for law in LAWS.values() if "accuracy" in law.of}
    assert {f["law"] for f in shown} == {*of_accuracy, "stacked"} and sum(f["chosen"] for f in shown) == 1
    everyone = next(c for c in summary["curves"] if c["id"] == "product/all")
    assert everyone["budgets"][-1] == curve.budgets[-1] == 16
    (line,) = [fit["line"] for fit in shown if "line" in fit]
    assert line["k"][0] == 1 and line["k"][-1] == pytest.approx(32) and 16 in line["k"]
    assert len({len(line[key]) for key in ("k", "flops", "accuracy", "low", "high")}) == 1
    for fit in shown:
        known = LAWS[fit["law"]].names if fit["law"] in LAWS else ()
        assert set(fit["params"]) == set(known) and fit["unit"] == "multiplier"
    tta_curve = mean_curve([accuracy_curve(records, tta(records, f"s8-{s}"), n_boot=100) for s in (0, 1)], "tta/s8")
    direct = fit_law(tta_curve)
    chosen = next(f for f in summary["fits"] if f["curve"] == "tta/s8" and f["chosen"])
    assert chosen["law"] == direct.law and chosen["backtest_rmse"] == pytest.approx(direct.backtest_rmse)
    assert chosen["line"]["accuracy"][-1] == pytest.approx(direct.predict(8).value)


def test_tables_name_curves_of_the_summary(summary):
    curves = {c["id"]: c for c in summary["curves"]}
    for row in (*summary["quality"], *summary["equivalents"], *summary["breakdown"]):
        assert row["k"] in curves[row["curve"]]["budgets"]
    assert {row["against"] for row in summary["breakdown"]} == set(list(curves)[:6])
    for row in summary["comparisons"]:
        assert row["k_a"] in curves[row["a"]]["budgets"] and row["k_b"] in curves[row["b"]]["budgets"]
    own = {row["members_of"]: row["ensemble"] for row in summary["equivalents"]}
    assert own == {"s8": "ensemble/s8", "s16": "ensemble/s16", None: "members of the run"}


def test_quality_is_the_quality(summary, records):
    names = ["s16-0", "s16-1"]
    found = quality(records, [tta(records, name) for name in names], n_boot=100)
    rows = {(r["k"], r["calibrated"]): r for r in summary["quality"] if r["curve"] == "tta/s16"}
    assert set(rows) == {(k, c) for k in (1, 4) for c in (False, True)}
    for (k, calibrated), row in rows.items():
        direct = found.metrics(k, calibrated=calibrated)
        assert (row["nll"]["value"], row["ece"]["low"]) == pytest.approx((direct.nll.value, direct.ece.low))
        assert row["temperature"] == pytest.approx(direct.temperature) and row["top5"]["value"] is None


def test_comparisons_are_of_single_strategies(summary, records):
    row = next(r for r in summary["comparisons"] if (r["a"], r["b"], r["k_b"]) == ("tta/s8", "tta/s8", 1))
    direct = compare(records, tta(records, "s8-0"), 4, tta(records, "s8-0"), 1, n_boot=100)
    assert (row["k_a"], row["fixed"], row["broken"]) == (4, len(direct.fixed), len(direct.broken))
    assert row["fixed_ids"] == list(direct.fixed[:20]) and row["p"] == pytest.approx(direct.p)
    assert row["text"].startswith("4 views of s8-0 against one view of s8-0: ") and "McNemar" in row["text"]
    assert all(r["p_adjusted"] >= r["p"] for r in summary["comparisons"])
    pairs = {(r["a"], r["b"]) for r in summary["comparisons"]}
    assert {("product/s8", "ensemble/s8"), ("product/s8", "tta/s8"), ("ensemble/all", "tta/s16")} <= pairs
    taught = [r for r in summary["comparisons"] if r["a"].split("/")[0] in ("policy", "weights", "class_weights")]
    assert ("policy/s8", "tta/s8") in pairs and all(r["flops_b"] <= r["flops_a"] for r in taught)
    assert all(r["k_a"] == r["k_b"] for r in taught if r["a"] != "policy/all/ensemble")  # draws cost the same


def test_sizes_made_of_others_are_rivals():
    plain = make_records(80, sizes=("s8",), seeds=2, views=2)
    values = {m.name: plain.log_probs(m.name) for m in plain.members}
    values["soup"] = values["s8-0"]
    cards = {m.name: {**m.card, "weight_bytes": 4000} for m in plain.members}
    cards["soup"] = {"size": "s8 soup", "of": "s8", "how": "soup of 2", "weight_bytes": 4000, "train_flops": 2e12}
    records = Records.from_arrays(values, plain.labels, cards=cards, flops=dict.fromkeys(values, 1e6))
    found = summarize(records, n_boot=50)
    assert [rung["size"] for rung in found["tradeoff"]["ladder"]] == ["s8"]
    assert found["tradeoff"]["ladder"][0]["weight_bytes"] == 4000 and found["tradeoff"]["verdicts"] == []
    (rival,) = found["rivals"]
    assert (rival["size"], rival["of"], rival["what"], rival["train_flops"]) == ("s8 soup", "s8", "soup of 2", 2e12)
    plainly = next(m for m in found["run"]["members"] if m["name"] == "soup")
    assert (rival["accuracy"], rival["low"]) == (plainly["accuracy"], plainly["low"])
    beside = next(r for r in found["comparisons"] if r["a"] == "tta/s8 soup")
    assert (beside["b"], beside["k_a"], beside["k_b"], beside["fixed"]) == ("tta/s8", 1, 1, 0)


def test_tradeoff_and_front(summary, records):
    found = tradeoff(records, n_boot=100)
    shown = summary["tradeoff"]
    assert [r["size"] for r in shown["ladder"]] == ["s8", "s16"] and shown["ladder"][1]["train_flops"] == 4e12
    assert [v["text"] for v in shown["verdicts"]] == [v.text for v in found.verdicts]
    assert [e["share_crossing"] for e in shown["exchange"]] == [e.share_crossing for e in found.exchange]
    front = summary["pareto"]
    assert front == sorted(front, key=lambda p: p["flops"]) and [p["accuracy"] for p in front] == sorted(
        p["accuracy"] for p in front
    )
    best = max(a for c in summary["curves"] for a in c["accuracy"])
    assert front[-1]["accuracy"] == best


def test_plan_or_why_not(summary, records):
    assert summary["plan"]["target"] == {"min_accuracy": 0.55} and summary["plan_error"] is None
    few = make_records(60, sizes=("s8",))
    without = summarize(few, n_boot=50)
    assert without["plan"] is None and without["plan_error"] is None
    unmet = summarize(few, min_accuracy=0.99, n_boot=50)
    assert unmet["plan"] is None and "best lower bound" in unmet["plan_error"]


def test_a_plan_considers_the_shown_vote_and_the_usual_ones():
    few = make_records(60, sizes=("s8",))
    shown = summarize(few, vote="plurality", min_accuracy=0.3, n_boot=50)["plan"]
    direct = plan(few, min_accuracy=0.3, n_boot=50, votes=(*PLAN_VOTES, "plurality"))
    assert shown["n_candidates"] == direct.n_candidates and shown["strategy"] == direct.strategy
    usual = summarize(few, min_accuracy=0.3, n_boot=50)["plan"]
    assert usual == json_ready(plan(few, min_accuracy=0.3, n_boot=50).as_dict())


def test_numbers_carry_no_rounding_errors(summary):
    for curve in summary["curves"]:
        assert all(a == round(a, 12) for a in curve["accuracy"])


def test_progress_advances_through_every_part():
    told = []
    summarize(make_records(60), min_accuracy=0.3, n_boot=50, on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and max(np.diff([0, *told])) < 0.15


def test_what_is_said_of_chosen_points(summary):
    assert "look better than they are" in summary["conventions"]["pareto"]
    assert "80% probability" in summary["conventions"]["detectable"]
    assert all(v["detectable"] > 0 for v in summary["tradeoff"]["verdicts"])
    telling = [s for s in summary["headline"] if s.startswith("The most telling of ")]
    known = [e for e in summary["tradeoff"]["exchange"] if e["gap"]["value"] is not None]
    assert len(telling) == 1 and telling[0].startswith(f"The most telling of {len(known)} comparisons looked at")


def test_run_describes_what_was_measured(summary, records):
    run = summary["run"]
    assert (run["n_items"], run["n_classes"], run["variants"]) == (300, 5, list(records.variants))
    member = run["members"][2]
    assert (member["name"], member["size"], member["seed"], member["flops"]) == ("s16-0", "s16", 0, 4e6)
    plain = accuracy_curve(records, tta(records, "s16-0"), n_boot=100)
    assert (member["accuracy"], member["low"]) == pytest.approx((plain.accuracy[0], plain.low[0]))


def test_headline_is_short_and_plain(summary):
    assert 5 <= len(summary["headline"]) <= 10
    for sentence in summary["headline"]:
        assert sentence[0].isupper() or sentence[0].isdigit()
        assert sentence.endswith(".") and "nan" not in sentence.lower() and "inf" not in sentence.split()
        assert not re.search(r"\d\.\d{5,}", sentence)
    assert "300 items" in summary["headline"][0]
    assert sum("95% interval" in sentence for sentence in summary["headline"]) >= 4


@pytest.mark.parametrize(
    "shape",
    [
        {"sizes": ("s8",), "seeds": 1, "views": 1}, {"sizes": ("s8",), "seeds": 1, "views": 5},
        {"sizes": ("s8",), "seeds": 3, "views": 1}, {"sizes": ("s8", "s16", "s32"), "seeds": 1, "views": 2},
        {"train": False}, {"dtype": np.float16}, {"n": 12},
    ],
)  # fmt: skip
def test_any_shape_of_run(shape):
    found = summarize(make_records(**{"n": 40, **shape}), min_accuracy=0.3, n_boot=50)
    json.dumps(found, allow_nan=False)
    assert found["curves"] and found["headline"]
    assert bool(found["tradeoff"]["verdicts"]) == (len(found["tradeoff"]["ladder"]) > 1)


def test_data_of_one_class_are_analysed_with_the_note_of_the_run():
    note = "All labels are of the class 3: accuracy is the share found of that class."
    records = make_records(120, sizes=("s8",), seeds=2, views=2)
    one = records.take(np.flatnonzero(records.labels == 3))
    one.manifest.dataset["note"] = note
    found = summarize(one, n_boot=50)
    assert found["run"]["note"] == note and found["headline"][1] == note and len(found["headline"]) <= 10
    assert {row["group"] for row in found["breakdown"] if row["by"] == "class"} == {"3"}
    json.dumps(found, allow_nan=False)


def test_another_vote_and_one_law(records):
    found = summarize(records, vote="plurality", law="power_floor", n_boot=50)
    assert all(c["vote"] == "plurality" for c in found["curves"])
    assert {f["law"] for f in found["fits"]} == {"power_floor"} and all(f["chosen"] for f in found["fits"])
    assert "ensemble/s8/plurality" not in {f["curve"] for f in found["fits"]}  # two budgets are too few for it


def test_ties_and_intervals_reach_every_curve():
    few = make_records(80, sizes=("s8", "s16"), seeds=2, views=4)
    told = {"vote": "plurality", "min_accuracy": 0.3, "law": "constant", "n_boot": 50}
    usual, found = summarize(few, **told), summarize(few, **told, ties="strict", interval="bca", shifts={"same": few})
    assert {curve["ties"] for curve in usual["curves"]} == {"shared"}
    for curve in found["curves"]:
        assert curve["ties"] == "strict" and curve["interval"].startswith("BCa bootstrap")
    how = {"ties": "strict", "interval": "bca", "n_boot": 50}
    direct = mean_curve([accuracy_curve(few, tta(few, f"s8-{i}", vote="plurality"), **how) for i in (0, 1)], "x")
    shown, before = (next(c for c in one["curves"] if c["id"] == "tta/s8/plurality") for one in (found, usual))
    assert shown["accuracy"] == direct.accuracy.tolist() and shown["low"] == direct.low.tolist()
    assert shown["accuracy"][1] < before["accuracy"][1]  # two views that disagree are tied
    row = next(r for r in found["shifts"]["rows"] if r["shift"] == "same" and r["curve"] == "tta/s8/plurality")
    assert row["spent"]["value"] == shown["accuracy"][-1] and row["spent"]["low"] == shown["low"][-1]
    assert found["plan"] == usual["plan"] and found["plan"] is not None
    assert [v["difference"]["value"] for v in found["tradeoff"]["verdicts"]] == [
        v["difference"]["value"] for v in usual["tradeoff"]["verdicts"]
    ]
    assert found["conventions"]["ties"].startswith(
        "a vote whose best answers are tied earns nothing; a plan, the trade"
    )
    assert "BCa" in found["conventions"]["intervals"] and "a plan," not in usual["conventions"]["ties"]
    assert (found["run"]["ties"], found["run"]["interval"]) == ("strict", "bca")
    with pytest.raises(TtscaleError, match=r"ties: .*Classes of an image have no first one seen"):
        summarize(few, ties="first_seen")


def test_ties_reach_comparisons_and_rankings():
    old, new = (make_records(60, sizes=("s8",), seeds=1, views=4) for _ in range(2))
    found = compare_runs(old, new, vote="plurality", ties="strict", interval="bca", budget=2, n_boot=50)
    strict = accuracy_curve(old, vote="plurality", budgets=[2], ties="strict").accuracy[0]
    assert found.headline.old.value == strict < accuracy_curve(old, vote="plurality", budgets=[2]).accuracy[0]
    assert "In both runs, a vote whose best answers are tied earns nothing." in found.notes
    curves = run_curves(old, vote="plurality", ci=0.95, n_boot=50, seed=0, ties="strict", interval="bca")
    assert {(curve.ties, curve.resampled.method) for curve in curves} == {("strict", "bca")}
    for call in (compare_runs, lambda old, new, **told: rank_laws({"old": old, "new": new}, **told)):
        with pytest.raises(TtscaleError, match='interval: expected "percentile" or "bca", got'):
            call(old, new, interval="wilson")
        with pytest.raises(TtscaleError, match="ties: expected one of shared, strict"):
            call(old, new, ties="first_seen")


def test_the_average_of_laws_can_be_the_choice(records):
    found = summarize(records, law="stacked", n_boot=50)
    shown = [fit for fit in found["fits"] if fit["curve"] == "product/all"]
    (chosen,) = [fit for fit in shown if fit["chosen"]]
    assert chosen["law"] == "stacked" and sum(chosen["weights"].values()) == pytest.approx(1)
    assert chosen["line"]["k"][-1] == pytest.approx(32) and len(shown) > 5
    assert "is predicted by an average of" in " ".join(found["headline"])


def test_estimates_and_costs_of_images_are_told(summary, records):
    curves = {curve["id"]: curve for curve in summary["curves"]}
    assert "order of the strategy" in curves["tta/s8"]["estimator"] and curves["tta/s8"]["ties"] == "shared"
    assert "subsets of the members" in curves["ensemble/s8"]["estimator"]
    spent = curves["tta/s8"]["spending"]
    direct = spending(records, tta(records, "s8-0"), budgets=[1, 2, 4])
    assert spent["budgets"] == [1, 2, 4] and spent["flops"]["mean"] == pytest.approx(direct.flops.mean.tolist())
    assert spent["flops"]["worst"] == spent["flops"]["mean"] and spent["tokens"]["mean"] == [None] * 3


def test_same_seed_same_summary(records):
    few = make_records(60, sizes=("s8",))
    assert summarize(few, min_accuracy=0.4, n_boot=50) == summarize(few, min_accuracy=0.4, n_boot=50)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ci": 2}, "ci: .*Give 0.02 for 2 %"), ({"min_accuracy": 90}, "Give 0.9 for 90 %"), ({"n_boot": 1}, "n_boot"),
        ({"vote": "mode"}, "vote: "), ({"law": "power_f"}, "Did you mean power_floor"), ({"seed": None}, "seed"),
        ({"n_boot": 39}, "at least 40"), ({"law": None}, "law: "), ({"vote": []}, "vote: "),
        ({"ties": "first"}, "ties: "), ({"interval": "wilson"}, 'interval: expected "percentile" or "bca"'),
    ],
)  # fmt: skip
def test_bad_input(records, options, message):
    with pytest.raises(TtscaleError, match=message):
        summarize(records, **options)
    usual = {"min_accuracy": None, "vote": "mean", "law": "auto", "ci": 0.95, "n_boot": 1000, "seed": 0}
    check_options(**usual)
    with pytest.raises(TtscaleError, match=message):
        check_options(**(usual | options))


def test_json_ready():
    value = {"a": np.float32(0.5), "b": [np.int64(3), math.inf, np.nan], "c": np.arange(2), "d": np.bool_(True)}
    got = json_ready({**value, "e": "x", "f": Interval(1.0, -math.inf, 2.0, 0.9, "m")})
    assert got == {
        "a": 0.5, "b": [3, None, None], "c": [0, 1], "d": True, "e": "x", "f": {"value": 1.0, "low": None, "high": 2.0},
    }  # fmt: skip
    assert type(got["b"][0]) is int and type(got["d"]) is bool


def test_words():
    assert flops_words(12.34e6) == "12.3 MFLOPs" and flops_words(4.089e9 * 2) == "8.18 GFLOPs"
    assert flops_words(1) == "1 FLOP" and flops_words(math.nan) == "an unknown number of FLOPs"
    assert accuracy_words(Interval(0.912, 0.906, 0.918, 0.95, "")) == "91.2% (95% interval 90.6% to 91.8%)"
    assert points_words(Interval(-0.0042, -0.006, 0.001, 0.9, "")) == (
        "−0.42 percentage points (90% interval −0.60 to +0.10)"
    )
    assert ratio_words(3.14159) == "3.14 ×" and ratio_words(250.4) == "250 ×"
    assert ratio_words(math.inf) == "no upper limit" and ratio_words(math.nan) == "unknown"
    assert draws_words([("a", "x")], "mean") == "one view of a"
    assert draws_words([("a", "x"), ("a", "y")], "mean") == "2 views of a"
    assert draws_words([("a", "x"), ("b", "x")], "plurality") == (
        "an ensemble of 2 members (a, b) under the plurality vote"
    )
    assert draws_words([(m, v) for v in "xy" for m in "ab"], "mean") == "4 draws from 2 members (a, b) and their views"
