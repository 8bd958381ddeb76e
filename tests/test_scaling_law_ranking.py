"""Laws ranked over curves: ranks and shares by hand, and a ranking of made runs."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scaling_example import make_records
from text_example import make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import VERDICTS
from ttscale.records.records import Records
from ttscale.scaling.curves.coverage import COVERAGE, coverage_curve, pass_at_k
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.curves.of_run import run_curves
from ttscale.scaling.fits.fit_law import fit_law
from ttscale.scaling.fits.ranking import LEAST_ERROR, RankedCurve, rank_laws, ranking, ranking_of, ranks_of
from ttscale.scaling.fits.words import ranking_words
from ttscale.scaling.sampled import samples

SETTINGS = {"ci": 0.9, "n_boot": 100, "seed": 0}
LAWS = {law: (law.upper(), f"for {law}") for law in ("flat", "line", "power")}


def curve(errors, of="accuracy", chosen="power", run="one"):
    statuses = dict.fromkeys(errors, "converged")
    return RankedCurve(run, f"c{id(errors)}", "a curve", "text", of, 7, 64, errors, statuses, chosen)


def test_equal_errors_share_their_ranks():
    assert ranks_of({"a": 0.3, "b": 0.1, "c": 0.1, "d": 0.2}) == {"a": 4.0, "b": 1.5, "c": 1.5, "d": 3.0}
    assert ranks_of({"only": 0.3}) == {"only": 1.0}


def test_scores_by_hand():
    """Over three curves, one of which the power law could not be tested on."""
    made = [
        curve({"flat": 0.04, "line": 0.02, "power": 0.01}),
        curve({"flat": 0.03, "line": 0.03, "power": 0.06}, chosen="flat"),
        curve({"flat": 0.02, "line": 0.01, "power": math.nan}, chosen="line"),
    ]
    found = ranking(made, LAWS)
    by_law = {score.law: score for score in found.of("accuracy")}
    flat, line, power = (by_law[law] for law in ("flat", "line", "power"))
    assert [score.n_curves for score in (flat, line, power)] == [3, 3, 2] and power.n_without == 1
    # flat beats none, ties with one of two, none of one; line one of two, 1.5 of 2, its only rival
    assert flat.beats == pytest.approx((0 + 0.75 + 0) / 3)
    assert line.beats == pytest.approx((0.5 + 0.75 + 1) / 3)
    assert power.beats == pytest.approx((1 + 0) / 2)
    assert flat.mean_rank == pytest.approx((3 + 1.5 + 2) / 3) and power.mean_rank == pytest.approx((1 + 3) / 2)
    assert [score.n_first for score in (flat, line, power)] == [1, 2, 1]
    assert [score.n_chosen for score in (flat, line, power)] == [1, 1, 1]
    assert line.over_best == pytest.approx((2 * 1 * 1) ** (1 / 3)) and power.over_best == pytest.approx(math.sqrt(2))
    assert flat.median_error == pytest.approx(0.03) and power.median_error == pytest.approx(0.035)
    assert [score.law for score in found.scores] == ["line", "power", "flat"]
    assert line.formula == "LINE" and line.purpose == "for line" and flat.statuses == {"converged": 3}


def test_coverage_has_a_ranking_of_its_own_and_curves_that_tell_nothing_are_counted():
    made = [
        curve({"flat": 0.04, "power": 0.01}),
        curve({"flat": 0.01, "power": 0.02}, of="coverage", chosen="flat"),
        curve({"flat": 0.0, "power": 0.0}),
    ]
    found = ranking(made, LAWS, n_left_out=2)
    assert [(score.of, score.law) for score in found.scores] == [
        ("accuracy", "power"), ("accuracy", "flat"), ("coverage", "flat"), ("coverage", "power")
    ]  # fmt: skip
    assert (found.n_alike, found.n_left_out, found.of("accuracy")[0].n_curves) == (1, 2, 1)
    said = " ".join(ranking_words(found))
    assert "2 curves with too few budgets have no place" in said and "1 curve tells no law from another" in said
    assert said.startswith("2 laws were fitted to 2 curves of accuracy and 1 curve of coverage")
    assert "Of accuracy, power predicts best: it beats 100% of its rivals" in said
    assert "Of coverage, flat predicts best" in said


def test_errors_that_no_data_tell_apart_are_equal():
    (score, other) = ranking([curve({"flat": 0.0, "power": 0.01})], LAWS).scores
    assert (score.law, score.beats, other.beats) == ("flat", 1.0, 0.0)
    assert (score.over_best, other.over_best) == pytest.approx((1.0, 0.01 / LEAST_ERROR))
    even = ranking([curve({"flat": 1e-8, "line": 2e-5, "power": 0.0})], LAWS)
    assert (even.scores, even.n_alike) == ((), 1)
    said = ranking_words(even)
    assert (
        said[0].startswith("3 laws were fitted") and "1 curve tells no law from another" in said[1] and len(said) == 2
    )
    assert "predicts best" not in " ".join(said) and "0.005 points" in said[1]


def test_a_law_that_few_curves_could_test_stands_last():
    made = [
        curve({"flat": 0.04, "line": 0.02, "power": 0.01}),
        curve({"flat": 0.04, "line": 0.02, "power": math.nan}),
    ]
    found = ranking(made, LAWS)
    assert [(score.law, score.n_curves) for score in found.scores] == [("line", 2), ("flat", 2), ("power", 1)]
    assert found.scores[-1].beats == 1.0 and "Of accuracy, line predicts best" in " ".join(ranking_words(found))


@pytest.fixture(scope="module")
def found():
    runs = {
        "images": make_records(n=60, sizes=("s8",)),
        "words": make_text_records(60, members=("big",), variants=("plain",)),
    }
    return runs, rank_laws(runs, n_splits=2, ci=0.9, n_boot=100, on_progress=PROGRESS.append)


PROGRESS: list[float] = []


def test_every_curve_of_every_run_is_there_with_what_its_fit_says(found):
    runs, ranked = found
    images = [one for one in ranked.curves if one.run == "images"]
    words = [one for one in ranked.curves if one.run == "words"]
    assert {one.outcome for one in images} == {"classes"} and {one.of for one in words} == {"accuracy", "coverage"}
    strategy = samples(runs["words"], "big")
    for made in (accuracy_curve, coverage_curve):
        fit = fit_law(made(runs["words"], strategy, **SETTINGS), n_splits=2)
        shown = next(one for one in words if one.curve == fit.curve.name)
        every = {one.law: one.backtest_gain_rmse for one in (*fit.candidates, fit.stacked)}
        assert shown.errors == pytest.approx(every, nan_ok=True) and "stacked" in every
        assert shown.chosen == fit.law and shown.last == fit.curve.budgets[-1]
    assert len({(one.run, one.curve) for one in ranked.curves}) == len(ranked.curves)
    assert all(a.beats >= b.beats for a, b in pairwise(ranked.of("accuracy")) if b.n_curves)
    assert sorted(PROGRESS) == PROGRESS and PROGRESS[-1] == 1.0


def test_the_ranking_is_json_ready(found):
    ready = found[1].as_dict()
    assert set(ready) == {"scores", "curves", "n_left_out", "n_alike"}
    assert ready["scores"][0]["law"] == found[1].scores[0].law


def test_curves_of_a_run(found):
    runs, _ = found
    names = [one.name for one in run_curves(runs["words"], **SETTINGS)]
    assert len(set(names)) == len(names) and any(name.endswith("/coverage") for name in names)
    assert not any(name.startswith("greedy") for name in names)


def test_refusals():
    with pytest.raises(TtscaleError, match="runs: expected at least one"):
        rank_laws({})
    with pytest.raises(TtscaleError, match=r"a curve of at least 4 budgets.*got curves of at most 2 budgets"):
        rank_laws(make_records(n=20, views=2, sizes=("s8",), seeds=1), n_boot=100)


def test_one_fit_is_a_ranking_too(found):
    fit = fit_law(accuracy_curve(found[0]["words"], samples(found[0]["words"], "big"), **SETTINGS), "constant")
    assert [score.law for score in ranking_of([("", fit)]).scores] == []


def test_a_perfect_checker_is_coverage_and_counts_once():
    """Of counts nothing but pass@k is known: it is the coverage, and no accuracy of a vote."""
    n, c = np.full(40, 16), np.arange(40) % 17
    answers = np.where(np.arange(16) < c[:, None], 0, 1)
    graded = samples_of(answers, [[True, False]] * 40).graded()
    right = {"correct": (answers == 0).astype(float)}
    counts = Records.from_graded(replace(graded, grader=VERDICTS, answers_known=False, scores=right))
    (one,) = run_curves(counts, **SETTINGS)
    assert one.vote == COVERAGE and one.accuracy.tolist() == pytest.approx(
        [float(np.mean(pass_at_k(n, c, k))) for k in one.budgets]
    )


def test_the_same_run_twice_is_refused():
    one = make_text_records(40, members=("big",), variants=("plain",))
    with pytest.raises(TtscaleError, match="the same draws as 'a' and as 'b'"):
        rank_laws({"a": one, "b": one}, n_boot=100)
