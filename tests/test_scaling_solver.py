"""The solver: noiseless recovery, other optimisers as oracles, bounds, losses, what the data identify, and refusals."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares, lsq_linear, minimize
from scipy.stats import betabinom
from test_scaling_laws import EXAMPLES

from ttscale.errors import TtscaleError
from ttscale.scaling.laws.table import LAWS, Law, Parameter, check_law
from ttscale.scaling.solving.losses import Binomial, Huber, Squares
from ttscale.scaling.solving.projection import project
from ttscale.scaling.solving.solver import solve, solve_counts, solve_many

K = np.unique(np.round(np.geomspace(1, 256, 14)))
LOGS = np.log(K)
COVARIANCE = 1e-4 * np.eye(len(K)) + 5e-4 * np.exp(-np.abs(LOGS[:, None] - LOGS))
CURVES = [name for name, law in LAWS.items() if law.log_pmf is None]


def truth(name):
    return np.array(EXAMPLES[name])


def noisy(name, seed, sd=0.01):
    return LAWS[name].at([K], truth(name)) + np.random.default_rng(seed).normal(size=len(K)) * sd


@pytest.mark.parametrize("name", LAWS)
def test_noiseless_points_give_the_parameters_back(name):
    law = LAWS[name]
    found = solve(law, [K], law.at([K], truth(name)))
    np.testing.assert_allclose(found.parameters, truth(name), rtol=1e-6)
    assert found.converged and found.identified.all() and not found.at_bound.any() and found.objective < 1e-20


@pytest.mark.parametrize("name", ["power_floor", "saturating_exponential", "logistic", "two_powers"])
def test_generalised_least_squares_against_scipy(name):
    """scipy's trust region over all parameters, from the truth; ours from its own grid is as low or lower."""
    law, y = LAWS[name], noisy(name, 1)
    whitener = np.linalg.inv(np.linalg.cholesky(COVARIANCE))
    low, high = law.low, law.high
    other = least_squares(
        lambda p: whitener @ (law.at([K], p) - y), truth(name), bounds=(low, high), x_scale="jac",
        xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=5000,
    )  # fmt: skip
    ours = solve(law, [K], y, Squares(COVARIANCE))
    assert ours.objective <= other.cost * (1 + 1e-9) and ours.gradient_norm < 1e-6
    residual = whitener @ (law.at([K], ours.parameters) - y)
    assert ours.objective == pytest.approx(0.5 * residual @ residual, rel=1e-9)


def test_a_ceiling_stops_at_its_bound_as_in_scipy():
    law, y = LAWS["power_floor"], np.clip(0.2 + 0.15 * LOGS, 0, 1)
    ours = solve(law, [K], y)
    other = least_squares(
        lambda p: law.at([K], p) - y, [0.9, 0.7, 0.3], bounds=(law.low, law.high), xtol=1e-15, ftol=1e-15
    )
    assert ours.parameters[0] == 1.0 and ours.at_bound.tolist() == [True, False, False] and ours.converged
    assert ours.objective == pytest.approx(other.cost, rel=1e-8)
    np.testing.assert_allclose(ours.parameters, other.x, rtol=1e-3)


def test_an_exponent_stops_at_its_bound():
    y = 0.9 - 0.4 * np.exp(-30.0 * LOGS)
    found = solve(LAWS["power_floor"], [K], y)
    assert found.parameters[2] == pytest.approx(10.0) and found.at_bound[2] and found.converged


