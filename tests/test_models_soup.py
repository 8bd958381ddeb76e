"""Weight soups: means by hand, batch norms estimated anew, and the greedy choice against its recipe written out."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from torch import nn

import ttscale as tts
from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError
from ttscale.models.load import expand_specs, load_model
from ttscale.models.numeric import numeric
from ttscale.models.soup import greedy_soup, soup


def test_the_uniform_soup_is_the_mean_of_every_weight_and_statistic():
    members = [make_model(name, seed=seed) for name, seed in (("m1", 0), ("m2", 1), ("m10", 2))]
    made = soup(members)
    states = [model.module.state_dict() for model in members]
    for name, tensor in made.module.state_dict().items():
        if tensor.is_floating_point():
            by_hand = np.mean([state[name].double().numpy() for state in states], axis=0)
            np.testing.assert_allclose(tensor.numpy(), by_hand, rtol=1e-6, atol=1e-9)
    assert made.name == "m1+2+10-soup"
    assert made.card["how"] == "soup of 3"
    assert made.card["of"] == "m1" and "size" not in made.card  # of unknown recipes
    assert torch.equal(members[0].module[0].weight, make_model("m1").module[0].weight)


def test_the_soup_of_one_is_that_one():
    model = make_model()
    assert soup([model]).fingerprint() == model.fingerprint()


def test_a_soup_of_seeds_has_a_size_of_its_own_and_pays_for_all_training():
    members = [load_model(f"zoo:resnet8-w4-s{seed}") for seed in range(3)]
    made = load_model("soup:zoo:resnet8-w4-s[012]")
    assert made.spec == "soup:zoo:resnet8-w4-s0+zoo:resnet8-w4-s1+zoo:resnet8-w4-s2"
    assert made.name == "resnet8-w4-s0+1+2-soup"
    assert made.fingerprint() == soup(members).fingerprint() == load_model(made.spec).fingerprint()
    assert made.card["train_flops"] == sum(model.card["train_flops"] for model in members)
    assert (made.card["size"], made.card["of"]) == ("resnet8-w4 soup", "resnet8-w4")
    assert made.card["weight_bytes"] == members[0].card["weight_bytes"]
    assert not {"seed", "validation_accuracy", "steps"} & set(made.card)
    assert expand_specs(["soup:zoo:resnet8-w4-s[01]", "zoo:resnet8-w4-s0"]) == (
        "soup:zoo:resnet8-w4-s0+zoo:resnet8-w4-s1", "zoo:resnet8-w4-s0",
    )  # fmt: skip
    assert load_model(f"int8:{made.spec}").card["how"] == "soup of 3, int8"
    with pytest.raises(TtscaleError, match=r"checkpoint: expected nothing for soup:zoo"):
        load_model(made.spec, checkpoint="x.pth")


def test_batch_norms_estimated_anew_have_the_statistics_of_the_data():
    members, data = [make_model("a"), make_model("b", seed=1)], make_data(32)
    made = soup(members, norms=data, batch_size=16)
    x = torch.stack([made.preprocess(data.load(i)) for i in range(32)])
    with torch.inference_mode():
        first = made.module[0](x).double().transpose(0, 1).flatten(1)  # what the first batch norm sees: exact
    halves = first.reshape(len(first), 2, -1)
    np.testing.assert_allclose(made.module[1].running_mean, halves.mean(-1).mean(-1), atol=1e-5)
    np.testing.assert_allclose(made.module[1].running_var, halves.var(-1).mean(-1), rtol=1e-4)
    assert not any(part.training for part in made.module.modules())
    assert made.module[1].momentum == 0.1
    for name, parameter in soup(members).module.named_parameters():
        assert torch.equal(parameter, made.module.get_parameter(name))
    assert made.spec.startswith("module:soup:") and made.card["norms"] == "noise"


def normed(seed: int):
    """A linear classifier of 9 values behind a batch norm, which sees the images themselves."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(9), nn.Linear(9, 4))
    return load_model(
        module, preprocess=lambda image: image, input_size=(1, 3, 3), mean=[0], std=[1], name=f"normed{seed}"
    )


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(65, 64, (33, 32)), (5, 2, (3, 2)), (3, 1, (3,))])
def test_no_batch_of_one_and_every_image_counts_alike(n, batch_size, sizes):
    made = soup([normed(0), normed(1)], norms=linear_data().subset(range(n)), batch_size=batch_size)
    seen = VALUES[:n].reshape(n, 9).astype(np.float64)
    np.testing.assert_allclose(made.module[1].running_mean, seen.mean(0), atol=1e-6)
    parts = np.split(seen, np.cumsum(sizes)[:-1])
    variance = sum(len(part) * part.var(0, ddof=1) for part in parts) / n
    np.testing.assert_allclose(made.module[1].running_var, variance, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": 0}, "data: expected a data set of 1 labelled images or more, got 0 in held-out"),
        ({"norms": 0}, "norms: expected a data set of 2 labelled images or more, got 0 in held-out"),
        ({"norms": 1}, "norms: expected .* got 1 in held-out"),
        ({"norms": "fashion-mnist"}, "norms: expected .* got str"),
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
        ({"batch_size": 2.0}, r"batch_size: .* got 2\.0"),
    ],
)
def test_images_that_are_missing_are_told(options, message):
    data, members = linear_data(), [normed(0), normed(1)]
    given = {
        key: data.subset(range(n)) if key != "batch_size" and isinstance(n, int) else n for key, n in options.items()
    }
    with pytest.raises(TtscaleError, match=message):
        greedy_soup(members, **{"data": data.subset(range(4)), **given})
    if "data" not in given:
        with pytest.raises(TtscaleError, match=message):
            soup(members, **given)


