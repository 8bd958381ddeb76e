"""Weighted and tempered votes against direct formulas, on three array libraries; their credits from Records."""

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_example import make_records
from scipy.special import log_softmax, logsumexp

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.credits import prefix_credits
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.strategy import Strategy, tta
from ttscale.voting.decisions import credit, decide, tied_best
from ttscale.voting.merges import VOTES, merge, merge_draws, tempered
from ttscale.voting.weighting import Weighting, check_weighting


def outcomes(seed=0, shape=(30, 5, 4), zeros=True):
    x = log_softmax(2 * np.random.default_rng(seed).normal(size=shape), -1)
    if zeros:
        x[0, 0] = [0.0, *[-np.inf] * (shape[-1] - 1)]
    return x


def weights(seed=0, shape=(5,), zero=False):
    w = np.random.default_rng(seed).random(shape)
    if zero:
        w[1] = 0.0
    return w / w.sum(0)


def test_a_weighted_mean_is_the_log_of_the_weighted_probability():
    x, w = outcomes(), weights(zero=True)
    np.testing.assert_allclose(merge(x, "mean", Weighting(w)), logsumexp(x, axis=1, b=w[:, None]), rtol=1e-12)


def test_a_weighted_log_mean_is_the_normalised_weighted_sum():
    x, w = outcomes(zeros=False), weights()
    np.testing.assert_allclose(merge(x, "log_mean", Weighting(w)), log_softmax(np.einsum("d,ndc->nc", w, x), -1))


def test_a_weighted_plurality_adds_weights():
    x, w = outcomes(), weights()
    votes = x == x.max(-1, keepdims=True)
    np.testing.assert_allclose(np.exp(merge(x, "plurality", Weighting(w))), np.einsum("d,ndc->nc", w, votes))


def test_weights_of_each_class_normalise_the_sum():
    x, w = outcomes(zeros=False), weights(shape=(5, 4))
    mean = np.einsum("dc,ndc->nc", w, np.exp(x))
    np.testing.assert_allclose(np.exp(merge(x, "mean", Weighting(w))), mean / mean.sum(-1, keepdims=True))
    np.testing.assert_allclose(merge(x, "log_mean", Weighting(w)), log_softmax(np.einsum("dc,ndc->nc", w, x), -1))


def test_temperatures_before_and_after():
    x, t, w = outcomes(zeros=False), np.array([0.5, 1.0, 2.0, 3.0, 0.9]), weights()
    before = log_softmax(x / t[:, None], -1)
    mean = logsumexp(before, axis=1, b=w[:, None])
    np.testing.assert_allclose(merge(x, "mean", Weighting(w, t)), mean, rtol=1e-12)
    np.testing.assert_allclose(merge(x, "mean", Weighting(w, t, 0.4)), log_softmax(mean / 0.4, -1), rtol=1e-12)
    plain = merge(x, "mean")
    np.testing.assert_allclose(merge(x, "mean", Weighting(temperature=2.0)), log_softmax(plain / 2, -1), rtol=1e-12)
    assert np.array_equal(tied_best(tempered(plain, 3.0)), tied_best(plain))


@pytest.mark.parametrize("vote", VOTES)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_alike_weights_are_the_unweighted_vote(vote, seed, k):
    x = outcomes(seed, (8, k, 4))
    plain, labels = merge(x, vote), np.arange(8) % 4
    for given_weights in (None, np.full(k, 1 / k), np.full((k, 4), 1 / k)):
        alike = merge(x, vote, Weighting(given_weights))
        np.testing.assert_allclose(np.exp(alike), np.exp(plain), atol=1e-12)
        assert np.array_equal(credit(alike, labels), credit(plain, labels))


@pytest.mark.parametrize("vote", VOTES)
def test_counts_are_repeated_draws(vote):
    """A draw chosen three times out of four weighs ¾: this is how a policy with replacement is deployed."""
    x = outcomes()
    repeated = merge(x[:, [0, 0, 0, 2]], vote)
    weighted = merge(x[:, [0, 2]], vote, Weighting(np.array([0.75, 0.25])))
    np.testing.assert_allclose(np.exp(weighted), np.exp(repeated), atol=1e-12)


@pytest.mark.parametrize("vote", VOTES)
def test_a_draw_of_weight_zero_says_nothing(vote):
    x = outcomes()
    x[:, 1] = [-np.inf, 0.0, -np.inf, -np.inf]
    without = merge(np.delete(x, 1, axis=1), vote, Weighting(np.delete(weights(zero=True), 1)))
    np.testing.assert_allclose(np.exp(merge(x, vote, Weighting(weights(zero=True)))), np.exp(without), atol=1e-12)


