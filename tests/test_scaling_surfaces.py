"""Surfaces: gradients, noiseless recovery, the optimum of the published objective, splits, lines of equal error."""

import csv
import os
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from ttscale.errors import TtscaleError
from ttscale.scaling.intervals.interval import normal_quantile
from ttscale.scaling.laws.law import Law, Parameter
from ttscale.scaling.laws.table import LAWS
from ttscale.scaling.surfaces.backtest import refits_of
from ttscale.scaling.surfaces.compared import missed
from ttscale.scaling.surfaces.fit import refit_interval
from ttscale.scaling.surfaces.fit_surface import fit_surface
from ttscale.scaling.surfaces.isoquant import exchange_slope, solve_input, split_compute
from ttscale.scaling.surfaces.laws import SURFACES, laws_of, to_units
from ttscale.scaling.surfaces.near import near
from ttscale.scaling.surfaces.points import check_points

TRUE = {
    "chinchilla": {"E": 1.7, "A": 410.0, "B": 1100.0, "alpha": 0.35, "beta": 0.37},
    "additive_draws": {"E": 0.05, "A": 20.0, "B": 90.0, "G": 0.2, "alpha": 0.25, "beta": 0.28, "gamma": 0.6},
    "draws_as_size": {"E": 0.05, "A": 40.0, "B": 90.0, "alpha": 0.3, "beta": 0.28, "gamma": 0.7},
    "draws_as_compute": {"E": 0.08, "A": 20.0, "B": 90.0, "alpha": 0.25, "beta": 0.28, "gamma": 0.3},
    "draws_share": {"E": 0.05, "A": 20.0, "B": 90.0, "g": 0.4, "alpha": 0.25, "beta": 0.28, "gamma": 0.9},
    "draws_shrink": {"E": 0.08, "A": 20.0, "B": 90.0, "alpha": 0.25, "beta": 0.28, "gamma": 0.3},
    "draws_power": {"E": 0.05, "A": 20.0, "B": 90.0, "g": 0.6, "alpha": 0.25, "beta": 0.28, "gamma": 0.9},
    "draws_of_items": {"E": 0.05, "A": 20.0, "B": 90.0, "alpha": 0.25, "beta": 0.28, "sigma": 1.5},
}
TRUE |= {f"steep_{name}": {**truth, "E": 0.05, "s": 2.5} for name, truth in TRUE.items()}
PLAIN = list(laws_of(("n", "d", "k")))
HOFFMANN = (np.exp(0.5267228), np.exp(6.0073404), np.exp(6.0179186), 0.33917084, 0.2849083)
EPOCH = (np.exp(0.597307), np.exp(6.169246), np.exp(7.670157), 0.347311, 0.367172)


def grid(name, sizes=5, amounts=5):
    """Inputs on a product grid and the law's values there."""
    law = SURFACES[name]
    axes = [np.geomspace(2e7, 5e9, sizes), np.geomspace(5e8, 2e11, amounts), 2.0 ** np.arange(5)]
    inputs = [x.ravel() for x in np.meshgrid(*axes[: len(law.inputs)], indexing="ij")]
    return inputs, law.at(inputs, np.array(list(TRUE[name].values())))


def noisy(name, spread, seed=0, **shape):
    inputs, y = grid(name, **shape)
    return inputs, y * np.exp(spread * np.random.default_rng(seed).standard_normal(len(y)))


def fit(inputs, y, **settings):
    n, d, *k = inputs
    return fit_surface(n, d, y, *k, **{"n_boot": 40, "ci": 0.9, **settings})


def huber_sum(p, n, d, y, delta=1e-3):
    """The published objective and its gradient, with logarithms of A, B, E as parameters."""
    a, b, e, alpha, beta = p
    terms = np.stack([a - alpha * np.log(n), b - beta * np.log(d), np.full(len(n), e)])
    top = terms.max(axis=0)
    shares = np.exp(terms - top)
    residual = top + np.log(shares.sum(axis=0)) - np.log(y)
    shares = shares / shares.sum(axis=0)
    size = np.abs(residual)
    slope = np.clip(residual, -delta, delta) * shares
    gradient = [*slope.sum(axis=1), -(slope[0] * np.log(n)).sum(), -(slope[1] * np.log(d)).sum()]
    return np.where(size <= delta, residual**2 / 2, delta * (size - delta / 2)).sum(), np.array(gradient)


