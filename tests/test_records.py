"""Records on disk: what is written is read again, and what is not Records is refused."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ttscale.errors import TtscaleError
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.schema import Manifest, Member
from ttscale.records.store import RecordsWriter
from ttscale.scaling.curves.curve import accuracy_curve

VARIANTS = ("identity", "hflip", "vflip")


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.fixture
def outcomes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: log_softmax(rng.normal(size=(10, 3, 4))).astype(np.float32) for name in ("a", "b")}


def manifest(**config: object) -> Manifest:
    members = tuple(
        Member(
            name, f"zoo:{name}", "f" * 64, flops, "counter", 10.0, {"aten.relu": 1}, (1, 8, 8), 5, {"train_flops": 1e9}
        )
        for name, flops in (("a", 100.0), ("b", 300.0))
    )
    return Manifest(
        seed=3, config={"seed": 3, **config}, versions={"torch": "2"}, device="cpu",
        dataset={"name": "d", "n_items": 10},
        n_classes=4, class_names=("p", "q", "r", "s"), variants=VARIANTS, members=members, n_blocks=3,
    )  # fmt: skip


IDS = [f"d/{i}" for i in range(10)]
LABELS = np.arange(10) % 4


def write(folder, outcomes, blocks=(0, 1, 2), finish=True, **config):
    with RecordsWriter(folder, manifest(**config)) as writer:
        for block in blocks:
            if not writer.has_block(block):
                rows = slice(4 * block, min(4 * block + 4, 10))
                writer.write_block(block, IDS[rows], {name: values[rows] for name, values in outcomes.items()})
        if finish:
            families = np.array(["even", "odd"] * 5, dtype=object)
            writer.finish(IDS, LABELS, families=families, draw_flops={"b": [300.0, 300.0, 310.0]})


def test_round_trip(tmp_path, outcomes):
    write(tmp_path, outcomes)
    records = read_records(tmp_path)
    assert records.item_ids.tolist() == IDS and records.labels.tolist() == LABELS.tolist()
    assert (
        records.variants == VARIANTS
        and records.n_classes == 4
        and records.families[1] == "odd"
        and records.clusters is None
    )
    assert records.member("b").card == {"train_flops": 1e9} and records.draw_flops("b", "vflip") == 310.0
    assert [records.draw_flops("a", view) for view in VARIANTS] == [100.0] * 3
    for name, values in outcomes.items():
        assert np.array_equal(records.log_probs(name), values)
        assert np.array_equal(records.log_probs(name, slice(3, 9)), values[3:9])
    assert list(records.blocks()) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert isinstance(records.log_probs("a", slice(4, 8)), np.memmap)


def test_take_keeps_ids_and_reads_the_chosen_rows(tmp_path, outcomes):
    write(tmp_path, outcomes)
    for positions in ([1, 2, 5, 9], [9, 0, 4]):
        part = read_records(tmp_path).take(positions)
        assert part.item_ids.tolist() == [IDS[i] for i in positions]
        assert np.array_equal(part.log_probs("a"), outcomes["a"][positions])
        streamed = np.concatenate([part.log_probs("a", rows) for rows in part.blocks()])
        assert np.array_equal(streamed, outcomes["a"][positions])
        assert np.array_equal(part.take([2, 1]).log_probs("b"), outcomes["b"][[positions[2], positions[1]]])


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 0, 1], "2 different ones among 3"), ([99], "from 0 to 9"), ([-1], "from 0 to 9"), ([], "at least one"),
        ([0.5], "float64"), (np.arange(10) < 3, "numpy.flatnonzero"), ([[0, 1]], r"shape (1, 2)"), (None, "object"),
    ],
)  # fmt: skip
def test_take_refuses_what_are_no_positions(outcomes, positions, message):
    with pytest.raises(TtscaleError) as error:
        Records.from_arrays(outcomes, LABELS).take(positions)
    assert error.value.argument == "positions" and message in str(error.value)


def test_stored_outcomes_are_checked_once(tmp_path, outcomes, monkeypatch):
    wrong = outcomes["b"].copy()
    wrong[7, 2] = 3.0  # what a damaged or hand-made shard might hold
    write(tmp_path, outcomes | {"b": wrong})
    records, read = read_records(tmp_path), []
    once = records.log_probs
    monkeypatch.setattr(records, "log_probs", lambda *a: read.append(a[0]) or once(*a))
    for _ in range(3):
        records.check("a")
    assert read == ["a"] * 3  # three blocks
    records.take([1, 2]).check("a")
    with pytest.raises(TtscaleError, match=r"item 'd/7', draw 2 of member 'b'"):
        accuracy_curve(records, n_boot=50)
    records.take([1, 2]).check("b")  # without the damaged item
    with pytest.raises(TtscaleError, match=r"'d/7'"):
        records.check("b")


def test_tables_read_without_ttscale(tmp_path, outcomes):
    write(tmp_path, outcomes)
    shard = np.load(tmp_path / "log_probs" / "m001-b00001.npy")
    assert np.array_equal(shard[2, VARIANTS.index("vflip")], outcomes["b"][6, 2])
    costs = pq.read_table(tmp_path / "costs.parquet").to_pylist()
    forward = {"scope": "forward", "key": "b@1x8x8", "flops": 300.0, "bytes": 10.0, "member": "b"}
    assert costs[1] == forward | dict.fromkeys(("variant", "item_id", "prefix", "tokens"))
    draw = {"scope": "draw", "key": "b/vflip", "flops": 310.0, "member": "b", "variant": "vflip"}
    assert costs[7] == draw | dict.fromkeys(("bytes", "item_id", "prefix", "tokens")) and len(costs) == 8
    items = pq.read_table(tmp_path / "items.parquet").to_pylist()
    unknown = dict.fromkeys(("gold", "question", "cluster"))
    assert items[5] == {"item_id": "d/5", "label": 1, "class_name": "q", "family": "odd"} | unknown


def test_the_draws_of_images_as_a_table(tmp_path, outcomes):
    write(tmp_path, outcomes)
    records = read_records(tmp_path)
    rows = records.draws().to_pandas()
    assert len(rows) == 60 and rows["row"].tolist() == [i // 3 for i in range(30)] * 2
    row = rows[(rows["item_id"] == "d/6") & (rows["variant"] == "vflip") & (rows["member"] == "b")].iloc[0]
    assert row["flops"] == 310.0 and row["row"] == 6
    assert records.take([6, 1]).draws()["item_id"].to_pylist() == (["d/6"] * 3 + ["d/1"] * 3) * 2
    assert len(Records.from_arrays(outcomes, LABELS).draws()) == 60


def test_a_resumed_run_goes_on_and_ends_the_same(tmp_path, outcomes):
    write(tmp_path / "whole", outcomes)
    write(tmp_path / "broken", outcomes, blocks=(0,), finish=False)
    with pytest.raises(TtscaleError, match="1 of 3 blocks"):
        read_records(tmp_path / "broken")
    write(tmp_path / "broken", outcomes)
    names = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file())
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


def test_a_changed_configuration_is_refused_by_name(tmp_path, outcomes):
    write(tmp_path, outcomes, blocks=(0,), finish=False, batch_size=4)
    with pytest.raises(TtscaleError, match="batch_size was 4, is 8"):
        write(tmp_path, outcomes, batch_size=8)
    write(tmp_path, outcomes, batch_size=4)


def test_one_writer_at_a_time(tmp_path):
    with RecordsWriter(tmp_path, manifest()), pytest.raises(TtscaleError, match="no other run"):
        RecordsWriter(tmp_path, manifest())


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(TtscaleError, match="thesis"):
        RecordsWriter(tmp_path, manifest())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "something else"),
        (lambda folder: (folder / "manifest.json").write_text("not json"), "damaged"),
        (lambda folder: (folder / "manifest.json").write_text("[1]"), "damaged"),
        (lambda folder: (folder / "log_probs" / "m000-b00001.npy").unlink(), "missing file"),
        (lambda folder: _flip_a_byte(folder / "log_probs" / "m000-b00001.npy"), "SHA-256"),
        (lambda folder: _flip_a_byte(folder / "costs.parquet"), "SHA-256"),
        (lambda folder: (folder / "items.parquet").unlink(), "items.parquet"),
    ],
)
def test_what_is_not_records_is_refused(tmp_path, outcomes, spoil, message):
    write(tmp_path, outcomes)
    spoil(tmp_path)
    with pytest.raises(TtscaleError, match=message):
        read_records(tmp_path)


def test_another_schema_version_is_refused(tmp_path, outcomes):
    write(tmp_path, outcomes)
    value = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(value | {"schema_version": 99}))
    with pytest.raises(TtscaleError, match="version 99"):
        read_records(tmp_path)


def test_records_of_version_1_are_still_read(tmp_path, outcomes):
    write(tmp_path, outcomes)
    value = json.loads((tmp_path / "manifest.json").read_text())
    since = ("outcome", "decodings", "prefill", "prompting", "generation", "grader")
    old = {key: entry for key, entry in value.items() if key not in since} | {"schema_version": 1}
    (tmp_path / "manifest.json").write_text(json.dumps(old))
    records = read_records(tmp_path)
    assert records.outcome == "log_probs" and np.array_equal(records.log_probs("b"), outcomes["b"])
    del old["seed"]
    (tmp_path / "manifest.json").write_text(json.dumps(old))
    with pytest.raises(TtscaleError, match="something else or damaged"):
        read_records(tmp_path)


def test_records_of_version_3_have_a_table_of_the_draws(tmp_path, outcomes):
    write(tmp_path, outcomes)
    value = json.loads((tmp_path / "manifest.json").read_text())
    forwards = pq.read_table(tmp_path / "costs.parquet").slice(0, 2)
    tables = {"costs.parquet": ("costs", "", -1, forwards)}
    for number, name in enumerate("ab"):
        for block, n in enumerate((4, 4, 2)):
            rows = pa.table(
                {"member": [name] * 3 * n, "variant": [*VARIANTS] * n, "flops": [7.0, 8.0, 9.0 + number] * n}
            )
            tables[f"draws/m{number:03d}-b{block:05d}.parquet"] = ("draws", name, block, rows)
    (tmp_path / "draws").mkdir()
    for path, (kind, member, block, table) in tables.items():
        pq.write_table(table, tmp_path / path)
        shard = {"path": path, "kind": kind, "member": member, "block": block, "rows": len(table)}
        digest = hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
        value["shards"] = [old for old in value["shards"] if old["path"] != path] + [shard | {"sha256": digest}]
    (tmp_path / "manifest.json").write_text(json.dumps(value | {"schema_version": 3}))
    records = read_records(tmp_path)
    assert [records.draw_flops("b", view) for view in VARIANTS] == [7.0, 8.0, 10.0]
    assert records.draw_flops("a", "vflip") == 9.0 and np.array_equal(records.log_probs("a"), outcomes["a"])


def _flip_a_byte(file) -> None:
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {"labels": a["labels"][:-1]}, "9"),
        (lambda a: {"labels": a["labels"] + 2}, "4 at item 2"),
        (lambda a: {"labels": a["labels"].astype(float)}, "integers"),
        (lambda a: {"log_probs": {"a": a["log_probs"]["a"] + 1}}, "exponentials sum to"),
        (lambda a: {"log_probs": {"a": 200 * a["log_probs"]["a"] + 900}}, "exponentials sum to inf"),
        (lambda a: {"log_probs": {"a": _with_nan(a["log_probs"]["a"])}}, "NaN for item 'd/7', draw 2 of member 'a'"),
        (lambda a: {"log_probs": {}}, "at least one member"),
        (lambda a: {"log_probs": {"a": a["log_probs"]["a"][:, 0]}}, "item, variant, class"),
        (lambda a: {"item_ids": ["x"] * 10}, "10 different names"),
        (lambda a: {"variants": ["identity"]}, "3 different names"),
        (lambda a: {"variants": ["identity", "x", "x"]}, "3 different names"),
        (lambda a: {"class_names": ["cat"]}, "class_names: expected 4 different names"),
        (lambda a: {"clusters": ["c", "d"]}, "clusters: expected 10 names"),
        (lambda a: {"families": [["c"]] * 10}, "shape (10, 1)"),
        (lambda a: {"flops": {"b": 1.0}}, "flops: expected a known name, got 'b'"),
        (lambda a: {"flops": {}, "log_probs": a["log_probs"] | {"c": a["log_probs"]["a"][:5]}}, "one shape"),
        (lambda a: {"flops": {"a": 1.0}, "log_probs": {k: a["log_probs"]["a"] for k in "ac"}}, "none for ['c']"),
        (lambda a: {"flops": 3.0}, "one entry per member"),
        (lambda a: {"cards": {"z": {}}}, "cards: expected a known name, got 'z'"),
    ],
)
def test_arrays_are_checked(outcomes, change, message):
    arguments = {"log_probs": {"a": outcomes["a"]}, "labels": LABELS, "item_ids": IDS}
    with pytest.raises(TtscaleError) as error:
        Records.from_arrays(**(arguments | change(arguments)))
    assert message in str(error.value)


def _with_nan(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[7, 2, 1] = np.nan
    return values
