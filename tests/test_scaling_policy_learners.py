"""What is learned about draws: never from items that it is scored on, nothing from too few labels, and into plans."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scaling_example import log_softmax, make_records

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.learning import temperature
from ttscale.scaling.learning.at_hand import AtHand
from ttscale.scaling.learning.crossed import cross_fitted, planned
from ttscale.scaling.learning.learners import Policy, Selection, Weights, learner
from ttscale.scaling.learning.policies import learned_groups, planned_curves, policy_entries
from ttscale.scaling.planning.candidates import candidates
from ttscale.scaling.planning.plan import choose, plan
from ttscale.scaling.planning.planned import load_plan
from ttscale.scaling.strategy import by_rung, ensemble, product, rivals, spread, tta
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.headline import plan_words
from ttscale.scaling.summaries.summary import summarize
from ttscale.scaling.summaries.words import learned_words
from ttscale.voting.decisions import credit
from ttscale.voting.merges import merge
from ttscale.voting.weighting import Weighting

SETTINGS = {"n_boot": 60, "seed": 0}
KINDS = ("policy", "weights", "class_weights")


def uneven(n=400, qualities=(0.3, 1.6, 0.3, 1.6), classes=3, seed=0, members=("m",), **more):
    """Views of which every other one is far better than the plain one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    log_probs = {}
    for member in members:
        x = rng.normal(size=(n, len(qualities), classes))
        x[np.arange(n), :, labels] += np.array(qualities)
        log_probs[member] = log_softmax(x).astype(np.float32)
    return Records.from_arrays(log_probs, labels, **more)


def relabelled(records, items):
    """The same draws with other labels on these items."""
    labels = np.where(items, (records.labels + 1) % records.n_classes, records.labels)
    log_probs = {m.name: records.log_probs(m.name) for m in records.members}
    return Records.from_arrays(log_probs, labels, flops={m.name: m.flops for m in records.members})


def test_a_learned_order_takes_good_views_first():
    records = uneven()
    found = cross_fitted(records, Policy(tta(records, "m")), **SETTINGS)
    for one in (found.learned, *found.halves):
        assert {view for _, view in one.strategy.draws[:2]} == {"view1", "view3"}
    collected = accuracy_curve(records, tta(records, "m"), **SETTINGS)
    assert paired_difference(found.curve, 2, collected, 2).low > 0.05
    assert found.curve.at(4).value == collected.at(4).value and found.optimism[3] == pytest.approx(0, abs=1e-12)
    assert found.curve.name == "policy/m" and found.note == ""


def test_weights_count_good_views_more():
    records = uneven()
    base = tta(records, "m")
    collected = accuracy_curve(records, base, **SETTINGS)
    for per_class in (False, True):
        found = cross_fitted(records, Weights(base, per_class=per_class), **SETTINGS)
        weights = found.learned.strategy.weightings[4].weights
        assert (weights[[1, 3]] > weights[[0, 2]]).all() and found.note == ""
        assert paired_difference(found.curve, 4, collected, 4).low > 0
        assert found.curve.budgets.tolist() == [1, 2, 4]


@pytest.mark.parametrize("kind", KINDS)
def test_each_half_is_scored_under_what_the_other_taught(kind):
    records = uneven(members=("a", "b"), qualities=(0.3, 1.6, 0.3))
    made = learner(product(records, ["a", "b"], subject="both"), kind)
    found = cross_fitted(records, made, **SETTINGS)
    first = first_half(records.item_ids, None, seed=0)
    optimism = []
    for taught, learned in zip((first, ~first), found.halves, strict=True):
        again = made.learn(records, taught)
        assert again.strategy.draws == learned.strategy.draws
        ks = found.curve.budgets.tolist()
        alone = accuracy_curve(records.take(np.flatnonzero(~taught)), learned.strategy, budgets=ks, **SETTINGS)
        np.testing.assert_array_equal(found.curve.credit[:, ~taught], alone.credit)
        seen = accuracy_curve(records.take(np.flatnonzero(taught)), learned.strategy, budgets=ks, **SETTINGS)
        optimism.append(seen.accuracy - alone.accuracy)
    np.testing.assert_allclose(found.optimism, np.mean(optimism, axis=0), atol=1e-9)
    assert found.curve.name == f"{kind}/both/product" and found.learned.strategy.subject == "both"


