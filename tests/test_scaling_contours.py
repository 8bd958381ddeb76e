"""Lines of equal error: brute force on dense grids, closed forms, intervals of the refits, what was not measured."""

import math
import warnings

import numpy as np
import pytest

from ttscale.errors import TtscaleError
from ttscale.scaling.surfaces.fit_surface import fit_surface
from ttscale.scaling.surfaces.laws import SURFACES
from ttscale.scaling.tradeoff.contours import contours
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.minimum import least
from ttscale.scaling.tradeoff.published import published
from ttscale.scaling.tradeoff.search import box_of, falling_root

TRUE = {
    "additive_draws": {"E": 0.02, "A": 2.0, "B": 6.0, "G": 0.1, "alpha": 0.35, "beta": 0.4, "gamma": 0.7},
    "draws_as_size": {"E": 0.03, "A": 3.0, "B": 8.0, "alpha": 0.35, "beta": 0.4, "gamma": 0.6},
    "draws_as_compute": {"E": 0.03, "A": 3.0, "B": 8.0, "alpha": 0.35, "beta": 0.4, "gamma": 0.3},
}
ENDS = [(1 - 0.95) / 2, 1 - (1 - 0.95) / 2]
SIZES = np.geomspace(1e3, 1e5, 5)
RANGES = {"n": (1e3, 1e5), "d": (1e3, 1e6), "k": (1.0, 16.0)}


def costs(most=1.0, prompt=1.0):
    """Forward passes that grow a little slower than parameters do, and a first draw that may cost more."""
    return Costs(SIZES, prompt * 200 * SIZES**0.9, 200 * SIZES**0.9, 600 * SIZES**0.9, most)


def surface(name="draws_as_compute", *, refits=0, spread=0.05, **changes):
    rng = np.random.default_rng(3)
    true = TRUE[name] | changes
    others = [{key: x * math.exp(spread * rng.standard_normal()) for key, x in true.items()} for _ in range(refits)]
    return published(name, true, **RANGES, others=others)


def brute(law, parameters, spent, error, budgets, points=(240, 200)):
    """The least test FLOPs at training budgets over a dense grid of sizes and draws within the ranges."""
    n, k = (np.geomspace(*RANGES[name], count) for name, count in zip("nk", points, strict=True))
    n, k = n[:, None], k[None]
    tests = spent.test_flops(n, k)
    out = []
    for budget in budgets:
        d = spent.data(n, budget, k)
        errors = SURFACES[law].value(n, np.minimum(d, RANGES["d"][1]), k, *parameters)
        out.append(np.where((errors <= error * (1 + 1e-9)) & (d >= RANGES["d"][0]), tests, np.inf).min())
    return np.array(out)


@pytest.mark.parametrize(("most", "prompt"), [(1.0, 1.0), (math.inf, 1.0), (3.0, 1.0), (1.0, 4.0)])
@pytest.mark.parametrize("name", TRUE)
def test_frontier_against_brute_force(name, most, prompt):
    one, spent = surface(name), costs(most, prompt)
    budgets = np.geomspace(1e9, 1e13, 37)
    error = {"additive_draws": 0.2, "draws_as_size": 0.25, "draws_as_compute": 0.25}[name]
    (line,) = contours(one, spent, [error], train_flops=budgets)
    expected = brute(name, one.best, spent, error, line.train_flops)
    assert len(line.train_flops) >= 4 and np.isfinite(expected).all()
    np.testing.assert_allclose(line.test_flops, expected, rtol=0.04)
    assert (line.test_flops <= expected * 1.003).all()  # the grid can only miss the least
    np.testing.assert_allclose(SURFACES[name].value(line.n, line.d, line.k, *one.best), error, rtol=2e-3)
    np.testing.assert_allclose(spent.test_flops(line.n, line.k), line.test_flops, rtol=1e-6)
    np.testing.assert_allclose(spent.train_flops(line.n, line.d, line.k), line.train_flops, rtol=1e-6)
    assert line.inside.all() and (np.diff(line.test_flops) < 0).all()
    too_little, too_much = budgets[budgets < line.train_flops[0]], budgets[budgets > line.train_flops[-1] * 1.01]
    assert np.isinf(brute(name, one.best, spent, error, too_little)[:-1]).all()
    saved = brute(name, one.best, spent, error, too_much)
    assert saved.max() < saved.min() * 1.005  # more training saves nothing there


