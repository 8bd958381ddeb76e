"""What was learned is set beside as many of the draws as collected as cost no more: views that differ in cost."""

import numpy as np
import pytest
from scaling_example import log_softmax, make_records

from ttscale.records.records import Records
from ttscale.scaling.curves.budgets import last_within
from ttscale.scaling.curves.credits import prefix_credits
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.learning.policies import learned_groups
from ttscale.scaling.quality.measured import pair_up
from ttscale.scaling.strategy import tta
from ttscale.scaling.summaries.shifts import summarize_shifts
from ttscale.scaling.summaries.summary import summarize

COSTS = np.array([1e9] * 6 + [4e9] * 2)
COLLECTED = np.cumsum(COSTS)


@pytest.fixture(scope="module")
def records() -> Records:
    """Eight views, the last two of which are the best ones and cost four times as much."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 600)
    x = rng.normal(size=(600, 8, 6)) + 0.7 * rng.normal(size=(600, 1, 6))
    x[np.arange(600), :, labels] += [1.2, 1.2, 1, 1, 1, 1, 1.8, 1.8]
    made = Records.from_arrays({"m": log_softmax(x)}, labels, flops={"m": 1e9})
    made._flops["m"][:] = COSTS
    return made


@pytest.fixture(scope="module")
def summary(records) -> dict:
    return summarize(records, n_boot=60, shifts={"same": records.take(np.arange(599))})


def test_positions_within_a_cost():
    assert [last_within(COLLECTED, most) for most in (0.5e9, 1e9, 9.9e9, 10e9, 99e9)] == [0, 0, 5, 6, 7]
    assert last_within(np.array([0.1, 0.3]), 0.1 + 0.2 - 1e-12) == 1  # the same sum in another order


def test_gains_of_an_order_are_over_draws_that_cost_no_more(records, summary):
    (entry,) = (one for one in summary["policies"] if one["curve"] == "policy/m")
    assert set(entry["order"][:2]) == {"view6", "view7"}  # it begins with the costly ones
    taught = next(curve for curve in summary["curves"] if curve["id"] == "policy/m")
    plain = accuracy_curve(records, tta(records, "m"), n_boot=60).accuracy
    for row, flops, accuracy in zip(entry["gain"], taught["flops"], taught["accuracy"], strict=True):
        assert COLLECTED[row["against_k"] - 1] <= max(flops, COLLECTED[0])
        assert row["against_k"] == 8 or COLLECTED[row["against_k"]] > flops
        assert row["value"] == pytest.approx(accuracy - plain[row["against_k"] - 1])
    assert (entry["gain"][3]["k"], entry["gain"][3]["against_k"]) == (4, 7)  # 4 + 4 + 1 + 1 of either


def test_no_comparison_hides_what_it_cost(summary):
    row = next(one for one in summary["comparisons"] if one["a"] == "policy/m")
    assert (row["k_a"], row["k_b"], row["flops_a"], row["flops_b"]) == (4, 7, 10e9, 10e9)
    assert "GFLOPs" not in row["text"]
    views = next(one for one in summary["comparisons"] if (one["a"], one["k_b"]) == ("tta/m", 1))
    assert (views["flops_a"], views["flops_b"]) == (14e9, 1e9) and ", at 14 GFLOPs against 1 GFLOPs; " in views["text"]
    said = next(sentence for sentence in summary["headline"] if "An order of the views" in sentence)
    assert said.endswith("with 4 views against the order collected, which has 7 views for no more FLOPs.")


def test_under_a_shift_too(records, summary):
    row = next(one for one in summary["shifts"]["rows"] if (one["shift"], one["curve"]) == ("same", "policy/m"))
    assert (row["k"], row["collected_k"], row["flops"]) == (4, 7, 10e9)
    collected = prefix_credits(records.take(np.arange(599)), tta(records, "m"), [7]).mean()
    assert row["over_collected"]["value"] == pytest.approx(row["spent"]["value"] - collected)


def test_a_shift_costs_what_the_halves_took_that_score_it():
    """Not what the order would cost that all items taught."""
    clean = make_records(120, sizes=("s8",), seeds=1, views=8)
    clean._flops["s8-0"][:] = 2.0 ** np.arange(8)  # every set of views has a cost of its own
    groups = learned_groups(clean, vote="mean", n_boot=60)
    group = next(one for one in groups if one.curve.name == "policy/s8")
    costs = [clean.draw_flops(*draw) for half in group.parts[0].halves for draw in half.strategy.draws[:4]]
    found = summarize_shifts({"clean": clean, "same": clean.take(np.arange(120)[::-1])}, n_boot=60, learned=groups)
    row = next(one for one in found["rows"] if (one["shift"], one["curve"]) == ("same", "policy/s8"))
    everything = sum(clean.draw_flops(*draw) for draw in group.parts[0].learned.strategy.draws[:4])
    assert row["flops"] == pytest.approx(sum(costs) / 2) and row["flops"] != pytest.approx(everything)


def test_the_first_member_that_something_was_learned_for_is_compared():
    """The labels are enough for one member's classes; the other's part says why it stayed as collected."""
    records = make_records(300, sizes=("s8",), seeds=2, views=4)
    groups = [one for one in learned_groups(records, vote="mean", n_boot=60) if one.curve.name == "policy/s8"]
    (group,) = groups
    kept = group.parts[0].__class__(**{**vars(group.parts[0]), "note": "too few"})
    half_taught = group.__class__(**{**vars(group), "parts": (kept, group.parts[1])})
    strategies = tuple(tta(records, name) for name in ("s8-0", "s8-1"))
    beside = pair_up(records, [(group.beside, strategies)], [half_taught])["policy/s8"]
    assert (beside.part, beside.curve, beside.k) == (1, "tta/s8", 4)
    nothing = group.__class__(**{**vars(group), "parts": (kept, kept)})
    assert pair_up(records, [(group.beside, strategies)], [nothing]) == {}


def test_a_learned_order_of_several_members_is_not_told_by_its_members():
    records = make_records(300, sizes=("s8",), seeds=3, views=2)
    row = next(one for one in summarize(records, n_boot=60)["comparisons"] if one["a"] == "policy/s8/product")
    assert row["label_a"] == "4 draws of the s8 ensemble with TTA in learned order"
