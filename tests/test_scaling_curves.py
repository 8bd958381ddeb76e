"""Curves against brute force, intervals, differences and gains."""

import subprocess
import sys

import numpy as np
import pytest
from scaling_example import curve_with, make_records, records_of_answers

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.combined import gain_per_flop, mean_curve, paired_difference
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.planning.candidates import candidates
from ttscale.scaling.strategy import Strategy, ensemble, product, spread, tta
from ttscale.voting.decisions import credit
from ttscale.voting.merges import VOTES, merge


def brute_force(records, strategy, k):
    """Credit of the first k draws, all in memory, one budget at a time."""
    at = {v: i for i, v in enumerate(records.variants)}
    stacked = np.stack([records.log_probs(m)[:, at[v]] for m, v in strategy.draws[:k]], 1)
    return credit(merge(stacked, strategy.vote), records.labels)


@pytest.mark.parametrize("vote", VOTES)
def test_every_budget_equals_its_own_vote(vote):
    records = make_records(80)
    strategy = product(records, ["s8-0", "s16-1", "s8-1"], vote=vote)
    curve = accuracy_curve(records, strategy, n_boot=50)
    assert curve.credit.shape == (12, 80) and curve.credit.dtype == np.float64
    for k in curve.budgets:
        np.testing.assert_allclose(curve.credit[k - 1], brute_force(records, strategy, k), rtol=1e-6)
    np.testing.assert_allclose(curve.accuracy, curve.credit.mean(1), rtol=1e-6)


def test_plurality_with_shared_ties_by_hand():
    answers = [[0, 1, 1, 0], [1, 1, 0, 0], [2, 0, 1, 0]]
    curve = accuracy_curve(records_of_answers(np.array(answers), [0, 0, 0], 3), vote="plurality", n_boot=50)
    expected = [[1, 1 / 2, 0, 1 / 2], [0, 0, 0, 1 / 2], [0, 1 / 2, 1 / 3, 1]]
    np.testing.assert_allclose(curve.credit.T, expected, rtol=1e-6)
    np.testing.assert_allclose(curve.accuracy, np.mean(expected, axis=0), rtol=1e-6)


def test_default_strategy_and_order_of_draws():
    records = make_records(60, views=3)
    curve = accuracy_curve(records, n_boot=50)
    members = [m.name for m in records.members]
    assert curve.strategy.draws == tuple((m, v) for v in records.variants for m in members)
    alone = make_records(60, sizes=("s8",), seeds=1)
    assert accuracy_curve(alone, n_boot=50).kind == "tta"


def test_cost_and_multiplier():
    records = make_records(60, views=2)
    curve = accuracy_curve(records, product(records, ["s16-0", "s8-0"]), n_boot=50)
    assert curve.flops.tolist() == [4e6, 5e6, 9e6, 10e6]
    assert curve.multiplier.tolist() == [1, 1.25, 2.25, 2.5] and curve.reference_member == "s16-0"
    other = accuracy_curve(records, product(records, ["s16-0", "s8-0"]), n_boot=50, reference="s8-0")
    assert other.multiplier.tolist() == [4, 5, 9, 10]


def test_blocks_and_budgets_change_nothing():
    records = make_records(90)
    whole = accuracy_curve(records, n_boot=50)
    some = accuracy_curve(records, n_boot=50, budgets=[2, 5, 16])
    assert some.budgets.tolist() == [2, 5, 16]
    assert np.array_equal(some.credit, whole.credit[[1, 4, 15]])
    assert np.array_equal(some.replicates, whole.replicates[:, [1, 4, 15]])
    order = np.random.default_rng(0).permutation(90)
    assert np.array_equal(accuracy_curve(records.take(order), n_boot=50).credit, whole.credit[:, order])


def test_float16_records():
    half = accuracy_curve(make_records(200, dtype=np.float16), n_boot=50)
    full = accuracy_curve(make_records(200), n_boot=50)
    assert (half.credit != full.credit).mean() < 0.01


def test_same_seed_same_interval_and_level_is_obeyed():
    records = make_records(200)
    a, b = accuracy_curve(records, n_boot=200, seed=1), accuracy_curve(records, n_boot=200, seed=1)
    assert np.array_equal(a.replicates, b.replicates) and np.array_equal(a.low, b.low)
    wide = accuracy_curve(records, n_boot=200, seed=1, ci=0.99)
    assert (wide.low <= a.low).all() and (wide.high >= a.high).all() and wide.level == 0.99
    assert a.at(3).method == "percentile bootstrap over 200 items, 200 resamples"


