"""Crossings, exchange rates, cross-fitted choices, ladders and verdicts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_example import curve_with, log_softmax, make_records

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals.bootstrap import bootstrap_means
from ttscale.scaling.intervals.crossfit import Contest
from ttscale.scaling.intervals.halves import first_half, folds
from ttscale.scaling.strategy import ensemble, tta
from ttscale.scaling.tradeoff.crossing import crossing, exchange_rate, ten_x_training_equals
from ttscale.scaling.tradeoff.entrants import Entrants
from ttscale.scaling.tradeoff.exchanges import _exchange_words, exchange_between
from ttscale.scaling.tradeoff.ladder import Option, Rung, climb, same_items
from ttscale.scaling.tradeoff.measured_lives import lives
from ttscale.scaling.tradeoff.pareto import pareto
from ttscale.scaling.tradeoff.tradeoff import tradeoff

# Jones 2021, "Scaling scaling laws with board games": at equal strength, d log10 test / d log10 train = −1.2.
JONES_SLOPE, JONES_TEN_X = -1.2, 15.848931924611133


def test_crossing_by_hand():
    flops = np.array([1e6, 1e8, 1e10])
    cost, row = crossing(flops, np.array([0.5, 0.6, 0.8]), 0.7)
    assert cost == pytest.approx(1e9) and row == 2  # half of the way from 0.6 to 0.8, in log FLOPs
    assert crossing(flops, np.array([0.5, 0.6, 0.8]), 0.6) == (pytest.approx(1e8), 1)
    assert crossing(flops, np.array([0.5, 0.6, 0.8]), 0.4) == (pytest.approx(1e6), 0)
    assert crossing(flops, np.array([0.5, 0.6, 0.8]), 0.9)[0] == np.inf
    assert crossing(flops, np.array([0.5, 0.7, 0.4]), 0.65)[0] == pytest.approx(1e6 * 10 ** (2 * 0.75))  # the first


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=6, max_size=6), min_size=1, max_size=5),
    st.lists(st.floats(0, 1), min_size=5, max_size=5),
)
def test_crossing_of_many_curves_against_a_loop(curves, targets):
    flops = np.cumsum(np.arange(1.0, 7.0))
    targets = np.array(targets[: len(curves)])
    got, _ = crossing(flops, np.array(curves), targets)
    for cost, curve, target in zip(got, curves, targets, strict=True):
        expected = np.inf
        for i, accuracy in enumerate(curve):
            if accuracy >= target:
                expected = flops[i]
                if i:
                    share = (target - curve[i - 1]) / (accuracy - curve[i - 1])
                    expected = np.exp(np.interp(share, [0, 1], np.log(flops[i - 1 : i + 1])))
                break
        assert cost == pytest.approx(expected)


def test_exchange_rate_and_ten_x():
    assert exchange_rate(JONES_TEN_X, 10.0) == pytest.approx(-JONES_SLOPE)
    assert ten_x_training_equals(-JONES_SLOPE) == pytest.approx(JONES_TEN_X)
    assert exchange_rate(np.inf, 3.0) == np.inf and exchange_rate(0.5, 2.0) == pytest.approx(-1)
    assert np.isnan(exchange_rate([2.0, 2.0, 2.0], [1.0, 0.5, np.nan])).all()


def analytic(train, test, k, *, gain=1.0):
    """Accuracy whose lines of equal value have the slope of Jones 2021; credits equal for all items."""
    level = 0.1 * (-JONES_SLOPE * np.log10(train / 1e12) + gain * np.log10(test * np.asarray(k) / 1e6)) + 0.3
    return np.repeat(level[:, None], 20, axis=1)


def rung_and_option(size, train, test, budgets, n_boot=50):
    curve = curve_with(analytic(train, test, np.arange(1, budgets + 1)), flops=test * np.arange(1, budgets + 1.0),
                       name=f"tta/{size}", kind="tta", subject=size, n_boot=n_boot)  # fmt: skip
    rung = Rung(size, (size,), 1.0, test, train, curve.at(1), curve)
    return rung, Option(size, curve, np.full(budgets, train))


def test_exchange_of_analytic_curves_is_jones_rate():
    small, option = rung_and_option("small", 1e12, 1e6, 64)
    big, _ = rung_and_option("big", 3e12, 4e6, 1)
    found = exchange_between(small, big, option)
    assert found.crosses and found.share_crossing == 1
    assert found.train_ratio == pytest.approx(3)
    assert found.test_ratio == pytest.approx(3**1.2, rel=1e-4)
    assert found.rate.value == pytest.approx(1.2, rel=1e-4)
    assert found.ten_x_training_equals == pytest.approx(JONES_TEN_X, rel=1e-3)
    assert (found.rate.low, found.rate.high) == pytest.approx((1.2, 1.2), rel=1e-4)
    assert "10 × less training costs 15.8 × the test compute" in found.text


def test_a_rate_beyond_what_a_number_holds_is_infinite_and_told_in_words():
    """A thousandth more training halves the test FLOPs: 10^693."""
    small, option = rung_and_option("small", 1e12, 1e6, 64)
    big, _ = rung_and_option("big", 1.001e12, 1e6, 1)
    found = exchange_between(small, replace(big, flops=big.flops / 2), option)
    assert found.rate.value == pytest.approx(math.log(2) / math.log(1.001), rel=0.01)
    assert found.ten_x_training_equals == ten_x_training_equals(found.rate.value) == math.inf
    assert "too little difference in training to speak of a rate" in found.text
    told = _exchange_words(replace(found, train_ratio=2.0), "Views", "one view", False)
    assert "10 × less training costs more than 1,000,000 × the test compute (95% interval no upper limit" in told


def test_the_luck_of_training_moves_crossings_and_rates():
    """Of items that are all alike only training is left: the rate varies by what both rungs' seeds vary by."""
    small, option = rung_and_option("small", 1e12, 1e6, 64, n_boot=4000)
    big, _ = rung_and_option("big", 3e12, 4e6, 1, n_boot=4000)
    spread = {"small": 0.01, "big": 0.02}
    lucky = [replace(one, members=("a", "b"), seed_sd=spread[one.name]) for one in (small, big)]
    found = exchange_between(*lucky, option)
    sd = math.hypot(0.01, 0.02) / math.sqrt(2)  # two seeds each; 0.1 of accuracy is a factor of 10 in test FLOPs
    half = 1.96 * sd / 0.1 / np.log10(3)
    assert found.rate.value == pytest.approx(1.2, rel=1e-4)
    assert (found.rate.low, found.rate.high) == pytest.approx((1.2 - half, 1.2 + half), rel=0.1)
    of_twenty = math.sqrt(20 / 19) * 2.093  # Student's t of so few items, as for all paired differences
    assert found.gap.high - found.gap.low == pytest.approx(2 * of_twenty * sd, rel=0.1)
    assert found.share_crossing > 0.99
    near, _ = rung_and_option("near", 3e12, 1.8e7, 1, n_boot=4000)  # 64 draws just reach it: only with luck
    reached = exchange_between(lucky[0], replace(near, members=("a", "b"), seed_sd=0.02), option)
    assert 0.4 < reached.share_crossing < 0.6