def test_several_bounded_linear_parameters_against_scipy():
    """Every face of the box is tried, so the answer is that of a bounded solver."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        columns, target = rng.normal(size=(3, 1, 9)), 2 * rng.normal(size=(1, 9))
        low, high = np.array([0.0, -0.2, -np.inf]), np.array([0.3, 0.2, np.inf])
        found = project(columns, target, low, high)
        other = lsq_linear(columns[:, 0].T, target[0], bounds=(low, high), method="bvls", tol=1e-14)
        assert 0.5 * (found.residual**2).sum() == pytest.approx(other.cost, rel=1e-10)
        assert (found.coefficients[:, 0] >= low).all() and (found.coefficients[:, 0] <= high).all()


@pytest.mark.parametrize("name", ["power_floor", "logistic", "exponentiated_power", "m4"])
def test_many_replicates_at_once_are_each_fitted_as_alone(name):
    law = LAWS[name]
    ys = np.array([noisy(name, seed, 0.003) for seed in range(6)])
    near = solve(law, [K], ys.mean(axis=0))
    alone = np.array([solve(law, [K], y, Squares(COVARIANCE)).objective for y in ys])
    for start in (near, None):
        many = solve_many(law, [K], ys, Squares(COVARIANCE), start)
        np.testing.assert_allclose(many.objective, alone, rtol=1e-6)
        assert many.parameters.shape == (6, len(law.parameters)) and many.at_bound.shape == many.identified.shape


def test_each_replicate_with_a_covariance_of_its_own():
    law = LAWS["power_floor"]
    ys = np.array([noisy("power_floor", seed) for seed in range(3)])
    covariances = (
        COVARIANCE * np.array([1.0, 2.0, 1.0])[:, None, None] + np.diag(LOGS) * np.array([0, 0, 1e-3])[:, None, None]
    )
    many = solve_many(law, [K], ys, Squares(covariances))
    for i in range(3):
        one = solve(law, [K], ys[i], Squares(covariances[i]))
        np.testing.assert_allclose(many.parameters[i], one.parameters, rtol=1e-4)


def test_weights_repeat_and_leave_out_points():
    law, y = LAWS["power_floor"], noisy("power_floor", 2)
    weights = np.ones(len(K))
    weights[3], weights[7] = 0, 2
    repeated = np.repeat(np.arange(len(K)), weights.astype(int))
    for loss in (Squares(), Huber(0.005), Binomial(np.full(len(K), 200.0))):
        ours = solve(law, [K], y, loss, weights=weights)
        longer = Binomial(np.full(len(repeated), 200.0)) if isinstance(loss, Binomial) else loss
        other = solve(law, [K[repeated]], y[repeated], longer)
        np.testing.assert_allclose(ours.parameters, other.parameters, rtol=1e-5)
        assert ours.objective == pytest.approx(other.objective, rel=1e-9)
        many = solve_many(law, [K], y, loss, ours, weights=np.array([weights, np.ones(len(K))]))
        assert many.objective[0] == pytest.approx(ours.objective, rel=1e-8)


SURFACE = Law(
    "surface", "E + A·n^−a + B·d^−b", "losses of models of two sizes",
    (
        Parameter("E", 1e-9, 10.0, starts=(0.3, 0.6)),
        Parameter("A", 1e-9, 1e3, starts=(0.05, 0.2, 0.5)),
        Parameter("B", 1e-9, 1e3, starts=(0.05, 0.2, 0.5)),
        Parameter("a", 1e-3, 10.0, starts=(0.1, 0.3, 0.8)),
        Parameter("b", 1e-3, 10.0, starts=(0.1, 0.3, 0.8)),
    ),
    value=lambda n, d, E, A, B, a, b: E + A * n**-a + B * d**-b, inputs=("n", "d"),
)  # fmt: skip


def test_hubers_loss_of_logarithms_on_two_inputs_against_bfgs():
    """Best of BFGS runs around our answer: nothing lower than 1e-9 of the objective."""
    check_law(SURFACE)
    rng = np.random.default_rng(0)
    n, d = np.exp(rng.uniform(-2.3, 2.3, (2, 120)))
    clean = SURFACE.at([n, d], np.array([0.7, 0.12, 0.18, 0.35, 0.37]))
    y = clean * np.exp(0.003 * rng.standard_t(3, size=120))
    delta = 1e-3

    def huber(q):
        p = np.exp(q)
        value = SURFACE.at([n, d], p)
        r = np.log(y / value)
        size = np.where(abs(r) <= delta, r * r / 2, delta * (abs(r) - delta / 2))
        return size.sum(), -(np.clip(r, -delta, delta) / value) @ (SURFACE.jacobian([n, d], p) * p)

    ours = solve(SURFACE, [n, d], y, Huber(delta, log=True))
    runs = [
        minimize(
            huber, np.log(ours.parameters) + 0.1 * rng.normal(size=5), jac=True, method="BFGS", options={"gtol": 1e-10}
        )
        for _ in range(3)
    ]
    assert ours.objective == pytest.approx(huber(np.log(ours.parameters))[0], rel=1e-12)
    assert ours.objective <= min(run.fun for run in runs) * (1 + 1e-9)
    assert ours.converged and ours.identified.all() and ours.n_starts == 162
    weights = rng.multinomial(120, np.full(120, 1 / 120), size=40)
    refits = solve_many(SURFACE, [n, d], y, Huber(delta, log=True), ours, weights=weights)
    assert refits.converged.mean() >= 0.95
    exact = solve(SURFACE, [n, d], clean, Huber(delta, log=True))
    np.testing.assert_allclose(exact.parameters, [0.7, 0.12, 0.18, 0.35, 0.37], rtol=1e-6)


def test_hubers_loss_with_a_wide_delta_is_squares_and_with_a_narrow_one_withstands_an_outlier():
    law, y = LAWS["power_floor"], noisy("power_floor", 4, 0.002)
    squares, wide = solve(law, [K], y), solve(law, [K], y, Huber(10.0))
    np.testing.assert_allclose(wide.parameters, squares.parameters, rtol=1e-6)
    y[5] -= 0.2
    hit, robust = solve(law, [K], y), solve(law, [K], y, Huber(0.002))
    assert abs(robust.parameters[0] - 0.9) < 0.01 < abs(hit.parameters[0] - 0.9)


def test_binomial_shares_against_scipy():
    law, rng = LAWS["exponentiated_power"], np.random.default_rng(3)
    n = np.full(len(K), 400.0)
    right = rng.binomial(400, law.at([K], truth("exponentiated_power")))

    def deviance(q):
        p = law.at([K], np.exp(q))
        return -(right * np.log(p) + (400 - right) * np.log1p(-p)).sum()

    other = minimize(deviance, [0.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
    ours = solve(law, [K], right / 400, Binomial(n))
    np.testing.assert_allclose(ours.parameters, np.exp(other.x), rtol=1e-5)
    share = right / 400
    saturated = -(right * np.log(share) + (400 - right) * np.log1p(-share)).sum()
    assert ours.objective == pytest.approx(other.fun - saturated, rel=1e-8) and ours.converged


def test_a_perfect_share_keeps_a_law_from_leaving_the_shares():
    y = np.minimum(1.0, 0.5 + 0.12 * LOGS)
    found = solve(LAWS["log_linear"], [K], y, Binomial(np.full(len(K), 50.0)))
    assert found.converged and found.objective > 0 and LAWS["log_linear"].at([K], found.parameters).max() < 1.001


GOLDEN = np.array([0.41388453, 2.27727229, 0.05507735, 5.66290382, 612.583617, 0.05919304])


def test_the_golden_double_descent_is_recovered_from_its_whole_range():
    x = np.unique(np.round(np.geomspace(1, 4095, 600)))
    found = solve(LAWS["bnsl"], [x], LAWS["bnsl"].at([x], GOLDEN))
    np.testing.assert_allclose(found.parameters, GOLDEN, rtol=1e-6)
    assert found.converged and found.identified.all()


@pytest.mark.parametrize(("last", "known"), [(405, True), (390, False)])
def test_the_golden_double_descent_before_its_break(last, known):
    """Up to 405 the tail is recovered, only just; up to 390 location and size of the break are not identified."""
    law, x, far = LAWS["bnsl"], np.arange(1.0, last + 1), np.arange(1.0, 4096)
    found = solve(law, [x], law.at([x], GOLDEN))
    assert found.identified.all() == known
    if known:
        assert found.converged and np.abs(law.at([far], found.parameters) - law.at([far], GOLDEN)).max() < 1e-4
    else:
        assert found.identified.tolist() == [True, True, True, False, False, True]


def test_a_flat_curve_identifies_a_level_but_no_shape():
    rng = np.random.default_rng(8)
    found = solve(LAWS["power_floor"], [K], np.full(len(K), 0.6) + 1e-4 * rng.normal(size=len(K)))
    assert not found.identified.all()
    assert solve(LAWS["constant"], [K], np.full(len(K), 0.6)).identified.all()


def test_a_curve_without_any_change_is_solved_and_not_identified():
    for name in CURVES:
        if name != "exponentiated_power":
            found = solve(LAWS[name], [K], np.full(len(K), 0.6))
            assert found.objective < 1e-12 and found.identified.all() == (name in ("constant", "log_linear"))


def test_two_valleys_are_told_apart():
    """A law that two values of its parameter fit, one of them worse."""
    law = Law(
        "two_valleys", "(p² − 1)² + (p − 1)/10 at every k", "a test",
        (Parameter("p", -3.0, 3.0, log=False),), value=lambda k, p: (p**2 - 1) ** 2 + (p - 1) / 10 + 1 + 0 * k,
    )  # fmt: skip
    check_law(law)
    found = solve(law, [K], np.full(len(K), 0.7))
    assert found.gap > 0 and len(found.others) >= 1 and found.n_starts == 17
    grid = np.linspace(-3, 3, 60_001)
    squares = len(K) / 2 * (law.at([K[:1]], grid[:, None])[:, 0] - 0.7) ** 2
    assert found.parameters[0] == pytest.approx(grid[squares.argmin()], abs=1e-3)
    noise = 2 * squares.min() / (len(K) - 1)
    assert found.gap == pytest.approx((squares[grid > 0.5].min() - squares.min()) / noise, rel=1e-6)


@pytest.mark.parametrize("n", [16, 100])
def test_counts_of_a_beta_binomial_against_scipy(n):
    rng = np.random.default_rng(n)
    c = rng.binomial(n, rng.beta(0.4, 1.5, 150))
    ours = solve_counts(LAWS["beta_binomial"], np.full(150, n), c)
    other = minimize(
        lambda q: -betabinom.logpmf(c, n, *np.exp(q)).sum(), [0.0, 0.0], method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-11},
    )  # fmt: skip
    np.testing.assert_allclose(ours.parameters, np.exp(other.x), rtol=1e-5)
    assert ours.objective == pytest.approx(other.fun, abs=1e-7)
    assert ours.converged and ours.identified.all() and ours.gradient_norm < 1e-6


def test_a_prior_decides_what_counts_leave_open():
    """One sample an item tells the mean chance of success alone: ``a`` is the prior's median, and ``b`` follows."""
    beta = LAWS["beta_binomial"]
    law = replace(beta, parameters=(replace(beta.parameters[0], prior=(0.3, 0.5)), beta.parameters[1]))
    found = solve_counts(law, np.ones(40), np.arange(40) % 4 == 0)
    np.testing.assert_allclose(found.parameters, [0.3, 0.9], rtol=1e-4)
    many = solve_counts(law, np.ones(2), np.array([0, 1]), np.array([[30.0, 10.0], [20.0, 20.0]]), found)
    np.testing.assert_allclose(many.parameters, [[0.3, 0.9], [0.3, 0.3]], rtol=1e-3)
    assert found.converged and many.converged.all()


