"""The local sampling engine: against transformers' own generate and a plain full forward, on tiny random models."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from language_example import tiny_language_model
from scipy import special

from ttscale.draws import keyed
from ttscale.draws.prompts import Prompt
from ttscale.draws.sampling import Decoding
from ttscale.errors import TtscaleError
from ttscale.generation.local import LocalGenerator
from ttscale.generation.request import Answered, Request
from ttscale.generation.tokens import Reader

GREEDY, SAMPLED = Decoding(0.0, max_tokens=20), Decoding(0.9, max_tokens=20)
SHARED = "Some examples, longer than a window:\n2 + 3 = 5\n4 + 4 = 8\n"


class Numbers(Reader):
    """Reads tokens as their numbers, so that a test sees exactly what was generated."""

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(str(token) for token in tokens)


def generator(model=None, *, numbers: bool = True, **kwargs) -> LocalGenerator:
    """One whose completions are token numbers, and which no token ends."""
    made = LocalGenerator(model or tiny_language_model(), **{"device": "cpu", "seed": 3, **kwargs})
    if numbers:
        made.reader, made.ends = Numbers(made.model.tokenizer), frozenset()
    return made


def prompts(n: int) -> list[Prompt]:
    return [Prompt(SHARED, "7" * (1 + i % 4) + f" + {i} =") for i in range(n)]


def ask(n: int = 5, samples: int = 4, decodings: Sequence[Decoding] = (GREEDY, SAMPLED)) -> list[Request]:
    return [
        Request(f"item{i}", "plain", prompt, decoding, (0,) if decoding.greedy else tuple(range(samples)))
        for i, prompt in enumerate(prompts(n))
        for decoding in decodings
    ]


def run(made: LocalGenerator, requests: Sequence[Request]) -> list[Answered]:
    made.prepare(requests)
    return made.generate(requests)


def tokens_of(answered: Sequence[Answered]) -> list[list[int]]:
    return [[int(x) for x in one.text.split()] for a in answered for one in a.completions]


def logits_of(module, prompt: Sequence[int], generated: Sequence[int]) -> np.ndarray:
    """The plain forward over the whole text: float64 logits before each generated token ``[token, vocabulary]``."""
    with torch.no_grad():
        logits = module(input_ids=torch.tensor([[*prompt, *generated]]), use_cache=False).logits[0]
    return logits[len(prompt) - 1 : -1].double().numpy()


@pytest.fixture(params=["llama", "gemma3"])
def model(request):
    """Gemma's window of 16 is shorter than the shared beginning of the prompts."""
    return tiny_language_model(family=request.param)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_greedy_is_what_transformers_generates(model, batch_size: int):
    made = generator(model, batch_size=batch_size)
    requests = ask()
    answered = run(made, requests)
    assert made.plan()["attention"] == "shared"
    for request, one in zip(requests, answered, strict=True):
        if request.decoding.greedy:
            given = model.tokenizer(request.prompt.text, return_tensors="pt")
            whole = model.module.generate(**given, max_new_tokens=20, do_sample=False, eos_token_id=None)
            assert tokens_of([one])[0] == whole[0, one.prompt_tokens :].tolist()


def test_every_sampled_token_is_the_inverse_cdf_of_the_plain_forward_at_its_keyed_uniform(model):
    made = generator(model, batch_size=7)
    requests = ask()
    for request, answered in zip(requests, run(made, requests), strict=True):
        prompt = model.tokenizer(request.prompt.text)["input_ids"]
        for one, generated in zip(answered.completions, tokens_of([answered]), strict=True):
            logits = logits_of(model.module, prompt, generated)
            key = keyed.row_keys("tiny", [request.item_id], ["plain"])
            for step, (row, token) in enumerate(zip(logits, generated, strict=True)):
                if request.decoding.greedy:
                    assert token == row.argmax()
                    continue
                u = keyed.uniforms(3, key, stream=keyed.SAMPLING, sample=one.sample, step=step)[0]
                p = special.softmax(row / request.decoding.temperature)
                assert token == np.searchsorted(p.cumsum(), u, side="right")