@pytest.mark.parametrize("name", SURFACES)
def test_gradients_against_complex_steps(name):
    law, (inputs, _) = SURFACES[name], grid(name)
    scaled = [x / np.sqrt(x.min() * x.max()) for x in inputs[:2]] + inputs[2:]
    at = np.linspace(0.3, 0.9, len(law.parameters)).astype(complex)
    for i, column in enumerate(law.gradient(*scaled, *at.real)):
        moved = at.copy()
        moved[i] += 1e-30j
        slope = law.value(*scaled, *moved).imag / 1e-30
        np.testing.assert_allclose(np.broadcast_to(column, slope.shape), slope, rtol=1e-12)


@pytest.mark.parametrize("name", SURFACES)
def test_noiseless_data_give_the_parameters_back(name):
    inputs, y = grid(name)
    of_items = name.endswith("_of_items")  # laws of odds
    found = fit(inputs, y / (1 + y) if of_items else y, law=name, quantity="odds" if of_items else "error")
    assert found.status == "converged" and not found.not_identified and found.objective < 1e-18
    assert {key: p.value for key, p in found.params.items()} == pytest.approx(TRUE[name], rel=1e-6)
    assert found.backtest_rmse < 1e-6 and max(cell.rmse for cell in found.held_out) < 1e-6


def test_the_objective_is_the_published_one_at_its_minimum():
    inputs, y = noisy("chinchilla", 0.01, sizes=8, amounts=8)
    y[::7] *= 1.2  # outliers, which Huber's loss is for
    found = fit(inputs, y)
    p = found.params
    ours = np.array([*np.log([p["A"].value, p["B"].value, p["E"].value]), p["alpha"].value, p["beta"].value])
    value, slope = huber_sum(ours, *inputs, y)
    assert found.objective == pytest.approx(value, rel=1e-12) and np.abs(slope).max() < 1e-9
    for seed in range(5):
        start = ours + 0.3 * np.random.default_rng(seed).standard_normal(5)
        other = minimize(
            lambda x: tuple(1e3 * part for part in huber_sum(x, *inputs, y)), start, jac=True, method="L-BFGS-B",
            options={"maxiter": 5000, "maxfun": 5000, "ftol": 1e-15, "gtol": 1e-10},
        )  # fmt: skip
        assert found.objective <= other.fun / 1e3 * (1 + 1e-9)


@pytest.mark.skipif("TTSCALE_CHINCHILLA_CSV" not in os.environ, reason="names the file of Besiroglu et al. 2024")
def test_the_published_data():
    with open(os.environ["TTSCALE_CHINCHILLA_CSV"], newline="") as file:
        rows = list(csv.DictReader(file))
    n, flops, y = (np.array([float(row[key]) for row in rows]) for key in ("Model Size", "Training FLOP", "loss"))
    kept = np.sort(np.argsort(y)[:-5])
    n, d, y = n[kept], (flops / 6 / n)[kept], y[kept]
    found = fit_surface(n, d, y, n_boot=50, ci=0.9)
    assert len(y) == 240 and found.objective == pytest.approx(0.001018274018, rel=1e-7)
    expected = dict(zip(("E", "A", "B", "alpha", "beta"), EPOCH, strict=True))
    assert {key: p.value for key, p in found.params.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("parameters", "tokens"), [(HOFFMANN, 59.0), (EPOCH, 17.9)])
def test_the_published_tokens_per_parameter(parameters, tokens):
    n, d = split_compute(SURFACES["chinchilla"], np.array([parameters]), 5.88e23, {}, 6.0)
    _, a, b, alpha, beta = parameters
    by_hand = (alpha * a / (beta * b)) ** (1 / (alpha + beta)) * (5.88e23 / 6) ** (beta / (alpha + beta))
    assert n[0] == pytest.approx(by_hand, rel=1e-6) and 6 * n[0] * d[0] == pytest.approx(5.88e23, rel=1e-9)
    assert d[0] / n[0] == pytest.approx(tokens, abs=0.05)


