"""Coverage averaged over populations: the posterior by brute force, the families by their formulas, intervals, fits."""

import itertools
import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scaling_example import correlated_credits, curve_with
from scipy.integrate import quad
from scipy.special import expit, logsumexp
from scipy.stats import beta, binom, norm

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.coverage import pass_at_k
from ttscale.scaling.curves.curve import Counts, Curve, curve_of_credits
from ttscale.scaling.fits.entries import fit_entries
from ttscale.scaling.fits.fit_law import check_fitting, fit_law, needed_budgets
from ttscale.scaling.fits.fitted import Fitting
from ttscale.scaling.fits.points import points_of
from ttscale.scaling.fits.populations import Averaged, OverPopulations
from ttscale.scaling.fits.ranking import ranking_of
from ttscale.scaling.fits.status import point_status
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import percentiles
from ttscale.scaling.laws import population_families as families
from ttscale.scaling.laws.populations import (
    Populations,
    _first,
    _of,
    _zoomed,
    chances_of,
    populations_for,
    summed,
)
from ttscale.scaling.summaries.headline import law_words

BUDGETS = np.array([1, 2, 3, 4, 6, 8, 11, 16])
FAR = np.array([1000.0])


def counted(n, c, budgets=BUDGETS, **more) -> Curve:
    """The curve of coverage of items with ``n`` samples of which ``c`` are right."""
    return curve_of_credits(
        np.array([pass_at_k(n, c, int(k)) for k in budgets]), item_ids=np.array([f"i{i}" for i in range(len(n))]),
        budgets=budgets, flops=1.0 * budgets, name="c/coverage", vote="coverage", counts=Counts(n, c),
        **({"n_boot": 60} | more),
    )  # fmt: skip


def averaged(n, c, **more) -> Averaged:
    return OverPopulations().fit(points_of(counted(n, c, **more)), Fitting())


@lru_cache(maxsize=1)
def all_populations() -> Populations:
    """Those of the first grids of all families."""
    return _of([_first(family) for family in families.FAMILIES])


def hard_counts(n_items=200, samples=16, seed=0):
    rng = np.random.default_rng(seed)
    return np.full(n_items, samples), rng.binomial(samples, expit(rng.normal(-4.0, 2.5, n_items)))


def test_the_posterior_is_that_of_brute_force():
    """Two populations of one family and one of another, over three chances."""
    shares, chance = [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.6, 0.2]], expit([-3.0, -1.0, 1.0])
    made = Populations(
        np.array([-3.0, -1.0, 1.0]), 1e-9, np.array(shares), np.array([0, 0, 1]), {"two": 0.25, "one": 0.75}
    )
    n, c, times = [4, 4, 9], [0, 3, 2], [5, 1, 2]
    likelihood = [
        math.prod(
            sum(s * binom.pmf(right, of, p) for s, p in zip(one, chance, strict=True)) ** t
            for of, right, t in zip(n, c, times, strict=True)
        )
        for one in shares
    ]
    family = np.array([0.25 * math.sqrt((likelihood[0] + likelihood[1]) / 2), 0.75 * math.sqrt(likelihood[2])])
    family /= family.sum()
    share = likelihood[0] / (likelihood[0] + likelihood[1])
    found = made.posterior(np.array(n), np.array(c), np.array([times], dtype=float))
    np.testing.assert_allclose(found, [[family[0] * share, family[0] * (1 - share), family[1]]], rtol=1e-9)
    assert made.of_families(found[0]) == pytest.approx({"two": family[0], "one": family[1]})
    missed = [sum(s * (1 - p) ** 30 for s, p in zip(one, chance, strict=True)) for one in shares]
    np.testing.assert_allclose(1 - made.shares @ made.solved(np.array([30.0]))[:, 0], missed, rtol=1e-9)


def coverage_of(shares, k):
    return shares @ (1 - (1 - families.CHANCES) ** k)


@pytest.mark.parametrize(("mean", "spread"), [(9, 7), (20, 13), (30, 3)])
def test_logit_normal_populations(mean, spread):
    m, s = np.linspace(-14, 10, 36)[mean], np.geomspace(0.3, 6.5, 14)[spread]
    (shares,) = families.logit_normals(np.array([[m, np.log(s)]]))
    exact = [
        quad(lambda z, k=k: norm.pdf(z) * (1 - (1 - expit(m + s * z)) ** k), -9, 9, limit=200)[0] for k in (1, 50, 4000)
    ]
    assert [coverage_of(shares, k) for k in (1, 50, 4000)] == pytest.approx(exact, abs=2e-3)


