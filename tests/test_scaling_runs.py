"""Comparing two runs: pairing, the tests and their adjustment, flips, equal cost, margins, and false alarms."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from scaling_example import make_records, records_of_answers
from scipy.stats import beta, binom, binomtest, permutation_test
from text_example import samples_of

import ttscale.scaling.comparison.paired_test as paired_test
from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.comparison.compare import RunComparison, compare_runs
from ttscale.scaling.comparison.paired_test import fewest_units, least_p, lower_bound, paired_p, units_to_show
from ttscale.scaling.comparison.rows import flipped
from ttscale.scaling.comparison.verdict import detectable
from ttscale.scaling.comparison.words import exit_words, run_lines, run_summary, verdict_words
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.planning.plan import plan
from ttscale.scaling.quality.compare import holm

FAST = {"n_boot": 200}


def two(right_old, right_new, **more) -> tuple[Records, Records]:
    """Two runs of one view each: item i has label 0, and an answer that is 0 where it is right."""
    n = len(right_old)
    made = [
        records_of_answers(1 - np.asarray(right)[:, None], np.zeros(n, int), 3, **more)
        for right in (right_old, right_new)
    ]
    return made[0], made[1]


# The test of one difference


def test_of_decisions_is_mcnemars_exact_test():
    d = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 40)
    assert paired_p(d) == pytest.approx(binomtest(2, 11).pvalue)
    assert paired_p(np.zeros(5)) == 1.0


@pytest.mark.parametrize("n", [6, 13])
def test_of_few_shares_tries_every_sign(n):
    d = np.random.default_rng(n).normal(0.3, 0.5, n)
    sums = [abs(np.dot(signs, d)) for signs in itertools.product([1, -1], repeat=n)]
    assert paired_p(d) == pytest.approx(np.mean(np.array(sums) >= abs(d.sum()) - 1e-9))


def test_of_more_shares_agrees_with_scipy_and_with_the_normal_of_many(monkeypatch):
    d = np.random.default_rng(3).normal(0.1, 0.5, 60)
    theirs = permutation_test((d,), np.sum, permutation_type="samples", n_resamples=20_000, rng=1).pvalue
    ours = paired_p(d)
    assert ours == pytest.approx(theirs, abs=4 * math.sqrt(theirs * (1 - theirs) * (1 / 9999 + 1 / 20_000)))
    monkeypatch.setattr(paired_test, "_MANY", 60)
    assert paired_p(d) == pytest.approx(ours, abs=0.03)


def test_of_clusters_changes_their_signs_together():
    d, units = np.array([0.5, 0.5, -0.25, 1.0, 0.0, 0.25]), np.array([0, 0, 1, 1, 2, 2])
    sums = np.array([1.0, 0.75, 0.25])
    every = [abs(np.dot(signs, sums)) for signs in itertools.product([1, -1], repeat=3)]
    assert paired_p(d, units) == np.mean(np.array(every) >= 2.0)


@pytest.mark.parametrize("n", [3, 6, 13, 14, 40])
def test_no_units_give_less_than_the_least_p(n):
    assert least_p(n) == pytest.approx(paired_p(-np.ones(n))) == pytest.approx(2 / 2**n)
    assert n > 13 or paired_p(np.linspace(0.9, 1.0, n)) == least_p(n)


def test_many_units_of_shares_can_give_less_than_one_of_the_random_patterns():
    d = np.linspace(0.9, 1.0, 40)
    assert paired_p(d) == pytest.approx(2 * math.exp(-(d.sum() ** 2) / (2 * (d @ d))))  # Hoeffding
    assert [fewest_units(error) for error in (0.05, 0.025, 1e-6)] == [6, 7, 21]


@pytest.mark.parametrize(("n", "broken"), [(60, 0), (100, 3), (400, 40)])
def test_lower_bound_of_right_and_wrong_is_that_of_clopper_and_pearson(n, broken):
    d = -(np.arange(n) < broken).astype(float)
    assert lower_bound(d, None, 0.025) == pytest.approx(-beta.ppf(0.975, broken + 1, n - broken), abs=0.003)
    assert lower_bound(np.repeat(d, 5), np.arange(5 * n) // 5, 0.025) == pytest.approx(lower_bound(d, None, 0.025))


def test_units_that_it_takes_to_show_a_small_loss():
    assert units_to_show(0.02, 0.025) == 183
    assert -beta.ppf(0.975, 1, 183) > -0.02 > -beta.ppf(0.975, 1, 182)


def test_detectable_is_found_four_times_in_five():
    rng, n = np.random.default_rng(0), 12
    true = detectable(0.3 / math.sqrt(n) * math.sqrt((n - 1) / n), n, 0.05)
    found = sum(paired_p(rng.normal(true, 0.3, n)) <= 0.05 for _ in range(500))
    assert 0.75 <= found / 500 <= 0.85


def test_holm_with_weights():
    assert holm([0.01, 0.02, 0.9], [2, 1, 1]) == pytest.approx([0.02, 0.04, 0.9])  # .01/2·4, .02/1·2, .9
    assert holm([0.03, 0.01], [1, 3]) == pytest.approx([0.03, 0.01 / 3 * 4])
    assert holm([0.04, 0.01, math.nan], [1, 1, 5])[:2] == holm([0.04, 0.01])


# Pairing


def test_items_are_paired_by_id_whatever_their_order():
    records = make_records(60, seeds=1, sizes=("s",))
    order = np.random.default_rng(0).permutation(60)
    found = compare_runs(
        records.take(np.arange(50)), records.take([i for i in order if i >= 5]), items="shared", **FAST
    )
    assert found.n_items == 45 and found.headline.difference.value == 0 and not found.regressed
    assert found.only_old == tuple(f"item{i:06d}" for i in range(5))
    assert set(found.only_new) == {f"item{i:06d}" for i in range(50, 60)}
    assert (
        "5 items of old are not in new (item000000, item000001, item000002, …) and 10 items"
        in run_summary(found)["notes"][0]
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"item_ids": [f"x{i}" for i in range(20)]}, "0 shared, of 20 such as 'item000000' in old"),
        ({"labels": np.array([1] + [0] * 19)}, "another for 1 of 20: 'item000000' (0 in old, 1 in new)"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_paired_are_refused(change, said):
    old, _ = two(np.ones(20, int), np.ones(20, int))
    labels = change.pop("labels", np.zeros(20, int))
    new = records_of_answers(np.zeros((20, 1), int), labels, 3, **change)
    with pytest.raises(TtscaleError, match="new: expected") as error:
        compare_runs(old, new)
    assert said in str(error.value)


def test_classes_are_compared_by_name_where_there_are_names():
    old = records_of_answers(np.zeros((20, 1), int), np.zeros(20, int), 3, class_names=["cat", "dog", "owl"])
    new = records_of_answers(np.ones((20, 1), int), np.ones(20, int), 3, class_names=["dog", "cat", "owl"])
    assert compare_runs(old, new, **FAST).headline.new.value == 1.0
    other = records_of_answers(np.zeros((20, 1), int), np.zeros(20, int), 3, class_names=["dog", "cat", "owl"])
    with pytest.raises(TtscaleError, match=r"\(cat in old, dog in new\)"):
        compare_runs(old, other)


def test_golds_that_differ_and_kinds_that_differ_are_refused():
    answers, correct = np.zeros((8, 3), int), np.ones((8, 1), bool)
    old = samples_of(answers, correct, golds=["a", "4", "1000", *"defgh"])
    same = samples_of(answers, correct, golds=["a ", "4.0", "1,000", *"defgh"])
    assert compare_runs(old, same, **FAST).n_items == 8
    with pytest.raises(TtscaleError, match=r"gold answer.*for 1 of 8: 'item000001' .4 in old, 5 in new"):
        compare_runs(old, samples_of(answers, correct, golds=["a", "5", "1000", *"defgh"]))
    with pytest.raises(TtscaleError, match="expected a run of a language model"):
        compare_runs(old, make_records(8))


def test_what_else_differs_is_said():
    answers, correct = np.zeros((8, 3), int), np.ones((8, 1), bool)
    found = compare_runs(samples_of(answers, correct, families=list("aabb" * 2)), samples_of(answers, correct), **FAST)
    assert any("Gold answers are not in both runs" in note for note in found.notes)
    assert any("The families of the items differ; those of old count" in note for note in found.notes)


def test_a_run_that_lost_items_is_refused_unless_asked_for():
    old, new = two(np.ones(60, int), np.ones(60, int))
    half = new.take(np.arange(30))
    with pytest.raises(TtscaleError, match=r"every item of old, which has 60, got 30 of them, without item000030, "):
        compare_runs(old, half)
    found = compare_runs(old, half, items="shared", **FAST)
    assert exit_words(found) == "Nothing is clearly worse, on 30 of 60 items of old, which new holds too."
    assert "30 of 60 items of old" in run_lines(found)[1]
    assert compare_runs(half, old, **FAST).only_new  # a larger run may be compared with a smaller


@pytest.mark.parametrize("clusters", [None, [f"c{i // 20}" for i in range(100)]])
def test_too_few_items_or_clusters_to_show_anything_are_refused(clusters):
    """Of 5 units that all got worse, the lowest p that there can be is 2 / 2^5."""
    n = 5 if clusters is None else 100
    runs = two(np.ones(n, int), np.zeros(n, int), clusters=clusters)
    with pytest.raises(TtscaleError, match=r"at least 6 items \(or clusters of items\) that both runs hold, got 5"):
        compare_runs(*runs)
    assert compare_runs(*runs, ci=0.9, **FAST).regressed


def test_six_clusters_can_decide_by_the_headline_alone():
    labels, clusters = np.arange(120) % 2, [f"c{i // 20}" for i in range(120)]
    runs = [
        records_of_answers(np.full((120, 1), 2) if bad else labels[:, None], labels, 3, clusters=clusters)
        for bad in (0, 1)
    ]
    found = compare_runs(*runs, **FAST)
    assert found.regressed and len(found.tested) == 1 and found.headline.p_adjusted == 2 / 2**6
    assert [row.verdict for row in found.rows[1:]] == ["not tested"] * 2
    assert "2 others of too few items to show anything are left out" in run_lines(found)[-1]


# What is compared


def test_by_hand():
    """12 items: 2 fixed, 5 broken, in two classes of which one has too few items to be tested."""
    old = np.array([0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0])
    new = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0])
    labels = np.array([0] * 10 + [1] * 2)
    runs = [
        records_of_answers(np.where(right, labels, 2)[:, None], labels, 3, class_names=["cat", "dog", "owl"])
        for right in (old, new)
    ]
    found = compare_runs(*runs, **FAST)
    row = found.headline
    assert (row.k_old, row.k_new, row.n_items, row.fixed, row.broken) == (1, 1, 12, 2, 5)
    assert (row.old.value, row.new.value) == pytest.approx((8 / 12, 5 / 12))
    assert row.difference.value == pytest.approx(-3 / 12) and row.difference.low < -3 / 12 < row.difference.high
    assert row.p == row.mcnemar == pytest.approx(binomtest(2, 7).pvalue)
    cat, dog = (one for one in found.rows if one.about == "groups")
    assert (cat.group, cat.n_items, cat.p) == ("class cat", 10, pytest.approx(binomtest(2, 7).pvalue))
    assert (dog.group, dog.n_items, dog.verdict) == ("class dog", 2, "not tested") and math.isnan(dog.p_adjusted)
    assert [len(found.tested), row.p_adjusted] == [2, pytest.approx(min(1, 2 * row.p))]
    assert [flip.item_id for flip in found.flips_fixed] == ["item000000", "item000001"]
    assert [flip.item_id for flip in found.flips_broken] == [f"item{i:06d}" for i in range(2, 7)]


def test_a_clear_loss_regresses_and_a_clear_gain_does_not():
    low, high = np.arange(100) < 50, np.arange(100) < 80
    worse, better = compare_runs(*two(high, low), **FAST), compare_runs(*two(low, high), **FAST)
    assert worse.regressed and worse.headline.verdict == "worse" and verdict_words(worse) == "New is worse."
    assert not better.regressed and better.headline.verdict == "better"
    assert "50.0% against 80.0%, −30.00 percentage points" in run_lines(worse)[1]
    assert run_summary(worse)["exit_status"] == 1 and run_summary(better)["exit_status"] == 0


def test_budgets_are_powers_of_two_up_to_the_last_in_common_and_agree_with_the_curves():
    old, new = (
        make_records(80, seeds=1, sizes=("s",), views=6),
        make_records(80, seeds=1, sizes=("s",), views=5, seed=0),
    )
    found = compare_runs(old, new, **FAST)
    equal = [(row.k_old, row.k_new) for row in found.rows if row.about in ("headline", "budgets")]
    assert equal == [(5, 5), (1, 1), (2, 2), (4, 4)]
    for row in found.rows[:4]:
        assert row.old.value == pytest.approx(accuracy_curve(old, n_boot=40).at(row.k_old).value)
        assert row.new.value == pytest.approx(accuracy_curve(new, n_boot=40).at(row.k_new).value)
    assert compare_runs(old, new, budget=2, **FAST).headline.k_new == 2


def test_equal_cost_faces_budgets_of_about_equal_flops():
    records = make_records(60, seeds=1, views=8)  # s8 costs 1e6 a view, s16 costs 4e6
    found = compare_runs(records, records, members={"old": "s8-0", "new": "s16-0"}, **FAST)
    assert found.matched == "flops"
    pairs = [(row.k_old, row.k_new) for row in found.rows if row.about == "costs"]
    assert pairs == [(4, 1), (8, 2)]
    assert all(row.flops_old == row.flops_new for row in found.rows if row.about == "costs")
    same = compare_runs(records, records, members="s8-0", **FAST)
    assert not [row for row in same.rows if row.about == "costs"]
    assert "nothing can differ" in " ".join(same.notes)


def test_equal_cost_is_by_tokens_where_flops_are_unknown_and_left_out_where_neither_is():
    rng = np.random.default_rng(0)
    answers, correct = rng.integers(0, 2, (30, 8)), np.tile([True, False], (30, 1))
    unknown = np.full((30, 8), np.nan)
    old = samples_of(answers, correct, flops=unknown, tokens=np.full((30, 8), 10))
    new = samples_of(answers, correct, flops=unknown, tokens=np.full((30, 8), 20))
    found = compare_runs(old, new, **FAST)
    assert found.matched == "tokens"
    assert [(row.k_old, row.k_new) for row in found.rows if row.about == "costs"] == [(2, 1), (4, 2), (8, 4)]
    free = make_records(30, seeds=1, sizes=("s",))
    free._flops["s-0"][:] = 0.0
    assert compare_runs(free, free, **FAST).matched == ""


def test_text_flips_are_of_more_than_half_and_the_test_is_of_shares():
    rng = np.random.default_rng(1)
    old = samples_of(
        (rng.random((40, 5)) > 0.7).astype(int), np.tile([True, False], (40, 1)), families=["a"] * 20 + ["b"] * 20
    )
    new = samples_of(
        (rng.random((40, 5)) > 0.3).astype(int), np.tile([True, False], (40, 1)), families=["a"] * 20 + ["b"] * 20
    )
    found = compare_runs(old, new, budget=1, **FAST)
    credit = [(run.graded().answers == 0).mean(1) for run in (old, new)]
    row = found.headline
    assert row.difference.value == pytest.approx(credit[1].mean() - credit[0].mean())
    assert row.broken == ((credit[0] > 0.5) & (credit[1] < 0.5)).sum() == len(found.flips_broken)
    assert row.p == pytest.approx(paired_p(credit[1] - credit[0])) and row.p != row.mcnemar
    assert found.regressed and {one.group for one in found.rows if one.about == "groups"} == {"family a", "family b"}


def test_half_right_is_neither_right_nor_wrong():
    old, new = np.array([0.0, 0.5, 0.5 - 1e-12, 1.0, 0.2, 1.0]), np.array([0.5, 1.0, 0.5, 0.5, 0.7, 0.1])
    fixed, broken, half = (np.flatnonzero(changed).tolist() for changed in flipped(old, new))
    assert (fixed, broken, half) == ([4], [5], [0, 1, 3])
    correct, wrong, tied = np.tile([True, False], (40, 1)), np.ones((40, 2), int), np.tile([0, 1], (40, 1))
    found = compare_runs(samples_of(wrong, correct), samples_of(tied, correct), **FAST)
    assert found.headline.difference.value == 0.5
    assert "0 decisions fixed and 0 broken, 40 to or from a tie" in run_lines(found)[1]


def test_flips_of_unequal_numbers_of_samples_are_not_tested():
    """With more samples an item is beyond one half more often, though nothing differs."""
    rng, correct = np.random.default_rng(0), np.tile([True, False], (60, 1))
    old, new, more = (samples_of(rng.integers(0, 2, (60, n)), correct) for n in (4, 4, 16))
    assert 0 < compare_runs(old, new, **FAST).headline.mcnemar <= 1
    found = compare_runs(old, more, **FAST)
    assert math.isnan(found.headline.mcnemar) and 0 < found.headline.p <= 1
    assert any("different numbers of samples" in note for note in found.notes)


def test_new_may_not_cost_more_at_equal_cost():
    rng, correct = np.random.default_rng(0), np.tile([True, False], (30, 1))
    answers = rng.integers(0, 2, (30, 10))
    costs = {"prompt": 0.0, "prefix": 0.0}
    old = samples_of(answers, correct, flops=np.full((30, 10), 1.0), **costs)
    new = samples_of(answers, correct, flops=np.full((30, 10), 1.5), **costs)
    rows = [row for row in compare_runs(old, new, **FAST).rows if row.about == "costs"]
    assert [(row.k_old, row.k_new) for row in rows] == [(3, 2), (6, 4), (10, 6)]
    assert all(0.9 <= row.flops_new / row.flops_old <= 1 for row in rows)
    assert "6 draws in new, 10 in old, where new costs 10% less" in " ".join(run_lines(compare_runs(old, new, **FAST)))


def test_two_samples_that_vote_as_one_are_left_out():
    rng, correct = np.random.default_rng(0), np.tile([True, False], (30, 1))
    old, new = (samples_of(rng.integers(0, 2, (30, 8)), correct) for _ in range(2))
    assert [row.k_new for row in compare_runs(old, new, **FAST).rows] == [8, 1, 4]
    assert [row.k_new for row in compare_runs(old, new, budget=np.int64(2), **FAST).rows] == [2, 4, 8]


def test_clusters_are_resampled_and_tested_as_wholes():
    old, new = np.ones(60, int), np.repeat([1, 1, 1, 0, 1, 1], 10)  # one cluster broke as a whole
    clusters = [f"c{i // 10}" for i in range(60)]
    found = compare_runs(*two(old, new, clusters=clusters), **FAST)
    assert found.headline.p == 1.0 and not found.regressed and math.isnan(found.headline.mcnemar)
    assert "6 clusters of items" in found.headline.difference.method
    assert compare_runs(*two(old, new), **FAST).regressed


def test_a_plan_for_each_run():
    records = make_records(200, seeds=1, views=4)
    made = plan(records, max_flops=5e6, n_boot=100)
    found = compare_runs(records, records, plan=made, **FAST)
    assert {row.about for row in found.rows} == {"headline", "groups"}
    assert (found.headline.k_old, found.headline.k_new) == (made.k, made.k) and found.headline.difference.value == 0
    with pytest.raises(TtscaleError, match="plan: expected the path"):
        compare_runs(records, records, plan=3)


# What decides


def test_only_what_is_declared_decides():
    """A class of 20 broke among 400 items, of which as many others were fixed."""
    labels = np.array([0] * 20 + [1] * 380)
    old, new = np.ones(400, int), np.ones(400, int)
    new[:20], old[20:40] = 0, 0
    runs = [records_of_answers(np.where(right, labels, 2)[:, None], labels, 3) for right in (old, new)]
    found = compare_runs(*runs, **FAST)
    assert found.headline.verdict == "no clear difference" and found.regressed
    assert verdict_words(found) == "New is worse in part: class 0 (−100.0)."
    only = compare_runs(*runs, fail_on="headline", **FAST)
    assert not only.regressed and len(only.tested) == 1 and only.headline.p_adjusted == only.headline.p
    assert compare_runs(*runs, fail_on=["groups"], **FAST).regressed
    assert {row.verdict for row in only.rows[1:]} == {"not tested"}


def test_a_headline_that_only_the_correction_saves_is_said():
    labels, old = np.arange(60) % 2, np.ones(60, int)
    new = old * (np.arange(60) >= 6)  # 6 broken: p = 2 / 2^6
    runs = [records_of_answers(np.where(right, labels, 2)[:, None], labels, 3) for right in (old, new)]
    found = compare_runs(*runs, **FAST)
    assert found.headline.p == 2 / 2**6 and found.headline.p_adjusted == 4 / 2**6 and not found.regressed
    assert "Tested alone, the headline would be worse; beside the others it is not clear" in run_lines(found)[2]
    alone = compare_runs(*runs, fail_on="headline", **FAST)
    assert alone.regressed and "Tested alone" not in " ".join(run_lines(alone))


@pytest.mark.parametrize("about", ["budgets", "costs", "groups"])
def test_what_never_occurs_cannot_decide_alone(about):
    with pytest.raises(TtscaleError, match=f"fail_on: expected comparisons that these runs allow, got {about}"):
        compare_runs(*two(np.ones(20, int), np.ones(20, int)), fail_on=[about])


def test_a_margin_asks_for_proof():
    rng = np.random.default_rng(0)
    many, few, other = rng.random(4000) < 0.8, np.arange(60) < 48, np.arange(60) >= 12
    changed = many ^ (rng.random(4000) < 0.01)
    assert not compare_runs(*two(many, changed), margin=0.02, **FAST).regressed
    unsure = compare_runs(*two(few, other), margin=0.02, **FAST)  # as many fixed as broken, and too few items
    assert unsure.regressed and unsure.headline.difference.value == 0 and not compare_runs(*two(few, other)).regressed
    assert verdict_words(unsure).endswith("cannot be ruled out.")
    lost = compare_runs(*two(many, many & (rng.random(4000) < 0.9)), margin=0.02, **FAST)
    assert verdict_words(lost) == "New is worse: it loses more than 2 percentage points."


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"margin": 1}, "margin: expected a fraction in (0, 1), or none, got 1. Give 0.01 for 1"),
        ({"margin": 0.0}, "margin: expected a fraction"),
        ({"margin": 0.1, "fail_on": ["groups"]}, "fail_on: expected the headline alone beside a margin"),
        ({"fail_on": "group"}, "Did you mean groups?"),
        ({"fail_on": []}, "fail_on: expected at least one"),
        ({"fail_on": None}, "fail_on: expected all, or some of headline"),
        ({"fail_on": 3}, "fail_on: expected all, or some of headline"),
        ({"members": []}, "members: expected a name, or a list of names, got []"),
        ({"members": 3}, "members: expected a name, or a list of names, got 3"),
        ({"items": "some"}, "items: expected"),
        ({"budget": 9}, "budget: expected draws an item, from 1 to 4 (old has 4, new 4), got 9"),
        ({"ci": 95}, "ci: expected"),
        ({"n_boot": 3}, "n_boot: expected"),
        ({"vote": "plurlity"}, "Did you mean plurality?"),
        ({"members": "t-0"}, "member: expected a known name"),
        ({"members": {"old": "s-0"}}, "members: expected one for both runs, or the keys old and new, got old"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(options, said):
    records = make_records(30, seeds=1, sizes=("s",))
    with pytest.raises(TtscaleError) as error:
        compare_runs(records, records, **options)
    assert said in str(error.value)


def test_summaries_are_not_enough(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    for given in (tmp_path, tmp_path / "summary.json"):
        with pytest.raises(TtscaleError, match="old: expected Records, which hold every item"):
            compare_runs(given, given)
    with pytest.raises(TtscaleError, match="old: expected"):
        compare_runs(tmp_path / "nothing", tmp_path)


def test_the_summary_is_json_and_holds_every_flip():
    rng = np.random.default_rng(0)
    found = compare_runs(*two(rng.random(50) < 0.6, rng.random(50) < 0.6), **FAST)
    summary = json.loads(json.dumps(run_summary(found), allow_nan=False))
    assert len(summary["broken"]) == found.headline.broken and len(summary["fixed"]) == found.headline.fixed
    assert summary["rows"][0]["difference"].keys() == {"value", "low", "high"}
    assert summary["text"] == run_lines(found)


def test_what_is_no_run_is_named():
    records = make_records(30, seeds=1, sizes=("s",))
    for given, name in (((None, records), "old"), ((records, [records]), "new")):
        with pytest.raises(TtscaleError, match=f"{name}: expected Records, or their path"):
            compare_runs(*given)


def test_a_run_against_itself_is_good_enough_for_any_margin():
    records = make_records(30, seeds=1, sizes=("s",))
    found = compare_runs(records, records, margin=1e-6, **FAST)
    assert not found.regressed and found.headline.difference.as_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}
    again = make_records(30, seeds=1, sizes=("s",))  # the same numbers, but of another run as far as can be known
    assert compare_runs(records, again, margin=1e-6, **FAST).regressed


# How often it is wrong


def alarms(made, n: int) -> int:
    return sum(compare_runs(*made(np.random.default_rng(seed)), n_boot=40).regressed for seed in range(n))


def test_equal_runs_rarely_raise_an_alarm_and_worse_ones_mostly_do():
    """Images under two equally good models, 4 budgets and 3 classes: half of the 5 % are of losses, up to chance."""

    def images(rng: np.random.Generator, drop: float = 0.0) -> list[Records]:
        ease, labels = rng.beta(3, 1, 150), rng.integers(0, 3, 150)

        def run(ease):
            right = rng.random((150, 4)) < ease[:, None]
            return records_of_answers(np.where(right, labels[:, None], 3), labels, 4)

        return [run(ease), run(np.clip(ease - drop, 0, 1))]

    assert alarms(images, 250) <= binom.ppf(0.999, 250, 0.025)
    assert alarms(lambda rng: images(rng, 0.25), 10) == 10


def test_equal_samples_rarely_raise_an_alarm():
    def samples(rng: np.random.Generator) -> list[Records]:
        ease = rng.beta(1, 1, 60)
        correct = np.tile([True, False], (60, 1))
        return [samples_of((rng.random((60, 4)) > ease[:, None]).astype(int), correct) for _ in range(2)]

    assert alarms(samples, 120) <= binom.ppf(0.999, 120, 0.025)


@pytest.mark.parametrize("n", [(4, 4), (2, 12)])
def test_mcnemar_of_equal_samples_keeps_its_level(n):
    """Also where a difference is not tested: what McNemar's test says of fixed and broken is right or not said."""

    def p_of(seed: int) -> float:
        rng, correct = np.random.default_rng(seed), np.tile([True, False], (60, 1))
        ease = rng.beta(1, 1, 60)
        runs = [samples_of((rng.random((60, one)) > ease[:, None]).astype(int), correct) for one in n]
        return compare_runs(*runs, budget=2, n_boot=40).headline.mcnemar

    assert sum(p_of(seed) <= 0.05 for seed in range(120)) <= binom.ppf(0.999, 120, 0.05)


@pytest.mark.parametrize("kind", ["few decisions", "shares", "clusters"])
def test_a_loss_of_the_margin_rarely_passes(kind):
    """At a true loss of exactly the margin at most 2.5 % pass, up to chance."""
    passed = 0
    for seed in range(400):
        rng, units = np.random.default_rng(seed), None
        if kind == "few decisions":
            margin, change = 0.02, -(rng.random(200) < 0.02).astype(float)
        elif kind == "shares":
            margin, change = 0.02, np.where(rng.random(100) < 0.04, -rng.random(100), 0.0)
        else:
            margin, units = 0.3, np.repeat(np.arange(20), 10)
            change = -(rng.random(200) < np.repeat(rng.random(20) < 0.3, 10)).astype(float)
        passed += lower_bound(change, units, 0.025, seed=seed) > -margin
    assert passed <= binom.ppf(0.999, 400, 0.025)


def test_progress_and_types():
    seen: list[float] = []
    found = compare_runs(*two(np.ones(10, int), np.ones(10, int)), on_progress=seen.append, **FAST)
    assert isinstance(found, RunComparison) and seen == sorted(seen) and seen[-1] <= 1
