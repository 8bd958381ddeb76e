"""Fits of laws to curves: parameters, status, back-tests, losses and predictions."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scaling_example import correlated_credits, curve_with, make_records
from scipy.optimize import minimize
from scipy.stats import betabinom, binom, hypergeom

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.coverage import pass_at_k
from ttscale.scaling.curves.curve import Counts, accuracy_curve, curve_of_credits
from ttscale.scaling.fits.backtest import folds_of
from ttscale.scaling.fits.fit import choose
from ttscale.scaling.fits.fit_law import check_fitting, fit_law, log_spaced, needed_budgets
from ttscale.scaling.fits.pairs import pairs_of, thinned
from ttscale.scaling.fits.points import points_of
from ttscale.scaling.fits.status import status_of
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.laws.table import LAWS, Law, Parameter
from ttscale.scaling.solving.solver import solve_counts
from ttscale.scaling.strategy import ensemble
from ttscale.scaling.surfaces.laws import SURFACES

FORMULAS = {
    "log_linear": lambda k, a, b: a + b * np.log(k),
    "power_floor": lambda k, a, b, c: a - b * k**-c,
    "saturating_exponential": lambda k, a, b, c: a - b * np.exp(-c * (k - 1)),
}
OF_ACCURACY = {name for name, law in LAWS.items() if "accuracy" in law.of}
K = np.arange(1.0, 33.0)


@pytest.fixture
def quick_laws(monkeypatch):
    """A choice among the laws that take no time, for what is the same with more of them."""
    few = {name: LAWS[name] for name in ("constant", "log_linear", "power_floor", "saturating_exponential")}
    monkeypatch.setattr("ttscale.scaling.fits.fit_law.LAWS", few)
    return few


def test_an_auto_fit_of_a_power_law():
    truth = FORMULAS["power_floor"](np.arange(1.0, 65.0), 0.85, 0.15, 0.8)
    curve = curve_with(correlated_credits(truth[:32], 4000, np.random.default_rng(3)), n_boot=200)
    fit = fit_law(curve)
    assert fit.law == "power_floor" and fit.status == "converged" and fit.unit == "draws" and fit.loss == "gls"
    assert fit.gradient_norm < 1e-6 and fit.purpose == LAWS["power_floor"].purpose
    for name, value in zip("ABc", (0.85, 0.15, 0.8), strict=True):
        assert fit.params[name].low <= value <= fit.params[name].high
        assert "refits" in fit.params[name].method and fit.params[name].level == 0.95
    assert {c.law for c in fit.candidates} == OF_ACCURACY
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
def test_a_law_stays_on_a_curve_that_rises_and_then_is_flat(seed, quick_laws):
    """80 budgets, of which the first 5 rise: weighted by their almost singular covariance a law ran off them."""
    rise = 0.86 + 0.004 * np.minimum(np.arange(80), 5)
    curve = curve_with(voted_credits(rise, 2000, np.random.default_rng(seed)), n_boot=50)
    fit = fit_law(curve)
    seen = fit.line(curve.budgets.astype(float))[0]
    assert fit.r2 > 0.8 and np.abs(seen - rise).max() < 0.006
    assert all(c.r2 > -1 for c in fit.candidates)


@pytest.mark.parametrize("law", ["log_linear", "power_floor", "saturating_exponential"])
def test_a_law_that_falls_has_no_ceiling(law):
    """Best-of-n by a bad score: ever more samples find ever worse answers."""
    k = np.arange(1, 33)
    means = 0.25 + 0.2 * np.exp(-0.05 * (k - 1))
    curve = curve_with(correlated_credits(means, 400, np.random.default_rng(0)), n_boot=100)
    assert fit_law(curve, law).status == "falls"
    rising = curve_with(correlated_credits(means[::-1], 400, np.random.default_rng(0)), n_boot=100)
    assert fit_law(rising, law).status != "falls"


def test_a_law_that_is_worse_than_the_mean_says_so():
    curve = curve_with(correlated_credits(np.linspace(0.5, 0.6, 8), 200, np.random.default_rng(0)), n_boot=50)
    fitted = fit_law(curve, "log_linear").forecast
    assert status_of(fitted, -0.1) == "off_the_data" and status_of(fitted, 0.1) == "converged"


def test_a_constant_that_misses_points_says_so():
    """No constant beats the mean: what tells is whether it lies outside the interval of a point."""
    for means, expected in (([0.5, 0.7], "off_the_data"), ([0.5, 0.51], "converged"), ([0.6] * 8, "converged")):
        fit = fit_law(curve_with(correlated_credits(means, 2000, np.random.default_rng(0)), n_boot=50), "constant")
        assert fit.status == fit.point_status == expected
    two = fit_law(curve_with(correlated_credits([0.5, 0.7], 2000, np.random.default_rng(0)), n_boot=50))
    assert (two.law, two.status) == ("constant", "off_the_data")  # the only law that one budget can be fitted to


def test_refits_and_folds_that_did_not_converge_are_told_and_judged(quick_laws):
    truth = FORMULAS["power_floor"](np.arange(1.0, 17.0), 0.8, 0.2, 0.7)
    fit = fit_law(curve_with(correlated_credits(truth, 2000, np.random.default_rng(0)), n_boot=50))
    fitted = fit.forecast
    for share, expected in ((0.96, fit.status), (0.8, "not_converged")):
        made = replace(fitted)
        made.__dict__["refits"] = replace(fitted.refits, converged=np.arange(50) < 50 * share)
        assert status_of(made, fit.r2) == expected and made.refits_converged == share
        assert f"{round(50 * (1 - share))} did not converge" in made.params["A"].method
    assert "converge" not in fitted.params["A"].method and fit.backtest.converged == 1.0
    late = [replace(one, backtest=replace(one.backtest, converged=0.8)) if one.law == fit.law else one
            for one in fit.candidates]  # fmt: skip
    assert choose(late).law != fit.law and not next(one for one in late if one.law == fit.law).usable


def test_a_solver_that_did_not_converge_says_so():
    curve = curve_with(correlated_credits(np.linspace(0.5, 0.6, 8), 200, np.random.default_rng(0)), n_boot=50)
    fit = fit_law(curve, "log_linear")
    stopped = replace(fit.forecast, solution=replace(fit.forecast.solution, converged=np.array(False)))
    assert replace(fit, forecast=stopped).status == "not_converged"


def test_no_trend_is_a_constant(quick_laws):
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
    first = folds_of(points_of(curve), n_splits=2)
    half, curve_rows = first_half(curve.item_ids, None, seed=0), log_spaced(curve.budgets)
    np.testing.assert_allclose(first.fitted_on[0], credit[:, half].mean(1)[curve_rows], rtol=1e-6)
    np.testing.assert_allclose(first.scored_on[0], credit[:, ~half].mean(1)[curve_rows], rtol=1e-6)
    np.testing.assert_allclose(first.fitted_on[2], credit[:, ~half].mean(1)[curve_rows], rtol=1e-6)
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
    assert all(c.status == "not_identified" for c in fit.candidates if c.law not in ("constant", "log_linear"))


def test_short_curves(quick_laws):
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
    late = curve_with(correlated_credits(np.full(8, 0.6), 500, np.random.default_rng(0)), budgets=16 * np.arange(1, 9))
    below = fit_law(late, "constant")
    widths = [below.predict(k).high - below.predict(k).low for k in (64, 16, 8, 4, 2)]
    assert widths[0] == widths[1] == widths[2] < widths[3] < widths[4]
    with pytest.warns(UserWarning, match="16 times its fitted range"):
        below.predict(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit.predict(80)


def test_prediction_includes_the_backtest_error():
    curve = curve_with(correlated_credits(np.linspace(0.5, 0.6, 8), 500, np.random.default_rng(0)), n_boot=50)
    fit = fit_law(curve, "constant")
    a, z = fit.params["A"], 1.959964
    expected = np.hypot(a.value - a.low, z * fit.backtest.gain_misfit)
    assert fit.predict(8).value - fit.predict(8).low == pytest.approx(expected, rel=1e-6)


def test_candidates_that_disagree_widen_the_chosen_laws_extrapolation(quick_laws):
    truth = FORMULAS["power_floor"](np.arange(1.0, 17.0), 0.85, 0.25, 0.6)
    curve = curve_with(correlated_credits(truth, 3000, np.random.default_rng(1)), n_boot=100)
    chosen = fit_law(curve)
    alone = fit_law(curve, chosen.law)
    assert chosen.predict(16).low == pytest.approx(alone.predict(16).low)
    assert chosen.predict(32).low < alone.predict(32).low and chosen.predict(32).value == alone.predict(32).value


LINEAR = Parameter("A", 0.0, 1.0, linear=True)


def small_curve(credit=None, **more):
    credit = correlated_credits(np.linspace(0.5, 0.6, 6), 50, np.random.default_rng(0)) if credit is None else credit
    return curve_with(credit, n_boot=50, **more)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: fit_law(c, "power_flor"), "Did you mean power_floor"),
        (lambda c: fit_law("curve"), "expected a Curve"),
        (lambda c: fit_law(curve_with(np.eye(1, 20))), "at least 2 budgets"),
        (lambda c: fit_law(curve_with(np.eye(2, 20)), "power_floor"), "at least 3 budgets for 'power_floor', got 2"),
        (lambda c: fit_law(curve_with(np.eye(4, 3))), "at least 4 items"),
        (lambda c: fit_law(small_curve(np.ones((4, 1)))), "at least 4 items"),
        (lambda c: fit_law(small_curve(budgets=[1, 2, 4, 3, 5, 6])), r"increase.*1, 2, 4, 3"),
        (lambda c: fit_law(small_curve(budgets=[1, 2, 2, 3, 5, 6])), "each once"),
        (lambda c: fit_law(small_curve(budgets=[0, 1, 2, 3, 5, 6])), "at least 1"),
        (lambda c: fit_law(small_curve(np.array([[0.1] * 9, [0.2] * 9, [math.nan] * 9]))), r"NaN at budgets \[3\]"),
        (lambda c: fit_law(c, n_splits=0), "n_splits"),
        (lambda c: fit_law(c, n_splits=2.0), "n_splits"),
        (lambda c: fit_law(c, SURFACES["chinchilla"]), "a law of one input.*'chinchilla' of n, d"),
        (lambda c: fit_law(c, loss="squares"), "one of auto, gls, huber, binomial"),
        (lambda c: fit_law(c, loss="huber", delta=0), "delta"),
        (lambda c: fit_law(c, delta=math.nan), "delta"),
        (lambda c: fit_law(small_curve().at_rows(np.array([0, 1])), "bnsl"), "at least 6 budgets for 'bnsl', got 2"),
        (lambda c: fit_law(c, "constant").predict(), "exactly one"),
        (lambda c: fit_law(c, "constant").predict(2, flops=3.0), "exactly one"),
        (lambda c: fit_law(c, "constant").predict(0), "at least 1"),
        (lambda c: fit_law(c, "constant").predict(True), "at least 1"),
        (lambda c: fit_law(c, "constant").predict("8"), "at least 1"),
        (lambda c: fit_law(c, "constant").predict(math.nan), "at least 1"),
        (lambda c: fit_law(c, "constant").predict(flops=math.nan), "at least one draw"),
        (lambda c: fit_law(small_curve(flops=[math.nan] * 6), "constant").predict(flops=3.0), "known costs"),
        (lambda c: fit_law(small_curve(flops=[0.0] * 6), "constant").predict(flops=3.0), "costs that increase"),
        (lambda c: fit_law(small_curve(flops=[-1.0, -2, -3, -4, -5, -6]), "constant").predict(flops=3.0), "increase"),
        (lambda c: fit_law(c, Law("x", "", "", (LINEAR,), lambda k, a, b: a)), "'x'"),
        (lambda c: fit_law(c, Law("x", "", "", (LINEAR, Parameter("c", 2.0, 1.0)), lambda k, a, c: a * c)), "'x'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(TtscaleError, match=message):
        call(small_curve())


@pytest.mark.parametrize("flops", [[math.nan] * 6, [0.0] * 6, [-1.0, -2, -3, -4, -5, -6]])
def test_costs_that_are_no_costs_leave_a_law_in_draws(flops):
    fit = fit_law(small_curve(flops=flops), "log_linear")
    assert fit.unit == "draws" and math.isfinite(fit.predict(12).high)


def test_options_are_refused_before_anything_is_computed():
    check_fitting("stacked", "huber", 2.0)
    check_fitting(LAWS["m4"])
    for options in (("stackd",), ("auto", "l1"), ("auto", "huber", -1.0)):
        with pytest.raises(TtscaleError):
            check_fitting(*options)
    assert [needed_budgets(law) for law in ("auto", "stacked", "constant", "power_floor", LAWS["bnsl"])] == [
        2, 2, 2, 3, 6,
    ]  # fmt: skip


def test_laws_that_need_more_budgets_are_listed():
    fit = fit_law(small_curve(correlated_credits([0.5, 0.55, 0.6, 0.62], 200, np.random.default_rng(0))))
    assert set(fit.skipped) | {c.law for c in fit.candidates} == OF_ACCURACY
    assert "needs 6 budgets, the curve has 4" in fit.skipped["bnsl"]


def test_a_law_that_is_undefined_somewhere_is_skipped_with_the_reason(quick_laws):
    own = Law("own", "", "", (LINEAR, Parameter("c", 0.1, 2.0)), lambda k, a, c: a + np.sqrt((k - 3) ** 2 - 0.5) * c)
    quick_laws["own"] = own
    credit = correlated_credits([0.5, 0.6, 0.65, 0.67], 200, np.random.default_rng(0))
    with np.errstate(invalid="ignore"):
        fit = fit_law(curve_with(credit, n_boot=50))
        assert "not defined at all of these budgets" in fit.skipped["own"]
        assert "own" not in {one.law for one in fit.candidates}
        with pytest.raises(TtscaleError, match="law"):
            fit_law(curve_with(credit, n_boot=50), own)


def test_numbers_of_numpy_are_numbers():
    fit = fit_law(small_curve(), "log_linear", loss="huber", delta=np.float32(1.5), n_splits=np.int64(2))
    assert fit.predict(np.int64(6)).value == fit.predict(np.float32(6)).value


def test_a_law_of_ones_own():
    law = Law(
        "root_log", "A + B·(ln k)^c", "slowing gains",
        (LINEAR, Parameter("B", -math.inf, math.inf, linear=True), Parameter("c", 0.1, 2.0)),
        lambda k, a, b, c: a + b * np.log(np.maximum(k, 1.0 + 1e-12)) ** c,
    )  # fmt: skip
    credit = correlated_credits(0.5 + 0.1 * np.log(K) ** 0.5, 2000, np.random.default_rng(0))
    fit = fit_law(curve_with(credit, n_boot=50), law)
    assert fit.law == "root_log" and fit.params["c"].low < 0.5 < fit.params["c"].high and fit.asymptote is None


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


def test_the_asymptote():
    truth = FORMULAS["power_floor"](K, 0.8, 0.3, 0.9)
    curve = curve_with(correlated_credits(truth, 3000, np.random.default_rng(2)), n_boot=100)
    fit = fit_law(curve, "power_floor")
    level, ceiling = fit.params["A"], fit.asymptote
    missed = 1.959964 * fit.backtest.gain_misfit * math.log2(10)  # as a prediction 10 times outside
    assert ceiling.value == level.value
    assert ceiling.value - ceiling.low == pytest.approx(np.hypot(level.value - level.low, missed), rel=1e-6)
    assert ceiling.high - ceiling.value == pytest.approx(np.hypot(level.high - level.value, missed), rel=1e-6)
    assert fit_law(curve, "log_linear").asymptote is None
    ceiling = fit_law(curve, "saturating_exponential").asymptote
    assert ceiling.low <= ceiling.value <= ceiling.high <= 1.0
    one = fit_law(curve_with(np.ones((8, 50)), n_boot=50))
    assert one.asymptote.low == one.predict(8).low < one.asymptote.value == pytest.approx(1.0)


def test_a_limit_that_the_form_alone_sets_is_no_asymptote():
    n, c = beta_counts(n_items=60)
    curve = counted(n, c, [1, 2, 4, 8, 16, 32], n_boot=50)
    assert all(fit_law(curve, law).asymptote is None for law in ("beta_binomial", "exponentiated_power"))
    assert fit_law(curve, "power_floor").asymptote is not None


def test_huber_bounds_the_pull_of_one_point():
    """A point that is 10 standard errors off draws least squares away, and Huber's loss nearly not."""
    truth = 0.5 + 0.03 * np.log(np.arange(1, 10))
    credit = correlated_credits(truth, 2000, np.random.default_rng(4), keep=0.0)
    exact = credit + (truth - credit.mean(1))[:, None]
    exact[4] += 0.12
    curve = curve_with(exact, n_boot=50)
    slopes = {loss: fit_law(curve, "log_linear", loss=loss).params["B"].value for loss in ("gls", "huber")}
    levels = {loss: fit_law(curve, "log_linear", loss=loss).params["A"].value for loss in ("gls", "huber")}
    off = {loss: np.hypot(levels[loss] - 0.5, slopes[loss] - 0.03) for loss in slopes}
    assert off["huber"] < 0.6 * off["gls"]
    wide = fit_law(curve, "log_linear", loss="huber", delta=100.0)  # no point is so far off: least squares
    inverse = np.linalg.inv(wide.forecast.weighed.covariance)
    x = np.stack([np.ones(len(wide.budgets)), np.log(wide.budgets)], axis=1)
    best = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ curve.accuracy[wide.budgets - 1])
    np.testing.assert_allclose([p.value for p in wide.params.values()], best, rtol=1e-6)
    assert wide.loss == "huber" and math.isfinite(wide.backtest_gain_rmse)


