"""Votes against direct formulas, on three array libraries."""

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_example import log_softmax
from scipy.special import logsumexp

from ttscale.errors import TtscaleError
from ttscale.voting.decisions import credit, decide
from ttscale.voting.merges import VOTES, merge, merge_prefixes, prefix_scores


def outcomes(seed=0, shape=(40, 7, 5), zeros=True):
    """Log-probabilities with tied classes, and with zeros: here and there, and for every class by some draw."""
    rng = np.random.default_rng(seed)
    x = log_softmax(2 * rng.normal(size=shape))
    x[0] = np.log(1 / shape[-1])
    if zeros:
        x[1, 0] = [0.0, *[-np.inf] * (shape[-1] - 1)]
        x[2, :2] = [[0.0, *[-np.inf] * (shape[-1] - 1)], [-np.inf, 0.0, *[-np.inf] * (shape[-1] - 2)]]
    return x


def plurality_by_hand(x):
    votes = [[0.0] * len(x[0]) for _ in x]
    for row, draw in zip(votes, x, strict=True):
        best = [c for c, value in enumerate(draw) if value == max(draw)]
        for c in best:
            row[c] = 1 / len(best)
    return np.mean(votes, axis=0)


def test_mean_is_the_log_of_the_mean_probability():
    x = outcomes()
    np.testing.assert_allclose(merge(x, "mean"), logsumexp(x, axis=1) - np.log(7), rtol=1e-12)


def test_log_mean_is_the_normalised_geometric_mean():
    x = outcomes(zeros=False)
    mean = x.mean(1)
    np.testing.assert_allclose(merge(x, "log_mean"), mean - logsumexp(mean, axis=-1, keepdims=True), rtol=1e-12)


def test_plurality_is_the_share_of_top_classes():
    x = outcomes()
    shares = np.exp(merge(x, "plurality"))
    np.testing.assert_allclose(shares, [plurality_by_hand(item) for item in x.tolist()], atol=1e-12)


def test_plurality_by_hand_on_a_tied_draw():
    half, rest = np.log(0.4), np.log(0.2)
    x = np.array([[half, half, rest], [np.log(0.1), np.log(0.8), np.log(0.1)]])
    np.testing.assert_allclose(np.exp(merge(x, "plurality")), [0.25, 0.75, 0.0], atol=1e-15)


@pytest.mark.parametrize("vote", VOTES)
def test_probability_zero_gives_no_nan(vote):
    scores = merge_prefixes(outcomes(), vote)
    assert not np.isnan(scores).any()
    np.testing.assert_allclose(np.exp(scores).sum(-1), 1.0, rtol=1e-12)


def test_log_mean_reads_zero_as_the_limit_of_a_vanishing_probability():
    p = np.array([[[0.6, 0.4, 0.0], [0.0, 0.5, 0.5], [0.2, 0.0, 0.8]]])  # one zero each
    with np.errstate(divide="ignore"):
        x = np.log(p)
    shrinking = np.maximum(p, 1e-250)
    limit = np.exp(np.log(shrinking).mean(1))
    np.testing.assert_allclose(np.exp(merge(x, "log_mean")), limit / limit.sum(-1, keepdims=True), rtol=1e-9)
    vetoed = np.exp(merge(x[:, :2], "log_mean"))[0]
    assert vetoed[1] == 1 and vetoed[0] == vetoed[2] == 0  # only class 1 has no zero among the first two


@pytest.mark.parametrize("vote", VOTES)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 7))
@settings(max_examples=20, deadline=None)
def test_prefixes_are_the_merges_of_each_prefix(vote, seed, k):
    x = outcomes(seed, (6, 7, 4))
    every = merge_prefixes(x, vote)
    assert every.shape == x.shape
    assert np.array_equal(every[:, k - 1], merge(x[:, :k], vote))
    streamed = list(prefix_scores((x[:, i] for i in range(7)), vote))
    assert np.array_equal(np.stack(streamed, 1), every)


@pytest.mark.parametrize("vote", VOTES)
@given(order=st.permutations(range(7)), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_draws_does_not_matter(vote, order, seed):
    x = outcomes(seed, (6, 7, 4))
    a, b = merge(x, vote), merge(x[:, list(order)], vote)
    np.testing.assert_allclose(np.exp(a), np.exp(b), atol=1e-12)
    labels = np.arange(6) % 4
    assert np.array_equal(credit(a, labels), credit(b, labels))  # so ties survive a change of order


@pytest.mark.parametrize("vote", VOTES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_libraries_agree(vote, dtype):
    x = outcomes().astype(dtype)
    labels, noise = np.arange(40) % 5, np.random.default_rng(1).random(40)
    scores = merge(x, vote)
    assert scores.dtype == np.float64
    here = merge_prefixes(x, vote)
    for to in (torch.from_numpy, array_api_strict.asarray):
        theirs = merge(to(x), vote)
        np.testing.assert_allclose(np.exp(np.asarray(theirs)), np.exp(scores), atol=1e-14)
        np.testing.assert_allclose(np.exp(np.asarray(merge_prefixes(to(x), vote))), np.exp(here), atol=1e-14)
        assert np.array_equal(np.asarray(credit(theirs, to(labels))), credit(scores, labels))
        assert np.array_equal(np.asarray(decide(theirs, to(noise))), decide(scores, noise))


@pytest.mark.parametrize("vote", VOTES)
def test_half_precision_is_summed_in_double(vote):
    x = outcomes(zeros=False).astype(np.float16)
    wide = merge(x.astype(np.float64), vote)
    assert np.array_equal(merge(x, vote), wide)
    np.testing.assert_allclose(np.exp(merge(torch.from_numpy(x), vote).numpy()), np.exp(wide), atol=1e-14)


def test_far_probabilities_do_not_underflow():
    x = np.array([[0.0, -900.0], [0.0, -950.0]])
    np.testing.assert_allclose(merge(x, "mean")[1], np.logaddexp(-900.0, -950.0) - np.log(2), rtol=1e-14)


@pytest.mark.parametrize("vote", VOTES)
def test_torch_needs_no_host(vote):
    """On the meta device there are no values to look at: any branch on them would raise."""
    x = torch.empty(3, 4, 5, device="meta")
    scores = merge(x, vote)
    assert scores.shape == (3, 5)
    assert decide(scores, torch.empty(3, device="meta", dtype=torch.float64)).shape == (3,)


def test_bad_input_is_refused():
    x = outcomes()
    with pytest.raises(TtscaleError, match=r"vote: .*Did you mean plurality"):
        merge(x, "pluralty")
    with pytest.raises(TtscaleError, match="at least one draw"):
        merge(x[:, :0], "mean")
    with pytest.raises(TtscaleError, match=r"shape \(5,\)"):
        merge_prefixes(x[0, 0], "mean")
