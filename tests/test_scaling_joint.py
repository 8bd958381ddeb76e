"""Joint laws: recovery of a simulated grid, exchange rates by hand, ceilings, and what a poor grid does not tell."""

import math
from dataclasses import replace

import numpy as np
import pytest
from simulated_grid import FIRST, PER_EPOCH, TRUTH, simulate, true_error
from text_example import make_text_records

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.curve import accuracy_curve, curve_of_credits
from ttscale.scaling.planning.options import Option
from ttscale.scaling.sampled import samples
from ttscale.scaling.surfaces.fit_surface import fit_surface
from ttscale.scaling.surfaces.isoquant import exchange_slope
from ttscale.scaling.surfaces.laws import SURFACES
from ttscale.scaling.surfaces.quantity import QUANTITIES, error_of, fitted_of
from ttscale.scaling.tradeoff.answers import answers_of
from ttscale.scaling.tradeoff.axes import amount, slice_along
from ttscale.scaling.tradeoff.ceilings import ceiling, stops_paying
from ttscale.scaling.tradeoff.costs import Costs
from ttscale.scaling.tradeoff.crossing import ten_x_training_equals
from ttscale.scaling.tradeoff.joint import _exchanges, joint_fits
from ttscale.scaling.tradeoff.ladder import Rung, climb
from ttscale.scaling.tradeoff.left_out import left_out, misfit
from ttscale.scaling.tradeoff.local_exchange import _words, local_exchange, measured_at
from ttscale.scaling.tradeoff.measured import Measured, measure, rows_of
from ttscale.scaling.tradeoff.recipes import recipe_words
from ttscale.scaling.tradeoff.teams import of_equal_teams

MIDDLE = {"n": 1.6e4, "d": 4.0, "k": math.sqrt(8)}
N = np.array([1e3, 2.56e5])
COSTS = Costs(N, FIRST * N, FIRST * N, PER_EPOCH * N)


def true_slopes():
    """Exchange rates along size and data at the middle, from the law's own derivatives."""
    at, truth = dict(MIDDLE), np.array([list(TRUTH.values())])
    by_n, by_d = (float(exchange_slope(SURFACES["draws_share"], truth, of, "k", at)[0]) for of in ("n", "d"))
    return 1 + by_n, by_d  # test FLOPs are n·k, training FLOPs n·d


@pytest.fixture(scope="module")
def joint():
    found = simulate(1)
    (one,) = joint_fits(found.rungs, found.options, ci=0.9, limits=False)
    return one


def test_intervals_of_a_simulated_grid_cover_the_truth_whatever_law_is_chosen():
    """At level 0.9, the law chosen by the back-test. By the chosen law's refits alone 18 of these 24 slopes were."""
    slopes, reached, laws = [], [], set()
    for seed in range(300, 312):
        found = simulate(seed, n_items=600, n_boot=60)
        (one,) = joint_fits(found.rungs, found.options, ci=0.9, limits=False)
        laws.add(one.surface.law)
        by_n, by_d = true_slopes()
        slopes += [e.slope.low <= truth <= e.slope.high for e, truth in zip(one.exchange, (by_d, by_n), strict=False)]
        for rung, limit in zip(found.rungs, one.ceilings, strict=True):
            if math.isfinite(limit.law.value):
                truth = 1 - true_error(rung.n_params, rung.epochs, np.inf)[0]
                reached.append(limit.law.low <= truth <= limit.law.high)
        assert one.surface.params["alpha"].method == "refits to resampled items and seeds, percentiles"
    assert len(laws) > 2 and len(slopes) == 24 and np.mean(slopes) >= 0.85
    assert len(reached) >= 20 and np.mean(reached) >= 0.85


