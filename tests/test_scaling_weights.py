"""Learned ensemble weights against search on a grid, planted optima, and cross-fitting."""

import subprocess
import sys

import numpy as np
import pytest
from text_example import graded_of

from ttscale.records.graded import TextDraw
from ttscale.scaling.learning.weights import answer_shares, best_single, cross_fitted, learn_weights, weighted_credit


def random_shares(members, items=60, answers=5, seed=0):
    """Answer distributions of members whose answers are often right for different items."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(answers, 0.6), size=(members, items))
    shares[..., 0] += 0.25 * rng.random((members, items))
    correct = np.zeros((items, answers), bool)
    correct[:, 0] = True
    return shares / shares.sum(-1, keepdims=True), correct


def test_shares_of_answers_by_counting():
    draws = [TextDraw(m, "plain", "T1", s) for m, n in (("a", 4), ("b", 2)) for s in range(n)]
    answers = np.array([[0, 0, 1, -1, 2, 2], [1, 1, 1, 1, -1, -1]])
    graded = graded_of(answers, np.eye(3, dtype=bool)[[0, 0]], draws)
    shares = answer_shares(graded, [("a", "plain", "T1"), ("b", "plain", "T1")])
    assert shares.tolist() == [[[0.5, 0.25, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]]]


def test_credit_of_the_weighted_vote_by_hand():
    shares = np.array([[[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.2, 0.8], [0.0, 0.0, 0.0]]])
    correct = np.array([[True, False, False], [True, False, False]])
    assert weighted_credit(shares, correct, np.array([1.0, 0.0])).tolist() == [0.5, 0.0]  # a tie; nobody answers
    assert weighted_credit(shares, correct, np.array([0.9, 0.1])).tolist() == [0.0, 0.0]
    two = np.array([[True, True, False], [True, True, True]])
    assert weighted_credit(shares, two, np.array([0.9, 0.1])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("seed", range(6))
def test_two_members_are_solved_exactly(seed):
    shares, correct = random_shares(2, seed=seed)
    if seed % 2:
        correct[:, 1] = np.random.default_rng(seed).random(len(correct)) < 0.3  # several right answers
    grid = np.linspace(0, 1, 4001)
    best = max(weighted_credit(shares, correct, np.array([t, 1 - t])).sum() for t in grid)
    found = learn_weights(shares, correct)
    assert found.sum() == pytest.approx(1) and (found >= 0).all()
    assert weighted_credit(shares, correct, found).sum() >= best - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_three_members_reach_the_best_of_a_grid(seed):
    shares, correct = random_shares(3, items=40, seed=seed)
    ticks = np.linspace(0, 1, 81)
    grid = [(a, b, 1 - a - b) for a in ticks for b in ticks if a + b <= 1 + 1e-9]
    best = max(weighted_credit(shares, correct, np.array(w)).sum() for w in grid)
    found = learn_weights(shares, correct)
    assert found.sum() == pytest.approx(1) and (found >= 0).all()
    assert weighted_credit(shares, correct, found).sum() >= best - 1e-9


def test_the_solver_prints_nothing():
    """HiGHS repairs a solution of this programme and says so on stdout, from C++."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_scaling_weights import random_shares\n"
        "from ttscale.scaling.learning.weights import learn_weights\n"
        "print('before')\n"
        "learn_weights(*random_shares(4, items=50, seed=1))\n"
        "print('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "before\nafter\n"), done.stderr


def test_a_process_without_stdout_learns_too():
    code = (
        "import os, sys; sys.path.insert(0, 'tests'); os.close(1)\n"
        "from test_scaling_weights import random_shares\n"
        "from ttscale.scaling.learning.weights import learn_weights\n"
        "assert abs(learn_weights(*random_shares(3, items=20)).sum() - 1) < 1e-9\n"
        "os._exit(0)\n"  # at a normal end Python itself complains about its closed stdout
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_planted_optimum_is_found_in_its_middle():
    """Item 1 is right for shares of the first member above 1/3, item 2 below 3/5, and item 3 for none."""
    shares = np.array([[[0.8, 0.2], [0.3, 0.7], [0.1, 0.9]], [[0.35, 0.65], [0.8, 0.2], [0.2, 0.8]]])
    correct = np.array([[True, False]] * 3)
    found = learn_weights(shares, correct)
    assert weighted_credit(shares, correct, found).tolist() == [1, 1, 0]
    shares = np.concatenate([shares, np.array([[[0.0, 1.0]] * 3])])  # a third that is always wrong
    found = learn_weights(shares, correct)
    assert weighted_credit(shares, correct, found).tolist() == [1, 1, 0] and found[2] < 0.2


def test_one_member_or_no_answer_at_all():
    shares, correct = random_shares(1)
    assert learn_weights(shares, correct).tolist() == [1]
    assert learn_weights(np.zeros((2, 5, 0)), np.zeros((5, 0), bool)).tolist() == [0.5, 0.5]


def test_the_better_single_member():
    shares, correct = random_shares(2)
    shares[1] = correct  # always right
    assert best_single(shares, correct).tolist() == [0, 1]


def test_weights_are_scored_on_items_that_did_not_choose_them():
    """Members of pure noise: weights look good where they were learned, and not elsewhere."""
    optimism, gain = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet(np.ones(4), size=(2, 40))
        correct = np.eye(4, dtype=bool)[np.zeros(40, int)]
        found = cross_fitted(shares, correct, np.arange(40) % 2 == 0)
        optimism.append(found.optimism)
        gain.append(found.credit.mean() - 0.25)
    assert np.mean(optimism) > 0.05 and abs(np.mean(gain)) < 0.04


def test_cross_fitting_by_hand():
    """Each half's items need their own member: weights from one half fail on the other."""
    shares = np.array([[[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4, [[0.0, 1.0]] * 4 + [[1.0, 0.0]] * 4])
    correct = np.array([[True, False]] * 8)
    found = cross_fitted(shares, correct, np.arange(8) < 4)
    assert found.credit.tolist() == [0.0] * 8 and found.optimism == 1
    assert [half[0] > half[1] for half in found.halves] == [True, False]
