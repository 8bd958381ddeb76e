"""Gains by class, family and difficulty, and under shifts: against arithmetic by hand."""

import json
import math

import numpy as np
import pytest
from scaling_example import log_softmax, make_records, records_of_answers

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.credits import prefix_credits
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import wilson
from ttscale.scaling.learning.learners import learner
from ttscale.scaling.planning.options import beside_plain
from ttscale.scaling.quality import breakdown as module
from ttscale.scaling.quality.breakdown import breakdown
from ttscale.scaling.strategy import ensemble, kin, product, tta
from ttscale.scaling.summaries.shifts import summarize_shifts
from ttscale.scaling.summaries.summary import summarize


def own(*curves):
    return [(curve, curve) for curve in curves]


def three_members() -> Records:
    """Item by item: what members a, b and c say on two views; the label is 0 or 1."""
    said = {
        "a": [[0, 0], [1, 0], [1, 1], [0, 1], [0, 1], [1, 1], [0, 0], [1, 1]],
        "b": [[0, 0], [0, 0], [1, 0], [0, 0], [0, 0], [0, 0], [1, 1], [1, 1]],
        "c": [[0, 0], [0, 0], [0, 0], [1, 0], [0, 0], [0, 0], [0, 0], [1, 1]],
    }
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    several = {name: records_of_answers(np.array(x), labels, 2).log_probs("m") for name, x in said.items()}
    return Records.from_arrays(several, labels, class_names=["no", "yes"], families=list("ffggffgg"))


def test_groups_by_hand():
    records = three_members()
    curve = accuracy_curve(records, tta(records, "a"), n_boot=60)
    parts = breakdown(records, own(curve))
    found = {(part.by, part.group): part for part in parts}
    assert [key for key in found if key[0] != "difficulty"] == [
        ("class", "no"), ("class", "yes"), ("family", "f"), ("family", "g"),
    ]  # fmt: skip
    # b and c on the plain view: items 0, 1 and 7 right by both, 2, 3 and 6 by one, 4 and 5 by neither
    wrong = {"all others right": [0, 1, 7], "half or more wrong": [2, 3, 6], "all others wrong": [4, 5]}
    assert [group for by, group in found if by == "difficulty"] == list(wrong)
    for group, items in wrong.items():
        part = found["difficulty", group]
        assert part.n_items == len(items) and (part.curve, part.k, part.against) == ("tta/a", 2, "tta/a")
        plain, spent = curve.credit[0, items].mean(), curve.credit[1, items].mean()
        assert (part.plain.value, part.spent.value, part.gain.value) == pytest.approx((plain, spent, spent - plain))
    yes = found["class", "yes"]
    assert (yes.plain.value, yes.spent.value) == (0.5, 0.625) and yes.gain.low <= 0.125 <= yes.gain.high


def test_gains_of_the_parts_add_up():
    records = make_records(300)
    curve = accuracy_curve(records, product(records, ["s8-0", "s8-1"]), n_boot=60)
    for by in ("class", "difficulty"):
        parts = [part for part in breakdown(records, own(curve)) if part.by == by]
        assert sum(part.n_items for part in parts) == 300
        total = sum(part.n_items * part.gain.value for part in parts) / 300
        assert total == pytest.approx(curve.accuracy[-1] - curve.accuracy[0])