def test_the_joint_law_of_a_simulated_grid(joint):
    assert (joint.kind, joint.axis, joint.fixed, len(joint.rungs)) == ("tta", "epochs", 55_000.0, 15)
    assert joint.surface.law in ("draws_share", "draws_as_compute") and joint.surface.quantity == "error"
    missed = left_out(joint.surface)
    assert list(missed) == ["the largest size", "the largest training budget", "the largest number of draws"]
    assert all(largest < 2.5 and every < 2.5 for largest, every in missed.values())
    assert "With one of 3 amounts of epochs left out the law is not determined" in joint.text  # two are left
    truths = true_slopes()
    assert [one.along for one in joint.exchange] == ["d", "n", "d", "d", "n", "n"]
    for one, truth in zip(joint.exchange, (truths[1], truths[0]), strict=False):
        assert one.slope.low <= truth <= one.slope.high
        assert one.ten_x.value == pytest.approx(10**-one.slope.value) and one.laws[0] <= one.slope.value <= one.laws[1]
        assert one.at == pytest.approx(tuple(MIDDLE.values()))
    assert joint.exchange[0].valid_from == pytest.approx(PER_EPOCH * 1.6e4)
    assert joint.exchange[0].valid_to == pytest.approx(PER_EPOCH * 1.6e4 * 16)
    assert "the largest size is missed by" in joint.text


def test_two_kinds_of_noise_are_resampled():
    found = simulate(3, n_seeds=3, seed_sd=0.2)
    curves = [option.curve for option in found.options]
    with_seeds = measure(found.rungs, curves, "epochs", seed=0)
    items = measure([replace(rung, seed_sd=0.0) for rung in found.rungs], curves, "epochs", seed=0)
    rung = found.rungs[7]
    here = slice(28, 32)  # its four budgets
    np.testing.assert_allclose(items.replicates[:, here], 1 - curves[7].replicates)
    odds = [np.log(one.replicates[:, here] / (1 - one.replicates[:, here])) for one in (with_seeds, items)]
    shift = odds[0] - odds[1]
    np.testing.assert_allclose(shift, shift[:, :1] * np.ones(4), atol=1e-12)  # one luck for all budgets
    accuracy = rung.accuracy.value
    assert shift[:, 0].std() == pytest.approx(rung.seed_sd / math.sqrt(3) / (accuracy * (1 - accuracy)), rel=0.2)


@pytest.fixture(scope="module")
def as_compute():
    """A law of constant exchange along data: β / γ = 1.2, and size that hardly matters (Jones 2021; Pythia)."""
    n, d, k = (x.ravel() for x in np.meshgrid(np.geomspace(1e3, 1e6, 5), np.geomspace(1, 1e3, 5), [1.0, 2, 4, 8]))
    truth = np.array([0.001, 0.05, 0.5, 0.15, 0.36, 0.3])
    y = SURFACES["draws_as_compute"].at([n, d, k], truth)
    fit = fit_surface(n, d, y, k, law="draws_as_compute", n_boot=40, ci=0.9)
    assert fit.best == pytest.approx(truth, rel=1e-4)
    return fit


def test_rates_along_size_and_data_differ_in_sign(as_compute):
    n, d, _ = at = (3e4, 30.0, 2.0)
    by_size, by_data = 0.05 * n**-0.15, 0.5 * d**-0.36
    share = by_size / (by_size + by_data)
    along_data = local_exchange(as_compute, COSTS, "d", at, axis="tokens", subject="Votes")
    along_size = local_exchange(as_compute, COSTS, "n", at, axis="tokens")
    assert along_data.slope.value == pytest.approx(-1.2 * (1 - share), rel=1e-4)
    assert along_size.slope.value == pytest.approx(1 - 0.15 / 0.3 * share, rel=1e-4) and along_size.slope.value > 0.5
    assert along_data.text.startswith("Votes, along training tokens at 30,000 parameters and about 2 draws: 2 ×")
    assert "measured with 1 to 8 draws and from" in along_data.text
    assert "not less" in along_size.text and "dearer draws outweigh" in along_size.text