def test_the_binomial_loss_is_the_likelihood_of_right_items():
    curve = curve_with(correlated_credits(np.linspace(0.7, 0.95, 9), 120, np.random.default_rng(5)), n_boot=50)
    fit = fit_law(curve, "log_linear", loss="binomial")
    k = fit.budgets
    right = curve.credit.sum(1)[k - 1]
    best = minimize(
        lambda p: -binom.logpmf(right, 120, np.clip(p[0] + p[1] * np.log(k), 1e-9, 1 - 1e-9)).sum(), (0.7, 0.1),
        method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12},
    )  # fmt: skip
    np.testing.assert_allclose([fit.params["A"].value, fit.params["B"].value], best.x, rtol=1e-5)
    assert math.isfinite(fit.backtest_gain_rmse) and fit.params["B"].low < best.x[1] < fit.params["B"].high


def counted(n, c, budgets, **more):
    """The curve of coverage of items with ``n`` samples of which ``c`` are right."""
    credit = np.stack([[pass_at_k(int(a), int(b), k) for a, b in zip(n, c, strict=True)] for k in budgets]).astype(
        float
    )
    return curve_of_credits(
        credit, item_ids=np.array([f"i{i}" for i in range(len(n))]), budgets=np.array(budgets),
        flops=1.0 * np.array(budgets), name="c/coverage", vote="coverage", counts=Counts(n, c), **more,
    )  # fmt: skip


