"""Laws: values by hand, gradients against differences, limits, and what is refused of a user's law."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scaling_example import correlated_credits, curve_with
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import betaln, gammaln, hyp2f1
from scipy.stats import beta, betabinom

import ttscale.scaling.laws.table as laws
from ttscale.errors import TtscaleError
from ttscale.scaling.fits.fit_law import fit_law
from ttscale.scaling.laws.log_gamma import log_beta, log_choices, log_rising, rising_slope
from ttscale.scaling.laws.m4 import m4_gap
from ttscale.scaling.laws.table import LAWS, Law, Parameter, check_law, get_law

K = np.array([1.0, 2.0, 5.0, 17.0, 64.0, 300.0])
RNG = np.random.default_rng(0)
EXAMPLES = {
    "constant": (0.6,),
    "log_linear": (0.5, 0.04),
    "power_floor": (0.9, 0.4, 0.6),
    "saturating_exponential": (0.8, 0.3, 0.2),
    "logistic": (0.9, 0.5, 1.3, 8.0),
    "exponentiated_power": (1.2, 0.4),
    "m4": (0.9, 0.6, 0.8, 3.0, 0.5),
    "bnsl": (0.9, -0.5, 0.2, 0.8, 12.0, 0.3),
    "two_powers": (0.6, 0.5, -0.9, 0.3, 0.8),
    "beta_binomial": (0.4, 2.5),
    "scaled_beta_binomial": (0.4, 1.5, 0.7),
    "easy_and_hard": (0.2, 0.4, 25.0),
}
IN_WORDS = {
    "constant": lambda k, A: A,
    "log_linear": lambda k, A, B: A + B * np.log(k),
    "power_floor": lambda k, A, B, c: A - B / k**c,
    "saturating_exponential": lambda k, A, B, c: A - B * np.exp(c - c * k),
    "logistic": lambda k, A, B, c, m: A - B * m**c / (m**c + k**c),
    "exponentiated_power": lambda k, a, b: np.exp(-a / k**b),
    "bnsl": lambda k, A, B, c0, c1, d, f: A + B * k**-c0 * (1 + (k / d) ** (1 / f)) ** (-c1 * f),
    "two_powers": lambda k, A, B, C, c, d: A + B * k**-c + C * k ** -(c + d),
    "easy_and_hard": lambda k, w, a, b: w * k / (k + 2) + (1 - w) * (1 - np.exp(betaln(a, b + k) - betaln(a, b))),
}


def parts(name):
    return [np.array([value]) for value in EXAMPLES[name]]


def test_every_law_has_an_example_here():
    assert set(EXAMPLES) == set(LAWS) and set(IN_WORDS) | {"m4", "beta_binomial", "scaled_beta_binomial"} == set(LAWS)


@pytest.mark.parametrize("name", IN_WORDS)
def test_a_value_is_that_of_its_formula(name):
    np.testing.assert_allclose(
        LAWS[name].value(K, *parts(name)), IN_WORDS[name](K, *EXAMPLES[name]) + 0 * K, rtol=1e-13
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_gradient_is_the_derivative_by_five_points(name):
    """Fourth-order differences in each parameter on its own."""
    law = LAWS[name]
    p = np.array(EXAMPLES[name])
    gradient = law.gradient(K, *parts(name))
    assert len(gradient) == len(p)
    for i, ours in enumerate(gradient):
        h = 1e-3 * max(abs(p[i]), 0.1)
        at = [law.at([K], p + step * h * np.eye(len(p))[i]) for step in (-2, -1, 1, 2)]
        other = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
        np.testing.assert_allclose(np.broadcast_to(ours, K.shape), other, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_batch_of_parameters_gives_what_each_gives(name):
    law, p = LAWS[name], np.array(EXAMPLES[name])
    several = p * np.array([1.0, 0.95, 1.02])[:, None]
    values, jacobian = law.at([K], several), law.jacobian([K], several)
    assert values.shape == (3, 6) and jacobian.shape == (3, 6, len(p))
    for row, one in enumerate(several):
        np.testing.assert_allclose(values[row], law.at([K], one), rtol=1e-12)
        np.testing.assert_allclose(jacobian[row], law.jacobian([K], one), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", EXAMPLES)
def test_parameters_that_are_marked_linear_are_linear_and_stand_first(name):
    law, p = LAWS[name], np.array(EXAMPLES[name])
    marked = [parameter.linear for parameter in law.parameters]
    assert marked == sorted(marked, reverse=True) and sum(marked) == law.n_linear
    doubled = p * np.where(marked, 2.0, 1.0)
    if law.n_linear:
        np.testing.assert_allclose(law.at([K], doubled), 2 * law.at([K], p), rtol=1e-12)
        assert (law.low[0], law.high[0]) == (0.0, 1.0)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_limit_is_where_the_values_go(name):
    law, p = LAWS[name], np.array(EXAMPLES[name])
    limit = law.asymptote(p)
    if name == "log_linear":
        assert np.isnan(limit) and law.asymptote(np.array([0.5, 0.0])) == 0.5
    else:
        far = [abs(law.at([np.array([k])], p)[0] - limit) for k in (1e2, 1e4, 1e6)]
        assert far[2] < 0.15 and (far[0] > far[1] > far[2] or far[0] < 1e-8)


def test_a_broken_law_that_rises_without_end_has_no_limit():
    assert np.isnan(LAWS["bnsl"].asymptote(np.array([0.5, 0.1, 0.2, -0.3, 10.0, 0.5])))


@pytest.mark.parametrize(("t", "s"), [(-30.0, 0.05), (-2.0, 0.3), (0.0, 1.0), (3.0, 0.05), (7.0, 8.0), (200.0, 10.0)])
def test_m4_solves_its_equation(t, s):
    """Against a bracketing root finder in the logit of v."""

    def gap(z):
        return -np.logaddexp(0, -z) + s * np.logaddexp(0, z) - t

    root = brentq(gap, -1e4, 1e4, xtol=1e-13, rtol=1e-15)
    v = m4_gap(np.array([t]), np.array([s]))[0]
    assert v == pytest.approx(1 / (1 + np.exp(-root)), rel=1e-12)


def test_m4_is_the_published_equation():
    """(ε − ε∞)/(ε0 − ε)^α = β·k^−c for its own A, B, b, s."""
    A, B, c, b, s = EXAMPLES["m4"]
    error, best, worst = 1 - LAWS["m4"].value(K, *parts("m4")), 1 - A, 1 - A + B
    np.testing.assert_allclose((error - best) / (worst - error) ** s, b * B ** (1 - s) * K**-c, rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0.3, 2.0), (4.0, 0.3), (0.02, 3000.0), (50.0, 2.0)])
def test_beta_binomial_counts_and_coverage(a, b):
    law, c = LAWS["beta_binomial"], np.arange(21.0)
    n = np.full(21, 20.0)
    p = np.array([a]), np.array([b])
    np.testing.assert_allclose(law.log_pmf(n, c, *p), betabinom.logpmf(c, 20, a, b), rtol=1e-9, atol=1e-9)
    nothing = [betabinom.pmf(0, k, a, b) for k in (1, 7, 20)]
    np.testing.assert_allclose(1 - law.value(np.array([1.0, 7, 20]), *p), nothing, rtol=1e-9, atol=1e-15)
    assert law.value(np.array([1.0]), *p)[0] == pytest.approx(a / (a + b), rel=1e-12)


@pytest.mark.parametrize(("a", "b", "m"), [(0.5, 1.5, 0.6), (2.0, 0.4, 0.95), (0.03, 2.0, 0.3), (6.0, 40.0, 0.8)])
def test_scaled_beta_binomial_against_hypergeometric_functions(a, b, m):
    """E p^c (1 − p)^(n − c) by Euler's integral, in the form whose terms are all positive."""
    law, n = LAWS["scaled_beta_binomial"], 12.0
    c = np.arange(13.0)
    p = [np.array([x]) for x in (a, b, m)]
    series = hyp2f1(c - n, b, a + b + c, m / (m - 1))
    exact = np.exp(log_choices(n, c) + log_beta(a + c, b) - log_beta(a, b)) * m**c * (1 - m) ** (n - c) * series
    pmf = np.exp(law.log_pmf(np.full(13, n), c, *p))
    np.testing.assert_allclose(pmf, exact, rtol=1e-9)
    assert pmf.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("k", [1.0, 40.0, 5000.0])
