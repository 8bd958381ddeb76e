"""What `ttscale train` makes of its config: budgets, soups, students, images of unequal shapes, and the time left."""

import inspect
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from test_train import RECIPE, learnable, train

import ttscale as tts
from ttscale.cli.build import build
from ttscale.cli.groups import Train
from ttscale.cli.main import main
from ttscale.cli.paths import configs_folder
from ttscale.errors import TtscaleError
from ttscale.training.distill import distill
from ttscale.training.images import load_split
from ttscale.training.language_ladder import TOKENS
from ttscale.training.language_recipe import SIZES, LanguageRecipe
from ttscale.training.plans import Grid, Soup, Students, call_of
from ttscale.training.plans import train as train_plan
from ttscale.training.recipe import Recipe
from ttscale.training.soups import TUNING

BUDGETS = {"e2": {"epochs": 2, "batch_size": 16}, "u32": {"n_train": 32, "epochs": 3, "batch_size": 16}}


def test_budgets_are_runs_of_their_own(tmp_path):
    """The share of a rung by its own epochs; a budget alone gives the same weights as beside others."""
    shares, planned = [], []
    cards = train_plan(
        Grid(BUDGETS, widths=[2], seeds=[0, 1]), learnable, tmp_path / "grid", n_validation=20, seeds=[1],
        on_share=lambda name, share, loss: shares.append((name, share)), on_start=planned.append,
    )  # fmt: skip
    assert [card["name"] for card in cards] == ["resnet8-w2-e2-s1", "resnet8-w2-u32-s1"]
    assert [(card["size"], card["budget"], card["n_train"]) for card in cards] == [
        ("resnet8-w2", "e2", 60), ("resnet8-w2", "u32", 32)
    ]  # fmt: skip
    assert [one.flops for one in planned] == [{card["name"]: card["train_flops"] for card in cards}]
    thirds = [("resnet8-w2-u32-s1", epoch / 3) for epoch in (1, 2, 3)]
    assert shares == [("resnet8-w2-e2-s1", 0.5), ("resnet8-w2-e2-s1", 1.0), *thirds]
    train(tmp_path / "alone", seeds=[1], recipe=RECIPE)
    files = [tmp_path / "grid" / "resnet8-w2-e2-s1.safetensors", tmp_path / "alone" / "resnet8-w2-s1.safetensors"]
    assert files[0].read_bytes() == files[1].read_bytes()


def uneven():
    """Images of several shapes, every fourth of them in colour."""
    data = learnable()

    def load(i):
        image = data.load(i).resize((20 + 2 * (i % 3), 14 + i % 2))
        return image.convert("RGB") if i % 4 == 0 else image

    return replace(data, load=load)


def test_images_of_unequal_shapes_are_cut_as_the_trained_model_is_given_them(tmp_path):
    data = uneven()
    card = train(tmp_path, data=data, image_size=[10, 12])[0]
    model = tts.load_model(f"zoo:{tmp_path}/{card['name']}")
    assert card["input_size"] == [3, 10, 12] and card["image_size"] == [10, 12]
    split = load_split(data, 20, [10, 12])
    mean, std = (np.reshape(card[key], (3, 1, 1)) for key in ("mean", "std"))
    for i in (0, 1, 5):
        np.testing.assert_allclose(model.preprocess(data.load(i)), (split.pixels[i] / 255 - mean) / std, atol=1e-5)


def test_an_image_is_resized_to_its_shorter_side_and_cut_in_the_centre():
    """28 x 14 pixels, black left of the middle: of the 14 x 14 in the centre, the left half is black."""
    pixels = np.full((14, 28), 255, np.uint8)
    pixels[:, :14] = 0
    data = replace(learnable(), load=lambda i: Image.fromarray(pixels))
    cut = load_split(data, 20, 14).pixels
    assert cut.shape == (80, 1, 14, 14) and (cut[..., :7] == 0).all() and (cut[..., 7:] == 255).all()


@pytest.mark.parametrize("size", [0, "x", [12], [12, 0], 1.5, True])
def test_unusable_image_sizes_are_refused(tmp_path, size):
    with pytest.raises(TtscaleError, match="image_size: expected pixels a side"):
        train(tmp_path, image_size=size)


def test_each_option_calls_the_function_of_its_kind():
    soup, given = call_of(Soup("zoo:a", {"epochs": 2}))
    assert soup.__name__ == "train_soups" and given == {
        "starts": "zoo:a", "recipe": Recipe(epochs=2, learning_rate=given["recipe"].learning_rate)
    }  # fmt: skip
    students, given = call_of(Students("zoo:a", views="flip", budget="e2", recipe={"epochs": 2}))
    assert students.__name__ == "distill" and given["recipe"] == {"e2": Recipe(epochs=2)}
    ladder, given = call_of(build(Train(epochs=3)))
    assert ladder.__name__ == "train_ladder" and given == {"recipe": Recipe(epochs=3)}


def option(name):
    written = yaml.safe_load((configs_folder() / "train" / f"{name}.yaml").read_text())
    return build(Train(**written))


