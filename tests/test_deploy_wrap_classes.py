"""A plan runs in the class order that its draws were collected in, whether or not the members name their classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from torch import nn

import ttscale as tts
from ttscale.errors import TtscaleError
from ttscale.scaling.planning.planned import Plan, load_plan

NAMES = tuple("abcdefghij")
ORDER = (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)


class Reordered(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)[:, list(ORDER)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A nameless module whose outputs stand in an order of their own; its plan, and what was collected of it."""
    folder = tmp_path_factory.mktemp("r")
    bare = make_model("a")
    shuffled = replace(bare, module=Reordered(bare.module))
    data = replace(make_data(40), class_names=NAMES)
    named = replace(shuffled, class_names=tuple(NAMES[i] for i in ORDER))
    records = tts.collect(named, data, draws="flip", out=folder / "r", progress=False)
    tts.plan(records, max_flops=1e9, n_boot=50, learn=False).save(folder / "plan.json")
    x = torch.stack([bare.preprocess(data.load(i)) for i in range(len(data))])
    return shuffled, records, load_plan(folder / "plan.json"), x


def of_plan(plan: Plan, records) -> np.ndarray:
    """The mean of the planned draws' probabilities, as collected."""
    draws = [records.log_probs(member)[:, records.variants.index(view)] for member, view in plan.draws]
    merged = np.exp(draws).mean(0) if plan.vote == "mean" else np.exp(np.mean(draws, 0))
    return merged / merged.sum(-1, keepdims=True)


@pytest.mark.parametrize("names", [None, tuple(NAMES[i] for i in ORDER)])
def test_the_order_is_that_of_the_records_with_the_names_and_without(run, names):
    model, records, plan, x = run
    assert plan.members[0]["class_order"] == tuple(np.argsort(ORDER))
    better = tts.wrap(replace(model, class_names=names), plan)
    with torch.inference_mode():
        np.testing.assert_allclose(better(x).exp().numpy(), of_plan(plan, records), atol=2e-5)


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]])
def test_names_that_say_otherwise_than_when_it_was_collected_are_refused(run, names):
    model, _, plan, _ = run
    with pytest.raises(
        TtscaleError, match="models: expected a with the class names that it was collected with, got 'a'"
    ):
        tts.wrap(replace(model, class_names=names), plan)


def test_a_member_collected_in_its_own_order_is_not_reordered_by_names_that_come_later(tmp_path):
    model, data = make_model("a"), replace(make_data(40), class_names=NAMES)
    records = tts.collect(model, data, draws="flip", out=tmp_path / "r", progress=False)
    plan = tts.plan(records, max_flops=1e9, n_boot=50, learn=False)
    tts.wrap(replace(model, class_names=NAMES), plan)
    with pytest.raises(TtscaleError, match="'a' as its output 9, where the Records have output 0"):
        tts.wrap(replace(model, class_names=NAMES[::-1]), plan)


def test_an_older_plan_goes_by_the_names_alone(run):
    model, records, plan, x = run
    old = replace(plan, members=({k: v for k, v in plan.members[0].items() if k != "class_order"},))
    better = tts.wrap(replace(model, class_names=tuple(NAMES[i] for i in ORDER)), old)
    with torch.inference_mode():
        np.testing.assert_allclose(better(x).exp().numpy(), of_plan(plan, records), atol=2e-5)


def test_a_run_goes_on_in_the_class_order_that_it_began_with(run, tmp_path):
    model, _, _, _ = run
    data = replace(make_data(8), class_names=NAMES)
    tts.collect(replace(model, class_names=tuple(NAMES[i] for i in ORDER)), data, out=tmp_path, progress=False)
    with pytest.raises(TtscaleError, match="class_orders"):
        tts.collect(model, data, out=tmp_path, progress=False)
