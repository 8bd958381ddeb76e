"""Collection of language models: what was generated is kept, a kill loses little, bad input is told before the run."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import language_run as fake
import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from killed_run import kill_after_a_shard
from language_example import tiny_language_model
from scripted_server import ScriptedServer

from ttscale.collecting.collect import collect
from ttscale.collecting.verify import verify
from ttscale.data.problems import Problems
from ttscale.draws.prompts import Prompt, render
from ttscale.draws.sampling import sampling
from ttscale.errors import TtscaleError
from ttscale.generation.local import LocalGenerator
from ttscale.generation.request import Request
from ttscale.models.language import Endpoint
from ttscale.records.read import read_records
from ttscale.scaling.curves.curve import accuracy_curve

DRAWS = sampling(3, 0.8, variants="template1")
SMALL = sampling(4, 0.9, max_tokens=5)
TINY = {"device": "cpu", "batch_size": 6, "progress": False}


@pytest.fixture
def engines(monkeypatch):
    return fake.install(monkeypatch)


@pytest.fixture(scope="module")
def tiny():
    return tiny_language_model()


def run(folder, data=None, **more):
    arguments = {"draws": DRAWS, "out": folder, "seed": 3, "progress": False} | more
    return collect([fake.member("a"), fake.member("b")], fake.sums() if data is None else data, **arguments)


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_every_sample_of_every_prompt_is_kept_with_its_key(tmp_path, engines):
    data = fake.sums()
    records = run(tmp_path, data)
    by_name = {engine.name: engine for engine in engines}
    graded = records.graded()
    asked = {(d.id, d.temperature): d for d, _ in DRAWS.decodings}
    for i, item_id in enumerate(data.item_ids):
        for d, draw in enumerate(graded.draws):
            (decoding,) = (found for (name, _), found in asked.items() if name == draw.decoding)
            variant = next(v for v in DRAWS.variants if v.name == draw.variant)
            request = Request(item_id, draw.variant, render(data, i, variant), decoding, (draw.sample,))
            expected = by_name[draw.member]._sample(request, draw.sample)
            assert records.texts([i])[0][d] == expected.text and graded.flops[i, d] == expected.flops
            assert graded.scores["self_certainty"][i, d] == expected.self_certainty
    assert all(request.decoding.max_tokens == 6 and request.decoding.stop == ("\n",) for request in engines[0].prepared)
    assert records.golds.tolist() == list(data.golds) and records.questions.tolist() == list(data.questions)


def test_a_decoding_of_its_own_length_and_stops_keeps_them(tmp_path, engines):
    run(tmp_path, draws=sampling(2, 0.8, max_tokens=3, stop=["."]))
    assert {(r.decoding.max_tokens, r.decoding.stop) for r in engines[0].prepared} == {(3, (".",))}
    assert manifest(tmp_path)["decodings"][1]["stop"] == ["."]


def small_blocks(monkeypatch, items=2):
    monkeypatch.setattr("ttscale.collecting.language_run._BLOCK_DRAWS", items * 2 * len(DRAWS))


@pytest.mark.parametrize("die_at", [1, 5, 9, 21, 24])
def test_a_run_that_died_anywhere_resumes_to_the_same_bytes(tmp_path, monkeypatch, die_at):
    small_blocks(monkeypatch)
    fake.install(monkeypatch)
    run(tmp_path / "whole")
    fake.install(monkeypatch, die_at=die_at)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken")
    fake.install(monkeypatch)
    run(tmp_path / "broken")
    assert fake.files_of(tmp_path / "whole") == fake.files_of(tmp_path / "broken")
    whole, broken = manifest(tmp_path / "whole"), manifest(tmp_path / "broken")
    assert whole == broken


def test_a_finished_run_is_not_run_again(tmp_path, engines):
    run(tmp_path)
    calls = sum(engine.calls for engine in engines)
    run(tmp_path)
    assert sum(engine.calls for engine in engines) == calls == 2 * 12 * 4


def test_the_grader_is_not_part_of_the_outcomes(tmp_path, engines):
    first = run(tmp_path)
    calls = sum(engine.calls for engine in engines)
    second = run(tmp_path, replace(fake.sums(), extract="last_line", equality="text"))
    assert sum(engine.calls for engine in engines) == calls
    assert second.graded().abstained == 0 < first.graded().abstained and len(second.graders) == 2


def test_a_changed_call_is_refused_by_what_changed(tmp_path, engines):
    run(tmp_path)
    before = fake.files_of(tmp_path)
    for change, message in (
        ({"draws": sampling(3, 0.8)}, "variants was"),
        ({"draws": sampling(3, 0.7, variants="template1")}, "decodings.T0.7 was null"),
        ({"draws": sampling(4, 0.8, variants="template1")}, "a change of decodings.T0.8.samples was 3, is 4. "),
        ({"draws": sampling(3, 0.8, variants="template1", max_tokens=7)}, "decodings.T0.8.max_tokens was 6, is 7"),
        ({"seed": 1}, "seed was 3, is 1"),
        ({"batch_size": 4}, "generation.a.batch_size was 8, is 4"),
        ({"prefill": "per_sample"}, 'prefill was "shared", is "per_sample"'),
        ({"data": replace(fake.sums(), shots=1)}, "shots was 2, is 1"),
        ({"data": replace(fake.sums(), chat=True)}, "chat was false, is true"),
        ({"data": fake.sums(11)}, "dataset was"),
    ):  # fmt: skip
        with pytest.raises(TtscaleError) as error:
            run(tmp_path, **change)
        assert message in str(error.value)
    assert fake.files_of(tmp_path) == before


def test_the_batch_size_that_a_run_picked_is_given_back_to_it(tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    fake.install(monkeypatch, die_at=9)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, batch_size=5)
    fake.install(monkeypatch)
    run(tmp_path)  # another size would be refused
    assert {plan["batch_size"] for plan in manifest(tmp_path)["generation"].values()} == {5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": make_data(4)}, "data: expected Problems"),
        ({"draws": "flip"}, "draws: expected a sampling"),
        ({"draws": "identity"}, "views are of images"),
        ({"prefill": "never"}, "shared or per_sample"),
        ({"dtype": "int3"}, "dtype: expected auto"),
        ({"channels_last": False}, "channels_last: expected nothing: a run of language models"),
        ({"on_bad_item": "skip"}, "on_bad_item: expected nothing"),
        ({"batch_size": 0}, "batch_size"),
        ({"data": replace(fake.sums(), golds=("?",) * 12)}, "gold of item sums/00"),
        ({"data": replace(fake.sums(), item_ids=("x",) * 12)}, "unique item ids"),
        ({"draws": sampling(2, variants="template3")}, "variant template3"),
        ({"draws": sampling(2, variants="order(2)")}, "variant order2"),
    ],
)
def test_unusable_arguments_are_told_before_anything_is_written(tmp_path, engines, change, message):
    with pytest.raises(TtscaleError) as error:
        run(tmp_path / "r", **change)
    assert message in str(error.value)
    assert not (tmp_path / "r").exists()


def test_kinds_do_not_mix(tmp_path):
    classifier, lm = make_model("c"), fake.member("a")
    for models, data, more, message in (
        ([classifier, lm], fake.sums(), {}, "both: c and a"),
        ([classifier], fake.sums(), {}, "Problems are for language models"),
        ([classifier], make_data(4), {"draws": sampling(2)}, "views, since the members are classifiers"),
        ([classifier], make_data(4), {"prefill": "per_sample"}, "prefill: expected nothing"),
        ([lm, lm], fake.sums(), {}, "a twice"),
    ):
        with pytest.raises(TtscaleError, match=message):
            collect(models, data, out=tmp_path / "r", progress=False, **more)


def test_a_block_is_no_more_work_than_a_kill_may_cost(tmp_path, engines, monkeypatch):
    own = len("Q: 10 + 3\nA:") + len("10 + 3 =")
    tokens = 2 * (1 + 3) * 6 + own / 3
    monkeypatch.setattr("ttscale.collecting.language_run._BLOCK_FLOPS", {"cpu": 2 * fake.TOKEN_FLOPS * tokens * 4})
    assert run(tmp_path).manifest.n_blocks == 3


# From here on with a real model, if a small one.


def test_a_real_model_gives_what_its_generator_gives(tmp_path, tiny):
    data = replace(fake.sums(6), stop=())
    records = collect(tiny, data, draws=SMALL, out=tmp_path, seed=5, **TINY)
    engine = LocalGenerator(tiny, seed=5, device="cpu", batch_size=6)
    decodings = [(replace(d, max_tokens=5, stop=()), n) for d, n in SMALL.decodings]
    requests = [
        Request(item_id, "plain", render(data, i), decoding, tuple(range(n)))
        for i, item_id in enumerate(data.item_ids)
        for decoding, n in decodings
    ]
    engine.prepare(requests)
    answers = engine.generate(requests, lambda n: None)
    texts = [one.text for answered in answers for one in answered.completions]
    assert [text for row in records.texts() for text in row] == texts and len(set(texts)) > 20
    graded = records.graded()
    assert graded.flops.ravel().tolist() == [one.flops for answered in answers for one in answered.completions]
    assert (graded.prompt_tokens["tiny", "plain"] == [answered.prompt_tokens for answered in answers[::2]]).all()
    assert graded.prefix_flops["tiny", "plain"].sum() == pytest.approx(answers[0].prefix_flops)
    per_token = 2 * sum(p.numel() for n, p in tiny.module.named_parameters() if p.ndim == 2)  # tied: the table once
    assert per_token <= records.members[0].flops <= 1.1 * per_token


def test_a_killed_process_resumes_to_the_same_bytes(tmp_path, tiny, monkeypatch):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys, time
            sys.path.insert(0, {os.path.dirname(__file__)!r})
            import torch
            torch.set_num_threads(1)
            import language_run as fake
            from language_example import tiny_language_model
            from ttscale.collecting.collect import collect
            import ttscale.collecting.language_run as run
            from ttscale.draws.sampling import sampling
            run._BLOCK_DRAWS = 10
            answer = run.answer_block
            run.answer_block = lambda *a: (time.sleep(float(sys.argv[2])), answer(*a))[1]
            collect(tiny_language_model(), fake.sums(16), draws=sampling(4, 0.9, max_tokens=5), out=sys.argv[1],
                    device="cpu", progress=False)
            """
        )
    )
    kill_after_a_shard(script, tmp_path / "broken", "0.3")
    subprocess.run([sys.executable, script, tmp_path / "broken", "0"], check=True)
    monkeypatch.setattr("ttscale.collecting.language_run._BLOCK_DRAWS", 10)
    collect(tiny, fake.sums(16), draws=sampling(4, 0.9, max_tokens=5), out=tmp_path / "whole", device="cpu",
            progress=False)  # fmt: skip
    assert fake.files_of(tmp_path / "whole") == fake.files_of(tmp_path / "broken")


