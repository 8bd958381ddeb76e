"""Both tie rules: shared credit, and the pick by a uniform."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.voting.decisions import TIE_TOLERANCE, credit, decide, tied_best


def test_credit_by_hand():
    scores = np.log(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3]]))
    np.testing.assert_allclose(credit(scores, np.array([0, 1, 2])), [1.0, 0.5, 1 / 3])
    np.testing.assert_allclose(credit(scores, np.array([1, 2, 0])), [0.0, 0.0, 1 / 3])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_credits_over_all_labels_sum_to_one(levels):
    scores = -np.array(levels, dtype=float)
    total = sum(credit(scores, np.asarray(label)) for label in range(len(levels)))
    assert total == pytest.approx(1.0)


def test_credit_broadcasts_over_budgets():
    scores = np.random.default_rng(0).normal(size=(6, 3, 4))
    labels = np.arange(6) % 4
    every = credit(scores, labels[:, None])
    assert np.array_equal(every, np.stack([credit(scores[:, k], labels) for k in range(3)], 1))


def test_the_pick_is_a_tied_best_class_and_each_is_equally_likely():
    scores = np.log(np.array([0.3, 0.1, 0.3, 0.3]))
    grid = (np.arange(3000) + 0.5) / 3000
    picks = decide(np.broadcast_to(scores, (3000, 4)), grid)
    assert np.array_equal(picks, np.array([0, 2, 3])[np.floor(3 * grid).astype(int)])


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9), st.floats(0, 1, exclude_max=True))
def test_the_pick_is_always_among_the_best(levels, uniform):
    scores = -np.array(levels, dtype=float)
    assert levels[int(decide(scores, np.asarray(uniform)))] == min(levels)


def test_expected_pick_is_the_credit():
    scores = np.array([0.0, 0.0, -1.0, 0.0, 0.0])
    grid = (np.arange(4000) + 0.5) / 4000
    picks = decide(np.broadcast_to(scores, (4000, 5)), grid)
    for label in range(5):
        assert (picks == label).mean() == pytest.approx(float(credit(scores, np.asarray(label))))


def test_rounding_makes_no_tie_and_breaks_none():
    next_float32 = float(np.nextafter(np.float32(np.log(0.5)), np.float32(0)))
    assert tied_best(np.array([float(np.float32(np.log(0.5))), next_float32])).tolist() == [False, True]
    assert tied_best(np.array([np.log(0.5), np.log(0.5) + 1e-15])).tolist() == [True, True]
    assert 1e-15 < TIE_TOLERANCE < 6e-8
