"""Live runs that share a training folder: each rung is one run's, and what a killed one held is free again."""

import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from test_train import RECIPE, learnable, train
from test_train_rivals import make_soups, make_students, trained  # noqa: F401  # a fixture

from ttscale.errors import TtscaleError
from ttscale.training.claims import claimed

WAITS = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_train import train
if __name__ == "__main__":
    train(sys.argv[1], seeds=[0, 1], on_epoch=lambda *told: time.sleep(60))
"""


def names(folder):
    return {path.name for path in folder.iterdir()}


def during(run, other):
    """Whatever ``other`` gives or raises, called once in the middle of ``run(on_epoch)``."""
    seen = []

    def on_epoch(*told):
        if not seen:
            seen.append(None)
            try:
                seen[0] = other()
            except TtscaleError as error:
                seen[0] = str(error)

    run(on_epoch)
    return seen[0]


def test_a_rung_that_another_run_trains_is_refused_by_name_and_others_go_on(tmp_path):
    untold = {"on_start": lambda planned: pytest.fail("trained"), "seeds": [1, 0]}
    said = during(lambda tell: train(tmp_path, on_epoch=tell), lambda: train(tmp_path, **untold))
    assert said.startswith("out: expected models that no other run is training, got ")
    assert "where another run is training resnet8-w2-s0. " in said and "resnet8-w2-s1" not in said
    (card,) = during(lambda tell: train(tmp_path, seeds=[2], on_epoch=tell), lambda: train(tmp_path, seeds=[3]))
    assert card["name"] == "resnet8-w2-s3"
    assert names(tmp_path) == {f"resnet8-w2-s{seed}.{kind}" for seed in (0, 2, 3) for kind in ("json", "safetensors")}


def test_a_killed_run_lets_its_rungs_go(tmp_path):
    folder = tmp_path / "shared"
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    run = subprocess.Popen([sys.executable, script, folder, Path(__file__).parent])
    try:
        end = time.monotonic() + 120
        while not (folder / "resnet8-w2-s0.checkpoint").exists():
            assert time.monotonic() < end and run.poll() is None
            time.sleep(0.05)
        with pytest.raises(TtscaleError, match=r"another run is training resnet8-w2-s1\. "):
            train(folder, seeds=[1])  # which it has not begun yet
    finally:
        run.kill()
        run.wait()
    train(folder, seeds=[0, 1])
    train(tmp_path / "alone")
    files = [where / "resnet8-w2-s0.safetensors" for where in (folder, tmp_path / "alone")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not [name for name in names(folder) if name.endswith(".lock")]


def test_a_rung_that_is_finished_while_it_is_claimed_is_left_alone(tmp_path):
    """The other run ends between the first look at the folder and the claim."""
    (rung,) = [type("Rung", (), {"name": "a"})()]
    looks = iter([False, True])
    with claimed(tmp_path, [rung], lambda one: next(looks)) as missing:
        assert missing == []


def test_soups_are_kept_apart(trained, tmp_path):  # noqa: F811
    said = during(lambda tell: make_soups(trained, tmp_path, on_epoch=tell), lambda: make_soups(trained, tmp_path))
    assert "where another run is training resnet8-w2-e2-s0-soup0+1+2. " in said
    other = {"starts": f"zoo:{trained}/resnet8-w2-e2-s1"}
    (card,) = during(
        lambda tell: make_soups(trained, tmp_path / "b", on_epoch=tell),
        lambda: make_soups(trained, tmp_path / "b", **other),
    )
    assert card["name"] == "resnet8-w2-e2-s1-soup0+1+2"
    assert not list(tmp_path.rglob("*.lock"))


def test_students_of_other_seeds_share_the_labels_of_one_teacher(trained, tmp_path):  # noqa: F811
    """Both runs want the labels at once: the later one waits for them instead of being refused."""
    said = during(
        lambda tell: make_students(trained, tmp_path, on_epoch=tell), lambda: make_students(trained, tmp_path)
    )
    assert "where another run is training resnet8-w2-distilled-s0. " in said
    cards, failed = {}, []

    def run(seed):
        try:
            cards[seed] = make_students(trained, tmp_path / "b", seeds=[seed])[0]["name"]
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed and cards == {seed: f"resnet8-w2-distilled-s{seed}" for seed in range(4)}


def test_what_is_to_be_trained_is_told_with_its_cost_before_it_begins(trained, tmp_path):  # noqa: F811
    """Students: of the labels too, before any is collected. FLOPs are those of the cards, and the time is no fancy."""
    told = []
    began = time.perf_counter()
    for make, folder in ((make_students, "students"), (make_soups, "soups")):
        out = tmp_path / folder
        cards = make(trained, out, on_start=lambda planned, out=out: told.append((planned, list(out.rglob("*.json")))))
        parts = cards[0]["train_flops_parts"]
        planned, found = told[-1]
        assert not found
        own, labels = (parts["training"], parts["labelling"]) if folder == "students" else (parts["tuning"], 0)
        assert planned.total == own + labels and planned.label_flops == labels
    took = time.perf_counter() - began
    assert all(0 < planned.seconds < 10 * took for planned, _ in told)


def test_an_error_lets_go(tmp_path):
    with pytest.raises(TtscaleError, match="stays finite"):
        train(tmp_path, recipe=type(RECIPE)(epochs=1, batch_size=16, learning_rate=1e30))
    assert len(train(tmp_path, data=learnable())) == 1
