"""Curves over every subset of samples or members, against enumeration; orders and their error; unequal samples."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scaling_example import make_records
from text_example import graded_of, make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import VERDICTS, TextDraw
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves import member_subsets, sampled_credits
from ttscale.scaling.curves.best_of import best_credits
from ttscale.scaling.curves.coverage import coverage_curve, pass_at_k
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.curves.estimate import EXACT, IN_ORDER, TIES
from ttscale.scaling.curves.member_subsets import member_credits
from ttscale.scaling.curves.subsets import Tally, first_seen_credits, majority_credits, tally_of, without_one
from ttscale.scaling.planning.options import average, groups
from ttscale.scaling.strategy import Strategy, ensemble, product, tta
from ttscale.voting.decisions import credit
from ttscale.voting.merges import merge


def voted(answers, right, ties, weights=None, best=False):
    """Credit of one vote over samples in their order, by a dictionary of totals."""
    weights = np.ones(len(answers)) if weights is None else weights
    totals: dict[int, float] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer >= 0 and weight > -math.inf:
            old = totals.get(answer)
            totals[answer] = weight if old is None else max(old, weight) if best else old + weight
    if not totals:
        return 0.0
    top = max(totals.values())
    tied = [answer for answer, total in totals.items() if total >= top - 1e-9]
    if ties == "first_seen":
        if not best:
            return float(right[tied[0]])
        return float(right[next(a for a, w in zip(answers, weights, strict=True) if a >= 0 and w >= top - 1e-9)])
    return sum(right[a] for a in tied) / len(tied) if ties == "shared" or len(tied) == 1 else 0.0


def enumerated(answers, right, k, ties, weights=None, best=False):
    """The mean of :func:`voted` over every subset of k samples, kept in order."""
    weights = np.ones(len(answers)) if weights is None else weights
    chosen = [list(s) for s in itertools.combinations(range(len(answers)), k)]
    return np.mean([voted(answers[s], right, ties, weights[s], best) for s in chosen])


def a_table(rng, rows=40, n=7, answers=4, right=0.35):
    """Answers ``[row, sample]`` with abstentions, and which answers are right ``[row, answer]``: none, one or more."""
    return rng.integers(-1, answers, (rows, n)), rng.random((rows, answers)) < right


def of_draws(answers, right):
    return np.take_along_axis(right, np.maximum(answers, 0), 1) & (answers >= 0)


@pytest.mark.parametrize("ties", TIES)
def test_plurality_of_every_subset(ties):
    rng = np.random.default_rng(0)
    answers, right = a_table(rng)
    n = rng.integers(4, 8, len(answers))
    answers[np.arange(7) >= n[:, None]] = -1
    hit, ks = of_draws(answers, right), np.arange(1, 8)
    got = (
        first_seen_credits(answers, hit, n, ks)
        if ties == "first_seen"
        else majority_credits(tally_of(answers, hit, n), ks, ties=ties)
    )
    for k in ks:
        expected = [
            enumerated(a[:m], r, k, ties) if k <= m else np.nan for a, r, m in zip(answers, right, n, strict=True)
        ]
        np.testing.assert_allclose(got[k - 1], expected, atol=1e-11)


@pytest.mark.parametrize("ties", TIES)
def test_best_of_every_subset(ties):
    """Scores of few values: most best ones are tied, within an answer and between answers."""
    rng = np.random.default_rng(1)
    answers, right = a_table(rng)
    n = rng.integers(4, 8, len(answers))
    answers[np.arange(7) >= n[:, None]] = -1
    scores = np.where(answers < 0, -np.inf, rng.integers(0, 3, answers.shape) / 2.0)
    got = best_credits(answers, of_draws(answers, right), scores, n, np.arange(1, 8), ties=ties)
    for k in range(1, 8):
        expected = [
            enumerated(a[:m], r, k, ties, s[:m], best=True) if k <= m else np.nan
            for a, r, s, m in zip(answers, right, scores, n, strict=True)
        ]
        np.testing.assert_allclose(got[k - 1], expected, atol=1e-11)


def test_ties_by_hand():
    """Two right, one wrong: the pairs tie twice of three times, and the wrong one is seen first in one of these."""
    answers = np.array([[0, 1, 0]])
    records = samples_of(np.repeat(answers, 2, 0), np.tile([True, False], (2, 1)))
    for ties, earned in (("shared", 2 / 3), ("strict", 1 / 3), ("first_seen", 2 / 3)):
        curve = accuracy_curve(records, n_boot=50, ties=ties)
        assert curve.accuracy == pytest.approx([2 / 3, earned, 1]) and (curve.ties, curve.estimator) == (ties, EXACT)
    numbered = [accuracy_curve(records, n_boot=50, ties=t, orders=0).accuracy[1] for t in TIES]
    assert numbered == [1 / 2, 1, 0]


def test_pairs_of_samples_are_worth_one():
    """With ties shared, two votes decide like one of them: no more and no less."""
    answers = np.random.default_rng(2).integers(0, 5, (50, 24))
    curve = accuracy_curve(samples_of(answers, np.eye(5, dtype=bool)[np.zeros(50, int)]), n_boot=50)
    np.testing.assert_allclose(curve.credit[1], curve.credit[0], atol=1e-11)
    np.testing.assert_allclose(curve.credit[0], (answers == 0).mean(1), atol=1e-11)


def test_ten_thousand_samples():
    """27 right and two wrong answers of 27 and 9: by symmetry twice the first and the last are pass@k of all 63."""
    n, ks = 10_000, np.array([1, 10, 100, 1000, 10_000])
    leads = [
        Tally(np.array([n]), np.array([[lead]]), np.array([rest])) for lead, rest in ((27, [27, 9]), (9, [27, 27]))
    ]
    one, other = (majority_credits(tally, ks)[:, 0] for tally in leads)
    exact = [float(1 - Fraction(math.comb(n - 63, k), math.comb(n, k))) for k in ks.tolist()]
    np.testing.assert_allclose(2 * one + other, exact, atol=1e-11)
    alone = majority_credits(Tally(np.array([n]), np.array([[27]]), np.zeros((1, 0), int)), ks)
    np.testing.assert_allclose(alone[:, 0], pass_at_k(n, 27, ks), atol=1e-11)


def test_a_budget_does_not_depend_on_the_others():
    answers = np.random.default_rng(3).integers(-1, 6, (30, 20))
    records = samples_of(answers, np.eye(6, dtype=bool)[np.zeros(30, int)])
    whole, some = (accuracy_curve(records, n_boot=50, budgets=b) for b in (None, [2, 7, 20]))
    assert np.array_equal(some.credit, whole.credit[[1, 6, 19]])


def test_tallies_without_one_sample():
    rng = np.random.default_rng(4)
    answers, right = a_table(rng, rows=25)
    n = np.full(25, 7)
    fewer, rows, times = without_one(tally_of(answers, of_draws(answers, right), n))
    assert np.array_equal(np.bincount(rows, times), n) and (fewer.n == 6).all()
    got = majority_credits(fewer, np.array([1, 2, 3]))
    for row in range(25):
        left = [np.delete(answers[row], j) for j in range(7)]
        for k in (1, 2, 3):
            expected = sorted(enumerated(one, right[row], k, "shared") for one in left)
            found = np.repeat(got[k - 1, rows == row], times[rows == row].astype(int))
            np.testing.assert_allclose(np.sort(found), expected, atol=1e-11)


def weighted_records(seed=0, items=60, n=8):
    rng = np.random.default_rng(seed)
    answers = rng.integers(-1, 4, (items, n))
    judge = rng.random((items, n)) + 0.3 * (answers == 0)
    return samples_of(answers, np.eye(4, dtype=bool)[np.zeros(items, int)], scores={"judge": judge}), answers, judge


@pytest.mark.parametrize("ties", TIES)
def test_orders_approach_every_subset_and_tell_their_error(ties):
    records, answers, judge = weighted_records()
    curves = [
        accuracy_curve(records, n_boot=50, vote="weighted:judge", ties=ties, orders=32, seed=seed) for seed in range(40)
    ]
    right = np.array([True, False, False, False])
    exact = [
        np.mean([enumerated(a, right, k, ties, w) for a, w in zip(answers, judge, strict=True)]) for k in range(1, 9)
    ]
    found = np.array([curve.accuracy for curve in curves])
    error = np.sqrt(np.mean([np.square(curve.sampling_error) for curve in curves], axis=0))
    assert error[0] == 0 == error[-1] and (error[1:6] > 0).all()
    assert error[6] == 0  # a round leaves each of the 8 samples out once
    assert found[0, 0] == pytest.approx(exact[0]) and found[0, -1] == pytest.approx(exact[-1])
    np.testing.assert_allclose(found.std(axis=0, ddof=1)[1:-1], error[1:-1], rtol=0.35, atol=1e-12)  # 40 seeds: 11 %
    assert (np.abs(found.mean(axis=0) - exact) <= 4 * error / math.sqrt(40) + 1e-12).all()
    assert curves[0].estimator == "mean over 32 random orders"


@pytest.mark.parametrize("ties", TIES)
def test_too_many_samples_are_averaged_over_orders(ties, monkeypatch):
    answers, right = a_table(np.random.default_rng(5), rows=120, n=10)
    records = samples_of(answers, right)
    exact = accuracy_curve(records, n_boot=50, ties=ties)
    for name in ("majority_credits", "first_seen_credits"):
        monkeypatch.setattr(sampled_credits, name, lambda *a, **b: None)
    rough = accuracy_curve(records, n_boot=50, ties=ties, orders=200)
    assert exact.estimator == EXACT != rough.estimator and not exact.sampling_error.any()
    assert rough.accuracy[[0, -1]] == pytest.approx(exact.accuracy[[0, -1]])
    assert (np.abs(rough.accuracy - exact.accuracy) <= 4 * rough.sampling_error + 1e-12).all()
    assert 0 < rough.sampling_error[4] < 0.005


def test_work_has_a_limit():
    tally = Tally(np.array([4000]), np.array([[2000]]), np.array([[1500, 500]]))
    assert majority_credits(tally, np.array([4000])) is None
    assert majority_credits(tally, np.array([1])) == pytest.approx(0.5)


def test_one_sample_of_each_pool_is_no_choice():
    records = make_text_records(20)
    one = accuracy_curve(records, sampled.greedy(records, "big"), n_boot=50)
    assert one.estimator == IN_ORDER and one.accuracy[0] == (records.graded().answers[:, 2 * 17] == 0).mean()
    team = make_text_records(40, members=("a", "b", "c"), variants=("plain",), samples=1, greedy=False, other=0)
    found = member_credits(team, sampled.ensemble(team, ["a", "b", "c"]), np.array([1, 2, 3]))
    assert found.estimator == "mean over 32 random orders" and found.error[1] > 0 == found.error[2]


@pytest.mark.parametrize("vote", ["plurality", "best:judge", "weighted:judge"])
@pytest.mark.parametrize("ties", TIES)
def test_several_pools_against_every_choice(vote, ties):
    """Every choice of samples for the strategy's draws, which come from two pools in turn and are seen in its order."""
    draws = [TextDraw("m", v, "T1", s) for v, n in (("plain", 3), ("order1", 3)) for s in range(n)]
    rng = np.random.default_rng(6)
    answers, judge = rng.integers(-1, 3, (16, 6)), rng.integers(1, 4, (16, 6)) / 2
    correct = np.eye(3, dtype=bool)[np.zeros(16, int)]
    records = Records.from_graded(graded_of(answers, correct, draws, scores={"judge": judge}))
    strategy = sampled.mixture(records, "m", decoding="T1", vote=vote)
    estimate = sampled_credits.sampled_credits
    runs = [estimate(records, strategy, np.arange(1, 7), orders=60, seed=s, ties=ties) for s in range(20)]
    accuracy = np.mean([one.credit.mean(axis=1) for one in runs], axis=0)
    error = np.sqrt(np.mean([np.square(one.error) for one in runs], axis=0) / len(runs))
    weights = np.ones(judge.shape) if vote == "plurality" else judge
    for k in range(1, 7):
        earned = []
        for one, two in itertools.product(
            itertools.permutations(range(3), -(-k // 2)), itertools.permutations(range(3, 6), k // 2)
        ):
            taken = np.empty(k, int)
            taken[::2], taken[1::2] = one, two
            for row, weight in zip(answers, weights, strict=True):
                earned.append(voted(row[taken], correct[0], ties, weight[taken], vote == "best:judge"))
        assert abs(accuracy[k - 1] - np.mean(earned)) <= 4 * error[k - 1] + 1e-9


def test_the_strategy_says_whose_answer_was_seen_first():
    """The first pool is always right and the other always wrong: no choice of samples changes anything."""
    draws = [TextDraw("m", v, "T1", s) for v in ("plain", "order1") for s in range(4)]
    answers = np.tile([0] * 4 + [1] * 4, (10, 1))
    records = Records.from_graded(graded_of(answers, np.tile([True, False], (10, 1)), draws))
    curve = accuracy_curve(records, sampled.mixture(records, "m", decoding="T1"), ties="first_seen", n_boot=50)
    assert curve.accuracy.tolist() == [1.0] * 8


def ragged(n, rows=None):
    """Records of one pool whose items have ``n [item]`` samples, with the answers; the last have fewest."""
    n = np.asarray(n)
    rng = np.random.default_rng(7)
    answers = np.where(np.arange(n.max()) < n[:, None], rng.integers(-1, 3, (len(n), n.max())), -1)
    draws = [TextDraw("m", "plain", "T1", s) for s in range(n.max())]
    judge = np.where(np.arange(n.max()) < n[:, None], rng.random(answers.shape), np.nan)
    graded = graded_of(answers, np.eye(3, dtype=bool)[np.zeros(len(n), int)], draws, scores={"judge": judge})
    drawn = np.arange(n.max()) < n[:, None]
    tokens = np.where(drawn, 5 + np.arange(len(n))[:, None], 0).astype(np.int32)
    flops = np.where(drawn, tokens, 0.0)
    return Records.from_graded(replace(graded, drawn=drawn, n_tokens=tokens, flops=flops)), answers


def test_items_of_unequal_samples_use_all_they_have():
    n = np.array([4, 6, 9, 4, 7] * 4)
    records, answers = ragged(n)
    right = np.array([True, False, False])
    draws = tuple(TextDraw("m", "plain", "T1", s) for s in range(4))
    for vote in ("plurality", "best:judge", "weighted:judge"):
        strategy = Strategy(f"samples/m/T1/{vote}", "samples", draws, vote, "m")
        curve = accuracy_curve(records, strategy, n_boot=50)
        score = records.graded().scores["judge"]
        for k in (1, 2, 4):
            expected = np.array([
                enumerated(
                    a[:m], right, k, "shared", None if vote == "plurality" else s[:m], best=vote == "best:judge"
                )
                for a, s, m in zip(answers, score, n, strict=True)
            ])  # fmt: skip
            if vote == "weighted:judge":
                assert abs(curve.accuracy[k - 1] - expected.mean()) <= 4 * curve.sampling_error[k - 1] + 1e-9
            else:
                np.testing.assert_allclose(curve.credit[k - 1], expected, atol=1e-11)
    covered = coverage_curve(records, strategy, n_boot=50)
    counted = (answers == 0).sum(1)
    np.testing.assert_allclose(covered.credit, pass_at_k(n, counted, np.arange(1, 5)[:, None]), atol=1e-12)
    assert np.array_equal(covered.counts.n, n) and np.array_equal(covered.counts.c, counted)
    assert covered.tokens[0] == pytest.approx((5 + np.arange(20)).mean())  # each item's own mean
    assert covered.flops[1] - covered.flops[0] == pytest.approx((5 + np.arange(20)).mean())  # each item's own mean


def test_right_and_wrong_alone():
    """Counts: a perfect checker picks, so that best-of-k is pass@k."""
    n, c = np.full(40, 8), np.random.default_rng(8).integers(0, 9, 40)
    answers = (np.arange(8) >= c[:, None]).astype(int)
    given = samples_of(answers, np.tile([True, False], (40, 1)), scores={"correct": answers == 0})
    verdicts = np.tile([True, False], (40, 1))
    records = Records.from_graded(
        replace(
            given.graded(), answers_known=False, grader=VERDICTS, correct=verdicts, texts=(("right", "wrong"),) * 40
        )
    )
    curve = accuracy_curve(records, n_boot=50)
    np.testing.assert_allclose(curve.credit, pass_at_k(n, c, np.arange(1, 9)[:, None]), atol=1e-11)
    assert curve.vote == "best:correct" and np.array_equal(curve.counts.c, c)
    assert accuracy_curve(given, n_boot=50).counts is None


@pytest.mark.parametrize("vote", ["mean", "plurality"])
@pytest.mark.parametrize("ties", ["shared", "strict"])
def test_members_over_all_their_subsets(vote, ties):
    records = make_records(50, sizes=("s8",), seeds=4, views=2)
    names = [member.name for member in records.members]
    stored = {name: records.log_probs(name) for name in names}
    for strategy in (ensemble(records, names, vote=vote), product(records, names, vote=vote)):
        budgets = np.arange(1, len(strategy.draws) + 1)
        found = member_credits(records, strategy, budgets, ties=ties)
        for k in budgets:
            view, size = (k - 1) // 4, (k - 1) % 4 + 1
            earned = []
            for some in itertools.combinations(names, size):
                draws = [stored[name][:, v] for v in range(view) for name in names]
                draws += [stored[name][:, view] for name in some]
                one = credit(merge(np.stack(draws, 1), vote), records.labels)
                earned.append(one if ties == "shared" else one == 1)
            np.testing.assert_allclose(found.credit[k - 1], np.mean(earned, axis=0), atol=1e-12)
    assert found.estimator == "exact over all subsets of the members" and not found.error.any()
    with pytest.raises(TtscaleError, match="every view by each member in turn"):
        member_credits(records, replace(strategy, draws=strategy.draws[::-1][1:]), np.array([1]))


def test_some_subsets_of_many_members(monkeypatch):
    records = make_records(80, sizes=("s8",), seeds=7, views=1)
    strategy = ensemble(records, [member.name for member in records.members])
    budgets = np.arange(1, 8)
    exact = member_credits(records, strategy, budgets)
    monkeypatch.setattr(member_subsets, "MOST_SUBSETS", 100)
    monkeypatch.setattr(member_subsets, "SAMPLED", 10)
    some = [member_credits(records, strategy, budgets, seed=seed) for seed in range(60)]
    assert np.array_equal(some[0].credit[[0, 5, 6]], exact.credit[[0, 5, 6]])  # of 7, 7 and 1 subsets
    assert some[0].estimator == "mean over 10 subsets of the members"
    error = np.sqrt(np.mean([np.square(one.error) for one in some], axis=0))
    spread = np.std([one.credit.mean(axis=1) for one in some], axis=0, ddof=1)
    np.testing.assert_allclose(spread[1:5], error[1:5], rtol=0.35)
    np.testing.assert_allclose(error[[0, 5, 6]], 0, atol=1e-12)


def test_a_team_of_seeds_costs_the_mean_of_its_orders():
    records = make_records(60, sizes=("s8",), seeds=3, views=1)
    (team,) = (group for group in groups([records], vote="mean")["s8"] if group.turns)
    option = average(team, ci=0.95, n_boot=50, seed=0)
    alone = [accuracy_curve(records, tta(records, member.name), n_boot=50) for member in records.members]
    assert option.curve.accuracy[0] == pytest.approx(np.mean([one.accuracy[0] for one in alone]))
    assert option.curve.accuracy[-1] == option.parts[0].accuracy[-1] and option.curve.strategy is None
    assert option.curve.flops.tolist() == [1e6, 2e6, 3e6] and option.curve.multiplier.tolist() == [1, 2, 3]


def test_language_models_that_differ_in_their_seed_take_turns_in_every_order():
    records = make_text_records(80, members=("a", "b", "c"), variants=("plain",), samples=4, greedy=False)
    strategy = sampled.ensemble(records, ["a", "b", "c"])
    budgets = np.arange(1, 13)
    found = member_credits(records, strategy, budgets)
    singles = [accuracy_curve(records, sampled.samples(records, name), n_boot=50) for name in "abc"]
    np.testing.assert_allclose(found.credit[0], np.mean([one.credit[0] for one in singles], axis=0), atol=1e-12)
    pairs = [
        accuracy_curve(records, sampled.ensemble(records, list(pair)), n_boot=50, budgets=[2], orders=400).accuracy[0]
        for pair in itertools.combinations("abc", 2)
    ]
    assert abs(found.credit[1].mean() - np.mean(pairs)) < 4 * found.error[1] + 0.003
    some = member_credits(records, strategy, np.array([2, 5]))
    assert np.array_equal(some.credit, found.credit[[1, 4]])
    assert found.error[-1] == 0 and found.estimator.endswith("random orders")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ties": "first"}, "one of shared, first_seen, strict, got 'first'"),
        ({"vote": "weighted:none"}, "weights that add up to 0"),
        ({"interval": "normal"}, "interval"),
    ],
)
def test_bad_input(change, message):
    answers = np.zeros((6, 3), int)
    records = samples_of(answers, np.ones((6, 1)), scores={"none": np.zeros((6, 3))})
    with pytest.raises(TtscaleError, match=message):
        accuracy_curve(records, n_boot=50, **change)


def test_images_have_no_first_class_seen():
    records = make_records(20, views=2)
    with pytest.raises(TtscaleError, match="no first one seen"):
        accuracy_curve(records, n_boot=50, ties="first_seen")
    shared, strict = (accuracy_curve(records, vote="plurality", n_boot=50, ties=t) for t in ("shared", "strict"))
    assert np.array_equal(strict.credit, np.floor(shared.credit)) and strict.accuracy[1] < shared.accuracy[1]
