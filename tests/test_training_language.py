"""Ladders of language models: resumed to the same weights, metered against counting by hand, loaded with a card."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from ttscale.collecting.collect import collect
from ttscale.data.load import load_data
from ttscale.data.worked_arithmetic import CHARACTERS, training_lines
from ttscale.draws.sampling import sampling
from ttscale.errors import TtscaleError

pytest.importorskip("transformers", reason="the package transformers is not installed")

from ttscale.models.load import load_model
from ttscale.training import language_loop
from ttscale.training.language_batches import IGNORED, pack
from ttscale.training.language_ladder import LanguageRung, train_language_ladder
from ttscale.training.language_model import character_tokenizer, small_llama
from ttscale.training.language_recipe import SIZES, LanguageRecipe, LanguageSize

TINY = LanguageSize(8, 1, 2)
RECIPE = LanguageRecipe(rows=4)
STEP = 4 * 64  # tokens
NAME = "tiny-t2560-s0"


def train(out, **change):
    arguments = {"sizes": {"tiny": TINY}, "tokens": [10 * STEP], "seeds": [0], "recipe": RECIPE} | change
    return train_language_ladder(out, **arguments)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def ladder(tmp_path_factory) -> Path:
    """Two budgets and two seeds."""
    out = tmp_path_factory.mktemp("ladder")
    train(out, tokens=[20 * STEP, 10 * STEP], seeds=[0, 1], command="ttscale train x")
    return out


@pytest.fixture(scope="module")
def model(ladder):
    return load_model(f"hf:{ladder / NAME}")


def test_each_budget_and_seed_is_a_run_of_its_own(ladder, tmp_path):
    card = train(tmp_path)[0]
    assert weights(tmp_path / NAME) == weights(ladder / NAME)
    assert len({weights(folder) for folder in ladder.iterdir()}) == 4
    assert {path.name for path in tmp_path.iterdir()} == {NAME}
    assert (card["budget"], card["steps"], card["command"]) == ("t2560", 10, None)


def test_an_interrupted_rung_resumes_to_the_same_weights(ladder, tmp_path, monkeypatch):
    monkeypatch.setattr(language_loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(language_loop, "TELL_EVERY", 2)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, on_step=interrupt_after(4))
    assert {path.name for path in tmp_path.iterdir()} == {f"{NAME}.checkpoint"}
    seen = []
    card = train(tmp_path, on_step=lambda rung, step, steps, loss: seen.append((rung.name, step, steps)))[0]
    assert seen == [(NAME, step, 10) for step in (6, 8, 10)]
    assert weights(tmp_path / NAME) == weights(ladder / NAME)
    whole = json.loads((ladder / NAME / "ttscale.json").read_text())
    assert {**card, "train_seconds": 0, "command": 0} == {**whole, "train_seconds": 0, "command": 0}
    assert {path.name for path in tmp_path.iterdir()} == {NAME}


def interrupt_after(last):
    def on_step(rung, step, steps, loss):
        if step == last:
            raise KeyboardInterrupt

    return on_step


def test_a_rung_whose_writing_was_cut_off_is_trained_again(ladder, tmp_path):
    (tmp_path / f"{NAME}.partial").mkdir()
    (tmp_path / f"{NAME}.partial" / "model.safetensors").write_bytes(b"half")
    train(tmp_path)
    assert weights(tmp_path / NAME) == weights(ladder / NAME)


def test_training_flops_match_a_count_by_hand(ladder):
    """Matrix products of one layer of width 8 with a feed-forward of 24 and 16 characters, and the full square of
    attention; the backward pass makes two products for each of the forward's."""
    card = json.loads((ladder / NAME / "ttscale.json").read_text())
    layer, output, attention = 4 * 8 * 8 + 3 * 8 * 24, 16 * 8, 2 * 64 * 8
    per_token = 3 * 2 * (layer + output + attention)
    assert card["train_flops"] == per_token * 10 * STEP
    norms = 3 * 8
    assert card["n_params"] == layer + output + norms and card["n_params_matmul"] == layer + output
    assert card["train_flops_6nd"] == 6 * card["n_params"] * card["tokens_seen"]


def test_tokens_seen_are_those_of_whole_lines(ladder):
    card = json.loads((ladder / NAME / "ttscale.json").read_text())
    counted = 0
    for step in range(10):
        free = [64] * 4
        for question, solution in training_lines(0, step):
            rows = [row for row in range(4) if free[row] >= len(question + solution)]
            if not rows:
                break
            free[rows[0]] -= len(question + solution)
        counted += STEP - sum(free)
    assert card["tokens_seen"] == card["n_train"] == counted and card["epochs"] == 1


