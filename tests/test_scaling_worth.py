"""What a strategy is worth in ensemble members: against which ladder, and in which words."""

import numpy as np
import pytest
from scaling_example import log_softmax, make_records

import ttscale as tts
from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.quality.equivalent import METRICS, Equivalent, equivalent
from ttscale.scaling.quality.quality import quality
from ttscale.scaling.quality.worth import Worth, worth_words
from ttscale.scaling.strategy import ensemble, product, tta
from ttscale.scaling.summaries.summary import summarize


@pytest.fixture(scope="module")
def records() -> Records:
    return make_records(400, sizes=("s8",), seeds=5, views=2)


@pytest.fixture(scope="module")
def names(records) -> list[str]:
    return [member.name for member in records.members]


def test_an_ensemble_at_its_default_budgets_is_worth_itself(records, names):
    turns = [ensemble(records, names[i:] + names[:i]) for i in range(5)]
    team = quality(records, turns, n_boot=60)
    assert team.budgets.tolist() == [1, 2, 3, 4, 5] and team.kind == "ensemble"
    for metric in METRICS:
        means = [team.of_items({"nll": "calibrated_nll", "accuracy": "credit"}[metric], k).mean() for k in range(1, 6)]
        better = -np.diff(means) if metric == "nll" else np.diff(means)
        for k in range(1, 6):
            if (better[: k - 1] > 0).all():  # no smaller team is as good
                assert equivalent(team, k, team, metric).members.value == pytest.approx(k), (metric, k)
    assert equivalent(team, 5, team).n_members == 5 and equivalent(team, 5, team).members.value == pytest.approx(5)
    assert quality(records, product(records, names), n_boot=60).budgets.tolist() == [1, 2, 4, 8, 10]


def test_what_is_no_ladder_of_members_is_refused(records, names):
    views, team = quality(records, tta(records, names[0]), n_boot=60), ensemble(records, names)
    some = quality(records, team, [1, 2, 4, 5], n_boot=60)
    with pytest.raises(TtscaleError, match=r"1, 2, 3, … members, got \[1, 2, 4, 5\]"):
        equivalent(views, 2, some)
    with pytest.raises(TtscaleError, match=r"one view each, got 'tta/s8-0'"):
        equivalent(views, 2, views)
    half = quality(records.take(np.arange(200)), team, n_boot=60)
    with pytest.raises(TtscaleError, match="other items"):
        equivalent(views, 2, half)
    with pytest.raises(TtscaleError, match="metric: expected a known name, got 'brier'"):
        equivalent(views, 2, quality(records, team, n_boot=60), "brier")  # type: ignore[arg-type]


def test_what_is_no_learner_is_refused(records):
    with pytest.raises(TtscaleError, match="learner: expected a learner, such as a Policy, got 'x'"):
        tts.cross_fitted(records, "x")


def test_the_floor_of_the_scale_is_told_as_no_more_than_one(records, names):
    curve = tts.accuracy_curve(records, tta(records, names[0]), n_boot=60)

    def said(value, low, high, size="s8"):
        members = Interval(value, low, high, 0.95, "")
        return worth_words(Worth(curve, size, Equivalent(curve.name, 2, "e", "nll", members, 5, 0.0)))

    assert said(1.0, 1.0, 1.0) == (
        "worth no more than one ensemble member by calibrated likelihood (95% interval up to 1.0)"
    )
    assert said(1.0, 1.0, 1.3, None) == (
        "worth no more than one ensemble member of this run by calibrated likelihood (95% interval up to 1.3)"
    )
    assert said(1.0, 1.0, np.inf).endswith(" (95% interval to more than 5)")
    assert said(1.4, 1.0, 1.6) == "worth 1.4 ensemble members by calibrated likelihood (95% interval 1.0 to 1.6)"


@pytest.fixture(scope="module")
def formats() -> Records:
    """Two sizes, and the costlier one in fewer bits, which stands before it and costs as many FLOPs."""
    plain = make_records(200, sizes=("s8", "s16"), seeds=1, views=3)
    exact = plain.log_probs("s16-0")
    rounded = log_softmax(exact + 0.3 * np.random.default_rng(3).normal(size=exact.shape)).astype(np.float32)
    values = {"s16-0 int8": rounded, "s8-0": plain.log_probs("s8-0"), "s16-0": exact}
    cards = {m.name: m.card for m in plain.members}
    cards["s16-0 int8"] = {"size": "s16 int8", "of": "s16", "how": "int8", "format": "int8"}
    flops = {"s16-0 int8": 4e6, "s8-0": 1e6, "s16-0": 4e6}
    return Records.from_arrays(values, plain.labels, cards=cards, flops=flops)


def test_the_headline_speaks_of_the_sizes_that_were_trained(formats):
    found = summarize(formats, n_boot=60)
    assert "s16 int8" in {row["size"] for row in found["rivals"]}
    assert not [sentence for sentence in found["headline"] if "int8" in sentence]
    assert any(sentence.startswith("3 views of s16, ") for sentence in found["headline"])
    assert {r["against"] for r in found["breakdown"] if r["curve"].startswith("product/all")} == {"tta/s16"}