def test_split_with_intervals_and_without_a_minimum():
    inputs, y = noisy("chinchilla", 0.003, sizes=8, amounts=8)
    found = fit(inputs, y)
    split = found.optimum(1e22)
    n, d = split_compute(SURFACES["chinchilla"], np.array([list(TRUE["chinchilla"].values())]), 1e22, {}, 6.0)
    assert split.n.low < n[0] < split.n.high and split.d.low < d[0] < split.d.high
    assert split.d_per_n.value == pytest.approx(split.d.value / split.n.value)
    assert split.error.value == pytest.approx(found.predict(split.n.value, split.d.value).value)
    nearby = [found.predict(split.n.value * f, split.d.value / f).value for f in (0.8, 1.25)]
    assert split.error.value < min(nearby)
    flat = np.array([[1.0, 1e-9, 1e-9, 1e-3, 1e-3]])  # what is left where no term was found
    assert np.isnan(split_compute(SURFACES["chinchilla"], flat, 1e20, {}, 6.0)[0]).all()
    only_size = np.array([[1.0, 100.0, 1e-30, 0.3, 0.3]])  # data do not matter: all compute goes into size
    assert np.isnan(split_compute(SURFACES["chinchilla"], only_size, 1e20, {}, 6.0)[0]).all()


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "chinchilla"])
def test_the_back_test_finds_what_draws_do(name):
    inputs, y = noisy(name, 0.004, seed=1, sizes=4, amounts=4)
    found = fit(inputs, y, n_boot=20, delta=0.005)  # of the noise: a loss that is square nearly everywhere is fast
    assert found.law == name  # its errors may be a hair larger than those of a law that holds it as a special case
    assert {one.law for one in found.candidates} == set(PLAIN)
    truth = SURFACES[name].at([np.array([8e9]), np.array([3e11]), np.array([32.0])], np.array([*TRUE[name].values()]))
    predicted = found.predict(8e9, 3e11, 32)
    assert predicted.value == pytest.approx(truth[0], rel=0.02) and predicted.low < predicted.value < predicted.high


def test_intervals_cover_the_truth_and_new_measurements():
    parameters, measured = [], []
    inside, outside = (1e9, 2e10), (1e10, 4e11)  # the second is twice the largest size and data
    law, truth = SURFACES["chinchilla"], np.array([*TRUE["chinchilla"].values()])
    for seed in range(20):
        found = fit(*noisy("chinchilla", 0.01, seed), seed=seed)
        parameters.append([p.low <= TRUE["chinchilla"][key] <= p.high for key, p in found.params.items()])
        noise = np.exp(0.01 * np.random.default_rng([seed, 1]).standard_normal(2))
        for (n, d), factor in zip((inside, outside), noise, strict=True):
            predicted = found.predict(n, d)
            measured.append(predicted.low < law.at([np.array([n]), np.array([d])], truth)[0] * factor < predicted.high)
    assert 0.75 < np.mean(parameters) <= 0.99  # 25 points, 40 resamples, level 0.9
    assert 0.8 < np.mean(measured) <= 1.0


def test_exchange_along_a_line_of_equal_error_by_hand():
    name, at = "draws_as_compute", {"n": 1e9, "d": 2e10, "k": 4.0}
    truth = TRUE[name]
    by_size, by_data = (truth[c] * at[x] ** -truth[e] for c, x, e in (("A", "n", "alpha"), ("B", "d", "beta")))
    parameters = np.array([list(truth.values())])
    slope = exchange_slope(SURFACES[name], parameters, "n", "k", at)
    expected = -truth["alpha"] * by_size / (truth["gamma"] * (by_size + by_data))
    assert slope[0] == pytest.approx(expected, rel=1e-7)
    slope = exchange_slope(SURFACES[name], parameters, "n", "d", at)
    assert slope[0] == pytest.approx(-truth["alpha"] * by_size / (truth["beta"] * by_data), rel=1e-7)
    found = fit(*grid(name), law=name)
    rate = found.exchange("n", "k", **at)
    assert rate.value == pytest.approx(expected, rel=1e-6) and rate.low <= rate.value <= rate.high
    with pytest.raises(TtscaleError, match="input"):
        found.exchange("n", "draws", **at)


