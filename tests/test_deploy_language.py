"""A wrapped plan for language models answers as the analysis of the Records did, and refuses what it is not for."""

import math
from dataclasses import replace

import language_run as fake
import numpy as np
import pytest
from language_example import tiny_language_model
from scripted_server import ScriptedServer

import ttscale as tts
from ttscale.collecting.collect import collect
from ttscale.collecting.verify import verify
from ttscale.deploy.language import WrappedLanguage
from ttscale.draws import keyed
from ttscale.draws.sampling import sampling
from ttscale.errors import TtscaleError
from ttscale.models.language import Endpoint
from ttscale.records.graded import TextDraw
from ttscale.scaling import sampled
from ttscale.scaling.planning.planned import Half, Plan, load_plan
from ttscale.voting.answers import decide
from ttscale.voting.votes import get_vote

DATA = replace(
    fake.sums(24), extract=r"regex:([a-zA-Z0-9])", equality="text", stop=(), max_tokens=4,
    families=np.array(["low", "high"] * 12, dtype=object),
)  # fmt: skip
SEED = 4


def vowels(question, text):
    return 0.25 + sum(letter in "aeiou" for letter in text.lower()) + len(question) / 64, 3.0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    models = tiny_language_model("a", seed=0), tiny_language_model("b", seed=1)
    out = tmp_path_factory.mktemp("records")
    draws = sampling(6, 0.6, variants="template1")
    records = collect(models, DATA, draws=draws, out=out, seed=SEED, device="cpu", batch_size=16, progress=False)
    return models, verify(records, vowels, "vowels", progress=False)


def make_plan(records, draws, vote="plurality", **changes):
    half = Half(10, 0.5, 0.4, 0.6, 0.4)
    names = dict.fromkeys(draw.member for draw in draws)
    used = [records.member(name) for name in names]
    values = {
        "strategy": "s", "kind": "samples", "vote": vote, "draws": tuple(draws), "k": len(draws), "seed": SEED,
        "members": tuple({"name": m.name, "spec": m.spec, "fingerprint": m.fingerprint} for m in used),
        "target": {"min_accuracy": 0.4}, "confidence": 0.95, "chosen_on": half, "scored_on": half, "optimism": 0.0,
        "flops": 1.0, "flops_worst": 1.0, "multiplier": 1.0, "reference_member": "a", "n_candidates": 1,
        "outcome": "text", "decodings": records.manifest.decodings, "prompting": records.manifest.prompting,
    }  # fmt: skip
    return Plan(**(values | changes))


def mixed(n):
    """Draws of both members, both variants and two decodings, by turns."""
    order = [TextDraw(m, v, d, s) for s in range(6) for v in ("plain", "template1") for m in "ab" for d in ("T0.6",)]
    return [TextDraw("a", "plain", "greedy", 0), *order][:n]


@pytest.mark.parametrize("vote", ["plurality", "weighted:mean_logprob", "best:self_certainty", "weighted:vowels"])
@pytest.mark.parametrize("at_once", [24, 5])
def test_equal_budget_means_equal_decisions(run, vote, at_once):
    models, records = run
    draws = mixed(9)
    graded = records.graded()
    columns = [graded.draws.index(draw) for draw in draws]
    answers = graded.answers[:, columns].T
    scores = {name: values[:, columns].T for name, values in graded.scores.items()}
    chosen = get_vote(vote, "text")
    noise = keyed.uniforms(SEED, keyed.item_keys(DATA.item_ids), stream=keyed.TIES)
    expected = decide(answers, chosen.log_weights(answers, scores), noise, best=chosen.best)
    better = tts.wrap(models, make_plan(records, draws, vote), device="cpu", verifiers={"vowels": vowels})
    assert isinstance(better, WrappedLanguage)
    got = [
        answer
        for i in range(0, 24, at_once)
        for answer in better(DATA.questions[i : i + at_once], DATA.item_ids[i : i + at_once])
    ]
    texts = records.texts()
    for i, answer in enumerate(got):
        assert answer.texts == tuple(texts[i][column] for column in columns)
        assert answer.answer == (graded.texts[i][expected[i]] if expected[i] >= 0 else None)
        assert answer.share == pytest.approx((answers[:, i] == expected[i]).mean() if expected[i] >= 0 else 0)
        assert answer.n_tokens == graded.n_tokens[i, columns].sum()
    assert len({answer.answer for answer in got}) > 3  # else this test shows little


