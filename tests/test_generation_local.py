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
from ttscale.generation.tokens import Reader, beginnings, encode, shared_length

GREEDY, SAMPLED, ONE = Decoding(0.0, max_tokens=20), Decoding(0.9, max_tokens=20), Decoding(0.0, max_tokens=1)
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
    prefilled = 10
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


def test_questions_asked_one_at_a_time_share_what_they_share_in_a_run():
    """As a deployed plan asks: each costs what it costs in company, and the examples are computed once."""
    together = run(generator(), ask())
    made = generator()
    fed: list[tuple[int, ...]] = []
    made.module.register_forward_pre_hook(lambda m, a, k: fed.append(tuple(k["input_ids"].shape)), with_kwargs=True)
    apart = [one for at in range(0, 10, 2) for one in run(made, ask()[at : at + 2])]
    assert tokens_of(apart) == tokens_of(together)
    costs = [[(a.prefix, a.prefix_tokens, a.prefix_flops, a.prompt_flops) for a in some] for some in (apart, together)]
    assert costs[0] == costs[1]
    assert fed.count((1, len(SHARED))) == 1 == sum(columns >= len(SHARED) for _, columns in fed)


def test_a_beginning_ends_before_the_tokens_that_its_continuation_changes():
    """A tokenizer with a token for "= 5\n4" and one for "\n\n": both straddle the seam, and neither is shared."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    joined = Tokenizer(models.BPE({x: i for i, x in enumerate([*letters, "ĊĊ", "Ċ1"])}, [("Ċ", "Ċ"), ("Ċ", "1")]))
    joined.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model = tiny_language_model()
    model = replace(model, tokenizer=PreTrainedTokenizerFast(tokenizer_object=joined, eos_token="<|im_end|>"))
    asked = [Prompt("ab\n", own) for own in ("cd", "1d", "\nd")]
    begins = beginnings(model, asked)
    lengths = [
        shared_length(tokens, begins[prompt]) for prompt, tokens in zip(asked, encode(model, asked), strict=True)
    ]
    assert lengths == [2, 2, 2]
    assert beginnings(model, [Prompt("", "ab")]) == {Prompt("", "ab"): ()}


def test_a_chat_template_is_part_of_the_beginning():
    answered = run(generator(), [Request("a", "plain", Prompt("one ", "two", chat=True), GREEDY, (0,))])[0]
    assert answered.prefix_tokens == len("Xuser\none ")  # one token a byte, and one for <|im_start|>


def test_kept_beginnings_are_bounded_and_go_when_memory_runs_out(monkeypatch):
    made = generator()
    one = 2 * 2 * 2 * 8 * 4 * len(SHARED)  # keys and values of 2 layers, 2 heads of size 8, float32
    monkeypatch.setattr("ttscale.generation.shared.KEPT_BYTES", 3 * one)
    for i in range(6):
        run(made, [Request(f"{i}", "plain", Prompt(f"{i}" + SHARED[1:], "1 + 1 ="), GREEDY, (0,))])
    assert sum(kept.bytes for kept in made.runner.prefixes.values()) == 3 * one
    made._halve("out of memory")
    assert not made.runner.prefixes


def test_prompts_of_earlier_calls_are_forgotten():
    made = generator()
    for i in range(4):
        run(made, [Request(f"{i}", "plain", Prompt(SHARED, f"{i} ="), GREEDY, (0,))])
        made.generate([Request(f"{i}", "plain", Prompt(SHARED, f"{i}{i} ="), GREEDY, (0,))])
        made.yes_probability([Prompt(SHARED, f"{i}?")], yes=("Y",), no=("N",))
    assert [prompt.own for _, prompt in made.prompts] == ["3 ="]


def test_prompts_that_begin_each_other_keep_a_token_of_their_own():
    requests = [Request(str(i), "plain", Prompt("abc", "d" * i), GREEDY, (0,)) for i in (0, 1, 2)]
    answered = run(generator(), requests)
    assert [a.prefix_tokens for a in answered] == [2, 3, 3]
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
    per_row = made.cost.kv_values * 4 * (len(SHARED) + 9 + 20) * 2 + 32 * len(made.model.tokenizer)
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
    check_scores(answered, ask(), model, tolerance=0.05)
    exact = tokens_of(run(generator(model), ask()))
    same = [a[0] == b[0] for a, b in zip(tokens_of(answered), exact, strict=True)]
    assert np.mean(same) >= 0.6  # .76 measured: the distribution is flat, and a uniform near an edge falls beyond it


def check_scores(answered: Sequence[Answered], requests: Sequence[Request], model, *, tolerance: float) -> None:
    """Mean log-probabilities are those of a float32 forward over the same tokens."""
    for request, one in zip(requests, answered, strict=True):
        prompt = model.tokenizer(request.prompt.text)["input_ids"]
        for completion, generated in zip(one.completions, tokens_of([one]), strict=True):
            log_p = special.log_softmax(logits_of(model.module, prompt, generated), 1)
            expected = log_p[range(len(generated)), generated].mean()
            assert completion.mean_logprob == pytest.approx(expected, abs=tolerance)


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
        assert (one.prefix, one.prefix_tokens, one.prefix_flops) == ("", 0, 0.0)
        assert one.prompt_flops == made.cost.prefill(one.prompt_tokens, logits_at=1)


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


def test_a_prompt_that_every_row_computes_again_is_charged_to_every_row():
    """Mamba's states cannot be repeated. It does not attend, so that FLOPs tell the tokens that were charged."""
    from transformers import AutoModelForCausalLM, MambaConfig

    example = tiny_language_model()
    sizes = {"vocab_size": len(example.tokenizer), "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}
    config = MambaConfig(**sizes, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    made = generator(replace(example, module=module), batch_size=6)
    fed: list[int] = []
    module.register_forward_pre_hook(lambda m, a, k: fed.append(k["input_ids"].numel()), with_kwargs=True)
    answers = run(made, [*ask(n=2, decodings=[replace(SAMPLED, max_tokens=8)]), *ask(n=1, decodings=[ONE])])
    spent = sum(a.prompt_flops + sum(one.flops for one in a.completions) for a in answers[:2])
    length = sum(a.prompt_tokens for a in answers[:2])
    assert sum(fed) == length * (1 + 4) + 2 * 4 * 7  # each prompt by itself and in four rows, and seven steps
    heads = (1 + 4) * (length if made.runner.all_logits else 2) + 2 * 4 * 7
    assert spent == pytest.approx(2 * made.cost.body_params * sum(fed) + 2 * made.cost.output_params * heads)
    assert [one.flops for one in answers[2].completions] == [0.0]  # ended by the prompt's own logits


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


def test_verdicts_run_in_small_batches_and_in_smaller_ones_when_memory_runs_out(monkeypatch):
    from ttscale.generation import shared

    asked = [Prompt(SHARED, "7" * (1 + i % 9) + "?") for i in range(24)]
    words = {"yes": ("Y",), "no": ("N",)}
    expected = generator(batch_size=64).yes_probability(asked, **words)
    monkeypatch.setattr("ttscale.generation.schedule.MOST_TOKENS", 12)
    sizes: list[tuple[int, ...]] = []
    real = shared.SharedRunner.forward

    def forward(self, memory, tokens, positions, keep, ends):
        if len(tokens) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        sizes.append(tuple(tokens.shape))
        return real(self, memory, tokens, positions, keep, ends)

    monkeypatch.setattr(shared.SharedRunner, "forward", forward)
    made = generator(batch_size=8)
    found = made.yes_probability(asked, **words)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    assert found[1].tolist() == expected[1].tolist()
    assert made.plan()["batch_size"] == 2
    assert max(rows for rows, columns in sizes if columns <= 6) == 2
    assert {rows for rows, columns in sizes if 7 < columns < len(SHARED)} == {1}  # two would be over 12 tokens


def test_a_verdict_names_the_item_of_its_label():
    long, fine = Prompt("", "x" * 600), Prompt("", "x")
    with pytest.raises(TtscaleError, match=r"item 'sum/7'.*at most 512 tokens"):
        generator().yes_probability([fine, long], labels=["sum/6", "sum/7"])
    with pytest.raises(TtscaleError, match=r"'tiny', item 'b'.*finite logits"):
        generator(poisoned()).yes_probability([fine], yes=("Y",), no=("N",), labels=["b"])


def poisoned(value: float = float("nan")):
    """A model whose last norm gives NaN, or infinity."""
    model = tiny_language_model()
    model.module.model.norm.weight.data[3] = value
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED, replace(SAMPLED, top_p=0.5, top_k=3)])
def test_logits_that_are_no_numbers_end_the_run_and_name_the_draw(value: float, decoding: Decoding):
    request = Request("sum/7", "order1", Prompt("", "question"), decoding, (4,))
    words = r"member 'tiny', item 'sum/7', variant 'order1', sample 4: expected finite logits.* at its token 1\."
    with pytest.raises(TtscaleError, match=words):
        run(generator(poisoned(value)), [request])