def test_clusters_widen_the_interval():
    labels = np.repeat(np.random.default_rng(0).integers(0, 2, 40), 10)
    records = records_of_answers(np.zeros((400, 1), int), labels, 2, clusters=[f"c{i // 10}" for i in range(400)])
    plain = records_of_answers(np.zeros((400, 1), int), labels, 2)
    by_cluster, by_item = (accuracy_curve(r, n_boot=400) for r in (records, plain))
    width = lambda c: c.high[0] - c.low[0]  # noqa: E731
    assert width(by_cluster) > 2.5 * width(by_item)  # √10 ≈ 3.2 times
    assert "40 clusters of items" in by_cluster.method


def test_where_all_items_agree_the_interval_is_wilsons():
    curve = accuracy_curve(records_of_answers(np.zeros((40, 2), int), np.zeros(40, int), 3), n_boot=50)
    assert curve.accuracy.tolist() == [1, 1] and curve.high.tolist() == [1, 1]
    assert curve.low == pytest.approx(40 / (40 + 1.959964**2))


def test_paired_difference_against_direct_resampling():
    rng = np.random.default_rng(2)
    a, b = (curve_with(rng.random((2, 150)) < p, name=n, n_boot=300) for p, n in ((0.7, "a"), (0.6, "b")))
    got = paired_difference(a, 2, b, 1)
    direct = curve_with((a.credit[1] - b.credit[0])[None], n_boot=300)
    assert got.value == pytest.approx(a.accuracy[1] - b.accuracy[0])
    assert (got.low, got.high) == pytest.approx((direct.low[0], direct.high[0]))


def test_a_paired_interval_is_narrower_than_an_unpaired_one():
    rng = np.random.default_rng(2)
    easy = rng.random(500) < 0.6
    flips = rng.random((2, 500)) < 0.03
    a, b = (curve_with((easy ^ flip)[None], n_boot=300) for flip in flips)
    paired = paired_difference(a, 1, b, 1)
    assert paired.high - paired.low < 0.6 * (a.high[0] - a.low[0])
    assert paired_difference(a, 1, a, 1).value == 0 and not paired_difference(a, 1, a, 1).excludes_zero


def test_gain_per_flop_by_hand():
    rng = np.random.default_rng(0)
    curve = curve_with(rng.random((3, 100)) < [[0.5], [0.6], [0.7]], flops=[2e9, 4e9, 8e9], n_boot=200)
    first, second, third = gain_per_flop(curve)
    assert np.isnan([first.value, first.low, first.high]).all()
    assert second.value == pytest.approx(100 * (curve.accuracy[1] - curve.accuracy[0]) / 2)
    assert third.value == pytest.approx(100 * (curve.accuracy[2] - curve.accuracy[0]) / 6)
    pair = paired_difference(curve, 3, curve, 1)
    assert (third.low, third.high) == pytest.approx((100 * pair.low / 6, 100 * pair.high / 6))
    assert gain_per_flop(curve, since="previous")[2].value == pytest.approx(
        100 * (curve.accuracy[2] - curve.accuracy[1]) / 4
    )
    assert np.isnan(gain_per_flop(curve_with(curve.credit, flops=[1, 1, 1]))[2].value)  # no cost was added


def test_mean_curve_averages_item_by_item():
    rng = np.random.default_rng(0)
    curves = [curve_with(rng.random((2, 80)) < 0.5, n_boot=60, flops=[f, 2 * f]) for f in (1.0, 3.0)]
    mean = mean_curve(curves, "mean")
    np.testing.assert_allclose(mean.credit, (curves[0].credit + curves[1].credit) / 2)
    np.testing.assert_allclose(mean.replicates, (curves[0].replicates + curves[1].replicates) / 2)
    assert mean.flops.tolist() == [2, 4] and mean.flops_worst.tolist() == [3, 6] and mean.strategy is None
    assert mean_curve(curves[:1], "one").name == "one"