VALUES = np.random.default_rng(3).normal(size=(400, 1, 3, 3)).astype(np.float32)
TRUTH = np.random.default_rng(4).normal(size=(9, 4))


def linear_data() -> Dataset:
    labels = (VALUES.reshape(400, 9) @ TRUTH).argmax(-1)
    return Dataset("held-out", tuple(f"i{i}" for i in range(400)), labels, lambda i: torch.from_numpy(VALUES[i]))


def linear_members() -> list:
    """Linear classifiers: the truth with noise; the last is nonsense."""
    members = []
    for seed, noise in enumerate((0.6, 0.5, 0.9, 0.7, 4.0)):
        head = nn.Linear(9, 4, bias=False)
        with torch.no_grad():
            head.weight.copy_(
                torch.from_numpy(TRUTH + noise * np.random.default_rng(seed + 13).normal(size=TRUTH.shape)).T
            )
        members.append(
            load_model(
                nn.Sequential(nn.Flatten(), head), preprocess=lambda image: image, input_size=(1, 3, 3), mean=[0],
                std=[1], name=f"n{seed}",
            )
        )  # fmt: skip
    return members


def test_the_greedy_soup_follows_its_recipe():
    members, data = linear_members(), linear_data()
    weights = {model.name: model.module[1].weight.detach().double().numpy() for model in members}

    def accuracy(names) -> float:
        mean = np.mean([weights[name] for name in names], axis=0)
        return float(((VALUES.reshape(400, 9) @ mean.T).argmax(-1) == data.labels).mean())

    ranked = sorted(weights, key=lambda name: -accuracy([name]))
    kept = ranked[:1]
    for name in ranked[1:]:
        if accuracy([*kept, name]) >= accuracy(kept):
            kept.append(name)
    made = greedy_soup(members, data, batch_size=64)
    facts = made.card["soup"]
    assert facts["members"] == kept and 1 < len(kept) < 5
    assert facts["accuracy"] == pytest.approx(accuracy(kept)) and facts["accuracy"] > accuracy(ranked[:1])
    assert facts["alone"] == pytest.approx([accuracy([name]) for name in weights])
    assert (facts["candidates"], facts["chosen_on"], facts["n_items"]) == (list(weights), "held-out", 400)
    assert made.card["how"] == f"greedy soup of {len(kept)}"
    assert made.fingerprint() == soup([model for name in kept for model in members if model.name == name]).fingerprint()


def test_a_greedy_soup_is_loaded_again_by_its_spec():
    data = tts.load_data("fashion-mnist", limit=100)
    made = greedy_soup([load_model(f"zoo:resnet8-w4-s{seed}") for seed in range(3)], data)
    assert load_model(made.spec).fingerprint() == made.fingerprint()
    assert made.card["size"] == "resnet8-w4 greedy soup"
    tried = [load_model(f"zoo:resnet8-w4-s{seed}").card["train_flops"] for seed in range(3)]
    assert made.card["train_flops"] == sum(tried)


def other_class_names(model):
    return replace(model, class_names=tuple("abcdefghij"))


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (lambda: make_model("b", n_classes=7), r"tensors, such as 8\.bias \(\(10,\), \(7,\)\)"),
        (lambda: replace(make_model("b"), module=nn.Identity()), r"modules \(Sequential, Identity\)"),
        (lambda: replace(make_model("b"), preprocess_key="another"), "their preprocess key"),
        (lambda: other_class_names(make_model("b")), "their class names"),
        (lambda: replace(make_model("b"), outputs="log_probs"), "their outputs"),
    ],
)
def test_unlike_members_are_refused_with_what_differs(other, difference):
    with pytest.raises(TtscaleError, match=r"one architecture.*differ in .*" + difference):
        soup([make_model("a"), other()])


def test_soups_of_nothing_and_of_rounded_weights_are_refused():
    with pytest.raises(TtscaleError, match="list of classifiers to average, got none"):
        soup([])
    with pytest.raises(TtscaleError, match=r"b in int8\. Average first"):
        soup([make_model("a"), numeric(make_model("b"), "int8", name="b")])
    with pytest.raises(TtscaleError, match="average, got one str"):
        soup("zoo:resnet8-w4-s0")
    with pytest.raises(TtscaleError, match="average, got one Model"):
        soup(make_model("a"))
    with pytest.raises(TtscaleError, match=r"expected a list of classifiers to average, got Endpoint"):
        load_model("soup:endpoint:http://localhost:1/v1?model=a")


def test_soups_that_a_spec_cannot_say_are_refused():
    """``soup:A+A+B`` is loaded as A and B, and ``soup:soup:A+B+A`` likewise."""
    a, b = (load_model(f"zoo:resnet8-w4-s{seed}") for seed in range(2))
    with pytest.raises(TtscaleError, match="different members to average, got resnet8-w4-s0 twice"):
        soup([a, b, load_model("zoo:resnet8-w4-s0")])
    with pytest.raises(TtscaleError, match=r"single members to average, got resnet8-w4-s0\+1-soup, which is a soup"):
        greedy_soup([soup([a, b]), b], make_data(4))
    fine_tuned = [
        replace(make_model("x", seed=seed), spec="timm:x") for seed in range(2)
    ]  # of one spec, two checkpoints
    assert soup(fine_tuned).card["soup"]["members"] == ["x", "x"]


def test_members_keep_their_modules():
    members = [make_model("a"), make_model("b", seed=1)]
    before = [copy.deepcopy(model.module.state_dict()) for model in members]
    greedy_soup(members, make_data(16), norms=make_data(16))
    for model, state in zip(members, before, strict=True):
        assert all(torch.equal(state[name], tensor) for name, tensor in model.module.state_dict().items())
