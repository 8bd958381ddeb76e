"""Profiles of classifiers: what is timed, what curves make of it, and bytes of weights beside it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import make_data, make_model

import ttscale as tts
from ttscale.cli.main import main
from ttscale.collecting import profile_images
from ttscale.collecting.profile import profile
from ttscale.collecting.shared_forward import shared_forward
from ttscale.draws import keyed
from ttscale.draws.grammar import views
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import apply_view
from ttscale.errors import TtscaleError
from ttscale.models.load import load_model
from ttscale.models.numeric import numeric
from ttscale.records.profiles import PROFILES, latest, profiled_on, unsteady_words
from ttscale.records.records import Records
from ttscale.records.store import add_derived
from ttscale.scaling.curves.combined import mean_curve
from ttscale.scaling.strategy import ensemble, product, tta

SPEC = "shifts(1)"


@pytest.fixture(scope="module")
def members():
    plain = make_model("a")
    plain = replace(plain, card={"weight_bytes": 20_000, "size": "small"})
    return [plain, numeric(plain, "int8", name="b")]


@pytest.fixture(scope="module")
def run(members, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiled") / "run"
    tts.collect(members, make_data(12), draws=SPEC, out=folder, progress=False, device="cpu")
    return profile(folder, members, n_items=2, repeats=3, device="cpu", threads=1, progress=False)


def test_every_member_is_timed_at_powers_of_two_and_at_all_views(run):
    rows = run.profiles().to_pylist()
    n = len(run.variants)
    assert n == 9
    assert [(row["member"], row["samples"]) for row in rows] == [(m, k) for m in "ab" for k in (1, 2, 4, 8, n)]
    for row in rows:
        assert 0 < row["fastest"] <= row["seconds"] <= row["slowest"]
        assert (row["shape"], row["items"], row["repeats"]) == ("1x28x28", 2, 3)
        assert row["decode_id"] is None and row["device"].endswith("1 threads)")


def test_the_members_are_left_as_they_were(run, members):
    assert [model.fingerprint() for model in members] == [member.fingerprint for member in run.members]
    assert not next(members[0].module.parameters()).is_inference()


def test_what_is_timed_is_the_views_in_one_forward(members, tmp_path, monkeypatch):
    asked = []

    def watched(model, some, inputs, *, space, seed, keys):
        assert torch.is_inference_mode_enabled()
        asked.append((model.name, len(some), len(keys)))
        assert {tuple(x.shape) for x in inputs.values()} == {(1, 1, 28, 28)}
        return torch.zeros(1, len(some), 10)

    tts.collect(members[0], make_data(4), draws="flip", out=tmp_path, progress=False, device="cpu")
    monkeypatch.setattr(profile_images, "shared_forward", watched)
    profile(tmp_path, members[0], n_items=3, repeats=1, device="cpu", progress=False)
    assert asked == [("a", 1, 1)] * 3 + [("a", 2, 1)] * 3 + [("a", 1, 1)] * 3 + [("a", 2, 1)] * 3


def test_views_that_share_a_forward_give_what_each_gives_alone(members, monkeypatch):
    model, batches = members[0], []
    some = views("flip * random_shift(3, 2)").views
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 28, 28))).float()
    space = PixelSpace.on(torch.device("cpu"), model.mean, model.std)
    keys = torch.from_numpy(keyed.item_keys(["p", "q"]))
    model.module.register_forward_pre_hook(lambda module, given: batches.append(len(given[0])))
    inputs = {view.frame: x for view in some}
    with torch.inference_mode():
        got = shared_forward(model, some, inputs, space=space, seed=7, keys=keys)
        assert batches == [2 * len(some)]
        monkeypatch.setattr("ttscale.collecting.shared_forward._VALUES_A_CORE", 4 * 784)
        again = shared_forward(model, some, inputs, space=space, seed=7, keys=keys)
        assert batches[1:] == [4, 4, 2]
        for number, view in enumerate(some):
            alone = model.read(model.module(apply_view(view, x, space, 7, keys)))
            torch.testing.assert_close(got[:, number], alone, atol=1e-5, rtol=0)
            torch.testing.assert_close(again[:, number], alone, atol=1e-5, rtol=0)


def timed(records: Records, rows: list[tuple]) -> Records:
    """The Records with a made-up profile: (member, shape, views, seconds)."""
    table = pa.Table.from_pylist(
        [
            {"device": device, "member": member, "shape": shape, "samples": n, "seconds": seconds}
            for device in ("old", "cpu")
            for member, shape, n, seconds in (rows if device == "cpu" else [(*row[:3], 99.0) for row in rows])
        ],
        schema=PROFILES,
    )
    add_derived(records.path, "profiles", {"profiles.parquet": table})
    return tts.read_records(records.path)


@pytest.fixture(scope="module")
def made_up(members, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made_up")
    records = tts.collect(members, make_data(12), draws=SPEC, out=folder, progress=False, device="cpu")
    shape = "1x28x28"
    return timed(records, [
        ("a", shape, 1, 1.0), ("a", shape, 4, 2.5), ("a", shape, 9, 5.0), ("b", shape, 1, 10.0), ("b", shape, 4, 40.0),
    ])  # fmt: skip


def test_seconds_of_a_budget_are_the_sum_over_members_of_their_views(made_up):
    of_a = [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    np.testing.assert_allclose(tts.accuracy_curve(made_up, tta(made_up, "a")).seconds, of_a)
    both = tts.accuracy_curve(made_up, ensemble(made_up, ["b", "a"]))
    np.testing.assert_allclose(both.seconds, [10, 11])
    turns = tts.accuracy_curve(made_up, product(made_up, ["a", "b"]), budgets=[1, 2, 3, 8, 10]).seconds
    np.testing.assert_allclose(turns, [1, 11, 1.5 + 10, 2.5 + 40, np.nan])  # b was timed with 4 views at most


def test_more_views_are_never_less_work(members, tmp_path):
    records = tts.collect(members[0], make_data(4), draws=SPEC, out=tmp_path, progress=False, device="cpu")
    times = [("a", "1x28x28", n, s) for n, s in ((1, 2.3), (2, 0.7), (4, 0.6), (8, 2.7), (9, 2.6))]
    done = timed(records, times)
    got = tts.accuracy_curve(done, tta(done, "a")).seconds
    np.testing.assert_allclose(got, [2.3, 2.3, 2.3, 2.3, 2.4, 2.5, 2.6, 2.7, 2.7])
    np.testing.assert_allclose(tts.accuracy_curve(done, tta(done, "a"), budgets=[4]).seconds, 2.3)
    said = unsteady_words(latest(done.profiles()))
    assert said.startswith("Seconds fall at 3 of 4 steps to more draws (most for a, from 1 to 2): ")
    rising = [("a", "1x28x28", 1, 1.0), ("a", "1x28x28", 9, 5.0), ("a", "1x32x32", 1, 0.5), ("b", "1x28x28", 1, 0.5)]
    assert unsteady_words(latest(timed(records, rising).profiles())) == ""


def test_weights_count_once_a_member(made_up, members):
    small = members[1].card["weight_bytes"]
    assert small < 20_000
    curve = tts.accuracy_curve(made_up, product(made_up, ["a", "b"]), budgets=[1, 2, 3, 18])
    np.testing.assert_array_equal(curve.weight_bytes, [20_000, 20_000 + small, 20_000 + small, 20_000 + small])
    np.testing.assert_array_equal(curve.at_rows(np.array([0, 2])).weight_bytes, curve.weight_bytes[[0, 2]])
    one, other = (tts.accuracy_curve(made_up, tta(made_up, name), budgets=[1, 2]) for name in "ab")
    mean = mean_curve([one, other], "mean")
    np.testing.assert_array_equal(mean.weight_bytes, [(20_000 + small) / 2] * 2)
    np.testing.assert_allclose(mean.seconds, [(1 + 10) / 2, (1.5 + 20) / 2])


def test_the_summary_tells_both(made_up):
    summary = tts.summarize(made_up, n_boot=50)
    entry = next(one for one in summary["curves"] if one["id"] == "tta/small")
    assert entry["seconds"][:4] == [1, 1.5, 2, 2.5] and entry["weight_bytes"][0] == 20_000
    (rounded,) = summary["rivals"]  # run in float32: the 10 seconds that it took are not those of its format
    assert (rounded["size"], rounded["seconds"]) == ("small int8", None) and rounded["weight_bytes"] < 20_000


def test_profiles_of_other_numeric_formats_stand_beside_each_other(members, tmp_path):
    tts.collect(members[0], make_data(4), draws="flip", out=tmp_path, progress=False, device="cpu")
    of = {"n_items": 1, "repeats": 1, "device": "cpu", "progress": False}
    for dtype in ("auto", "bfloat16", "float32", "bfloat16"):
        done = profile(tmp_path, members[0], dtype=dtype, **of)
    table = done.profiles()
    assert table["dtype"].to_pylist() == ["float32"] * 2 + ["bfloat16"] * 2
    assert [row["dtype"] for row in latest(table)] == ["bfloat16"] * 2
    assert profiled_on(table).startswith("cpu (") and profiled_on(table).endswith(", bfloat16")
    rising = np.maximum.accumulate([row["seconds"] for row in latest(table)])
    np.testing.assert_array_equal(tts.accuracy_curve(done).seconds, rising)
    with pytest.raises(TtscaleError, match="dtype"):
        profile(tmp_path, members[0], dtype="int8", **of)


def test_a_profile_of_an_older_version_is_read():
    old = pa.table({"device": ["a", "b"], "seconds": [1.0, 2.0]})
    assert latest(old) == [{"device": "b", "seconds": 2.0}]
    assert profiled_on(old) == "b" and profiled_on(None) is None


def test_without_a_profile_or_a_card_nothing_is_made_up():
    scores = np.log(np.full((30, 2, 3), 1 / 3))
    records = Records.from_arrays({"a": scores}, np.arange(30) % 3)
    curve = tts.accuracy_curve(records)
    assert curve.seconds is None and np.isnan(curve.weight_bytes).all()


def test_inputs_of_other_sizes_are_timed_apart(tmp_path):
    model = load_model("zoo:resnet8-w4-s0")
    data = tts.load_data("fashion-mnist", limit=4)
    records = tts.collect(model, data, draws="sizes(28, 32) * flip", out=tmp_path, progress=False, device="cpu")
    done = profile(records, model, n_items=1, repeats=1, device="cpu", progress=False)
    by_shape = {}
    for row in done.profiles().to_pylist():
        by_shape.setdefault(row["shape"], {})[row["samples"]] = row["seconds"]
    n_large = sum("32" in name for name in records.variants)
    assert set(by_shape) == {"1x28x28", "1x32x32"} and max(by_shape["1x32x32"]) == n_large >= 1
    total = sum(max(seconds.values()) for seconds in by_shape.values())
    assert tts.accuracy_curve(done).seconds[-1] == pytest.approx(total)


def test_what_cannot_be_timed_is_refused(run, members):
    with pytest.raises(TtscaleError, match="a as these Records know it, got other weights"):
        profile(run, replace(members[1], name="a"), progress=False)
    with pytest.raises(TtscaleError, match="classifiers from load_model"):
        profile(run, load_model("endpoint:http://localhost:1/v1?model=a"), progress=False)
    with pytest.raises(TtscaleError, match="each member once, got a twice"):
        profile(run, [members[0], members[0]], progress=False)
    for threads in (0, -1, "2"):
        with pytest.raises(TtscaleError, match=r"threads: expected a whole number of at least 1"):
            profile(run, members, threads=threads, progress=False)
    with pytest.raises(TtscaleError, match="n_items"):
        profile(run, members, n_items=0)
    arrays = Records.from_arrays({"a": np.log(np.full((4, 1, 2), 0.5))}, [0, 1, 0, 1])
    with pytest.raises(TtscaleError, match="Records in a folder"):
        profile(arrays, members)


def test_the_verb_prints_views_and_seconds(tmp_path, capsys):
    data = tts.load_data("fashion-mnist", limit=4)
    model = load_model("int8:zoo:resnet8-w4-s0")
    tts.collect(model, data, draws="flip", out=tmp_path / "run", progress=False, device="cpu")
    code = main(["profile", f"records={tmp_path / 'run'}", f"out={tmp_path / 'out'}", "repeats=1", "n_items=1"])
    out = capsys.readouterr().out
    assert code == 0 and "resnet8-w4-s0-int8" in out and "1x28x28" in out
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["profile"]
    assert [row["samples"] for row in rows] == [1, 2]
