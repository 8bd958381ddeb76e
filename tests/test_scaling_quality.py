"""The metrics of probabilities against torchmetrics and scikit-free arithmetic, streamed and with cross-fitted heat."""

import math

import numpy as np
import pytest
import torch
from scaling_example import log_softmax, make_records, records_of_answers
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.quality import item_scores, scoring
from ttscale.scaling.quality.quality import doublings, quality
from ttscale.scaling.strategy import product, tta
from ttscale.voting.decisions import credit
from ttscale.voting.merges import merge


@pytest.fixture(scope="module")
def records():
    return make_records(301, views=3, classes=8)


def merged(records, strategy, k):
    """All in memory, one budget at a time."""
    at = {v: i for i, v in enumerate(records.variants)}
    return merge(np.stack([records.log_probs(m)[:, at[v]] for m, v in strategy.draws[:k]], 1), strategy.vote)


@pytest.mark.parametrize("k", [1, 4, 5])
def test_against_torchmetrics(records, k):
    strategy = product(records, ["s8-0", "s16-1"])
    found = quality(records, strategy, [k], n_boot=50).metrics(k)
    scores, labels = merged(records, strategy, k), torch.from_numpy(records.labels)
    p = torch.from_numpy(np.exp(scores))
    accuracies = [multiclass_accuracy(p, labels, num_classes=8, top_k=top, average="micro").item() for top in (1, 5)]
    assert [found.accuracy.value, found.top5.value] == pytest.approx(accuracies, abs=1e-6)
    ece = multiclass_calibration_error(p, labels, num_classes=8, n_bins=scoring.ECE_BINS, norm="l1").item()
    assert found.ece.value == pytest.approx(ece, abs=1e-6)
    nll = torch.nn.functional.nll_loss(torch.from_numpy(scores), labels).item()
    brier = (p - torch.nn.functional.one_hot(labels, 8)).square().sum(1).mean().item()
    assert [found.nll.value, found.brier.value] == pytest.approx([nll, brier], abs=1e-9)
    assert found.temperature is None


def test_accuracy_is_that_of_the_curve(records):
    strategy = tta(records, "s16-0", vote="log_mean")
    curve = accuracy_curve(records, strategy, n_boot=60)
    found = quality(records, strategy, [1, 2, 3], n_boot=60)
    for row, one in enumerate(found.metrics(k) for k in (1, 2, 3)):
        assert (one.accuracy.value, one.accuracy.low, one.accuracy.high) == (
            curve.accuracy[row], curve.low[row], curve.high[row],
        )  # fmt: skip


def test_temperatures_come_from_the_other_half(records):
    strategy, first = tta(records, "s8-0"), first_half(records.item_ids, None, seed=3)
    part = quality(records, strategy, [3], n_boot=50, seed=3).parts[0]
    scores = merged(records, strategy, 3)
    for column, learner in enumerate((first, ~first)):
        grid = np.linspace(0.5, 4, 3501)
        losses = [
            -log_softmax(scores[learner] / t)[np.arange(learner.sum()), records.labels[learner]].mean() for t in grid
        ]
        heat = grid[int(np.argmin(losses))]
        assert part.temperatures[0, column] == pytest.approx(heat, abs=2e-3)
        scored = log_softmax(scores[~learner] / part.temperatures[0, column])
        expected = -scored[np.arange((~learner).sum()), records.labels[~learner]]
        np.testing.assert_allclose(part.calibrated_nll[0, ~learner], expected, rtol=1e-9)
        np.testing.assert_allclose(part.calibrated_confidence[0, ~learner], np.exp(scored).max(1), rtol=1e-9)


def test_calibration_lowers_the_likelihood_loss_and_the_error_of_the_overconfident():
    records = make_records(1500, sizes=("s8",), seeds=1, views=2, classes=4)
    hot = Records.from_arrays(
        {"m": log_softmax(3.0 * records.log_probs("s8-0").astype(float))}, records.labels, flops={"m": 1e6}
    )
    found = quality(hot, tta(hot, "m"), [2], n_boot=50)
    raw, calibrated = found.metrics(2), found.metrics(2, calibrated=True)
    assert calibrated.temperature > 1.5
    assert calibrated.nll.high < raw.nll.low and calibrated.ece.value < 0.5 * raw.ece.value
    assert calibrated.accuracy == raw.accuracy


def test_the_mean_over_seeds_averages_items_and_errors(records):
    each = [quality(records, tta(records, name), [3], n_boot=50) for name in ("s8-0", "s8-1")]
    both = quality(records, [tta(records, name) for name in ("s8-0", "s8-1")], [3], n_boot=50)
    for of in ("accuracy", "nll", "brier", "ece"):
        mean = np.mean([getattr(one.metrics(3), of).value for one in each])
        assert getattr(both.metrics(3), of).value == pytest.approx(mean)
    np.testing.assert_allclose(both.of_items("nll", 3), (each[0].of_items("nll", 3) + each[1].of_items("nll", 3)) / 2)