@pytest.mark.parametrize("kind", KINDS)
def test_the_items_that_score_have_no_say(kind):
    records, base = uneven(), tta(uneven(), "m")
    first = first_half(records.item_ids, None, seed=0)
    other = relabelled(records, ~first)
    one, two = (learner(base, kind).learn(r, first).strategy for r in (records, other))
    assert one.draws == two.draws and one.weightings.keys() == two.weightings.keys()
    options = {"level": 0.95, **SETTINGS}
    one, two = (planned(r, first, learner(base, kind), **options) for r in (records, other))
    np.testing.assert_array_equal(one.credit[:, first], two.credit[:, first])
    assert two.credit[-1, ~first].mean() < 0.4 < one.credit[-1, ~first].mean()


def test_choosing_among_guesses_gains_nothing():
    """Twelve views that guess: the best looks better than chance where it was chosen, and is not elsewhere."""
    accuracy, optimism = [], []
    for seed in range(24):
        records = uneven(120, qualities=(0.0,) * 12, classes=4, seed=seed)
        found = cross_fitted(records, Policy(tta(records, "m"), objective="accuracy"), **SETTINGS)
        accuracy.append(found.curve.accuracy[0])
        optimism.append(found.optimism[0])
    assert abs(np.mean(accuracy) - 0.25) < 0.025 and np.mean(optimism) > 0.04


def test_too_few_labels_teach_nothing_and_say_so():
    few = uneven(60)
    for kind, what in zip(KINDS, ("draws stay as collected", "draws count alike", "draws count alike"), strict=True):
        found = cross_fitted(few, learner(tta(few, "m"), kind), **SETTINGS)
        assert what in found.note
        assert all("30 labels to learn from, 50 are needed" in half.note for half in found.halves)
        plain = accuracy_curve(few, tta(few, "m"), budgets=found.curve.budgets.tolist(), **SETTINGS)
        np.testing.assert_array_equal(found.curve.credit, plain.credit)
        first = first_half(few.item_ids, None, seed=0)
        assert planned(few, first, learner(tta(few, "m"), kind), level=0.95, **SETTINGS) is None


def test_labels_of_one_class_teach_nothing():
    records = uneven(200)
    same = records.take(np.flatnonzero(records.labels == 1))
    for kind in KINDS:
        learned = learner(tta(same, "m"), kind).learn(same, np.ones(same.n_items, bool))
        assert "of one class" in learned.note and not learned.strategy.weightings


def test_weights_of_each_class_need_labels_of_each():
    records = uneven(200, class_names=["cat", "dog", "owl"])
    kept = records.take(np.flatnonzero((records.labels != 2) | (np.arange(200) < 30)))
    learned = Weights(tta(kept, "m"), per_class=True).learn(kept, np.ones(kept.n_items, bool))
    n = int((kept.labels == 2).sum())
    assert f"{n} labels of 'owl' to learn from, 20 of every class are needed" in learned.note
    assert Weights(tta(kept, "m")).learn(kept, np.ones(kept.n_items, bool)).note == ""


def test_alike_views_keep_alike_weights():
    records = uneven(300, qualities=(1.0,) * 4)
    found = cross_fitted(records, Weights(tta(records, "m")), **SETTINGS)
    assert "cross-validation found no weights better than alike ones" in found.note


def test_temperatures_before_and_after():
    """Before the vote each member has its own, by its plain view; after it the weighted vote has one."""
    records = uneven(500, qualities=(0.6, 1.6), members=("a", "b"))
    sharp = {m: log_softmax(t * records.log_probs(m)) for m, t in (("a", 3.0), ("b", 0.5))}
    records = Records.from_arrays(sharp, records.labels)
    learned = Weights(product(records, ["a", "b"])).learn(records, np.ones(500, bool))
    plain = {m: temperature.fit(records.log_probs(m)[:, 0], records.labels) for m in "ab"}
    assert learned.temperatures == pytest.approx(plain) and plain["a"] > 4 * plain["b"]
    last = learned.strategy.weightings[4]
    assert last.temperatures.tolist() == pytest.approx([plain["a"], plain["b"]] * 2)
    x = np.stack([records.log_probs(m)[:, v] for v in (0, 1) for m in "ab"], 1)
    best = temperature.fit(merge(x, "mean", Weighting(last.weights, last.temperatures)), records.labels)
    assert last.temperature == pytest.approx(best, rel=1e-3)