def test_counts_with_a_prior_against_scipy():
    rng = np.random.default_rng(5)
    n = np.full(120, 40)
    c = rng.binomial(n, np.where(rng.random(120) < 0.3, rng.beta(1, 2, 120), rng.beta(0.5, 60, 120)))
    ours = solve_counts(LAWS["easy_and_hard"], n, c)

    def lost(q):
        w, a, b = 1 / (1 + np.exp(-q[0])), *np.exp(q[1:])
        mixed = w * betabinom.pmf(c, 40, 1, 2) + (1 - w) * betabinom.pmf(c, 40, a, b)
        return -np.log(mixed).sum() + 0.5 * (np.log(a / 0.3) / 0.8) ** 2

    starts = ([-1.0, -1.0, 4.0], [-4.0, -2.0, 1.0])  # two parts, and one that is as good as alone: both are minima
    settings = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}
    ends = [minimize(lost, start, method="Nelder-Mead", options=settings) for start in starts]
    best = min(ends, key=lambda end: end.fun)
    np.testing.assert_allclose(ours.parameters, [1 / (1 + np.exp(-best.x[0])), *np.exp(best.x[1:])], rtol=1e-4)
    assert ours.objective == pytest.approx(best.fun, abs=1e-7) and ours.converged and ours.gradient_norm < 1e-6
    assert ours.gap == pytest.approx(max(end.fun for end in ends) - best.fun, abs=1e-6)


