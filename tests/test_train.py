"""Training: reproducible, resumable to the same weights, metered against counting by hand."""

import inspect
import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from conftest import make_data
from PIL import Image
from safetensors.torch import load_file

from ttscale.data import fashion_mnist
from ttscale.data.load import load_data
from ttscale.draws import keyed
from ttscale.errors import TtscaleError
from ttscale.models.resnet8 import resnet8
from ttscale.models.zoo import ZOO_FOLDER
from ttscale.training.images import Images, load_split, validation_rows
from ttscale.training.ladder import train_ladder
from ttscale.training.loop import fit_classifier
from ttscale.training.recipe import Recipe

RECIPE = Recipe(epochs=2, batch_size=16)
FASHION_TRAIN = "8af56d635da3c63951e0f5dc6da8707423631e85199214352a7dbcbc62e2fdc7"  # ids and labels of the 60,000


def learnable(n=80):
    """Images whose class is their brightness."""
    data = make_data(n, size=12, n_classes=2)
    return replace(data, load=lambda i: data.load(i).point(lambda v: v // 2 + 120 * int(data.labels[i])))


def train(out, **change):
    arguments = {"data": learnable(), "widths": [2], "seeds": [0], "recipe": RECIPE, "n_validation": 20} | change
    return train_ladder(out=out, **arguments)


def test_same_seed_same_weights_other_seed_other_weights(tmp_path):
    train(tmp_path / "a", seeds=[0, 1])
    train(tmp_path / "b")
    names = ("a/resnet8-w2-s0", "b/resnet8-w2-s0", "a/resnet8-w2-s1")
    first, again, other = (load_file(tmp_path / f"{name}.safetensors") for name in names)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_an_interrupted_rung_resumes_to_the_same_weights(tmp_path):
    whole = train(tmp_path / "whole")[0]
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", on_epoch=interrupt)
    assert (tmp_path / "broken" / "resnet8-w2-s0.checkpoint").exists()
    card = train(tmp_path / "broken")[0]
    assert (tmp_path / "whole" / "resnet8-w2-s0.safetensors").read_bytes() == (
        tmp_path / "broken" / "resnet8-w2-s0.safetensors"
    ).read_bytes()
    assert card | {"train_seconds": 0} == whole | {"train_seconds": 0}
    assert {path.suffix for path in (tmp_path / "broken").iterdir()} == {".json", ".safetensors"}


def test_it_learns(tmp_path):
    card = train(tmp_path, recipe=replace(RECIPE, epochs=8))[0]
    assert card["validation_accuracy"] >= 0.9


def test_training_flops_match_a_count_by_hand():
    """One convolution and one linear layer: forward, gradient of the weights, and of the input where it is needed."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 5, 3, padding=1, bias=False), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(5, 2),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    images = Images(
        torch.from_numpy(rng.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)), torch.from_numpy(rng.integers(0, 2, 40))
    )
    recipe = Recipe(epochs=3, batch_size=16)
    done = fit_classifier(module, images, recipe, seed=0, mean=(0.5,), std=(0.5,), device=torch.device("cpu"))
    convolution, linear = 2 * 8 * 8 * 9 * 5, 2 * 5 * 2
    per_image = 2 * convolution + 3 * linear  # the first layer's input needs no gradient
    assert done.steps == 3 * 2 and done.images_seen == 96
    assert done.step_flops == 16 * per_image and done.train_flops == 96 * per_image


def test_validation_items_are_fixed_by_their_ids_alone():
    data = make_data(60)
    chosen = {data.item_ids[i] for i in np.flatnonzero(validation_rows(data, 10))}
    backwards = data.subset(range(59, -1, -1))
    assert len(chosen) == 10
    assert chosen == {backwards.item_ids[i] for i in np.flatnonzero(validation_rows(backwards, 10))}


def test_cards_hold_what_made_them(tmp_path):
    card = train(tmp_path, command="ttscale train x")[0]
    assert card["command"] == "ttscale train x"
    assert card == json.loads((tmp_path / "resnet8-w2-s0.json").read_text())
    assert card["n_train"] == 60 and card["n_validation"] == 20 and card["recipe"]["epochs"] == 2
    assert card["n_params"] == sum(p.numel() for p in resnet8(2, 2).parameters())
    assert card["train_flops_6nd"] == 6 * card["n_params"] * card["images_seen"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": []}, "widths"), ({"seeds": [-1]}, "seeds"), ({"processes": 0}, "processes: expected an integer"),
        ({"recipe": replace(RECIPE, epochs=0)}, "recipe.epochs"),
        ({"recipe": replace(RECIPE, batch_size=1)}, "recipe.batch_size: expected an integer of at least 2"),
        ({"recipe": replace(RECIPE, learning_rate=0)}, "learning_rate"),
        ({"n_validation": 70}, "one batch of 16 images"),
        ({"n_validation": "x"}, "n_validation: expected an integer of at least 1"),
        ({"widths": ["a"]}, "widths: expected integers"), ({"widths": 4}, "widths: expected integers"),
        ({"seeds": [0, 0]}, "each once"), ({"device": "toaster"}, "device: expected"),
        ({"out": 5}, "out: expected a path"),
        ({"data": [1]}, "data: expected a Dataset"), ({"recipe": {"epochs": 1}}, "recipe: expected a Recipe"),
        ({"recipe": replace(RECIPE, max_shift=-1)}, "recipe.max_shift: expected an integer of at least 0"),
        ({"recipe": replace(RECIPE, weight_decay=-1)}, "recipe.weight_decay: expected a number of at least 0"),
        ({"recipe": replace(RECIPE, learning_rate=float("nan"))}, "recipe.learning_rate: expected a number above 0"),
    ],
)  # fmt: skip
def test_unusable_arguments_are_told_at_once(tmp_path, change, message):
    with pytest.raises(TtscaleError) as error:
        train(**({"out": tmp_path / "r"} | change))
    assert message in str(error.value)
    assert not (tmp_path / "r").exists()


def test_another_recipe_in_the_same_folder_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(TtscaleError, match=r"recipe\.epochs was 2, is 3\. "):  # and no other difference
        train(tmp_path, recipe=replace(RECIPE, epochs=3))


def interrupt(rung, epoch, loss):
    raise KeyboardInterrupt


def test_rungs_of_other_data_or_another_split_are_refused(tmp_path):
    """Finished or begun: going on with another split would train on the images that were held out."""
    train(tmp_path / "finished")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "begun", on_epoch=interrupt)
    data = learnable()
    for folder, suffix in (("finished", "json"), ("begun", "checkpoint")):
        for subject, n_validation, told in (
            (data, 21, "n_validation was 20, is 21"),
            (data.subset(range(79)), 20, "data_sha256 was "),
            (replace(data, labels=1 - data.labels), 20, "data_sha256 was "),
        ):
            with pytest.raises(TtscaleError, match=rf"resnet8-w2-s0\.{suffix} of another run: {told}"):
                train(tmp_path / folder, data=subject, n_validation=n_validation)
    card = train(tmp_path / "begun", data=replace(data, name="b"))[0]
    assert card["data_sha256"] == data.digest()


@pytest.mark.parametrize("kept", [0, 100, 4000, "garbage"])
def test_a_damaged_checkpoint_is_told_and_its_rung_starts_again(tmp_path, kept):
    whole = train(tmp_path / "whole")[0]
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", on_epoch=interrupt)
    checkpoint = tmp_path / "broken" / "resnet8-w2-s0.checkpoint"
    content = checkpoint.read_bytes()
    assert len(content) > 4000
    checkpoint.write_bytes(b"garbage" if kept == "garbage" else content[:kept])
    with pytest.warns(UserWarning, match=r"s0\.checkpoint is damaged .*starts again"):
        card = train(tmp_path / "broken")[0]
    assert card | {"train_seconds": 0} == whole | {"train_seconds": 0}


def test_the_shipped_cards_are_those_of_the_default_ladder():
    """With the images, `ttscale train` over the shipped folder finds every rung finished, and trains nothing."""
    names = {f"resnet8-w{width}-s{seed}" for width in (4, 8, 16, 28) for seed in range(5)}
    assert {path.stem for path in ZOO_FOLDER.glob("*.json")} == names
    parameters = inspect.signature(train_ladder).parameters
    assert (parameters["widths"].default, parameters["seeds"].default) == ((4, 8, 16, 28), (0, 1, 2, 3, 4))
    run = {"data_sha256": FASHION_TRAIN, "n_validation": 5000, "recipe": asdict(Recipe())}
    for name in names:
        card = json.loads((ZOO_FOLDER / f"{name}.json").read_text())
        assert run.items() <= card.items()
        width, seed = card["architecture"]["width"], card["seed"]
        assert card["command"] == f"ttscale train 'widths=[{width}]' 'seeds=[{seed}]'"
    if not fashion_mnist.DEBIAN.is_dir():
        pytest.skip("no training images of Fashion-MNIST here")
    assert len(train_ladder(load_data("fashion-mnist", split="train"), ZOO_FOLDER)) == 20


@pytest.mark.parametrize("first", [None, 8])
def test_another_image_size_in_the_same_folder_is_refused(tmp_path, first):
    train(tmp_path, image_size=first)
    with pytest.raises(TtscaleError, match=r"another run: image_size was (None, is \[8, 8\]|\[8, 8\], is None)\. "):
        train(tmp_path, image_size=8 if first is None else None)


def test_a_checkpoint_left_beside_a_finished_rung_is_removed(tmp_path):
    train(tmp_path)
    (tmp_path / "resnet8-w2-s0.checkpoint").write_bytes(b"of a run that was killed before it could delete it")
    train(tmp_path, on_rung=lambda card: pytest.fail("trained again"))
    assert not (tmp_path / "resnet8-w2-s0.checkpoint").exists()


def test_training_leaves_threads_and_random_numbers_as_they_were(tmp_path):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        card = train(tmp_path)[0]
        assert torch.get_num_threads() == 2 and card["device"].endswith("1 thread(s)")
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)


def modes():
    """Of each mode of PNG files an image of 8 bits, RGB or grey, as the trained model is given it."""
    grey = np.arange(144, dtype=np.uint8).reshape(12, 12)
    rgb = np.stack([grey, grey.T, 200 - grey], -1)
    opaque = np.full((12, 12, 1), 255, np.uint8)
    palette = Image.fromarray(rgb).quantize(16)
    yield Image.fromarray(np.concatenate([rgb, opaque], -1)), rgb
    yield palette, np.asarray(palette.convert("RGB"))
    yield Image.fromarray(np.stack([grey, opaque[..., 0]], -1), "LA"), grey
    yield Image.fromarray(grey > 70), 255 * (grey > 70)
    yield Image.fromarray(grey.astype(np.uint16) * 256), grey


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize(("image", "pixels"), list(modes()), ids=["RGBA", "P", "LA", "1", "I;16"])
def test_images_of_every_mode_are_trained_on_as_the_model_is_given_them(image, pixels):
    data = replace(learnable(), load=lambda i: image)
    np.testing.assert_array_equal(
        load_split(data, 20, None).pixels[3], pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    )


def one_label(data):
    return replace(data, labels=np.zeros_like(data.labels))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (one_label(learnable()), "data: expected labelled items of two classes at least, got labels from 0 on, of 1 c"),
        (replace(learnable(), labels=learnable().labels - 1), "got labels from -1 on"),
        (replace(learnable(), load=lambda i: np.zeros((12, 12))), "data: expected images, got ndarray"),
        (replace(learnable(), load=lambda i: Image.new("RGB", (12, 12), (i, i + 1, 0))), "channel 2 of 3 is 0 everywh"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(tmp_path, data, message):
    with pytest.raises(TtscaleError) as error:
        train(tmp_path, data=data)
    assert message in str(error.value) and not list(tmp_path.glob("*.json"))


def test_classes_are_those_that_the_set_names(tmp_path):
    card = train(tmp_path, data=replace(learnable(), class_names=("a", "b", "c")))[0]
    assert card["architecture"]["n_classes"] == 3 and card["class_names"] == ["a", "b", "c"]


def test_a_training_that_diverges_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(TtscaleError, match=r"recipe\.learning_rate: expected a training that stays finite"):
        train(tmp_path, recipe=replace(RECIPE, learning_rate=1e30))
    assert not list(tmp_path.iterdir())


def test_images_of_unequal_shapes_are_refused(tmp_path):
    data = learnable()
    uneven = replace(data, load=lambda i: data.load(i).resize((12 + i % 2, 12)))
    with pytest.raises(TtscaleError, match="one shape"):
        train_ladder(uneven, tmp_path, widths=[2], seeds=[0], recipe=RECIPE, n_validation=20)


def test_processes_side_by_side_train_the_same_weights(tmp_path):
    train(tmp_path / "one", seeds=[0, 1])
    told, planned = [], []
    cards = train(
        tmp_path / "two", seeds=[0, 1], processes=2, on_start=planned.append,
        on_epoch=lambda rung, epoch, loss: told.append((rung.name, epoch)),
    )  # fmt: skip
    assert sorted(told) == [(card["name"], epoch) for card in cards for epoch in (1, 2)]
    assert [one.flops for one in planned] == [{card["name"]: card["train_flops"] for card in cards}]
    for path in (tmp_path / "one").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_the_weights_are_those_of_the_recipe_written_out(tmp_path):
    """Initialisation, order, augmentation, schedule, weight decay and momentum, step by step, to the bit."""
    recipe = Recipe(n_train=40, epochs=2, batch_size=16, learning_rate=0.2, warmup=0.3, weight_decay=1e-3)
    train(tmp_path, recipe=recipe, seeds=[3])
    data = learnable()
    uniforms = keyed.uniforms(0, keyed.item_keys(data.item_ids), stream=keyed.SPLIT)
    rows = sorted(np.argsort(uniforms)[20:60])  # the first 20 are for validation
    pixels = np.stack([np.asarray(data.load(i)) for i in rows])
    labels = torch.from_numpy(data.labels[rows])
    mean, std = torch.tensor(float(np.mean(pixels / 255))), torch.tensor(float(np.std(pixels / 255, ddof=1)))
    torch.manual_seed(3)
    module = resnet8(2, 2).to(memory_format=torch.channels_last).train()
    speed = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    for step in range(4):
        if step % 2 == 0:
            rng = np.random.default_rng([3, step // 2])
            order = rng.permutation(40)
        at = order[16 * (step % 2) : 16 * (step % 2) + 16]
        down, right = rng.integers(-1, 2, size=(2, 16))
        mirrored = rng.random(16) < 0.5
        wide = np.pad(pixels[at], ((0, 0), (1, 1), (1, 1)), "edge")
        moved = np.stack([wide[i, 1 + down[i] : 13 + down[i]] for i in range(16)])
        shifted = [image[:, 1 + r : 13 + r] for image, r in zip(moved, right, strict=True)]
        batch = np.stack([image[:, ::-1] if m else image for image, m in zip(shifted, mirrored, strict=True)])
        x = torch.from_numpy(batch)[:, None] * (1 / (255 * std)) - mean / std
        logits = module(x.contiguous(memory_format=torch.channels_last))
        module.zero_grad()
        torch.nn.functional.cross_entropy(logits, labels[torch.from_numpy(at)]).backward()
        share = step / 4
        rate = 0.2 * share / 0.3 if share < 0.3 else 0.1 * (1 + math.cos(math.pi * (share - 0.3) / 0.7))
        with torch.no_grad():
            for name, p in module.named_parameters():
                grad = p.grad.add(p, alpha=1e-3) if p.ndim > 1 else p.grad
                speed[name] = grad.clone() if step == 0 else speed[name].mul(0.9).add(grad)
                p.add_(grad.add(speed[name], alpha=0.9), alpha=-rate)
    made = load_file(tmp_path / "resnet8-w2-s3.safetensors")
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(made[name], tensor, rtol=0, atol=0)
