"""Greedy selection of draws against a naive search in double precision, and the sample that it reads."""

import numpy as np
import pytest
from scaling_example import log_softmax, make_records
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.learning.greedy import greedy_path
from ttscale.scaling.learning.sample import read_sample
from ttscale.scaling.strategy import product, tta


def outcomes(draws=7, items=150, classes=4, seed=0):
    """Draws of unlike quality, ``[draw, item, class]``, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, items)
    x = rng.normal(size=(draws, items, classes)) + 0.7 * rng.normal(size=(items, classes))
    x[:, np.arange(items), labels] += rng.uniform(0, 2, draws)[:, None]
    return log_softmax(x), labels


def merged(x, chosen, vote):
    return logsumexp(x[chosen], axis=0) if vote == "mean" else x[chosen].mean(axis=0)


def likelihood(scores, labels, temperature):
    x = log_softmax(scores / temperature)
    return x[np.arange(len(labels)), labels].mean()


def best_temperature(scores, labels):
    found = minimize_scalar(
        lambda log_t: -likelihood(scores, labels, np.exp(log_t)), bounds=np.log([0.05, 20]), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return float(np.exp(found.x))


def naive(x, labels, vote, replacement, steps):
    """Every candidate at its own temperature: algorithm 1 of greedy policy search."""
    chosen = []
    for _ in range(steps):
        left = [draw for draw in range(len(x)) if replacement or draw not in chosen]
        chosen.append(max(left, key=lambda draw: calibrated(x, [*chosen, draw], labels, vote)))
    return chosen, best_temperature(merged(x, chosen, vote), labels), calibrated(x, chosen, labels, vote)


def calibrated(x, chosen, labels, vote="mean"):
    merge = merged(x, chosen, vote)
    return likelihood(merge, labels, best_temperature(merge, labels))


@pytest.mark.parametrize("vote", ["mean", "log_mean"])
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_draws_as_a_naive_search(vote, replacement, seed):
    x, labels = outcomes(seed=seed)
    path = greedy_path(x, labels, vote=vote, replacement=replacement)
    chosen, temperature, score = naive(x, labels, vote, replacement, 7)
    assert path.chosen[:7].tolist() == chosen
    assert path.temperature[6] == pytest.approx(temperature, rel=1e-4)
    assert path.score[6] == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("vote", ["mean", "log_mean"])
def test_draws_that_are_not_equally_sure(vote):
    """Two members, one twice as sure as the other: temperatures of candidates lie far apart."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        x, labels = outcomes(draws=10, items=400, classes=5, seed=seed)
        x = log_softmax(x * np.repeat([1.5, 3.0], 5)[:, None, None] + 0.3 * rng.normal(size=(400, 5)))
        path = greedy_path(x, labels, vote=vote)
        chosen, best, reached = [], -np.inf, []
        for at in path.chosen:
            left = [draw for draw in range(10) if draw not in chosen]
            best = max(calibrated(x, [*chosen, draw], labels, vote) for draw in left)
            chosen.append(int(at))
            reached.append(best - calibrated(x, chosen, labels, vote))
        assert max(reached) < 1e-3  # nats: each step is as good as the best, whatever came before


def test_many_classes_and_blocks_of_items(monkeypatch):
    x, labels = outcomes(draws=5, items=700, classes=30)
    whole = greedy_path(x, labels)
    monkeypatch.setattr("ttscale.scaling.learning.greedy._VALUES_AT_ONCE", 30 * 130)
    split = greedy_path(x, labels)
    assert np.array_equal(split.chosen, whole.chosen) and whole.chosen.tolist() == naive(x, labels, "mean", False, 5)[0]


@pytest.mark.parametrize(("vote", "objective"), [("mean", "accuracy"), ("plurality", "log_likelihood")])
def test_accuracy_shares_the_credit_of_ties(vote, objective):
    x, labels = outcomes(draws=6, items=120)
    states = np.exp(x) if vote == "mean" else (x == x.max(-1, keepdims=True)).astype(float)

    def accuracy(chosen):
        total = states[chosen].sum(0)
        best = np.isclose(total, total.max(-1, keepdims=True), rtol=1e-6)
        return (best[np.arange(120), labels] / best.sum(-1)).mean()

    chosen = []
    for _ in range(6):
        left = [draw for draw in range(6) if draw not in chosen]
        chosen.append(max(left, key=lambda draw: round(accuracy([*chosen, draw]), 9)))
    path = greedy_path(x, labels, vote=vote, objective=objective)
    assert path.chosen.tolist() == chosen
    np.testing.assert_allclose(path.score, [accuracy(chosen[: k + 1]) for k in range(6)], rtol=1e-6)