@pytest.mark.parametrize(("easy", "a", "b"), [(0, 5, 12), (3, 9, 19), (5, 2, 4)])
def test_easy_and_hard_populations(easy, a, b):
    w = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)[easy]
    shape = np.geomspace(0.03, 3, 16)[a], np.geomspace(0.1, 2000, 20)[b]
    (shares,) = families.easy_and_hard(np.array([[math.sqrt(w), *np.log(shape)]]))
    for at in (0.01, 0.3, 0.9):
        below = np.interp(np.log(at / (1 - at)), families.LOGITS + families.STEP / 2, np.cumsum(shares))
        assert below == pytest.approx(w * beta.cdf(at, 1, 2) + (1 - w) * beta.cdf(at, *shape), abs=2e-3)


def test_power_law_populations_have_the_coverage_of_power_laws():
    """Those that a population can have: coverage whose first samples are worth most. The others are the nearest."""
    k, worst = np.geomspace(1, 1e6, 30), []
    of_chance = 1 - (1 - families.CHANCES[:, None]) ** k
    pairs = list(itertools.product(np.geomspace(0.0005, 0.9, 14), np.linspace(0.01, 0.6, 20)))
    every = families.power_laws(np.array([[math.log(first), b] for first, b in pairs]))
    for (first, b), shares in zip(pairs, every, strict=True):
        a = -math.log(first)
        off = np.abs(shares @ of_chance - np.exp(-a * k**-b)).max()
        assert off < (0.01 if a * b < 0.75 else 0.045)
        if a * b < 0.75:
            worst.append(np.abs(families.comb(a, b) @ of_chance - np.exp(-a * k**-b)).max())
    assert len(worst) > 100 and max(worst) < 1e-3


def test_populations_are_distributions_of_all_chances():
    every = all_populations()
    assert every.shares.min() >= 0 and np.ptp(every.family) == 2 and sum(every.prior.values()) == 1
    np.testing.assert_allclose(every.shares.sum(axis=1), 1, rtol=1e-9)
    assert every is all_populations() and (np.diff(every.family) >= 0).all()