def test_log_probs_and_self_certainty_are_those_of_a_plain_forward(model):
    decodings = [SAMPLED, Decoding(2.0, top_k=5, max_tokens=9), Decoding(0.5, top_p=0.7, min_p=0.1, max_tokens=3)]
    requests = [replace(one, decoding=decodings[i % 3]) for i, one in enumerate(ask(decodings=[SAMPLED]))]
    for request, answered in zip(requests, run(generator(model, batch_size=6), requests), strict=True):
        prompt = model.tokenizer(request.prompt.text)["input_ids"]
        for one, generated in zip(answered.completions, tokens_of([answered]), strict=True):
            assert one.n_tokens == len(generated) == request.decoding.max_tokens
            log_p = special.log_softmax(logits_of(model.module, prompt, generated), 1)
            chosen = log_p[range(len(generated)), generated]
            assert one.sum_logprob == pytest.approx(chosen.sum(), abs=1e-3)
            assert one.mean_logprob == pytest.approx(chosen.mean(), abs=1e-4)
            divergence = -np.log(log_p.shape[1]) - log_p.mean(1)
            assert one.self_certainty == pytest.approx(divergence.mean(), abs=1e-4)


def test_batches_order_and_company_change_no_draw(model):
    requests = ask(n=6)
    base = {r: a for r, a in zip(requests, run(generator(model, batch_size=64), requests), strict=True)}
    total = sum(len(a.completions) for a in base.values())
    for batch_size, some in ((1, requests), (3, requests), (10, requests[::-1]), (5, requests[4:9])):
        made = generator(model, batch_size=batch_size)
        made.prepare(requests)
        for request, answered in zip(some, made.generate(some), strict=True):
            for one, other in zip(answered.completions, base[request].completions, strict=True):
                assert one.text == other.text
                assert one.sum_logprob == pytest.approx(other.sum_logprob, abs=1e-4)
                assert one.flops == other.flops
    assert total == 6 * 5


def test_some_samples_of_a_request_are_those_samples_of_the_whole():
    whole = run(generator(), ask(n=1, samples=6, decodings=[SAMPLED]))[0]
    some = [replace(ask(n=1, decodings=[SAMPLED])[0], samples=(4, 1))]
    picked = run(generator(), some)[0]
    assert [one.sample for one in picked.completions] == [4, 1]
    assert [one.text for one in picked.completions] == [whole.completions[i].text for i in (4, 1)]


def test_equal_calls_under_an_equal_plan_are_equal_to_the_bit():
    first, second = (run(generator(batch_size=5), ask()) for _ in range(2))
    assert first == second


def test_noise_differs_between_samples_items_variants_members_and_seeds():
    request = Request("a", "plain", Prompt("", "question"), SAMPLED, (0, 1))
    base = tokens_of(run(generator(), [request]))
    assert base[0] != base[1]
    others = [
        (generator(), replace(request, item_id="b")),
        (generator(), replace(request, variant="order1")),
        (generator(seed=4), request),
        (generator(tiny_language_model("other")), request),
    ]
    for made, asked in others:
        assert tokens_of(run(made, [asked]))[0] not in base


def test_a_prompt_is_computed_once_and_its_shared_beginning_once_a_run():
    made = generator(batch_size=64)
    fed: list[tuple[int, ...]] = []
    made.module.register_forward_pre_hook(lambda m, a, k: fed.append(tuple(k["input_ids"].shape)), with_kwargs=True)
    requests = [
        Request(f"{i}", "plain", Prompt(SHARED, f"{i}{i} ="), Decoding(t, max_tokens=4), tuple(range(3)))
        for i in range(4)
        for t in (0.5, 1.0)
    ]
    made.prepare(requests)
    first = made.generate(requests[:4])
    shared = first[0].prefix_tokens
    assert shared == len(SHARED)
    assert fed == [(1, shared), (2, 4), *[(12, 1)] * 3]  # the beginning, two prompts, and 12 rows for 3 steps
    fed.clear()
    second = made.generate(requests[4:])
    assert fed == [(2, 4), *[(12, 1)] * 3]
    assert {a.prefix for a in (*first, *second)} == {first[0].prefix} != {""}


