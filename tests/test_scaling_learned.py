"""Ensembles of learned shares and quotas: honest curves at finite budgets, plans, and plans that run."""

import math
from dataclasses import replace

import language_run as fake
import numpy as np
import pytest
from text_example import graded_of, make_text_records

import ttscale as tts
from ttscale.collecting.collect import collect
from ttscale.draws.sampling import sampling
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.learning.learned import (
    can_share,
    cross_fitted_team,
    equal_compute,
    learn_cross_fitted,
    planned_curve,
    team,
)
from ttscale.scaling.planning.candidates import candidates
from ttscale.scaling.planning.plan import choose, plan
from ttscale.scaling.planning.planned import load_plan

SETTINGS = {"n_boot": 100, "seed": 0}


def complementary(n=80, samples=8, seed=0, members=("a", "b", "c"), **more):
    """Each of the first two members knows half of the items for certain and guesses widely at the others; the third
    insists on one wrong answer everywhere."""
    rng = np.random.default_rng(seed)
    knows = np.arange(n) % 2 == 0
    draws, columns = [], []
    for member, sure in zip(members, (knows, ~knows, np.zeros(n, bool)), strict=False):
        for sample in range(samples):
            guess = rng.integers(1, 6, n) if member != "c" else np.full(n, 6)
            draws.append(TextDraw(member, "plain", "T0.8", sample))
            columns.append(np.where(sure, 0, guess))
    answers = np.stack(columns, 1)
    correct = np.zeros((n, 7), bool)
    correct[:, 0] = True
    return Records.from_graded(graded_of(answers, correct, draws, **more))


def relabelled(records, items):
    """The same draws, of which on these items another answer is right."""
    graded = records.graded()
    correct = graded.correct.copy()
    correct[items] = np.roll(correct[items], 1, axis=1)
    return Records.from_graded(replace(graded, correct=correct), item_ids=records.item_ids.tolist())


def test_learned_shares_leave_out_who_only_lures():
    records = complementary()
    learned = learn_cross_fitted(records, seed=0)
    found = cross_fitted_team(records, learned, vote="plurality", ci=0.95, **SETTINGS)
    uniform = accuracy_curve(records, sampled.ensemble(records, ["a", "b", "c"]), **SETTINGS)
    k = int(found.curve.budgets[-1])
    assert learned.weights[2] < 0.2 and found.curve.at(k).value > uniform.at(k).value
    assert found.ceiling.value == 1 and found.curve.name == "learned/all/T0.8"


def test_the_cross_fitted_curve_is_put_together_of_what_each_half_learned():
    records = make_text_records(60)
    learned, first = learn_cross_fitted(records, seed=0), first_half(records.item_ids, None, seed=0)
    found = cross_fitted_team(records, learned, vote="plurality", ci=0.95, **SETTINGS).curve
    costs = []
    for weights, items in zip(learned.halves, (~first, first), strict=True):
        one = team(records, weights, kind="learned", vote="plurality")
        ks = found.budgets.tolist()
        alone = accuracy_curve(records.take(np.flatnonzero(items)), one, budgets=ks, **SETTINGS)
        np.testing.assert_allclose(found.credit[:, items], alone.credit)
        costs.append(alone)
    np.testing.assert_allclose(found.flops, (costs[0].flops + costs[1].flops) / 2)  # halves of 30 items
    np.testing.assert_allclose(found.tokens, (costs[0].tokens + costs[1].tokens) / 2)
    np.testing.assert_allclose(found.multiplier, found.flops / found.reference_flops)


def test_no_label_is_used_twice_by_a_plan():
    """Members that guess: learned shares gain nothing on the half that chose, although they were fitted to it."""
    gains, fitted = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        answers = rng.integers(0, 4, (48, 18))
        draws = [TextDraw(m, "plain", "T1", s) for m in "abc" for s in range(6)]
        correct = np.eye(4, dtype=bool)[np.zeros(48, int)]
        records = Records.from_graded(graded_of(answers, correct, draws))
        first = first_half(records.item_ids, None, seed=0)
        curve = planned_curve(records, first, vote="plurality", level=0.95, n_boot=50, seed=0)
        if curve is None:
            continue
        gains.append(curve.credit[-1, first].mean() - 0.25)
        again = accuracy_curve(records, curve.strategy, n_boot=50, budgets=[int(curve.budgets[-1])])
        fitted.append(again.credit[0, first].mean() - 0.25)
        np.testing.assert_allclose(curve.credit[-1, ~first], again.credit[0, ~first])
    assert len(gains) > 15 and abs(np.mean(gains)) < 0.03 < np.mean(fitted)


