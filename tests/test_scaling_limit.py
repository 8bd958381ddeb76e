"""The limit of a vote: posteriors against closed forms and simulation, intervals that cover, several pools."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from scaling_example import make_records
from scipy import optimize, stats
from text_example import graded_of, make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.limits.limit import agree, vote_limit
from ttscale.scaling.limits.pools import counts_of
from ttscale.scaling.limits.posterior import ALPHAS, ANSWERS, THETAS, largest_unseen, right_share, wrong_weights
from ttscale.scaling.limits.range import limit_range


def first_right(answers):
    """``correct [item, answer]`` in which answer 0 is right."""
    correct = np.zeros((len(answers), max(1, np.max(answers) + 1)), bool)
    correct[:, 0] = True
    return correct


def lured(rng, n_items, n_samples):
    """Samples of answers, of which 0 is right and another is a lure; and whether the right one leads in truth."""
    logits = rng.gumbel(size=(n_items, 12)) * 0.8
    logits[:, 0] += rng.normal(1.0, 1.2, n_items)
    logits[np.arange(n_items), rng.integers(1, 12, n_items)] += rng.normal(1, 1, n_items)
    p = np.exp(logits / 0.8)
    p /= p.sum(axis=1, keepdims=True)
    answers = (rng.random((n_items, n_samples, 1)) > np.cumsum(p, axis=1)[:, None, :-1]).sum(axis=-1)
    return answers, p.argmax(axis=1) == 0


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_two_answers_are_a_tail_of_the_beta_distribution(alpha):
    right = np.array([0, 3, 8, 9, 12, 16])
    answers = np.array([[0] * c + [1] * (16 - c) for c in right])
    found = vote_limit(samples_of(answers, first_right(answers)), n_boot=100, prior=alpha)
    expected = stats.beta.sf(0.5, right + alpha, 16 - right + alpha)
    np.testing.assert_allclose(found.per_item, expected, atol=0.008)  # a third answer has a small chance, too
    share = right_share(right, 16 - right, alpha)
    np.testing.assert_allclose(share.exceeds(np.full((1, 6), 0.5), np.arange(6))[:, 0], expected, atol=2e-4)


def test_the_fitted_posterior_is_a_mixture_of_betas():
    rng = np.random.default_rng(0)
    right = rng.binomial(10, rng.beta(2, 1, 300))
    share = right_share(right, 10 - right)
    assert share.weights.sum() == pytest.approx(1) and (share.weights > 0).all()
    a, b = share.a[0] - right.min(), share.b[0]
    np.testing.assert_allclose(share.a - np.unique(right)[:, None], np.broadcast_to(a, share.a.shape), atol=1e-12)
    b = b - (10 - right.min())
    items = np.arange(20)
    for level in (0.03, 0.5, 0.9):
        expected = [
            np.average(
                stats.beta.sf(level, a + c, b + 10 - c),
                weights=share.weights * stats.betabinom.pmf(c, 10, a, b),
            )
            for c in right[items]
        ]  # fmt: skip
        whole = share.mixed(share.exceeds(np.full((1, 300), level), np.arange(300)))
        np.testing.assert_allclose(whole[items], expected, atol=3e-4)
    drawn = share.draw(items, 4000, rng)
    expected = [np.average((a + c) / (a + b + 10), weights=share.weights * stats.betabinom.pmf(c, 10, a, b))
                for c in right[items]]  # fmt: skip
    np.testing.assert_allclose(drawn.mean(axis=0), expected, atol=0.02)


def test_refitting_to_resamples_is_fitting_to_their_items():
    rng = np.random.default_rng(1)
    right = rng.binomial(8, rng.beta(1, 1, 60))
    share = right_share(right, 8 - right)
    drawn = np.sort(rng.integers(0, 60, 60))
    times = np.stack([np.ones(60), np.bincount(drawn, minlength=60)])
    value = share.exceeds(np.full((1, 60), 0.5), np.arange(60))
    got = share.mixed(value, times)
    again = right_share(right[drawn], 8 - right[drawn])
    same = again.mixed(again.exceeds(np.full((1, 60), 0.5), np.arange(60)))
    np.testing.assert_allclose(got[1][drawn], same, atol=0.02)
    np.testing.assert_allclose(got[0], share.mixed(value), atol=0.01)


def test_an_item_of_many_answers_against_sticks_broken_one_by_one():
    """Right 6, wrong 4, 3, 1 and 1: the shares of right, of each wrong answer and of 300 unseen ones, drawn."""
    item = np.repeat(np.arange(5), [6, 4, 3, 1, 1])
    answers = np.stack([item] * 3)
    found = vote_limit(samples_of(answers, first_right(answers)), n_boot=100, prior=1.0)
    rng = np.random.default_rng(0)
    n = 40_000
    prior = rng.choice(len(THETAS), p=wrong_weights(np.array([[1, 4, 1, 3]]))[0], size=n)
    theta, alpha, left = THETAS[prior, None], ALPHAS[prior, None], ANSWERS[prior] - 4
    wrong = rng.gamma(np.array([4, 3, 1, 1]) + alpha)
    sticks = rng.beta(1.0, np.where(theta > 0, theta, 1.0), size=(n, 300))
    kept = np.cumprod(np.concatenate([np.ones((n, 1)), 1 - sticks[:, :-1]], axis=1), axis=1)
    unseen = rng.standard_gamma(theta[:, 0])
    level = rng.standard_gamma(np.where(np.arange(10) < left[:, None], alpha, 0.0))
    biggest = np.max([wrong.max(axis=1), unseen * (sticks * kept).max(axis=1), level.max(axis=1)], axis=0)
    biggest /= wrong.sum(axis=1) + unseen + level.sum(axis=1)
    q = rng.beta(7, 10, size=n)
    assert found.per_item.mean() == pytest.approx((q > (1 - q) * biggest).mean(), abs=0.02)


def test_the_largest_of_what_is_unseen():
    rng = np.random.default_rng(0)
    theta, n = 1.7, 30_000
    sticks = rng.beta(1.0, theta, size=(n, 200))
    left = np.cumprod(np.concatenate([np.ones((n, 1)), 1 - sticks[:, :-1]], axis=1), axis=1)
    expected = rng.gamma(theta, size=n) * (sticks * left).max(axis=1)
    assert stats.ks_2samp(largest_unseen(np.full(n, theta), rng), expected).pvalue > 0.001


def test_it_is_the_truth_on_average_and_its_interval_covers():
    """Against what most items' most probable answer is, which a vote of few samples underrates."""
    rng = np.random.default_rng(5)
    truth = lured(rng, 200_000, 1)[1].mean()
    for n_samples, off in ((4, 0.02), (16, 0.015)):
        limits = []
        for _ in range(40):
            answers, _ = lured(rng, 200, n_samples)
            limits.append(vote_limit(samples_of(answers, first_right(answers)), ci=0.9, n_boot=150))
        assert np.mean([one.interval.value for one in limits]) == pytest.approx(truth, abs=off)
        assert np.mean([one.interval.low <= truth <= one.interval.high for one in limits]) >= 0.85
    assert np.mean([one.leading for one in limits]) < truth


