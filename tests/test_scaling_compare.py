"""Two strategies side by side, and what a strategy is worth in ensemble members: against arithmetic by hand and R."""

import math

import numpy as np
import pytest
from scaling_example import make_records, records_of_answers
from scipy.stats import binomtest

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.quality.compare import compare, holm, mcnemar
from ttscale.scaling.quality.equivalent import equivalent, members_for
from ttscale.scaling.quality.quality import quality
from ttscale.scaling.strategy import ensemble, product, tta


def two_members(right_a, right_b, **more) -> Records:
    """Members that give 0.9 to the label where they are right, and to the other class where they are wrong."""
    labels = np.arange(len(right_a)) % 2
    several = {
        name: records_of_answers(np.where(right, labels, 1 - labels)[:, None], labels, 2).log_probs("m")
        for name, right in (("a", right_a), ("b", right_b))
    }
    return Records.from_arrays(several, labels, **more)


def test_fixed_and_broken_by_hand():
    a = np.array([1, 1, 1, 0, 0, 1, 1, 1], bool)
    b = np.array([1, 0, 0, 1, 0, 0, 0, 1], bool)
    records = two_members(a, b, item_ids=list("stuvwxyz"))
    found = compare(records, tta(records, "a"), 1, tta(records, "b"), 1, n_boot=100)
    assert found.fixed == ("t", "u", "x", "y") and found.broken == ("v",)
    assert found.difference.value == pytest.approx(3 / 8)
    assert found.p == pytest.approx(2 * (1 + 5) / 2**5)  # 4 of 5: twice the tail of a fair coin
    assert found.nll_difference.value == pytest.approx(-3 / 8 * math.log(9))
    back = compare(records, tta(records, "b"), 1, tta(records, "a"), 1, n_boot=100)
    assert (back.fixed, back.broken, back.p) == (found.broken, found.fixed, found.p)


def test_p_values_published():
    assert mcnemar(0, 0) == 1.0 and mcnemar(5, 5) == 1.0
    assert all(mcnemar(a, b) == pytest.approx(binomtest(a, a + b).pvalue) for a, b in ((0, 7), (3, 4), (90, 61)))
    # Agresti, Categorical Data Analysis: 86 against 150; R: binom.test(86, 236)$p.value
    assert mcnemar(86, 150) == pytest.approx(3.716e-05, rel=1e-3)
    assert holm([0.01, 0.04, 0.03, math.nan]) == pytest.approx([0.03, 0.06, 0.06, math.nan], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_difference_is_the_paired_one_of_curves():
    records = make_records(200)
    a, b = product(records, ["s8-0", "s8-1"]), tta(records, "s16-0")
    found = compare(records, a, 8, b, 1, n_boot=80)
    curves = [accuracy_curve(records, one, n_boot=80) for one in (a, b)]
    expected = paired_difference(curves[0], 8, curves[1], 1)
    assert (found.difference.value, found.difference.low, found.difference.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert found.detectable > 0 and (found.a, found.k_a, found.k_b) == (a.name, 8, 1)
    assert found.calibrated_nll_difference.low < found.calibrated_nll_difference.value


def test_no_p_value_of_clustered_items():
    right = np.random.default_rng(0).random((2, 40)) < 0.6
    records = two_members(*right, clusters=[f"c{i // 4}" for i in range(40)])
    found = compare(records, tta(records, "a"), 1, tta(records, "b"), 1, n_boot=80)
    assert math.isnan(found.p) and found.fixed and found.difference.low < found.difference.high


def test_members_between_whole_ones():
    ladder = [0.5, 0.7, 0.8, 0.75]
    for wanted, expected in ((0.4, 1), (0.5, 1), (0.6, 1.5), (0.7, 2), (0.79, 2.9), (0.8, 3), (0.81, math.inf)):
        assert members_for(np.array([[wanted, *ladder]]))[0] == pytest.approx(expected)
    assert members_for(np.array([[0.6, 0.5, 0.5, 0.7]]))[0] == pytest.approx(2.5)  # a step of 0 between


def test_an_ensemble_is_worth_itself_and_one_view_one_member():
    records = make_records(400, sizes=("s8",), seeds=4, views=3)
    names = [m.name for m in records.members]
    turns = [ensemble(records, names[i:] + names[:i], subject="s8") for i in range(4)]
    team = quality(records, turns, [1, 2, 3, 4], n_boot=100)
    for k in (1, 2, 4):
        for metric in ("nll", "accuracy"):
            found = equivalent(team, k, team, metric)
            assert found.members.value == pytest.approx(k, abs=1e-6) or metric == "accuracy"
            assert found.members.low <= found.members.value <= found.members.high and not found.beyond
    one = quality(records, [tta(records, name) for name in names], [1, 3], n_boot=100)
    assert equivalent(one, 1, team).members.value == pytest.approx(1, abs=1e-6)
    views = equivalent(one, 3, team)
    assert 1 < views.members.value < 4 and views.share_beyond < 0.5
    everything = quality(records, [product(records, names)], n_boot=100)
    beyond = equivalent(everything, 12, team)
    assert beyond.beyond and beyond.n_members == 4 and beyond.share_beyond > 0.5
    assert math.isinf(beyond.members.high)


def test_equivalent_by_hand():
    records = make_records(300, sizes=("s8",), seeds=3, views=2)
    team = quality(records, ensemble(records, [m.name for m in records.members]), [1, 2, 3], n_boot=100)
    views = quality(records, tta(records, "s8-0"), [2], n_boot=100)
    ladder = [-team.of_items("calibrated_nll", k).mean() for k in (1, 2, 3)]
    wanted = -views.of_items("calibrated_nll", 2).mean()
    assert ladder[0] < wanted < ladder[1]
    expected = 1 + (wanted - ladder[0]) / (ladder[1] - ladder[0])
    assert equivalent(views, 2, team).members.value == pytest.approx(expected)


def test_without_a_finite_likelihood_nothing_is_worth_anything():
    records = make_records(60, sizes=("s8",), seeds=2, views=2)
    names = [m.name for m in records.members]
    team = quality(records, ensemble(records, names, vote="plurality"), [1, 2], n_boot=50)
    views = quality(records, tta(records, names[0], vote="plurality"), [2], n_boot=50)
    assert math.isnan(equivalent(views, 2, team).members.value)
    assert not math.isnan(equivalent(views, 2, team, "accuracy").members.value)


def test_bad_input():
    records = make_records(40)
    with pytest.raises(TtscaleError, match="from 1 to the 4 draws"):
        compare(records, tta(records, "s8-0"), 5, tta(records, "s8-0"), 1)
    with pytest.raises(TtscaleError, match="expected a Strategy"):
        compare(records, "tta", 1, tta(records, "s8-0"), 1)