def test_the_card_becomes_the_members_card(ladder, model):
    card = json.loads((ladder / NAME / "ttscale.json").read_text())
    assert card.items() <= model.card.items()
    assert (model.name, card["family"], card["size"], card["seed"]) == (NAME, "arithmetic-llama", "tiny", 0)
    assert model.context == 64 and card["command"] == "ttscale train x"
    assert card["architecture"] == {"width": 8, "layers": 1, "heads": 2} and card["recipe"]["rows"] == 4


def test_every_text_of_the_characters_comes_back(model):
    for question, solution in islice(training_lines(3, 0), 50):
        tokens = model.tokenizer(question + solution)["input_ids"]
        assert tokens == [CHARACTERS.index(character) for character in question + solution]
        assert model.tokenizer.decode(tokens) == question + solution
    assert model.tokenizer.eos_token_id == CHARACTERS.index("\n")


def test_packed_lines_are_read_as_if_each_stood_alone():
    tokenizer = character_tokenizer(CHARACTERS)
    module = small_llama(TINY, tokenizer, context=64, seed=3).eval()
    ids = tokenizer.get_vocab()
    batch = pack(training_lines(5, 0), ids, rows=3, context=64, padding=tokenizer.pad_token_id)
    with torch.inference_mode():
        packed = module(input_ids=batch.tokens, position_ids=batch.positions, attention_mask=batch.bias).logits
        found = 0
        for question, solution in training_lines(5, 0):
            if found == batch.n_tokens:
                break
            text = [ids[character] for character in question + solution]
            alone = module(input_ids=torch.tensor([text])).logits[0]
            row, at = next(
                (row, at)
                for row in range(3)
                for at in range(64 - len(text) + 1)
                if batch.tokens[row, at : at + len(text)].tolist() == text
            )
            torch.testing.assert_close(packed[row, at : at + len(text)], alone, rtol=1e-4, atol=1e-4)
            targets = batch.targets[row, at : at + len(text)].tolist()
            start = len(question) - 1
            assert targets == [IGNORED] * start + text[start + 1 :] + [IGNORED]
            found += len(text)
    assert found > 64 and packed.isfinite().all()


def test_it_learns(tmp_path):
    untrained, trained = (
        train(tmp_path / str(steps), tokens=[steps * STEP], sizes={"small": LanguageSize(16, 1, 2)})[0]
        for steps in (1, 150)
    )
    assert untrained["validation_loss"] > np.log(16) - 1.5
    assert trained["validation_loss"] < 0.75 * untrained["validation_loss"]


def test_a_job_sent_to_another_process_trains_the_same_weights(ladder, tmp_path, monkeypatch):
    """A pool pickles the job and the rung; what comes out of the pickle is run here."""

    def through_pickle(train_one, tasks, processes, on_told, on_done):
        assert processes == 2
        for task in tasks.values():
            work, rung = pickle.loads(pickle.dumps((train_one, task)))
            on_done(work(rung, partial(on_told, task)))

    monkeypatch.setattr("ttscale.training.language_ladder.train_all", through_pickle)
    done, told = [], []
    on_step = lambda rung, step, steps, loss: told.append((rung.name, step, steps))  # noqa: E731
    train(tmp_path, seeds=[0, 1], processes=2, on_step=on_step, on_rung=lambda card: done.append(card["name"]))
    assert done == [NAME, "tiny-t2560-s1"] and told == [(name, 10, 10) for name in done]
    assert all(weights(tmp_path / name) == weights(ladder / name) for name in done)


def test_the_engine_samples_from_a_rung(model, tmp_path):
    data = load_data("worked:add2", n=3)
    records = collect(model, data, draws=sampling(2, 1.0), out=tmp_path / "r", device="cpu")
    assert records.members[0].card["train_flops"] == model.card["train_flops"]
    assert records.graded().answers.shape == (3, 3)


def test_rungs_come_seed_by_seed_and_the_cheapest_first(tmp_path):
    order, planned = [], {}
    sizes = {"b": LanguageSize(16, 1, 2), "a": TINY}
    told = {"on_start": lambda work: planned.update(work.flops), "on_rung": lambda card: order.append(card["name"])}
    cards = train(tmp_path, sizes=sizes, tokens=[3 * STEP, STEP], seeds=[1, 0], **told)
    assert order == [f"{name}-s{seed}" for seed in (1, 0) for name in ("a-t256", "a-t768", "b-t256", "b-t768")]
    assert [card["name"] for card in cards][:4] == ["a-t768-s1", "a-t768-s0", "a-t256-s1", "a-t256-s0"]
    assert list(planned) == order and planned == {card["name"]: card["train_flops"] for card in cards}