def test_a_prompt_that_does_not_fit_is_named_before_anything_is_written(tmp_path):
    short = tiny_language_model(context=40)
    data = fake.sums(6)
    data = replace(data, questions=(*data.questions[:4], "1 + " * 30 + "1", data.questions[5]))
    with pytest.raises(TtscaleError, match="sums/04"):
        collect(short, data, draws=SMALL, out=tmp_path / "r", **TINY)
    assert not (tmp_path / "r").exists()


def test_the_module_comes_back_as_it_was(tmp_path, tiny):
    before = {name: (p.dtype, p.device, p.clone()) for name, p in tiny.module.state_dict().items()}
    collect(tiny, fake.sums(3), draws=SMALL, out=tmp_path, **TINY)
    for name, value in tiny.module.state_dict().items():
        dtype, device, values = before[name]
        assert value.dtype == dtype and value.device == device and torch.equal(value, values)


def test_a_served_run_that_broke_off_pays_for_nothing_twice(tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    data, draws = fake.sums(), sampling(3, 0.8)
    with ScriptedServer(text=lambda prompt, i: f" {i}") as server:
        model = Endpoint("toy", "endpoint:toy", server.url, "toy", n_params=5.0, concurrency=1, retries=0)
        refuse = [lambda seen: (400, "no eights") if seen.prompt.endswith("8 + 3 =") else None]
        server.rules = refuse
        with pytest.raises(TtscaleError, match="sums/08"):
            collect(model, data, draws=draws, out=tmp_path, progress=False)
        assert len(list(tmp_path.glob("journal-*.jsonl"))) == 1 and not manifest(tmp_path)["complete"]
        server.rules = []
        records = collect(model, data, draws=draws, out=tmp_path, progress=False)
        assert server.paid == 12 * 4
    assert not list(tmp_path.glob("journal-*")) and records.members[0].flops == 10.0
    assert [set(row) for row in records.texts()] == [{" 0", " 1", " 2", " 3"}] * 12
    graded = records.graded()
    assert np.isnan(graded.scores["self_certainty"]).all() and (graded.flops == 10.0 * graded.n_tokens).all()


@pytest.mark.parametrize("finished", [False, True])
def test_a_served_run_does_not_go_on_with_another_number_of_parameters(tmp_path, monkeypatch, finished):
    small_blocks(monkeypatch)
    with ScriptedServer(text=lambda prompt, i: f" {i}") as server:
        model = Endpoint("toy", "endpoint:toy", server.url, "toy", concurrency=1, retries=0)
        if not finished:
            server.rules = [lambda seen: (400, "no eights") if seen.prompt.endswith("8 + 3 =") else None]
            with pytest.raises(TtscaleError, match="sums/08"):
                collect(model, fake.sums(), draws=SMALL, out=tmp_path, progress=False)
            server.rules = []
        else:
            collect(model, fake.sums(), draws=SMALL, out=tmp_path, progress=False)
        paid = server.paid
        with pytest.raises(TtscaleError, match=r"generation\.toy\.n_params was null, is 5\.0"):
            collect(replace(model, n_params=5.0), fake.sums(), draws=SMALL, out=tmp_path, progress=False)
        assert server.paid == paid


def test_a_served_prompt_is_charged_for_every_request_in_curves_too(tmp_path):
    flops = {}
    for most in (1, 1000):
        with ScriptedServer(text=lambda prompt, i: f" {i}", most_choices=most) as server:
            model = Endpoint("toy", "endpoint:toy", server.url, "toy", n_params=0.5, concurrency=1)
            records = collect(model, fake.sums(10), draws=sampling(4, 0.8), out=tmp_path / str(most), progress=False)
        flops[most] = accuracy_curve(records).flops
        length = len(server.seen[0].prompt)  # all are as long: a token a character in this server
    budgets = np.arange(1, 5)
    np.testing.assert_allclose(flops[1], budgets * (length + 2))
    np.testing.assert_allclose(flops[1000], length + 2 * budgets)


def test_a_journal_that_a_killed_run_left_behind_goes_with_the_next_call(tmp_path):
    with ScriptedServer(text=lambda prompt, i: f" {i}") as server:
        model = Endpoint("toy", "endpoint:toy", server.url, "toy", n_params=5.0)
        collect(model, fake.sums(4), draws=SMALL, out=tmp_path, progress=False)
        (tmp_path / "journal-0123.jsonl").write_text("{}\n")  # as after a kill between the last block and this
        collect(model, fake.sums(4), draws=SMALL, out=tmp_path, progress=False)
    assert not list(tmp_path.glob("journal-*"))


@pytest.mark.parametrize("changed", ["families", "clusters"])
def test_a_run_does_not_go_on_with_other_families_or_clusters(tmp_path, monkeypatch, changed):
    small_blocks(monkeypatch)
    groups = [np.array(names, dtype=object) for names in (["x", "y"] * 6, ["y", "x"] * 6)]
    fake.install(monkeypatch, die_at=9)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replace(fake.sums(), **{changed: groups[0]}))
    fake.install(monkeypatch)
    with pytest.raises(TtscaleError, match="dataset was"):
        run(tmp_path, replace(fake.sums(), **{changed: groups[1]}))
    assert run(tmp_path, replace(fake.sums(), **{changed: groups[0].copy()})).n_items == 12


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"stop": ("",)}, "stop: expected"), ({"max_tokens": 0}, "max_tokens: expected"),
     ({"shots": 3}, "shots: expected"), ({"golds": ("",) * 12}, "gold of item sums/00")],
)  # fmt: skip
def test_problems_made_by_hand_are_checked_too(tmp_path, engines, changed, message):
    with pytest.raises(TtscaleError, match=message):
        run(tmp_path / "r", replace(fake.sums(), **changed))
    assert not (tmp_path / "r").exists()


