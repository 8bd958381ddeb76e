"""Every ensemble of a few members of several sizes: as candidates, as curves, in the tables, and as a ladder."""

from itertools import combinations

import numpy as np
import pytest
from scaling_example import make_records

from ttscale.records.records import Records
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.planning.candidates import candidates, mixed_subsets
from ttscale.scaling.planning.plan import plan
from ttscale.scaling.quality.equivalent import equivalent, members_for
from ttscale.scaling.quality.quality import quality
from ttscale.scaling.quality.worth import run_ladder
from ttscale.scaling.strategy import ensemble, is_subset, product, tta
from ttscale.scaling.summaries.headline import spending_words
from ttscale.scaling.summaries.summary import summarize
from ttscale.scaling.summaries.words import kind_words, option_words

SETTINGS = {"ci": 0.95, "n_boot": 60, "seed": 0}


@pytest.fixture(scope="module")
def records() -> Records:
    """Three sizes of one member each, and a copy of the largest in fewer bits."""
    plain = make_records(300, sizes=("s8", "s16", "s32"), seeds=1, views=3)
    values = {m.name: plain.log_probs(m.name) for m in plain.members}
    values["copy"] = values["s32-0"]
    cards = {m.name: m.card for m in plain.members} | {"copy": {"size": "s32 int8", "of": "s32"}}
    return Records.from_arrays(
        values, plain.labels, cards=cards, flops={m.name: m.flops for m in plain.members} | {"copy": 16e6}
    )


@pytest.fixture(scope="module")
def summary(records) -> dict:
    return summarize(records, n_boot=60)


def test_which_subsets():
    def names(**shape):
        return ["+".join(one) for one in mixed_subsets(make_records(20, views=1, **shape))]

    assert names(sizes=("a", "b", "c"), seeds=1) == ["a-0+b-0", "a-0+c-0", "b-0+c-0"]
    pairs = ["a-0+b-0", "a-0+b-1", "a-1+b-0", "a-1+b-1"]
    triples = ["a-0+a-1+b-0", "a-0+a-1+b-1", "a-0+b-0+b-1", "a-1+b-0+b-1"]
    assert names(sizes=("a", "b"), seeds=2) == pairs + triples  # the pair of one size has the name of that size
    assert names(sizes=("a",), seeds=4) == [] == names(sizes=("a", "b", "c", "d", "e"), seeds=1)


def test_candidates_and_the_plan(records):
    found = {one.name: one for one in candidates(records, votes=["mean"]) if is_subset(one)}
    assert list(found) == [
        f"{kind}/{a}+{b}" for a, b in combinations(("s8-0", "s16-0", "s32-0"), 2) for kind in ("ensemble", "product")
    ]
    assert found["product/s8-0+s32-0"].draws == product(records, ["s8-0", "s32-0"]).draws
    rng = np.random.default_rng(0)  # two members that err apart, and one between them in cost that only guesses
    labels = rng.integers(0, 3, 400)
    said = {name: rng.dirichlet(np.ones(3), 400) for name in "abc"}
    for name in "ac":
        said[name][np.arange(400), labels] += 0.35
    values = {name: np.log(p / p.sum(1, keepdims=True))[:, None] for name, p in said.items()}
    three = Records.from_arrays(values, labels, flops={"a": 1.0, "b": 2.0, "c": 3.0})
    best = accuracy_curve(three, ensemble(three, ["a", "c"]), n_boot=60).accuracy[-1]
    chosen = plan(three, max_flops=6.0, learn=False, n_boot=60)
    assert chosen.strategy.startswith("ensemble/a+c") and chosen.k == 2 and chosen.scored_on.accuracy > best - 0.1


