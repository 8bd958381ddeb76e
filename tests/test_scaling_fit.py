"""Laws, the solver, status, back-tests and predictions."""

import math
import warnings

import numpy as np
import pytest
from scaling_example import correlated_credits, curve_with, make_records
from scipy.optimize import least_squares

from ttscale.errors import TtscaleError
from ttscale.scaling.backtest import folds_of
from ttscale.scaling.curves import accuracy_curve, curve_of_credits
from ttscale.scaling.fit import _status, fit_law, log_spaced
from ttscale.scaling.halves import first_half
from ttscale.scaling.headline import law_words
from ttscale.scaling.laws import LAWS, Law
from ttscale.scaling.separable import fit_many, fit_points, mean_covariance, with_misfit
from ttscale.scaling.strategy import ensemble

TRUTH = {
    "constant": [(0.3,)],
    "log_linear": [(0.5, 0.03), (0.7, -0.01)],
    "power_floor": [(0.8, 0.2, 0.7), (0.9, 0.4, 0.05), (0.6, -0.05, 2.0)],
    "saturating_exponential": [(0.8, 0.2, 0.1), (0.5, -0.1, 1.5)],
}
FORMULAS = {
    "constant": lambda k, a: a + 0 * k,
    "log_linear": lambda k, a, b: a + b * np.log(k),
    "power_floor": lambda k, a, b, c: a - b * k**-c,
    "saturating_exponential": lambda k, a, b, c: a - b * np.exp(-c * (k - 1)),
}
CASES = [(name, np.array(p)) for name, several in TRUTH.items() for p in several]
K = np.arange(1.0, 33.0)


def covariance(seed=0, k=32):
    """A covariance like a curve's: a random walk, so neighbours agree."""
    steps = np.random.default_rng(seed).normal(size=(k, 400)).cumsum(0)
    return np.cov(steps) * 1e-6


def test_every_law_is_tested():
    assert set(TRUTH) == set(FORMULAS) == set(LAWS)


@pytest.mark.parametrize(("name", "truth"), CASES)
@pytest.mark.parametrize("weights", [None, covariance()])
def test_noiseless_recovery(name, truth, weights):
    y = FORMULAS[name](K, *truth)
    np.testing.assert_allclose(LAWS[name].value(K, truth), y, rtol=1e-14)
    np.testing.assert_allclose(fit_points(LAWS[name], K, y, weights), truth, atol=1e-6)
    many = fit_many(LAWS[name], K, np.stack([y, y + 0.01]), weights)
    np.testing.assert_allclose(many, [truth, truth + np.eye(len(truth))[0] * 0.01], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["power_floor", "saturating_exponential"])
def test_noisy_fit_is_the_generalised_least_squares_optimum(name):
    """Against scipy's optimiser on whitened residuals, from several starts."""
    weights = covariance()
    whiten = np.linalg.inv(np.linalg.cholesky(weights))
    noise = np.linalg.cholesky(weights) @ np.random.default_rng(1).normal(size=32)
    y = FORMULAS[name](K, 0.8, 0.2, 0.6) + noise
    residual = lambda p: whiten @ (y - FORMULAS[name](K, *p))  # noqa: E731
    starts = [(0.8, 0.2, c) for c in (0.2, 0.6, 2.0)]
    best = min((least_squares(residual, s, xtol=1e-14, ftol=1e-14) for s in starts), key=lambda r: r.cost)
    got = fit_points(LAWS[name], K, y, weights)
    assert 0.5 * (residual(got) ** 2).sum() <= best.cost * (1 + 1e-9)
    np.testing.assert_allclose(got, best.x, rtol=1e-4)
    np.testing.assert_allclose(fit_many(LAWS[name], K, y[None], weights)[0], got, rtol=2e-3)


def test_the_ceiling_stays_below_one():
    """Where the free optimum leaves [0, 1] the constrained one is found: against scipy with bounds."""
    y = 0.9 + 0.03 * np.log(K)
    got = fit_points(LAWS["power_floor"], K, y)
    bounds = ([0, -5, 0.01], [1, 5, 10])
    best = least_squares(lambda p: y - FORMULAS["power_floor"](K, *p), (0.99, 0.1, 0.5), bounds=bounds, xtol=1e-15)
    assert got[0] == 1.0
    assert ((y - FORMULAS["power_floor"](K, *got)) ** 2).sum() <= 2 * best.cost * (1 + 1e-6)