def test_difficulty_says_nothing_about_luck():
    """Two members whose errors are independent of each other, and views that are pure noise: the gain is the same
    among items of every difficulty. Where a member's own plain view said what is hard, it would be large among the
    hard ones (regression to the mean)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 6000)
    answers = np.where(rng.random((2, 6000, 2)) < 0.6, labels[:, None], (labels[:, None] + 1) % 4)
    several = {n: records_of_answers(x, labels, 4).log_probs("m") for n, x in zip("ab", answers, strict=True)}
    records = Records.from_arrays(several, labels)
    parts = breakdown(records, own(accuracy_curve(records, tta(records, "a"), n_boot=100)))
    easy, hard = (part for part in parts if part.by == "difficulty")
    assert (easy.group, hard.group) == ("all others right", "all others wrong")
    assert abs(easy.gain.value - hard.gain.value) < 0.04
    plain = accuracy_curve(records, tta(records, "a"), n_boot=100).credit
    circular = (plain[1] - plain[0])[plain[0] == 0].mean()
    assert circular > 0.2


def test_a_copy_of_the_judged_model_does_not_say_what_is_hard():
    """Views that are pure noise gain the same everywhere; a copy in another format is wrong just where its model is."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 6000)
    a, b = np.where(rng.random((2, 6000, 2)) < 0.6, labels[:, None], (labels[:, None] + 1) % 4)
    copy = np.where(rng.random(a.shape) < 0.01, (a + 1) % 4, a)
    said = {"a": a, "b": b, "a int8": copy, "a int8 pruned": copy}
    several = {name: records_of_answers(x, labels, 4).log_probs("m") for name, x in said.items()}
    cards = {"a int8": {"of": "a"}, "a int8 pruned": {"of": "a int8"}}
    records = Records.from_arrays(several, labels, cards=cards)
    for name in ("a", "a int8", "a int8 pruned"):
        parts = breakdown(records, own(accuracy_curve(records, tta(records, name), n_boot=100)))
        easy, hard = (part for part in parts if part.by == "difficulty")
        assert (easy.group, hard.group) == ("all others right", "all others wrong")  # of b alone
        assert abs(easy.gain.value - hard.gain.value) < 0.04
    both = accuracy_curve(records, ensemble(records, ["a", "b"]), n_boot=100)
    groups = [part.group for part in breakdown(records, own(both)) if part.by == "difficulty"]
    assert groups[0] == "surest quarter" and len(groups) == 4


def test_a_copy_counts_its_model_no_second_time():
    plain = three_members()
    values = {m.name: plain.log_probs(m.name) for m in plain.members}
    both = Records.from_arrays({**values, "b int8": values["b"]}, plain.labels, cards={"b int8": {"of": "b"}})
    found = [
        [(part.group, part.n_items) for part in breakdown(one, own(accuracy_curve(one, tta(one, "a"), n_boot=60)))
         if part.by == "difficulty"] for one in (plain, both)
    ]  # fmt: skip
    assert found[0] == found[1] == [("all others right", 3), ("half or more wrong", 3), ("all others wrong", 2)]


def test_kin_share_weights():
    cards = {"a": {"size": "s"}, "b": {"size": "s"}, "soup": {"size": "s soup", "of": "s"}}
    cards |= {"x": {"size": "t int8", "of": "t"}, "y": {"size": "t bf16", "of": "t"}, "z": {"size": "u"}}
    values = np.log(np.full((2, 1, 2), 0.5))
    members = Records.from_arrays(dict.fromkeys(cards, values), [0, 1], cards=cards).members
    assert kin(members, ["a"]) == {"a", "soup"}  # b was trained by itself
    assert kin(members, ["soup"]) == {"a", "b", "soup"}
    assert kin(members, ["x"]) == {"x", "y"} and kin(members, ["z", "b"]) == {"z", "b", "soup"}


def test_where_every_member_is_used_confidence_says_what_is_hard():
    records = make_records(402, sizes=("s8",), seeds=2)
    curve = accuracy_curve(records, ensemble(records, ["s8-0", "s8-1"]), n_boot=60)
    parts = [part for part in breakdown(records, own(curve)) if part.by == "difficulty"]
    assert [part.n_items for part in parts] == [101, 100, 101, 100]
    sure = sum(np.exp(records.log_probs(name)[:, 0].max(1)) for name in ("s8-0", "s8-1"))
    hardest = np.argsort(-sure)[302:]
    assert parts[-1].plain.value == pytest.approx(curve.credit[0, hardest].mean())
    assert parts[0].plain.value > parts[-1].plain.value


def test_many_classes_and_groups_of_one(monkeypatch):
    monkeypatch.setattr(module, "MOST_CLASSES", 2)
    labels = np.array([3, 3, 3, 1, 0, 0])
    records = records_of_answers(np.zeros((6, 2), int), labels, 4)
    shown = [part.group for part in breakdown(records, own(accuracy_curve(records, n_boot=50))) if part.by == "class"]
    assert shown == ["0", "3"]
    monkeypatch.undo()
    alone = next(p for p in breakdown(records, own(accuracy_curve(records, n_boot=50))) if p.group == "1")
    assert alone.n_items == 1 and alone.plain.value == 0 and math.isnan(alone.gain.low)