def test_the_luck_of_training_is_in_the_lives_of_what_was_measured():
    pairs = [rung_and_option("small", 1e12, 1e6, 64, n_boot=200), rung_and_option("big", 3e12, 8e6, 2, n_boot=200)]
    error = 1 - analytic(3e12, 8e6, [1])[0, 0] + 0.01
    found = {}
    for sd in (0.0, 0.02):
        rungs = [replace(rung, members=("a", "b"), seed_sd=sd) for rung, _ in pairs]
        (found[sd],) = lives(Entrants.of(rungs, [], [option for _, option in pairs]), error).break_evens
    assert found[0.0].queries.low == found[0.0].queries.value == found[0.0].queries.high
    assert found[0.02].queries.low < found[0.02].queries.value < found[0.02].queries.high
    assert found[0.02].queries.value == found[0.0].queries.value


def test_queries_break_even_with_whole_draws():
    """The curve crosses between 2 and 3 draws; nobody can draw less than 3."""
    small, option = rung_and_option("small", 1e12, 1e6, 8)
    big, _ = rung_and_option("big", 1.5e12, 1.6e6, 1)
    found = exchange_between(small, big, option)
    assert 2 < found.test_ratio * 1.6 < 3
    assert found.break_even.queries.value == pytest.approx(0.5e12 / (3e6 - 1.6e6))