def test_probabilities_are_calibrated_item_by_item():
    rng = np.random.default_rng(2)
    answers, leads = lured(rng, 4000, 8)
    p = vote_limit(samples_of(answers, first_right(answers)), n_boot=50).per_item
    for low in np.arange(0, 1, 0.2):
        some = (p >= low) & (p < low + 0.2)
        assert leads[some].mean() == pytest.approx(p[some].mean(), abs=0.1)


def test_equal_weights_are_the_plurality_and_other_weights_are_not():
    rng = np.random.default_rng(3)
    answers, _ = lured(rng, 300, 40)
    right = answers == 0
    few = np.zeros(answers.shape)
    few[0] = 1.0
    scores = {"same": np.full(answers.shape, 0.3), "judge": np.where(right, 0.9, 0.1), "few": few}
    records = samples_of(answers, first_right(answers), scores=scores)
    plain, same, judged, few = (
        vote_limit(records, sampled.samples(records, "m", vote=vote), n_boot=100)
        for vote in ("plurality", "weighted:same", "weighted:judge", "weighted:few")
    )  # fmt: skip
    np.testing.assert_allclose(same.per_item, plain.per_item, atol=1e-12)
    assert judged.interval.low > plain.interval.high
    assert few.per_item[0] == pytest.approx(plain.per_item[0], abs=0.1)
    assert not few.per_item[1:].any()  # of weight 0: nothing votes