def test_frontier_from_end_to_end():
    one, spent, error = surface(), costs(), 0.25
    (line,) = contours(one, spent, [error])
    e, a, b, alpha, beta, gamma = one.best
    n, k = np.geomspace(*RANGES["n"], 400)[:, None], np.geomspace(*RANGES["k"], 400)[None]
    rest = (error - e) * k**gamma - a / n**alpha
    d = np.maximum((b / np.where(rest > 0, rest, np.nan)) ** (1 / beta), RANGES["d"][0])
    possible = d <= RANGES["d"][1]
    assert line.train_flops[0] == pytest.approx(spent.train_flops(n, d, k)[possible].min(), rel=0.01)
    assert line.test_flops[-1] == pytest.approx(spent.test_flops(n, k)[possible].min(), rel=0.03)
    assert len(line.k) > 30 and (np.diff(line.train_flops) > 0).all() and (np.diff(line.test_flops) < 0).all()


def test_frontier_intervals_against_brute_force_of_every_refit():
    one, spent, error = surface(refits=30, spread=0.03), costs(), 0.3
    (line,) = contours(one, spent, [error], train_flops=np.geomspace(3e9, 3e11, 5))
    several = np.stack([brute(one.law, p, spent, error, line.train_flops, (90, 400)) for p in one.replicates])
    low, high = np.quantile(several, ENDS, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(line.low, low, rtol=0.03)
    np.testing.assert_allclose(line.high, high, rtol=0.03)
    assert (line.low < line.test_flops).all() and (line.test_flops < line.high).all()


def test_an_error_below_the_floor_is_reached_nowhere():
    low, some = contours(surface(refits=5), costs(), [0.02, 0.3])
    assert not low.reached and not len(low.high) and "reached nowhere" in low.text and some.reached


@pytest.fixture(scope="module")
def on_steps():
    """A law fitted to a grid that is no rectangle: the larger a model, the less its most data."""
    pairs = [(n, d) for n, most in ((1e3, 1e6), (1e4, 1e5), (1e5, 1e4)) for d in (1e3, 1e4, 1e5, 1e6) if d <= most]
    n, d, k = (np.array(x) for x in zip(*((n, d, k) for n, d in pairs for k in (1.0, 4.0, 16.0)), strict=True))
    true = list(TRUE["draws_as_compute"].values())
    return fit_surface(n, d, SURFACES["draws_as_compute"].value(n, d, k, *true), k, law="draws_as_compute", n_boot=40)


def test_measured_is_the_data_that_models_of_such_a_size_had(on_steps):
    box = box_of(on_steps, costs())
    for n, d, k, measured in (
        (1e3, 1e6, 4.0, True), (1e4, 1e5, 4.0, True), (1e4, 1.01e5, 4.0, False), (1e5, 1e4, 16.0, True),
        (1e5, 1e6, 4.0, False), (10**3.5, 10**5.49, 4.0, True), (10**3.5, 10**5.51, 4.0, False),
        (1e4, 0.99e3, 4.0, False), (0.9e3, 1e5, 4.0, False), (1.1e5, 2e3, 4.0, False), (1e4, 1e4, 17.0, False),
    ):  # fmt: skip
        assert bool(box.inside(n, d, k)) is measured, (n, d, k)
    np.testing.assert_allclose(np.exp([box.low[1], box.high[1]]), (1e3, 1e6))  # the search goes on as before


def test_a_line_of_equal_error_is_measured_on_the_steps_alone(on_steps):
    (line,) = contours(on_steps, costs(), [0.2], warn=False)
    most = 1e9 / line.n  # its steps lie on one line of the logarithms
    off = np.abs(np.log(line.d / most)) > 1e-3
    np.testing.assert_array_equal(line.inside[off], line.d[off] < most[off])
    assert line.inside.any() and not line.inside.all()
    assert f"{(~line.inside).sum()} of {len(line.inside)} points lie outside of what was measured" in line.text


def test_only_what_was_measured_unless_asked_for():
    one, spent = surface(refits=5, gamma=0.1), costs()
    inside = contours(one, spent, [0.12])[0]
    assert inside.inside.all() and inside.d.max() <= 1e6 * (1 + 1e-3)
    with pytest.warns(UserWarning, match="extrapolates"):
        (far,) = contours(one, spent, [0.12], train_flops=np.geomspace(1e11, 1e15, 9), beyond=10)
    assert not far.inside.all() and "outside of what was measured" in far.text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert contours(one, spent, [0.12], beyond=10, warn=False)[0].reached


def test_levels_lie_between_the_measured_errors():
    lines = contours(surface(refits=2), costs())
    ends = [float(SURFACES["draws_as_compute"].value(*at, *surface().best)) for at in ((1e5, 1e6, 16), (1e3, 1e3, 1))]
    assert len(lines) >= 2 and all(ends[0] < line.error < ends[1] for line in lines)


def test_a_fitted_surface_serves_as_well():
    n, d, k = (x.ravel() for x in np.meshgrid(SIZES, np.geomspace(1e3, 1e6, 4), [1.0, 4.0, 16.0], indexing="ij"))
    fit = fit_surface(n, d, SURFACES["draws_as_compute"].value(n, d, k, *surface().best), k, law="draws_as_compute",
                      n_boot=20, ci=0.9)  # fmt: skip
    budgets = np.geomspace(1e10, 1e12, 4)
    (got,), (expected,) = (contours(one, costs(), [0.2], train_flops=budgets) for one in (fit, surface()))
    np.testing.assert_allclose(got.test_flops, expected.test_flops, rtol=1e-4)


def test_refused():
    one, spent = surface(), costs()
    for name, bad in (("errors", [0.1, -0.2]), ("errors", [math.nan]), ("errors", []), ("errors", ["a"])):
        with pytest.raises(TtscaleError, match=name):
            contours(one, spent, bad)
    with pytest.raises(TtscaleError, match="train_flops"):
        contours(one, spent, train_flops=[math.inf])
    with pytest.raises(TtscaleError, match="beyond"):
        contours(one, spent, beyond=0.5)
    with pytest.raises(TtscaleError, match="known training FLOPs"):
        contours(one, Costs(SIZES, SIZES, SIZES, SIZES * math.nan))


def test_roots_of_falling_functions():
    at = np.array([0.3, -2.0, 7.0, 4.999])
    found = falling_root(lambda x, i: np.expm1(3 * (at[i] - x)), 0.0, 5.0, 4)
    np.testing.assert_allclose(found, [0.3, 0.0, np.inf, 4.999], rtol=1e-9)


def test_the_least_of_valleys_that_run_aslant():
    """Rosenbrock's curved valley in logarithms, moved for each of the batch; the least on an end of the box."""
    centre = np.array([[0.3, 0.2], [1.1, 1.3], [5.0, 0.4]])

    def cost(x):
        u, v = np.moveaxis(x - centre[:, None], -1, 0)
        return u**2 + 30 * (v - 0.8 * u) ** 2

    where, value = least(cost, np.zeros((3, 2)), np.full((3, 2), 2.0))
    np.testing.assert_allclose(where[:2], centre[:2], atol=1e-5)
    assert where[2, 0] == 2.0 and value[2] == pytest.approx(9 + 30 * (where[2, 1] - 0.4 + 2.4) ** 2)