def test_a_curve_that_never_arrives_has_a_gap_and_no_rate():
    small, option = rung_and_option("small", 1e12, 1e6, 4)
    big, _ = rung_and_option("big", 1e14, 1e7, 1)
    found = exchange_between(small, big, option)
    assert not found.crosses and found.share_crossing == 0
    assert np.isnan([found.rate.value, found.rate.low, found.test_ratio, found.ten_x_training_equals]).all()
    gap = analytic(1e12, 1e6, [4])[0, 0] - analytic(1e14, 1e7, [1])[0, 0]
    assert found.gap.value == pytest.approx(gap, abs=1e-6)
    assert f"does not reach one view of big: −{-100 * gap:.2f} percentage points" in found.text


def test_the_training_of_every_member_counts():
    """Three small models reach the big one; with 3 × the training of one they may cost as much as it."""
    small, option = rung_and_option("small", 1e12, 1e6, 16)
    counted = Option("small", option.curve, 1e12 * np.minimum(np.arange(1.0, 17.0), 3.0))
    big, _ = rung_and_option("big", 6e12, 1e6, 1)
    found = exchange_between(small, big, counted)
    assert found.train_ratio == pytest.approx(2)  # 6e12 against 3 × 1e12
    assert found.rate.value == pytest.approx(1.2 * np.log(6) / np.log(2), rel=1e-4)
    close, _ = rung_and_option("close", 2.5e12, 1e6, 1)
    assert not exchange_between(small, close, counted).crosses  # it would take 3 models, more training than the one
    dear = Option("small", option.curve, np.full(16, 9e12))
    nothing = exchange_between(small, close, dear)
    assert not nothing.crosses and np.isnan(nothing.gap.value) and "nothing is exchanged" in nothing.text


def test_unknown_training_gives_a_test_ratio_but_no_rate():
    small, option = rung_and_option("small", 1e12, 1e6, 64)
    big, _ = rung_and_option("big", 3e12, 4e6, 1)
    found = exchange_between(small, big, Option("small", option.curve, np.full(64, np.nan)))
    assert found.crosses and found.test_ratio == pytest.approx(3**1.2, rel=1e-4) and np.isnan(found.rate.value)
    assert "training FLOPs are not known" in found.text


def test_the_rate_has_no_upper_limit_when_some_resamples_never_cross():
    rng = np.random.default_rng(0)
    credit = (rng.random(300) < np.array([0.5, 0.55, 0.6, 0.65])[:, None]).astype(float)
    curve = curve_with(credit, flops=[1e6, 2e6, 3e6, 4e6], kind="tta", subject="s", n_boot=300)
    plain = curve_with(rng.permutation(credit[3] * (np.arange(300) > 4))[None], flops=[8e6], n_boot=300)
    small, big = (Rung(n, (n,), 1.0, f, t, c.at(1), c) for n, f, t, c in
                  (("s", 1e6, 1e12, curve), ("b", 8e6, 1e13, plain)))  # fmt: skip
    found = exchange_between(small, big, Option("s", curve, np.full(4, 1e12)))
    assert found.crosses and 0.025 < found.share_crossing < 0.975
    assert found.rate.high == np.inf and np.isfinite(found.rate.low)
    assert not found.gap.excludes_zero and "too close to call: " in found.text