def on_steps(most_data):
    """A surface of draws_as_compute fitted where each size had data from 1 to its own most, and the fitted points."""
    pairs = [(n, d) for n, most in most_data.items() for d in (1.0, 4.0, 16.0, 64.0) if d <= most]
    n, d, k = (np.array(x) for x in zip(*((n, d, k) for n, d in pairs for k in (1.0, 2.0, 4.0, 8.0)), strict=True))
    y = SURFACES["draws_as_compute"].at([n, d, k], np.array([0.01, 0.5, 0.5, 0.15, 0.36, 0.3]))
    return fit_surface(n, d, y, k, law="draws_as_compute", n_boot=20, ci=0.9)


def test_a_rate_is_measured_only_between_rungs_that_exist_near_it():
    fit = on_steps({1e3: 4.0, 4e3: 64.0, 1.6e4: 16.0, 6.4e4: 1.0, 2.56e5: 4.0})

    def ends(along, n, d):
        one = local_exchange(fit, COSTS, along, (n, d, 2.0), axis="epochs")
        return (one.valid_from, one.valid_to), one.text

    for n, most in ((1e3, 4), (5e3, 64), (1.4e4, 16), (9e5, 4)):  # of the size nearest in the logarithm
        assert ends("d", n, 2.0)[0] == pytest.approx((PER_EPOCH * n, PER_EPOCH * n * most))
    for d, (least, most) in {64.0: (4e3, 4e3), 20.0: (4e3, 1.6e4), 3.0: (1e3, 2.56e5)}.items():
        assert ends("n", 8e3, d)[0] == pytest.approx((PER_EPOCH * least * d, PER_EPOCH * most * d))
    assert "measured with 1 to 8 draws and at 76.8 MFLOPs of training." in ends("n", 4e3, 64.0)[1]
    assert "at 1 epoch and about" in ends("n", 4e3, 1.0)[1]
    assert measured_at(fit.points, "d", 8e3) == (1.0, 16.0)  # of two sizes as near, what both had
    assert measured_at(fit.points, "d", math.nan) == (1.0, 64.0)


def test_rates_at_the_ends_of_a_grid_are_in_the_middle_of_what_exists_there():
    fit = on_steps({1e3: 4.0, 4e3: 64.0, 1.6e4: 16.0, 6.4e4: 1.0, 2.56e5: 4.0})
    points = Measured(*fit.points.inputs, fit.points.y, fit.points.y[None])
    found = [
        (one.along, *one.at[:2], one.valid_from / PER_EPOCH, one.valid_to / PER_EPOCH)
        for one in _exchanges(fit, COSTS, points, "epochs", "TTA")
    ]
    expected = [
        ("d", 1.6e4, 8.0, 1.6e4, 16 * 1.6e4), ("n", 1.6e4, 8.0, 8 * 4e3, 8 * 1.6e4),
        ("d", 1e3, 2.0, 1e3, 4e3), ("d", 2.56e5, 2.0, 2.56e5, 4 * 2.56e5),
        ("n", 1.6e4, 1.0, 1e3, 2.56e5), ("n", 4e3, 64.0, 64 * 4e3, 64 * 4e3),
    ]  # fmt: skip
    for got, wanted in zip(found, expected, strict=True):
        assert got[0] == wanted[0] and got[1:] == pytest.approx(wanted[1:])


def test_the_rate_of_jones(as_compute):
    only_data = replace(as_compute, params={k: replace(v, value=1e-9 if k in "EA" else v.value)
                                            for k, v in as_compute.params.items()})  # fmt: skip
    one = local_exchange(only_data, COSTS, "d", (3e4, 30.0, 2.0), axis="unique")
    assert one.slope.value == pytest.approx(-1.2, rel=1e-4)
    assert one.ten_x.value == pytest.approx(15.848931924611133, rel=1e-3)


def test_of_an_ensemble_every_model_is_trained(as_compute):
    ensemble = replace(COSTS, most_models=math.inf)
    at = (3e4, 30.0, 2.0)
    s = local_exchange(as_compute, COSTS, "d", at, axis="unique").slope.value
    dear = local_exchange(as_compute, ensemble, "d", at, axis="unique")
    assert s < -1 and math.isnan(dear.slope.value) and "less training in all" in dear.text  # 1 + s < 0
    steep = replace(as_compute, params=dict(as_compute.params, gamma=replace(as_compute.params["gamma"], value=0.9)))
    s = local_exchange(steep, COSTS, "d", at, axis="unique").slope.value
    assert local_exchange(steep, ensemble, "d", at, axis="unique").slope.value == pytest.approx(s / (1 + s), rel=1e-6)