def test_scaled_coverage_against_numerical_integration(k):
    a, b, m = 0.5, 1.5, 0.6
    kept, _ = quad(lambda u: beta.pdf(u**4, a, b) * 4 * u**3 * (1 - m * u**4) ** k, 0, 1, epsabs=1e-12, limit=400)
    value = LAWS["scaled_beta_binomial"].value(np.array([k]), *(np.array([x]) for x in (a, b, m)))
    assert value[0] == pytest.approx(1 - kept, rel=1e-8)


def test_scaled_by_one_it_is_the_beta_binomial_up_to_ten_thousand_samples():
    one, other = LAWS["scaled_beta_binomial"], LAWS["beta_binomial"]
    p = np.array([0.27]), np.array([140.0])
    n, c = np.full(5, 10_000.0), np.array([0.0, 1, 50, 4000, 10_000])
    np.testing.assert_allclose(one.log_pmf(n, c, *p, np.array([1.0])), other.log_pmf(n, c, *p), rtol=1e-10)
    k = np.array([1.0, 100, 10_000])
    np.testing.assert_allclose(one.value(k, *p, np.array([1.0])), other.value(k, *p), rtol=1e-10)


def test_easy_and_hard_counts_are_a_mixture_of_two_beta_binomials():
    law, c = LAWS["easy_and_hard"], np.arange(31.0)
    w, a, b = 0.2, 0.35, 40.0
    expected = w * betabinom.pmf(c, 30, 1, 2) + (1 - w) * betabinom.pmf(c, 30, a, b)
    found = np.exp(law.log_pmf(np.full(31, 30.0), c, *(np.array([x]) for x in (w, a, b))))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    missed = w * betabinom.pmf(0, 7, 1, 2) + (1 - w) * betabinom.pmf(0, 7, a, b)
    assert 1 - law.value(np.array([7.0]), *(np.array([x]) for x in (w, a, b)))[0] == pytest.approx(missed, rel=1e-9)