def test_cross_fitted_choice_by_hand():
    rng = np.random.default_rng(0)
    curve = curve_with(rng.random((5, 100)) < 0.5, n_boot=100)
    rival = (rng.random(100) < 0.5).astype(float)
    difference, choices, smallest = Contest.among([(curve, np.array([0, 2, 4]))]).against(rival)
    fold = folds(curve.item_ids, None, 10, seed=0)
    composite, picked = np.empty(100), []
    for scored in (fold == number for number in range(10)):
        best = max((0, 2, 4), key=lambda row, on=~scored: (curve.credit[row][on].sum(), -row))
        picked.append(best + 1)
        composite[scored] = curve.credit[best][scored]
    assert {choice.k for choice in choices} == set(picked)
    assert picked.count(choices[0].k) == max(map(picked.count, picked))
    assert difference.value == pytest.approx((composite - rival).mean())
    replicates = bootstrap_means((composite - rival)[None], n_boot=100)[:, 0]
    assert replicates.min() <= difference.low <= difference.high <= replicates.max()
    assert smallest == pytest.approx((1.959964 + 0.841621) * replicates.std(ddof=1), rel=1e-5)


def test_choosing_among_equals_wins_nothing():
    """30 options no better than the rival: picking the best on the same items gains points, cross-fitting none."""
    naive, honest, held = [], [], 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        ease = rng.beta(4, 2, 200)
        curve = curve_with(rng.random((30, 200)) < ease, n_boot=100)
        rival = (rng.random(200) < ease).astype(float)
        difference, _, _ = Contest.among([(curve, np.arange(30))]).against(rival)
        honest.append(difference.value)
        held += difference.low <= 0 <= difference.high
        naive.append(curve.accuracy.max() - rival.mean())
    assert np.mean(naive) > 0.05 and abs(np.mean(honest)) < 0.012 and held >= 70


def test_nine_tenths_choose_better_than_a_half():
    """Of two options 4 points apart, the better one is found more often."""
    rng = np.random.default_rng(0)
    gained = []
    for _ in range(600):
        right = rng.random((2, 300)) < np.array([[0.70], [0.74]])
        curve = curve_with(right.astype(float), n_boot=40)
        tenths, _, _ = Contest.among([(curve, np.arange(2))]).against(np.zeros(300))
        first = first_half(curve.item_ids, None, seed=0)
        halves = [right[np.argmax(right[:, chooser].mean(axis=1))][~chooser].mean() for chooser in (first, ~first)]
        gained.append(tenths.value - np.mean(halves))
    assert np.mean(gained) > 0.001


def test_ladder_and_options():
    records = make_records(200, sizes=("s8", "s16", "s32"), seeds=2, views=3)
    rungs, options = climb([records], vote="mean", ci=0.95, n_boot=50, seed=0)
    assert [r.name for r in rungs] == ["s8", "s16", "s32"]
    assert [r.flops for r in rungs] == [1e6, 4e6, 16e6] and [r.train_flops for r in rungs] == [1e12, 4e12, 16e12]
    plain = [accuracy_curve(records, tta(records, f"s16-{s}"), n_boot=50).accuracy[0] for s in (0, 1)]
    assert rungs[1].accuracy.value == pytest.approx(np.mean(plain)) and rungs[1].n_seeds == 2
    by_name = {o.curve.name: o for o in options}
    kinds, sizes = ("tta", "ensemble", "product"), ("s8", "s16", "s32")
    assert set(by_name) == {f"{kind}/{size}" for kind in kinds for size in sizes}
    assert by_name["tta/s8"].train_flops.tolist() == [1e12] * 3
    assert by_name["ensemble/s8"].train_flops.tolist() == [1e12, 2e12]
    assert by_name["product/s8"].train_flops.tolist() == [1e12] + [2e12] * 5
    both = accuracy_curve(records, ensemble(records, ["s8-0", "s8-1"]), n_boot=50)
    mean = by_name["ensemble/s8"].curve
    assert mean.accuracy[1] == pytest.approx(both.accuracy[1], abs=1e-6)  # all seeds: the same set in any order
    assert mean.accuracy[0] == pytest.approx(rungs[0].accuracy.value, abs=1e-6)  # one seed: the mean over seeds