def test_a_rate_that_the_draws_measured_do_not_reach_is_told_by_what_fits(as_compute):
    flat = replace(as_compute, replicates=as_compute.replicates * [1, 1, 1, 1, 1, 0.1],
                   params=dict(as_compute.params, gamma=replace(as_compute.params["gamma"], value=0.03)))  # fmt: skip
    one = local_exchange(flat, COSTS, "d", (3e4, 30.0, 2.0), axis="unique")
    assert one.ten_x.value > one.test_span == 8.0 and (one.k_from, one.k_to) == (1.0, 8.0)
    assert f"2 × test compute = {2 ** (-1 / one.slope.value):.3g} × training" in one.text
    assert "10 × training is worth more test compute than was measured (8 ×)" in one.text
    by_hand = replace(
        one, slope=replace(one.slope, value=-2.0, low=-4.0, high=-1e-4), ten_x=replace(one.ten_x, value=100.0)
    )
    assert "1.41 × training (90% interval 1.19 × to no upper limit)" in _words(by_hand, "unique", "")
    unsure = replace(by_hand, slope=replace(by_hand.slope, low=math.nan, high=math.nan))
    assert "unknown" not in _words(unsure, "unique", "") and "too many for an interval" in _words(unsure, "unique", "")
    never = replace(as_compute, params=dict(as_compute.params, gamma=replace(as_compute.params["gamma"], value=0.0)))
    one = local_exchange(never, COSTS, "d", (3e4, 30.0, 2.0), axis="unique")
    assert one.slope.value == -math.inf and "do not lower the error" in one.text
    assert ten_x_training_equals(400.0) == math.inf


def test_what_other_laws_say_widens_the_interval(as_compute):
    other = replace(as_compute, law="another", replicates=as_compute.replicates * [1, 1, 1, 1, 1, 0.5],
                    params=dict(as_compute.params, gamma=replace(as_compute.params["gamma"], value=0.15)))  # fmt: skip
    far = replace(other, backtest=replace(other.backtest, ranking=1.0))
    as_good = replace(other, backtest=as_compute.backtest)
    lost = replace(as_good, status="not_converged")
    at = (3e4, 30.0, 2.0)
    alone, *found = (
        local_exchange(replace(as_compute, candidates=some), COSTS, "d", at, axis="unique").slope
        for some in ((), (as_compute, far, lost), (as_compute, as_good))
    )
    theirs = local_exchange(as_good, COSTS, "d", at, axis="unique").slope
    assert found[0] == alone and (found[1].low, found[1].high) == (theirs.low, alone.high)
    assert theirs.high < alone.low and "of 2 laws together" in found[1].method


def test_each_axis_of_data_holds_the_other_fixed():
    found = simulate(0, n_items=50)
    fewer = [
        replace(rung, name=f"{rung.size}-u{unique}", epochs=16.0, unique=float(unique))
        for rung in found.rungs if rung.budget == "e16" for unique in (550, 3437, 13750)
    ]  # fmt: skip
    rungs = [*found.rungs, *fewer]
    epochs, unique = slice_along(rungs, "epochs"), slice_along(rungs, "unique")
    assert (epochs.fixed, epochs.n_sizes, epochs.n_amounts, len(epochs.rungs)) == (55_000.0, 5, 3, 15)
    assert (unique.fixed, unique.n_sizes, unique.n_amounts, len(unique.rungs)) == (16.0, 5, 4, 20)
    assert {amount(rung, "unique") for rung in unique.rungs} == {550.0, 3437.0, 13750.0, 55_000.0}
    unknown = [replace(rung, epochs=math.nan) for rung in found.rungs]
    assert slice_along(unknown, "epochs") is None and slice_along(unknown, "unique").n_amounts == 1


