"""Same items, new samples: against drawing the samples anew, against the exact jackknife, and by hand."""

import math
import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from scaling_example import make_records
from test_scaling_subsets import ragged
from text_example import make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.scaling import sampled
from ttscale.scaling.curves import sample_noise as noise
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.curves.estimate import TIES
from ttscale.scaling.curves.sample_noise import METHOD, UNSEEN, sample_noise
from ttscale.scaling.curves.spending import spending

KS = [1, 2, 4, 8]
ITEMS, SAMPLES, ANSWERS = 120, 16, 5
Z = NormalDist().inv_cdf(0.95)
P = np.random.default_rng(0).dirichlet(np.full(ANSWERS, 0.8), ITEMS)


def anew(seed):
    """The same items, each of its own probabilities of the answers, with new samples; the judge prefers right ones."""
    rng = np.random.default_rng(seed)
    answers = (rng.random((ITEMS, SAMPLES, 1)) > np.cumsum(P, axis=1)[:, None, :-1]).sum(axis=2)
    judge = np.exp(rng.normal(0, 0.7, answers.shape) + 0.8 * (answers == 0))
    return samples_of(answers, np.eye(ANSWERS, dtype=bool)[np.zeros(ITEMS, int)], scores={"judge": judge})


def half_widths(found):
    return np.array([(one.high - one.low) / 2 for one in found])


@pytest.mark.parametrize(
    ("vote", "ties"), [("plurality", "shared"), ("best:judge", "shared"), ("weighted:judge", "shared")]
)
def test_its_variance_is_that_of_new_samples(vote, ties):
    """40 draws tell a standard error to 11 %; the jackknife is unbiased at k = 1 and errs on the safe side."""
    accuracy = np.array([
        accuracy_curve(anew(seed), n_boot=40, vote=vote, ties=ties, budgets=KS).accuracy for seed in range(40)
    ])  # fmt: skip
    told = [sample_noise(anew(seed), vote=vote, ties=ties, budgets=KS, ci=0.9) for seed in range(6)]
    error = np.sqrt(np.mean([np.square(half_widths(one) / Z) for one in told], axis=0))
    ratio = error / accuracy.std(axis=0, ddof=1)
    assert (ratio > 0.75).all() and (ratio < 1.45).all()
    assert [one.value for one in told[0]] == pytest.approx(accuracy[0])
    assert {one.method for one in told[0]} == {METHOD} and told[0][0].level == 0.9


def test_one_draw_by_hand():
    """At k = 1 the jackknife of a mean: p(1 − p)/(n − 1) of each item, here of 3, 2 and 4 right of 4."""
    answers = np.array([[0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0]])
    found = sample_noise(samples_of(answers, np.tile([True, False], (3, 1))), budgets=[1], ci=0.9)[0]
    assert found.value == pytest.approx(0.75)
    assert (found.high - found.low) / 2 / Z == pytest.approx(math.sqrt((0.75 * 0.25 / 3 + 0.25 / 3) / 9))


def test_beyond_half_of_the_samples_there_is_no_interval():
    found = sample_noise(anew(0), budgets=[8, 9])
    assert found[0].low < found[0].value < found[0].high
    assert math.isnan(found[1].low) and math.isnan(found[1].high) and 0 < found[1].value < 1
    assert found[1].method.endswith("k = 9 takes more than half of the 16 that an item has")
    greedy = sample_noise(make_text_records(20), sampled.greedy(make_text_records(20), "big"))
    assert math.isnan(greedy[0].low)
    mixed = make_text_records(60)  # two variants of 12 samples each: half of both is 12
    ends = [one.low for one in sample_noise(mixed, sampled.mixture(mixed, "big"), budgets=[2, 12, 13])]
    assert np.isfinite(ends[:2]).all() and math.isnan(ends[2])


@pytest.mark.parametrize("ties", TIES)
def test_random_orders_agree_with_every_subset(ties, monkeypatch):
    records = anew(1)
    exact = half_widths(sample_noise(records, budgets=KS, ties=ties))
    monkeypatch.setattr(noise, "_exact", lambda *_: None)
    rough = half_widths(sample_noise(records, budgets=KS, ties=ties))
    np.testing.assert_allclose(rough, exact, rtol=0.12)
    assert not np.array_equal(rough, exact)