def test_finished_rows_make_room_for_waiting_ones():
    """Eight short and two long rows in four seats: seats are filled again, and rows that ended are not computed."""
    made = generator(batch_size=4)
    rows: list[int] = []
    made.module.register_forward_pre_hook(lambda m, a, k: rows.append(len(k["input_ids"])), with_kwargs=True)
    requests = [
        Request(str(i), "plain", Prompt("", f"question {i}"), Decoding(1.0, max_tokens=24 if i < 2 else 4), (0,))
        for i in range(10)
    ]
    answered = run(made, requests)
    assert [a.completions[0].n_tokens for a in answered] == [24, 24, *[4] * 8]
    needed = 2 * 23 + 8 * 3
    prefilled = 1 + 10  # the shared beginning, and each prompt once
    assert max(rows) <= 4
    assert sum(rows) - prefilled <= needed * 1.2


@pytest.mark.parametrize("stop", [(" 1",), (" 25", " 14")])
def test_stop_strings_cut_the_text_and_the_generation(stop: tuple[str, ...]):
    """Texts are the numbers of tokens here, so that a random model meets a stop string."""
    decoding = Decoding(1.0, max_tokens=40)
    free = run(generator(), ask(decodings=[decoding]))
    cut = run(generator(), ask(decodings=[replace(decoding, stop=stop)]))
    stopped = 0
    for long, short in zip(
        (c for a in free for c in a.completions), (c for a in cut for c in a.completions), strict=True
    ):
        places = [at for at in (long.text.find(one) for one in stop) if at >= 0]
        if places:
            stopped += 1
            assert (short.text, short.finish_reason) == (long.text[: min(places)], "stop")
            assert short.n_tokens == len(long.text[: min(places) + 1].split()) + 1
        else:
            assert (short.text, short.finish_reason, short.n_tokens) == (long.text, "length", 40)
    assert stopped > 0


def test_a_stop_string_of_real_text():
    made = generator(numbers=False)
    made.ends = frozenset()
    request = Request("a", "plain", Prompt("", "x"), Decoding(3.0, max_tokens=200), tuple(range(8)))
    stopped = [replace(request, decoding=replace(request.decoding, stop=("e", " ", "ab")))]
    for long, short in zip(run(made, [request])[0].completions, run(made, stopped)[0].completions, strict=True):
        ends = [at for at in map(long.text.find, ("e", " ", "ab")) if at >= 0]
        assert short.text == (long.text[: min(ends)] if ends else long.text)
        assert short.finish_reason == ("stop" if ends else "length")


def test_end_tokens_of_generation_config_and_tokenizer_end_a_completion():
    model = tiny_language_model()
    model.module.generation_config.eos_token_id = [40, 41]
    request = Request("a", "plain", Prompt("", "question"), Decoding(2.0, max_tokens=200), tuple(range(16)))
    free = tokens_of(run(generator(model), [request]))
    ended = generator(model)
    ended.ends = LocalGenerator(model, device="cpu").ends
    assert ended.ends == {40, 41, model.tokenizer.eos_token_id}
    for long, short in zip(free, run(ended, [request])[0].completions, strict=True):
        first = next((i for i, token in enumerate(long) if token in ended.ends), None)
        assert tokens_of([replace_completions(short)])[0] == long[: None if first is None else first + 1]
        assert short.finish_reason == ("length" if first is None else "stop")
    assert any(len(set(long) & ended.ends) for long in free)


def replace_completions(one) -> Answered:
    return Answered((one,), 0, 0, 0.0, 0.0)