def test_a_poor_grid_says_what_it_does_not_tell():
    one_budget = simulate(2, epochs=(16.0,), n_items=4000, n_boot=60)
    (found,) = joint_fits(one_budget.rungs, one_budget.options, ci=0.9)
    assert found.surface.definition.inputs == ("n", "k") and {one.along for one in found.exchange} == {"n"}
    assert "nothing can be said along" in found.text and found.exchange[0].valid_to == pytest.approx(16 * 300 * 2.56e5)
    one_size = simulate(2, sizes=(1.6e4,), n_items=400, n_boot=60)
    (found,) = joint_fits(one_size.rungs, one_size.options, ci=0.9)
    assert found.surface.definition.inputs == ("d", "k") and {one.along for one in found.exchange} == {"d"}
    assert any("one model size only" in why for why in found.cannot)
    alone = simulate(2, sizes=(1.6e4,), epochs=(4.0,), n_items=100)
    assert joint_fits(alone.rungs, alone.options, ci=0.9) == ()
    untrained = simulate(
        2, sizes=(1e3, 6.4e4), epochs=(1.0, 16.0), draws=(1, 8), n_items=400, n_seeds=1, n_boot=60, trained=False
    )
    (found,) = joint_fits(untrained.rungs, untrained.options, ci=0.9)
    assert found.exchange == () and found.surface.status == "not_identified"
    told = " ".join(found.cannot)
    for words in ("Training FLOPs are not known", "Two sizes", "Two amounts", "leave the noise of training out"):
        assert words in told


def test_the_quantity_whose_law_is_less_off_is_fitted():
    n, d, k = (x.ravel() for x in np.meshgrid(np.geomspace(1e3, 1e6, 5), np.geomspace(1, 100, 4), [1.0, 4, 16, 64]))
    fitted = SURFACES["draws_shrink"].at([n, d, k], np.array([0.1, 30.0, 2.0, 0.4, 0.5, 0.45]))
    error = error_of("log_accuracy", fitted * np.exp(0.005 * np.random.default_rng(0).standard_normal(len(n))))
    assert error.min() < 0.15 and error.max() > 0.9
    laws = [fit_surface(n, d, error, k, law=law, quantity="auto", n_boot=40, ci=0.9, delta=0.01)
            for law in ("draws_shrink", "draws_as_size")]  # fmt: skip
    found = laws[0]
    assert found.quantity == "log_accuracy" and not found.candidates  # no other quantity comes near the points
    assert found.backtest.error_ranking < 0.02 < laws[1].backtest.error_ranking
    np.testing.assert_allclose(found.errors(n, d, k), error, atol=0.02)
    predicted = found.predict(1e4, 10.0, 4.0)
    assert float(found.errors(1e4, 10.0, 4.0)) == pytest.approx(predicted.value)
    assert predicted.low < predicted.value < predicted.high < 1
    assert found.predict(1e4, 10.0, found.solve("k", 0.3, n=1e4, d=10.0).value).value == pytest.approx(0.3)
    assert found.errors(n[:3], d[:3], k[:3], refits=True).shape == (40, 3)
    with pytest.raises(TtscaleError, match="k: expected given: draws_shrink depends on it"):
        found.errors(n, d)


def test_quantities_are_inverse():
    error = np.array([1e-9, 0.2, 0.9999])
    for quantity in QUANTITIES:
        np.testing.assert_allclose(error_of(quantity, fitted_of(quantity, error)), error, rtol=1e-12)
    assert fitted_of("log_accuracy", 0.5) == pytest.approx(math.log(2)) and fitted_of("odds", 0.75) == pytest.approx(3)
    assert fitted_of("log_accuracy", 1.0) == fitted_of("odds", 1.0) == np.inf and error_of("odds", np.inf) == 1