def beta_counts(n_items=300, n=32, a=0.4, b=1.5, seed=0):
    rng = np.random.default_rng(seed)
    return np.full(n_items, n), rng.binomial(n, rng.beta(a, b, n_items))


def test_coverage_is_fitted_to_its_counts_by_likelihood():
    n, c = beta_counts(seed=2)
    fit = fit_law(counted(n, c, [1, 2, 4, 8, 16, 32], n_boot=60), "beta_binomial")
    best = minimize(
        lambda p: -betabinom.logpmf(c, n, *np.exp(p)).sum(), (0.0, 0.0), method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12},
    )  # fmt: skip
    np.testing.assert_allclose([p.value for p in fit.params.values()], np.exp(best.x), rtol=1e-5)
    assert fit.loss == "counts" and fit.status == "converged"
    assert all(p.low < value < p.high for p, value in zip(fit.params.values(), (0.4, 1.5), strict=True))
    pooled = fit_law(counted(n, c, [1, 2, 4, 8, 16, 32], n_boot=60), "beta_binomial", loss="gls")
    assert pooled.loss == "gls" and pooled.params != fit.params
    every = fit_law(counted(n, c, [1, 2, 4, 8, 16, 32], n_boot=60))
    assert {one.law for one in every.candidates} | set(every.skipped) == {
        name for name, law in LAWS.items() if "coverage" in law.of
    } | {"populations"}