def test_a_training_that_diverges_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(language_loop, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(TtscaleError, match=r"recipe\.learning_rate: expected a training that stays finite"):
        train(tmp_path, recipe=replace(RECIPE, learning_rate=1e30))
    assert not [path for path in tmp_path.rglob("*") if path.suffix != ".checkpoint"]
    for path in tmp_path.glob("*.checkpoint"):
        assert all(tensor.isfinite().all() for tensor in torch.load(path)["module"].values())


def test_a_folder_of_a_rungs_name_without_a_card_is_told_before_training(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(TtscaleError, match="out: expected models with their cards"):
        train(tmp_path, on_start=lambda flops: pytest.fail("trained"))


def test_names_of_budgets():
    names = [LanguageRung("x", TINY, tokens, 2).name for tokens in (3_000_000, 750_000, 1_000_001)]
    assert names == ["x-t3m-s2", "x-t750k-s2", "x-t1000001-s2"]


def test_the_sizes_are_a_geometric_ladder():
    tokenizer = character_tokenizer(CHARACTERS)
    counts = {
        name: sum(p.numel() for p in small_llama(size, tokenizer, context=64, seed=0).parameters())
        for name, size in SIZES.items()
    }
    assert all(name == f"llama-{round(count / 1000)}k" for name, count in counts.items()), counts
    steps = np.diff(np.log(list(counts.values())))
    assert len(steps) == 4 and np.all((steps > np.log(2)) & (steps < np.log(3)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"families": ["add2"]}, r"another run: families was \['add2', 'add3'.*, is \['add2'\]"),
        ({"recipe": replace(RECIPE, warmup=0.2)}, r"recipe\.warmup was 0\.1, is 0\.2"),
        ({"sizes": {"tiny": LanguageSize(8, 2, 2)}}, r"architecture\.layers was 1, is 2"),
    ],
)
def test_another_run_in_the_same_folder_is_refused(ladder, tmp_path, change, says):
    with pytest.raises(TtscaleError, match=says):
        train(ladder, **change)
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(language_loop, "CHECKPOINT_SECONDS", 0.0)
        train(tmp_path, tokens=[20 * STEP], on_step=interrupt_after(10))
    with pytest.raises(TtscaleError, match="another run"):
        train(tmp_path, tokens=[20 * STEP], **change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sizes": ["llama-9"]}, "sizes.*'llama-9'"), ({"sizes": []}, "sizes: expected at least one"),
        ({"sizes": ["llama-14k", "llama-14k"]}, "each size once"),
        ({"sizes": {"a/b": TINY}}, "sizes: expected names of letters"),
        ({"sizes": {"odd": LanguageSize(9, 1, 3)}}, r"sizes\.odd: expected a LanguageSize whose heads have an even"),
        ({"sizes": {"..": TINY}}, "sizes: expected names of letters"),
        ({"tokens": [2 * STEP, 2 * STEP + 1]}, r"tokens: .*\[512, 513\]: \[2, 2\] steps"),
        ({"tokens": [STEP - 1]}, "tokens: expected integers of at least 256"), ({"tokens": []}, "tokens"),
        ({"seeds": [0, 0]}, "seeds.*each once"), ({"processes": 0}, "processes"),
        ({"families": ["add9"]}, "families"), ({"device": "toaster"}, "device"), ({"out": 5}, "out: expected a path"),
        ({"recipe": {"rows": 4}}, "recipe: expected a LanguageRecipe"),
        ({"recipe": replace(RECIPE, rows=0)}, r"recipe\.rows: expected an integer of at least 1"),
        ({"recipe": replace(RECIPE, context=33)}, r"recipe\.context: expected an integer of at least 34"),
        ({"recipe": replace(RECIPE, beta2=1.0)}, r"recipe\.beta2: expected a number in \[0, 1\)"),
        ({"recipe": replace(RECIPE, clip=0)}, r"recipe\.clip: expected a number above 0"),
    ],
)  # fmt: skip
def test_unusable_arguments_are_told_at_once(tmp_path, change, says):
    with pytest.raises(TtscaleError, match=says):
        train(**({"out": tmp_path / "r"} | change))
    assert not (tmp_path / "r").exists()