def test_where_no_class_has_weight_left_all_are_tied():
    x = np.log(np.array([[[1.0, 1e-300, 1e-300], [1e-300, 1.0, 1e-300]]]))
    x[x < -600] = -np.inf
    w = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])  # each draw has no say for the one class that it believes in
    for vote in ("mean", "plurality"):
        np.testing.assert_allclose(np.exp(merge(x, vote, Weighting(w))), 1 / 3)


@pytest.mark.parametrize("vote", VOTES)
@pytest.mark.parametrize("shape", [None, (5,), (5, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_libraries_agree(vote, shape, dtype):
    x, noise, labels = outcomes().astype(dtype), np.random.default_rng(1).random(30), np.arange(30) % 4
    t = np.array([0.5, 1.0, 2.0, 3.0, 0.9])
    w = None if shape is None else weights(shape=shape, zero=True)
    here = merge(x, vote, Weighting(w, t, 1.5))
    assert here.dtype == np.float64 and not np.isnan(here).any()
    np.testing.assert_allclose(np.exp(here).sum(-1), 1)
    streamed = merge_draws((x[:, d] for d in range(5)), vote, Weighting(w, t, 1.5))
    assert np.array_equal(streamed, here)
    for to in (torch.from_numpy, array_api_strict.asarray):
        own = Weighting(None if w is None else to(w), to(t), 1.5)
        for weighting in (own, Weighting(w, t, 1.5)):  # arrays of their own library, or of numpy
            theirs = merge(to(x), vote, weighting)
            np.testing.assert_allclose(np.exp(np.asarray(theirs)), np.exp(here), atol=1e-14)
            assert np.array_equal(np.asarray(credit(theirs, to(labels))), credit(here, labels))
            assert np.array_equal(np.asarray(decide(theirs, to(noise))), decide(here, noise))


@pytest.mark.parametrize("vote", VOTES)
def test_torch_needs_no_host(vote):
    x, weighting = torch.empty(3, 5, 4, device="meta"), Weighting(weights(shape=(5, 4)), np.ones(5), 2.0)
    assert merge(x, vote, weighting).shape == (3, 4)


def test_credits_of_a_weighted_strategy():
    """Budgets with a weighting use it, the others count their draws alike."""
    records = make_records(60, sizes=("s8",), seeds=1)
    plain = tta(records, "s8-0")
    w = {2: Weighting(np.array([0.9, 0.1])), 3: Weighting(temperature=2.0), 4: Weighting(weights(shape=(4, 5)))}
    found = prefix_credits(
        records, Strategy("weights/s8-0", "weights", plain.draws, "mean", weightings=w), [1, 2, 3, 4]
    )
    x = records.log_probs("s8-0")
    for k in (1, 2, 3, 4):
        np.testing.assert_array_equal(found[k - 1], credit(merge(x[:, :k], "mean", w.get(k)), records.labels))
    assert np.array_equal(found[2], prefix_credits(records, plain, [3])[0])
    assert np.array_equal(
        prefix_credits(records, Strategy("w", "weights", plain.draws, "mean", weightings=w), [2]), found[1:2]
    )


@pytest.mark.parametrize(
    ("weighting", "message"),
    [
        (Weighting(np.array([0.5, 0.6])), "add up to 1"),
        (Weighting(np.array([1.5, -0.5])), "not negative"),
        (Weighting(np.array([np.nan, 0.5])), "not negative"),
        (Weighting(np.ones(3) / 3), r"shape \(3,\)"),
        (Weighting(np.full((2, 3), 0.5)), r"shape \(2, 3\)"),
        (Weighting(None, np.array([1.0, 0.0])), "positive temperature"),
        (Weighting(None, np.array([1.0])), "for each of 2 draws"),
        (Weighting(None, None, np.inf), "a positive temperature"),
    ],
)
def test_what_is_no_weighting_is_refused(weighting, message):
    with pytest.raises(TtscaleError, match=f"weighting: .*{message}"):
        check_weighting(weighting, 2, 5)
    records = make_records(20, sizes=("s8",), seeds=1, views=2)
    draws = tta(records, "s8-0").draws
    with pytest.raises(TtscaleError, match=message):
        accuracy_curve(records, Strategy("w", "weights", draws, "mean", weightings={2: weighting}), n_boot=50)


def test_merge_refuses_weights_of_other_draws():
    for wrong in (Weighting(weights(shape=(4,))), Weighting(weights(shape=(5, 3))), Weighting(None, np.ones(4))):
        with pytest.raises(TtscaleError, match="weighting: expected"):
            merge(outcomes(), "mean", wrong)