def test_covariance_of_means_is_what_the_bootstrap_tends_to():
    credit = correlated_credits([0.4, 0.5, 0.55], 400, np.random.default_rng(0))
    clusters = np.array([f"c{i // 4}" for i in range(400)])
    for given in (None, clusters):
        curve = curve_with(credit, n_boot=4000, clusters=given)
        boot = np.cov(curve.replicates, rowvar=False)
        np.testing.assert_allclose(mean_covariance(curve.credit, curve.units), boot, rtol=0.12, atol=2e-5)
    np.testing.assert_allclose(mean_covariance(credit, None), np.cov(credit) / 400, rtol=1e-5)


def test_misfit_goes_on_the_diagonal():
    got = with_misfit(np.eye(2) * 4.0, np.array([1.0, 3.0]))
    np.testing.assert_allclose(got, np.eye(2) * (4 + 5 + 0.04), rtol=1e-12)


def test_a_law_of_ones_own_in_ten_lines():
    law = Law(
        name="root_log", formula="A + B·(ln k)^c", linear=("A", "B"), shape=("c",), bounds=((0.1, 2.0),),
        basis=lambda k, c: (np.ones_like(k), np.log(k) ** c),
    )  # fmt: skip
    np.testing.assert_allclose(fit_points(law, K, 0.5 + 0.1 * np.log(K) ** 0.5), [0.5, 0.1, 0.5], atol=1e-6)
    curve = curve_with(correlated_credits(0.5 + 0.1 * np.log(K) ** 0.5, 400, np.random.default_rng(0)), n_boot=50)
    assert fit_law(curve, law).law == "root_log"


def test_a_law_with_two_shape_parameters():
    law = Law(
        name="two", formula="", linear=("A", "B"), shape=("c", "d"), bounds=((0.1, 5.0), (0.5, 50.0)),
        basis=lambda k, c, d: (np.ones_like(k), -((k + d) ** -c)),
    )  # fmt: skip
    truth = np.array([0.8, 0.5, 1.2, 3.0])
    got = fit_points(law, K, law.value(K, truth))
    np.testing.assert_allclose(law.value(K, got), law.value(K, truth), atol=1e-6)


def test_an_auto_fit_of_a_power_law():
    truth = FORMULAS["power_floor"](np.arange(1.0, 65.0), 0.85, 0.15, 0.8)
    curve = curve_with(correlated_credits(truth[:32], 4000, np.random.default_rng(3)), n_boot=200)
    fit = fit_law(curve)
    assert fit.law == "power_floor" and fit.status == "converged" and fit.unit == "draws"
    for name, value in zip("ABc", (0.85, 0.15, 0.8), strict=True):
        assert fit.params[name].low <= value <= fit.params[name].high
        assert "refits" in fit.params[name].method and fit.params[name].level == 0.95
    assert fit.candidates[0].law == "power_floor" and {c.law for c in fit.candidates} == set(LAWS)
    errors = [c.backtest_gain_rmse for c in fit.candidates]
    assert errors == sorted(errors)
    inside, outside = fit.predict(16), fit.predict(64)
    assert inside.low <= truth[15] <= inside.high and outside.low <= truth[63] <= outside.high
    assert outside.high - outside.low > inside.high - inside.low
    assert fit.curve is curve and fit.budgets.tolist() == [1, 2, 3, 4, 6, 8, 11, 16, 23, 32]
    fitted = curve.accuracy[fit.budgets - 1]
    residual = fitted - FORMULAS["power_floor"](fit.budgets, *(p.value for p in fit.params.values()))
    assert fit.rmse == pytest.approx(np.sqrt((residual**2).mean()))
    assert fit.r2 == pytest.approx(1 - (residual**2).sum() / ((fitted - fitted.mean()) ** 2).sum())


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [
        ([1, 2], [1, 2]), (range(1, 6), range(1, 6)), ([1, 2, 4, 8, 16], [1, 2, 4, 8, 16]),
        (range(1, 17), [1, 2, 3, 4, 6, 8, 11, 16]), (range(1, 81), [1, 2, 3, 4, 5, 8, 11, 15, 21, 29, 41, 57, 80]),
        (range(60, 69), range(60, 69)), ([7], [7]),
    ],
)  # fmt: skip
def test_fitted_budgets_are_even_in_log_k(budgets, expected):
    budgets = np.array(list(budgets))
    assert budgets[log_spaced(budgets)].tolist() == list(expected)


