"""Resampling, intervals and halves."""

import numpy as np
import pytest
from scipy import stats

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals import bootstrap
from ttscale.scaling.intervals.bootstrap import bootstrap_means, check_bootstrap, mean_credit, unit_index
from ttscale.scaling.intervals.halves import first_half, keyed_sample
from ttscale.scaling.intervals.interval import (
    check_level,
    detectable,
    difference_bounds,
    normal_quantile,
    percentiles,
    wilson,
)


def test_replicates_are_the_weighted_means_of_multinomial_weights():
    values = np.random.default_rng(0).random((3, 50))
    got = bootstrap_means(values, n_boot=40, seed=5)
    weights = np.concatenate(list(bootstrap._draw_weights(50, 40, 5))).astype(float)
    assert (weights.sum(1) == 50).all()
    np.testing.assert_allclose(got, weights @ values.T / 50, rtol=0, atol=1e-12)


def test_weights_have_the_moments_of_a_multinomial():
    weights = np.concatenate(list(bootstrap._draw_weights(20, 20_000, 1))).astype(float)
    np.testing.assert_allclose(weights.mean(0), 1.0, atol=0.04)
    np.testing.assert_allclose(weights.var(0), 1 - 1 / 20, atol=0.05)
    assert np.cov(weights[:, 0], weights[:, 1])[0, 1] == pytest.approx(-1 / 20, abs=0.03)


def test_same_seed_same_resamples_however_the_rows_are_grouped(monkeypatch):
    values = np.random.default_rng(0).random((5, 60)).astype(np.float32)
    whole = bootstrap_means(values, n_boot=50, seed=3)
    assert np.array_equal(whole, bootstrap_means(values, n_boot=50, seed=3))
    assert not np.array_equal(whole, bootstrap_means(values, n_boot=50, seed=4))
    monkeypatch.setattr(bootstrap, "_VALUES_AT_ONCE", 60)
    for kept in ("_BYTES_OF_FLOATS", "_BYTES_TO_KEEP"):  # weights of a byte, then none are kept
        monkeypatch.setattr(bootstrap, kept, 8 * 60 * 50 - 1 if kept == "_BYTES_OF_FLOATS" else 0)
        monkeypatch.setattr(bootstrap, "_KEPT", bootstrap._Kept())
        np.testing.assert_allclose(bootstrap_means(values, n_boot=50, seed=3), whole, rtol=1e-14)


def test_equal_means_are_equal_numbers():
    """Shares of credit whose sums round differently: in another order of items, and as one share of each."""
    credit = np.random.default_rng(0).choice([0.0, 1 / 5, 1 / 3, 1 / 7, 0.6], size=999)
    orders = np.stack([np.random.default_rng(seed).permutation(credit) for seed in range(50)])
    assert len(set(orders.mean(axis=1))) > 1 and len(set(mean_credit(orders).tolist())) == 1
    several = np.stack([np.full(10, 0.3), np.full(10, 0.1 + 0.2), np.full(10, 0.1) * 3])
    assert len(set(several[:, 0])) > 1
    assert mean_credit(several).tolist() == [0.3] * 3
    assert (bootstrap_means(several, n_boot=40) == 0.3).all()


def test_what_is_kept_is_small(monkeypatch):
    monkeypatch.setattr(bootstrap, "_BYTES_TO_KEEP", 10_000)
    monkeypatch.setattr(bootstrap, "_BYTES_OF_FLOATS", 3200)
    monkeypatch.setattr(bootstrap, "_KEPT", bootstrap._Kept())
    for n, expected in (
        (40, {40: 3200}), (30, {40: 3200, 30: 2400}), (900, {900: 9000}),  # of 8 bytes each, and of one
        (1001, {900: 9000}), (40, {40: 3200}),  # too many to be kept; no room for both
    ):  # fmt: skip
        bootstrap_means(np.zeros((1, n)), n_boot=10)
        kept = {key[0]: sum(part.nbytes for part in one) for key, one in bootstrap._KEPT.values.items()}
        assert kept == expected


def test_weights_of_groups_of_many_sizes_are_drawn_once(monkeypatch):
    drawn = []
    draw = bootstrap._draw_weights
    monkeypatch.setattr(bootstrap, "_KEPT", bootstrap._Kept())
    monkeypatch.setattr(bootstrap, "_draw_weights", lambda n, *rest: drawn.append(n) or draw(n, *rest))
    for _ in range(3):
        for n in (400, 30, 41, 52):
            bootstrap_means(np.zeros((1, n)), n_boot=100)
    assert drawn == [400, 30, 41, 52]


def test_detectable_difference_by_hand_and_by_simulation():
    assert detectable(np.array([-0.01, 0.0, 0.01]), 0.95) == pytest.approx((1.959964 + 0.841621) * 0.01, rel=1e-6)
    rng = np.random.default_rng(0)
    real = detectable(rng.normal(0, 1, 100_000) / 20, 0.95)  # of a mean of 400 values with standard deviation 1
    found = 0
    for _ in range(400):
        low, _ = percentiles(bootstrap_means(rng.normal(real, 1, (1, 400)), n_boot=200), 0.95)
        found += low[0] > 0
    assert found / 400 == pytest.approx(0.8, abs=0.06)