def test_curves_front_and_table_of_the_summary(summary, records):
    curves = {one["id"]: one for one in summary["curves"]}
    one = curves["product/s8-0+s32-0"]
    assert (one["size"], one["subject"], one["members"]) == (None, "s8-0+s32-0", ["s8-0", "s32-0"])
    assert one["budgets"] == list(range(1, 7)) and one["label"] == "ensemble with TTA of s8-0+s32-0"
    direct = accuracy_curve(records, product(records, ["s8-0", "s32-0"]), n_boot=60)
    assert one["accuracy"] == pytest.approx(direct.accuracy.tolist())
    assert not [name for name in curves if "+" in name and name.split("/")[0] not in ("ensemble", "product")]
    assert not [fit for fit in summary["fits"] if "+" in fit["curve"]]
    points = [(f, a) for c in summary["curves"] if c["kind"] in ("tta", "ensemble", "product") and "int8" not in c["id"]
              for f, a in zip(c["flops"], c["accuracy"], strict=True)]  # fmt: skip
    best = max(a for _, a in points)
    assert summary["pareto"][-1]["accuracy"] == best
    assert summary["pareto"][-1]["flops"] == min(f for f, a in points if a == best)


def test_every_ensemble_beside_its_costliest_member(summary, records):
    rows = {row["curve"]: row for row in summary["ensembles"]}
    subsets = ["s8-0+s16-0", "s8-0+s32-0", "s16-0+s32-0", "all"]
    assert list(rows) == [f"{kind}/{subset}" for kind in ("ensemble", "product") for subset in subsets]
    for kind, views in (("ensemble", 1), ("product", 3)):
        row = rows[f"{kind}/s8-0+s16-0"]
        team = (ensemble if views == 1 else product)(records, ["s8-0", "s16-0"])
        strategies = [team, *(tta(records, name) for name in team.members)]
        both, *alone = (accuracy_curve(records, one, n_boot=60) for one in strategies)
        expected = paired_difference(both, 2 * views, alone[1], views)
        assert (row["members"], row["views"], row["against"]) == (list(team.members), views, ["s16-0"])
        assert row["gain"] == pytest.approx(expected.as_dict()) and row["detectable"] > 0
        assert (row["accuracy"], row["flops"]) == pytest.approx((both.accuracy[-1], views * 5e6))
        best = max(alone, key=lambda curve, at=views - 1: curve.accuracy[at])
        assert row["best"] == {"member": best.members[0], "accuracy": pytest.approx(best.accuracy[views - 1])}
    assert rows["product/all"]["members"] == ["s8-0", "s16-0", "s32-0"]
    assert summarize(make_records(60, sizes=("s8",), seeds=3, views=1), n_boot=50)["ensembles"] == []


def test_members_that_cost_the_same_are_averaged():
    records = make_records(80, sizes=("a", "b"), seeds=2, views=1)
    rows = {row["curve"]: row for row in summarize(records, n_boot=50)["ensembles"]}
    assert rows["ensemble/all"]["against"] == ["b-0", "b-1"] and rows["ensemble/a-0+a-1+b-0"]["against"] == ["b-0"]
    alone = [accuracy_curve(records, tta(records, name), n_boot=50).accuracy[0] for name in ("b-0", "b-1")]
    whole = accuracy_curve(records, ensemble(records, ["a-0", "a-1", "b-0", "b-1"]), n_boot=50).accuracy[-1]
    assert rows["ensemble/all"]["gain"]["value"] == pytest.approx(whole - np.mean(alone))
    assert rows["ensemble/a"]["members"] == ["a-0", "a-1"]


def test_worth_in_members_of_the_run(summary, records):
    """m members are the mean over all subsets of m: by hand, from the calibrated likelihood of each of them."""
    names = ["s8-0", "s16-0", "s32-0"]

    def nll(strategy, k):
        return quality(records, strategy, [k], n_boot=60).of_items("calibrated_nll", k).mean()

    ladder = [-np.mean([nll(ensemble(records, some), m) for some in combinations(names, m)]) for m in (1, 2, 3)]
    rows = {(r["curve"], r["k"]): r for r in summary["equivalents"] if r["metric"] == "nll"}
    for curve, strategy, k in (
        ("tta/s32", tta(records, "s32-0"), 1), ("tta/s16", tta(records, "s16-0"), 3),
        ("ensemble/s16-0+s32-0", ensemble(records, ["s16-0", "s32-0"]), 2),
    ):  # fmt: skip
        expected = members_for(np.array([[-nll(strategy, k), *ladder]]))[0]
        row = rows[curve, k]
        assert (row["members_of"], row["ensemble"], row["n_members"]) == (None, "members of the run", 3)
        assert row["beyond"] if np.isinf(expected) else row["members"]["value"] == pytest.approx(expected)
        assert "of this run" in row["text"]
    assert {"product/all", "spread/all", "policy/all/ensemble", "tta/s32 int8"} <= {curve for curve, _ in rows}
    assert "ensemble/all" not in {curve for curve, _ in rows}
    assert any("of this run by calibrated likelihood" in sentence for sentence in summary["headline"])