# Verifiers.


def closeness(question, text):
    """The right sum scores 1."""
    left, right = question.split("+")
    digits = text.strip()
    return 1.0 / (1 + abs(int(digits) - int(left) - int(right))) if digits.isdigit() else 0.0


def test_a_verifier_scores_every_draw_and_can_go_on_after_a_kill(tmp_path, engines, monkeypatch):
    small_blocks(monkeypatch)
    records = run(tmp_path)
    calls = []

    def dying(question, text):
        calls.append((question, text))
        if len(calls) == 9:
            raise KeyboardInterrupt
        return closeness(question, text), 7.0

    monkeypatch.setattr("ttscale.collecting.verify.callable_key", lambda function: "the same")
    with pytest.raises(KeyboardInterrupt):
        verify(records, dying, "judge", progress=False)
    assert "judge" not in read_records(tmp_path).graded().scores
    scored = verify(records, dying, "judge", progress=False)
    assert not list(tmp_path.glob("scores/*.parts"))
    graded = scored.graded()
    for i, row in enumerate(records.texts()):
        assert graded.scores["judge"][i].tolist() == [closeness(records.questions[i], text) for text in row]
    assert (graded.score_flops["judge"] == 7.0).all() and set(graded.score_flops) == {"judge"}
    done = len(calls)
    each = sum(len(set(row)) for row in records.texts())
    assert each < done <= each + 9  # once for each text of an item, and what the kill cost
    assert verify(tmp_path, dying, "judge", progress=False).take([1]).graded().scores["judge"].shape == (1, 16)
    assert len(calls) == done
    monkeypatch.setattr("ttscale.collecting.verify.callable_key", lambda function: "another")
    with pytest.raises(TtscaleError, match="verifier that the score 'judge'"):
        verify(records, dying, "judge", progress=False)