@pytest.mark.parametrize("n", [10, 300, 10_000])
def test_the_likelihood_of_many_samples_is_that_of_the_whole_distribution(n):
    """Ratios of two populations. Ten thousand samples tell a chance more closely than a bin is wide, within which one
    is even: .03 is what its logarithm changes over half a bin."""
    shapes, c = [(-3.7, 2.5), (-0.3, 4.0)], np.array([0, n // 3, n])
    shares = families.logit_normals(np.array([[mean, math.log(spread)] for mean, spread in shapes]))
    every = Populations(families.LOGITS, families.STEP, shares, np.zeros(2, dtype=int), {"logit-normal": 1.0})
    log = np.array([every.log_likelihood(np.array([n]), np.array([one]), np.ones((1, 1)))[0] for one in c])

    def exact(mean, spread, right):
        def density(x):
            return norm.pdf(x, mean, spread) * np.exp(binom.logpmf(right, n, expit(x)))

        near = -8.0 if right == 0 else 8.0 if right == n else math.log(0.5)
        pieces = [-40, -20, -12, near - 3, near - 0.3, near, near + 0.3, near + 3, 12, 20, 40]
        return sum(quad(density, *ends, limit=200)[0] for ends in itertools.pairwise(sorted(pieces)))

    for i, right in enumerate(c):
        expected = math.log(exact(*shapes[0], right) / exact(*shapes[1], right))
        assert log[i, 0] - log[i, 1] == pytest.approx(expected, abs=0.03)


def test_pieces_give_the_same(monkeypatch):
    n, c = np.array([5, 5, 40, 900]), np.array([0, 2, 40, 31])
    every, weights = all_populations(), np.array([[3.0, 1, 0, 2], [1, 1, 1, 1]])
    whole = every.posterior(n, c, weights)
    monkeypatch.setattr("ttscale.scaling.laws.populations._AT_ONCE", 1)
    np.testing.assert_allclose(every.posterior(n, c, weights), whole, rtol=1e-9)
    one = averaged(*hard_counts())
    rows = one.refits
    monkeypatch.setattr("ttscale.scaling.fits.populations._AT_ONCE", 7)
    np.testing.assert_allclose(replace(one).refits, rows, rtol=1e-9)


def test_each_resample_has_the_posterior_of_its_items():
    n, c = hard_counts(30, seed=4)
    one = averaged(n, c)
    drawn = one.points.pair_weights
    assert drawn.shape[0] == 60 and (drawn.sum(axis=1) == pytest.approx(30))
    third = np.repeat(one.points.pairs.c, np.round(drawn[3]).astype(int))
    again = averaged(np.full(30, 16), third)
    counts = again.points.pairs.n, again.points.pairs.c, again.points.pairs.weights(np.ones(30, dtype=bool))[None]
    np.testing.assert_allclose(
        one.refits[3], one.populations.posterior(*counts)[0] @ one.populations.shares, rtol=1e-6, atol=1e-12
    )
    on_its_own_grid = again.posterior @ again.populations.shares @ again.populations.solved(FAR)
    np.testing.assert_allclose(one.refits[3] @ one.populations.solved(FAR), on_its_own_grid, atol=0.02)


def test_a_grid_along_the_posterior_is_as_good_as_a_dense_one():
    """Of logit-normals alone, 2,000 problems: the posterior mean of pass@1,000 and the evidence, by brute force."""
    rng = np.random.default_rng(2)
    pairs = np.unique(rng.binomial(50, expit(rng.normal(-4.0, 2.0, 2000))), return_counts=True)
    n, c, weights = np.full(len(pairs[0]), 50), pairs[0], pairs[1][None].astype(float)
    mean, log_spread = np.linspace(-4.6, -3.4, 121), np.linspace(math.log(1.5), math.log(2.6), 101)
    at = np.stack([x.ravel() for x in np.meshgrid(mean, log_spread, indexing="ij")], axis=-1)
    dense = families.logit_normals(at)
    of_chance = chances_of(families.LOGITS, families.STEP, n, c)
    log = summed(of_chance, dense, weights)[0]
    cell = np.log((mean[1] - mean[0]) * (log_spread[1] - log_spread[0]) / (24 * np.log(6.5 / 0.05)))
    shares, log_mass = _zoomed(families.FAMILIES[0], of_chance, weights)
    found = summed(of_chance, shares, weights)[0]
    assert logsumexp(found) + log_mass == pytest.approx(logsumexp(log) + cell, abs=0.02)
    by_hand = np.exp(log - logsumexp(log)) @ dense
    np.testing.assert_allclose(
        coverage_of(np.exp(found - logsumexp(found)) @ shares, 1000), coverage_of(by_hand, 1000), atol=5e-4
    )
    assert len(shares) < 300


@pytest.mark.parametrize("items", [2000, 50_000])
def test_many_items_tell_the_truth_where_a_family_has_it(items):
    rng = np.random.default_rng(items)
    c = rng.binomial(100, expit(rng.normal(-4.3, 2.2, items)))
    right, times = np.unique(c, return_counts=True)
    n = np.full(len(right), 100)
    every = populations_for(n, right, times.astype(float))
    posterior = every.posterior(n, right, times[None].astype(float))[0]
    exact = quad(lambda z: norm.pdf(z) * (1 - (1 - expit(2.2 * z - 4.3)) ** 1000), -9, 9, limit=200)[0]
    assert coverage_of(posterior @ every.shares, 1000) == pytest.approx(exact, abs=0.012)
    assert every.of_families(posterior)["logit-normal"] > 0.9 and 1 / (posterior**2).sum() > 4


@pytest.mark.parametrize(("chance", "samples"), [(0.01, 64), (0.5, 16), (3e-4, 1000)])
def test_problems_that_are_all_alike(chance, samples):
    c = np.random.default_rng(1).binomial(samples, chance, 1000)
    fit = fit_law(counted(np.full(1000, samples), c), "populations", n_splits=1)
    far = 10.0 * samples
    assert fit.point_line(np.array([far]))[0] == pytest.approx(1 - (1 - chance) ** far, abs=0.02)
    assert fit.point_status != "off_the_data"


def test_an_average_off_its_points_is_said_to_be():
    n, c = hard_counts()
    one = averaged(n, c)
    wrong = np.zeros(len(one.posterior))
    wrong[0] = 1.0
    assert (
        point_status(one, 0.99) == "converged" and point_status(replace(one, posterior=wrong), 0.99) == "off_the_data"
    )


def test_items_may_differ_in_their_samples():
    """Counts of 16 and of 64 samples are those of both sets of items at once."""
    few, many = hard_counts(60, 16, 1), hard_counts(60, 64, 2)
    n, c = (np.concatenate(both) for both in zip(few, many, strict=True))
    every = all_populations()
    log = [every.log_likelihood(*one, np.ones((1, 60))) for one in (few, many)]
    both = averaged(n, c)
    weights = both.points.pairs.weights(np.ones(120, dtype=bool))[None]
    together = every.log_likelihood(both.points.pairs.n, both.points.pairs.c, weights)
    np.testing.assert_allclose(together, log[0] + log[1], rtol=1e-9)
    assert math.isfinite(fit_law(counted(n, c), "populations", n_splits=1).backtest_gain_rmse)


def test_all_right_all_wrong_and_one_item():
    n = np.full(40, 16)
    assert averaged(n, n).at(np.array([1.0]))[0] > 0.98
    assert averaged(n, 0 * n).at(np.array([16.0]))[0] < 0.02
    alone = all_populations().posterior(np.array([16]), np.array([0]), np.ones((1, 1)))
    assert alone.sum() == pytest.approx(1) and alone.max() < 0.05  # one item says little
    for right in (0, 16):
        fit = fit_law(counted(n, np.full(40, right)), "populations", n_splits=1)
        assert (fit.status, fit.point_status) == ("converged", "converged") and math.isnan(fit.r2)


def test_more_items_sharpen_the_forecast():
    n, c = hard_counts(2000, 50, 3)
    widths = []
    for items in (50, 400, 2000):
        low, high = percentiles(averaged(n[:items], c[:items], n_boot=200).resampled_at(FAR), 0.9)
        widths.append(float(high[0] - low[0]))
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2] > 0.01


def test_intervals_cover_where_the_prior_is_true():
    """Populations from the prior: the 90 % interval of pass@1,000 from 50 samples of 128 problems, by the refits and
    the posterior alone. Evidence that counts by its root makes it rather too wide."""
    every, rng = all_populations(), np.random.default_rng(0)
    size = np.bincount(every.family)
    prior = np.array(list(every.prior.values()))[every.family] / size[every.family]
    n, hits, widths, errors = np.full(128, 50), [], [], []
    while len(hits) < 60:
        shares = every.shares[rng.choice(len(prior), p=prior)]
        c = rng.binomial(50, rng.choice(families.CHANCES, 128, p=shares / shares.sum()))
        if not 0.02 < (c > 0).mean() < 0.98:
            continue
        truth, one = coverage_of(shares, 1000), averaged(n, c, n_boot=200)
        low, high = (float(end[0]) for end in percentiles(one.resampled_at(FAR), 0.9))
        hits.append(low <= truth <= high)
        widths.append(high - low)
        errors.append(one.at(FAR)[0] - truth)
    assert 0.85 <= np.mean(hits) <= 0.99
    assert np.mean(widths) < 1.5 * 2 * 1.645 * np.sqrt(np.mean(np.square(errors)))


def test_intervals_are_no_narrower_than_the_posterior_nor_than_the_resamples():
    n, c = hard_counts(120, 16, 5)
    once = averaged(n, c, n_boot=400)
    every = once.populations.shares @ once.populations.solved(FAR)
    spread = math.sqrt(once.posterior @ (every[:, 0] - once.at(FAR)[0]) ** 2)
    assert once.resampled_at(FAR).std() == pytest.approx(spread, rel=0.15)
    clusters = np.array([f"c{i // 6}" for i in range(120)])  # of like counts: as few as 20 problems
    tied = averaged(n, np.sort(c), n_boot=400, clusters=clusters)
    near = np.array([16.0])
    assert tied.resampled_at(near).std() > 1.3 * once.resampled_at(near).std()


def test_a_fit_by_name():
    n, c = hard_counts()
    fit = fit_law(counted(n, c), "populations")
    assert (fit.law, fit.loss, fit.status, fit.definition) == ("populations", "counts", "converged", None)
    assert fit.params == fit.values == {} and fit.asymptote is None and fit.usable
    assert math.isnan(fit.gradient_norm) and math.isnan(fit.start_gap)
    assert set(fit.weights) == {"logit-normal", "easy and hard", "power law"}
    assert sum(fit.weights.values()) == pytest.approx(1)
    seen = fit.line(BUDGETS.astype(float))[0]
    np.testing.assert_allclose(seen, fit.curve.accuracy, atol=0.03)
    assert fit.r2 > 0.99 and (np.diff(fit.line(np.geomspace(1, 100, 20))[0]) > 0).all()
    rng = np.random.default_rng(9)
    truth = 1 - np.mean((1 - expit(rng.normal(-4.0, 2.5, 100_000))) ** 160)
    band = fit.predict(160)
    assert 0.5 < band.low < truth < band.high
    late = replace(fit.backtest, converged=0.5)
    assert not replace(fit, backtest=late).usable


def test_the_back_test_sees_thinned_counts_of_one_half():
    n, c = hard_counts(80, seed=6)
    curve = counted(n, c)
    tested = fit_law(curve, "populations", n_splits=1).backtest
    assert tested.fitted.tolist() == [1, 2, 3, 4, 6, 8] and tested.held_out.tolist() == [11, 16]
    assert tested.predicted.shape == (2, 2) and tested.converged == 1.0
    half = first_half(curve.item_ids, None, seed=0)
    other = fit_law(counted(n, np.where(half, c, hard_counts(80, seed=7)[1])), "populations", n_splits=1).backtest
    np.testing.assert_allclose(other.predicted[0], tested.predicted[0], atol=2e-3)  # on another grid
    assert abs(other.predicted[1] - tested.predicted[1]).max() > 0.01


def test_it_is_chosen_among_the_laws_of_coverage_and_averaged_with_them():
    n, c = hard_counts(150, 16, 8)
    fit = fit_law(counted(n, c))
    mine = next(one for one in fit.candidates if one.law == "populations")
    assert mine.forecast.forecasts and fit.stacked.weights["populations"] > 0.2
    assert set(fit.stacked.weights) <= {"populations", "exponentiated_power", "constant"}
    told = {row["law"]: row for row in fit_entries(replace(mine, candidates=fit.candidates))}
    row = told["populations"]
    assert row["chosen"] and row["weights"] == mine.weights and row["params"] == {} and row["refits_converged"] == 1.0
    assert set(told) == {"stacked", *(one.law for one in fit.candidates)} and told["stacked"]["rank"] is None
    assert row["line"]["accuracy"].shape == row["line"]["low"].shape and row["formula"] == mine.formula
    scores = {score.law: score for score in ranking_of([("", fit)]).of("coverage")}
    assert scores["populations"].purpose == mine.purpose and scores["populations"].n_curves == 1
    assert "average" not in law_words(replace(mine, candidates=fit.candidates)) and "0" in law_words(mine)
    assert "populations" not in {one.law for one in fit_law(counted(n, c), loss="gls").candidates}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_law(voted(), "populations"), "law: expected a curve with counts of right samples.*of accuracy"),
        (lambda: fit_law(counted(*hard_counts()), "populations", loss="gls"), "loss: expected auto or binomial"),
        (lambda: check_fitting("populations", "huber"), "loss: expected auto or binomial"),
        (lambda: check_fitting("population"), "Did you mean populations"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(TtscaleError, match=message):
        call()


def voted():
    return curve_with(correlated_credits(np.linspace(0.5, 0.6, 8), 50, np.random.default_rng(0)), n_boot=50)


def test_curves_without_counts_and_those_that_do_not_grow_are_fitted_without_it():
    same = counted(np.full(40, 16), np.repeat([0, 16], 20))
    for curve in (voted(), same):
        assert "populations" not in {one.law for one in fit_law(curve, n_splits=1).candidates}
    check_fitting("populations")
    assert needed_budgets("populations") == 2