def test_coverage_is_forecast_by_laws_that_hold_far_beyond_the_samples():
    """Every law is ranked; the choice and the average are of those for forecasts."""
    n, c = beta_counts(n_items=400, seed=1)
    fit = fit_law(counted(n, c, [1, 2, 3, 4, 6, 8, 11, 16, 23, 32], n_boot=50))
    meant = {"constant", "exponentiated_power", "populations"}
    assert {one.law for one in fit.candidates if one.forecast.forecasts} == meant
    assert fit.law in meant and set(fit.stacked.weights) <= meant and len(fit.candidates) > 6


@pytest.mark.parametrize(("b", "seed"), [(40.0, 0), (400.0, 1)])
def test_a_tail_of_hard_problems_is_found_beside_many_easy_ones(b, seed):
    """Half of the problems are easy: the power of the hard ones' failures is that of their own spread, which one beta
    distribution of all does not find."""
    rng, n = np.random.default_rng(seed), np.full(2000, 100)
    chance = np.where(rng.random(2000) < 0.5, rng.beta(1, 2, 2000), rng.beta(0.4, b, 2000))
    curve = counted(n, rng.binomial(n, chance), [1, 2, 4, 8, 16, 32, 64, 100], n_boot=50)
    truth = 1 - np.mean((1 - chance) ** 10_000)
    far, off = np.array([1e4]), {}
    for law in ("easy_and_hard", "beta_binomial"):
        fit = fit_law(curve, law, n_splits=1)
        off[law] = abs(fit.point_line(far)[0] - truth)
    assert off["easy_and_hard"] < 0.03 and off["beta_binomial"] > 2 * off["easy_and_hard"]
    assert fit_law(curve, "easy_and_hard", n_splits=1).values["w"] == pytest.approx(0.5, abs=0.05)


