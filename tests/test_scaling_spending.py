"""Costs by hand: means, quantiles and worst cases over items and over every set of samples."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scaling_example import make_records
from text_example import graded_of, make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.profiles import PROFILES
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves import spending as module
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.curves.spending import QUANTILES, spending
from ttscale.scaling.strategy import tta


def with_bytes(records: Records, of: float = 100.0) -> Records:
    """The same with members whose forward moves so many bytes."""
    manifest = records.manifest
    object.__setattr__(manifest, "members", tuple(replace(member, bytes=of) for member in manifest.members))
    return records


def uneven(**more) -> Records:
    rng = np.random.default_rng(0)
    tokens = np.array([[1, 2, 3, 4], [10, 10, 20, 40], [5, 5, 5, 5]])
    answers = rng.integers(0, 2, tokens.shape)
    answers[0] = [0, 1, 0, 1]
    correct = np.eye(2, dtype=bool)[np.zeros(3, int)]
    return with_bytes(samples_of(answers, correct, tokens=tokens, flops=7.0 * tokens, prompt=50.0, prefix=3.0, **more))


def test_tokens_over_items_and_every_set_of_samples(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_ORDERS", 4000)
    records = uneven()
    found = spending(records)
    tokens = records.graded().n_tokens
    assert found.budgets.tolist() == [1, 2, 3, 4] and found.quantiles == QUANTILES
    for k in range(1, 5):
        sums = np.array([[sum(row[list(some)]) for some in itertools.combinations(range(4), k)] for row in tokens])
        row = k - 1
        assert found.tokens.mean[row] == pytest.approx(sums.mean())
        assert found.tokens.worst[row] == sums.max()
        for q, got in zip(QUANTILES, found.tokens.quantiles[:, row], strict=True):
            low, high = np.quantile(sums, [q - 0.01, min(1.0, q + 0.01)], method="inverted_cdf")
            assert low <= got <= high and got in sums


def test_flops_and_bytes_pay_a_prompt_once():
    found = spending(uneven())
    tokens = np.array([[1, 2, 3, 4], [10, 10, 20, 40], [5, 5, 5, 5]])
    k = np.arange(1, 5)
    np.testing.assert_allclose(found.flops.mean, 7 * tokens.mean() * k + 53)
    np.testing.assert_allclose(found.flops.worst, 7 * np.array([40, 60, 70, 80]) + 50 + 3 * 3)  # all of the beginning
    np.testing.assert_allclose(found.bytes.mean, 100 * ((tokens - 1).mean() * k + 1))
    np.testing.assert_allclose(found.bytes.worst, 100 * (np.array([39, 58, 67, 76]) + 1))
    np.testing.assert_allclose(found.flops.quantiles[:, 3], [7 * 20 + 53, 7 * 80 + 53, 7 * 80 + 53])
    for measure in ("flops", "tokens", "bytes"):
        cost = getattr(found, measure)
        assert (np.diff(cost.quantiles, axis=0) >= 0).all() and (np.diff(cost.quantiles, axis=1) >= 0).all()
        assert (cost.worst >= cost.quantiles[-1]).all()
    assert np.isnan(found.seconds.mean).all() and np.isnan(found.seconds.worst).all() and found.timed_items == 0


def test_a_prompt_with_every_sample():
    found = spending(uneven(prefill="per_sample"))
    tokens = np.array([[1, 2, 3, 4], [10, 10, 20, 40], [5, 5, 5, 5]])
    k = np.arange(1, 5)
    np.testing.assert_allclose(found.flops.mean, (7 * tokens.mean() + 50) * k)
    np.testing.assert_allclose(found.bytes.mean, 100 * tokens.mean() * k)


def test_they_are_the_costs_of_the_curve():
    records = make_text_records(40)
    for strategy in (
        sampled.samples(records, "big", vote="weighted:judge"), sampled.ensemble(records, ["small", "big"]),
        sampled.mixture(records, "small", decoding="T1.2"), sampled.greedy(records, "big"),
    ):  # fmt: skip
        curve, found = accuracy_curve(records, strategy, n_boot=50), spending(records, strategy)
        np.testing.assert_allclose(found.flops.mean, curve.flops, rtol=1e-12)
        np.testing.assert_allclose(found.flops.worst, curve.flops_worst, rtol=1e-12)
        np.testing.assert_allclose(found.tokens.mean, curve.tokens, rtol=1e-12)
        some = spending(records, strategy, budgets=[len(strategy.draws)])
        np.testing.assert_allclose(some.tokens.quantiles[:, 0], found.tokens.quantiles[:, -1])
    judged = spending(records, sampled.samples(records, "big", vote="weighted:judge"))
    assert np.isnan(judged.bytes.mean).all()  # what a verifier moves is not known


def test_two_prompts_of_one_member_are_paid_one_after_the_other():
    draws = [TextDraw("m", v, "T1", s) for v in ("plain", "other") for s in range(2)]
    answers = np.zeros((5, 4), int)
    records = with_bytes(Records.from_graded(graded_of(answers, np.ones((5, 1)), draws, prompt=10.0, prefix=0.0)))
    found = spending(records, sampled.mixture(records, "m"))
    assert found.flops.mean.tolist() == [11, 22, 23, 24] == found.flops.quantiles[0].tolist()
    assert found.bytes.mean.tolist() == [500, 1000, 1400, 1800]


def test_samples_that_do_not_exist_cost_nothing():
    tokens = np.array([[2, 4, 0, 0], [3, 3, 3, 3]])
    drawn = tokens > 0
    answers = np.where(drawn, 0, -1)
    graded = samples_of(answers, np.ones((2, 1)), tokens=tokens, flops=1.0 * tokens, prompt=0.0, prefix=0.0).graded()
    records = Records.from_graded(replace(graded, drawn=drawn))
    found = spending(records, sampled.samples(records, "m"), budgets=[1, 2])
    assert found.tokens.mean.tolist() == [3, 6] and found.tokens.worst.tolist() == [4, 6]
    assert set(found.tokens.quantiles[:, 1]) == {6.0}


def test_one_sample_and_all_of_them_are_exact():
    """Every sample comes first equally often, whatever the orders; items may have unequal numbers."""
    rng = np.random.default_rng(3)
    tokens = rng.integers(1, 60, (7, 4))
    found = spending(samples_of(np.zeros((7, 4), int), np.ones((7, 1)), tokens=tokens), budgets=[1, 4])
    for row, every in enumerate((tokens.ravel(), tokens.sum(axis=1))):
        expected = np.quantile(every, QUANTILES, method="inverted_cdf")
        assert found.tokens.quantiles[:, row].tolist() == expected.tolist()


def test_a_pool_that_is_not_used_may_be_unknown():
    draws = [TextDraw(member, "plain", "T", sample) for member in "ab" for sample in range(4)]
    flops = np.ones((5, 8))
    flops[:, 4:] = np.nan
    records = Records.from_graded(graded_of(np.zeros((5, 8), int), np.ones((5, 1)), draws, flops=flops))
    strategy = sampled.ensemble(records, ["a", "b"])
    found, curve = spending(records, strategy).flops, accuracy_curve(records, strategy, n_boot=50)
    for one in (found.mean, found.worst, *found.quantiles, curve.flops, curve.flops_worst):
        assert np.isfinite(one[0]) and np.isnan(one[1:]).all()


def test_what_is_unknown():
    tokens = np.array([[2, 4], [3, -1]])
    records = samples_of(np.zeros((2, 2), int), np.ones((2, 1)), tokens=tokens, flops=[[1, 1], [1, np.nan]])
    found = spending(records)
    for cost in (found.flops, found.tokens, found.bytes):
        assert np.isnan(cost.mean).all() and np.isnan(cost.quantiles).all() and np.isnan(cost.worst).all()


def test_views_cost_every_image_alike():
    records = make_records(30)
    strategy = tta(records, "s16-0")
    found = spending(records, strategy, budgets=[1, 4])
    curve = accuracy_curve(records, strategy, n_boot=50)
    for values in (found.flops.mean, *found.flops.quantiles, found.flops.worst):
        np.testing.assert_array_equal(values, curve.flops[[0, 3]])
    assert np.isnan(found.tokens.mean).all()
    moved = spending(with_bytes(make_records(30)), strategy).bytes
    assert moved.mean.tolist() == [100, 200, 300, 400] == moved.worst.tolist()
    shape = found.as_dict()
    assert list(shape) == ["budgets", "quantiles", "timed_items", "flops", "tokens", "bytes", "seconds"]
    assert shape["timed_items"] is None
    assert list(shape["flops"]) == ["mean", "quantiles", "worst"] and shape["flops"]["quantiles"].shape == (3, 2)


PROFILED = {  # by member, decoding and number of samples: seconds of the items i0 to i2
    ("m", "T", 1): [1.0, 2.0, 6.0], ("m", "T", 2): [2.0, 1.0, 9.0], ("m", "T", 4): [4.0, 3.0, 15.0],
    ("b", "T", 1): [10.0, 3.0, 2.0], ("b", "T", 4): [16.0, 3.0, 8.0],
}  # fmt: skip


def profiled(items=("i0", "i1", "i2"), **more) -> Records:
    """Five items, four samples of each of two members, and a profile of three of the items."""
    draws = [TextDraw(member, v, "T", s) for member in "mb" for v in ("plain", "other") for s in range(4)]
    graded = graded_of(np.zeros((5, 16), int), np.ones((5, 1)), draws, **more)
    records = Records.from_graded(graded, item_ids=[f"i{i}" for i in range(5)])
    rows = [
        {
            "device": "d", "dtype": "float32", "member": member, "decode_id": decoding, "samples": n,
            "seconds": np.mean(each), **({"item_ids": items, "item_seconds": each} if items else {}),
        }
        for (member, decoding, n), each in PROFILED.items()
    ]  # fmt: skip
    vars(records)["_profiles"] = pa.Table.from_pylist(rows, schema=PROFILES)
    return records


def test_seconds_of_the_timed_items_by_hand():
    found = spending(profiled(), sampled.samples(profiled(), "m"))
    # i0: 1, 2, 3, 4; i1: 2, 2 (1 is not believed), 2.5, 3; i2: 6, 9, 12, 15
    assert found.timed_items == 3
    assert found.seconds.quantiles.tolist() == [[2, 2, 3, 4], [6, 9, 12, 15], [6, 9, 12, 15]]
    assert found.seconds.worst.tolist() == [6, 9, 12, 15]
    np.testing.assert_allclose(found.seconds.mean, [3, 4, (4 + 22 / 3) / 2, 22 / 3])
    curve = accuracy_curve(profiled(), sampled.samples(profiled(), "m"), n_boot=50)
    np.testing.assert_allclose(found.seconds.mean, curve.seconds)
    one = spending(profiled(), sampled.samples(profiled(), "m"), budgets=[2]).seconds
    assert one.worst.tolist() == [9] and one.quantiles[:, 0].tolist() == [2, 9, 9]


def test_members_of_an_ensemble_take_an_items_time_one_after_another():
    records = profiled()
    found = spending(records, sampled.ensemble(records, ["m", "b"]), budgets=[1, 2, 4]).seconds
    # m then b, by turns: i0 1, 11, 2 + 12; i1 2, 5, 2 + 3; i2 6, 8, 9 + 4
    assert found.worst.tolist() == [6, 11, 14]  # not the sum of each member's slowest: 6 + 10, 9 + 12
    assert found.quantiles.tolist() == [[2, 8, 13], [6, 11, 14], [6, 11, 14]]
    np.testing.assert_allclose(found.mean, [3, 3 + 5, 4 + (5 + (9 - 5) / 3)])


def test_seconds_that_were_not_kept_item_by_item_are_a_mean():
    found = spending(profiled(items=()), sampled.samples(profiled(), "m"))
    np.testing.assert_allclose(found.seconds.mean, [3, 4, (4 + 22 / 3) / 2, 22 / 3])
    assert np.isnan(found.seconds.quantiles).all() and np.isnan(found.seconds.worst).all() and found.timed_items == 0


def test_seconds_of_what_was_not_timed_are_unknown():
    records = profiled()
    other = spending(records, sampled.mixture(records, "m"), budgets=[1, 2, 8])
    for values in (other.seconds.mean, other.seconds.worst, *other.seconds.quantiles):
        assert np.isnan(values).tolist() == [
            False,
            True,
            True,
        ]  # the other prompt was not timed
    assert other.timed_items == 3
    unknown = profiled(scores={"judge": np.ones((5, 16))}, score_flops={"judge": np.ones((5, 16))})
    judged = spending(unknown, sampled.samples(unknown, "m", vote="weighted:judge"))
    assert np.isnan(judged.seconds.mean).all() and np.isnan(judged.seconds.worst).all() and judged.timed_items == 0


def test_a_quantile_is_an_item_that_was_timed():
    """Of 100 items the 99 % quantile is the slowest but one, of 99 the slowest."""
    for n, expected in ((99, [49, 89, 98]), (100, [49, 89, 98])):
        records = samples_of(np.zeros((n, 1), int), np.ones((n, 1)), decoding="T")
        row = {
            "device": "d", "member": "m", "decode_id": "T", "samples": 1, "seconds": 0.0,
            "item_ids": records.item_ids.tolist(), "item_seconds": np.arange(n)[::-1].astype(float).tolist(),
        }  # fmt: skip
        vars(records)["_profiles"] = pa.Table.from_pylist([row], schema=PROFILES)
        found = spending(records)
        assert found.seconds.quantiles[:, 0].tolist() == expected and found.seconds.worst[0] == n - 1


def test_what_is_refused():
    records = make_text_records(10)
    for call in (lambda: spending("runs/a"), lambda: spending(records, budgets=[99]), lambda: spending(records, tta),
                 lambda: spending(records, budgets=[[1], [1, 2]])):  # fmt: skip
        with pytest.raises(TtscaleError):
            call()