def test_clusters_are_resampled_whole():
    answers = np.repeat(np.random.default_rng(0).integers(0, 2, (40, 2)), 10, axis=0)
    wide, narrow = (
        breakdown(r, own(accuracy_curve(r, n_boot=300)))[0].gain
        for r in (
            records_of_answers(answers, np.arange(400) % 2, 2, clusters=[f"c{i // 10}" for i in range(400)]),
            records_of_answers(answers, np.arange(400) % 2, 2),
        )
    )
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)  # five of a class in a cluster: √5


def noisy(records: Records, noise: float, **more) -> Records:
    rng = np.random.default_rng(1)
    values = {m.name: records.log_probs(m.name) for m in records.members}
    worse = {name: log_softmax(x + noise * rng.normal(size=x.shape)) for name, x in values.items()}
    given = {"flops": {m.name: m.flops for m in records.members}, "cards": {m.name: m.card for m in records.members}}
    return Records.from_arrays(worse, records.labels, **{**given, **more})


@pytest.fixture(scope="module")
def shifted():
    clean = make_records(240, views=3)
    return {"clean": clean, "noise 1": noisy(clean, 1.0), "noise 3": noisy(clean, 3.0).take(np.arange(240)[::-1])}


def test_every_shift_on_the_axes_of_the_clean_data(shifted):
    found = summarize_shifts(shifted, n_boot=80)
    assert found["order"] == list(shifted) and json.loads(json.dumps(found, allow_nan=False)) == found
    names = ["tta/s8", "ensemble/s8", "product/s8", "tta/s16", "ensemble/s16", "product/s16", "ensemble/all",
             "product/all"]  # fmt: skip
    collected = [(row["shift"], row["curve"]) for row in found["rows"] if row["learned_on"] is None]
    assert collected == [(s, n) for s in shifted for n in names]
    rows = {(row["shift"], row["curve"]): row for row in found["rows"]}
    direct = accuracy_curve(shifted["noise 1"], product(shifted["noise 1"], ["s8-0", "s8-1"]), n_boot=80)
    turned = accuracy_curve(shifted["noise 1"], product(shifted["noise 1"], ["s8-1", "s8-0"]), n_boot=80)
    one = rows["noise 1", "product/s8"]
    assert one["plain"]["value"] == pytest.approx((direct.accuracy[0] + turned.accuracy[0]) / 2)
    assert one["gain"]["value"] == pytest.approx(one["spent"]["value"] - one["plain"]["value"])
    clean = rows["clean", "product/s8"]
    assert clean["minus_clean"] is None
    assert one["minus_clean"]["value"] == pytest.approx(one["gain"]["value"] - clean["gain"]["value"])
    both = rows["noise 3", "ensemble/all"]
    assert (both["against"], both["size"]) == ("tta/s16", None)
    assert both["plain"] == rows["noise 3", "tta/s16"]["plain"]
    assert {part["shift"] for part in found["breakdown"]} == set(shifted)
    assert len(found["text"]) == 3 and "of 2 shifts" in found["text"][0]


def test_what_clean_data_taught_is_scored_on_items_that_did_not_teach_it(shifted):
    """Also under a shift: an item is the same item in any noise."""
    names = [m.name for m in shifted["clean"].members if m.card["size"] == "s8"]
    clean, other = shifted["clean"], shifted["noise 3"]
    first = first_half(clean.item_ids, None, seed=0)
    learned = [learner(tta(clean, name), "policy").learn(clean, first).strategy for name in names]
    unseen = dict(zip(clean.item_ids[~first], np.flatnonzero(~first), strict=True))
    at = [position for position, item in enumerate(other.item_ids) if item in unseen]
    expected = np.mean([prefix_credits(other.take(at), one, [3]) for one in learned])
    row = learned_row(clean, other.take(at), "policy/s8")
    assert (row["k"], row["learned_on"], row["against"]) == (3, "clean", "tta/s8")
    assert row["spent"]["value"] == pytest.approx(expected)
    plain = np.mean([prefix_credits(other.take(at), tta(other, name), [1, 3]) for name in names], axis=(0, 2))
    assert row["gain"]["value"] == pytest.approx(expected - plain[0])
    assert row["over_collected"]["value"] == pytest.approx(expected - plain[1])