def test_points_that_resamples_move_much_count_little():
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(1e3, 1e6, 4), np.geomspace(1, 100, 4)))
    y = 0.05 + 2 * n**-0.3 + 0.2 * d**-0.5
    off = y * np.where(np.arange(16) == 5, 1.3, 1.0)
    spread = np.where(np.arange(16) == 5, 0.3, 0.003)
    again = off * np.exp(spread * np.random.default_rng(0).standard_normal((60, 16)))
    errors = [np.abs(fit_surface(n, d, off, ci=0.9, replicates=r).errors(n, d) / y - 1)[np.arange(16) != 5].max()
              for r in (again, off * np.exp(0.1 * np.random.default_rng(0).standard_normal((60, 16))))]  # fmt: skip
    assert errors[0] < 0.002 < errors[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"replicates": np.ones((60, 3))}, "replicates: expected one row a resample of 16 values"),
        ({"replicates": np.zeros((60, 16))}, "replicates: expected numbers above 0, got 0 at"),
        ({"replicates": np.ones((5, 16))}, "n_boot: expected a whole number of at least"),
        ({"quantity": "loss"}, "quantity: expected a known name"),
        ({"y": np.linspace(0.5, 1.0, 16), "quantity": "log_accuracy"}, "y: expected errors below 1.*got 1 at"),
        ({"d": None}, "n, d, k: expected two of them"),
    ],
)
def test_refusals(change, message):
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(1e3, 1e6, 4), np.geomspace(1, 100, 4)))
    with pytest.raises(TtscaleError, match=message):
        fit_surface(**{"n": n, "d": d, "y": 0.1 + n**-0.3, "ci": 0.9, **change})


def test_where_doublings_stop_paying():
    def curve(right, budgets=(1, 2, 4, 8)):
        credit = np.array([np.arange(400) < r for r in right], dtype=float)
        return curve_of_credits(credit, item_ids=np.arange(400).astype(str), budgets=np.array(budgets),
                                flops=np.array(budgets, dtype=float), name="tta/a", n_boot=200)  # fmt: skip

    assert stops_paying(curve([200, 240, 241, 241]))[0] == 2
    stops, last = stops_paying(curve([200, 201, 240, 280]))  # the first doubling is weak, the later ones are not
    assert stops is None and last.value == pytest.approx(0.1)
    assert stops_paying(curve([200, 200, 200, 200]))[0] == 1
    assert math.isnan(stops_paying(curve([200, 240], (1, 3)))[1].value)


def test_budgets_that_a_law_is_fitted_to():
    records = make_text_records(40, members=("small",), variants=("plain",), samples=20)
    votes = accuracy_curve(records, samples(records, "small"), n_boot=40)
    assert votes.budgets[rows_of(votes)].tolist() == [1, 3, 5, 9, 17, 19]
    weighed = accuracy_curve(records, samples(records, "small", vote="best:judge"), n_boot=40)
    assert weighed.budgets[rows_of(weighed)].tolist() == [1, 2, 4, 8, 16, 20]


def test_what_cannot_be_fitted_is_said():
    found = simulate(4, sizes=(1e3, 6.4e4), epochs=(1.0, 16.0), draws=(1, 8), n_items=50, n_boot=40)
    alike = [
        replace(option, curve=curve_of_credits(
            np.tile(np.arange(50) < 40, (2, 1)).astype(float), item_ids=option.curve.item_ids,
            budgets=option.curve.budgets, flops=option.curve.flops, name=option.curve.name, kind="tta", n_boot=20,
        )) for option in found.options
    ]  # fmt: skip
    (joint,) = joint_fits(found.rungs, alike, ci=0.9)
    assert joint.surface is None and joint.exchange == () and joint.ceilings == ()
    assert "at least 2 different values" in joint.text