def test_the_bias_of_few_orders_is_taken_off(monkeypatch):
    """Without it 32 orders would more than double the variance."""
    records = anew(2)
    exact = half_widths(sample_noise(records, budgets=[4], vote="best:judge"))
    monkeypatch.setattr(noise, "_exact", lambda *_: None)
    monkeypatch.setattr(noise, "JACKKNIFE_ORDERS", 32)
    rough = np.mean([half_widths(sample_noise(records, budgets=[4], vote="best:judge", seed=s)) for s in range(4)])
    np.testing.assert_allclose(rough, exact, rtol=0.15)


def test_items_of_unequal_samples():
    """Each item's own number of samples counts; the least of them says which budgets are known."""
    n = np.array([4, 6, 9, 4, 7] * 4)
    records, answers = ragged(n)
    found = sample_noise(records, budgets=[1, 2, 3], ci=0.9)
    share = (answers == 0).sum(axis=1) / n
    by_hand = math.sqrt((share * (1 - share) / (n - 1)).sum()) / len(n)
    assert (found[0].high - found[0].low) / 2 / Z == pytest.approx(by_hand)
    assert np.isfinite(found[1].low) and math.isnan(found[2].low)
    for vote in ("best:judge", "weighted:judge"):
        one = sample_noise(records, vote=vote, budgets=[1], ci=0.9)[0]
        assert (one.high - one.low) / 2 / Z == pytest.approx(by_hand, rel=1e-9 if vote == "best:judge" else 0.3)


def test_what_never_varied_is_widened_by_what_was_not_seen():
    """20 items of 6 samples, all right: the upper Wilson limit of 0 in 120."""
    found = sample_noise(samples_of(np.zeros((20, 6), int), np.ones((20, 1))), budgets=[1, 3, 4], ci=0.9)
    for one in found[:2]:
        assert one.value == one.high == 1.0 and one.low == pytest.approx(1 - Z**2 / (120 + Z**2))
        assert one.method.endswith(UNSEEN)
    assert math.isnan(found[2].low)


def test_a_variance_that_random_orders_do_not_tell(monkeypatch):
    """An estimate below zero, or within its own error, is no variance of 0: more orders tell it, or nothing does."""
    rng = np.random.default_rng(0)
    answers = (rng.random((12, 64)) >= rng.uniform(0.3, 0.7, (12, 1))).astype(int)
    records = samples_of(answers, np.tile([True, False], (12, 1)), scores={"judge": np.ones(answers.shape)})
    exact = half_widths(sample_noise(records, budgets=[16, 32]))
    more = [half_widths(sample_noise(records, vote="weighted:judge", budgets=[16, 32], seed=s)) for s in range(4)]
    assert np.isfinite(more).mean() > 0.8 and np.nanmin(more) > 0.2 * exact.min()
    assert np.nanmean(more, axis=0) == pytest.approx(exact, rel=0.4)
    monkeypatch.setattr(noise, "_MOST_CELLS", 0.0)
    monkeypatch.setattr(noise, "JACKKNIFE_ORDERS", 16)
    few = [one for s in range(8) for one in sample_noise(records, vote="weighted:judge", budgets=[32], seed=s)]
    unknown = [one for one in few if math.isnan(one.low)]
    assert unknown and all("random orders" in one.method and math.isfinite(one.value) for one in unknown)
    assert all(one.high > one.low for one in few if one not in unknown)


def test_memory_does_not_grow_with_the_pools():
    """Five arrays of 12 items × 128 orders × 6,000 samples would take 370 MB."""
    rng = np.random.default_rng(1)
    answers = rng.integers(0, 3, (12, 6000))
    records = samples_of(answers, np.eye(3, dtype=bool)[np.zeros(12, int)], scores={"judge": rng.random(answers.shape)})
    records.graded()
    tracemalloc.start()
    sample_noise(records, vote="weighted:judge", budgets=[4])
    spending(records, budgets=[1, 64])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250e6


def test_images_and_unknown_rules_are_refused():
    with pytest.raises(TtscaleError, match="no random samples"):
        sample_noise(make_records(20))
    with pytest.raises(TtscaleError, match="one of shared, first_seen, strict"):
        sample_noise(anew(0), ties="none")
    for call in (sample_noise, spending):
        with pytest.raises(TtscaleError, match="seed: expected a whole number"):
            call(anew(0), seed=0.5)
