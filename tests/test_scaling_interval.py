"""BCa and Wilson intervals against scipy, the jackknife by hand and simulation."""

import math
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from scaling_example import curve_with
from scipy import stats

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals.bootstrap import acceleration, bootstrap_means, bootstrap_outcomes
from ttscale.scaling.intervals.interval import (
    METHODS,
    bca,
    check_method,
    difference_bounds,
    level_of_few,
    percentiles,
    proportion,
    wilson,
)  # fmt: skip
from ttscale.scaling.intervals.resampled import Resampled


def jackknife(values, units):
    """The acceleration of the mean of ``values [item]``, each unit left out in turn."""
    names = np.unique(units)
    without = np.array([values[units != name].mean() for name in names])
    d = without.mean() - without
    return (d**3).sum() / (6 * (d**2).sum() ** 1.5)


def test_acceleration_is_the_jackknife_of_items_and_of_clusters():
    rng = np.random.default_rng(0)
    values = rng.gamma(0.5, size=(3, 40))
    alone = [jackknife(row, np.arange(40)) for row in values]
    np.testing.assert_allclose(acceleration(values), alone, rtol=1e-10)
    units = rng.integers(0, 9, 40)
    units = np.unique(units, return_inverse=True)[1]  # of unequal sizes
    np.testing.assert_allclose(acceleration(values, units), [jackknife(row, units) for row in values], rtol=1e-10)
    assert acceleration(np.full((1, 10), 0.1 + 0.2))[0] == 0
    plain = (np.arange(50) < 5)[None] * 1.0  # of a proportion p: (1 − 2 p) / (6 √(n p (1 − p)))
    assert acceleration(plain)[0] == pytest.approx(0.8 / (6 * math.sqrt(50 * 0.09)), rel=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_bca_against_scipy(level):
    values = np.random.default_rng(1).gamma(0.4, size=60)
    ours = bootstrap_means(values[None], n_boot=20_000, seed=1)
    low, high = bca(ours, np.array([values.mean()]), acceleration(values[None]), level)
    given = SimpleNamespace(bootstrap_distribution=ours[:, 0])
    theirs = stats.bootstrap(
        (values,), np.mean, method="BCa", confidence_level=level, n_resamples=0, bootstrap_result=given, batch=None
    ).confidence_interval
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), abs=2e-3)
    plain = percentiles(ours, level)
    assert low[0] > plain[0][0] and high[0] > plain[1][0]  # a long right tail: both ends lie further right


def test_bca_without_bias_or_acceleration_is_the_percentile_interval():
    replicates = np.random.default_rng(2).permutation(np.arange(-500.0, 501.0))[:, None] * [1.0, 2.0]
    for level in (0.8, 0.95):
        np.testing.assert_allclose(
            bca(replicates, np.zeros(2), np.zeros(2), level), percentiles(replicates, level), atol=2.0
        )


def test_bca_by_its_formula_row_by_row():
    rng = np.random.default_rng(3)
    replicates, value = rng.normal(size=(999, 4)) ** 3, np.array([0.0, 0.4, -0.2, 50.0])
    a = np.array([0.1, -0.05, 0.0, 0.02])
    low, high = bca(replicates, value, a, 0.9)
    for row in range(4):
        ordered = np.sort(replicates[:, row])
        share = min(max((ordered < value[row]).mean(), 0.5 / 999), 1 - 0.5 / 999)  # the last: beyond all replicates
        z0 = stats.norm.ppf(share)
        for end, tail in ((low, 0.05), (high, 0.95)):
            z = z0 + stats.norm.ppf(tail)
            rank = math.ceil(999 * stats.norm.cdf(z0 + z / (1 - a[row] * z)))
            assert end[row] == ordered[min(max(rank, 1), 999) - 1]


def test_a_proportion_against_scipy():
    for right, n in ((0, 7), (3, 10), (10, 10), (450, 500)):
        expected = stats.binomtest(right, n).proportion_ci(0.9, "wilson")
        found = proportion(right, n, 0.9)
        assert (found.value, found.low, found.high) == pytest.approx((right / n, expected.low, expected.high))
        assert found.method == f"Wilson, {n} items" and found.level == 0.9
    assert proportion(np.int64(3), 4).level == 0.95
    for bad in ((-1, 4), (5, 4), (1, 0), (1.5, 4), (True, 4)):
        with pytest.raises(TtscaleError, match="0 ≤ successes ≤ n"):
            proportion(*bad)
    with pytest.raises(TtscaleError, match=r"Give 0\.95 for 95 %"):
        proportion(1, 4, 95)


