"""What a module gives, read as log-probabilities, and classes brought to one order."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from torch import nn

from ttscale.errors import TtscaleError
from ttscale.models.classes import align, align_to
from ttscale.models.load import load_model
from ttscale.models.reading import look_like_probabilities, to_log_probs

SIZE = {"input_size": (1, 4, 4), "mean": [0.0], "std": [1.0]}
IMAGES = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 1, 4, 4))).float()


class Giving(nn.Module):
    """A linear classifier of 3 classes whose logits pass through ``form``."""

    def __init__(self, form=lambda logits: logits) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
        self.form = form

    def forward(self, x):
        return self.form(self.layers(x))


def by_hand(module: Giving) -> np.ndarray:
    with torch.no_grad():
        logits = module.layers(IMAGES).double().numpy()
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


@pytest.mark.parametrize(
    ("outputs", "form"),
    [
        ("logits", lambda logits: logits),
        ("logits", lambda logits: {"logits": logits, "hidden": None}),
        ("logits", lambda logits: namedtuple("Output", "aux logits")(None, logits)),
        ("probabilities", lambda logits: logits.softmax(-1)),
        ("log_probs", lambda logits: logits.log_softmax(-1)),
    ],
)
def test_every_form_of_output_is_read_as_the_same_log_probabilities(outputs, form):
    module = Giving(form)
    model = load_model(module, **SIZE, outputs=outputs)
    assert model.n_classes == 3 and model.outputs == outputs
    with torch.inference_mode():
        np.testing.assert_allclose(model.read(module(IMAGES)).numpy(), by_hand(module), atol=1e-5)


def test_outputs_of_hugging_face_are_read():
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], num_labels=3)
    module = ResNetForImageClassification(config)
    model = load_model(module, input_size=(3, 32, 32), mean=[0.5] * 3, std=[0.5] * 3)
    with torch.inference_mode():
        output = module(torch.ones(2, 3, 32, 32))
        assert torch.equal(model.read(output), output.logits.log_softmax(-1))


def test_a_probability_of_zero_has_a_finite_logarithm_and_a_negative_one_none():
    model = load_model(Giving(lambda logits: logits.softmax(-1)), **SIZE, outputs="probabilities")
    read = model.read(torch.tensor([[1.0, 0.0, 0.0], [1.5, -0.25, -0.25]]))
    np.testing.assert_allclose(read[0].numpy(), [0.0, np.log(2.0**-126), np.log(2.0**-126)], rtol=1e-6)
    assert read[1].isnan().any()


@pytest.mark.parametrize(
    ("outputs", "good", "bad"),
    [
        ("probabilities", [0.5, 0.25, 0.25001], [2.0, 3.0, 1.0]),
        ("log_probs", np.log([0.5, 0.25, 0.25001]).tolist(), [-1.0, 3.0, 1.0]),
    ],
)
def test_a_value_above_one_is_no_probability(outputs, good, bad):
    read = to_log_probs(torch.tensor([good, bad]), outputs)
    np.testing.assert_allclose(read[0].numpy(), np.log([0.5, 0.25, 0.25]), atol=1e-4)
    assert read[1].isnan().all()
    certain = torch.tensor([[1.0, 0.0, 0.0]] if outputs == "probabilities" else [[0.0, -50.0, -60.0]])
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert to_log_probs((certain * (1 + 1e-5)).to(dtype), outputs)[0, 0] == 0


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (lambda logits: (logits, None), r"got tuple of Tensor \(1, 3\), NoneType.*Wrap the module"),
        (lambda logits: {"scores": logits}, r"dict with scores"),
        (lambda logits: logits[:, :, None], r"a tensor of shape \(1, 3, 1\)"),
        (lambda logits: logits[:, :1], r"at least 2 classes, got a tensor of shape \(1, 1\)"),
    ],
)
def test_outputs_that_are_no_scores_are_named(form, message):
    with pytest.raises(TtscaleError, match=message):
        load_model(Giving(form), **SIZE)


@pytest.mark.parametrize("outputs", ["probabilities", "log_probs"])
def test_logits_declared_as_something_else_are_refused(outputs):
    module = Giving()
    with torch.no_grad():
        blank = module(torch.zeros(1, 1, 4, 4)).double()
    total = float((blank if outputs == "probabilities" else blank.exp()).sum())
    told = "rows that sum to" if outputs == "probabilities" else "rows whose exponentials sum to"
    with pytest.raises(TtscaleError, match=rf"outputs: expected .*{told} {total:.4g}\. Leave outputs out"):
        load_model(module, **SIZE, outputs=outputs)
    with pytest.raises(TtscaleError, match="outputs: expected logits or probabilities or log_probs, got 'odds'"):
        load_model(Giving(), **SIZE, outputs="odds")


def test_what_looks_like_probabilities():
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(20, 1000))).float()
    assert look_like_probabilities(logits.softmax(-1))
    assert look_like_probabilities(logits.softmax(-1).half())
    assert not look_like_probabilities(logits)
    assert not look_like_probabilities(logits.sigmoid())
    assert not look_like_probabilities(logits.log_softmax(-1))


def test_what_is_given_is_part_of_the_fingerprint():
    model = load_model(Giving(), **SIZE)
    assert replace(model, outputs="log_probs").fingerprint() != model.fingerprint()
    assert replace(model, class_order=(2, 1, 0)).fingerprint() == model.fingerprint()


def named(name: str, classes: str | None, seed: int = 0):
    model = make_model(name, seed=seed, n_classes=4)
    return replace(model, class_names=None if classes is None else tuple(classes))


def data_of(classes: str | None):
    return replace(make_data(4, n_classes=4), class_names=None if classes is None else tuple(classes))


def test_classes_are_mapped_by_name_onto_the_order_of_the_data():
    members = [named("a", "abcd"), named("b", "dbca"), named("c", None)]
    aligned = align(members, data_of("cdab"))
    assert aligned[2] is members[2]
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 1, 28, 28))).float()
    for model, twin, letters in zip(aligned[:2], members[:2], ("abcd", "dbca"), strict=True):
        assert model.class_names == tuple("cdab")
        with torch.inference_mode():
            raw = twin.module(x).double().numpy()
            got = model.read(model.module(x)).numpy()
        raw -= np.log(np.exp(raw).sum(-1, keepdims=True))
        for place, letter in enumerate("cdab"):
            np.testing.assert_allclose(got[:, place], raw[:, letters.index(letter)], atol=1e-6)


def test_without_names_in_the_data_the_first_member_that_has_some_leads():
    aligned = align([named("c", None), named("a", "abcd"), named("b", "bacd")], data_of(None))
    assert [model.class_order for model in aligned] == [None, None, (1, 0, 2, 3)]


def test_aligning_again_starts_from_the_module_and_can_lead_back():
    model = named("a", "abcd")
    there = align_to([model], "cdba")[0]
    assert there.class_order == (2, 3, 1, 0)
    assert align_to([there], "bacd")[0].class_order == (1, 0, 2, 3)
    back = align_to([there], "abcd")[0]
    assert (back.class_order, back.class_names) == (None, tuple("abcd"))


def test_the_order_kept_on_a_device_serves_training_too():
    model = replace(named("a", "abcd"), class_order=(3, 2, 1, 0))
    x = torch.ones(1, 1, 28, 28)
    with torch.inference_mode():
        model.read(model.module(x))
    model.read(model.module(x)).sum().backward()
    assert next(model.module.parameters()).grad is not None


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("abce", r"a without 'd', but with 'e'.*class_index"),
        ("wxyz", r"a without 'a', 'b', 'c' and 1 more, but with 'w', 'x', 'y' and 1 more"),
        ("abca", r"a without 'd', but with 'a'"),
    ],
)
def test_other_classes_are_refused_with_what_is_missing_on_either_side(classes, message):
    with pytest.raises(TtscaleError, match=message):
        align([named("a", classes)], data_of("abcd"))


def test_a_name_that_stands_twice_does_not_say_which_is_which():
    assert align([named("a", "abbc")], data_of("abbc"))[0].class_order is None
    with pytest.raises(TtscaleError, match="'b' twice in a"):
        align([named("a", "abbc")], data_of("cbba"))


def test_other_numbers_of_classes_are_refused():
    with pytest.raises(TtscaleError, match=r"members with 3 classes, got 4 in a; the data have 3.*class_index"):
        align([named("a", "abcd")], replace(make_data(4), class_names=tuple("abc")))
    with pytest.raises(TtscaleError, match=r"got 10 in b; a has 4.*separate runs"):
        align([named("a", None), make_model("b")], data_of(None))
