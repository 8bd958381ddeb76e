"""The summary of language: complete, JSON-ready, and equal to what its parts compute."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scaling_example import make_records
from text_example import graded_of, make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.coverage import coverage_curve
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.curves.sample_noise import sample_noise
from ttscale.scaling.fits.fit_law import fit_law
from ttscale.scaling.limits.limit import agree, vote_limit
from ttscale.scaling.planning.candidates import plan_votes
from ttscale.scaling.planning.plan import plan
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.headline import law_words
from ttscale.scaling.summaries.summary import summarize


@pytest.fixture(scope="module")
def records():
    n = 80
    made = make_text_records(n)
    texts = [[f"<b>text</b> {i} {d}" + "x" * 700 for d in range(len(made.graded().draws))] for i in range(n)]
    return make_text_records(n, texts=texts)


@pytest.fixture(scope="module")
def summary(records):
    return summarize(records, min_accuracy=0.4, law="power_floor", n_boot=100)  # one law: ``every_law`` has them all


@pytest.fixture(scope="module")
def alone():
    return make_text_records(80, members=("big",), variants=("plain",))


@pytest.fixture(scope="module")
def every_law(alone):
    return summarize(alone, n_boot=100)


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
        assert shown["ceiling"] == json_ready(vote_limit(records, strategy, n_boot=100).interval)
    assert next(c for c in summary["curves"] if c["id"] == "mixture/big/T0.8")["variants"] == ["plain", "order1"]


def test_how_curves_were_estimated_is_told(summary):
    by_id = {curve["id"]: curve for curve in summary["curves"]}
    exact, sampled_ones = by_id["samples/big/T0.8"], by_id["samples/big/T0.8/weighted:judge"]
    assert "exact over all subsets" in exact["estimator"] and set(exact["sampling_error"]) == {0.0}
    assert "random orders" in sampled_ones["estimator"] and max(sampled_ones["sampling_error"]) > 0
    assert {(curve["ties"], curve["interval"]) for curve in by_id.values()} == {("shared", exact["interval"])}
    assert "percentile" in exact["interval"]


def test_ties_and_intervals_reach_every_curve(records, summary):
    found = summarize(records, min_accuracy=0.4, n_boot=100, law="constant", ties="first_seen", interval="bca")
    for curve in found["curves"]:
        assert curve["ties"] == "first_seen" and curve["interval"].startswith("BCa bootstrap")
    shown = next(curve for curve in found["curves"] if curve["id"] == "samples/small/T0.8")
    one = sampled.samples(records, "small")
    direct = accuracy_curve(records, one, n_boot=100, ties="first_seen", interval="bca")
    assert shown["accuracy"] == pytest.approx(direct.accuracy.tolist()) and shown["low"] == direct.low.tolist()
    covered = coverage_curve(records, one, n_boot=100, interval="bca")
    assert shown["coverage"]["low"] == covered.low.tolist()
    assert found["plan"] == summary["plan"] and found["plan"] is not None
    assert "of tied answers the one that was seen first counts; a plan, the trade" in found["conventions"]["ties"]
    ends, before = ([row["difference"] for row in one["language"]["ensembles"]] for one in (found, summary))
    assert [end["value"] for end in ends] == [end["value"] for end in before] and ends != before


def test_the_same_items_sampled_anew_are_told_apart(summary, records):
    shown = {curve["id"]: curve.get("same_items") for curve in summary["curves"]}
    assert shown["greedy/big"] is None and shown["samples/big/T0.8/weighted:judge"] is None
    noise = shown["samples/big/T0.8"]
    assert noise["budgets"] == [1, 2, 4, 8, 12] and noise["low"][3:] == [None, None]
    direct = sample_noise(records, sampled.samples(records, "big"), budgets=[4])
    assert (noise["low"][2], noise["high"][2]) == pytest.approx((direct[0].low, direct[0].high))
    assert noise["notes"][:3] == [None] * 3 and "needs at least twice as many" in noise["notes"][4]
    usual = next(curve for curve in summary["curves"] if curve["id"] == "samples/big/T0.8")
    assert noise["high"][2] - noise["low"][2] < usual["high"][3] - usual["low"][3]


def test_the_limit_of_a_vote_is_set_beside_that_of_its_law(summary, records):
    rows = {row["curve"]: row for row in summary["language"]["ceiling"]}
    row, strategy = rows["samples/big/T0.8"], sampled.samples(records, "big")
    fit = fit_law(accuracy_curve(records, strategy, n_boot=100), "power_floor")
    limit = vote_limit(records, strategy, n_boot=100)
    assert (row["value"], row["leading"]) == pytest.approx((limit.interval.value, limit.leading))
    assert row["asymptote"] == json_ready(fit.asymptote) and row["check"] == agree(limit, fit.asymptote)
    both = [row for row in rows.values() if row.get("asymptote") and row["value"] is not None]
    assert both and all(row["agrees"] is ("they agree" in row["check"]) for row in both)
    assert all(row["agrees"] is None for row in rows.values() if not row.get("asymptote") and "agrees" in row)


def test_items_with_unequal_numbers_of_samples_are_told():
    n = 40
    rng = np.random.default_rng(1)
    answers, drawn = rng.integers(0, 3, (n, 6)), np.arange(6) < rng.integers(2, 7, n)[:, None]
    drawn[0, :2], drawn[0, 2:], drawn[1] = True, False, True
    draws = [TextDraw("m", "plain", "T1", s) for s in range(6)]
    given = graded_of(np.where(drawn, answers, -1), np.eye(3, dtype=bool)[np.zeros(n, int)], draws)
    tokens = np.where(drawn, 5, 0).astype(np.int32)
    found = summarize(Records.from_graded(replace(given, drawn=drawn, n_tokens=tokens)), n_boot=50)
    (pool,) = found["run"]["unequal"]
    assert (pool["fewest"], pool["most"], pool["decoding"]) == (2, 6, "T1")
    assert found["run"]["draws_per_item"] == pytest.approx(drawn.sum() / n)
    assert found["run"]["members"][0]["tokens"] == 5 and found["language"]["abstained"]["m"]["abstained"] == 0
    assert found["curves"][0]["budgets"] == [1, 2]


def test_fits_of_votes_and_of_coverage(every_law, alone):
    chosen = [fit for fit in every_law["fits"] if fit["covers"] == "samples/big/T0.8" and fit["chosen"]]
    assert {fit["of"]: fit["curve"] for fit in chosen} == {
        "accuracy": "samples/big/T0.8", "coverage": "samples/big/T0.8/coverage"
    }  # fmt: skip
    direct = fit_law(coverage_curve(alone, sampled.samples(alone, "big"), n_boot=100))
    shown = next(fit for fit in chosen if fit["of"] == "coverage")
    assert (shown["law"], shown["unit"]) == (direct.law, "draws")
    assert shown["line"]["accuracy"][-1] == pytest.approx(direct.predict(24).value)


def test_every_law_is_told_with_its_rank_and_the_average_with_its_weights(every_law, alone):
    shown = [fit for fit in every_law["fits"] if fit["curve"] == "samples/big/T0.8"]
    direct = fit_law(accuracy_curve(alone, sampled.samples(alone, "big"), n_boot=100))
    laws, average = shown[:-1], shown[-1]
    assert [fit["law"] for fit in laws] == [fit.law for fit in direct.candidates]
    ranks = [fit["rank"] for fit in laws if fit["rank"] is not None]
    assert ranks == list(range(1, len(ranks) + 1)) and len(ranks) > 4
    assert direct.stacked is not None and average["law"] == "stacked" and average["rank"] is None
    assert average["weights"] == pytest.approx(direct.stacked.weights) and not average["chosen"]
    assert average["backtest_gain_rmse"] == pytest.approx(direct.stacked.backtest_gain_rmse)
    (chosen,) = [fit for fit in shown if fit["chosen"]]
    assert chosen["params"] == json_ready(direct.params) and chosen["skipped"] == direct.skipped
    for fit in shown:
        assert fit["purpose"] and fit["status"] and fit["loss"] and fit["gradient_norm"] is not None
        assert fit["chosen"] or ("line" not in fit and all(one["low"] is None for one in fit["params"].values()))


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
    scores = ("mean_logprob", "sum_logprob", "self_certainty", "judge")
    scored = {f"{rule}:{score}" for rule in ("weighted", "best") for score in scores}
    assert {row["vote"] for row in rows.values() if row["member"] == "big"} == {"plurality", *scored}


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


def test_ensembles_have_curves_at_finite_budgets(summary, records):
    shown = {curve["kind"]: curve for curve in summary["curves"]}
    learned, quotas = shown["learned"], shown["quotas"]
    assert (learned["id"], quotas["id"]) == ("learned/all/T0.8", "quotas/all/T0.8")
    assert "in learned shares" in learned["label"] and "at equal compute each" in quotas["label"]
    n = len(learned["budgets"])
    assert n == len(learned["coverage"]["accuracy"]) == len(learned["tokens"]) == len(learned["flops"]) > 4
    assert np.all(np.array(learned["accuracy"]) <= np.array(learned["coverage"]["accuracy"]) + 1e-9)
    row = next(row for row in summary["language"]["ensembles"] if row["kind"] == "learned")
    assert learned["ceiling"]["value"] == pytest.approx(row["accuracy"])  # where ever more samples lead
    assert {fit["of"] for fit in summary["fits"] if fit["covers"] == "learned/all/T0.8"} == {"accuracy", "coverage"}
    curve = accuracy_curve(records, sampled.ensemble(
        records, ["small", "big"], shares=next(r for r in summary["language"]["ensembles"] if r["kind"] == "quotas")[
            "weights"]
    ), n_boot=100)  # fmt: skip
    assert quotas["accuracy"] == pytest.approx(curve.accuracy.tolist())


def test_an_item_that_most_samples_get_right_is_an_example():
    answers = np.tile([0, 0, 0, 1], (40, 1))
    found = summarize(samples_of(answers, np.eye(2, dtype=bool)[np.zeros(40, int)]), n_boot=50)
    assert found["language"]["examples"] == []  # one sample is the plain decision here, and earns 3/4
    draws = [TextDraw("m", "plain", "greedy", 0), *(TextDraw("m", "plain", "T1", s) for s in range(4))]
    given = graded_of(np.insert(answers, 0, 0, axis=1), np.eye(2, dtype=bool)[np.zeros(40, int)], draws)
    (one,) = summarize(Records.from_graded(given), n_boot=50)["language"]["examples"]
    assert one["case"] == "right by most" and [answer["count"] for answer in one["answers"]] == [3, 1]


def test_conventions_that_both_kinds_share_are_the_same(summary):
    images = summarize(make_records(60, sizes=("s",), seeds=1, views=2), n_boot=50)["conventions"]
    text = summary["conventions"]
    assert {key for key in images if images[key] == text.get(key)} == {"choices", "fits", "pareto", "detectable"}
    assert "1 − C(n−c, k)/C(n, k)" in text["samples"] and "one greedy answer" in text["multiplier"]
    assert "training seeds" in images["intervals"] and "training seeds" not in text["intervals"]


def test_examples_show_answers_with_counts_and_a_text(summary, records):
    shown = {one["case"]: one for one in summary["language"]["examples"]}
    assert "the vote repairs it" in shown
    one = shown["the vote repairs it"]
    item = records.item_ids.tolist().index(one["item"])
    graded = records.graded()
    columns = graded.pools["small", "plain", "T0.8"]
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


def test_the_headline_sets_all_samples_beside_the_greedy_answer(records, summary):
    name = records.members[0].name
    line = next(line for line in summary["headline"] if line.startswith(f"Against one greedy answer of {name}"))
    samples, greedy = (
        next(curve for curve in summary["curves"] if curve["kind"] == kind and curve["members"] == [name])
        for kind in ("samples", "greedy")
    )
    difference = 100 * (samples["accuracy"][-1] - greedy["accuracy"][0])
    assert f"{difference:+.2f}".replace("-", "−") in line


def test_the_headline_is_about_the_vote_asked_for(alone):
    text = " ".join(summarize(alone, vote="best:judge", law="constant", n_boot=50)["headline"])
    assert "under the best:judge vote" in text and "best-of-n picks it for" in text
    assert "most frequent" not in text
    weighted = " ".join(summarize(alone, vote="weighted:judge", law="constant", n_boot=50)["headline"])
    assert "with ever more samples the weighted:judge vote would be right on" in weighted


def test_a_few_items_are_not_said_to_have_changed():
    """Four items, all repaired: the resamples agree, and a sign test could not tell (p = 2 / 2⁴)."""
    answers = np.tile([1, 0, 0, 0], (4, 1))
    told = {}
    for n in (4, 40):
        given = samples_of(np.tile(answers, (n // 4, 1)), [[True, False]] * n)
        told[n] = " ".join(summarize(given, law="power_floor", n_boot=50)["headline"])
    assert (
        "4 samples of m (T0.8)" in told[4] and "make a difference that 4 items are too few to tell: +25.00" in told[4]
    )
    assert "change accuracy by +25.00" in told[40] and "too few" not in told[40]
    assert "The accuracy of samples of m" in told[40] and "The accuracy of samples of m" not in told[4]


def test_a_law_that_errs_by_more_than_the_gain_is_not_said_to_be_followed(alone):
    fit = fit_law(accuracy_curve(alone, sampled.samples(alone, "big"), n_boot=100), "log_linear")
    assert f"follows {fit.formula}" in law_words(fit)
    gain = float(fit.curve.accuracy[-1] - fit.curve.accuracy[0])
    poor = replace(fit, backtest=replace(fit.backtest, predicted_gain=fit.backtest.observed_gain + 1.5 * gain))
    assert "is predicted by no law" in law_words(poor) and f"on a gain of {100 * gain:.2f}." in law_words(poor)
    even = replace(fit, law="constant"), fit
    assert "is predicted by no law" in law_words(replace(fit, candidates=even))


def test_the_error_of_choosing_a_law_is_told_where_it_is_another(alone):
    fit = fit_law(accuracy_curve(alone, sampled.samples(alone, "big"), n_boot=100))
    assert fit.choice is not None
    worse = replace(fit.choice, predicted=fit.choice.observed + 0.25)
    assert "(25.00 where other splits choose the law)" in law_words(replace(fit, choice=worse))
    assert "where other splits" not in law_words(replace(fit, choice=fit.backtest))


def test_an_ensemble_is_set_beside_its_best_member(summary, records):
    (line,) = [line for line in summary["headline"] if "samples of all members" in line and "best single" in line]
    both = {c["id"]: c for c in summary["curves"] if c["id"] in ("ensemble/all/T0.8", "samples/big/T0.8")}
    gain = 100 * (both["ensemble/all/T0.8"]["accuracy"][-1] - both["samples/big/T0.8"]["accuracy"][-1])
    assert f"{gain:+.2f}".replace("-", "−") in line and "over 12 samples of big" in line


def test_no_plain_answer_is_shown_where_none_was_collected(summary):
    assert all("plain" in row for key in ("families", "examples") for row in summary["language"][key])
    found = summarize(make_text_records(40, members=("big",), greedy=False), law="constant", n_boot=50)["language"]
    assert found["families"] and found["examples"]
    assert not any("plain" in row for key in ("families", "examples") for row in found[key])


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
    found = summarize(make_text_records(40, flops=False), min_accuracy=0.2, law="power_floor", n_boot=50)
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
        "from ttscale.scaling.summaries.summary import summarize\n"
        "records = make_text_records(40, members=('big',), variants=('plain',))\n"
        "summary = summarize(records, min_accuracy=0.1, n_boot=50)\n"
        "assert summary['plan'] and summary['fits']\n"
        "assert not {'torch', 'transformers', 'openai'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