def test_numbers_that_turn_bad_under_way_name_the_token(monkeypatch):
    from ttscale.generation import shared

    real = shared.Flight.step

    def step(self, tokens, positions):
        return real(self, tokens, positions) * (float("inf") if self.memory.used >= 2 else 1)

    made = generator()
    monkeypatch.setattr(shared.Flight, "step", step)
    with pytest.raises(TtscaleError, match="at its token 3"):
        run(made, [Request("a", "plain", Prompt("", "question"), SAMPLED, (0,))])


def test_batches_are_filled_by_length_across_items():
    """48 prompts of 2 to 25 tokens in shuffled order (batches in that order would hold 448 tokens of padding)."""
    lengths = np.random.default_rng(0).permutation(np.repeat(np.arange(2, 26), 2))
    requests = [
        Request(f"{i}", "plain", Prompt(SHARED, "7" * int(n)), Decoding(0.0, max_tokens=1), (0,))
        for i, n in enumerate(lengths)
    ]
    made = generator(batch_size=8)
    fed: list[int] = []
    made.module.register_forward_pre_hook(lambda m, a, k: fed.append(k["input_ids"].numel()), with_kwargs=True)
    run(made, requests)
    assert len(fed) <= 7  # the beginning, and six batches
    padding = sum(fed) - len(SHARED) - lengths.sum()
    assert padding == 6 * 2 * (3 + 2 + 1)  # a batch holds two prompts of each of four lengths


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