def test_strategies():
    records = make_records(30, views=3)
    assert tta(records, "s8-1").draws == tuple(("s8-1", v) for v in records.variants)
    assert ensemble(records, ["s8-1", "s8-0"]).draws == (("s8-1", "identity"), ("s8-0", "identity"))
    assert ensemble(records, ["s8-1"]).kind == "single" and product(records, ["s8-1"]).kind == "tta"
    names = [s.name for s in candidates(records, votes=("mean", "plurality"))]
    assert len(set(names)) == len(names) == 2 * (4 + 3 * 2 + 3 + 8 * 2)  # 4 pairs and 4 triples
    assert {"tta/s8-0", "ensemble/s8", "product/s16/plurality", "ensemble/all"} <= set(names)
    assert spread(records, ["s8-1", "s8-0"]).draws == (("s8-1", "identity"), ("s8-0", "view1"))
    around = spread(records, ["s8-0", "s8-1", "s16-0", "s16-1"]).draws
    assert [view for _, view in around] == ["identity", "view1", "view2", "identity"]  # of three views
    assert spread(records, ["s8-1"]).kind == "single"
    everyone = next(s for s in candidates(records) if s.name == "ensemble/all")
    assert everyone.members == ("s8-0", "s8-1", "s16-0", "s16-1")  # cheapest first
    assert [s.kind for s in candidates(make_records(30, sizes=("s8",), seeds=1, views=1))] == ["single"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: accuracy_curve("runs/x"), "records: expected Records, got str"),
        (lambda r: accuracy_curve(r, ci=95), "Give 0.95 for 95 %"),
        (lambda r: accuracy_curve(r, vote="means"), "Did you mean mean"),
        (lambda r: accuracy_curve(r, n_boot=10), "at least 40 for level 0.95"),
        (lambda r: accuracy_curve(r, seed="a"), "seed: "),
        (lambda r: accuracy_curve(r, budgets=[1, 99]), "from 1 to the 16 draws at hand, got 1, 99"),
        (lambda r: accuracy_curve(r, budgets=[0, 1]), "from 1 to"),
        (lambda r: accuracy_curve(r, budgets=[2, 1]), "increasing"),
        (lambda r: accuracy_curve(r, budgets=[]), "increasing"),
        (lambda r: accuracy_curve(r, reference="s9-0"), "Did you mean s8-0"),
        (lambda r: accuracy_curve(r, "tta"), "expected a Strategy"),
        (lambda r: accuracy_curve(r, Strategy("x", "tta", (), "mean")), "at least one draw"),
        (lambda r: accuracy_curve(r, Strategy("x", "tta", (("s8-0", "identty"),), "mean")), "Did you mean identity"),
        (lambda r: accuracy_curve(r, Strategy("x", "tta", (("s8-0", "view1"),) * 2, "mean")), "a repeated draw"),
        (lambda r: tta(r, "s8"), "Did you mean s8-1 or s8-0"),
        (lambda r: ensemble(r, []), "different member names"),
        (lambda r: ensemble(r, ["s8-0", "s8-0"]), "different member names"),
        (lambda r: product(r, "s8-0"), "different member names"),
        (lambda r: candidates(r, votes="mean"), "a list of votes"),
        (lambda r: accuracy_curve(r.take([0])), "at least 2 items"),
        (lambda r: accuracy_curve(r, n_boot=50).at(17), r"k: expected one of the budgets of .*, 1, 2, … 16"),
        (lambda r: gain_per_flop(accuracy_curve(r, n_boot=50), since="last"), '"first" or "previous"'),
        (lambda r: mean_curve([], "x"), "at least one curve"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(TtscaleError, match=message):
        call(make_records(30))


def test_curves_that_cannot_be_compared():
    records = make_records(40)
    curve = accuracy_curve(records, n_boot=50)
    for other, message in (
        (accuracy_curve(records.take(range(30)), n_boot=50), "different items"),
        (accuracy_curve(records, n_boot=60), "the same resamples"),
        (accuracy_curve(records, n_boot=50, seed=1), "the same resamples"),
    ):
        with pytest.raises(TtscaleError, match=message):
            paired_difference(curve, 1, other, 1)
    with pytest.raises(TtscaleError, match="equal budgets"):
        mean_curve([curve, accuracy_curve(records, n_boot=50, budgets=[1, 2])], "x")


def test_one_class_is_refused():
    with pytest.raises(TtscaleError, match="at least 2 classes"):
        accuracy_curve(Records.from_arrays({"m": np.zeros((5, 2, 1))}, np.zeros(5, int)))


def test_analysis_never_loads_torch():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from scaling_example import make_records\n"
        "from ttscale.scaling.summaries.summary import summarize\n"
        "from ttscale.scaling.fits.fit_law import fit_law\n"
        "summary = summarize(make_records(60), min_accuracy=0.3, n_boot=50)\n"
        "assert summary['plan'] and summary['fits']\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