def test_verdicts_spend_no_more_and_say_who_wins():
    records = make_records(400, sizes=("s8", "s16", "s32"), seeds=2)
    found = tradeoff(records, n_boot=200)
    assert [v.big for v in found.verdicts] == ["s16", "s32"] and len(found.curves) == 9 and found.notes == ()
    curves = {c.name: c for c in found.curves}
    for verdict in found.verdicts:
        for choice in verdict.choices:
            assert curves[choice.curve].flops[choice.k - 1] <= verdict.at_flops
        sign = {"small": verdict.difference.low > 0, "big": verdict.difference.high < 0}
        expected = next((who for who, true in sign.items() if true), "too close to call")
        assert verdict.winner == expected
        assert ("too close to call" in verdict.text) == (expected == "too close to call")
        assert "percentage points (95% interval" in verdict.text
        words = f"a difference of {100 * verdict.detectable:.2f} percentage points would have been detected with 80%"
        assert verdict.detectable > 0 and (words in verdict.text) == (expected == "too close to call")
    assert len(found.exchange) == 3 * 3  # three pairs of sizes × three curves


def test_a_small_difference_is_too_close_to_call():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    log_probs = {name: log_softmax(rng.normal(size=(60, 2, 3))) for name in ("a", "b")}
    found = tradeoff(Records.from_arrays(log_probs, labels, flops={"a": 1e6, "b": 3e6}), n_boot=200)
    assert found.verdicts[0].winner == "too close to call"
    assert "is too close to call" in found.verdicts[0].text
    assert "Training FLOPs are not known for a, b" in " ".join(found.notes)
    assert "one training seed" in found.notes[-1] and "no interval holds it" in found.notes[-1]


def test_the_bigger_model_can_win():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    good, bad = rng.normal(size=(2, 300, 2, 3))
    good[np.arange(300), :, labels] += 3
    log_probs = {"small": log_softmax(bad), "large": log_softmax(good)}
    records = Records.from_arrays(log_probs, labels, flops={"small": 1e6, "large": 3e6})
    verdict = tradeoff(records, n_boot=200).verdicts[0]
    assert verdict.winner == "big" and verdict.difference.high < 0
    assert verdict.text.startswith("At 3 MFLOPs per item, one view of large beats ") and ": +" in verdict.text


def test_several_records_are_joined_by_item():
    small, big = make_records(100, sizes=("s8",), seeds=1), make_records(100, sizes=("s8", "s16"), seeds=1)
    big = Records.from_arrays({"big": big.log_probs("s16-0")}, big.labels, flops={"big": 4e6})
    order = np.random.default_rng(0).permutation(100)
    one, two = tradeoff([small, big], n_boot=60), tradeoff([small, big.take(order)], n_boot=60)
    assert one.verdicts[0].difference == two.verdicts[0].difference
    assert [r.name for r in one.ladder] == ["s8", "big"]
    direct = paired_difference(accuracy_curve(small, n_boot=60), 1, accuracy_curve(big, n_boot=60), 1)
    assert one.ladder[0].accuracy.value - one.ladder[1].accuracy.value == pytest.approx(direct.value)


def test_curves_of_one_size_in_two_records_have_names_of_their_own():
    """Two folders, each with two seeds of s8 under its own views: which curve won must be told apart."""
    whole = make_records(200, sizes=("s8", "s16"), seeds=4, views=3)

    def part(names, variants):
        at = [whole.variants.index(v) for v in variants]
        return Records.from_arrays(
            {n: whole.log_probs(n)[:, at] for n in names}, whole.labels, variants=variants,
            flops={n: whole.member(n).flops for n in names}, cards={n: whole.member(n).card for n in names},
        )  # fmt: skip

    one = part(["s8-0", "s8-1", "s16-0"], ("identity", "view1"))
    two = part(["s8-2", "s8-3"], ("identity", "view2"))
    found = tradeoff([one, two], n_boot=60)
    assert [c.name for c in found.curves] == [
        "tta/s8 (records 1)", "tta/s8 (records 2)", "ensemble/s8 (records 1)", "product/s8 (records 1)",
        "ensemble/s8 (records 2)", "product/s8 (records 2)", "tta/s16",
    ]  # fmt: skip
    members = {c.name: c.members for c in found.curves}
    assert members["ensemble/s8 (records 2)"] == members["tta/s8 (records 2)"] == ("s8-2", "s8-3")
    assert found.ladder[0].members == ("s8-0", "s8-1", "s8-2", "s8-3") and found.ladder[0].n_seeds == 4
    same = tradeoff([one, part(["s8-2", "s8-3"], ("identity", "view1"))], n_boot=60)
    assert [c.name for c in same.curves][:2] == ["tta/s8", "ensemble/s8 (records 1)"]