def test_many_members_without_ensembles_of_their_own():
    """As many orders as members, in which each comes first once: one member is then the mean over all of them."""
    records = make_records(200, sizes=("a", "b", "c", "d", "e"), seeds=1, views=1)
    ladder = run_ladder(records, [], vote="mean", **SETTINGS)
    each = [quality(records, tta(records, m.name), [1], **SETTINGS).of_items("nll", 1) for m in records.members]
    np.testing.assert_allclose(ladder.of_items("nll", 1), np.mean(each, axis=0))
    whole = quality(records, ensemble(records, [m.name for m in records.members]), [5], **SETTINGS)
    np.testing.assert_allclose(ladder.of_items("nll", 5), whole.of_items("nll", 5))
    assert ladder.budgets.tolist() == [1, 2, 3, 4, 5] and equivalent(whole, 5, ladder).n_members == 5
    assert run_ladder(make_records(60, sizes=("a", "b", "c"), seeds=2), [], vote="mean", **SETTINGS) is None


def test_a_size_with_an_ensemble_is_measured_by_its_own():
    found = summarize(make_records(120, sizes=("a", "b"), seeds=2, views=2), n_boot=50)["equivalents"]
    by = {row["curve"]: (row["members_of"], row["ensemble"], row["n_members"]) for row in found}
    assert by["tta/a"] == by["product/a"] == ("a", "ensemble/a", 2)
    assert by["product/all"] == by["product/a-0+b-1"] == (None, "members of the run", 4)
    assert not {"ensemble/a", "ensemble/b", "ensemble/all"} & set(by)


def test_words(records):
    pair = accuracy_curve(records, ensemble(records, ["s8-0", "s32-0"]), n_boot=60)
    assert option_words(pair, 2) == "an ensemble of s8-0+s32-0" and option_words(pair, 1) == "one view of s8-0"
    both = accuracy_curve(records, product(records, ["s8-0", "s32-0"]), n_boot=60)
    assert option_words(both, 6) == "6 draws of the s8-0+s32-0 ensemble with TTA"
    assert kind_words(pair) == "ensemble of s8-0+s32-0"
    everyone = accuracy_curve(records, ensemble(records, ["s8-0", "s16-0", "s32-0"], subject="all"), n_boot=60)
    assert option_words(everyone, 3) == "an ensemble of all 3 members"
    assert option_words(everyone, 2) == "an ensemble of the 2 cheapest members"


def test_members_of_several_sizes_are_told_beside_the_costliest(summary, records):
    """Not beside the cheapest, which the others are better than without any ensemble."""
    everyone = accuracy_curve(records, ensemble(records, ["s8-0", "s16-0", "s32-0"], subject="all"), n_boot=60)
    plain = accuracy_curve(records, tta(records, "s32-0"), n_boot=60)
    said = spending_words(everyone, plain)
    assert said.startswith("An ensemble of all 3 members, at 1.31 × the compute of one view of s32-0, ")
    gain = 100 * (everyone.accuracy[-1] - plain.accuracy[0])
    assert f"{gain:+.2f} percentage points".replace("-", "−") in said and said.endswith(" over it.")
    assert summary["headline"][0].startswith("3 members of 3 sizes, and 1 made of them without training, were measured")
    assert any("one view of s32, " in s and s.startswith("An ensemble of all 3") for s in summary["headline"])