def test_a_line_of_equal_error_is_followed():
    found = fit(*grid("draws_as_size"), law="draws_as_size")
    target = found.predict(1e9, 2e10, 4).value
    draws = found.solve("k", target, n=5e8, d=2e10)
    assert draws.value == pytest.approx(4 * 2 ** (1 / TRUE["draws_as_size"]["gamma"]), rel=1e-5)
    assert found.predict(5e8, 2e10, draws.value).value == pytest.approx(target, rel=1e-9)
    assert found.solve("k", 0.9 * TRUE["draws_as_size"]["E"], n=5e8, d=2e10).value == np.inf
    assert found.solve("k", 1.01 * found.predict(5e8, 2e10, 1).value, n=5e8, d=2e10).value == 1.0
    one = np.array([[0.1, 2.0, 3.0, 0.5, 0.5]])
    got = solve_input(SURFACES["chinchilla"], one, "n", 0.4, {"d": 900.0}, 100.0)
    assert got[0] == pytest.approx((2.0 / (0.4 - 0.1 - 3.0 / 30)) ** 2)


def test_predictions_far_out_warn_and_widen():
    found = fit(*noisy("chinchilla", 0.01))
    near, inside = found.predict(1e10, 4e11), found.predict(1e9, 1e10)
    with pytest.warns(UserWarning, match="40 times its fitted range"):
        far = found.predict(2e11, 2e11)
    widths = [np.log(x.high / x.low) for x in (inside, near, far)]
    assert widths[0] < widths[1] < widths[2] and found.backtest_rmse < 0.05
    with pytest.warns(UserWarning, match="40 times its fitted range"):
        far_below = found.predict(5e5, 1e10)
    z_errors = normal_quantile(0.9) * found.backtest_rmse
    for one in (far, far_below):  # log2 40 doublings, and log2 4 more beyond ten times the range
        assert np.log(one.high / one.value) > z_errors * (np.log2(40) + np.log2(4)) * 0.999


def test_within_the_range_inner_cells_count_and_outside_those_at_the_ends():
    found = fit(*noisy("chinchilla", 0.01, sizes=6, amounts=6))
    cells, ends = found.held_out, [cell for cell in found.held_out if cell.beyond]
    assert {(cell.cell.split(" = ")[0], cell.beyond) for cell in cells} >= {("n", True), ("d", True), ("n", False)}
    assert sum(cell.cell.startswith("n = ") for cell in ends) == 2  # the smallest and the largest
    pooled = np.sqrt(sum(c.n_points * c.rmse**2 for c in ends) / sum(c.n_points for c in ends))
    assert found.backtest_rmse == pytest.approx(pooled) and found.backtest.inside_rmse < found.backtest_rmse
    assert found.backtest.converged == found.refits_converged == 1.0

    def misfit(n, d):
        point = found.predict(n, d)
        refits = np.log(found.definition.at([np.array([n]), np.array([d])], found.replicates)[:, 0] / point.value)
        high = np.sort(refits)[int(np.ceil(0.95 * len(refits))) - 1]
        return np.sqrt(np.log(point.high / point.value) ** 2 - max(high, 0) ** 2) / normal_quantile(0.9)

    assert misfit(1e9, 1e10) == pytest.approx(found.backtest.inside_rmse, rel=1e-6)
    assert misfit(1e10, 1e10) == pytest.approx(found.backtest_rmse, rel=1e-6)
    assert misfit(1e7, 1e10) == pytest.approx(found.backtest_rmse, rel=1e-6)


@pytest.mark.parametrize("groups", [None, "sizes"])
def test_no_refit_sees_draws_of_the_models_it_is_scored_on(groups):
    inputs, y = grid("draws_as_compute", sizes=3, amounts=3)
    points = check_points(*inputs[:2], y, inputs[2], groups=None if groups is None else inputs[0])
    refits = refits_of(points, 6, seed=0)
    for one in refits:
        assert not set(points.units[one.seen]) & set(points.units[one.scored])
    budgets = [one for one in refits if one.cell == "k = 16"]
    assert all(one.beyond and not one.seen[inputs[2] == 16].any() for one in budgets) and len(budgets) > 1
    assert (np.sum([one.scored for one in budgets], axis=0) == (inputs[2] == 16)).all()  # each point once