def test_scaled_counts_find_the_largest_probability():
    rng = np.random.default_rng(2)
    n = np.full(3000, 60)
    c = rng.binomial(n, 0.7 * rng.beta(0.5, 0.9, 3000))
    found = solve_counts(LAWS["scaled_beta_binomial"], n, c)
    np.testing.assert_allclose(found.parameters, [0.5, 0.9, 0.7], rtol=0.12)
    assert found.converged and found.identified.all()
    free = solve_counts(LAWS["scaled_beta_binomial"], n, rng.binomial(n, rng.beta(0.5, 0.9, 3000)))
    assert free.parameters[2] > 0.98 and free.converged


def test_weights_of_counts_are_repeats_alone_and_in_a_batch():
    rng = np.random.default_rng(7)
    n = rng.choice([8, 12], 80)
    c = rng.binomial(n, rng.beta(0.8, 2.0, 80))
    drawn = rng.integers(0, 80, (5, 80))
    weights = np.array([np.bincount(row, minlength=80) for row in drawn], dtype=float)
    near = solve_counts(LAWS["beta_binomial"], n, c)
    many = solve_counts(LAWS["beta_binomial"], n, c, weights, near)
    for row, ours in zip(drawn, many.objective, strict=True):
        assert ours == pytest.approx(solve_counts(LAWS["beta_binomial"], n[row], c[row]).objective, abs=1e-6)
    assert many.converged.all() and many.parameters.shape == (5, 2)
    np.testing.assert_allclose(
        solve_counts(LAWS["beta_binomial"], n, c, weights).parameters, many.parameters, rtol=1e-3
    )


