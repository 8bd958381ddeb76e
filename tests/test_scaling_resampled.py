"""What is resampled, and when."""

import numpy as np
import pytest
from scaling_example import make_records

from ttscale.scaling.curves.combined import mean_curve
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals import resampled
from ttscale.scaling.intervals.bootstrap import bootstrap_means
from ttscale.scaling.intervals.interval import percentiles, wilson
from ttscale.scaling.learning.crossed import cross_fitted
from ttscale.scaling.learning.learners import Policy
from ttscale.scaling.strategy import tta


def test_rows_of_credits_by_hand():
    credit = np.random.default_rng(0).choice([0.0, 0.5, 1.0], size=(3, 40))
    credit[1] = 1.0
    found = resampled.Resampled(credit, None, 0.9, 50, 3)
    np.testing.assert_allclose(found.accuracy, credit.mean(1))
    expected = bootstrap_means(credit, n_boot=50, seed=3)
    np.testing.assert_array_equal(found.replicates, expected)
    low, high = percentiles(expected, 0.9)
    assert found.bounds[0].tolist() == [low[0], wilson(40, 40, 0.9)[0], low[2]]
    assert found.bounds[1].tolist() == [high[0], 1.0, high[2]]
    some = found.at_rows(np.array([2, 0]))
    np.testing.assert_array_equal(some.replicates, expected[:, [2, 0]])
    assert found.n_units == 40 and resampled.Resampled(credit, np.arange(40) // 4, 0.9, 50, 3).n_units == 10


def test_only_what_is_asked_for_is_resampled(monkeypatch: pytest.MonkeyPatch):
    rows = []

    def counted(values, **options):
        rows.append(len(values))
        return bootstrap_means(values, **options)

    monkeypatch.setattr(resampled, "bootstrap_means", counted)
    records = make_records(120, sizes=("s8",), seeds=3, views=4)
    members = [member.name for member in records.members]
    mean = mean_curve([accuracy_curve(records, tta(records, name), n_boot=60) for name in members], "tta/s8")
    learned = cross_fitted(records, Policy(tta(records, members[0])), n_boot=60)
    assert rows == [] and learned.optimism.shape == (4,)
    np.testing.assert_array_equal(mean.low, percentiles(mean.replicates, 0.95)[0])
    assert rows == [4] and (mean.high > mean.low).all()