def test_a_law_that_misses_what_it_did_not_see_is_not_used(joint):
    surface, backtest = joint.surface, joint.surface.backtest
    spread = np.std(surface.points.y)  # of errors, as the quantity says
    assert surface.quantity == "error" and joint.describes and misfit(surface) == ""
    assert len(answers_of(joint, queries=(1e4,)).lifetimes) == 1

    def missing(share):
        cells = tuple(replace(cell, error_rmse=share * spread) for cell in backtest.cells)
        return replace(surface, backtest=replace(backtest, cells=cells))

    assert misfit(missing(0.48)) == "" and f"missed by {52 * spread:.1f} points" in misfit(missing(0.52))
    assert "off the data" in misfit(replace(surface, status="off_the_data"))
    nothing = answers_of(replace(joint, describes=False), queries=(1e4,))
    assert nothing.contours == nothing.lifetimes == ()


def test_of_a_grid_that_jumps_from_wrong_to_right_only_what_was_measured_is_told():
    """Accuracies of 3 % and 97 % in turns: no law of sums of powers."""
    found = simulate(5, sizes=(1e3, 4e3, 1.6e4, 6.4e4), draws=(1, 2), n_items=200, n_boot=20)
    rng, jumps = np.random.default_rng(7), []
    for number, option in enumerate(found.options):
        chance = 0.97 if (number * 7) % 3 == 1 else 0.03
        jumps.append(replace(option, curve=curve_of_credits(
            (rng.random((len(option.curve.budgets), 200)) < chance).astype(float), item_ids=option.curve.item_ids,
            budgets=option.curve.budgets, flops=option.curve.flops, name=option.curve.name, kind="tta", n_boot=20,
        )))  # fmt: skip
    (one,) = joint_fits(found.rungs, jumps, ci=0.9)
    assert one.surface is not None and not one.describes and one.exchange == ()
    assert one.cannot[0].startswith("No law of these describes this grid: ") and one.cannot[0] in one.text
    assert len(one.ceilings) == 12 and all(math.isnan(limit.law.value) for limit in one.ceilings)
    assert all(math.isfinite(limit.last.value) and "nan" not in limit.text for limit in one.ceilings)


def test_held_out_points_are_told_one_by_one(joint):
    for cell in joint.surface.held_out:
        assert math.sqrt(np.mean(np.square(cell.off))) == pytest.approx(cell.error_rmse)
        assert cell.n_points == len(cell.off) and sorted(set(cell.at)) == list(cell.at)
    (largest,) = [cell for cell in joint.surface.held_out if cell.cell == "n = 2.56e+05"]
    assert (joint.surface.points.inputs[0][list(largest.at)] == 2.56e5).all() and largest.n_points == 12


def test_votes_and_coverage_of_sampled_answers():
    records = make_text_records(60, members=("a", "b", "c"), variants=("plain",), samples=16, greedy=False)
    parameters = {"a": 1e4, "b": 1e5, "c": 1e6}
    rungs, options = [], []
    for i, (name, n) in enumerate(parameters.items()):
        strategy = samples(records, name)
        curve = accuracy_curve(records, strategy, n_boot=60, ci=0.9)
        options.append(Option(name, curve, np.full(len(curve.budgets), 1e9 * 10**i), ((records, strategy),)))
        rungs.append(
            Rung(name, (name,), n, curve.flops[0], 1e9 * 10**i, curve.at(1), curve, size=name, unique=1e6, epochs=1.0)
        )
    votes, coverage = joint_fits(rungs, options, ci=0.9, n_boot=60)
    assert (votes.kind, coverage.kind, votes.axis) == ("samples", "coverage", "tokens")
    for limit in votes.ceilings:
        assert limit.vote is not None and "the vote ends at" in limit.text and limit.vote.low < limit.vote.value
    assert all(one.vote is None for one in coverage.ceilings)
    at = {"n": 1e5, "d": 1e6}
    assert float(coverage.surface.errors(**at, k=15.0)) < float(votes.surface.errors(**at, k=15.0))
    assert "No rung has two training seeds" in votes.text


