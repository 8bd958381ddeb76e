"""A list of shifts from the command line to one summary, and the check for leakage, really run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttscale.cli.main import main
from ttscale.data.load import load_data
from ttscale.records.files import write_json
from ttscale.records.read import read_records

RUN = [
    "models=[zoo:resnet8-w4-s0,zoo:resnet8-w8-s0]", "data=fashion_mnist", "data.limit=40", "draws=flip", "seed=1",
]  # fmt: skip
SHIFTS = "data.shift=[gaussian_noise@3,none,prior:1/4]"
FOLDERS = {"clean": "clean", "gaussian noise 3": "gaussian-noise-3", "class prior 1/4": "class-prior-1-4"}


@pytest.fixture(autouse=True)
def inside(work: Path, monkeypatch) -> None:
    """In a folder of its own, without figures and page: they are about something else."""

    def write_numbers(records: None, out: Path, *, summary: dict) -> None:
        write_json(out / "summary.json", summary)

    monkeypatch.setattr("ttscale.cli.verbs.analyze.report", write_numbers)
    monkeypatch.chdir(work)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def collected(work: Path) -> Path:
    assert main(["collect", *RUN, SHIFTS, f"out={work / 'collected'}"]) == 0
    return work / "collected"


def summary_of(folder: str | Path) -> dict:
    return json.loads(Path(folder, "summary.json").read_text())


def test_a_list_of_shifts_is_collected_into_a_folder_each(collected: Path):
    records = {label: read_records(collected / "records" / folder) for label, folder in FOLDERS.items()}
    clean, noisy, other = records.values()
    assert list(clean.item_ids) == list(noisy.item_ids)
    assert not np.array_equal(clean.log_probs("resnet8-w4-s0"), noisy.log_probs("resnet8-w4-s0"))
    assert list(other.item_ids) == list(load_data("fashion-mnist", shift="prior:1/4", limit=40).item_ids)
    assert other.manifest.dataset["name"] == "fashion-mnist-test, class prior 1/4"
    runs = summary_of(collected)["runs"]
    assert list(runs) == list(FOLDERS) and runs["gaussian noise 3"]["dataset"].endswith(", gaussian noise 3")


def test_the_same_command_goes_on_where_it_stopped(collected: Path):
    folders = [collected / "records" / folder for folder in FOLDERS.values()]
    noisy = read_records(folders[1]).log_probs("resnet8-w4-s0").copy()
    shutil.rmtree(folders[1])
    before = {path: path.stat().st_mtime_ns for path in (folders[0] / "log_probs").iterdir()}
    assert main(["collect", *RUN, SHIFTS, f"out={collected}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (folders[0] / "log_probs").iterdir()} == before
    assert np.array_equal(read_records(folders[1]).log_probs("resnet8-w4-s0"), noisy)


def test_sweep_says_what_collect_and_analyze_say(collected: Path):
    small = "report.n_boot=50"
    assert main(["sweep", *RUN, SHIFTS, small, "out=swept"]) == 0
    assert main(["analyze", f"records={collected / 'records'}", small, "seed=1", "out=analysed"]) == 0
    swept, analysed = summary_of("swept"), summary_of("analysed")
    assert swept["run"]["dataset"] == analysed["run"]["dataset"] == "fashion-mnist-test"
    assert swept["shifts"]["order"] == list(FOLDERS)
    by_row = {(row["shift"], row["curve"]): row for row in analysed["shifts"]["rows"]}
    for row in swept["shifts"]["rows"]:
        assert row == by_row[row["shift"], row["curve"]]


def test_one_shift_is_an_ordinary_run(capsys):
    assert main(["collect", *RUN, "data.shift=fog@2", "out=fog"]) == 0
    assert read_records("fog").manifest.dataset["name"] == "fashion-mnist-test, fog 2"
    assert main(["collect", *RUN, "data.shift=fog@3", "out=fog"]) == 2
    assert "a change of dataset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shifts", "message"),
    [
        ("[fog@1,fog@2]", "data.shift: expected different shifts with none among them, got [fog@1, fog@2]"),
        ("[none,fog@1,fog@1]", "data.shift: expected different shifts"),
        ("[none,prior:0.5,prior:1/2]", "data.shift: expected different shifts"),
        ("[]", "data.shift: expected different shifts"),
        ("[none,3]", "data.shift: expected one of none, CORRUPTION@SEVERITY"),
        ("[none,fogg@1]", "Did you mean fog"),
        ("snow@7", "data.shift: expected a severity from 1 to 5 after snow@"),
    ],
)
def test_lists_that_cannot_be_compared_are_told_at_once(shifts, message, capsys):
    assert main(["sweep", *RUN, f"data.shift={shifts}", "out=none"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("none").exists()


def test_records_that_are_not_one_run_are_told_where_they_stand(collected: Path, capsys):
    """``analyze`` takes the out of a run over shifts; a verb on one run names those that there are."""
    assert main(["analyze", f"records={collected}", "report.n_boot=50", "out=whole"]) == 0
    assert summary_of("whole")["shifts"]["order"] == ["clean", *sorted(list(FOLDERS)[1:])]
    capsys.readouterr()
    for folder in (collected, collected / "records"):
        assert main(["plan", f"records={folder}", "max_flops=1e9", "out=none"]) == 2
        told = capsys.readouterr().err
        assert f"give one, such as {collected / 'records' / 'class-prior-1-4'}, or all" in " ".join(told.split())


def folder_of(path: str, good: int, bad: int) -> str:
    """A folder of clothes, some of them without a byte."""
    for i in range(good + bad):
        Path(path, "Bag").mkdir(parents=True, exist_ok=True)
        file = Path(path, "Bag", f"{i}.png")
        Image.fromarray(np.full((28, 28), 20 * i, np.uint8)).save(file) if i < good else file.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        (0, 2, "item Bag/0.png: expected a readable input"),
        (1, 0, "data: expected at least 2 items, to be compared, got 1"),
    ],
)
def test_a_shift_that_cannot_be_collected_is_told_before_the_clean_items_are(good, bad, told, capsys):
    folder = folder_of(f"bags{good}{bad}", good, bad)
    assert main(["sweep", *RUN, f"data.shift=[none,'folder:{folder}']", f"out=ahead{good}"]) == 2
    err = capsys.readouterr().err
    assert told in err and f"(shift: work0/{folder})" in err.replace(Path.cwd().name, "work0")
    assert not Path(f"ahead{good}", "records").exists()


def test_what_was_collected_is_written_when_a_later_shift_fails(capsys):
    folder = folder_of("late", 3, 1)  # the first ones, at which a run looks, are whole
    given = [*RUN, "report.n_boot=50", f"data.shift=[none,fog@2,'folder:{folder}']", "out=partly"]
    assert main(["sweep", *given]) == 2
    told = capsys.readouterr()
    assert "data.shift: expected shifts that can all be collected, got none for" in told.err and "Bag/3.png" in told.err
    assert summary_of("partly")["shifts"]["order"] == ["clean", "fog 2"]
    Image.fromarray(np.full((28, 28), 9, np.uint8)).save(Path(folder, "Bag", "3.png"))
    assert main(["sweep", *given]) == 0
    assert len(summary_of("partly")["shifts"]["order"]) == 3


def test_a_run_whose_items_are_all_unreadable_is_not_to_be_continued(capsys):
    folder = folder_of("empty", 0, 3)
    given = ["models=zoo:resnet8-w4-s0", "data=imagefolder", f"data.root={folder}", "data.on_bad_item=skip"]
    Path("bag.json").write_text(json.dumps({"Bag": 8}))
    assert main(["collect", *given, f"data.class_index={Path('bag.json').resolve()}", "out=unread"]) == 2
    assert main(["plan", "records=unread", "max_flops=1e9", "out=none"]) == 2
    assert "a run of items that can be read, got unread of none. Mend the items" in capsys.readouterr().err


def test_a_list_is_for_sweep_and_collect_alone(capsys):
    assert main(["leakage", "data=fashion_mnist", "data.shift=[none,fog@1]", "training=x", "out=none"]) == 2
    assert "data.shift" in capsys.readouterr().err


def test_folders_of_records_that_are_not_a_clean_and_shifted_ones(collected: Path, capsys):
    shutil.copytree(collected / "records" / "gaussian-noise-3", "alone/a")
    for _ in range(2):
        assert main(["analyze", "records=alone", "out=none"]) == 2
        assert "Records of clean and shifted items" in capsys.readouterr().err
        shutil.copytree(collected / "records" / "clean", "alone/b", dirs_exist_ok=True)
        shutil.copytree(collected / "records" / "clean", "alone/c", dirs_exist_ok=True)


def test_leakage_flags_images_and_exclude_leaves_them_out(capsys):
    rng = np.random.default_rng(0)
    for name in ("val/a/0", "val/a/1", "val/b/2", "train/x/y", "train/z"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(f"{name}.png")
    shutil.copy("val/a/1.png", "train/x/copy.png")
    assert main(["leakage", "data.root=val", "training=train", "out=leaked"]) == 0
    said = capsys.readouterr().out
    assert "1 of 3 images of val stand in train (3 images): 1 exactly, 0 nearly." in said
    assert "  a/1.png = x/copy.png" in said and "Next: data.exclude=leaked/summary.json" in said
    summary = summary_of("leaked")
    assert (summary["kind"], summary["max_distance"], summary["bits"]) == ("ttscale-leakage", 16, 256)
    assert summary["matches"] == [
        {"item_id": "a/1.png", "train": "x/copy.png", "exact": True, "distance": 0, "n_near": 1}
    ]
    given = [
        "models=zoo:resnet8-w4-s0", "data=imagefolder", "data.root=val", "draws=flip",
        f"data.class_index={class_index()}",
    ]  # fmt: skip
    assert main(["collect", *given, "data.exclude=leaked/summary.json", "out=kept"]) == 0
    assert list(read_records("kept").item_ids) == ["a/0.png", "b/2.png"]


def class_index() -> Path:
    """Labels with gaps have no names, so they go with any ten classes."""
    labels = {"a": 0, "b": 2}
    path = Path("classes.json").resolve()
    path.write_text(json.dumps(labels))
    return path
