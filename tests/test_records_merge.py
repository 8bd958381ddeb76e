"""Runs over the same items as one folder of few files, in the type that is asked for."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from ttscale.errors import TtscaleError
from ttscale.records.aligned import on_same_items
from ttscale.records.codes import decoded, encoded
from ttscale.records.merge import merge_records
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.schema import Manifest, Member
from ttscale.records.store import RecordsWriter
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.strategy import tta

VIEWS = ("identity", "hflip", "vflip")
N, CLASSES = 30, 4
LABELS = np.arange(N) % CLASSES
IDS = [f"d/{i:02d}" for i in range(N)]


def outcomes(seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(N, len(VIEWS), CLASSES)) * 3
    return (x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(np.float32)


def write(folder, names, *, blocks=3, order=slice(None), dtype=np.float32, **changes):
    """A run on disk of these members, in several blocks, with its items in some order."""
    members = tuple(
        Member(name, f"zoo:{name}", "f" * 64, 100.0 + seed, "counter", 10.0, {}, (1, 8, 8), 5, {"size": name})
        for name, seed in names.items()
    )
    manifest = Manifest(**{
        "seed": 3, "config": {"batch_size": 4}, "versions": {"torch": "2"}, "device": "cpu", "dataset": {"name": "d"},
        "n_classes": CLASSES, "class_names": tuple("pqrs"), "variants": VIEWS, "members": members, "n_blocks": blocks,
        **changes,
    })  # fmt: skip
    ids, labels = np.array(IDS, object)[order], LABELS[order]
    with RecordsWriter(folder, manifest) as writer:
        for block, rows in enumerate(np.array_split(np.arange(N), blocks)):
            values = {name: outcomes(seed)[order][rows].astype(dtype) for name, seed in names.items()}
            writer.write_block(block, ids[rows].tolist(), values, flipped=dict.fromkeys(names, block))
        families = np.array([f"f{i % 2}" for i in range(N)], object)[order]
        flops = {name: [100.0 + seed, 100.0, 110.0] for name, seed in names.items()}
        writer.finish(ids.tolist(), labels, families=families, draw_flops=flops)
    return folder


@pytest.fixture
def runs(tmp_path):
    backwards = slice(None, None, -1)
    return [write(tmp_path / "one", {"a": 0, "b": 1}), write(tmp_path / "two", {"c": 2}, blocks=2, order=backwards)]


def test_members_of_several_runs_stand_in_one_folder(tmp_path, runs):
    merged = merge_records(runs, tmp_path / "all", command="made so")
    assert [member.name for member in merged.members] == ["a", "b", "c"] and merged.item_ids.tolist() == IDS
    for seed, name in enumerate("abc"):
        assert np.array_equal(merged.log_probs(name), outcomes(seed))
        assert [merged.draw_flops(name, view) for view in VIEWS] == [100.0 + seed, 100.0, 110.0]
        assert merged.member(name).card == {"size": name}
    assert merged.families[1] == "f1" and np.array_equal(merged.labels, LABELS) and merged.manifest.command == "made so"
    files = sorted(str(p.relative_to(tmp_path / "all")) for p in (tmp_path / "all").rglob("*") if p.is_file())
    shards = [f"log_probs/m{i:03d}-b00000.npy" for i in range(3)]
    assert files == ["costs.parquet", "items.parquet", "lock", *shards, "manifest.json"]
    forwards = [row for row in pq.read_table(tmp_path / "all/costs.parquet").to_pylist() if row["scope"] == "forward"]
    assert [(row["key"], row["flops"]) for row in forwards] == [(f"{m}@1x8x8", 100.0 + i) for i, m in enumerate("abc")]
    assert merged.manifest.flipped_draws == 2 * (0 + 1 + 2) + (0 + 1)  # those of the runs


def test_codes_are_read_wherever_numbers_are(tmp_path, runs):
    small = merge_records(runs, tmp_path / "all", log_probs_dtype="uint8")
    assert small.manifest.config["log_probs_dtype"] == "uint8" and small.stored("c").dtype == np.uint8
    assert np.load(tmp_path / "all/log_probs/m002-b00000.npy").dtype == np.uint8
    expected = decoded(encoded(outcomes(2)))
    small.check("c")
    assert np.array_equal(small.log_probs("c"), expected) and small.log_probs("c").dtype == np.float32
    assert np.array_equal(small.log_probs("c", slice(7, 11)), expected[7:11])
    assert np.array_equal(small.take([9, 0, 4]).log_probs("c"), expected[[9, 0, 4]])
    curves = [
        accuracy_curve(records, tta(records, "c"), n_boot=50).accuracy[-1]
        for records in (small, Records.from_arrays({"c": expected}, LABELS, variants=VIEWS, item_ids=IDS))
    ]
    assert curves[0] == curves[1]


def test_what_is_stored_in_the_type_already_is_copied(tmp_path, runs):
    small = merge_records(runs, tmp_path / "small", log_probs_dtype="uint8")
    more = write(tmp_path / "three", {"e": 5})
    again = merge_records([small, merge_records([more], tmp_path / "e", log_probs_dtype="uint8")], tmp_path / "again")
    for name in "abc":
        assert np.array_equal(again.stored(name), small.stored(name)) and again.stored(name).dtype == np.uint8
    mixed = merge_records([small, more], tmp_path / "mixed")
    assert mixed.log_probs("a").dtype == np.float32 and np.array_equal(mixed.log_probs("a"), small.log_probs("a"))


def test_large_runs_are_merged_in_blocks_and_gone_on_with(tmp_path, runs, monkeypatch):
    monkeypatch.setattr("ttscale.records.merge._BLOCK_VALUES", (1 << 20, 8 * 3 * len(VIEWS) * CLASSES))  # 8 items
    write_block, written = RecordsWriter.write_block, []

    def stops(self, block, *arguments, **named):
        if block == 2 and not written:
            written.append(block)
            raise KeyboardInterrupt
        write_block(self, block, *arguments, **named)

    monkeypatch.setattr(RecordsWriter, "write_block", stops)
    with pytest.raises(KeyboardInterrupt):
        merge_records(runs, tmp_path / "all", log_probs_dtype="float16")
    merged = merge_records(runs, tmp_path / "all", log_probs_dtype="float16")
    assert list(merged.blocks()) == [slice(0, 8), slice(8, 16), slice(16, 24), slice(24, 30)]
    assert np.array_equal(merged.log_probs("c"), outcomes(2).astype(np.float16))
    stamp = (tmp_path / "all/manifest.json").stat().st_mtime_ns
    merge_records(runs, tmp_path / "all", log_probs_dtype="float16")
    assert (tmp_path / "all/manifest.json").stat().st_mtime_ns == stamp
    with pytest.raises(TtscaleError, match=r"out: .*log_probs_dtype was"):
        merge_records(runs, tmp_path / "all", log_probs_dtype="uint8")


def test_other_outcomes_are_another_merge(tmp_path, runs):
    merge_records(runs, tmp_path / "all")
    other = write(tmp_path / "other", {"c": 7})
    with pytest.raises(TtscaleError, match=r"outcomes\.c was"):
        merge_records([runs[0], other], tmp_path / "all")


def test_records_in_memory_and_parts_of_runs_are_merged(tmp_path, runs):
    part = read_records(runs[0]).take(range(5, 15))
    x = {"m": outcomes(4)[5:15]}
    made = Records.from_arrays(x, LABELS[5:15], item_ids=IDS[5:15], variants=VIEWS, class_names=tuple("pqrs"), seed=3)
    merged = merge_records([part, made], tmp_path / "part")
    assert merged.item_ids.tolist() == IDS[5:15] and np.array_equal(merged.log_probs("m"), x["m"])
    assert np.array_equal(merged.log_probs("b"), outcomes(1)[5:15]) and merged.draw_flops("m", "hflip") == 1.0


def shorter(run: Records) -> Records:
    return run.take(range(20))


def relabelled(run: Records) -> Records:
    names, values = tuple("pqrs"), outcomes(2)
    return Records.from_arrays({"c": values}, LABELS[::-1], item_ids=IDS, variants=VIEWS, class_names=names, seed=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: [path / "one", path / "one"], r"different members, got \['a', 'b'\] twice"),
        (lambda path: [path / "one", shorter(read_records(path / "two"))], "the same items"),
        (lambda path: [path / "one", relabelled(read_records(path / "two"))], "equal labels"),
        (lambda path: [path / "one", write(path / "x", {"x": 3}, seed=4)], "the same seed in all, got 4 beside 3"),
        (lambda path: [path / "one", write(path / "x", {"x": 3}, class_names=None)], "names of the classes"),
        (lambda path: [path / "one", write(path / "x", {"x": 3}, variants=("a", "b", "c"))], "the same views in all"),
        (lambda path: [], "at least one Records"),
        (lambda path: [path / "none"], "none, which is not there"),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_is_refused(tmp_path, runs, change, message):
    with pytest.raises(TtscaleError, match=message):
        merge_records(change(tmp_path), tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_an_unknown_type_and_a_strange_folder_are_refused(tmp_path, runs):
    with pytest.raises(TtscaleError, match="log_probs_dtype: expected auto or float32 or float16 or uint8"):
        merge_records(runs, tmp_path / "all", log_probs_dtype="int8")
    with pytest.raises(TtscaleError, match="batch_size was 4"):
        merge_records(runs, runs[1])
    assert json.loads((runs[1] / "manifest.json").read_text())["complete"]


def test_records_side_by_side_take_the_order_of_the_first(runs):
    one, two = on_same_items([read_records(run) for run in runs])
    assert one.item_ids.tolist() == two.item_ids.tolist() == IDS
    assert np.array_equal(two.log_probs("c"), outcomes(2)) and np.array_equal(two.labels, LABELS)


@pytest.mark.parametrize("one", [lambda path: path, str, read_records], ids=["Path", "str", "Records"])
def test_one_run_alone_is_merged_too(tmp_path, runs, one):
    made = merge_records(one(runs[0]), tmp_path / "out")
    assert [member.name for member in made.members] == [member.name for member in read_records(runs[0]).members]