def test_two_sizes_do_not_tell_the_exponent_of_size():
    (n, d), y = noisy("chinchilla", 0.005, sizes=2, amounts=12)
    found = fit_surface(n, d, y, n_boot=60, ci=0.9)
    assert found.status == "not_identified" and "alpha" in found.not_identified and "beta" not in found.not_identified


def test_no_floor_is_said():
    rng = np.random.default_rng(3)
    n, d = np.exp(rng.uniform(np.log(1e7), np.log(1e10), 60)), np.exp(rng.uniform(np.log(1e9), np.log(1e11), 60))
    y = (20 * n**-0.3 + 30 * d**-0.3) * np.exp(0.002 * rng.standard_normal(60))
    y *= np.exp(-0.05 * np.log(n) ** 2 / 20)  # falls ever faster: no floor can be seen
    found = fit_surface(n, d, y, n_boot=60, ci=0.9)
    assert found.at_bound == ("E",) and found.status in ("at_bound", "not_identified")


def test_draws_of_one_model_are_resampled_together():
    inputs, y = grid("draws_as_compute", sizes=3, amounts=3)
    points = check_points(*inputs[:2], y, inputs[2])
    assert points.n_units == 9 and points.grouping == "models"
    assert all(
        len({(n, d) for n, d in zip(*(x[points.units == u] for x in inputs[:2]), strict=True)}) == 1 for u in range(9)
    )
    assert check_points(*inputs[:2], y, inputs[2], groups=inputs[0]).n_units == 3
    labels, cell = check_points(np.arange(1.0, 101.0), np.arange(1.0, 101.0), np.arange(1.0, 101.0)).cells("n")
    budgets, cell_of = check_points(*inputs[:2], y, inputs[2]).cells("n·d")
    assert budgets[0] == "n·d = 1e+16" and np.flatnonzero(cell_of == 0).tolist() == [0, 1, 2, 3, 4]
    assert len(labels) == 12 and np.bincount(cell).min() >= 8 and labels[0] == "n = 1 to 8"


def test_parameters_are_turned_back_into_the_users_units():
    law, (n, d), truth = SURFACES["chinchilla"], grid("chinchilla")[0], np.array([*TRUE["chinchilla"].values()])
    scaled = np.array([1.7, 410 * 1e9**-0.35, 1100 * 1e10**-0.37, 0.35, 0.37]) * [0.5, 0.5, 0.5, 1, 1]
    np.testing.assert_allclose(to_units(law, scaled, (1e9, 1e10), 2.0), truth)
    np.testing.assert_allclose(2 * law.at([n / 1e9, d / 1e10], scaled), law.at([n, d], truth))
    steep, truth = SURFACES["steep_draws_share"], np.array([0.3, 1.5, 2.5, 0.4, 0.25, 0.28, 0.9, 3.0])
    in_units = steep.at([n, d, 4 + 0 * n], truth)
    found = to_units(steep, truth, (1e9, 1e10), 2.0)
    np.testing.assert_allclose(steep.at([1e9 * n, 1e10 * d, 4 + 0 * n], found), 2 * in_units)