def voted_credits(accuracy, n, rng):
    """Credits of exactly these accuracies whose neighbours agree as those of growing votes do: an item is right when
    the mean of its first k draws is above a threshold."""
    k = np.arange(1, len(accuracy) + 1)
    means = 2.0 * rng.normal(size=n) + np.cumsum(rng.normal(size=(len(k), n)), axis=0) / k[:, None]
    ranks = means.argsort(axis=1).argsort(axis=1)
    return (ranks >= n - np.round(np.asarray(accuracy) * n)[:, None]).astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_a_law_stays_on_a_curve_that_rises_and_then_is_flat(seed):
    """80 budgets, of which the first 5 rise: weighted by their almost singular covariance a law ran off them."""
    rise = 0.86 + 0.004 * np.minimum(np.arange(80), 5)
    curve = curve_with(voted_credits(rise, 2000, np.random.default_rng(seed)), n_boot=50)
    fit = fit_law(curve)
    seen = np.array([fit.predict(int(k)).value for k in curve.budgets])
    assert fit.r2 > 0.8 and np.abs(seen - rise).max() < 0.006
    assert all(c.r2 > -1 for c in fit.candidates)


@pytest.mark.parametrize("law", ["log_linear", "power_floor", "saturating_exponential"])
def test_a_law_that_falls_has_no_ceiling(law):
    """Best-of-n by a bad score: ever more samples find ever worse answers."""
    k = np.arange(1, 33)
    means = 0.25 + 0.2 * np.exp(-0.05 * (k - 1))
    curve = curve_with(correlated_credits(means, 400, np.random.default_rng(0)), n_boot=100)
    fit = fit_law(curve, law)
    assert fit.status == "falls"
    assert "falls with more compute" in law_words(fit) and "ceiling of" not in law_words(fit)
    rising = curve_with(correlated_credits(means[::-1], 400, np.random.default_rng(0)), n_boot=100)
    assert fit_law(rising, law).status != "falls"


def test_a_law_that_is_worse_than_the_mean_says_so():
    curve = curve_with(correlated_credits(np.linspace(0.5, 0.6, 8), 200, np.random.default_rng(0)), n_boot=50)
    for name, expected in (("log_linear", "off_the_data"), ("constant", "converged")):  # no constant beats the mean
        params = fit_law(curve, name).params
        assert _status(LAWS[name], params, n_points=8, varies=True, r2=-0.1) == expected
        assert _status(LAWS[name], params, n_points=8, varies=True, r2=0.1) == "converged"


def test_no_trend_is_a_constant():
    chosen = [
        fit_law(curve_with(correlated_credits(np.full(16, 0.7), 500, np.random.default_rng(seed)), n_boot=50)).law
        for seed in range(8)
    ]
    assert chosen.count("constant") >= 5


def test_parameter_intervals_cover():
    """95 % intervals of A, B and c over 40 simulated runs of a known law."""
    truth = {"A": 0.9, "B": 0.1, "c": 0.8}
    accuracy = FORMULAS["power_floor"](np.arange(1.0, 17.0), *truth.values())
    hits = dict.fromkeys(truth, 0)
    for seed in range(40):
        curve = curve_with(correlated_credits(accuracy, 1500, np.random.default_rng(seed)), n_boot=100)
        fit = fit_law(curve, "power_floor", n_splits=1)
        for name, value in truth.items():
            hits[name] += fit.params[name].low <= value <= fit.params[name].high
    assert all(hit >= 34 for hit in hits.values()), hits