def test_text_has_no_special_tokens_and_bytes_that_are_no_text_are_replaced():
    model = tiny_language_model()
    request = Request("a", "plain", Prompt("", "question"), Decoding(5.0, max_tokens=300), tuple(range(4)))
    made = generator(model, numbers=False)
    made.ends = frozenset()
    texts = [one.text for one in run(made, [request])[0].completions]
    assert any("\ufffd" in text for text in texts)
    assert not any("<|im" in text for text in texts)
    expected = [
        model.tokenizer.decode(row, skip_special_tokens=True) for row in tokens_of(run(generator(model), [request]))
    ]
    assert texts == expected


def test_chat_prompts_go_through_the_template():
    model = tiny_language_model(pad=False)
    answered = run(generator(model), [Request("a", "plain", Prompt("one ", "two", chat=True), GREEDY, (0,))])[0]
    message = [{"role": "user", "content": "one two"}]
    ids = model.tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
    assert answered.prompt_tokens == len(ids)
    assert tokens_of([answered])[0] == logits_of(model.module, ids, tokens_of([answered])[0]).argmax(1).tolist()


def test_costs_by_the_design():
    made = generator(tiny_language_model(family="gemma3"), batch_size=4)
    answered = run(made, ask())
    for one in answered:
        own = one.prompt_tokens - one.prefix_tokens
        assert one.prompt_flops == made.cost.prefill(own, cached=one.prefix_tokens, logits_at=1)
        assert one.prefix_flops == made.cost.prefill(one.prefix_tokens, logits_at=0)
        for completion in one.completions:
            steps = [made.cost.decode(one.prompt_tokens + at) for at in range(1, completion.n_tokens)]
            assert completion.flops == sum(steps) > 0


def test_one_prompt_alone_shares_nothing():
    answered = run(generator(), ask(n=1))
    assert [(a.prefix, a.prefix_tokens, a.prefix_flops) for a in answered] == [("", 0, 0.0)] * 2


def test_prompts_that_begin_each_other_keep_a_token_of_their_own():
    requests = [Request(str(i), "plain", Prompt("abc", "d" * i), GREEDY, (0,)) for i in (0, 1, 2)]
    answered = run(generator(), requests)
    assert [a.prefix_tokens for a in answered] == [2, 2, 2]
    model = tiny_language_model()
    for request, one in zip(requests, answered, strict=True):
        ids, generated = model.tokenizer(request.prompt.text)["input_ids"], tokens_of([one])[0]
        assert generated == logits_of(model.module, ids, generated).argmax(1).tolist()


def test_prompts_with_and_without_a_shared_beginning_fly_together():
    requests = [*ask(n=3), Request("alone", "other", Prompt("", "alone"), GREEDY, (0,))]
    together = run(generator(), requests)
    assert tokens_of(together[-1:]) == tokens_of(run(generator(), requests[-1:]))
    assert tokens_of(together[:-1]) == tokens_of(run(generator(), requests[:-1]))


def test_requests_that_prepare_has_not_seen_are_answered_too():
    made = generator()
    made.prepare(ask(n=2))
    assert tokens_of(made.generate(ask(n=4))) == tokens_of(run(generator(), ask(n=4)))
    assert made.generate([]) == []


def test_long_prompts_are_prefilled_in_pieces(model, monkeypatch):
    whole = run(generator(model), ask())
    monkeypatch.setattr("ttscale.generation.shared.CHUNK", 5)
    monkeypatch.setattr("ttscale.generation.schedule.MOST_TOKENS", 12)
    assert tokens_of(run(generator(model), ask())) == tokens_of(whole)


def test_progress_adds_up_to_the_samples():
    made, heard = generator(batch_size=3), []
    made.prepare(ask())
    made.generate(ask(), heard.append)
    assert sum(heard) == 5 * 5
    assert min(heard) > 0