def test_rows_of_credits_under_every_method():
    rng = np.random.default_rng(4)
    credit = (rng.random((3, 50)) < np.array([[0.1], [0.5], [0.9]])) * 1.0
    credit[1] = 1.0
    for method in METHODS:
        found = Resampled(credit, None, 0.9, 400, 0, method)
        low, high = found.bounds
        if method == "wilson":
            expected = [wilson(row.sum(), 50, 0.9) for row in credit]
            np.testing.assert_allclose(np.stack([low, high], axis=1), expected)
            assert found.method_words == "Wilson's score interval over 50 items"
        else:
            whole = percentiles(found.replicates, 0.9)
            if method == "bca":
                whole = bca(found.replicates, found.accuracy, acceleration(credit), 0.9)
            np.testing.assert_array_equal(np.array([low, high])[:, [0, 2]], np.array(whole)[:, [0, 2]])
            assert found.method_words.endswith("bootstrap over 50 items, 400 resamples")
        assert (low[1], high[1]) == pytest.approx(wilson(50, 50, 0.9))  # all agree
        part = found.at_rows(np.array([2]))
        assert part.method == method and part.bounds[0] == low[2]
    grouped = Resampled(credit, np.arange(50) // 5, 0.9, 100, 0, "bca")
    assert grouped.method_words.startswith("BCa bootstrap over 10 clusters of items, 100 resamples, widened")
    assert grouped.interval(0).method == grouped.method_words
    assert grouped.interval(1).method == "Wilson's score interval over 10 clusters of items, which all agree"


def test_few_units_widen_an_interval():
    """By Student's t and the spread that resamples of few lack: of normal data the interval is the one of t."""
    rng = np.random.default_rng(0)
    for n in (3, 5, 12, 29):
        values = rng.normal(size=(1, n))
        plain = NormalDist(0.0, values.std() / math.sqrt(n))  # what its resamples are, were there more of them
        wide = level_of_few(0.9, n)
        high = plain.inv_cdf(0.5 + wide / 2)
        expected = stats.t.interval(0.9, n - 1, 0.0, values.std(ddof=1) / math.sqrt(n))[1]
        assert high == pytest.approx(expected, rel=1e-6)
    assert level_of_few(0.9, 30) == level_of_few(0.9, 1) == 0.9 and level_of_few(0.99, 2) < 1
    credit = rng.random((1, 60))
    units = np.arange(60) // 5
    for method in ("percentile", "bca"):
        found = Resampled(credit, units, 0.9, 4000, 0, method)
        same = Resampled(credit, units, level_of_few(0.9, 12), 4000, 0, method)
        replicates = found.replicates
        ends = percentiles(replicates, same.level)
        if method == "bca":
            ends = bca(replicates, found.accuracy, acceleration(credit, units), same.level)
        assert (found.bounds[0][0], found.bounds[1][0]) == (ends[0][0], ends[1][0])
    assert difference_bounds(replicates[:, 0], 0.9, 12) == tuple(
        float(end) for end in percentiles(replicates[:, 0], level_of_few(0.9, 12))
    )


def test_wilson_is_for_plain_proportions():
    half = np.full((1, 20), 0.5)
    with pytest.raises(TtscaleError, match="20 items with a share of the credit"):
        Resampled(half, None, 0.9, 100, 0, "wilson")
    with pytest.raises(TtscaleError, match="items in clusters"):
        Resampled(np.ones((1, 20)), np.arange(20) // 2, 0.9, 100, 0, "wilson")
    with pytest.raises(TtscaleError, match=r"interval.*Did you mean bca"):
        check_method("bcaa")


def test_paired_differences_are_those_of_the_differences():
    rng = np.random.default_rng(5)
    a, b = (rng.random((2, 80)) < 0.3) * 1.0, (rng.random((2, 80)) < 0.2) * 1.0
    for method in ("percentile", "bca"):
        one, other = (Resampled(credit, None, 0.9, 500, 3, method) for credit in (a, b))
        found = one.minus(1, other, 0)
        alone = Resampled((a[1] - b[0])[None], None, 0.9, 500, 3, method)
        assert (found.low, found.high) == pytest.approx((alone.bounds[0][0], alone.bounds[1][0]))
        assert found.value == pytest.approx(a[1].mean() - b[0].mean()) and found.method.startswith("paired")
    plain = Resampled(a, None, 0.9, 500, 3, "wilson").minus(1, Resampled(b, None, 0.9, 500, 3, "wilson"), 0)
    assert plain.method.startswith("paired percentile")
    same = Resampled(a, None, 0.9, 500, 3, "bca")
    z2 = stats.norm.ppf(0.95) ** 2
    assert same.minus(0, same, 0).high == pytest.approx(z2 / (80 + z2))  # never seen to differ


def test_outcomes_are_drawn_with_their_items():
    each, ones = np.arange(4), np.ones(4, int)
    p = np.array([0.1, 0.9, 0.5, 1.0])
    found = bootstrap_outcomes(lambda drawn: p, ones, each, n_boot=20_000)
    assert found.mean() == pytest.approx(p.mean(), abs=0.01)
    assert found.var() == pytest.approx(p.mean() * (1 - p.mean()) / 4, rel=0.03)  # four outcomes, each of any item
    np.testing.assert_array_equal(bootstrap_outcomes(lambda drawn: drawn > 0, ones, each, n_boot=300), np.ones(300))
    kind, times = np.array([0, 1, 1, 0, 1]), np.array([2, 3])  # items of a kind are as many items
    found = bootstrap_outcomes(lambda drawn: np.array([0.0, 0.5]), times, kind, n_boot=20_000)
    assert found.mean() == pytest.approx(0.3, abs=0.01) and found.var() == pytest.approx(0.3 * 0.7 / 5, rel=0.03)
    units = np.array([0, 0, 0, 1])
    sure = np.array([0.0, 1.0, 1.0, 0.0])
    expected = bootstrap_means(sure[None], units=units, n_boot=300, seed=2)[:, 0]
    for of, some in ((sure, each), (np.array([0.0, 1.0]), sure.astype(int))):
        grouped = bootstrap_outcomes(lambda drawn, of=of: of, np.bincount(some), some, units=units, n_boot=300, seed=2)
        np.testing.assert_allclose(grouped, expected, atol=1e-12)


def test_a_curve_states_its_method():
    curve = curve_with((np.random.default_rng(6).random((2, 40)) < 0.7) * 1.0, n_boot=100)
    assert curve.resampled.method == "percentile"
    assert curve.at(1).method == curve.resampled.method_words == "percentile bootstrap over 40 items, 100 resamples"