def team_grid(seeds):
    """Two sizes on three amounts of data, with so many seeds of each amount."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    log_probs, flops, cards = {}, {}, {}
    for size, better in ((10, 0.0), (100, 0.7)):
        for amount_, n_seeds in zip((100, 400, 1600), seeds, strict=True):
            for seed in range(n_seeds):
                x = rng.standard_normal((120, 2, 3))
                x[np.arange(120), :, labels] += better + amount_**0.1
                name = f"w{size}-u{amount_}-s{seed}"
                log_probs[name] = (x - np.log(np.exp(x).sum(axis=-1, keepdims=True))).astype(np.float32)
                flops[name] = float(size)
                cards[name] = {
                    "size": f"w{size}", "budget": f"u{amount_}", "seed": seed, "n_params": size, "n_train": amount_,
                    "train_flops": 3.0 * size * amount_,
                    "recipe": {"n_train": amount_, "batch_size": 32 if amount_ < 400 else 128, "momentum": 0.9},
                    "epochs": 1,
                }  # fmt: skip
    return climb(
        [Records.from_arrays(log_probs, labels, flops=flops, cards=cards)], vote="mean", n_boot=40, ci=0.9, seed=0
    )


@pytest.fixture
def without_law(monkeypatch):
    """Everything but the fit, which takes long where all is noise."""

    def refuse(*_):
        raise TtscaleError("y", expected="no fit", got="one", fix="None.")

    monkeypatch.setattr("ttscale.scaling.tradeoff.joint._surface", refuse)


def test_teams_are_of_as_many_models_on_every_rung(without_law):
    rungs, options = team_grid((2, 3, 3))
    found = {one.kind: one for one in joint_fits(rungs, options, ci=0.9, n_boot=40)}
    assert found["product"].costs.most_models == 2.0
    for kind in ("ensemble", "product"):
        assert "Teams are of 2 models on every rung" in found[kind].text
    assert "Teams" not in found["tta"].text
    of_three = next(one for one in options if one.curve.kind == "ensemble" and one.rung == "w10-u400")
    two = of_equal_teams([next(one for one in options if one.curve.kind == "ensemble"), of_three])[1]
    np.testing.assert_allclose(two.curve.credit, of_three.curve.credit[:2])  # each two of the three
    assert two.train_flops.tolist() == [1.2e4, 2.4e4]
    alike = {one.kind: one for one in joint_fits(*team_grid((2, 2, 2)), ci=0.9, n_boot=40)}
    assert "Teams" not in alike["product"].text


def test_recipes_that_differ_are_told(without_law):
    rungs, options = team_grid((1, 1, 1))
    shares = []
    (found,) = joint_fits(rungs, options, ci=0.9, n_boot=40, on_progress=shares.append)
    assert "Recipes differ between the rungs in batch size (32 or 128): size and data act together" in found.text
    assert "momentum" not in found.text and shares == sorted(shares) and shares[-1] == 1.0
    assert recipe_words({"a": ["1", "2", "3"], "b_c": ["4", "5"]}).startswith(
        "Recipes differ between the rungs in a (1, 2 or 3) and b c (4 or 5): "
    )


def test_a_limit_by_the_law_is_told_only_where_it_is_near(joint):
    found = simulate(305, n_items=600, n_boot=60)
    (one,) = joint_fits(found.rungs, found.options, ci=0.9, limits=False)
    assert one.surface.law == "draws_share" and one.surface.backtest.error_ranking > 0
    for limit, option in zip(one.ceilings, found.options, strict=True):
        if limit.stops is not None:
            assert math.isnan(limit.law.value) and "by the law" not in limit.text
        if math.isfinite(limit.law.value):
            assert abs(limit.law.value - option.curve.accuracy[-1]) <= one.surface.backtest.error_ranking
            assert "beyond the 8 draws measured, by the law, no more than" in limit.text
    as_size = fit_surface(*(one.surface.points.inputs[i] for i in (0, 1)), one.surface.points.y,
                          one.surface.points.inputs[2], law="draws_as_size", n_boot=40, ci=0.9)  # fmt: skip
    rung = found.rungs[0]
    limit = ceiling(rung, found.options[0].curve, as_size, rung.epochs)
    assert limit.by_form and math.isnan(limit.law.value) and "by the law" not in limit.text
