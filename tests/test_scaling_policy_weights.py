"""Learned weights against a general solver, and how far few labels move them."""

import math

import numpy as np
import pytest
from scaling_example import log_softmax
from scipy.optimize import minimize
from scipy.special import softmax

from ttscale.scaling.intervals.halves import folds
from ttscale.scaling.learning import temperature
from ttscale.scaling.learning.view_weights import STRENGTHS, learn_weights
from ttscale.voting.merges import merge
from ttscale.voting.weighting import Weighting


def outcomes(draws=4, items=200, classes=3, seed=0, quality=(0.3, 1.0, 2.0, 0.6)):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, items)
    x = rng.normal(size=(draws, items, classes))
    x[:, np.arange(items), labels] += np.resize(quality, draws)[:, None]
    return log_softmax(x), labels


def dealt(items, n=4):
    return np.arange(items) % n


def objective_of(x, labels, strength, vote, sets):
    """Mean loss with the Dirichlet penalty, over (logits of the weights, log of the inverse temperature)."""
    draws, items, classes = x.shape
    summed = np.exp(x) if vote == "mean" else x

    def objective(parameters):
        weights = softmax(parameters[:-1].reshape(sets, draws), axis=1)
        scores = np.einsum("cd,dnc->nc", np.broadcast_to(weights, (classes, draws)), summed)
        scores = np.exp(parameters[-1]) * (np.log(scores) if vote == "mean" else scores)
        loss = -log_softmax(scores)[np.arange(items), labels].mean()
        return loss - strength / weights.size * np.log(weights).sum()

    return objective


@pytest.mark.parametrize("vote", ["mean", "log_mean"])
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("strength", [1.0, 0.05])
def test_weights_are_those_of_a_general_solver(vote, per_class, strength):
    """BFGS in double precision, with derivatives by differences."""
    x, labels = outcomes()
    found = learn_weights(x, labels, dealt(200), vote=vote, per_class=per_class, strength=strength).weights
    sets = 3 if per_class else 1
    objective = objective_of(x, labels, strength, vote, sets)
    best = minimize(objective, np.zeros(4 * sets + 1), method="BFGS", options={"gtol": 1e-6})
    weights = softmax(best.x[:-1].reshape(sets, 4), axis=1)
    assert found.shape == ((4, 3) if per_class else (4,))
    np.testing.assert_allclose(found, weights.T if per_class else weights[0], atol=0.02)
    np.testing.assert_allclose(found.sum(0), 1)
    reached = objective(np.append(np.log(found.T.ravel()), best.x[-1]))
    assert best.fun - 1e-6 <= reached < best.fun + 1e-4  # nats


def test_one_draw_has_all_the_weight():
    x, labels = outcomes(draws=1)
    assert learn_weights(x, labels, dealt(200)).weights.tolist() == [1.0]


@pytest.mark.parametrize("options", [{}, {"vote": "log_mean"}, {"per_class": True}])
def test_a_stronger_prior_keeps_weights_more_alike(options):
    x, labels = outcomes()
    spread = [np.ptp(learn_weights(x, labels, dealt(200), strength=s, **options).weights) for s in STRENGTHS]
    assert spread[0] == 0 and spread == sorted(spread)


@pytest.mark.parametrize("options", [{}, {"vote": "log_mean"}])
def test_good_draws_are_found_by_cross_validation(options):
    x, labels = outcomes(items=400)
    found = learn_weights(x, labels, dealt(400), **options)
    assert math.isfinite(found.strength) and found.weights.argmax() == 2 and found.weights.argmin() == 0


@pytest.mark.parametrize("options", [{}, {"vote": "log_mean"}, {"per_class": True}])
def test_few_labels_of_exchangeable_draws_cannot_hurt(options):
    """Nothing is to be gained: most samples of 60 labels keep alike weights, and the others move little."""
    kept, excess = 0, []
    for seed in range(16):
        x, labels = outcomes(items=2060, seed=seed, quality=(1.0,))
        found = learn_weights(x[:, :60], labels[:60], dealt(60), **options)
        kept += math.isinf(found.strength)
        assert math.isfinite(found.strength) or (found.weights == 0.25).all()
        fresh, vote = x[:, 60:].transpose(1, 0, 2), options.get("vote", "mean")
        losses = []
        for weights in (found.weights, None):
            scores = merge(fresh, vote, Weighting(weights))
            losses.append(-temperature.log_likelihood(scores, labels[60:], temperature.fit(scores, labels[60:])).mean())
        excess.append(losses[0] - losses[1])
    assert kept >= 10 and np.mean(excess) < 0.005 and max(excess) < 0.05


def test_classes_may_trust_unlike_draws():
    """Draw 0 sees class 0, draw 1 the others: weights of each class say so."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    x = rng.normal(size=(2, 600, 3))
    x[0, :, 0] += 3 * (labels == 0)
    for c in (1, 2):
        x[1, :, c] += 3 * (labels == c)
    weights = learn_weights(log_softmax(x), labels, dealt(600), per_class=True).weights
    assert weights[0, 0] > 0.6 and (weights[1, 1:] > 0.6).all()
    np.testing.assert_allclose(weights.sum(0), 1)


def test_probability_zero_spoils_nothing():
    x, labels = outcomes()
    x[1, 0] = np.where(np.arange(3) == labels[0], -np.inf, np.log(0.5))
    for options in ({}, {"vote": "log_mean"}, {"per_class": True}):
        assert np.isfinite(learn_weights(x, labels, dealt(200), **options).weights).all()


def test_a_step_of_the_search_that_goes_far_is_no_overflow():
    """Few labels of good draws: the likelihood goes on growing as the temperature falls."""
    rng = np.random.default_rng(26)
    labels = rng.integers(0, 3, 75)
    x = rng.normal(size=(75, 4, 3))
    x[np.arange(75), :, labels] += np.array([0.6, 2.5, 0.6, 1.0])
    found = learn_weights(log_softmax(x).transpose(1, 0, 2), labels, dealt(75), per_class=True, strength=0.1)
    assert np.isfinite(found.weights).all() and temperature.LEAST <= found.temperature < 1


def test_folds_keep_clusters_whole_and_are_alike_in_size():
    ids = np.array([f"i{i}" for i in range(90)])
    clusters = np.array([f"c{i // 3}" for i in range(90)])
    dealt_ids, dealt_clusters = folds(ids, None, 4, seed=0), folds(ids, clusters, 4, seed=0)
    assert sorted(np.bincount(dealt_ids)) == [22, 22, 23, 23]
    assert all(len(set(dealt_clusters[i : i + 3])) == 1 for i in range(0, 90, 3))
    order = np.random.default_rng(0).permutation(90)
    assert np.array_equal(folds(ids[order], None, 4, seed=0), dealt_ids[order])
    assert not np.array_equal(folds(ids, None, 4, seed=1), dealt_ids)