def test_large_records_are_sampled_for_temperatures_alone(records, monkeypatch):
    whole = quality(records, tta(records, "s16-0"), [2], n_boot=50)
    monkeypatch.setattr(item_scores, "_MOST_VALUES", 8 * 100)
    sampled = quality(records, tta(records, "s16-0"), [2], n_boot=50)
    assert sampled.metrics(2) == whole.metrics(2)
    heats = [one.metrics(2, calibrated=True).temperature for one in (sampled, whole)]
    assert 0 < abs(heats[0] - heats[1]) < 0.3
    again = quality(records.take(np.arange(301)[::-1]), tta(records, "s16-0"), [2], n_boot=50)
    np.testing.assert_allclose(again.parts[0].temperatures, sampled.parts[0].temperatures, rtol=1e-6)


def test_ties_share_the_top_five():
    scores = np.log(np.array([[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]]))
    for label, expected in ((0, 1), (1, 1), (4, 3 / 5)):
        assert scoring.top_credit(scores, np.array([label]), 5) == pytest.approx(expected)
    rng = np.random.default_rng(0)
    tied, labels = np.log(rng.integers(1, 4, (200, 6)) / 6.0), rng.integers(0, 6, 200)
    np.testing.assert_allclose(scoring.top_credit(tied, labels, 1), credit(tied, labels))


def test_scores_by_hand():
    scores, labels = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])), np.array([0, 2])
    np.testing.assert_allclose(scoring.nll(scores, labels), [-math.log(0.7), -math.log(0.3)])
    np.testing.assert_allclose(scoring.brier(scores, labels), [0.09 + 0.04 + 0.01, 0.01 + 0.36 + 0.49])
    np.testing.assert_allclose(scoring.confidence(scores), [0.7, 0.6])
    gaps = scoring.calibration_gaps(np.array([0.7, 0.62, 0.6, 1.0]), np.array([1.0, 0.0, 0.0, 1.0]))
    assert gaps.shape == (15, 4) and gaps[10].tolist() == pytest.approx([0.3, 0, 0, 0])
    assert gaps[9].tolist() == pytest.approx([0, -0.62, 0, 0]) and gaps[8].tolist() == pytest.approx([0, 0, -0.6, 0])
    assert np.abs(gaps.mean(1)).sum() == pytest.approx((0.3 + 0.62 + 0.6 + 0) / 4)


@pytest.mark.parametrize("error", [0.0, 0.06])
def test_the_interval_of_the_calibration_error_covers_the_truth(error):
    """Probabilities that are too sure by the same everywhere: the error is just this, that of a sample is larger."""
    rng, hits, values = np.random.default_rng(5), 0, []
    for _ in range(60):
        sure = rng.uniform(0.56, 1.0, 400)
        right = rng.random(400) < sure - error
        p = np.stack([sure, 1 - sure], 1)
        records = Records.from_arrays({"m": np.log(p)[:, None]}, np.where(right, 0, 1), flops={"m": 1.0})
        ece = quality(records, tta(records, "m"), n_boot=100).metrics(1).ece
        hits += ece.low <= error <= ece.high
        values.append(ece.value)
        assert ece.low <= ece.value <= ece.high
    assert hits >= 54 and np.mean(values) > error + 0.003


def test_what_is_undefined():
    few = records_of_answers(np.random.default_rng(0).integers(0, 3, (20, 2)), np.zeros(20, int), 3)
    found = quality(few, tta(few, "m", vote="plurality"), n_boot=50)
    told = found.metrics(1)
    assert math.isnan(told.top5.value) and math.isinf(told.nll.value)
    assert math.isnan(told.nll.low) and 0 <= told.brier.value <= 2
    right = records_of_answers(np.zeros((40, 1), int), np.zeros(40, int), 3)
    agreed = quality(right, tta(right, "m"), [1], n_boot=50)
    assert agreed.metrics(1).accuracy.low == pytest.approx(40 / (40 + 1.959964**2))


def test_doublings():
    assert [doublings(n) for n in (1, 2, 5, 8)] == [[1], [1, 2], [1, 2, 4, 5], [1, 2, 4, 8]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: quality(r, []), "at least one strategy"), (lambda r: quality("x", tta(r, "s8-0")), "got str"),
        (lambda r: quality(r, tta(r, "s8-0"), [4]), "from 1 to the 3 draws"),
        (lambda r: quality(r, tta(r, "s8-0"), [1], n_boot=50).row(2), "one of the budgets of 'tta/s8-0', 1, got 2"),
        (lambda r: quality(r.take([0, 1]), tta(r, "s8-0")), "at least 4 items"),
        (lambda r: quality(r, tta(r, "s8-0"), ci=95), "Give 0.95"),
    ],
)  # fmt: skip
def test_bad_input(records, call, message):
    with pytest.raises(TtscaleError, match=message):
        call(records)
