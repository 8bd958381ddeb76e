"""What models cost: by hand at and between sizes, the inverses, which models must be trained, costs from a ladder."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from ttscale.errors import TtscaleError
from ttscale.scaling.tradeoff.costs import Costs, costs_of, token_costs

THREE = Costs(np.array([1.0, 10.0, 1000.0]), np.array([4.0, 40.0, 400.0]), np.array([1.0, 10.0, 100.0]),
              np.array([6.0, 60.0, 6000.0]))  # fmt: skip


def test_costs_by_hand_at_between_and_beyond_sizes():
    np.testing.assert_allclose(THREE.test_flops(THREE.n, 3), [6, 60, 600])
    assert float(THREE.test_flops(100.0, 1)) == pytest.approx(40 * math.sqrt(10))  # halfway in logarithms
    assert float(THREE.test_flops(0.1, 1)) == pytest.approx(0.4)  # on with the slope of the first piece, 1
    assert float(THREE.test_flops(1e5, 1)) == pytest.approx(4000)  # and of the last, 1/2
    assert float(THREE.train_flops(10.0, 7.0)) == pytest.approx(420)


def test_draws_and_data_are_inverses_and_broadcast():
    rng = np.random.default_rng(0)
    n, k, d = np.exp(rng.uniform(-1, 8, (4, 1))), rng.uniform(1, 9, 5), rng.uniform(1, 50, 5)
    np.testing.assert_allclose(THREE.draws(n, THREE.test_flops(n, k)), np.broadcast_to(k, (4, 5)), rtol=1e-12)
    for most in (1.0, 3.0, math.inf):
        costs = Costs(THREE.n, THREE.first, THREE.more, THREE.train, most)
        np.testing.assert_allclose(costs.data(n, costs.train_flops(n, d, k), k), np.broadcast_to(d, (4, 5)), rtol=1e-12)


def test_less_than_one_draw_is_none_and_exactly_one_is_one():
    np.testing.assert_allclose(THREE.draws(10.0, [39.9, 40.0, 50.0]), [math.nan, 1.0, 2.0], rtol=1e-14)


def test_how_many_models_are_trained():
    alone, team, views = (Costs(*(THREE.n,) * 4, most) for most in (1.0, math.inf, 3.0))
    np.testing.assert_array_equal(alone.models([1, 2, 8]), [1, 1, 1])
    np.testing.assert_array_equal(team.models([1, 2, 8]), [1, 2, 8])
    np.testing.assert_array_equal(views.models([1, 2, 8]), [1, 2, 3])


def test_one_size_says_nothing_of_another():
    one = Costs(*(np.array([x]) for x in (100.0, 5.0, 5.0, 9.0)))
    np.testing.assert_array_equal(one.test_flops([100.0, 100.5, 200.0], 2), [10.0, 10.0, math.nan])


def rung(name, n, train, unique, epochs=1.0):
    return SimpleNamespace(name=name, n_params=n, train_flops=train, unique=unique, epochs=epochs)


def option(name, flops, draws, budgets=None):
    budgets = np.arange(1, len(flops) + 1) if budgets is None else np.array(budgets)
    curve = SimpleNamespace(budgets=budgets, flops=np.array(flops, dtype=float))
    return SimpleNamespace(rung=name, curve=curve, strategies=((None, SimpleNamespace(draws=draws)),))


def test_costs_of_a_ladder_are_geometric_means_over_its_budgets():
    views = [("m", "v0"), ("m", "v1"), ("m", "v2")]
    rungs = [rung("b", 200.0, 4e6, 100.0), rung("a1", 50.0, 2e5, 100.0), rung("a4", 50.0, 32e5, 400.0)]
    options = [option("a1", [10, 14, 18], views), option("a4", [10, 19, 28], views), option("b", [70, 90, 110], views),
               option("other", [1, 2, 3], views)]  # fmt: skip
    costs = costs_of(rungs, options, "unique")
    np.testing.assert_allclose(costs.n, [50, 200])
    np.testing.assert_allclose(costs.first, [10, 70])
    np.testing.assert_allclose(costs.more, [6, 20])
    np.testing.assert_allclose(costs.train, [4000, 40000])  # 2,000 and 8,000 an item
    assert costs.spread == pytest.approx(2) and costs.most_models == 1
    assert "differ by up to 2 × between training budgets" in costs.told
    by_epochs = costs_of([rung("b", 200.0, 4e6, 100.0, 8.0)], options, "epochs")
    np.testing.assert_allclose(by_epochs.train, [5e5])
    assert by_epochs.spread == pytest.approx(1) and not by_epochs.told


def test_budgets_that_do_not_start_at_one_are_carried_back():
    costs = costs_of([rung("a", 5.0, math.nan, 1.0)], [option("a", [30, 50], [("m", "v")], budgets=[4, 8])], "unique")
    np.testing.assert_allclose([costs.first[0], costs.more[0]], [15, 5])
    assert np.isnan(costs.train[0]) and costs.spread == pytest.approx(1)


def test_models_of_teams_are_counted_from_their_draws():
    a = [rung("a", 5.0, 1.0, 1.0)]
    members, crossed = [("m1", "v"), ("m2", "v")], [("m1", "v"), ("m2", "v"), ("m1", "w"), ("m2", "w")]
    assert costs_of(a, [option("a", [1, 2], members)], "unique").most_models == math.inf
    assert costs_of(a, [option("a", [1, 2, 3, 4], crossed)], "unique").most_models == 2


def test_token_costs():
    costs = token_costs(100.0)
    n = np.array([3.0, 7e9, 1e18])
    np.testing.assert_allclose(costs.train_flops(n, 5.0), 30 * n, rtol=1e-12)
    np.testing.assert_allclose(costs.test_flops(n, 4), 800 * n, rtol=1e-12)


def test_refused():
    with pytest.raises(TtscaleError, match="options"):
        costs_of([rung("a", 5.0, 1.0, 1.0)], [option("b", [1], [("m", "v")])], "unique")
    for bad in (0, -1, math.inf, math.nan, "100", True):
        with pytest.raises(TtscaleError, match="tokens_per_draw"):
            token_costs(bad)
