"""Training FLOPs of members together: what is in several of them counts once."""

import math

import numpy as np
import pytest

from ttscale.models.training_cost import added_train_flops
from ttscale.records.records import Records
from ttscale.scaling.planning.options import average, groups


def student(seed, teachers=("t",), n_train=60):
    parts = {"teachers": 100.0, "labelling": 2.0, "training": 1.0 + seed}
    return {
        "size": "student", "train_flops": sum(parts.values()), "train_flops_parts": parts, "n_train": n_train,
        "teachers": {name: f"f{name}" for name in teachers}, "views": ["identity"], "data_sha256": "d",
    }  # fmt: skip


def tuned(of, own):
    return {
        "train_flops": 50.0 + own, "train_flops_parts": {"start": 50.0, "tuning": own},
        "start": {"name": of, "fingerprint": f"f{of}"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "added"),
    [
        ([("", student(0)), ("", student(1)), ("", student(2))], [103, 2, 3]),
        ([("", student(0)), ("", student(0, n_train=30))], [103, 3]),  # labels of other images
        ([("", student(0)), ("", student(0, ("u",)))], [103, 103]),
        ([("", student(0, ("t", "u"))), ("", student(0, ("t",)))], [103, 3]),  # t is among those paid for
        ([("x", tuned("a", 5.0)), ("y", tuned("a", 6.0)), ("z", tuned("b", 7.0))], [55, 6, 57]),
        ([("fa", {"train_flops": 50.0}), ("x", tuned("a", 5.0))], [50, 5]),
        ([("x", tuned("a", 5.0)), ("fa", {"train_flops": 50.0})], [55, 0]),
        ([("same", {"train_flops": 3.0}), ("same", {"train_flops": 4.0})], [3, 4]),  # none is made of another
    ],
)
def test_what_is_in_several_members_is_paid_once(members, added):
    assert added_train_flops(members) == pytest.approx(added)


def test_unknown_training_is_not_a_number():
    assert math.isnan(added_train_flops([("", {})])[0])


def test_an_ensemble_of_students_pays_its_teachers_and_labels_once():
    rng = np.random.default_rng(0)
    log_probs = {f"s{seed}": np.log(rng.dirichlet(np.ones(3), (40, 1))) for seed in range(3)}
    records = Records.from_arrays(
        log_probs, rng.integers(0, 3, 40), flops=dict.fromkeys(log_probs, 1.0),
        cards={f"s{seed}": student(0) for seed in range(3)},
    )  # fmt: skip
    (team,) = [group for some in groups([records], vote="mean").values() for group in some if group.turns]
    assert average(team, ci=0.9, n_boot=20, seed=0).train_flops.tolist() == [103, 104, 105]
