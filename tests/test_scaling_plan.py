"""Plans: what is chosen, on which items, the file, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scaling_example import make_records

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals.bootstrap import bootstrap_means
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.planning.candidates import PLAN_VOTES, candidates
from ttscale.scaling.planning.plan import choose, plan
from ttscale.scaling.planning.planned import Plan, load_plan
from ttscale.scaling.strategy import tta


@pytest.fixture(scope="module")
def records():
    return make_records(400, sizes=("s8", "s16"), seeds=2)


@pytest.fixture(scope="module")
def chosen(records):
    return plan(records, min_accuracy=0.6, n_boot=200, votes=("mean", "plurality"), learn=False)


def all_points(records, votes):
    """(bound and accuracy on the choosing half, accuracy on the other, FLOPs, strategy, k), by direct computation."""
    first = first_half(records.item_ids, None, seed=0)
    found = []
    for strategy in candidates(records, votes=votes):
        curve = accuracy_curve(records, strategy, n_boot=200)
        for row, k in enumerate(curve.budgets):
            found.append((curve.credit[row, first], curve.credit[row, ~first], curve.flops[row], strategy, int(k)))
    means = bootstrap_means(np.array([chosen for chosen, *_ in found]), n_boot=200)
    accuracy, error = np.array([chosen.mean() for chosen, *_ in found]), means.std(axis=0, ddof=1)
    largest = ((means - accuracy) / error).max(axis=1)
    q = np.sort(largest)[189]  # the 190th of 200: 95 %
    alone = np.sort(means, axis=0)[9]  # the 10th of 200: 5 %
    bounds = np.minimum(accuracy - q * error, alone)
    return [
        (bound, chosen.mean(), other.mean(), flops, strategy, k)
        for bound, (chosen, other, flops, strategy, k) in zip(bounds, found, strict=True)
    ]


def test_the_cheapest_that_reaches_the_target(records, chosen):
    points = all_points(records, ("mean", "plurality"))
    good = [p for p in points if p[0] >= 0.6]
    cheapest = min(p[3] for p in good)
    best = max((p for p in good if p[3] == cheapest), key=lambda p: p[1])
    assert (chosen.strategy, chosen.k) == (best[4].name, best[5])
    assert chosen.flops == cheapest == chosen.flops_worst and chosen.n_candidates == len(points)
    assert chosen.chosen_on.lower_bound == pytest.approx(best[0])
    assert chosen.chosen_on.accuracy == pytest.approx(best[1]) and chosen.scored_on.accuracy == pytest.approx(best[2])
    assert chosen.optimism == pytest.approx(best[1] - best[2])
    assert chosen.chosen_on.n_items == chosen.scored_on.n_items == 200
    for half in (chosen.chosen_on, chosen.scored_on):
        assert max(half.low, half.lower_bound) <= half.accuracy <= half.high
    assert chosen.scored_on.low <= chosen.scored_on.lower_bound


def test_what_is_written_down(records, chosen):
    strategy = next(s for s in candidates(records, votes=("mean", "plurality")) if s.name == chosen.strategy)
    assert chosen.draws == strategy.draws[: chosen.k] and chosen.vote == strategy.vote
    assert [m["name"] for m in chosen.members] == list(dict.fromkeys(m for m, _ in chosen.draws))
    assert chosen.members[0]["spec"] == "arrays:" + chosen.members[0]["name"]
    assert chosen.multiplier == chosen.flops / records.draw_flops(chosen.reference_member, "identity")
    assert chosen.ties == "keyed" and chosen.confidence == 0.95 and chosen.target == {"min_accuracy": 0.6}


def relabelled(records, labels):
    log_probs = {m.name: records.log_probs(m.name) for m in records.members}
    cards, flops = ({m.name: getattr(m, part) for m in records.members} for part in ("card", "flops"))
    return Records.from_arrays(log_probs, labels, flops=flops, cards=cards)


def test_the_scoring_half_takes_no_part_in_the_choice(records, chosen):
    first = first_half(records.item_ids, None, seed=0)
    wrong = (records.labels + 1) % 5
    options = {"min_accuracy": 0.6, "n_boot": 200, "votes": ("mean", "plurality"), "learn": False}
    other = plan(relabelled(records, np.where(first, records.labels, wrong)), **options)
    assert (other.draws, other.vote, other.chosen_on) == (chosen.draws, chosen.vote, chosen.chosen_on)
    assert other.scored_on.accuracy < 0.4
    with pytest.raises(TtscaleError, match="best lower bound"):
        plan(relabelled(records, np.where(first, wrong, records.labels)), **options)


def test_optimism_is_positive_on_average():
    """Picking the most accurate of many on a half flatters it there, and the other half says so."""
    found = [plan(make_records(60, seed=s), max_flops=1e9, n_boot=50).optimism for s in range(25)]
    assert np.mean(found) > 0.01


def test_within_a_cost(records):
    best = plan(records, max_flops=8e6, n_boot=200, votes=("mean",), learn=False)
    points = [p for p in all_points(records, ("mean",)) if p[3] <= 8e6]
    top = max(p[1] for p in points)
    assert best.chosen_on.accuracy == pytest.approx(top) and best.flops <= 8e6
    assert best.flops == min(p[3] for p in points if p[1] == pytest.approx(top))
    assert best.target == {"max_flops": 8e6}


def test_same_seed_same_plan_other_seed_other_halves(records, chosen):
    assert plan(records, min_accuracy=0.6, n_boot=200, votes=("mean", "plurality"), learn=False) == chosen
    options = {"min_accuracy": 0.6, "n_boot": 100, "votes": ("mean",)}
    assert plan(records, **options) == plan(records, **options)
    assert plan(records, **options, seed=9).scored_on != chosen.scored_on


def test_clusters_stay_whole():
    records = make_records(120, clusters=[f"c{i % 12}" for i in range(120)])
    found = plan(records, min_accuracy=0.5, n_boot=100)
    assert found.chosen_on.n_items == 60


def test_saved_and_loaded(chosen, tmp_path):
    path = chosen.save(tmp_path / "new" / "plan.json")
    assert load_plan(path) == load_plan(str(path)) == load_plan(path.parent) == chosen
    assert chosen.save(tmp_path) == tmp_path / "plan.json"
    assert [p.name for p in path.parent.iterdir()] == ["plan.json"]  # no temporary file is left
    value = json.loads(path.read_text())
    assert value["schema_version"] == 1 and value["k"] == len(value["draws"]) and value["scored_on"]["n_items"] == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: "{", "no JSON"),
        (lambda v: "[]", "something else"),
        (lambda v: {**v, "kind_of_file": "records"}, "something else"),
        (lambda v: {**v, "schema_version": 9}, "schema version 1, got 9"),
        (lambda v: {k: x for k, x in v.items() if k != "draws"}, "missing or wrong part"),
        (lambda v: {**v, "extra": 1}, "missing or wrong part"),
        (lambda v: {**v, "scored_on": {"n_items": 3}}, "missing or wrong part"),
        (lambda v: {**v, "flops": "many"}, "text where a number belongs"),
        (lambda v: {**v, "k": v["k"] + 1}, "draws for k"),
        (lambda v: {**v, "vote": "median"}, "vote 'median'"),
        (lambda v: {**v, "members": []}, "members that it does not list"),
        (lambda v: {**v, "draws": ["ab"]}, "draws for k|does not list"),
    ],
)
def test_damaged_files_are_refused(chosen, tmp_path, change, message):
    new = change(replace(chosen, k=2, draws=chosen.draws[:1] * 2).as_dict())
    (tmp_path / "plan.json").write_text(new if isinstance(new, str) else json.dumps(new))
    with pytest.raises(TtscaleError, match=message):
        load_plan(tmp_path)


@pytest.mark.parametrize("path", [None, 5, ["plan.json"]])
def test_what_is_no_path_is_refused(chosen, path):
    for call in (load_plan, chosen.save):
        with pytest.raises(TtscaleError, match="path: expected a path"):
            call(path)


def test_progress_advances_to_the_end(records):
    told = []
    plan(records, max_flops=8e6, n_boot=50, learn=False, on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) == len(candidates(records, votes=PLAN_VOTES))
    told.clear()
    plan(records, max_flops=8e6, n_boot=50, on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) > len(candidates(records, votes=PLAN_VOTES))


def test_binary_and_missing_files_are_refused(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TtscaleError, match="no JSON"):
        load_plan(tmp_path / "x.json")
    with pytest.raises(TtscaleError, match=r"expected a plan\.json"):
        load_plan(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of them"),
        ({"min_accuracy": 0.5, "max_flops": 1e6}, "exactly one of them"),
        ({"min_accuracy": 80}, "Give 0.8 for 80 %"),
        ({"min_accuracy": 0.0}, "strictly between 0 and 1"),
        ({"min_accuracy": float("nan")}, "strictly between 0 and 1"),
        ({"max_flops": -1.0}, "a positive number"),
        ({"max_flops": 10.0}, r"at least the cheapest decision: 1 MFLOPs \(one view of s8-0\), got 10 FLOPs"),
        ({"min_accuracy": 0.999}, r"best lower bound is 0\.\d+ .*Ask for at most 0\.\d+"),
        ({"min_accuracy": 0.5, "confidence": 95}, "confidence: .*Give 0.95"),
        ({"min_accuracy": 0.5, "votes": ("men",)}, "Did you mean mean"),
        ({"min_accuracy": 0.5, "votes": [[]]}, "vote: "),
        ({"min_accuracy": 0.5, "votes": [None]}, "vote: "),
        ({"min_accuracy": 0.5, "votes": 3}, "a list of votes"),
        ({"min_accuracy": 0.5, "n_boot": 2}, "n_boot"),
        ({"min_accuracy": 0.5, "seed": 1.5}, "seed"),
    ],
)
def test_bad_input(records, options, message):
    with pytest.raises(TtscaleError, match=message):
        plan(records, **{"n_boot": 100, **options})


def test_a_plan_needs_costs_and_items(records):
    free = Records.from_arrays({"m": records.log_probs("s8-0")}, records.labels, flops={"m": float("nan")})
    with pytest.raises(TtscaleError, match="positive number of FLOPs"):
        plan(free, min_accuracy=0.5)
    with pytest.raises(TtscaleError, match="at least 4 items"):
        plan(records.take([0, 1, 2]), min_accuracy=0.5)
    with pytest.raises(TtscaleError, match="expected Records"):
        plan("runs/x", min_accuracy=0.5)


def test_a_plan_is_plain_data(chosen):
    assert json.loads(json.dumps(chosen.as_dict(), allow_nan=False))["ties"] == "keyed"
    assert isinstance(chosen, Plan)


def test_bounds_hold_for_all_candidates_at_once():
    """40 equal candidates, targets just above their truth: alone each bound errs in 5 %, together seldom more."""
    rng = np.random.default_rng(3)
    truth, misses = 0.7, 0
    for _ in range(80):
        right = rng.random((40, 400)) < truth
        log_probs = np.log(np.where(right[..., None] == np.array([True, False]), 0.9, 0.1))[:, :, None, :]
        records = Records.from_arrays({f"m{i:02d}": values for i, values in enumerate(log_probs)}, np.zeros(400, int))
        curves = [accuracy_curve(records, tta(records, member.name), n_boot=200) for member in records.members]
        first = first_half(records.item_ids, None, seed=0)
        try:
            choose(records, curves, first, min_accuracy=truth, n_boot=200, seed=0)
            misses += 1
        except TtscaleError:
            pass
    assert misses <= 16  # 40 bounds each for itself would let a lucky one through in nearly every run


def test_no_item_ever_wrong():
    """No resample differs from another: the bound is Wilson's, not a product of infinity and 0."""
    log_probs = np.log(np.broadcast_to([0.9, 0.1], (60, 3, 2)))
    found = plan(Records.from_arrays({"m": log_probs}, np.zeros(60, int)), max_flops=1e6, n_boot=50)
    assert found.k == 1 and found.chosen_on.accuracy == 1
    assert found.chosen_on.lower_bound == pytest.approx(30 / (30 + 1.644854**2), rel=1e-6)
