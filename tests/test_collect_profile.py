"""Profiles: seconds of a decision, measured beside the Records."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from language_example import tiny_language_model

import ttscale as tts
from ttscale.collecting import profile_language
from ttscale.collecting.profile import profile
from ttscale.draws.sampling import sampling
from ttscale.errors import TtscaleError
from ttscale.generation.request import Answered, Completion
from ttscale.records.profiles import PROFILES, profiled_on, seconds_of, timed_items
from ttscale.records.store import add_derived


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    data = tts.load_data("arithmetic:products_small", n=6)
    model = tiny_language_model()
    out = tmp_path_factory.mktemp("profile") / "run"
    tts.collect(model, data, draws=sampling(6, 0.8, max_tokens=4), out=out, progress=False, device="cpu")
    return profile(out, model, n_items=2, repeats=3, device="cpu", progress=False), model


def test_every_decoding_is_timed_at_powers_of_two_and_at_all_samples(timed):
    rows = timed[0].profiles().to_pylist()
    assert [(row["decode_id"], row["samples"]) for row in rows] == [
        ("greedy", 1), ("T0.8", 1), ("T0.8", 2), ("T0.8", 4), ("T0.8", 6),
    ]  # fmt: skip
    for row in rows:
        assert 0 < row["fastest"] <= row["seconds"] <= row["slowest"]
        assert row["items"] == 2 and row["repeats"] == 3 and row["device"].startswith("cpu")
        assert row["item_ids"] == timed[0].item_ids[[1, 4]].tolist()  # from the middle of each half of six items
        assert len(row["item_seconds"]) == 2 and min(row["item_seconds"]) > 0
        assert row["seconds"] == pytest.approx(np.mean(row["item_seconds"]))


def test_the_samples_timed_are_those_of_the_records(timed):
    records = timed[0]
    graded = records.graded()
    for row in records.profiles().to_pylist():
        way = row["decode_id"], row["samples"]
        columns = [i for i, d in enumerate(graded.draws) if d.decoding == way[0] and d.sample < way[1]]
        # two of six items, from the middle of each half
        assert row["n_tokens"] == pytest.approx(graded.n_tokens[[1, 4]][:, columns].sum(axis=1).mean())


class Watch:
    """Records what is asked while the clock runs, in place of an engine."""

    def __init__(self) -> None:
        self.prepared: list = []
        self.asked: list = []

    def prepare(self, requests) -> None:
        self.prepared += requests

    def generate(self, requests, on_done):
        assert set(requests) <= set(self.prepared)
        self.asked += [request.item_id for request in requests]
        one = lambda sample: Completion(sample, "1", 1, -1.0, -1.0, 1.0, "stop", 1.0)  # noqa: E731
        return [Answered(tuple(map(one, request.samples)), 9, 0, 1.0, 0.0) for request in requests]


def test_items_of_every_family_are_timed_with_the_prompts_of_the_whole_run_at_hand(tmp_path, monkeypatch):
    data = tts.load_data("arithmetic:products_small+sum_digit+quotients_small", n=5)
    order = [i for start in range(5) for i in range(start, 15, 5)]  # by turns, so that a stride could miss families
    model = tiny_language_model()
    draws = sampling(2, 0.8, max_tokens=2)
    tts.collect(model, data.subset(order), draws=draws, out=tmp_path, progress=False, device="cpu")
    watch = Watch()
    monkeypatch.setattr("ttscale.collecting.profile_language.generator_for", lambda *_, **__: watch)
    profile(tmp_path, model, n_items=3, repeats=1, device="cpu", progress=False)
    assert {item.split("/")[1] for item in watch.asked} == {"products_small", "sum_digit", "quotients_small"}
    assert len(set(watch.asked)) == 3
    assert {request.item_id for request in watch.prepared} == set(data.item_ids)


class Slow(Watch):
    """Takes so many seconds of its own clock for each question, warm-up and all."""

    def __init__(self, took) -> None:
        super().__init__()
        self.took, self.now = iter(took), 0.0

    def generate(self, requests, on_done):
        self.now += next(self.took)
        return super().generate(requests, on_done)


def test_each_item_has_the_median_of_its_own_repeats(tmp_path, monkeypatch):
    data, model = tts.load_data("arithmetic:sum_digit", n=2), tiny_language_model()
    tts.collect(model, data, draws=sampling(1, 0.8, max_tokens=2), out=tmp_path, progress=False, device="cpu")
    rounds = ([9.0, 9.0], [1.0, 20.0], [2.0, 10.0], [6.0, 30.0])  # greedy and one sample, the first to warm up
    slow = Slow([seconds for once in rounds for seconds in 2 * once])
    monkeypatch.setattr(profile_language, "generator_for", lambda *_, **__: slow)
    monkeypatch.setattr(profile_language, "time", SimpleNamespace(perf_counter=lambda: slow.now))
    found = profile(tmp_path, model, n_items=2, repeats=3, device="cpu", progress=False).profiles().to_pylist()
    assert len(found) == 2 and next(slow.took, None) is None
    for row in found:
        assert row["item_seconds"] == [2.0, 20.0]
        assert (row["fastest"], row["seconds"], row["slowest"]) == (5.5, 11.0, 18.0)


def test_spending_tells_the_seconds_of_the_timed_items(timed):
    records = timed[0]
    rows = [row for row in records.profiles().to_pylist() if row["decode_id"] == "T0.8"]
    each = np.maximum.accumulate([row["item_seconds"] for row in rows])  # [1, 2, 4 and 6 samples, item]
    found = tts.spending(records, budgets=[1, 2, 4, 6])
    assert found.timed_items == 2
    np.testing.assert_allclose(found.seconds.quantiles, [each.min(axis=1), each.max(axis=1), each.max(axis=1)])
    np.testing.assert_allclose(found.seconds.worst, each.max(axis=1))
    assert (found.seconds.mean <= found.seconds.worst).all()


def test_a_profile_of_an_older_version_is_read_and_gives_the_mean_alone(timed, tmp_path):
    shutil.copytree(timed[0].path, tmp_path / "old")
    table = timed[0].profiles().drop_columns(["item_ids", "item_seconds"])
    add_derived(tmp_path / "old", "profiles", {"profiles.parquet": table})
    old = tts.read_records(tmp_path / "old")
    found, new = tts.spending(old), tts.spending(timed[0])
    np.testing.assert_allclose(found.seconds.mean, new.seconds.mean)
    assert np.isnan(found.seconds.quantiles).all() and np.isnan(found.seconds.worst).all()
    assert (found.timed_items, new.timed_items) == (0, 2)
    held = [{**row, "device": "elsewhere"} for row in old.profiles().to_pylist()]
    add_derived(old.path, "profiles", {"profiles.parquet": pa.Table.from_pylist(held, schema=table.schema)})
    again = profile(old.path, timed[1], n_items=2, repeats=1, device="cpu", progress=False)
    assert [row["item_seconds"] is None for row in again.profiles().to_pylist()] == [True] * 5 + [False] * 5


def test_rows_of_different_items_are_not_set_side_by_side():
    rows = [{"item_ids": ["a", "b"]}, {"item_ids": ["a", "b"]}]
    assert timed_items(rows) == ("a", "b")
    for other in ({"item_ids": ["b", "a"]}, {"item_ids": None}, {}):
        assert timed_items([*rows, other]) == ()
    assert timed_items([]) == () == timed_items([{}])


def test_curves_tell_the_seconds_of_their_budgets(timed):
    records = timed[0]
    rows, at = {}, 0.0
    for row in records.profiles().to_pylist():
        if row["decode_id"] == "T0.8":
            at = max(at, row["seconds"])  # more samples are never less work
            rows["T0.8", row["samples"]] = at
    curve = tts.accuracy_curve(records)
    expected = [rows["T0.8", 1], rows["T0.8", 2], (rows["T0.8", 2] + rows["T0.8", 4]) / 2, rows["T0.8", 4]]
    np.testing.assert_allclose(curve.seconds[:4], expected)
    summary = tts.summarize(records)
    entry = next(one for one in summary["curves"] if one["id"] == curve.name)
    assert entry["seconds"][5] == pytest.approx(rows["T0.8", 6])
    spent = entry["spending"]
    assert spent["timed_items"] == 2 and spent["budgets"] == [1, 2, 4, 6]
    assert all(low <= high for low, high in zip(*spent["seconds"]["quantiles"][::2], strict=True))
    assert spent["seconds"]["worst"] == spent["seconds"]["quantiles"][-1]
    assert summary["run"]["profiled_on"] == profiled_on(records.profiles())


def test_a_second_profile_of_the_device_takes_the_place_of_the_first(timed):
    records, model = timed
    again = profile(records, model, n_items=1, repeats=1, device="cpu", progress=False)
    assert {row["items"] for row in again.profiles().to_pylist()} == {1}
    assert len(again.profiles()) == len(records.profiles())


def test_seconds_between_measured_numbers_lie_on_a_line_and_none_are_made_up_outside():
    rows = [{"member": "m", "decode_id": "T1", "samples": n, "seconds": s} for n, s in ((1, 2.0), (4, 5.0), (8, 6.0))]
    held = pa.Table.from_pylist([{"device": "d", **row} for row in rows], schema=PROFILES).to_pylist()
    got = seconds_of(held, "m", np.array([0, 1, 2, 4, 6, 8, 9]), decoding="T1")
    np.testing.assert_allclose(got, [0, 2, 3, 5, 5.5, 6, np.nan])
    for other in ({"decoding": "greedy"}, {"decoding": "T1", "shape": "3x8x8"}, {}):
        assert np.isnan(seconds_of(held, "m", np.array([1]), **other)).all()


def test_other_weights_are_refused(timed):
    with pytest.raises(TtscaleError, match="other weights"):
        profile(timed[0], tiny_language_model(seed=1), n_items=1, repeats=1, progress=False)
    with pytest.raises(TtscaleError, match="repeats"):
        profile(timed[0], timed[1], repeats=0)