def test_thinned_counts_are_those_of_every_subset():
    n, c = np.array([5, 5, 7, 5]), np.array([2, 0, 7, 2])
    pairs = pairs_of(Counts(n, c))
    assert pairs.n.tolist() == [5, 5, 7] and pairs.c.tolist() == [0, 2, 7] and pairs.of_item.tolist() == [1, 0, 2, 1]
    assert pairs.weights(np.array([True, False, True, True])).tolist() == [0, 2, 1]
    expected = [hypergeom.pmf(np.arange(4), a, b, 3) for a, b in zip(pairs.n, pairs.c, strict=True)]
    right, share = thinned(pairs, 3)
    assert right.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(share, expected, atol=1e-12)
    whole = thinned(pairs_of(Counts(n[:2], c[:2])), 5)[1]
    np.testing.assert_allclose(whole, [[1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]], atol=1e-12)


def test_of_many_thinned_samples_fewer_counts_are_kept_and_say_the_same():
    """Mean and variance are those of the hypergeometric distribution, counts near 0 are all there, and a law fitted to
    those kept is the law fitted to all."""
    rng = np.random.default_rng(1)
    n, m = np.full(40, 4000), 2000
    pairs = pairs_of(Counts(n, rng.binomial(n, rng.beta(0.3, 2.0, 40))))
    right, share = thinned(pairs, m)
    assert len(right) < 320 and right[:10].tolist() == list(range(10)) and right[-1] == m
    every = np.array([hypergeom.pmf(np.arange(m + 1), 4000, c, m) for c in pairs.c])
    np.testing.assert_allclose(share.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(share @ right, m * pairs.c / 4000, rtol=1e-9)
    items = pairs.weights(np.ones(40, dtype=bool))
    law = LAWS["beta_binomial"]
    few = solve_counts(law, np.full(len(right), m), right, items @ share)
    whole = solve_counts(law, np.full(m + 1, m), np.arange(m + 1), items @ every)
    np.testing.assert_allclose(few.parameters, whole.parameters, rtol=1e-3)


def test_the_backtest_of_counts_sees_no_more_samples_than_the_low_budgets():
    """All that thinned counts tell is coverage up to the low budgets: items of which 2 or 14 of 16 are right, and items
    of other counts with the same mean over subsets, give the same fit; and the scored half is not seen at all."""
    n, c = beta_counts(n_items=80, n=16, seed=3)
    curve = counted(n, c, [1, 2, 3, 4, 6, 8, 11, 16], n_boot=50)
    folds = folds_of(points_of(curve), n_splits=1)
    m, right, weights = folds.thinned
    assert m.tolist() == [8] * 9 and right.tolist() == list(range(9))
    half = first_half(curve.item_ids, None, seed=0)
    expected = sum(hypergeom.pmf(np.arange(9), 16, one, 8) for one in c[half])
    np.testing.assert_allclose(weights[0], expected, rtol=1e-9, atol=1e-9)
    base = fit_law(curve, "beta_binomial", n_splits=1).backtest
    other = np.where(half, c, 0)
    spoiled = fit_law(counted(n, other, [1, 2, 3, 4, 6, 8, 11, 16], n_boot=50), "beta_binomial", n_splits=1).backtest
    np.testing.assert_allclose(spoiled.predicted[0], base.predicted[0], rtol=1e-9)


def test_monte_carlo_error_counts_as_error_of_its_point():
    credit = correlated_credits(np.linspace(0.5, 0.6, 6), 50, np.random.default_rng(0))
    curve = small_curve(credit)
    noisy = replace(curve, sampling_error=np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0]))
    extra = points_of(noisy).covariance - points_of(curve).covariance
    np.testing.assert_allclose(extra, np.diag([0, 0.01, 0, 0, 0, 0]), atol=1e-15)
    # Half of the items leave twice the variance.
    spread = folds_of(points_of(noisy)).covariance - folds_of(points_of(curve)).covariance
    np.testing.assert_allclose(spread, np.broadcast_to(np.diag([0, 0.02, 0, 0]), spread.shape), atol=1e-15)