def test_equal_accuracy_is_no_win():
    """The same model twice, one dearer, with seeds that average to thirds: the difference is 0, not 1e-17."""
    one = make_records(90, sizes=("s8",), seeds=3, views=1)
    both = {m.name: one.log_probs(m.name) for m in one.members}
    log_probs = both | {f"big-{i}": both[f"s8-{j}"] for i, j in enumerate((2, 0, 1))}
    cards = {name: {"size": name[:-2], "train_flops": 1e12} for name in log_probs}
    flops = {name: 1e6 if name in both else 2e6 for name in log_probs}
    records = Records.from_arrays(log_probs, one.labels, cards=cards, flops=flops)
    small, big = climb([records], vote="mean", ci=0.95, n_boot=50, seed=0)[0]
    assert small.accuracy.value == big.accuracy.value
    assert crossing(small.plain.flops, small.plain.accuracy, big.accuracy.value)[0] == pytest.approx(1e6)
    difference, _, _ = Contest.among([(small.plain, np.array([0]))]).against(big.plain.credit[0])
    assert difference.value == 0 and -difference.low == difference.high > 0


def test_progress_advances_to_the_end():
    told = []
    tradeoff(make_records(40), n_boot=50, on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) == 7 and 0 < told[0] < 0.2


def test_one_size_says_so():
    found = tradeoff(make_records(50, sizes=("s8",), seeds=3), n_boot=50)
    assert len(found.ladder) == 1 and found.verdicts == found.exchange == ()
    assert "one size (s8)" in " ".join(found.notes)


def test_bad_input():
    a = make_records(50)
    b = Records.from_arrays({"b": a.log_probs("s8-0")}, (a.labels + 1) % 5, flops={"b": 1.0})
    fewer = Records.from_arrays({"b": a.log_probs("s8-0")[:40]}, a.labels[:40])
    named = [
        Records.from_arrays({name: a.log_probs("s8-0")}, a.labels, class_names=list(classes))
        for name, classes in (("b", "abcde"), ("c", "abced"))
    ]
    free = Records.from_arrays({"b": a.log_probs("s8-0")}, a.labels, flops={"b": 0.0})
    for call, message in (
        (lambda: tradeoff([]), "at least one Records"),
        (lambda: tradeoff("runs/x"), "expected Records, got str"),
        (lambda: tradeoff([a, a]), "different members"),
        (lambda: tradeoff([a, b]), "equal labels"),
        (lambda: same_items([a, fewer]), "the same items"),
        (lambda: same_items(named), "the same classes in the same order, got class 3 'e' beside 'd'"),
        (lambda: tradeoff(free), "positive number"),
        (lambda: tradeoff(a, vote="median"), "vote: "),
        (lambda: tradeoff(a, ci=1.5), "ci: "),
    ):
        with pytest.raises(TtscaleError, match=message):
            call()


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25))
def test_pareto_against_brute_force(points):
    costs, values = np.array(points, dtype=float).reshape(-1, 2).T
    got = pareto(costs, values).tolist()
    front = [
        i for i, (c, v) in enumerate(points)
        if not any((c2 <= c and v2 > v) or (c2 < c and v2 >= v) or (c2 == c and v2 == v and j < i)
                   for j, (c2, v2) in enumerate(points))
    ]  # fmt: skip
    assert sorted(got) == front and got == sorted(got, key=lambda i: costs[i])


def test_pareto_leaves_nan_out():
    assert pareto(np.array([1.0, np.nan, 2.0, 3.0]), np.array([0.5, 0.9, np.nan, 0.6])).tolist() == [0, 3]