def test_pools_count_by_their_share_of_the_draws():
    """Three of four samples say 1, all six of the other member 0: 1 leads where the first has most of the draws."""
    draws = [TextDraw(m, "plain", "T1", s) for m, n in (("a", 40), ("b", 60)) for s in range(n)]
    answers = np.tile([1] * 30 + [0] * 70, (8, 1))
    records = Records.from_graded(graded_of(answers, np.eye(2, dtype=bool)[np.ones(8, int)], draws))
    for shares, low, high in (({"a": 4, "b": 1}, 0.8, 1.0), ({"a": 1, "b": 1}, 0.0, 0.1)):
        limit = vote_limit(records, sampled.ensemble(records, ["a", "b"], shares=shares), n_boot=50)
        assert low <= limit.interval.value <= high and limit.leading == round(limit.interval.value)


def test_one_pool_split_in_two_is_still_one():
    """The samples of one member as those of two that think alike: about the same limit, from half as many each."""
    rng = np.random.default_rng(4)
    answers, _ = lured(rng, 300, 32)
    whole = vote_limit(samples_of(answers, first_right(answers)), n_boot=100)
    draws = [TextDraw("m", v, "T1", s) for v in ("plain", "other") for s in range(16)]
    two = Records.from_graded(graded_of(answers, first_right(answers), draws))
    split = vote_limit(two, sampled.mixture(two, "m"), n_boot=100)
    assert split.interval.value == pytest.approx(whole.interval.value, abs=0.03)
    assert np.corrcoef(split.per_item, whole.per_item)[0, 1] > 0.97


def test_greedy_decoding_says_the_same_for_ever():
    records = make_text_records(60)
    greedy = vote_limit(records, sampled.greedy(records, "big"), n_boot=100)
    curve = accuracy_curve(records, sampled.greedy(records, "big"), n_boot=100)
    assert set(greedy.per_item) <= {0.0, 1.0} and greedy.interval.value == greedy.leading == curve.accuracy[0]
    both = Records.from_graded(
        graded_of(
            np.tile([0, 1], (8, 1)), np.eye(2, dtype=bool)[np.zeros(8, int)],
            [TextDraw("a", "plain", "greedy", 0), TextDraw("b", "plain", "greedy", 0)],
        )
    )  # fmt: skip
    tied = vote_limit(both, sampled.ensemble(both, ["a", "b"]), n_boot=50)
    assert tied.per_item.tolist() == [0.5] * 8 and tied.leading == 0.5


def test_samples_that_do_not_exist_and_items_that_never_answer():
    rng = np.random.default_rng(6)
    answers, _ = lured(rng, 100, 12)
    drawn = np.arange(12) < rng.integers(4, 13, 100)[:, None]
    answers = np.where(drawn, answers, -1)
    answers[:3] = -1
    records = samples_of(answers, first_right(answers))
    known = Records.from_graded(replace(records.graded(), drawn=drawn, n_tokens=np.where(drawn, 5, 0)))
    limits = [vote_limit(one, n_boot=100) for one in (records, known)]
    assert limits[0].per_item.tolist() == limits[1].per_item.tolist()  # abstentions of one pool do not vote
    assert limits[0].per_item[:3].tolist() == [0, 0, 0]
    none = samples_of(np.full((40, 4), -1), np.zeros((40, 0)))
    assert vote_limit(none, n_boot=50).interval.value == 0


def test_intervals():
    rng = np.random.default_rng(7)
    answers, _ = lured(rng, 40, 8)
    answers = np.repeat(answers, 5, axis=0)  # clusters of five equal items
    alone = vote_limit(samples_of(answers, first_right(answers)), n_boot=400).interval
    kept = {"clusters": [f"c{i // 5}" for i in range(200)]}
    together = vote_limit(samples_of(answers, first_right(answers), **kept), n_boot=400).interval
    assert together.high - together.low > 1.4 * (alone.high - alone.low) and "40 clusters of items" in together.method
    sure = vote_limit(samples_of(np.zeros((30, 64), int), np.ones((30, 1))), n_boot=50).interval
    assert sure.value > 0.999 and sure.low == pytest.approx(30 / (30 + 1.959964**2), abs=0.001)