def test_with_replacement_repeats_count_and_cost_nothing():
    records = uneven(qualities=(0.6, 2.5, 0.6, 1.0))
    learned = Policy(tta(records, "m"), replacement=True).learn(records, np.ones(400, bool))
    counts = np.array(learned.counts)
    assert len(counts) == 4 and counts.min() >= 1 < counts[0] and counts[0] == counts.max()
    np.testing.assert_allclose(learned.strategy.weightings[4].weights, counts / counts.sum())
    assert Policy(tta(records, "m")).learn(records, np.ones(400, bool)).counts == ()
    weights = learned.strategy.weightings[2].weights
    assert weights.sum() == pytest.approx(1) and weights[0] > 0.5 and learned.strategy.draws[0] == ("m", "view1")
    curve = accuracy_curve(records, learned.strategy, budgets=[2], **SETTINGS)
    assert curve.flops[0] == 2 * records.draw_flops("m", "identity")
    at = [records.variants.index(view) for _, view in learned.strategy.draws[:2]]
    scores = merge(records.log_probs("m")[:, at], "mean", Weighting(weights))
    np.testing.assert_array_equal(curve.credit[0], credit(scores, records.labels))


def test_a_product_is_weighted_in_whole_views():
    records = uneven(members=("a", "b", "c"), qualities=(0.3,) * 5)
    assert Weights(product(records, ["a", "b", "c"])).budgets.tolist() == [3, 6, 12, 15]
    assert Weights(ensemble(records, ["a", "b", "c"])).budgets.tolist() == [1, 2, 3]


def test_what_cannot_be_learned_is_refused():
    records = uneven(60)
    with pytest.raises(TtscaleError, match="base: expected the vote mean or log_mean, got plurality"):
        Weights(tta(records, "m", vote="plurality"))
    with pytest.raises(TtscaleError, match=r"kind: .*Did you mean weights"):
        learner(tta(records, "m"), "weigths")
    with pytest.raises(TtscaleError, match=r"variant: .*view9"):
        cross_fitted(records, Policy(replace(tta(records, "m"), draws=(("m", "view9"),))), **SETTINGS)
    with pytest.raises(TtscaleError, match=r"objective: .*Did you mean accuracy"):
        Policy(tta(records, "m"), objective="acc")
    with pytest.raises(TtscaleError, match="replacement: expected true or false"):
        Policy(tta(records, "m"), replacement="yes")
    with pytest.raises(TtscaleError, match="n_boot"):
        cross_fitted(records, Policy(tta(records, "m")), n_boot=1)