def test_options_write_out_the_defaults_of_the_library():
    for name, usual in (("soup", TUNING), ("distill", Recipe()), ("arithmetic", LanguageRecipe())):
        assert option(name).recipe == asdict(usual)
    assert call_of(option("soup"))[1]["recipe"] == TUNING
    _, given = call_of(option("arithmetic"))
    assert "sizes" not in given and tuple(given["tokens"]) == TOKENS
    assert all(name in (configs_folder() / "train" / "arithmetic.yaml").read_text() for name in SIZES)
    parameters = inspect.signature(distill).parameters
    students = option("distill")
    for name in ("views", "temperature", "hard", "label"):
        assert getattr(students, name) == parameters[name].default
    assert call_of(option("fashion_grid"))[1]["recipe"]["e16"] == Recipe()


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Soup("zoo:resnet8-w4-s0"), {"widths": [4]}, "widths: expected null"),
        (Soup("zoo:resnet8-w4-s0", {"epoch": 4}), {}, "Did you mean epochs"),
        (Soup("zoo:resnet8-w4-s0", 4), {}, "recipe: expected names with their values"),
        (Grid({}), {}, "at least one budget"),
        (Grid(BUDGETS, only=["e3"]), {}, "Did you mean e2"),
        (Grid(BUDGETS, only="e3"), {}, "Did you mean e2"),
        (Grid(BUDGETS, only=[]), {}, "only: expected names of budgets, got []"),
        (Grid(["e1"]), {}, "budgets: expected recipes by name"),
        (Grid({"e 1": {}}), {}, "a name of letters"),
        (Grid({"e1": {"epochs": 0}}), {"n_validation": 20}, "recipe.epochs: expected an integer of at least 1"),
    ],
)
def test_what_a_kind_has_no_use_for_is_refused(tmp_path, kind, settings, message):
    with pytest.raises(TtscaleError) as error:
        train_plan(kind, learnable, tmp_path / "out", on_share=print, **settings)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    data = uneven()
    for i in range(len(data)):
        path = folder / f"class{data.labels[i]}" / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        data.load(i).save(path)
    return folder


def test_the_verb_trains_grids_soups_and_students(images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    common = ["data=imagefolder", f"data.root={images}", "n_validation=20"]
    grid = ["train=fashion_grid", "widths=[2]", "seeds=[0,1]", "image_size=12"]
    budget = ["train.only=[e1]", "train.budgets.e1.batch_size=16"]
    assert main(["train", *common, *grid, *budget, "out=a"]) == 0
    said = capsys.readouterr().out
    assert "2 models to train" in said and "resnet8-w2-e1-s0: accuracy" in said and " left" in said
    soup = ["train=soup", "train.starts=zoo:a/models/*-s0", "train.recipe.epochs=1", "train.recipe.batch_size=16"]
    assert main(["train", *common, *soup, "seeds=[0,1]", "out=b"]) == 0
    students = ["train=distill", "train.teachers=zoo:a/models/*", "train.recipe={epochs: 1, batch_size: 16}"]
    given = ["train.views=flip", "train.budget=e1", "widths=[2]", "seeds=[0]", "image_size=12", "out=c"]
    assert main(["train", *common, *students, *given]) == 0
    names = [json.loads((tmp_path / out / "summary.json").read_text())["models"][0]["name"] for out in "abc"]
    assert names == ["resnet8-w2-e1-s0", "resnet8-w2-e1-s0-soup0+1", "resnet8-w2-distilled-e1-s0"]
    for out, name in zip("abc", names, strict=True):
        assert tts.load_model(f"zoo:{out}/models/{name}").input_size == (3, 12, 12)
    capsys.readouterr()
    assert main(["train", *common, *soup, "widths=[2]", "out=d"]) == 2
    assert capsys.readouterr().err.startswith("ttscale: widths: expected null")
    assert main(["train", *common, "train=soup", "train.starts=zoo:nothing", "out=d"]) == 2
    capsys.readouterr()
    assert main(["train", *common, *students, "train.temperature=0", "out=d"]) == 2
    assert "ttscale: train.temperature: expected a number above 0" in capsys.readouterr().err
    assert main(["train", *common, students[0], students[2], "train.teachers=[]", "out=d"]) == 2
    assert "ttscale: train.teachers: expected at least one trained model" in capsys.readouterr().err
    assert main(["train", *common, *grid, "train.only=e1", "+train.budgets.e1.epoch=1", "out=d"]) == 2
    assert "ttscale: train.budgets.e1: expected" in capsys.readouterr().err


def test_the_verb_trains_language_models(tmp_path, monkeypatch, capsys):
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    given = ["train.sizes={tiny: {width: 8, layers: 1, heads: 1}}", "train.tokens=[1024]", "seeds=[0]", "out=a"]
    assert main(["train", "train=arithmetic", "train.recipe.rows=4", *given]) == 0
    said = capsys.readouterr().out
    assert "1 models to train" not in said and "1 model to train" in said
    assert "ttscale sweep models=hf:a/models/tiny-t1024-s0 data=worked draws=samples\n" in said
    card = json.loads((tmp_path / "a" / "summary.json").read_text())["models"][0]
    assert (card["size"], card["recipe"]["rows"]) == ("tiny", 4)
    assert main(["train", "train=arithmetic", "n_validation=5", "out=b"]) == 2
    assert "n_validation: expected null" in capsys.readouterr().err