@pytest.mark.parametrize("spread", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("k", [1.0, 8.0, 64.0])
def test_coverage_of_items_by_numerical_integration(k, spread):
    odds = 5.0  # E + A/N^α + B/D^β at N = D = 1
    wrong, _ = quad(lambda z: norm.pdf(z) * (1 + np.exp(spread * z) / odds) ** -k, -12, 12, limit=200)
    found = SURFACES["draws_of_items"].at(np.array([[1.0], [1.0], [k]]), np.array([1.0, 1.5, 2.5, 0.3, 0.3, spread]))
    assert found[0] == pytest.approx(wrong / (1 - wrong), rel=5e-3)
    sigma = SURFACES["draws_of_items"].parameters[-1]
    assert (sigma.name, sigma.low, sigma.high) == ("sigma", 0.01, 5.0)  # wider spreads the nodes do not resolve
    assert "draws_of_items" not in PLAIN and "steep_draws_of_items" in laws_of(("n", "d", "k"), odds=True)
    assert "draws_of_items" in laws_of(("d", "k"), odds=True)


def test_where_size_and_data_multiply_a_steep_law_of_odds_is_found():
    (n, d, k), _ = grid("draws_share", sizes=4, amounts=4)
    truth = {"E": 1e-4, "A": 160.0, "B": 470.0, "g": 0.4, "alpha": 0.3, "beta": 0.3, "gamma": 0.9, "s": 5.0}
    odds = SURFACES["steep_draws_share"].at([n, d, k], np.array(list(truth.values())))
    error = odds / (1 + odds)
    assert error.min() < 0.05 and error.max() > 0.95
    measured = odds * np.exp(0.05 * np.random.default_rng(0).standard_normal(len(n)))
    asked = {"law": "draws", "n_boot": 20, "delta": 0.05}
    found = fit((n, d, k), measured / (1 + measured), quantity="auto", **asked)
    assert found.law == "steep_draws_share" and found.quantity == "odds"
    np.testing.assert_allclose(found.errors(n, d, k), error, atol=0.03)
    assert all(one.law.startswith("steep_") for one in found.candidates if one.quantity == "odds")
    other = fit((n, d, k), measured / (1 + measured), quantity="log_accuracy", **asked)
    assert not any(one.law.startswith("steep_") for one in other.candidates)
    assert found.backtest.error_ranking < 0.03 and other.backtest.error_ranking > 2 * found.backtest.error_ranking
    one_size = n == n[0]  # of one term a power is no other law
    reduced = fit((None, d[one_size], k[one_size]), error[one_size], quantity="odds", **asked)
    assert reduced.definition.inputs == ("d", "k") and not reduced.law.startswith("steep_")


def items_of_one_size():
    """Odds of an error by ``draws_of_items`` over data and draws."""
    d, k = (x.ravel() for x in np.meshgrid(np.geomspace(1e9, 1e11, 5), 2.0 ** np.arange(5), indexing="ij"))
    law = laws_of(("d", "k"), odds=True)["draws_of_items"]
    return d, k, law.at([d, k], np.array([0.05, 3e4, 0.4, 1.5]))


@pytest.mark.parametrize("name", ["draws_of_items", "steep_draws_of_items", "steep_draws_share"])
def test_where_one_input_never_varies_a_named_law_is_its_reduced_form(name):
    d, k, odds = items_of_one_size()
    for inputs, axis in (((None, d), "d"), ((d, None), "n")):
        found = fit((*inputs, k), odds / (1 + odds), law=name, quantity="odds", n_boot=20)
        assert found.law == f"{name.removeprefix('steep_')}_{axis}" and found.definition.inputs == (axis, "k")
        assert "s" not in found.params
    with pytest.raises(TtscaleError, match=r"'draws_as_size' of n, d, k\. Give n as well"):
        fit((None, d, k), odds / (1 + odds), law="draws_as_size")


def test_a_law_of_odds_alone_is_fitted_to_odds_alone():
    d, k, odds = items_of_one_size()
    found = fit((None, d, k), odds / (1 + odds), law="draws_of_items", quantity="auto", n_boot=20)
    assert found.quantity == "odds" and found.params["sigma"].value == pytest.approx(1.5, rel=1e-4)
    for law in ("draws_of_items", "steep_draws_of_items", found.definition):
        for quantity in ("error", "log_accuracy"):
            with pytest.raises(TtscaleError, match=f"quantity: expected 'odds'.*got '{quantity}'.*quantity=\"odds\""):
                fit((None, d, k), odds / (1 + odds), law=law, quantity=quantity)


@pytest.mark.filterwarnings("ignore:.*times its fitted range:UserWarning")  # any other warning fails
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_predictions_far_beyond_what_numbers_hold():
    d, k, odds = items_of_one_size()
    items = fit((None, d, k), odds / (1 + odds), law="draws_of_items", quantity="odds", n_boot=20)
    for draws in (1e9, 1e300):
        many = items.predict(d=1e11, k=draws)
        assert 0 <= many.low <= many.value < 1e-9 and many.value <= many.high <= 1
    (n, d, k), odds = grid("steep_draws_share", sizes=4, amounts=4)
    steep = fit((n, d, k), odds / (1 + odds), law="steep_draws_share", quantity="odds", n_boot=20)
    harder = replace(steep, replicates=steep.replicates * [1, 1, 1, 1, 10, 10, 1, 10])
    harder = replace(harder, params={**steep.params, "s": replace(steep.params["s"], value=300.0)})
    none = harder.predict(1e-9, 1e-9, 4)
    assert none.value == none.high == 1 and none.low <= 1 and harder.errors(1e-9, 1e-9, 4) == 1
    split = harder.optimum(1e4, 4)
    assert np.isnan(split.n.value) or split.error.value == 1


def test_laws_are_near_by_what_they_are_chosen_by():
    (n, d, k), _ = grid("draws_share", sizes=4, amounts=4)
    y = 0.9 * SURFACES["draws_share"].at([n, d, k], np.array([*TRUE["draws_share"].values()]))
    y = y / y.max() * 0.9 * np.exp(0.02 * np.random.default_rng(0).standard_normal(len(y)))
    found = fit((n, d, k), y, law="draws", quantity="log_accuracy", n_boot=20, delta=0.02)
    every = found.candidates
    assert missed(every) == [one.backtest.error_ranking for one in every] == sorted(missed(every))

    def at(one, plain, logs):
        return replace(one, backtest=replace(one.backtest, error_ranking=plain, ranking=logs), status="converged")

    chosen, *others = (at(one, 0.01, 0.1) for one in every[:3])
    closer = replace(chosen, candidates=(chosen, at(others[0], 0.0124, 0.3), at(others[1], 0.0126, 0.05)))
    assert near(closer, ("k",)) == closer.candidates[1:2]  # by the error itself: −ln(accuracy) was fitted
    plain = [replace(one, points=replace(one.points, quantity="error")) for one in closer.candidates]
    assert missed(plain) == [0.1, 0.3, 0.05]
    assert near(replace(plain[0], candidates=tuple(plain)), ("k",)) == (plain[2],)
    assert missed([plain[0], chosen]) == [0.01, 0.01]  # quantities compared: in one unit


def test_errors_of_1_and_above_are_fitted_as_they_are():
    (n, d), y = noisy("chinchilla", 0.01)
    for quantity in ("odds", "log_accuracy"):
        with pytest.raises(TtscaleError, match=f"y: expected errors below 1 for quantity='{quantity}', got .*'?error"):
            fit((n, d), y, quantity=quantity)
    again = np.full((60, len(y)), 0.5)
    again[3, 7] = 1.0
    with pytest.raises(TtscaleError, match=r"replicates: expected errors below 1 .*got 1 at \(3, 7\)"):
        fit((n, d), 0.1 * y, quantity="odds", replicates=again)
    found = fit((n, d), y, quantity="auto")
    assert found.quantity == "error" and found.rmse < 0.02


def test_a_law_of_ones_own():
    law = Law(
        "compute_only", "E + A/(ND)^c", "size and data count alike",
        (Parameter("E", 1e-6, 10, starts=(0.1, 1.0)), Parameter("A", 1e-3, 1e12), Parameter("c", 0.01, 2)),
        lambda n, d, E, A, c: E + A * (n * d) ** -c, inputs=("n", "d"),
    )  # fmt: skip
    (n, d), _ = grid("chinchilla")
    found = fit_surface(n, d, 0.5 + 3000 * (n * d) ** -0.2, law=law, n_boot=60, ci=0.9)
    assert {key: p.value for key, p in found.params.items()} == pytest.approx({"E": 0.5, "A": 3000, "c": 0.2}, rel=1e-5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda found: found.predict(-1, 1e10), "n: expected a finite number above 0, got -1"),
        (lambda found: found.predict(1e9, 1e10, 4), "input: expected a known name, got 'k'"),
        (lambda found: found.optimum("1e20"), "flops: expected a finite number above 6, got '1e20'"),
        (lambda found: found.optimum(1e20, per=0), "per: expected a finite number above 0, got 0"),
        (lambda found: found.optimum(1e20, per=-6), "per: expected a finite number above 0, got -6"),
        (lambda found: found.solve("n", "a", d=1e10), "y: expected a finite number above 0, got 'a'"),
        (lambda found: found.solve("n", np.nan, d=1e10), "y: expected a finite number above 0, got nan"),
        (lambda found: found.solve("n", 3.0, d=1e10, n=5), "n: expected not to be given"),
        (lambda found: found.solve("n", 3.0, d=1e10, foo=3), "input: expected a known name, got 'foo'"),
        (lambda found: found.solve("n", 3.0), "d: expected a finite number above 0, got None"),
        (lambda found: found.exchange("n", "d", np.inf, 1e10), "n: expected a finite number"),
    ],
)
def test_questions_that_are_refused(chinchilla, ask, message):
    with pytest.raises(TtscaleError, match=message):
        ask(chinchilla)