def test_the_scoring_half_has_no_say_in_the_shares():
    records = complementary()
    first = first_half(records.item_ids, None, seed=0)
    options = {"vote": "plurality", "level": 0.95, **SETTINGS}
    one, other = (planned_curve(r, first, **options) for r in (records, relabelled(records, np.flatnonzero(~first))))
    assert one.strategy == other.strategy and np.array_equal(one.credit[:, first], other.credit[:, first])
    assert other.credit[-1, ~first].mean() < 0.5 < one.credit[-1, ~first].mean()


def test_a_plan_takes_learned_shares_where_they_are_needed(tmp_path):
    records = complementary(120, 12)
    chosen = plan(records, min_accuracy=0.85, n_boot=200)
    assert chosen.kind == "learned" and chosen.strategy == "learned/all/T0.8" and chosen.scored_on.accuracy > 0.85
    assert {member["name"] for member in chosen.members} == {draw.member for draw in chosen.draws}
    assert load_plan(chosen.save(tmp_path)) == chosen


def test_quotas_spend_as_much_on_each_member():
    records = make_text_records(40)
    shares = equal_compute(records)
    graded = records.graded()
    held = graded.pools
    each = [graded.flops[:, held[member, "plain", "T0.8"]].mean() for member in ("small", "big")]
    spent = shares * each
    assert spent[0] == pytest.approx(spent[1]) and shares.sum() == pytest.approx(1)
    strategy = next(s for s in candidates(records) if s.kind == "quotas")
    assert strategy.draws == team(records, shares, kind="quotas", vote="plurality").draws
    assert equal_compute(make_text_records(40, flops=False)) is None
    assert not any(s.kind == "quotas" for s in candidates(make_text_records(40, flops=False)))


def test_where_there_is_nothing_to_share():
    first = np.arange(40) < 20
    options = {"vote": "plurality", "level": 0.95, **SETTINGS}
    assert not can_share(make_text_records(40, members=("m",)))
    assert planned_curve(make_text_records(40, members=("m",)), first, **options) is None
    one_each = complementary(40, samples=1)
    assert not can_share(one_each) and planned_curve(one_each, first, **options) is None
    few = complementary(6)
    assert planned_curve(few, first_half(few.item_ids, None, seed=0), **options) is None  # 3 items to learn from
    scores = {"judge": np.ones((80, 16))}
    scores["judge"][:, 8:] = math.nan  # b was never judged
    judged = complementary(members=("a", "b"), scores=scores)
    learned = learn_cross_fitted(judged, seed=0)
    assert cross_fitted_team(judged, learned, vote="weighted:judge", ci=0.95, **SETTINGS) is None
    assert cross_fitted_team(judged, learned, vote="plurality", ci=0.95, **SETTINGS) is not None


@pytest.mark.parametrize("kind", ["learned", "quotas"])
def test_a_plan_of_shares_runs(monkeypatch, tmp_path, kind):
    """Collected, planned, saved, loaded and wrapped: the wrapped plan asks each member for its share of the samples."""
    fake.install(monkeypatch)
    models = [fake.member("a"), fake.member("b")]
    records = collect(models, fake.sums(24), draws=sampling(8, 0.7), out=tmp_path / "r", seed=3, progress=False)
    first = first_half(records.item_ids, None, seed=0)
    if kind == "learned":
        curve = planned_curve(
            records, first, vote="plurality", level=0.95, shares=np.array([0.7, 0.3]), **SETTINGS
        )  # fmt: skip
    else:
        curve = accuracy_curve(records, team(records, np.array([0.7, 0.3]), kind=kind, vote="plurality"), n_boot=100)
    chosen = choose(records, [curve.at_rows(np.array([len(curve.budgets) - 1]))], first, max_flops=1e9, **SETTINGS)
    assert chosen.kind == kind and chosen.k == curve.budgets[-1]
    counts = [sum(draw.member == m for draw in chosen.draws) for m in "ab"]
    assert counts[0] / sum(counts) == pytest.approx(0.7, abs=0.5 / sum(counts) + 1e-9)
    monkeypatch.setattr("ttscale.deploy.language.generator_for", lambda model, **k: fake.Adder(model.name, k["seed"]))
    better = tts.wrap(models, load_plan(chosen.save(tmp_path / "plan.json")))
    problems = fake.sums(24)
    answers = better(problems.questions, problems.item_ids)
    columns = [records.graded().draws.index(draw) for draw in chosen.draws]
    texts = records.texts()
    assert [answer.texts for answer in answers] == [tuple(row[c] for c in columns) for row in texts]