@pytest.mark.parametrize("right", [0, 16], ids=["all_wrong", "all_right"])
@pytest.mark.parametrize("loss", ["auto", "huber", "binomial"])
def test_items_that_all_agree(right, loss):
    """Nothing varies, so that nothing warns, the value is exact, and the interval is that of so many items."""
    n = np.full(40, 16)
    fit = fit_law(counted(n, np.full(40, right), [1, 2, 3, 4, 6, 8, 11, 16], n_boot=50), loss=loss)
    for one in (fit, fit.stacked):
        band = one.predict(32)
        assert band.value == pytest.approx(right / 16, abs=1e-3)
        assert band.low <= band.value <= band.high and band.high - band.low > 0.05
    if loss != "binomial":  # whose deviance has no slope to vanish where a law is at 0 or 1
        assert fit.status == "converged" and fit.stacked.status == "converged"
    shaped = [c for c in fit.candidates if any(not one.linear for one in c.definition.parameters)]
    assert len(shaped) >= 5 and all(c.status in ("not_identified", "not_converged") for c in shaped)


def test_resamples_that_do_not_vary_leave_the_intervals_of_the_points():
    """Items alike at each budget, though the budgets differ: no resample shows any spread."""
    fit = fit_law(curve_with(np.repeat([[0.5], [0.6], [0.65], [0.7]], 30, axis=1), n_boot=50), "log_linear")
    assert fit.curve.low[-1] < 0.7 < fit.curve.high[-1]
    for k in (4, 8):
        band = fit.predict(k)
        assert band.low <= fit.curve.low[-1] and band.high >= fit.curve.high[-1]