def test_what_has_no_value_has_no_interval(chinchilla):
    split = chinchilla.optimum(10.0)  # less than one parameter and one token: no split
    assert all(np.isnan([x.value, x.low, x.high]).all() for x in (split.n, split.d, split.d_per_n, split.error))
    assert "of 40 without one" in split.n.method
    many = np.append(np.linspace(1, 2, 97), [np.nan] * 3)
    assert refit_interval(1.5, many, 0.9, "points").low > 1 and np.isnan(refit_interval(1.5, many, 0.95, "points").low)


def test_draws_that_do_not_matter_may_be_given():
    (n, d, k), _ = grid("draws_as_compute", sizes=4, amounts=4)
    y = SURFACES["chinchilla"].at([n, d], np.array([*TRUE["chinchilla"].values()]))
    found = fit((n, d, k), y * np.exp(0.002 * np.random.default_rng(0).standard_normal(len(y))), law="chinchilla")
    assert found.predict(1e9, 1e10, 4) == found.predict(1e9, 1e10)
    with pytest.raises(TtscaleError, match="k: expected a finite number of at least 1"):
        found.predict(1e9, 1e10, 0.5)


@pytest.fixture(scope="module")
def chinchilla():
    return fit(*noisy("chinchilla", 0.01))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"law": LAWS["power_floor"], "k": np.arange(25) % 4 + 1}, "law: expected a law of n, d or both, got 'power"),
        ({"y": [1.0, 2.0]}, "n: expected 2 values, as many as y has, got 25"),
        ({"y": np.append(np.ones(24), 0.0)}, "y: expected numbers above 0, one per point, got 0 at position 24"),
        ({"y": np.append(np.ones(24), np.nan)}, "got nan at position 24"),
        ({"y": np.full(25, 0.3)}, "y: expected at least 2 different values, got 0.3 at every point"),
        ({"n": ["a"] * 25}, "n: expected numbers above 0"),
        ({"n": np.full(25, 7.0)}, "n: expected at least 2 different values, got 7 at every point"),
        ({"k": np.full(25, 0.5)}, "k: expected at least 2 different values"),
        ({"k": np.linspace(0.5, 3, 25)}, "k: expected draws of at least 1"),
        ({"law": "chinchila"}, "Did you mean chinchilla"),
        ({"law": "draws_as_size"}, "law: expected a law of n, d, got 'draws_as_size' of n, d, k"),
        ({"groups": ["a"] * 25}, "groups: expected at least 2 different groups"),
        ({"groups": ["a"]}, "groups: expected 25 labels"),
        ({"n_boot": 3}, "n_boot"),
        ({"ci": 95}, "ci"),
        ({"delta": 0.0}, "delta"),
    ],
)
def test_refusals(change, message):
    (n, d), y = grid("chinchilla")
    with pytest.raises(TtscaleError, match=message):
        fit_surface(**{"n": n, "d": d, "y": y, **change})


def test_too_few_points_are_counted():
    with pytest.raises(TtscaleError, match="at least 5 points for 'chinchilla', got 4"):
        fit_surface([1e7, 1e8, 1e7, 1e8], [1e9, 1e9, 1e10, 1e10], [4.0, 3.5, 3.0, 2.5])
