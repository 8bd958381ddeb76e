"""Intervals against runs whose truth is known; the whole grid is the bench row ``interval_coverage``."""

import numpy as np
import pytest
from scipy import stats
from simulated_answers import (
    beta_of,
    cluster_coverage,
    curve_coverage,
    difference_coverage,
    expected_majority,
    majority,
    noise_coverage,
    plan_coverage,
    run_of,
)

from ttscale.scaling.curves.curve import accuracy_curve


def test_the_truth_of_a_simulated_run():
    rng = np.random.default_rng(0)
    for k in (1, 3, 4):
        votes = (rng.random((200_000, k)) < 0.3).sum(axis=1)
        share = np.mean(votes > k / 2) + 0.5 * np.mean(votes == k / 2)
        assert majority(np.array([0.3]), k)[0] == pytest.approx(share, abs=0.005)
        p = rng.beta(*beta_of(0.6), 200_000)
        assert expected_majority(*beta_of(0.6), k) == pytest.approx(majority(p, k).mean(), abs=0.005)
    curve = accuracy_curve(run_of(p[:5000], 4, rng), n_boot=50)
    np.testing.assert_allclose(curve.accuracy, [expected_majority(*beta_of(0.6), k) for k in range(1, 5)], atol=0.03)


@pytest.mark.parametrize("accuracy", [0.15, 0.5, 0.85])
def test_intervals_of_a_curve_cover(accuracy):
    cells = list(curve_coverage(accuracy, 200, 6, [1, 3, 6], runs=500, methods=("percentile", "bca")))
    assert len(cells) == 6
    for cell in cells:
        assert 0.85 <= cell.covered <= 0.95, cell


@pytest.mark.parametrize(("n_clusters", "size"), [(8, 10), (12, 20)])
def test_intervals_over_few_clusters_cover(n_clusters, size):
    for cell in cluster_coverage(n_clusters, size, runs=400, methods=("percentile", "bca")):
        assert 0.85 <= cell.covered <= 0.95, cell


def test_wilson_intervals_cover_one_draw():
    cells = list(curve_coverage(0.2, 200, 1, [1], runs=300, methods=("percentile", "bca", "wilson")))
    assert all(0.85 <= cell.covered <= 0.95 for cell in cells), cells


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_of_paired_differences_cover(method):
    cell = difference_coverage(0.7, 250, 6, runs=300, method=method)
    assert 0.85 <= cell.covered <= 0.95, cell


@pytest.mark.parametrize("k", [1, 4])
def test_the_interval_over_new_samples_covers(k):
    cell = noise_coverage(0.6, 200, 8, k, runs=250)
    assert 0.85 <= cell.covered <= 0.97, cell


def test_a_chosen_budget_is_scored_where_it_was_not_chosen():
    """Six decodings that are equally good: the luckiest is chosen, and its luck does not come along."""
    found = plan_coverage(400, runs=80)
    assert 0.83 <= found.scored <= 0.97 and found.chosen < found.scored - 0.1
    assert found.optimism > 0.02
    assert stats.binomtest(round(found.claimed * 80), 80, 0.1, "greater").pvalue > 0.001