def test_memory_that_runs_out_halves_the_batch_and_loses_nothing(monkeypatch):
    from ttscale.generation import shared

    expected, heard = run(generator(batch_size=4), ask()), []
    real = shared.Flight.step

    def step(self, tokens, positions):
        if len(tokens) > 4 and self.memory.used >= 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, tokens, positions)

    monkeypatch.setattr(shared.Flight, "step", step)
    made = generator(batch_size=16)
    made.prepare(ask())
    answered = made.generate(ask(), heard.append)
    assert made.plan()["batch_size"] == 4
    assert tokens_of(answered) == tokens_of(expected)
    assert sum(heard) == 5 * 5


def test_no_room_for_one_row_is_said_in_words_and_other_errors_pass(monkeypatch):
    from ttscale.generation import shared

    def fail(message: str):
        def step(self, tokens, positions):
            raise RuntimeError(message)

        return step

    made = generator(batch_size=4)
    monkeypatch.setattr(shared.Flight, "step", fail("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    with pytest.raises(TtscaleError, match="room for one row"):
        run(made, ask())
    monkeypatch.setattr(shared.Flight, "step", fail("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        run(made, ask())


def test_batch_size_comes_from_free_memory(monkeypatch):
    made = generator()
    assert made.plan()["batch_size"] is None
    made.prepare(ask())
    assert made.plan()["batch_size"] == 64
    per_row = made.cost.kv_values * 4 * (len(SHARED) + 9 + 20) * 2 + 16 * len(made.model.tokenizer)
    monkeypatch.setattr("ttscale.generation.room.free_bytes", lambda device: 25 * per_row)
    tight = generator()
    tight.prepare(ask())
    assert tight.plan()["batch_size"] == 8  # half of the memory is 12 rows, and 8 the power of two below
    monkeypatch.setattr("ttscale.generation.room.free_bytes", lambda device: 0)
    tightest = generator()
    tightest.prepare(ask())
    assert tightest.plan()["batch_size"] == 1


def test_the_model_is_left_as_it_was():
    model = tiny_language_model()
    before, settings = model.fingerprint(), copy.deepcopy(model.module.config.to_dict())
    implementation = model.module.config._attn_implementation
    made = generator(model)
    run(made, ask())
    assert model.fingerprint() == before
    assert model.module.config.to_dict() == settings
    assert model.module.config._attn_implementation == implementation
    assert not any("forward" in part.__dict__ for part in model.module.modules())
    assert all(p.requires_grad for p in model.module.parameters())


def test_another_numeric_format_works_on_a_copy():
    model = tiny_language_model()
    made = generator(model, dtype="bfloat16")
    answered = run(made, ask())
    assert made.plan()["dtype"] == "bfloat16"
    assert made.plan()["products"] == "torch"
    assert made.plan()["attention"] == "shared"
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}
    assert made.module.lm_head.weight is made.module.model.embed_tokens.weight
    assert made.module.model.rotary_emb.inv_freq.dtype == torch.float32
    exact = run(generator(model), ask())
    same = [a == b for a, b in zip(tokens_of(answered), tokens_of(exact), strict=True)]
    assert tokens_of(answered)[0][:1] == tokens_of(exact)[0][:1]
    assert len(same) == 25


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_a_model_that_cannot_share_takes_the_plain_way(family: str, monkeypatch):
    model = tiny_language_model(family=family)
    shared = run(generator(model, batch_size=6), ask())
    monkeypatch.setattr("ttscale.generation.local.takes_shared_attention", lambda module, device: False)
    made = generator(model, batch_size=6)
    plain = run(made, ask())
    assert made.plan()["attention"] == "plain"
    assert tokens_of(plain) == tokens_of(shared)
    for one, other in zip(plain, shared, strict=True):
        assert [c.flops for c in one.completions] == [c.flops for c in other.completions]


@pytest.mark.parametrize("kind", ["bloom", "mamba", "gpt2"])
def test_other_architectures_are_tried_and_answered(kind: str):
    """Bloom adds a bias by distance in an attention of its own, and Mamba does not attend; GPT-2 shares."""
    from transformers import AutoModelForCausalLM, BloomConfig, GPT2Config, MambaConfig

    example = tiny_language_model()
    sizes = {"vocab_size": len(example.tokenizer), "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = {
        "bloom": lambda: BloomConfig(**sizes, hidden_size=32, n_layer=2, n_head=4),
        "mamba": lambda: MambaConfig(**sizes, hidden_size=32, num_hidden_layers=2, state_size=4),
        "gpt2": lambda: GPT2Config(**sizes, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.3),
    }[kind]()
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    made = generator(replace(example, module=module), batch_size=6)
    assert made.plan()["attention"] == ("shared" if kind == "gpt2" else "plain")
    requests = ask(n=2, decodings=[GREEDY, replace(SAMPLED, max_tokens=8)])
    for request, answered in zip(requests, run(made, requests), strict=True):
        prompt = example.tokenizer(request.prompt.text)["input_ids"]
        for one, generated in zip(answered.completions, tokens_of([answered]), strict=True):
            log_p = special.log_softmax(logits_of(module, prompt, generated), 1)
            assert one.sum_logprob == pytest.approx(log_p[range(len(generated)), generated].sum(), abs=1e-3)
            if request.decoding.greedy:
                assert generated == log_p.argmax(1).tolist()


def test_yes_probability_is_the_share_of_the_plain_forward():
    model = tiny_language_model()
    made = generator(model, batch_size=2)
    asked = [Prompt(SHARED, f"{i}: right?") for i in range(5)] + [Prompt(SHARED, "0: right?")]
    shares, flops = made.yes_probability(asked, yes=("Yes", "y"), no=("No",))
    for prompt, share in zip(asked, shares, strict=True):
        ids = model.tokenizer(prompt.text)["input_ids"]
        p = special.softmax(logits_of(model.module, ids, [0])[0])
        yes, no = (model.tokenizer(letter)["input_ids"][0] for letter in ("Y", "N"))
        small = model.tokenizer("y")["input_ids"][0]
        assert share == pytest.approx((p[yes] + p[small]) / (p[yes] + p[small] + p[no]), abs=1e-5)
    assert shares.dtype == flops.dtype == np.float64
    own, common = len("0: right?"), len(SHARED)
    whole = made.cost.prefill(common, logits_at=0) + 6 * made.cost.prefill(own, cached=common)
    assert flops.sum() == pytest.approx(whole)


def test_words_that_no_token_tells_apart_are_refused():
    with pytest.raises(TtscaleError, match="first tokens differ"):
        generator().yes_probability([Prompt("", "x")], yes=("Nice",), no=("No",))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            Request("i7", "plain", Prompt("", "x" * 500), GREEDY, (0,)),
            r"'i7'.*at most 512 tokens.*500 tokens and up to 20",
        ),
        (Request("i8", "plain", Prompt("", ""), GREEDY, (0,)), "'i8'.*an empty prompt"),
        (Request("i9", "plain", Prompt("", "x"), Decoding(0.0), (0,)), "'i9'.*max_tokens"),
        (Request("a", "plain", Prompt("", "x", chat=True), GREEDY, (0,)), "chat template"),
    ],
)
def test_prompts_that_cannot_be_answered_are_refused_before_the_run(request_: Request, words: str):
    with pytest.raises(TtscaleError, match=words):
        generator(tiny_language_model(chat=False)).prepare([*ask(), request_])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"compile": True}, "CUDA"),
        ({"compile": "x"}, "compile"),
        ({"dtype": "int8"}, "dtype"),
    ],
)
def test_settings_out_of_range(settings: dict, words: str):
    with pytest.raises(TtscaleError, match=words):
        generator(**settings)


def test_a_prompt_that_just_fits_is_answered():
    one = run(generator(), [Request("a", "plain", Prompt("", "x" * 492), GREEDY, (0,))])[0]
    assert (one.prompt_tokens, one.completions[0].n_tokens, one.completions[0].finish_reason) == (492, 20, "length")
