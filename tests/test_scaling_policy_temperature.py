"""Temperatures against a bounded scalar search and by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ttscale.scaling.learning import temperature


def scores(n=400, classes=5, sharpness=2.0, seed=0):
    """Outcomes whose true temperature is ``sharpness``: labels are drawn from them before they are sharpened."""
    rng = np.random.default_rng(seed)
    x = log_softmax(1.5 * rng.normal(size=(n, classes)), -1)
    labels = (np.exp(x).cumsum(-1) < rng.random((n, 1))).sum(-1)
    return log_softmax(sharpness * x, -1), labels


@pytest.mark.parametrize(("sharpness", "classes"), [(0.2, 5), (1.0, 3), (3.0, 40), (8.0, 5)])
@pytest.mark.parametrize("n", [7, 400])
def test_the_most_likely_temperature(n, sharpness, classes):
    x, labels = scores(n, classes, sharpness)

    def loss(inverse):
        return -np.take_along_axis(log_softmax(x * inverse, -1), labels[:, None], -1).sum()

    found = minimize_scalar(loss, bounds=(1 / 20, 20), method="bounded", options={"xatol": 1e-10})
    assert temperature.fit(x, labels) == pytest.approx(1 / found.x, rel=1e-5)
    assert temperature.fit(x - 3.0, labels) == pytest.approx(temperature.fit(x, labels), rel=1e-9)  # up to a constant


def test_two_classes_by_hand():
    """Three of four items are right, each by one nat: p = 1 / (1 + exp(−1/T)) is ¾ at T = 1 / log 3."""
    x, labels = np.tile([0.0, -1.0], (4, 1)), np.array([0, 0, 0, 1])
    assert temperature.fit(x, labels) == pytest.approx(1 / np.log(3))
    np.testing.assert_allclose(np.exp(temperature.log_likelihood(x, labels, 1 / np.log(3))), [0.75] * 3 + [0.25])


def test_where_the_likelihood_has_no_peak():
    x = np.log([[0.9, 0.1], [0.8, 0.2]])
    assert temperature.fit(x, np.array([0, 0])) == pytest.approx(temperature.LEAST, rel=1e-3)  # always right
    assert temperature.fit(x, np.array([1, 1])) == pytest.approx(temperature.MOST, rel=1e-3)  # always wrong
    assert temperature.fit(np.zeros((3, 4)), np.array([0, 1, 2])) == 1  # nothing to sharpen
    assert temperature.fit(x[:0], np.array([], int)) == 1


def test_probability_zero_is_no_infinite_loss():
    x = np.array([[0.0, -np.inf], [0.0, -np.inf], [-np.inf, 0.0]])
    labels = np.array([0, 1, 1])
    assert np.isfinite(temperature.log_likelihood(x, labels)).all()
    assert 0 < temperature.fit(x, labels) <= temperature.MOST


def test_blocks_do_not_matter(monkeypatch):
    x, labels = scores(200)
    whole = temperature.fit(x, labels)
    monkeypatch.setattr(temperature, "_VALUES_AT_ONCE", 35)
    assert temperature.fit(x, labels) == pytest.approx(whole, rel=1e-9)