def test_the_answers_cost_what_the_records_say(run):
    models, records = run
    draws = mixed(9)
    graded = records.graded()
    columns = [graded.draws.index(draw) for draw in draws]
    pairs = {(draw.member, draw.variant) for draw in draws}
    expected = graded.flops[:, columns].sum(axis=1)
    expected = expected + sum(graded.prompt_flops[pair] + graded.prefix_flops[pair] for pair in pairs)
    plan = make_plan(records, draws)
    got = [answer.flops for answer in tts.wrap(models, plan)(DATA.questions, DATA.item_ids)]
    np.testing.assert_allclose(got, expected)
    judged = tts.wrap(models, replace(plan, vote="best:vowels"), verifiers={"vowels": vowels})
    more = [answer.flops for answer in judged(DATA.questions, DATA.item_ids)]
    np.testing.assert_allclose(np.subtract(more, got), 3.0 * len(draws), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("prefill", ["shared", "per_sample"])
@pytest.mark.parametrize("at_once", [24, 1])
def test_answers_cost_what_the_plan_says_however_many_questions_come_at_a_time(run, tmp_path, prefill, at_once):
    models, records = run
    if prefill == "per_sample":
        records = collect(
            models, DATA, draws=sampling(6, 0.6, variants="template1"), out=tmp_path, seed=SEED, device="cpu",
            batch_size=16, progress=False, prefill=prefill,
        )  # fmt: skip
    chosen = tts.plan(records, max_flops=1e12, n_boot=100)
    assert load_plan(chosen.save(tmp_path / "plan.json")).prefill == chosen.prefill == prefill
    every = sampled.samples(records, "a")  # at its largest budget, which has no luck of the draw in its cost
    better = tts.wrap(models, make_plan(records, every.draws, prefill=chosen.prefill))
    got = [
        answer.flops
        for i in range(0, 24, at_once)
        for answer in better(DATA.questions[i : i + at_once], DATA.item_ids[i : i + at_once])
    ]
    expected = tts.accuracy_curve(records, every).flops[-1]
    assert np.mean(got) == pytest.approx(expected)
    if prefill == "shared":  # else this test shows nothing
        assert records.graded().prefix_flops["a", "plain"].min() > 0.02 * expected


def test_without_ids_the_noise_follows_the_question(run):
    models, records = run
    better = tts.wrap(models, make_plan(records, mixed(5)))
    first, second, again = better([DATA.questions[0], DATA.questions[1], DATA.questions[0]])
    assert first.texts == again.texts != second.texts
    assert better(DATA.questions[1:2])[0].texts == second.texts


def test_where_nothing_can_be_read_there_is_no_answer(run):
    models, records = run
    never = {**records.manifest.prompting, "extract": "regex:(never)"}
    (answer,) = tts.wrap(models, make_plan(records, mixed(3), prompting=never))(["1 + 1"])
    assert answer.answer is None and answer.share == 0 and len(answer.texts) == 3 and answer.flops > 0


def test_a_plan_made_from_records_is_found_by_its_path_and_runs(run, tmp_path):
    models, records = run
    made = tts.plan(records, max_flops=1e12, n_boot=100)
    better = tts.wrap(models, made.save(tmp_path / "plan.json"))
    answers = better(DATA.questions, DATA.item_ids)
    assert len(answers) == 24 and all(len(answer.texts) == made.k for answer in answers)


def test_a_plan_runs_only_with_what_it_was_made_for(run):
    models, records = run
    plan = make_plan(records, mixed(5))
    for given, made, more, message in (
        (models[:1], plan, {}, "The plan needs this member"),
        ([models[0], tiny_language_model("b", seed=7)], plan, {}, "another fingerprint"),
        (["a"], plan, {}, "language models from load_model"),
        (models, replace(plan, vote="best:judge"), {}, "needs it"),
        (models, replace(plan, prompting=None), {}, "a plan that says how to ask"),
    ):
        with pytest.raises(TtscaleError, match=message):
            tts.wrap(given, made, **more)
    better = tts.wrap(models, plan)
    for call, message in (
        (lambda: better("1 + 1"), "a list of texts"),
        (lambda: better([]), "a list of texts"),
        (lambda: better(None), "a list of texts"),
        (lambda: better(["\ud800"]), "UTF-8"),
        (lambda: better(["1 + 1"], ["x", "y"]), "item_ids: expected 1"),
        (lambda: better(["1 + 1"], families=[]), "families: expected 1"),
        (lambda: better(["1 + 1 + " * 200]), "512"),
    ):
        with pytest.raises(TtscaleError, match=message):
            call()


def test_examples_of_families_need_the_family_of_a_question(run):
    models, records = run
    asked = records.manifest.prompting
    examples = [{"question": f"{i} + 1", "answer": str(i + 1), "family": f} for f in ("low", "high") for i in range(2)]
    better = tts.wrap(models, make_plan(records, mixed(1), prompting={**asked, "examples": examples}))
    low, high = better(["1 + 1", "1 + 1"], ["x", "y"], families=["low", "high"])
    assert low.n_tokens and high.n_tokens
    for families in (None, ["low", "middle"]):
        with pytest.raises(TtscaleError, match="families: expected one of high, low"):
            better(["1 + 1", "2 + 2"], families=families)


def test_a_served_member_answers_too(run):
    _, records = run
    with ScriptedServer(text=lambda prompt, i: f" {i % 3}") as server:
        model = Endpoint("toy", "endpoint:toy", server.url, "toy")
        member = {"name": "toy", "spec": model.spec, "fingerprint": model.fingerprint()}
        draws = tuple(TextDraw("toy", "plain", "T0.6", sample) for sample in range(4))
        plan = replace(make_plan(records, mixed(1)), draws=draws, k=4, members=(member,))
        (answer,) = tts.wrap(model, plan)(["1 + 1"], ["x"])
    assert answer.answer == "0" and answer.share == 0.5 and math.isnan(answer.flops)