def test_every_parameter_is_within_its_bounds_and_at_them_exactly():
    """Bounds of which exp(log(bound)) is not the bound among them, reached from either side."""
    rng, reached = np.random.default_rng(3), set()
    for name in CURVES:
        law = LAWS[name]
        ys = rng.normal(0.5, 0.2, (12, 1)) + rng.normal(0, 0.1, (12, 1)) * LOGS + rng.normal(0, 0.03, (12, len(K)))
        alone = [solve(law, [K], y) for y in ys]
        for p, bounded in [
            *((one.parameters, one.at_bound) for one in alone),
            *((end, None) for one in alone for end in one.others),
            *zip(*(getattr(solve_many(law, [K], ys), field) for field in ("parameters", "at_bound")), strict=True),
        ]:
            assert (p >= law.low).all() and (p <= law.high).all()
            if bounded is not None:
                assert (bounded == ((p == law.low) | (p == law.high))).all()
                reached |= {(name, i) for i in np.flatnonzero(bounded)}
    assert len(reached) > 10


def test_fewer_points_than_parameters_identify_none_that_they_leave_open():
    found = solve(LAWS["bnsl"], [np.array([1.0, 2.0])], np.array([0.5, 0.6]))
    assert not found.identified.all() and found.identified.sum() <= 2
    assert not solve(LAWS["power_floor"], [np.array([4.0])], np.array([0.6])).identified.any()


def test_at_its_bound_a_parameter_is_not_identified_by_the_data():
    found = solve(LAWS["power_floor"], [K], np.clip(0.2 + 0.15 * LOGS, 0, 1))
    assert found.at_bound[0] and not (found.identified & found.at_bound).any()


@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-3])
def test_a_break_that_noisy_data_do_not_reach_is_not_identified(noise):
    """Where the tail that is predicted is wrong, the fit says that it is not known."""
    law, x, far = LAWS["bnsl"], np.arange(1.0, 391), np.arange(1.0, 4096)
    for seed in range(4):
        y = law.at([x], GOLDEN) + noise * np.random.default_rng(seed).standard_normal(len(x))
        found = solve(law, [x], y)
        assert np.abs(law.at([far], found.parameters) - law.at([far], GOLDEN)).max() > 0.1
        assert not found.identified.all()


def test_a_parameter_that_another_end_has_elsewhere_is_not_identified():
    """(ln p)² is symmetric: p and 1/p are as likely, and the tangents know only of one."""
    law = Law("mirror", "(ln p)²", "a test", (Parameter("p", 1e-3, 1e3),), value=lambda k, p: np.log(p) ** 2 + 0 * k)
    y = 4.0 + 0.01 * np.random.default_rng(0).standard_normal(len(K))
    found = solve(law, [K], y)
    assert found.converged and found.gap < 1e-6 and not found.identified[0]
    near = solve(law, [K], y, starts=np.array([[7.0]]))
    assert near.identified[0] and near.n_starts == 1


def test_starts_in_addition_to_the_grid_are_counted_and_followed():
    law = Law(
        "needle", "1 − e^(−(q − 1/3)²·10⁶) at every k", "a test", (Parameter("q", 0.0, 1.0, log=False),),
        value=lambda k, q: 1.0 - np.exp(-(((q - 1 / 3) * 1e3) ** 2)) + 0 * k,
    )  # fmt: skip
    y = np.full(len(K), 0.1)
    blind, told = solve(law, [K], y), solve(law, [K], y, also=np.array([[1 / 3 + 5e-4]]))
    assert told.n_starts == blind.n_starts + 1 and told.objective < 1e-20 < blind.objective


@pytest.mark.parametrize("name", ["bnsl", "m4", "logistic"])
def test_refits_that_do_not_converge_nearby_are_searched_again(name):
    """From a solution of quite other points they come as far down as from the grid."""
    law, rng = LAWS[name], np.random.default_rng(4)
    ys = noisy("power_floor", 3) + 0.01 * rng.normal(size=(40, len(K)))
    near = solve(law, [K], 0.9 - 0.3 * LOGS / LOGS[-1])
    many, searched = solve_many(law, [K], ys, near=near), solve_many(law, [K], ys)
    assert many.converged.mean() >= 0.95 and searched.converged.mean() >= 0.95
    assert np.median(many.objective / searched.objective) < 1.01


