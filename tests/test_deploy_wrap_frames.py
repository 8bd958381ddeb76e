"""Wrapped plans with frames, other input sizes, weights and class orders decide as the analysis of the Records did."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from test_deploy_wrap import counted, make_plan

import ttscale as tts
from ttscale.draws.grammar import views
from ttscale.errors import TtscaleError
from ttscale.voting.merges import merge
from ttscale.voting.weighting import Weighting

DRAWS = "flip * 5crop + hflip + size(20) + size(20) * random_shift(2)"
N = 16


def framed(name, *, seed, size=28, **options):
    given = {"input_size": (1, size, size), "mean": (0.3,), "std": (0.4,), "name": name} | options
    return tts.load_model(make_model(name, seed=seed).module, **given)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    models = (framed("a", seed=0), framed("b", seed=1, size=24))
    data = make_data(N, size=40)
    records = tts.collect(models, data, draws=DRAWS, out=tmp_path_factory.mktemp("r"), seed=4, progress=False)
    return models, data, records


def stacked(records, draws):
    return np.stack([records.log_probs(m)[:, records.variants.index(v)] for m, v in draws], 1)


def raws(data):
    return [data.load(i) for i in range(len(data))]


@pytest.mark.parametrize("vote", ["mean", "plurality"])
def test_frames_and_sizes_decide_as_the_records_did(run, vote):
    models, data, records = run
    draws = [(model.name, variant) for variant in records.variants for model in models]
    better = tts.wrap(models, make_plan(models, draws, vote))
    assert len(better.inputs) == 2 * len({view.frame for view in views(DRAWS)})
    x = better.batch(raws(data))
    assert set(x) == set(better.inputs) and "b size(20)" in x and x["b size(20)"].shape == (N, 1, 20, 20)
    with torch.inference_mode():
        got = better(x, data.item_ids).numpy()
    np.testing.assert_allclose(np.exp(got), np.exp(merge(stacked(records, draws), vote)), atol=2e-5)
    one = better.preprocess(data.load(3))
    assert set(one) == set(x) and all(torch.equal(one[name], x[name][3]) for name in x)
    with pytest.raises(TtscaleError, match=r"got one tensor.*better\.batch"):
        better(x["a"])
    with pytest.raises(TtscaleError, match=r"none for \['b size\(20\)'\]"):
        better({name: value for name, value in x.items() if name != "b size(20)"})
    with pytest.raises(TtscaleError, match="at least one input"):
        better.batch([])


@pytest.mark.parametrize("vote", ["mean", "log_mean", "plurality"])
@pytest.mark.parametrize("of_classes", [False, True])
def test_weights_and_temperatures_of_a_plan_are_applied(run, vote, of_classes):
    models, data, records = run
    draws = [("a", variant) for variant in records.variants] + [("b", "identity")]
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(len(draws), 0.5), size=10 if of_classes else None).T
    temperatures = rng.uniform(0.5, 3, len(draws))
    plan = replace(
        make_plan(models, draws, vote), weights=tuple(map(tuple, weights)) if of_classes else tuple(weights),
        temperatures=tuple(temperatures), temperature=1.7,
    )  # fmt: skip
    better = tts.wrap(models, plan)
    with torch.inference_mode():
        got = better(better.batch(raws(data)), data.item_ids).numpy()
    expected = merge(stacked(records, draws), vote, Weighting(weights, temperatures, 1.7))
    np.testing.assert_allclose(np.exp(got), np.exp(expected), atol=2e-5)
    assert np.abs(np.exp(got) - np.exp(merge(stacked(records, draws), vote))).max() > 1e-3


def test_a_temperature_alone_is_applied_to_one_plain_draw(run):
    models, data, records = run
    plan = replace(make_plan(models, [("a", "identity")]), temperature=2.0)
    better = tts.wrap(models[0], plan)
    with torch.inference_mode():
        got = better(better.batch(raws(data))).numpy()
    halved = records.log_probs("a")[:, 0].astype(np.float64) / 2
    expected = halved - np.log(np.exp(halved).sum(-1, keepdims=True))
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_windows_of_one_size_share_a_forward(run):
    models, data, _ = run
    counting, sizes = counted(models[0])
    draws = [("a", view.name) for view in views("5crop * flip + size(20)")]
    better = tts.wrap(counting, make_plan([counting], draws))
    x = better.batch(raws(data)[:2])
    sizes.clear()
    with torch.inference_mode():
        better(x)
    assert sorted(sizes) == [2, 2 * 11]  # the image and 5 windows of it plain and flipped; the view of 20 pixels


def test_members_are_brought_to_the_class_order_of_the_plan(run):
    _, data, records = run
    names = tuple("abcdefghij")
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    mine = framed("a", seed=0, class_names=tuple(names[i] for i in order))  # its output i is class order[i]
    plan = replace(make_plan([mine], [("a", "identity"), ("a", "hflip")]), class_names=names)
    better = tts.wrap(mine, plan)
    with torch.inference_mode():
        got = better(better.batch(raws(data))).numpy()
    before = merge(stacked(records, [("a", "identity"), ("a", "hflip")]), "mean")
    np.testing.assert_allclose(got[:, order], before, atol=2e-5)