@pytest.mark.parametrize(
    ("verifier", "name", "message"),
    [
        (lambda q, t: float("nan"), "judge", "finite number"),
        (lambda q, t: "good", "judge", "ValueError"),
        (lambda q: 1.0, "judge", "TypeError"),
        (closeness, "mean_logprob", "that no score has"),
        (closeness, "../judge", "letters, digits"),
        ("gpt", "judge", "a function of"),
    ],
)
def test_an_unusable_verifier_is_told(tmp_path, engines, verifier, name, message):
    records = run(tmp_path)
    with pytest.raises(TtscaleError) as error:
        verify(records, verifier, name, progress=False)
    assert message in str(error.value)
    assert not list(tmp_path.rglob("scores/*.parquet"))


def test_a_language_model_verifies_by_its_probability_of_yes(tmp_path, engines, tiny):
    records = run(tmp_path, fake.sums(3))
    form = "Check {question}: is {text} right?"
    scored = verify(records, tiny, "tiny", prompt=form, device="cpu", progress=False).graded()
    engine = LocalGenerator(tiny, seed=0, device="cpu")
    texts = records.texts()
    prompts = [Prompt("Check ", f"{records.questions[1]}: is {text} right?", True) for text in texts[1]]
    expected, flops = engine.yes_probability(prompts)
    np.testing.assert_allclose(scored.scores["tiny"][1], expected, atol=1e-5)
    assert (scored.score_flops["tiny"] > 0).all() and flops.shape == (16,)
    with pytest.raises(TtscaleError, match="prompt: expected"):
        verify(records, tiny, "other", prompt="Is {text} right?", progress=False)


def test_verifying_needs_text_on_disk():
    from test_records_text import made

    from ttscale.records.records import Records

    records = Records.from_graded(made(), golds=["1", "3"], questions=["a", "b"])
    with pytest.raises(TtscaleError, match="in memory"):
        verify(records, closeness, "judge")


def test_problems_are_needed_to_sample(tmp_path, engines):
    empty = Problems("none", (), (), (), fake.sums().templates)
    with pytest.raises(TtscaleError, match="at least one item"):
        run(tmp_path, empty)