@pytest.mark.parametrize("name", ["beta_binomial", "scaled_beta_binomial", "easy_and_hard"])
def test_gradients_of_the_log_likelihood(name):
    law, p = LAWS[name], np.array(EXAMPLES[name])
    n, c = np.array([10.0, 10, 100, 100, 1000]), np.array([0.0, 10, 3, 60, 500])
    for i, ours in enumerate(law.log_pmf_gradient(n, c, *parts(name))):
        h = 1e-3 * p[i]
        at = [law.log_pmf(n, c, *((p + step * h * np.eye(len(p))[i])[:, None])) for step in (-2, -1, 1, 2)]
        np.testing.assert_allclose(ours, (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h), rtol=1e-7, atol=1e-8)


def test_counts_that_differ_from_row_to_row():
    law, p = LAWS["scaled_beta_binomial"], np.array([[0.4, 1.5, 0.7], [0.6, 1.0, 0.9]])
    columns = [p[:, i, None] for i in range(3)]
    n, c = np.array([[10.0, 12.0], [10.0, 20.0]]), np.array([[3.0, 0.0], [10.0, 4.0]])
    both = law.log_pmf(n, c, *columns)
    for row in range(2):
        np.testing.assert_allclose(both[row], law.log_pmf(n[row], c[row], *p[row][:, None]), rtol=1e-12)


def test_rising_factorials_where_gamma_functions_would_cancel():
    x = np.array([1e6])
    steps = np.log(x + np.arange(50.0)).sum()
    assert log_rising(x, np.array([50.0]))[0] == pytest.approx(steps, rel=1e-14)
    assert log_rising(np.array([0.5]), np.array([3.0]))[0] == pytest.approx(np.log(0.5 * 1.5 * 2.5), rel=1e-13)
    assert log_rising(np.array([10.0]), np.array([2.5]))[0] == pytest.approx(gammaln(12.5) - gammaln(10.0), rel=1e-13)


@pytest.mark.parametrize("x", [10.0, 30.0, 5.8e5])
def test_slopes_of_rising_factorials_where_digammas_would_cancel(x):
    steps = (1.0 / (x + np.arange(7.0))).sum()
    assert rising_slope(np.array([x]), np.array([7.0]))[0] == pytest.approx(steps, rel=1e-13)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_every_law_of_the_table_passes_its_own_check(law):
    check_law(law)
    assert law.purpose and law.formula and law.of
    for parameter in law.parameters:
        assert parameter.linear or parameter.starts


def test_the_example_for_users_has_ten_lines_and_works():
    text = laws.__doc__.split("with::\n\n")[1]
    code = "\n".join(line[4:] for line in text.splitlines())
    assert len([line for line in code.splitlines() if line.strip() and "import" not in line]) <= 10
    table = dict(LAWS)
    try:
        exec(code, {})
        mine = get_law("root_log")
        check_law(mine)
        np.testing.assert_allclose(mine.at([K], np.array([0.5, 0.1, 0.5])), 0.5 + 0.1 * np.sqrt(np.log(K)))
        log = np.log(K[1:])
        slope = mine.jacobian([K], np.array([0.5, 0.1, 0.5]))[1:, 2]
        np.testing.assert_allclose(slope, 0.1 * np.sqrt(log) * np.log(log), rtol=1e-8, atol=1e-10)
        curve = curve_with(correlated_credits(0.5 + 0.1 * np.sqrt(np.log(np.arange(1, 17))), 200, RNG), n_boot=20)
        candidates = {one.law: one for one in fit_law(curve).candidates}
        assert candidates["root_log"].rmse < 0.03 and np.isfinite(candidates["root_log"].backtest_gain_rmse)
    finally:
        LAWS.clear()
        LAWS.update(table)