def test_a_draw_that_misleads_comes_last_and_is_never_repeated():
    x, labels = outcomes()
    x[3] = log_softmax(2.0 * np.eye(4)[(labels + 1) % 4])
    assert greedy_path(x, labels).order[-1] == 3
    again = greedy_path(x, labels, replacement=True)
    assert (again.chosen == 3).sum() <= 1
    counts, temperature = again.counts(2)
    steps = [step for step in range(len(again.chosen)) if len(set(again.chosen[: step + 1].tolist())) == 2]
    best = max(steps, key=lambda step: again.score[step])
    assert counts.tolist() == [(again.chosen[: best + 1] == draw).sum() for draw in again.order[:2]]
    assert temperature == again.temperature[best]


def test_equal_draws_keep_their_order():
    x, labels = outcomes(draws=1)
    assert greedy_path(np.repeat(x, 4, axis=0), labels).chosen.tolist() == [0, 1, 2, 3]


def test_unknown_objectives_and_votes_are_refused():
    x, labels = outcomes(draws=2)
    with pytest.raises(TtscaleError, match=r"objective: .*Did you mean accuracy"):
        greedy_path(x, labels, objective="acuracy")
    with pytest.raises(TtscaleError, match="vote: expected mean"):
        greedy_path(x, labels, vote="median")


def test_a_sample_is_what_the_records_hold():
    records = make_records(50, sizes=("s8",), seeds=2, views=3, dtype=np.float16)
    items = np.arange(50) % 2 == 0
    sample = read_sample(records, product(records, ["s8-1", "s8-0"]).draws, items, seed=0)
    assert sample.log_probs.shape == (6, 25, 5) and sample.log_probs.dtype == np.float32
    np.testing.assert_array_equal(sample.log_probs[3], records.log_probs("s8-0")[items, 1].astype(np.float32))
    assert np.array_equal(sample.positions, np.flatnonzero(items))
    assert np.array_equal(sample.labels, records.labels[items])


def test_what_does_not_fit_is_sampled_by_key():
    """The items that are taken depend on their ids and the seed alone: neither on their order nor on the others."""
    records = make_records(60, sizes=("s8",), seeds=1, views=3, clusters=[f"c{i // 3}" for i in range(60)])
    draws = tta(records, "s8-0").draws
    room = 4 * 3 * 5 * 20
    few = read_sample(records, draws, np.ones(60, bool), seed=0, max_bytes=room)
    assert few.n_items == 20 and (np.diff(few.positions) > 0).all()
    np.testing.assert_array_equal(few.log_probs[1], records.log_probs("s8-0")[few.positions, 1])
    assert few.clusters.tolist() == [f"c{i // 3}" for i in few.positions]
    order = np.random.default_rng(0).permutation(60)
    shuffled = read_sample(records.take(order), draws, np.ones(60, bool), seed=0, max_bytes=room)
    assert set(shuffled.item_ids) == set(few.item_ids)
    assert set(read_sample(records, draws, np.ones(60, bool), seed=1, max_bytes=room).item_ids) != set(few.item_ids)
    with pytest.raises(TtscaleError, match="max_bytes: expected room for the outcomes of one item, 60 bytes"):
        read_sample(records, draws, np.ones(60, bool), seed=0, max_bytes=59)


def test_outcomes_that_are_no_log_probabilities_are_refused():
    records = make_records(20, sizes=("s8",), seeds=1, views=2)
    broken = Records(
        records.manifest, records.item_ids, records.labels, records._blocks, records._flops, checked=()
    )  # fmt: skip
    broken.log_probs("s8-0")[3] += 1.0
    with pytest.raises(TtscaleError, match="s8-0"):
        read_sample(broken, tta(broken, "s8-0").draws, np.ones(20, bool), seed=0)