def test_clusters_are_drawn_as_wholes():
    values = np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 1.0]])
    units = unit_index(np.array(["a", "a", "a", "b", "b", "c"]))
    weights = np.concatenate(list(bootstrap._draw_weights(3, 200, 0))).astype(float)
    expected = weights @ [3, 0, 1] / (weights @ [3, 2, 1])
    np.testing.assert_allclose(bootstrap_means(values, units=units, n_boot=200, seed=0)[:, 0], expected)


def test_singleton_clusters_change_nothing():
    values = np.random.default_rng(0).random((2, 30))
    alone = unit_index(np.array([f"c{i:02d}" for i in range(30)]))
    np.testing.assert_allclose(bootstrap_means(values, units=alone, n_boot=50), bootstrap_means(values, n_boot=50))


@pytest.mark.parametrize("accuracy", [0.15, 0.5, 0.85])
def test_ninety_percent_intervals_cover(accuracy):
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        low, high = percentiles(bootstrap_means((rng.random((1, 200)) < accuracy) * 1.0, n_boot=200), 0.9)
        covered += low[0] <= accuracy <= high[0]
    assert 0.85 <= covered / 300 <= 0.95


def test_cluster_intervals_cover_where_item_intervals_do_not():
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(40), 5)
    hits = np.zeros(2)
    for seed in range(200):
        credit = np.repeat(rng.random(40) < 0.6, 5)[None] * 1.0  # items of a cluster are all right or all wrong
        for i, unit in enumerate((units, None)):
            low, high = percentiles(bootstrap_means(credit, units=unit, n_boot=200, seed=seed), 0.9)
            hits[i] += low[0] <= 0.6 <= high[0]
    assert 0.84 <= hits[0] / 200 <= 0.96 and hits[1] / 200 < 0.7


def test_percentiles_are_order_statistics_and_take_infinity():
    low, high = percentiles(np.append(np.arange(99.0), np.inf), 0.9)
    assert (low, high) == (4.0, 94.0)
    assert percentiles(np.append(np.arange(90.0), [np.inf] * 10), 0.95)[1] == np.inf


@pytest.mark.parametrize(("right", "n"), [(0, 10), (7, 10), (40, 40)])
def test_wilson_against_scipy(right, n):
    expected = stats.binomtest(right, n).proportion_ci(0.95, "wilson")
    assert wilson(right, n, 0.95) == pytest.approx((expected.low, expected.high))
    assert normal_quantile(0.95) == pytest.approx(stats.norm.ppf(0.975))


def test_halves_are_halves_and_depend_on_ids_alone():
    ids = np.array([f"item{i}" for i in range(101)])
    first = first_half(ids, None, seed=1)
    assert first.sum() == 50
    order = np.random.default_rng(0).permutation(101)
    assert np.array_equal(first_half(ids[order], None, seed=1), first[order])
    assert not np.array_equal(first, first_half(ids, None, seed=2))
    assert not np.array_equal(first, first_half(ids, None, seed=1, repeat=1))


def test_halves_keep_clusters_whole():
    ids = np.array([f"item{i}" for i in range(60)])
    clusters = np.array([f"c{i % 12}" for i in range(60)])
    first = first_half(ids, clusters, seed=0)
    assert all(len(set(first[clusters == c])) == 1 for c in set(clusters)) and first.sum() == 30
    with pytest.raises(TtscaleError, match=r"at least 4 clusters of items.*got 3"):
        first_half(ids, np.array([f"c{i % 3}" for i in range(60)]), seed=0)
    with pytest.raises(TtscaleError, match=r"at least 4 items.*got 3"):
        first_half(ids[:3], None, seed=0)


@pytest.mark.parametrize(("level", "fix"), [(95, "Give 0.95 for 95 %"), (0, "0.95"), (1.0, "0.95"), ("high", "0.95")])
def test_a_level_is_a_probability(level, fix):
    with pytest.raises(TtscaleError, match=fix):
        check_level(level)


def test_more_resamples_than_memory_bears_are_refused():
    with pytest.raises(TtscaleError, match="at most 100,000"):
        check_bootstrap(2_000_000_000, 0.95, 100, 0)


def test_a_difference_that_never_varies_is_not_certain():
    """0 of 50 items differ: as many as Wilson's upper limit of 0 in 50 may."""
    low, high = difference_bounds(np.zeros(200), 0.95, 50)
    z2 = stats.norm.ppf(0.975) ** 2
    assert -low == high == pytest.approx(z2 / (50 + z2))
    assert difference_bounds(np.linspace(-1, 1, 201) * 0.1, 0.95, 50) == pytest.approx((-0.095, 0.095), abs=1e-3)
    assert np.isnan(detectable(np.zeros(200), 0.95))


def test_a_keyed_sample_knows_no_order_and_is_another_for_another_purpose():
    ids = np.array([f"i{i}" for i in range(60)])
    taken = keyed_sample(ids, 20, seed=0, part=5)
    assert len(taken) == 20 and (np.diff(taken) > 0).all()
    order = np.random.default_rng(0).permutation(60)
    assert set(ids[order][keyed_sample(ids[order], 20, seed=0, part=5)]) == set(ids[taken])
    others = [keyed_sample(ids, 20, seed=0, part=6), keyed_sample(ids, 20, seed=1, part=5)]
    assert all(set(other) != set(taken) for other in others)
    assert keyed_sample(ids, 60, seed=0, part=5).tolist() == list(range(60))
    halves = [np.flatnonzero(first_half(ids, None, seed=0, repeat=repeat)) for repeat in range(5)]
    assert all(set(keyed_sample(ids, 30, seed=0, part=part)) != set(half) for part in (5, 6) for half in halves)