COUNTS = LAWS["beta_binomial"]
A, C = Parameter("A", 0.0, 1.0, linear=True), Parameter("c", 0.1, 2.0)


def power(**changes):
    given = {"parameters": (A, C), "value": lambda k, a, c: a * k**-c} | changes
    return Law("mine", "A·k^−c", "a test", **given)


@pytest.mark.parametrize(
    ("law", "said"),
    [
        (power(parameters=()), "no parameter"),
        (power(parameters=(C, A)), "a linear parameter behind one that is not"),
        (power(parameters=(A, Parameter("A", 0.1, 2.0))), "two parameters of one name"),
        (power(parameters=(A, Parameter("c", 2.0, 0.1))), "bounds 2 and 0.1 of c"),
        (power(parameters=(A, Parameter("c", 0.1, np.inf))), "infinite bounds of c"),
        (power(parameters=(A, Parameter("c", 0.0, 1.0))), "searched in its logarithm from 0"),
        (power(parameters=(A, Parameter("c", 0.1, 1.0, starts=(3.0,)))), "starts of c outside its bounds"),
        (power(parameters=(A, Parameter("c", 0.1, 1.0, prior=(3.0, 1.0)))), "the prior (3.0, 1.0) of c"),
        (power(parameters=(A, Parameter("c", 0.1, 1.0, prior=(0.3, 0.0)))), "the prior (0.3, 0.0) of c"),
        (power(parameters=(replace(A, prior=(0.3, 1.0)), C)), "a prior of A, which is not searched in its logarithm"),
        (power(value=lambda k, a, c: a * np.log(k - 1.5)), "value"),
        (power(value=lambda k, a, c: np.ones((3, 2))), "value"),
        (power(value=lambda k, a, c: a**2 * k**-c), "marked linear"),
        (power(gradient=lambda k, a, c: (k**-c,)), "a gradient of 1 parts for 2 parameters"),
        (power(gradient=lambda k, a, c: (k**-c, a * k**-c * np.log(k))), "a gradient in c that is not the derivative"),
        (power(log_pmf=lambda n, c, *p: n), "only one of log_pmf"),
        (power(value=lambda k, a, c: np.reshape(k, (3, 3))), "cannot reshape"),
        (power(value=lambda k, a, c: a * math.exp(k)), "write them with numpy, for arrays"),
        (power(of="accuracy"), "not a tuple of 'accuracy' and 'coverage'"),
        (power(of=("acuracy",)), "not a tuple of 'accuracy' and 'coverage'"),
        (power(forecasts=("votes",)), "forecasts=('votes',), which is not a tuple"),
        (power(limit=lambda a, c: a + 99.0), "a limit that its value does not tend to"),
        (
            replace(COUNTS, log_pmf_gradient=lambda n, c, *p: tuple(-x for x in COUNTS.log_pmf_gradient(n, c, *p))),
            "a gradient in a that is not the derivative of its log_pmf",
        ),
        (replace(COUNTS, log_pmf=lambda n, c, *p: -COUNTS.log_pmf(n, c, *p)), "no logarithm of probabilities"),
        # right in the middle of the bounds of c, wrong elsewhere
        (power(gradient=lambda k, a, c: (k**-c, -a * k**-c * np.log(k) * (1 + (c - 0.2**0.5)))), "a gradient in c"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_refused_of_a_law(law, said):
    with pytest.raises(TtscaleError, match=re.escape(said)):
        check_law(law)


def test_a_law_under_another_name_is_refused(monkeypatch):
    law = power()
    monkeypatch.setitem(LAWS, "theirs", law)
    with pytest.raises(TtscaleError, match="another name than its key 'theirs'"):
        check_law(law)


def test_a_law_with_a_right_gradient_passes():
    check_law(power(gradient=lambda k, a, c: (k**-c, -a * k**-c * np.log(k))))


def test_an_unknown_law_is_refused_with_the_nearest():
    with pytest.raises(TtscaleError, match="power_floor"):
        get_law("power_flor")