@pytest.mark.parametrize("right", [0.0, 0.03, 1.0])
def test_items_nearly_all_wrong_or_right(right):
    """No interval leaves out its own value, or says that what six samples of 20 items never showed cannot be."""
    for seed in range(20):
        answers = (np.random.default_rng(seed).random((20, 6)) >= right).astype(int)
        limit = vote_limit(samples_of(answers, first_right(answers)), seed=seed, n_boot=200).interval
        assert 0 <= limit.low <= limit.value <= limit.high <= 1
        assert limit.high - limit.low > 0.04 and ("Wilson" in limit.method or right == 0.03)


def sampled_answers(rng, p, n_items, n_samples):
    """Samples of answers with the shares ``p``, of each item or of all."""
    steps = np.cumsum(np.broadcast_to(p, (n_items, np.shape(p)[-1])), axis=1)[:, None, :-1]
    return (rng.random((n_items, n_samples, 1)) > steps).sum(axis=-1)


@pytest.mark.parametrize("p", [(0.6, 0.4), (0.45, 0.55), (0.45, 0.40, 0.15), (0.40, 0.45, 0.15)])
def test_items_that_are_all_alike(p):
    """The limit is all or nothing; a smooth prior alone says that some items end otherwise, and never covers."""
    covered = []
    for seed in range(10):
        answers = sampled_answers(np.random.default_rng(seed), p, 200, 8)
        limit = vote_limit(samples_of(answers, first_right(answers)), ci=0.9, n_boot=50).interval
        assert limit.low <= limit.value <= limit.high and "profile likelihood" in limit.method
        covered.append(limit.low <= (p[0] == max(p)) <= limit.high)
    assert np.mean(covered) >= 0.8


def test_kinds_of_items_on_either_side_of_a_tie():
    rng = np.random.default_rng(1)
    first = rng.random(300) < 0.5
    for lead, behind in (((0.9, 0.05, 0.05), (0.35, 0.5, 0.15)), ((0.45, 0.40, 0.15), (0.40, 0.45, 0.15))):
        answers = sampled_answers(rng, np.where(first[:, None], lead, behind), 300, 8)
        limit = vote_limit(samples_of(answers, first_right(answers)), ci=0.9, n_boot=100).interval
        assert limit.low <= first.mean() <= limit.high


def test_wrong_answers_that_are_equally_likely():
    """Four of them: a Dirichlet process takes the luckiest for a lure."""
    rng = np.random.default_rng(2)
    right = rng.beta(0.7, 0.9, (400, 1))
    answers = sampled_answers(rng, np.concatenate([right, np.repeat((1 - right) / 4, 4, axis=1)], axis=1), 400, 32)
    limit = vote_limit(samples_of(answers, first_right(answers)), n_boot=100).interval
    assert limit.value == pytest.approx((right > 0.2).mean(), abs=0.03)


def test_the_range_of_items_that_are_known_is_that_of_a_proportion():
    """With very many samples an item is right or wrong: the likelihood ratio interval of 12 of 40."""
    right = np.repeat([400, 3], [12, 28])
    value, low, high = limit_range(right, 400 - right[:, None], np.ones(40), 0.9)

    def excess(p):
        return 2 * (12 * np.log(0.3 / p) + 28 * np.log(0.7 / (1 - p))) - stats.chi2.ppf(0.9, 1)

    assert value == pytest.approx(0.3, abs=1e-3)
    assert low == pytest.approx(optimize.brentq(excess, 1e-6, 0.3), abs=0.006)
    assert high == pytest.approx(optimize.brentq(excess, 0.3, 1 - 1e-6), abs=0.006)
    _, low, high = limit_range(right, 400 - right[:, None], np.ones(40), 0.9, independent=0.25)
    assert low == pytest.approx(optimize.brentq(lambda p: excess(p) - 3 * stats.chi2.ppf(0.9, 1), 1e-6, 0.3), abs=0.006)