@pytest.mark.parametrize("right", [[10], [4, 22]])
def test_few_pairs_of_counts_converge(right):
    """One pair: chances that are all the same, as equal as the bounds allow. The score vanishes pair by pair."""
    law = LAWS["beta_binomial"]
    c = np.repeat(right, 200)
    found = solve_counts(law, np.full(len(c), 32), c)
    assert found.converged and found.parameters[0] / found.parameters.sum() == pytest.approx(c.mean() / 32, rel=2e-2)
    weights = np.array([[100.0], [300.0]]) if len(right) == 1 else np.array([[100.0, 120.0], [10.0, 300.0]])
    assert solve_counts(law, np.full(len(right), 32), np.array(right), weights, found).converged.all()


def test_all_laws_and_a_thousand_refits_take_seconds():
    rng = np.random.default_rng(0)
    start = time.process_time()
    for name in CURVES:
        y = noisy(name, 1)
        near = solve(LAWS[name], [K], y, Squares(COVARIANCE))
        many = solve_many(LAWS[name], [K], y + 0.01 * rng.normal(size=(1000, len(K))), Squares(COVARIANCE), near)
        assert many.converged.mean() > 0.97
    assert time.process_time() - start < 5


Y = LAWS["power_floor"].at([K], truth("power_floor"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: solve(LAWS["power_floor"], [K, K], Y), "k: one array of as many points"),
        (lambda: solve(LAWS["power_floor"], [K[:4]], Y), "one array of as many points"),
        (lambda: solve(LAWS["power_floor"], [K], np.where(K > 9, np.nan, Y)), "not finite"),
        (lambda: solve(LAWS["power_floor"], [K], Y - 0.6, Huber(1e-3, log=True)), "which has no logarithm"),
        (lambda: solve(LAWS["power_floor"], [K], Y + 0.5, Binomial(np.full(len(K), 9))), "which are no shares"),
        (lambda: solve(LAWS["power_floor"], [K], Y, weights=-np.ones(len(K))), "weights"),
        (lambda: solve(LAWS["power_floor"], [K], Y, weights=np.zeros(len(K))), "some above 0"),
        (lambda: solve(LAWS["power_floor"], [K], Y, Squares(COVARIANCE), weights=np.ones(len(K))), "covariance"),
        (lambda: Huber(0.0), "delta"),
        (lambda: solve(LAWS["power_floor"], [K], Y, starts=np.ones((3, 2))), "finite values of c, one row a start"),
        (lambda: solve(LAWS["power_floor"], [K], Y, also=np.array([np.nan])), "also"),
        (lambda: solve(LAWS["power_floor"], [K], Y, Squares(np.eye(3))), f"a covariance of {len(K)} points"),
        (lambda: solve(LAWS["power_floor"], [K], Y, Squares(np.zeros((len(K),) * 2))), "positive definite"),
        (lambda: solve(LAWS["power_floor"], [K], Y, Binomial(np.full(3, 9))), "trials above 0"),
        (lambda: solve(LAWS["power_floor"], [K], Y, Binomial(np.zeros(len(K)))), "trials above 0"),
        (lambda: solve_counts(LAWS["power_floor"], np.array([3]), np.array([1])), "a law with a likelihood of counts"),
        (lambda: solve_counts(LAWS["beta_binomial"], np.array([3]), np.array([4])), "0 <= c <= n"),
        (lambda: solve_counts(LAWS["beta_binomial"], np.array([3, 3]), np.array([1])), "one length"),
        (lambda: solve_counts(LAWS["beta_binomial"], np.array([3]), np.array([1]), np.array([0.0])), "a sum of 0"),
        (lambda: solve_counts(LAWS["beta_binomial"], np.array([3]), np.array([1]), np.array([-1.0])), "at least 0"),
    ],
)
def test_what_is_refused(call, said):
    with pytest.raises(TtscaleError, match=re.escape(said)):
        call()


def test_a_law_that_is_finite_nowhere_is_refused():
    law = Law("nowhere", "ln −c", "a test", (Parameter("c", 1.0, 2.0),), value=lambda k, c: np.log(-c) + 0 * k)
    with pytest.raises(TtscaleError, match="finite"):
        solve(law, [K], Y)
