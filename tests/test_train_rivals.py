"""What is made of trained models by more training: soups of fine-tunings, students of ensembles and of views."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_train import RECIPE, interrupt, learnable, train

import ttscale as tts
from ttscale.errors import TtscaleError
from ttscale.models.soup import soup
from ttscale.training.distill import distill
from ttscale.training.images import split_ranks, training_rows
from ttscale.training.members import check_held_out
from ttscale.training.soups import train_soups
from ttscale.training.teaching import Teaching

TUNING = replace(RECIPE, epochs=1, learning_rate=0.01)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two seeds of one rung; returns their folder."""
    folder = tmp_path_factory.mktemp("trained")
    train(folder, seeds=[0, 1], recipe={"e2": RECIPE})
    return folder


def make_soups(trained, out, **change):
    arguments = {"starts": f"zoo:{trained}/resnet8-w2-e2-s0", "recipe": TUNING, "n_validation": 20} | change
    return train_soups(data=learnable(), out=out, **arguments)


def make_students(trained, out, **change):
    arguments = {
        "teachers": f"zoo:{trained}/*", "views": "flip", "widths": [2], "seeds": [0], "recipe": RECIPE,
        "n_validation": 20,
    } | change  # fmt: skip
    return distill(data=learnable(), out=out, **arguments)


def without_time(card):
    return {key: value for key, value in card.items() if key not in ("train_seconds", "command")}