def test_items_of_which_half_are_always_right():
    right = np.repeat([0, 16], 20)
    fit = fit_law(counted(np.full(40, 16), right, [1, 2, 3, 4, 6, 8, 11, 16], n_boot=50))
    assert fit.law == "constant" and fit.predict(32).value == pytest.approx(0.5)
    assert fit.predict(32).low < 0.4 and fit.predict(32).high > 0.6


def test_what_needs_no_refits_makes_none():
    truth = FORMULAS["power_floor"](K, 0.85, 0.3, 0.8)
    curve = curve_with(correlated_credits(truth, 3000, np.random.default_rng(2)), n_boot=50)
    falling = curve_with(correlated_credits(truth[::-1], 3000, np.random.default_rng(2)), n_boot=50)
    fit, down = fit_law(curve, "power_floor"), fit_law(falling, "log_linear")
    assert fit.point_status == "converged" and down.point_status == "falls"
    assert list(fit.values) == ["A", "B", "c"] and fit.point_line(K).shape == K.shape
    assert all("refits" not in vars(one.forecast) for one in (fit, down))
    assert fit.values == {name: p.value for name, p in fit.params.items()} and fit.status == "converged"
    assert np.array_equal(fit.point_line(K), fit.line(K)[0]) and down.status == "falls"
    assert all("refits" in vars(one.forecast) for one in (fit, down))
    chosen = fit_law(curve)
    assert chosen.asymptote is not None  # beside the limits of the other laws, none of them refitted
    assert [one.law for one in chosen.candidates if "refits" in vars(one.forecast)] == [chosen.law]


@pytest.mark.parametrize("clusters", [None, np.array([f"c{i // 2}" for i in range(12)])])
def test_resampled_pairs_are_those_of_the_resampled_items(clusters):
    """The mean coverage that the weights of pairs give is that of the curve's own resamples."""
    n, c = beta_counts(n_items=12, n=4)
    curve = counted(n, c, [1, 2, 4], n_boot=50, clusters=clusters)
    points = points_of(curve)
    hit = np.array([[pass_at_k(4, int(one), k) for k in (1, 2, 4)] for one in points.pairs.c], dtype=float)
    np.testing.assert_allclose(points.pair_weights @ hit / 12, curve.replicates, atol=1e-9)