def test_new_items_are_scored_by_what_all_clean_ones_taught(shifted):
    clean = shifted["clean"]
    new = noisy(clean, 2.0, item_ids=[f"new{i}" for i in range(240)])
    everything = np.ones(240, bool)
    learned = [learner(tta(clean, n), "policy").learn(clean, everything).strategy for n in ("s16-0", "s16-1")]
    expected = np.mean([prefix_credits(new, one, [3]) for one in learned])
    assert learned_row(clean, new, "policy/s16")["spent"]["value"] == pytest.approx(expected)


def test_a_cluster_that_taught_does_not_score():
    clean = make_records(240, sizes=("s8",), seeds=1, views=3, clusters=[f"c{i // 2}" for i in range(240)])
    ids = [f"new{i}" for i in range(240)]  # other frames of the same videos
    new = noisy(clean, 2.0, item_ids=ids, clusters=clean.clusters.tolist())
    first = first_half(clean.item_ids, clean.clusters, seed=0)
    by_half = [learner(tta(clean, "s8-0"), "policy").learn(clean, half).strategy for half in (first, ~first)]
    expected = np.where(first, *(prefix_credits(new, one, [3])[0] for one in reversed(by_half))).mean()
    assert learned_row(clean, new, "policy/s8")["spent"]["value"] == pytest.approx(expected)


def learned_row(clean: Records, shifted: Records, curve: str) -> dict:
    found = summarize_shifts({"clean": clean, "x": shifted}, n_boot=60)
    return next(row for row in found["rows"] if (row["shift"], row["curve"]) == ("x", curve))


def test_paired_with_clean_items_in_any_order(shifted):
    found = summarize_shifts(
        {"clean": shifted["clean"], "same": shifted["clean"].take(np.arange(240)[::-1])}, n_boot=80
    )
    same = [row for row in found["rows"] if row["shift"] == "same"]
    assert len(same) > 8
    unseen = 2 * wilson(0, 240, 0.95)[1]  # so much may other items of this kind differ in their gain
    assert all(row["minus_clean"] == pytest.approx({"value": 0, "low": -unseen, "high": unseen}) for row in same)
    fewer = summarize_shifts({"clean": shifted["clean"], "prior": shifted["noise 1"].take(range(100))}, n_boot=80)
    assert all(row["minus_clean"] is None for row in fewer["rows"])
    assert {row["n_items"] for row in fewer["rows"]} == {240, 100}


def test_the_summary_holds_the_shifts(shifted):
    clean, noise = (shifted[name].take(range(100)) for name in ("clean", "noise 1"))
    whole = summarize(clean, n_boot=50, shifts={"noise 1": noise})
    assert whole["shifts"] == summarize_shifts({"clean": clean, "noise 1": noise}, n_boot=50)
    assert any("of 1 shift, " in sentence for sentence in whole["headline"]) and len(whole["headline"]) <= 10
    with pytest.raises(TtscaleError, match='names other than "clean"'):
        summarize(clean, shifts={"clean": noise})


def test_beside_plain():
    records = make_records(60, views=2)
    curves = [accuracy_curve(records, one, n_boot=50) for one in (tta(records, "s8-0"), tta(records, "s16-0"))]
    everyone = accuracy_curve(records, ensemble(records, [m.name for m in records.members], subject="all"), n_boot=50)
    pairs = beside_plain([*curves, everyone])
    assert [(a.name, b.name) for a, b in pairs] == [
        ("tta/s8-0", "tta/s8-0"), ("tta/s16-0", "tta/s16-0"), ("ensemble/all", "tta/s16-0"),
    ]  # fmt: skip
    assert paired_difference(everyone, 4, curves[1], 1).value == pytest.approx(
        everyone.accuracy[3] - curves[1].accuracy[0]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: {"clean": r}, "at least one shift"), (lambda r: [r, r], "by name"),
        (lambda r: {"clean": r, "x": make_records(240, views=2)}, "the views of 'clean' in 'x'"),
        (lambda r: {"clean": r, "x": make_records(240, sizes=("s8",), views=3)}, "the members of 'clean' in 'x'"),
        (lambda r: {"clean": r, "x": make_records(240, views=3, classes=4)}, "the classes of 'clean' in 'x'"),
        (lambda r: {"clean": r, "x": "runs/x"}, "expected Records, got str"),
    ],
)  # fmt: skip
def test_bad_input(shifted, change, message):
    with pytest.raises(TtscaleError, match=message):
        summarize_shifts(change(shifted["clean"]), n_boot=80)