def test_the_backtest_sees_neither_the_items_nor_the_budgets():
    """Spoil what a fold must not see: the held-out budgets of all items, and one half's low budgets at a time."""
    rng = np.random.default_rng(0)
    credit = correlated_credits(FORMULAS["power_floor"](np.arange(1.0, 17.0), 0.8, 0.2, 0.7), 300, rng)
    curve = curve_with(credit, n_boot=50)
    base = fit_law(curve, "power_floor", n_splits=2).backtest
    assert base.fitted.tolist() == [1, 2, 3, 4, 6, 8] and base.held_out.tolist() == [11, 16]
    assert base.predicted.shape == base.observed.shape == (4, 2)
    spoiled = credit.copy()
    spoiled[8:] = 0
    later = fit_law(curve_with(spoiled, n_boot=50), "power_floor", n_splits=2).backtest
    assert np.array_equal(later.predicted, base.predicted) and (later.observed == 0).all()
    first = folds_of(curve, n_splits=2)
    half = first_half(curve.item_ids, None, seed=0)
    np.testing.assert_allclose(first.fitted_on[0], credit[:, half].mean(1), rtol=1e-6)
    np.testing.assert_allclose(first.scored_on[0], credit[:, ~half].mean(1), rtol=1e-6)
    np.testing.assert_allclose(first.fitted_on[2], credit[:, ~half].mean(1), rtol=1e-6)
    spoiled = credit.copy()
    spoiled[:, ~half] = 0
    other = fit_law(curve_with(spoiled, n_boot=50), "power_floor", n_splits=2).backtest
    np.testing.assert_allclose(other.predicted[0], base.predicted[0], rtol=1e-9)


def test_backtest_errors_by_hand():
    """A constant fitted to flat low budgets of both halves misses later gains by exactly those gains."""
    credit = np.zeros((8, 400))
    credit[:4, ::2] = credit[4:, ::2] = 1
    credit[4:, 1::4] = 1  # from 50 % to 75 %
    fit = fit_law(curve_with(credit, n_boot=50), "constant")
    assert fit.backtest_gain_rmse == pytest.approx(0.25, abs=0.02)
    level = np.sqrt(((fit.backtest.predicted - fit.backtest.observed) ** 2).mean())
    assert fit.backtest_rmse == pytest.approx(level)


def test_status_not_identified_and_at_bound():
    rng = np.random.default_rng(1)
    short = curve_with(correlated_credits([0.5, 0.6, 0.65], 300, rng), n_boot=100)
    assert fit_law(short, "power_floor").status == "not_identified"  # as many parameters as points
    flat = curve_with(correlated_credits(np.full(12, 0.6), 300, rng), n_boot=100)
    assert fit_law(flat, "power_floor").status == "not_identified"  # B may be 0
    jump = curve_with(correlated_credits([0.3] + [0.7] * 11, 3000, rng, keep=1.0), n_boot=100)
    assert fit_law(jump, "power_floor").status == "at_bound"  # c as large as allowed


def test_all_right_and_constant_accuracy():
    fit = fit_law(curve_with(np.ones((8, 50)), n_boot=50))
    assert fit.law == "constant" and math.isnan(fit.r2) and fit.backtest_rmse == 0
    for interval in (fit.params["A"], fit.predict(8)):
        assert interval.value == pytest.approx(1) and interval.low == pytest.approx(50 / (50 + 1.959964**2))
    assert all(c.status == "not_identified" for c in fit.candidates if c.definition.shape)


def test_short_curves():
    rng = np.random.default_rng(0)
    two = fit_law(curve_with(correlated_credits([0.5, 0.7], 200, rng), n_boot=50))
    assert two.law == "constant"  # the only law that one budget can be fitted to
    line = next(c for c in two.candidates if c.law == "log_linear")
    assert math.isnan(line.backtest_rmse) and math.isnan(line.predict(2).low) and not math.isnan(line.predict(2).value)
    three = fit_law(curve_with(correlated_credits([0.5, 0.6, 0.66], 2000, rng), n_boot=50))
    assert three.law == "log_linear" and three.backtest.held_out.tolist() == [3]


def test_draws_of_different_cost_are_fitted_in_cost():
    records = make_records(200, sizes=("s1", "s2", "s3"), seeds=1)
    curve = accuracy_curve(records, ensemble(records, ["s1-0", "s2-0", "s3-0"]), n_boot=50)
    fit = fit_law(curve, "log_linear")
    assert fit.unit == "multiplier"
    a, b = fit.params["A"].value, fit.params["B"].value
    assert fit.predict(2).value == pytest.approx(a + b * np.log(5))  # 1 + 4 million FLOPs
    assert fit.predict(flops=21e6).value == pytest.approx(fit.predict(3).value)


