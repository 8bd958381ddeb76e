"""The average of laws weighted by their back-tests, and whether prediction intervals cover."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scaling_example import correlated_credits, curve_with
from scipy.stats import beta, binom, hypergeom, t

from ttscale.scaling.fits.backtest import Backtest
from ttscale.scaling.fits.choice import pick
from ttscale.scaling.fits.doubt import Doubt, doubt_of
from ttscale.scaling.fits.fit import stacked_fit
from ttscale.scaling.fits.fit_law import fit_law
from ttscale.scaling.fits.prediction import growth, times_outside
from ttscale.scaling.fits.stacking import chosen_backtest, stacked_backtest, weights_of
from ttscale.scaling.laws.table import LAWS

K = np.arange(1.0, 17.0)


@pytest.fixture(autouse=True)
def quick_laws(monkeypatch):
    """An average of laws that take no time: it is made as that of more."""
    few = {name: LAWS[name] for name in ("constant", "log_linear", "power_floor", "logistic")}
    monkeypatch.setattr("ttscale.scaling.fits.fit_law.LAWS", few)


def test_weights_are_the_odds_of_erring_less_and_fall_with_parameters():
    doubt = Doubt(np.full((4, 4), 1e-4), 4)  # .02² is 3 of them behind .01²
    got = weights_of(np.array([0.01, 0.02, math.nan, 0.01]), np.array([2, 2, 1, 4]), doubt)
    raw = np.array([1, t.cdf(-3, 4) / t.cdf(3, 4), 0, math.exp(-2)])
    np.testing.assert_allclose(got, raw / raw.sum())
    sure = Doubt(np.zeros((3, 3)), 4)
    np.testing.assert_allclose(weights_of(np.array([0.0, 0.02, 0.0]), np.array([3, 1, 3]), sure), [0.5, 0.0, 0.5])


def test_the_doubt_about_two_laws_by_hand():
    """Two splits, whose mean squared errors are 2 and 4 of one law, 1 and 5 of the other: 1 and −1 apart."""
    off = [np.sqrt([[1.0], [3], [3], [5]]), np.sqrt([[2.0], [4], [0], [6]])]
    doubt = doubt_of([a_backtest(one, one, 0 * one, 0 * one) for one in off])
    assert doubt.freedom == 1 and doubt.unsure[0, 1] == doubt.unsure[1, 0] == pytest.approx(math.sqrt((1 / 2 + 1) * 2))
    assert doubt.unsure[0, 0] == 0.0
    np.testing.assert_allclose(doubt.margins(np.array([3.0, 4.0])), [0.0, math.sqrt(3.0) * t.ppf(2 / 3, 1)])
    one_split = doubt_of([a_backtest(one[:2], one[:2], 0 * one[:2], 0 * one[:2]) for one in (off[0], 0 * off[0])])
    assert one_split.unsure[0, 1] == pytest.approx(math.sqrt((1 / 2 + 1) * 2))  # its directions: 1 and 3 apart


def test_the_doubt_is_that_of_new_items():
    """Two laws that predict 0, and the mean of the items they are fitted on: how much the difference of their errors
    varies from sample to sample is what one sample says, rather more; as of independent folds it would be half."""
    rng, n, found = np.random.default_rng(0), 40, []
    for items in rng.normal(0.2, 1.0, (600, n)):
        firsts = [np.isin(np.arange(n), rng.permutation(n)[: n // 2]) for _ in range(5)]
        fitted = np.array([[items[half].mean()] for half in firsts + [~first for first in firsts]])
        observed = np.roll(fitted, 5, axis=0)
        tested = [a_backtest(one, one, observed, observed) for one in (0 * fitted, fitted)]
        apart = tested[0].squares - tested[1].squares
        found.append((apart.mean(), doubt_of(tested).unsure[0, 1], apart.std(ddof=1) / math.sqrt(10)))
    mean, unsure, folds = np.array(found).T
    assert 1.0 < np.sqrt((unsure**2).mean()) / mean.std() < 1.6
    assert np.sqrt((folds**2).mean()) / mean.std() < 0.6


def test_the_simplest_law_within_the_margin_is_chosen():
    errors, sizes = np.array([0.010, 0.012, 0.020, math.nan]), np.array([5, 3, 1, 1])
    assert [pick(errors, sizes, margin) for margin in (0.0, 4.3e-5, 4.5e-5, 3.1e-4)] == [0, 0, 1, 2]
    assert pick(errors, sizes, np.array([0.0, 4.3e-5, 3.1e-4, 1.0])) == 2  # each law its own
    assert pick(np.array([0.01, 0.0101]), np.array([3, 2])) == 1  # within 2 %
    assert pick(np.array([0.011, 0.01, 0.0105]), np.array([2, 2, 2]), 1.0) == 1  # the best of equally simple ones


def a_backtest(predicted, gain, observed, observed_gain, noise=0.0):
    budgets = np.array([1, 2]), np.array([4])
    return Backtest(*budgets, *(np.array(x, dtype=float) for x in (predicted, observed, gain, observed_gain)), noise)


def test_the_misfit_is_what_sampling_of_either_half_does_not_explain():
    gain, observed = np.array([[0.10], [0.20], [0.16], [0.20]]), np.zeros((4, 1))
    tested = a_backtest(gain, gain, observed, observed, 0.05)
    fitted = ((0.10 - 0.16) ** 2 + 0.0) / 4  # half the mean square difference of the two halves' predictions
    assert tested.gain_misfit == pytest.approx(math.sqrt((gain**2).mean() - 0.05**2 - fitted))
    loud = a_backtest(gain, gain, observed, observed, 0.2)
    assert loud.gain_misfit == pytest.approx(0.5 * loud.gain_rmse)


def test_the_weights_of_a_fold_come_from_the_other_splits():
    """Two splits, four folds (0 and 2 are one split), one held-out budget: what laws ``a`` and ``b`` are off by."""
    observed = np.full((4, 1), 0.5)
    off_a, off_b = np.array([[1.0], [2], [3], [4]]) / 100, np.array([[2.0], [2], [1], [4]]) / 100
    tested = [a_backtest(0.5 + off, off, observed, 0 * observed, 0.02) for off in (off_a, off_b)]
    got = stacked_backtest(tested, np.array([1, 2]))
    # the mean squares of a in the other split are 10, 5, 10, 5, those of b 10, 2.5, 10, 2.5, in units of 1e-4
    # (a − b) of the splits is 2.5 and 0
    behind = np.array([0.0, 2.5, 0.0, 2.5])[:, None] / math.sqrt((1 / 2 + 1) * 2.5**2 / 2)
    odds = t.cdf(-behind, 1) / t.cdf(behind, 1) * math.e  # of a, which has a parameter less
    share = odds / (1 + odds)
    expected = share * off_a + (1 - share) * off_b
    np.testing.assert_allclose(got.predicted - 0.5, expected)
    assert got.gain_rmse == pytest.approx(np.sqrt((expected**2).mean()))
    choice = chosen_backtest(tested, np.array([1, 2]))
    np.testing.assert_allclose(choice.predicted - 0.5, np.array([[1.0], [2], [3], [4]]) / 100)  # a, b, a, b


def test_the_weights_of_a_single_split_come_from_its_other_direction():
    observed = np.full((2, 1), 0.5)
    off_a, off_b = np.array([[0.01], [0.03]]), np.array([[0.02], [0.01]])
    tested = [a_backtest(0.5 + off, off, observed, 0 * observed, 0.02) for off in (off_a, off_b)]
    got = stacked_backtest(tested, np.array([2, 2]))
    # by the squares in the other direction, 9 and 1, 1 and 4; (a − b) of the two is −3 and 8
    more = t.cdf(np.array([[9.0 - 1.0], [1.0 - 4.0]]) / math.sqrt((1 / 2 + 1) * 11.0**2 / 2), 1)
    share = 1 - more  # of a
    np.testing.assert_allclose(got.predicted - 0.5, share * off_a + (1 - share) * off_b)


def test_a_stacked_fit_is_the_weighted_mean_of_its_laws():
    truth = 0.85 - 0.25 * K**-0.6
    curve = curve_with(correlated_credits(truth, 1500, np.random.default_rng(1)), n_boot=60)
    chosen, stacked = fit_law(curve), fit_law(curve, "stacked")
    assert stacked.law == "stacked" and stacked.params == {} and stacked.definition is None
    assert sum(stacked.weights.values()) == pytest.approx(1.0)
    errors = {fit.law: fit.backtest_gain_rmse for fit in chosen.candidates}
    sizes = {fit.law: len(fit.values) for fit in chosen.candidates}
    squares = {fit.law: (fit.backtest.squares[:5] + fit.backtest.squares[5:]) / 2 for fit in chosen.candidates}
    best = squares[min(errors, key=errors.get)]
    apart = {law: one - best for law, one in squares.items()}
    steps = {law: one.mean() / max(one.std(ddof=1) * math.sqrt(1 / 5 + 1), 1e-12) for law, one in apart.items()}
    raw = {law: t.cdf(-one, 4) / t.cdf(one, 4) * math.exp(-sizes[law]) for law, one in steps.items()}
    assert stacked.weights == pytest.approx({law: one / sum(raw.values()) for law, one in raw.items()})
    by_law = {fit.law: fit for fit in chosen.candidates}
    for k in (3, 16, 40):
        mean = sum(weight * by_law[law].predict(k).value for law, weight in stacked.weights.items())
        assert stacked.predict(k).value == pytest.approx(mean)
    assert stacked.status == "converged" and stacked.predict(32).low < 0.85 - 0.25 * 32**-0.6 < stacked.predict(32).high
    assert chosen.stacked.weights == stacked.weights and stacked.gradient_norm < 1e-6
    assert stacked.asymptote is None  # log_linear has a share, and no limit
    residual = curve.accuracy[stacked.budgets - 1] - stacked.line(stacked.budgets.astype(float))[0]
    assert stacked.rmse == pytest.approx(np.sqrt((residual**2).mean()))
    assert stacked.backtest.predicted.shape == chosen.backtest.predicted.shape


def test_the_choice_is_tested_too_and_looks_worse_than_what_it_chose():
    rng = np.random.default_rng(0)
    right = rng.binomial(16, rng.beta(2.0, 1.4, 200))
    fits = [fit_law(curve_with(credit, n_boot=50)) for credit in (
        np.array([votes_right(16, int(k)) for k in K])[:, right], correlated_credits(0.5 + 0.02 * np.log(K), 200, rng),
    )]  # fmt: skip
    for fit in fits:
        assert fit.choice.predicted.shape == fit.backtest.predicted.shape
        assert all(one.choice is None for one in fit.candidates) and fit_law(fit.curve, fit.law).choice is None
    assert sum(fit.choice.gain_rmse for fit in fits) >= sum(fit.backtest_gain_rmse for fit in fits)


def test_laws_that_did_not_converge_have_no_share():
    curve = curve_with(correlated_credits(0.85 - 0.25 * K**-0.6, 1500, np.random.default_rng(1)), n_boot=50)
    fits = fit_law(curve).candidates
    late = fits[0].forecast
    stuck = replace(late, solution=replace(late.solution, converged=np.array(False)))
    stacked = stacked_fit([replace(fits[0], forecast=stuck), *fits[1:]], {})
    assert fits[0].law not in stacked.weights and sum(stacked.weights.values()) == pytest.approx(1.0)
    assert "did not converge" in stacked.skipped[fits[0].law] and stacked.point_status == "converged"


def test_a_stack_needs_a_backtest():
    two = curve_with(correlated_credits([0.5, 0.7], 200, np.random.default_rng(0)), n_boot=50)
    assert set(fit_law(two, "stacked").weights) == {"constant"}  # the only law that one budget can be fitted to
    steep = fit_law(two, "log_linear")
    assert not steep.backtest.possible and stacked_fit([steep], {}) is None


def test_all_right_stacks_what_never_missed():
    fit = fit_law(curve_with(np.ones((8, 50)), n_boot=50), "stacked")
    assert fit.predict(8).value == pytest.approx(1.0) and fit.backtest_rmse == pytest.approx(0.0, abs=1e-9)


def test_the_reach_of_a_backtest():
    np.testing.assert_allclose(growth(times_outside(np.array([1.0, 8, 16, 32, 80, 160, 320]), 1.0, 8.0)), [
        1, 1, 1, 2, np.log2(10), np.log2(20) + 1, np.log2(40) + 2,
    ])  # fmt: skip


def votes_right(n, k):
    """How often the vote of ``k`` of ``n`` samples is right, ties shared, if 0 … n of them are: ``[n + 1]``."""
    right = np.arange(n + 1)
    return hypergeom.sf(k // 2, n, right, k) + (0.5 * hypergeom.pmf(k // 2, n, right, k) if k % 2 == 0 else 0.0)


def test_prediction_intervals_cover_at_two_and_four_times_the_range():
    """Votes of up to 16 samples of 300 items whose rates differ, predicted for 32 and 64; truth by the binomial."""
    table = np.array([votes_right(16, int(k)) for k in K])
    rng = np.random.default_rng(0)
    rates = np.sort(rng.beta(2.0, 1.4, 20_000))
    truth = {k: (binom.sf(k // 2, k, rates) + 0.5 * binom.pmf(k // 2, k, rates)).mean() for k in (32, 64)}
    hits, widths, errors = [], [], []
    for _ in range(24):
        right = rng.binomial(16, rng.choice(rates, 300))
        fit = fit_law(curve_with(table[:, right], n_boot=60, level=0.9))
        for one in (fit, fit.stacked):
            bands = {k: one.predict(k) for k in truth}
            hits.append([band.low <= truth[k] <= band.high for k, band in bands.items()])
            widths.append([band.high - band.low for band in bands.values()])
            errors.append([abs(band.value - truth[k]) for k, band in bands.items()])
    assert (np.mean(hits, axis=0) >= 0.85).all(), np.mean(hits, axis=0)
    # Normal errors of these sizes need widths of 2 · 1.645 standard errors.
    needed = 2 * 1.645 * np.sqrt(np.mean(np.square(errors), axis=0))
    assert (np.mean(widths, axis=0) < 2.0 * needed).all(), (np.mean(widths, axis=0), needed)


def test_intervals_of_the_asymptote_cover():
    """Votes of up to 16 samples; with ever more the vote is right where an item's rate is above a half."""
    table = np.array([votes_right(16, int(k)) for k in K])
    rng = np.random.default_rng(1)
    for a, b in ((1.0, 3.0), (2.0, 1.4)):
        limit, hits, alone = beta.sf(0.5, a, b), [], []
        for _ in range(16):
            right = rng.binomial(16, rng.beta(a, b, 400))
            fit = fit_law(curve_with(table[:, right], n_boot=60, level=0.9), "logistic")
            low, high = fit.asymptote.low, fit.asymptote.high
            hits.append(low <= limit <= high and high - low < 0.45)
            alone.append(fit.params["A"].low <= limit <= fit.params["A"].high)
        assert np.mean(hits) >= 0.85, (np.mean(hits), np.mean(alone))