def test_alike_weights_of_several_members_keep_their_temperatures():
    """Three equally good members, not equally sure: no weights are better than alike ones at the members' own
    temperatures, and these are far better than alike ones of the outcomes as they are."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 2000)
    log_probs = {}
    for member, sharpness in (("a", 0.8), ("b", 1.0), ("c", 1.8)):
        x = rng.normal(size=(2000, 1, 10))
        x[np.arange(2000), :, labels] += 1.5
        log_probs[member] = log_softmax(1.5 * sharpness * x).astype(np.float32)
    records = Records.from_arrays(log_probs, labels)
    base = ensemble(records, list("abc"), subject="all")
    found = cross_fitted(records, Weights(base), **SETTINGS)
    own = {m: temperature.fit(records.log_probs(m)[:, 0], labels) for m in "abc"}
    assert found.note == "" and found.learned.temperatures == pytest.approx(own)
    for k, weighting in found.learned.strategy.weightings.items():
        assert weighting.weights is None and weighting.temperatures.tolist() == pytest.approx(list(own.values())[:k])
    collected = accuracy_curve(records, base, budgets=[1, 2, 3], **SETTINGS)
    assert found.curve.budgets.tolist() == [1, 2, 3] and paired_difference(found.curve, 3, collected, 3).low > 0.02
    x = np.concatenate(list(log_probs.values()), axis=1)
    first = first_half(records.item_ids, None, seed=0)
    for half, scored in zip(found.halves, (~first, first), strict=True):
        taught = [temperature.fit(log_probs[m][~scored, 0], labels[~scored]) for m in "abc"]
        expected = credit(merge(x[scored], "mean", Weighting(None, np.array(taught))), labels[scored])
        np.testing.assert_array_equal(found.curve.credit[2, scored], expected)
        assert half.strategy.weightings[3].temperature > 0


def test_a_plan_of_alike_weights_says_what_was_learned():
    words = learned_words("weights", weighted=False), learned_words("weights", weighted=True), learned_words("weights")
    assert words == (" at learned temperatures", " with learned weights", " with learned weights")
    assert learned_words("policy", weighted=True) == " in learned order, some counted more than once"
    assert learned_words("policy", weighted=False) == " in learned order"


def test_clusters_count_once():
    """Four videos of 100 frames are four things to learn from, whatever the number of labels."""
    rng = np.random.default_rng(0)
    few = uneven(400, clusters=[f"video {i // 100}" for i in range(400)])
    for kind in KINDS:
        learned = learner(tta(few, "m"), kind).learn(few, np.ones(400, bool))
        assert "4 clusters of labels to learn from, 50 are needed" in learned.note
        alone = learner(tta(few, "m"), kind).learn(few, np.arange(400) < 100)
        assert "1 cluster of labels to learn from" in alone.note
    # 70 clusters, each of one class but for a stray item: class 2 stands in few of them.
    x = rng.normal(size=(700, 4, 3))
    cluster = np.arange(700) // 10
    labels = np.where(cluster < 10, 2, cluster % 2)
    x[np.arange(700), :, labels] += 1.0
    records = Records.from_arrays(
        {"m": log_softmax(x).astype(np.float32)}, labels, clusters=[f"c{i}" for i in cluster],
        class_names=["cat", "dog", "owl"],
    )  # fmt: skip
    learned = Weights(tta(records, "m"), per_class=True).learn(records, np.ones(700, bool))
    assert "10 clusters of labels of 'owl' to learn from, 20 of every class are needed" in learned.note
    assert "clusters" not in Weights(tta(records, "m")).learn(records, np.ones(700, bool)).note


def test_clusters_are_learned_from_whole():
    records = uneven(clusters=[f"c{i // 4}" for i in range(400)])
    found = cross_fitted(records, Weights(tta(records, "m")), **SETTINGS)
    chose = [set(records.clusters[half.items]) for half in found.halves]
    assert not chose[0] & chose[1] and found.curve.units is not None


def zoo(n=300):
    return make_records(n, sizes=("s8", "s16"), seeds=2, views=4)


def test_the_groups_of_a_summary():
    records = zoo()
    found = {group.curve.name: group for group in learned_groups(records, vote="mean", **SETTINGS)}
    teams = [f"{kind}/{rest}" for kind in KINDS for rest in ("s8", "s8/product", "s16", "s16/product", "all/ensemble")]
    assert set(found) == {*teams, "spread/s8", "spread/s16", "spread/all"}
    assert all(group.curve.subject == name.split("/")[1] for name, group in found.items())
    one = found["policy/s16"]
    assert (one.of, one.beside.name, len(one.parts)) == ("tta", "tta/s16", 2)
    np.testing.assert_allclose(one.curve.credit, np.mean([part.curve.credit for part in one.parts], axis=0))
    turns = [spread(records, names) for names in (["s8-0", "s8-1"], ["s8-1", "s8-0"])]
    credits = [accuracy_curve(records, turn, **SETTINGS).credit for turn in turns]
    np.testing.assert_allclose(found["spread/s8"].curve.credit, np.mean(credits, axis=0))
    assert found["weights/all/ensemble"].beside.name == "ensemble/all" and found["spread/all"].parts == ()
    known = [group.beside for group in found.values()]
    again = learned_groups(records, vote="mean", known=known, **SETTINGS)
    assert all(group.beside is found[group.curve.name].beside for group in again)


def test_the_entries_of_a_summary():
    groups = learned_groups(zoo(), vote="mean", selection=Selection(replacement=True), **SETTINGS)
    entries = json.loads(json.dumps(json_ready(policy_entries(groups)), allow_nan=False))
    assert len(entries) == sum(max(1, len(group.parts)) for group in groups)
    by_curve = {group.curve.name: group for group in groups}
    for entry in entries:
        group = by_curve[entry["curve"]]
        assert entry["kind"] == group.curve.kind and entry["against"] == group.beside.name
        assert [point["k"] for point in entry["gain"]] == group.curve.budgets.tolist()
        k = entry["gain"][-1]["k"]
        assert entry["gain"][-1]["value"] == pytest.approx(paired_difference(group.curve, k, group.beside, k).value)
    policy = next(entry for entry in entries if entry["curve"] == "policy/s8/product")
    assert policy["member"] is None and sorted(policy["order"]) == sorted(set(policy["order"])) != policy["order"]
    assert all(sorted(half) == sorted(policy["order"]) for half in policy["halves"]) and ": " in policy["order"][0]
    orders = [entry for entry in entries if entry["kind"] == "policy"]
    assert all(len(entry["counts"]) == len(entry["order"]) and min(entry["counts"]) >= 1 for entry in orders)
    assert all(entry["counts"] is None for entry in entries if entry["kind"] != "policy")
    plainly = policy_entries(learned_groups(zoo(), vote="mean", **SETTINGS))
    assert all(entry["counts"] is None for entry in plainly)
    alone = [entry for entry in entries if entry["curve"] == "policy/s8"]
    assert [entry["member"] for entry in alone] == ["s8-0", "s8-1"]
    assert alone[0]["gain"] == alone[1]["gain"] and alone[0]["optimism"] == alone[1]["optimism"]
    weighted = [entry for entry in entries if entry["weights"]]
    assert weighted and all(np.sum(entry["weights"], axis=0) == pytest.approx(1) for entry in weighted)


def test_a_summary_whose_draws_may_be_chosen_again():
    records = uneven(300, qualities=(0.6, 2.5, 0.6, 1.0))
    found = summarize(records, min_accuracy=0.5, n_boot=60, replacement=True, objective="accuracy")
    assert found["run"]["replacement"] is True and found["run"]["objective"] == "accuracy"
    counts = [entry["counts"] for entry in found["policies"] if entry["kind"] == "policy"]
    expected = Policy(tta(records, "m"), "accuracy", True).learn(records, np.ones(300, bool)).counts
    assert counts == [list(expected)] and counts[0][0] > 1
    with pytest.raises(TtscaleError, match=r"objective: .*Did you mean accuracy"):
        summarize(records, objective="acc")


def test_under_the_plurality_only_orders_are_learned():
    groups = learned_groups(zoo(120), vote="plurality", **SETTINGS)
    assert {group.curve.kind for group in groups} == {"policy", "spread"}
    assert "policy/s8/product/plurality" in {group.curve.name for group in groups}


def test_what_was_made_of_another_size_is_no_team_mate():
    log_probs = {m.name: zoo(60).log_probs(m.name) for m in zoo(60).members}
    cards = {m.name: dict(m.card) for m in zoo(60).members}
    cards["s16-1"] = {"size": "s16 int8", "of": "s16"}
    records = Records.from_arrays(log_probs, zoo(60).labels, cards=cards)
    assert rivals(records.members) == {"s16 int8": "s16"} and "s16 int8" in by_rung(records.members)
    everyone = next(one for one in candidates(records) if one.name == "ensemble/all")
    assert everyone.members == ("s8-0", "s8-1", "s16-0")
    names = {group.curve.name for group in learned_groups(records, vote="mean", **SETTINGS)}
    assert "policy/s16" in names and "policy/s16 int8" not in names


def test_plans_take_what_was_learned_and_keep_it(tmp_path):
    records = uneven(800)
    chosen = plan(records, max_flops=2.0, n_boot=100)
    assert chosen.strategy == "policy/m" and chosen.weights is None and chosen.temperature > 0
    assert {view for _, view in chosen.draws} == {"view1", "view3"}
    assert chosen.scored_on.accuracy > plan(records, max_flops=2.0, n_boot=100, learn=False).scored_on.accuracy + 0.05
    assert load_plan(chosen.save(tmp_path)) == chosen


def test_a_plan_of_draws_that_count_more_than_once(tmp_path):
    records = uneven(800, qualities=(0.6, 2.5, 0.6, 1.0))
    chosen = plan(records, max_flops=2.0, n_boot=100, replacement=True)
    assert chosen.kind == "policy" and chosen.weights[0] > chosen.weights[1]
    assert load_plan(chosen.save(tmp_path)) == chosen and "some counted more than once" in plan_words(chosen)
    with pytest.raises(TtscaleError, match="objective"):
        plan(records, max_flops=4.0, objective="acc")


def test_a_plan_takes_what_is_at_hand_and_comes_out_the_same(monkeypatch):
    """Its first half is that of the summary: neither curves nor what either taught are computed again."""
    records = zoo()
    learned = learned_groups(records, vote="mean", **SETTINGS)
    curves = [accuracy_curve(records, one, **SETTINGS) for one in candidates(records, votes=("mean",))]
    curves = [replace(curve, name="other") for curve in curves]
    calls = {"curves": 0, "learned": 0}

    def counted(what, function):
        def call(*arguments, **options):
            calls[what] += 1
            return function(*arguments, **options)

        return call

    monkeypatch.setattr("ttscale.scaling.planning.plan.accuracy_curve", counted("curves", accuracy_curve))
    monkeypatch.setattr(Policy, "learn", counted("learned", Policy.learn))
    monkeypatch.setattr(Weights, "learn", counted("learned", Weights.learn))
    settings = {"max_flops": 1e30, "votes": ("mean",), **SETTINGS}
    alone = plan(records, **settings)
    before, calls = calls, {"curves": 0, "learned": 0}
    assert plan(records, at_hand=AtHand(curves, learned), **settings) == alone
    assert before["curves"] == len(curves) and calls["curves"] == 0
    assert before["learned"] - calls["learned"] == sum(len(group.parts) for group in learned)


def weighted_plan(records, kind):
    first = first_half(records.item_ids, None, seed=0)
    curve = planned(records, first, learner(tta(records, "m"), kind), level=0.95, **SETTINGS)
    at_last = curve.at_rows(np.array([len(curve.budgets) - 1]))
    return choose(records, [at_last], first, max_flops=1e9, **SETTINGS), curve.strategy.weightings[4]


@pytest.mark.parametrize("kind", ["weights", "class_weights"])
def test_weights_survive_the_file(tmp_path, kind):
    records = uneven(class_names=["cat", "dog", "owl"])
    chosen, weighting = weighted_plan(records, kind)
    loaded = load_plan(chosen.save(tmp_path))
    assert loaded == chosen and chosen.class_names == ("cat", "dog", "owl")
    np.testing.assert_array_equal(loaded.weighting.weights, weighting.weights)
    assert loaded.weighting.temperature == weighting.temperature
    assert len(set(loaded.temperatures)) == 1 and np.shape(loaded.weights) == ((4,) if kind == "weights" else (4, 3))
    x = records.log_probs("m", slice(0, 50))
    np.testing.assert_array_equal(merge(x, loaded.vote, loaded.weighting), merge(x, chosen.vote, weighting))


@pytest.mark.parametrize(
    "change",
    [
        {"weights": [0.5, 0.6, 0.0, 0.0]}, {"weights": [1.0]}, {"weights": ["a"] * 4}, {"temperatures": [1, 1, 0, 1]},
        {"temperature": -1.0}, {"temperature": "warm"}, {"weights": [[0.5, 0.5]] * 4},
    ],
)  # fmt: skip
def test_damaged_weights_are_refused(tmp_path, change):
    path = weighted_plan(uneven(), "weights")[0].save(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(TtscaleError, match=r"plan: expected a whole plan\.json"):
        load_plan(path)


def test_plans_of_before_weights_still_load(tmp_path):
    chosen = plan(uneven(), max_flops=1.0, n_boot=60, learn=False)
    path = chosen.save(tmp_path)
    value = json.loads(path.read_text())
    for name in ("weights", "temperatures", "temperature", "class_names"):
        value.pop(name)
    path.write_text(json.dumps(value))
    assert load_plan(path) == replace(chosen, class_names=None) and load_plan(path).weighting is None


def test_planned_curves_are_candidates_of_the_choosing_half():
    records = zoo(200)
    first = first_half(records.item_ids, None, seed=0)
    told = []
    curves = planned_curves(records, first, vote="mean", level=0.95, on_progress=told.append, **SETTINGS)
    assert told == sorted(told) and told[-1] == 1
    names = {curve.name for curve in curves}
    assert {"policy/s8-0", "policy/s16/product", "policy/all/ensemble"} <= names
    assert not any(name.startswith(("spread", "policy/all/product")) or name == "policy/s8/ensemble" for name in names)