def test_cost_and_budget_are_inverse():
    credit = correlated_credits(np.linspace(0.5, 0.7, 8), 100, np.random.default_rng(0))
    fit = fit_law(curve_with(credit, flops=3e6 * np.arange(1, 9), n_boot=50), "log_linear")
    for k in (1, 2.5, 8, 20):
        assert fit.k_at(float(fit.flops_at(np.array([k]))[0])) == pytest.approx(k)
    assert fit.predict(flops=48e6).value == pytest.approx(fit.predict(16).value)
    with pytest.raises(TtscaleError, match="at least one draw"):
        fit.predict(flops=2e6)


def test_far_predictions_warn_and_widen():
    curve = curve_with(correlated_credits(np.linspace(0.5, 0.6, 8), 500, np.random.default_rng(0)), n_boot=50)
    fit = fit_law(curve, "constant")
    widths = [fit.predict(k).high - fit.predict(k).low for k in (8, 16, 32, 64)]
    assert widths[0] == widths[1] < widths[2] < widths[3]
    with pytest.warns(UserWarning, match="12 times its fitted range"):
        fit.predict(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit.predict(80)


def test_prediction_includes_the_backtest_error():
    curve = curve_with(correlated_credits(np.linspace(0.5, 0.6, 8), 500, np.random.default_rng(0)), n_boot=50)
    fit = fit_law(curve, "constant")
    a, z = fit.params["A"], 1.959964
    expected = np.hypot(a.value - a.low, z * fit.backtest_gain_rmse)
    assert fit.predict(8).value - fit.predict(8).low == pytest.approx(expected, rel=1e-6)


def test_candidates_that_disagree_widen_the_chosen_laws_extrapolation():
    truth = FORMULAS["power_floor"](np.arange(1.0, 17.0), 0.85, 0.25, 0.6)
    curve = curve_with(correlated_credits(truth, 3000, np.random.default_rng(1)), n_boot=100)
    chosen = fit_law(curve)
    alone = fit_law(curve, chosen.law)
    assert chosen.predict(16).low == pytest.approx(alone.predict(16).low)
    assert chosen.predict(32).low < alone.predict(32).low and chosen.predict(32).value == alone.predict(32).value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: fit_law(c, "power_flor"), "Did you mean power_floor"),
        (lambda c: fit_law("curve"), "expected a Curve"),
        (lambda c: fit_law(curve_with(np.eye(1, 20))), "at least 2 budgets"),
        (lambda c: fit_law(curve_with(np.eye(2, 20)), "power_floor"), "at least 3 budgets for 'power_floor', got 2"),
        (lambda c: fit_law(curve_with(np.eye(4, 3))), "at least 4 items"),
        (lambda c: fit_law(c, n_splits=0), "n_splits"),
        (lambda c: fit_law(c, "constant").predict(), "exactly one"),
        (lambda c: fit_law(c, "constant").predict(2, flops=3.0), "exactly one"),
        (lambda c: fit_law(c, "constant").predict(0), "at least 1"),
        (lambda c: fit_law(c, "constant").predict(math.nan), "at least 1"),
        (lambda c: fit_law(c, "constant").predict(flops=math.nan), "flops"),
        (lambda c: fit_law(c, Law("x", "", ("A",), lambda k: (k, k))), "2 columns|basis columns"),
        (lambda c: fit_law(c, Law("x", "", ("A",), lambda k, c: (k,), ("c",), ((2.0, 1.0),))), "bounds"),
        (lambda c: fit_law(c, Law("x", "", (), lambda k: ())), "no linear parameter"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(TtscaleError, match=message):
        call(curve_with(correlated_credits(np.linspace(0.5, 0.6, 6), 50, np.random.default_rng(0)), n_boot=50))


@pytest.mark.parametrize("accuracy", [0.3 + 0.1 * np.log(np.arange(1, 9)), np.full(8, 0.5)], ids=["logarithm", "flat"])
@pytest.mark.parametrize("law", ["power_floor", "saturating_exponential"])
def test_a_parameter_lies_in_its_interval(accuracy, law):
    """Resamples that are all alike, and a shape that is found on a grid: the refits by themselves leave the value."""
    credit = accuracy[:, None] + np.linspace(-0.02, 0.02, 24)
    budgets = np.arange(1, 9)
    ids = np.array([f"item{i}" for i in range(24)])
    curve = curve_of_credits(credit, item_ids=ids, budgets=budgets, flops=1.0 * budgets, name="x", n_boot=100)
    params = fit_law(curve, law).params
    assert all(p.low <= p.value <= p.high for p in params.values())