def test_the_range_against_a_search_over_mixtures():
    """Two answers, four samples: the least limit of any mixture of a few shares whose likelihood is allowed."""
    right, times = np.arange(5), np.array([20, 30, 40, 60, 50])
    q = np.linspace(0.02, 0.98, 24)
    chance = stats.binom.pmf(right[:, None], 4, q)

    def log_likelihood(w):
        return times @ np.log(np.maximum(chance @ w, 1e-12))

    def best(value, *constraints):
        simplex = {"type": "eq", "fun": lambda w: w.sum() - 1}
        return optimize.minimize(
            value, np.full(24, 1 / 24), bounds=[(0, 1)] * 24, constraints=[simplex, *constraints],
            options={"maxiter": 500},
        ).fun  # fmt: skip

    least = -best(lambda w: -log_likelihood(w)) - stats.chi2.ppf(0.9, 1) / 2
    enough = {"type": "ineq", "fun": lambda w: log_likelihood(w) - least}
    _, low, high = limit_range(right, 4 - right[:, None], times, 0.9)
    assert low == pytest.approx(best(lambda w: w[q > 0.5].sum(), enough), abs=0.03)
    assert high == pytest.approx(-best(lambda w: -w[q > 0.5].sum(), enough), abs=0.03)


def test_one_sample_of_an_item_tells_nothing():
    answers = sampled_answers(np.random.default_rng(0), (0.55, 0.45), 100, 1)
    limit = vote_limit(samples_of(answers, first_right(answers)), n_boot=50)
    assert math.isnan(limit.interval.value) and math.isnan(limit.interval.low) and np.isnan(limit.per_item).all()
    assert "at least 2" in limit.interval.method


def test_alike_items_are_looked_at_once():
    rng = np.random.default_rng(3)
    assert counts_of(np.array([[2, 0, 2, -1], [-1, -1, -1, -1], [1, 1, 1, 1]])).tolist() == [[2, 1], [0, 0], [4, 0]]
    answers = sampled_answers(rng, rng.dirichlet([2, 1, 1], 100_000), 100_000, 2)
    records = samples_of(answers, first_right(answers))
    began = time.process_time()
    limit = vote_limit(records, n_boot=200)
    assert time.process_time() - began < 5  # item by item it took a minute
    shuffled = np.where(answers > 0, 3 - answers, 0)[:, ::-1]  # the same but for names and order
    again = vote_limit(samples_of(shuffled, first_right(shuffled)), n_boot=200)
    np.testing.assert_array_equal(limit.per_item, again.per_item)


def test_what_has_no_limit_and_what_is_refused():
    records = make_text_records(30)
    best = vote_limit(records, sampled.samples(records, "small", vote="best:judge"), n_boot=50)
    assert math.isnan(best.interval.value) and np.isnan(best.per_item).all() and "best-of-n" in best.interval.method
    for message, call in (
        ("a language model", lambda: vote_limit(make_records(40))),
        ("prior", lambda: vote_limit(records, prior="flat")),
        ("prior", lambda: vote_limit(records, prior=0)),
        ("prior", lambda: vote_limit(records, prior=True)),
        ("prior", lambda: vote_limit(records, prior=np.array([1, 2]))),
        ("n_boot", lambda: vote_limit(records, n_boot=3)),
        ("Open the folder first", lambda: vote_limit("runs/a")),
    ):
        with pytest.raises(TtscaleError, match=message):
            call()


def test_whether_the_law_agrees_in_words():
    records = make_text_records(60)
    limit = vote_limit(records, sampled.samples(records, "small"), n_boot=100)

    def law(value, half):
        return Interval(value, value - half, value + half, 0.95, "law")

    own = limit.interval.value
    assert "they agree" in agree(limit, law(own + 0.02, 0.05))
    assert "ends above" in agree(limit, law(0.99, 0.005)) and "ends below" in agree(limit, law(0.01, 0.005))
    assert f"{100 * own:.1f} %" in agree(limit, law(0.99, 0.005))
    assert agree(limit, None) == "" == agree(limit, law(math.nan, 0.1))