def test_a_soup_is_the_mean_of_its_fine_tunings_with_batch_norms_of_the_training_images(trained, tmp_path):
    card = make_soups(trained, tmp_path)[0]
    made = load_file(tmp_path / f"{card['name']}.safetensors")
    tuned = [load_file(tmp_path / "tuned" / f"resnet8-w2-e2-s0-t{seed}.safetensors") for seed in range(3)]
    for name, tensor in made.items():
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            by_hand = np.mean([one[name].double().numpy() for one in tuned], axis=0)
            np.testing.assert_allclose(tensor, by_hand, rtol=1e-6, atol=1e-9)
    model, data = tts.load_model(f"zoo:{tmp_path}/{card['name']}"), learnable()
    rows = np.flatnonzero(training_rows(split_ranks(data), 20, None))
    x = torch.stack([model.preprocess(data.load(int(i))) for i in rows])
    with torch.inference_mode():
        seen = model.module[0](x)
    np.testing.assert_allclose(made["1.running_mean"], seen.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(made["1.running_var"], seen.transpose(0, 1).flatten(1).var(1), rtol=1e-5)


def test_fine_tunings_begin_with_the_weights_of_their_start_and_differ_by_seed(trained, tmp_path):
    tiny = replace(TUNING, learning_rate=1e-9)
    make_soups(trained, tmp_path / "still", recipe=tiny)
    make_soups(trained, tmp_path / "moved")
    start = load_file(trained / "resnet8-w2-e2-s0.safetensors")["0.weight"]
    still, first, second = (
        load_file(tmp_path / folder / "tuned" / f"resnet8-w2-e2-s0-t{seed}.safetensors")["0.weight"]
        for folder, seed in (("still", 0), ("moved", 0), ("moved", 1))
    )
    torch.testing.assert_close(still, start, atol=1e-7, rtol=0)
    assert not torch.equal(first, second) and not torch.equal(first, start)


def test_a_soup_counts_all_that_went_into_it(trained, tmp_path):
    start = json.loads((trained / "resnet8-w2-e2-s0.json").read_text())
    card = make_soups(trained, tmp_path)[0]
    parts = card["train_flops_parts"]
    assert parts == {
        "start": start["train_flops"],
        "tuning": 3 * start["train_flops"] / 2,  # half of the epochs, three times
        "norms": 60 * start["flops"],
    }
    assert card["train_flops"] == sum(parts.values())
    n = card["n_params"]
    assert card["train_flops_6nd"] == 6 * n * 96 + 3 * 6 * n * 48 + 2 * n * 60
    assert (card["size"], card["of"], card["budget"]) == ("resnet8-w2 soup of 3", "resnet8-w2", "e2")
    tuned = [tts.load_model(f"zoo:{tmp_path}/tuned/resnet8-w2-e2-s0-t{seed}") for seed in range(3)]
    assert soup(tuned).card["train_flops"] == parts["start"] + parts["tuning"]  # the start once
    assert all("size" not in one.card for one in tuned)


def test_soups_are_made_once_and_an_interrupted_one_goes_on(trained, tmp_path):
    whole = make_soups(trained, tmp_path / "whole")[0]
    with pytest.raises(KeyboardInterrupt):
        make_soups(trained, tmp_path / "broken", on_epoch=interrupt)
    trains = []
    again = make_soups(trained, tmp_path / "broken", on_rung=trains.append)[0]
    assert without_time(again) == without_time(whole) and len(trains) == 3
    make_soups(trained, tmp_path / "broken", on_rung=lambda card: pytest.fail("trained again"))
    with pytest.raises(TtscaleError, match="starts: expected models of ttscale train that are no soups"):
        make_soups(trained, tmp_path / "again", starts=f"zoo:{tmp_path}/whole/*")
    with pytest.raises(TtscaleError, match=r"recipe\.learning_rate was 0\.01, is 0\.02"):
        make_soups(trained, tmp_path / "broken", recipe=replace(TUNING, learning_rate=0.02))


def test_the_soft_loss_by_hand():
    """Two classes, temperature 2, a fifth of the loss from the label."""
    teaching = Teaching(torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log(), 2.0, 0.2)
    logits = torch.tensor([[1.0, 0.0]])
    taught = math.sqrt(0.9) / (math.sqrt(0.9) + math.sqrt(0.1))
    said = 1 / (1 + math.exp(-0.5))
    soft = -(taught * math.log(said) + (1 - taught) * math.log(1 - said))
    loss = teaching.loss(logits, torch.tensor([0]), torch.tensor(3.0))
    assert float(loss) == pytest.approx(0.2 * 3 + 0.8 * 4 * soft, rel=1e-6)


def test_students_learn_the_mean_probabilities_of_all_teachers_on_all_views(trained, tmp_path, monkeypatch):
    taught = []
    monkeypatch.setattr("ttscale.training.distill.Teaching", lambda *given: taught.append(given) or Teaching(*given))
    make_students(trained, tmp_path)
    data = learnable()
    rows = np.flatnonzero(training_rows(split_ranks(data), 20, None))
    said = []
    for seed in (0, 1):
        model = tts.load_model(f"zoo:{trained}/resnet8-w2-e2-s{seed}")
        x = torch.stack([model.preprocess(data.load(int(i))) for i in rows])
        with torch.inference_mode():
            said += [torch.softmax(model.module(images), -1) for images in (x, x.flip(-1))]
    log_probs, temperature, hard = taught[0]
    torch.testing.assert_close(log_probs.exp(), torch.stack(said).mean(0), atol=1e-5, rtol=1e-4)
    assert (temperature, hard) == (2.0, 0.0)


def test_a_student_learns_what_labels_do_not_say(trained, tmp_path):
    """Of a teacher that takes every image for class 0, it learns class 0 where the labels have no weight."""
    teacher = tts.load_model(f"zoo:{trained}/resnet8-w2-e2-s0")
    folder = tmp_path / "teacher"
    folder.mkdir()
    state = {name: tensor.clone() for name, tensor in teacher.module.state_dict().items()}
    state["8.weight"].zero_()
    state["8.bias"].copy_(torch.tensor([9.0, -9.0]))
    save_file(state, folder / "biased.safetensors")
    (folder / "biased.json").write_text(json.dumps({**teacher.card, "name": "biased"}))
    card = make_students(trained, tmp_path / "s", teachers=f"zoo:{folder}/biased", views="identity")[0]
    student, data = tts.load_model(f"zoo:{tmp_path}/s/{card['name']}"), learnable()
    x = torch.stack([student.preprocess(data.load(i)) for i in range(len(data))])
    assert (student.module(x).argmax(-1) == 0).all() and 0 < data.labels.mean() < 1


def test_a_student_counts_teachers_labels_and_its_own_training(trained, tmp_path):
    teacher = json.loads((trained / "resnet8-w2-e2-s0.json").read_text())
    card = make_students(trained, tmp_path)[0]
    parts = card["train_flops_parts"]
    assert parts == {
        "teachers": 2 * teacher["train_flops"],
        "labelling": 2 * 2 * 60 * teacher["flops"],
        "training": teacher["train_flops"],
    }
    assert card["train_flops"] == sum(parts.values())
    n = card["n_params"]
    assert card["train_flops_6nd"] == 3 * 6 * n * 96 + 2 * n * 2 * 2 * 60
    assert (card["of"], card["how"]) == ("resnet8-w2", "distilled from 2 x resnet8-w2, 2 views")
    assert card["size"] == "resnet8-w2 distilled"


def test_students_are_reproducible_and_labels_are_made_once(trained, tmp_path, monkeypatch):
    whole = make_students(trained, tmp_path / "whole")[0]
    with pytest.raises(KeyboardInterrupt):
        make_students(trained, tmp_path / "broken", on_epoch=interrupt)
    again = make_students(trained, tmp_path / "broken")[0]
    assert without_time(again) == without_time(whole)
    files = [tmp_path / folder / f"{whole['name']}.safetensors" for folder in ("whole", "broken")]
    assert files[0].read_bytes() == files[1].read_bytes()
    monkeypatch.setattr("ttscale.training.distill.collect", lambda *_, **__: pytest.fail("labelled again"))
    make_students(trained, tmp_path / "broken")
    with pytest.raises(TtscaleError, match=r"temperature was 2\.0, is 3\.0"):
        make_students(trained, tmp_path / "broken", temperature=3.0)
    with pytest.raises(TtscaleError, match=r"resnet8-w2-distilled-s0\.json of another run: teachers was .*, is None"):
        train(tmp_path / "broken", recipe={"distilled": RECIPE})


def test_starts_of_one_name_are_refused(trained, tmp_path):
    (tmp_path / "other").mkdir()
    for name in ("resnet8-w2-e2-s0.json", "resnet8-w2-e2-s0.safetensors"):
        (tmp_path / "other" / name).write_bytes((trained / name).read_bytes())
    both = [f"zoo:{folder}/resnet8-w2-e2-s0" for folder in (trained, tmp_path / "other")]
    for make, argument in ((make_soups, "starts"), (make_students, "teachers")):
        with pytest.raises(TtscaleError, match=rf"{argument}: expected models of different names, got .*-s0 twice"):
            make(trained, tmp_path / "r", **{argument: both})


def test_validation_images_that_a_model_was_trained_on_are_found_in_any_part_of_the_set(trained):
    """By hand: of each part, in the order of their uniforms, the images up to the last validation image of all."""
    card, data = json.loads((trained / "resnet8-w2-e2-s0.json").read_text()), learnable()
    ranks = split_ranks(data)
    for rows in (range(0, 80, 2), range(30), range(80)):
        part = data.subset(rows)
        most = int((ranks[list(rows)] < 20).sum())
        check_held_out("a", card, part, most)
        with pytest.raises(TtscaleError, match=f"n_validation: expected at most {most}, the images here that a was"):
            check_held_out("a", card, part, most + 1)
    old = {key: value for key, value in card.items() if key != "validation_below"}
    with pytest.raises(TtscaleError, match="n_validation: expected at most 20"):
        check_held_out("a", old, data, 21)
    with pytest.warns(UserWarning, match="a was trained on other images of"):
        check_held_out("a", old, data.subset(range(30)), 5)
    check_held_out("a", card, replace(data, name="another set"), 70)


def test_images_of_other_channels_than_the_starts_are_refused(trained, tmp_path):
    start = f"zoo:{trained}/resnet8-w2-e2-s0"
    data, given = learnable(), {"recipe": TUNING, "n_validation": 20, "out": tmp_path}
    colour = replace(data, load=lambda i: data.load(i).convert("RGB"))
    with pytest.raises(TtscaleError, match="starts: expected models of images of 3 channels"):
        train_soups(start, colour, **given)


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (make_soups, {"seeds": [0]}, "two seeds at least"),
        (make_soups, {"starts": "torchvision:resnet18", "seeds": [0, 0]}, "each once"),
        (make_soups, {"n_validation": 21}, "n_validation: expected at most 20, the images here that resnet8-w2-e2"),
        (make_students, {"n_validation": 21}, "n_validation: expected at most 20, the images here that resnet8-w2-e2"),
        (make_soups, {"starts": "zoo:resnet8-w99"}, "expected a known name"),
        (make_students, {"temperature": 0}, "temperature: expected a number above 0"),
        (make_students, {"hard": 1.0}, r"hard: expected a number in [0, 1)"),
        (make_students, {"label": "a/b"}, "label: expected a name"),
        (make_students, {"label": ""}, "label: expected a name"),
        (make_students, {"recipe": {"..": RECIPE}}, "recipe: expected a name"),
        (make_students, {"teachers": []}, "teachers: expected at least one trained model"),
        (make_soups, {"starts": []}, "starts: expected at least one trained model, got []. Give starts=zoo:NAME"),
        (make_students, {"teachers": "zoo:resnet8-w4-s0"}, "2 classes of the data"),
        (make_students, {"views": "no"}, "no"),
    ],
)
def test_unusable_arguments_are_told_at_once(trained, tmp_path, make, change, message):
    with pytest.raises(TtscaleError) as error:
        make(trained, tmp_path / "r", **change)
    assert message in str(error.value)
    assert not (tmp_path / "r").exists()
