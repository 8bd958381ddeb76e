"""The wrapped model decides as the analysis of the Records did, and refuses what the plan was not made for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model

import ttscale as tts
from ttscale.draws import keyed
from ttscale.errors import TtscaleError
from ttscale.scaling.planning.planned import Half, Plan
from ttscale.voting.decisions import decide
from ttscale.voting.merges import merge

DRAWS = "flip * (identity + random_shift(2) + brightness(1.3))"


def make_plan(models, draws, vote="mean", seed=4):
    half = Half(10, 0.5, 0.4, 0.6, 0.4)
    members = {m.name: {"name": m.name, "spec": m.spec, "fingerprint": m.fingerprint()} for m in models}
    return Plan(
        strategy="s", kind="product", vote=vote, draws=tuple(draws), k=len(draws), seed=seed,
        members=tuple(members[name] for name in dict.fromkeys(name for name, _ in draws)),
        target={"min_accuracy": 0.4}, confidence=0.95, chosen_on=half, scored_on=half, optimism=0.0, flops=1.0,
        flops_worst=1.0, multiplier=1.0, reference_member="a", n_candidates=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    models = (make_model("a", seed=0), make_model("b", seed=1))
    data = make_data(64)
    records = tts.collect(models, data, draws=DRAWS, out=tmp_path_factory.mktemp("r"), seed=4, progress=False)
    x = torch.stack([models[0].preprocess(data.load(i)) for i in range(len(data))])
    return models, data, records, x


@pytest.mark.parametrize("vote", ["mean", "log_mean", "plurality"])
@pytest.mark.parametrize("batch", [64, 3])
def test_equal_budget_means_equal_decisions(run, vote, batch):
    models, data, records, x = run
    draws = [(model.name, variant) for variant in records.variants for model in models]
    better = tts.wrap(models, make_plan(models, draws, vote))
    stacked = np.stack([records.log_probs(m)[:, records.variants.index(v)] for m, v in draws], 1)
    scores = merge(stacked, vote)
    noise = keyed.uniforms(4, keyed.item_keys(data.item_ids), stream=keyed.TIES)
    with torch.inference_mode():
        parts = range(0, 64, batch)
        got = torch.cat([better(x[i : i + batch], data.item_ids[i : i + batch]) for i in parts]).numpy()
        decided = torch.cat([better.classify(x[i : i + batch], data.item_ids[i : i + batch]) for i in parts]).numpy()
    np.testing.assert_allclose(np.exp(got), np.exp(scores), atol=2e-5)
    assert np.array_equal(decided, decide(scores, noise))


def test_plurality_ties_are_really_broken_by_the_item(run):
    models, data, records, x = run
    draws = [(model.name, variant) for variant in records.variants for model in models]
    better = tts.wrap(models, make_plan(models, draws, "plurality"))
    with torch.inference_mode():
        shares = better(x, data.item_ids)
        tied = (shares == shares.max(-1, keepdim=True).values).sum(-1) > 1
        assert tied.any()  # else this test shows nothing
        choices = better.classify(x, data.item_ids)
        others = better.classify(x, [f"other{i}" for i in range(64)])
    assert (choices[tied] != others[tied]).any()
    assert torch.equal(choices, torch.cat([better.classify(x[i : i + 1], data.item_ids[i : i + 1]) for i in range(64)]))


def test_one_plain_draw_is_the_bare_model(run):
    models, _, _, x = run
    plan, plain = make_plan(models, [("a", "identity")]), torch.log_softmax(models[0].module(x), -1)
    with torch.inference_mode():
        assert torch.equal(tts.wrap(models[0], plan, fold=False, channels_last=False)(x), plain)
        torch.testing.assert_close(tts.wrap(models[0], plan)(x), plain, atol=2e-5, rtol=0)


def test_without_ids_the_noise_follows_the_image(run):
    models, _, _, x = run
    better = tts.wrap(models[0], make_plan(models, [("a", "random_shift(2)[0]")]))
    with torch.inference_mode():
        forward, backward = better(x), better(x.flip(0)).flip(0)
    torch.testing.assert_close(forward, backward, atol=2e-5, rtol=0)


def counted(model):
    """The model, and the list of the batch sizes that its module is given."""
    sizes = []

    class Counting(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, y):
            sizes.append(len(y))
            return self.module(y)

    return replace(model, module=Counting(model.module)), sizes


def test_views_of_a_small_batch_share_a_forward(run):
    models, _, records, x = run
    counting, sizes = counted(models[0])
    better = tts.wrap(counting, make_plan([counting], [("a", variant) for variant in records.variants]))
    sizes.clear()
    with torch.inference_mode():
        better(x[:2])
        assert sizes == [2 * len(records.variants)]
        sizes.clear()
        better(x[:32])
    assert sizes == [64] * (len(records.variants) // 2)


def test_it_is_a_module_that_preprocesses_and_moves(run):
    models, data, _, x = run
    better = tts.wrap(models, make_plan(models, [("a", "identity"), ("b", "hflip")]), device="cpu")
    assert torch.equal(better.preprocess(data.load(3)), x[3])
    before = {name: weight.clone() for name, weight in models[0].module.state_dict().items()}
    better.double()
    assert not better.training and {p.dtype for p in better.parameters()} == {torch.float64}
    after = models[0].module.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    better.float()
    other = make_model("b", seed=1)
    mixed = tts.wrap([models[0], replace(other, preprocess_key="other")], _refit(models[0], other))
    with torch.inference_mode():
        torch.testing.assert_close(mixed({"a": x, "b": x}), better(x))
    made = mixed.preprocess(data.load(3))
    assert list(made) == list(mixed.inputs) == ["a", "b"] and torch.equal(made["b"], x[3])
    for call in (lambda: mixed(x), lambda: mixed({"a": x})):
        with pytest.raises(TtscaleError, match="x: "):
            call()


def _refit(first, second):
    return make_plan([first, replace(second, preprocess_key="other")], [("a", "identity"), ("b", "hflip")])


@pytest.mark.parametrize("draws", [["identity", "brightness(1.2)"], ["identity", "hflip"]])
def test_gradients_flow_after_a_call_in_inference_mode(run, draws):
    models, _, _, x = run
    plan = replace(make_plan(models, [("a", view) for view in draws]), weights=(0.3, 0.7), temperatures=(1.5, 0.8))
    better = tts.wrap(models, plan)
    with torch.inference_mode():
        better(x[:2])
    found = x[:2].clone().requires_grad_()
    better(found)[:, 0].sum().backward()
    assert found.grad.abs().sum() > 0


def test_an_outer_autocast_changes_nothing(run):
    models, _, _, x = run
    better = tts.wrap(models, make_plan(models, [("a", "identity"), ("a", "hflip")]))
    with torch.inference_mode():
        expected = better(x[:2])
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(better(x[:2]), expected)


def test_it_can_be_saved_and_loaded(run, tmp_path):
    models, _, _, x = run
    better = tts.wrap(models, make_plan(models, [("a", "identity"), ("b", "hflip")]))
    torch.save(better, tmp_path / "better.pt")
    again = torch.load(tmp_path / "better.pt", weights_only=False)
    with torch.inference_mode():
        assert torch.equal(again(x[:3]), better(x[:3]))


def test_input_of_another_form_is_told(run):
    models, _, _, x = run
    better = tts.wrap(models, make_plan(models, [("a", "identity")]))
    for wrong, got in (
        (x[0], r"float32 \[1, 28, 28\]"), (x.repeat(1, 3, 1, 1), r"\[64, 3, 28, 28\]"), (x.double(), "float64"),
        ((x * 255).byte(), "uint8"), ({"a": x.numpy()}, "ndarray"),
    ):  # fmt: skip
        with pytest.raises(TtscaleError, match=rf"x: expected .* \[item, 1, 28, 28\] for a.*{got}.*better\.batch"):
            better(wrong)
    assert better.double()(x.double()).dtype == torch.float32


def test_a_plan_runs_only_with_its_members(run):
    models, _, _, x = run
    draws = [("a", "identity"), ("b", "identity")]
    with pytest.raises(TtscaleError, match="The plan needs this member"):
        tts.wrap(models[0], make_plan(models, draws))
    with pytest.raises(TtscaleError, match="another fingerprint"):
        tts.wrap([models[0], make_model("b", seed=7)], make_plan(models, draws))
    with pytest.raises(TtscaleError, match="64 ids"):
        tts.wrap(models, make_plan(models, draws)).classify(x, ["a"])


def test_a_saved_plan_is_found_by_its_path(run, tmp_path):
    models, _, _, x = run
    path = make_plan(models, [("a", "hflip")]).save(tmp_path / "plan.json")
    with torch.inference_mode():
        torch.testing.assert_close(tts.wrap(models, path)(x), torch.log_softmax(models[0].module(x.flip(-1)), -1))
