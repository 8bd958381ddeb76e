"""Log-probabilities as 8-bit codes: what they keep, what they change, and how small they are."""

import math
import zlib

import numpy as np
import pytest

from ttscale.records.checks import check_log_probs
from ttscale.records.codes import count_flipped, decoded, encoded, read_from, stored_as
from ttscale.voting.merges import merge

N_ITEMS, N_VIEWS, N_CLASSES = 4000, 8, 10


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(-1, keepdims=True)
    return (x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(np.float32)


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray]:
    """Views that agree as those of a small network do (88 % right, tails to e^-25); labels ``[item]``."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, N_CLASSES, N_ITEMS)
    seen = 4 * rng.standard_normal((N_ITEMS, 1, N_CLASSES)) + rng.standard_normal((N_ITEMS, N_VIEWS, N_CLASSES))
    seen[np.arange(N_ITEMS), :, labels] += rng.normal(13, 3, N_ITEMS)[:, None]
    return log_softmax(seen), labels


def by_hand(p: float) -> float:
    """Log-probability of the code of one probability, before it is normalised again."""
    width = math.log(1 + 32 * 32)
    code = round(254 * math.log(1 - 32 * math.log(p)) / width)
    return (1 - math.exp(code / 254 * width)) / 32


def test_codes_are_steps_of_the_scale_that_is_told():
    probs = [0.6, 0.3, 0.0999, 0.0001]
    whole = np.array([by_hand(p) for p in probs])
    expected = whole - np.log(np.exp(whole).sum())
    found = decoded(encoded(np.log(probs).astype(np.float32)[None, None]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)


def test_what_is_read_is_close_and_normalised(made):
    exact = made[0]
    codes = encoded(exact)
    found = decoded(codes)
    assert codes.dtype == np.uint8 and codes.shape == exact.shape
    np.testing.assert_allclose(np.exp(found.astype(np.float64)).sum(-1), 1, atol=1e-6)
    assert np.abs(np.exp(found) - np.exp(exact)).max() < 0.01
    half = math.log(1 + 32 * 32) / 254 / 2 * 1.05 * (1 / 32 - exact)  # a step of x is its width times (x + 1/32)
    shift = (np.exp(exact) * half).sum(-1, keepdims=True)  # of normalising: the mean error, to first order
    second, first = np.moveaxis(np.sort(exact, -1)[..., -2:], -1, 0)
    plain = (exact > -32) & (first - second > 0.05)[..., None]  # no class had to make way for the first
    assert plain.mean() > 0.98 and (np.abs(found - exact) <= half + 2 * shift)[plain].all()
    assert (found[exact < -32.3] < -31.9).all()
    for items in (slice(0, 1), slice(37, 90)):  # each item by itself
        assert np.array_equal(decoded(codes[items]), found[items])


def test_certain_and_impossible_classes_stay_so():
    with np.errstate(divide="ignore"):
        exact = np.log(np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1.0, 1e-30, 0.0]]], np.float32))
    found = decoded(encoded(exact))
    assert np.array_equal(found[0, :2], exact[0, :2]) and found[0, 2, 2] == -np.inf
    assert found[0, 2, 1] == pytest.approx(-32, abs=1e-5)  # the least that has a code
    check_log_probs(found, "m", ["item"])


def test_no_draw_by_itself_changes_its_decision(made):
    ahead = np.array([0.0, 1e-6, 1e-4, 1e-2])[:, None]
    near = log_softmax(np.concatenate([ahead, np.zeros((4, 2)), np.full((4, 1), -9.0)], axis=1))[:, None]
    for exact in (made[0], near):
        found = decoded(encoded(exact))
        best = exact == exact.max(-1, keepdims=True)
        assert np.array_equal(found == found.max(-1, keepdims=True), best)
        assert count_flipped(exact, encoded(exact)) == 0
    assert encoded(near)[1:].std() > 0 and (near.argmax(-1)[1:] == 0).all()  # ties remain, and what is ahead is ahead


def test_flips_are_counted_where_there_are_any():
    exact = log_softmax(np.array([[[1.0, 1.0001, 0.0]], [[1.0, 2.0, 0.0]]]))
    assert count_flipped(exact, stored_as(exact, np.dtype("float16"))) == 1
    assert count_flipped(exact, stored_as(exact, np.dtype("float32"))) == 0
    turned = encoded(exact)[:, :, [1, 0, 2]]
    assert count_flipped(exact, turned) == 2 and read_from(exact) is exact


@pytest.mark.parametrize(("vote", "most"), [("plurality", 0.0), ("mean", 6e-4), ("log_mean", 6e-4)])
def test_few_decisions_of_votes_change(made, vote, most):
    """On measured Records of 20 small networks and 8 views 2 of 10,000 changed (mean and log_mean)."""
    exact, labels = made
    found = decoded(encoded(exact))
    before, after = (merge(values, vote) for values in (exact, found))
    assert 0.8 < (before.argmax(-1) == labels).mean() < 0.95
    assert (before.argmax(-1) != after.argmax(-1)).mean() <= most


def test_the_log_likelihood_hardly_changes(made):
    exact, labels = made
    found = decoded(encoded(exact))
    own = np.arange(N_ITEMS)
    single = [-values[own, 0, labels].mean(dtype=np.float64) for values in (exact, found)]
    merged = [-np.log(np.exp(values.astype(np.float64)).mean(1)[own, labels]).mean() for values in (exact, found)]
    assert abs(single[1] - single[0]) < 2e-4 and abs(merged[1] - merged[0]) < 2e-4


def test_packed_codes_take_a_fifth_of_packed_numbers(made):
    exact = made[0]
    packed, of_numbers = (len(zlib.compress(values.tobytes())) for values in (encoded(exact), exact))
    assert packed < 0.22 * of_numbers and packed < 0.8 * exact.size
