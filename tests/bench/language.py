"""The rows of language: the sampling engine against ``generate``, against the machine's limits, and in the problems."""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import in_process, paired_ratio
from torch import Tensor

import ttscale as tts
from ttscale.draws.prompts import PLAIN, Prompt, render
from ttscale.draws.sampling import Decoding, sampling
from ttscale.generation.local import LocalGenerator
from ttscale.generation.request import Request
from ttscale.models.language import LanguageModel

PROMPT_TOKENS, NEW_TOKENS = 200, 16
SETTING = f"SmolLM2-135M float32, one thread, prompt of {PROMPT_TOKENS} tokens, {NEW_TOKENS} new ones, no end token"


def endless() -> LanguageModel:
    """SmolLM2 without an end token: every completion is as long as it may be."""
    torch.set_num_threads(1)
    model = tts.load_model("pip:smollm2-135m")
    assert isinstance(model, LanguageModel)
    model.module.generation_config.eos_token_id = None
    model.tokenizer.eos_token = None
    return model


def prompt_of(model: LanguageModel) -> tuple[str, Tensor]:
    """A prompt of exactly 200 tokens: its text, and its tokens ``[1, 200]``."""
    words = " ".join(f"{i} * {i + 3} = {i * (i + 3)}," for i in range(11, 80))
    text = model.tokenizer.decode(model.tokenizer(words)["input_ids"][:PROMPT_TOKENS])
    ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
    assert ids.shape[1] == PROMPT_TOKENS
    return text, ids


def request(text: str, k: int, decoding: Decoding, *, shared: str = "") -> Request:
    return Request("item", "plain", Prompt(shared, text[len(shared) :]), decoding, tuple(range(k)))


def generated(model: LanguageModel, ids: Tensor, **kwargs: Any) -> Tensor:
    """transformers' own, with the same number of new tokens."""
    return model.module.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, pad_token_id=2, **kwargs
    )  # fmt: skip


def samples_over_generate(k: int, limit: float) -> dict[str, Any]:
    model = endless()
    text, ids = prompt_of(model)
    engine = LocalGenerator(model, device="cpu")
    greedy = engine.generate([request(text, 1, Decoding(0.0, max_tokens=NEW_TOKENS))])[0].completions[0]
    plain = generated(model, ids, do_sample=False)[0, PROMPT_TOKENS:]
    asked = [request(text, k, Decoding(1.0, max_tokens=NEW_TOKENS))]

    def ours() -> None:
        assert sum(one.n_tokens for one in engine.generate(asked)[0].completions) == k * NEW_TOKENS

    def theirs() -> None:
        whole = generated(model, ids, do_sample=True, top_k=0, num_return_sequences=k)
        assert whole.shape == (k, PROMPT_TOKENS + NEW_TOKENS)

    row = paired_ratio(ours, theirs)
    return row | {
        "limit": limit, "setting": f"K = {k}; {SETTING}", "times_as_fast": 1 / row["ratio"]["median"],
        "times_as_fast_by_flops": float(_flops_of_generate(engine, k) / _flops_of_engine(engine, k)),
        "greedy_texts_equal": greedy.text == model.tokenizer.decode(plain), "plan": dict(engine.plan()),
    }  # fmt: skip


def _flops_of_generate(engine: LocalGenerator, k: int) -> float:
    return k * (engine.cost.prefill(PROMPT_TOKENS) + engine.cost.generate(PROMPT_TOKENS, NEW_TOKENS))


def _flops_of_engine(engine: LocalGenerator, k: int) -> float:
    return engine.cost.prefill(PROMPT_TOKENS) + k * engine.cost.generate(PROMPT_TOKENS, NEW_TOKENS)


def samples_over_generate_16() -> dict[str, Any]:
    """16 samples of one prompt by the engine, over ``generate(num_return_sequences=16)``."""
    return samples_over_generate(16, 1 / 5)


def samples_over_generate_64() -> dict[str, Any]:
    """64 samples of one prompt by the engine, over ``generate(num_return_sequences=64)``."""
    return samples_over_generate(64, 1 / 8)


def samples_over_cached_generate() -> dict[str, Any]:
    """64 samples, over ``generate`` fed with the prompt's cache, expanded; both have all of it but its last token."""
    k, model = 64, endless()
    text, ids = prompt_of(model)
    engine = LocalGenerator(model, device="cpu")
    shared = model.tokenizer.decode(ids[0, :-2])
    decoding = Decoding(1.0, max_tokens=NEW_TOKENS)
    asked = request(text, k, decoding, shared=shared)
    engine.prepare([asked, request(shared + " zz", 1, decoding, shared=shared)])  # two prompts share a beginning
    with torch.inference_mode():
        cache = model.module(ids[:, :-1], use_cache=True).past_key_values

    def ours() -> None:
        engine.generate([asked])

    def theirs() -> None:
        expanded = copy.deepcopy(cache)
        expanded.batch_repeat_interleave(k)
        whole = generated(model, ids.expand(k, -1), do_sample=True, top_k=0, past_key_values=expanded)
        assert whole.shape == (k, PROMPT_TOKENS + NEW_TOKENS)

    row = paired_ratio(ours, theirs)
    return row | {"limit": 1.0, "setting": f"K = {k}; {SETTING}", "times_as_fast": 1 / row["ratio"]["median"]}


def decode_over_machine_limit() -> dict[str, Any]:
    """A decode step of 64 rows over the least time that the machine's measured peak allows; 1 and 16 rows beside it.

    The limit of a step is the longer of its FLOPs at the best measured rate of a large matrix product, and its bytes
    (weights once, the prompt's keys and values once, those of the rows' own tokens) at the measured rate of reading.
    All times are CPU seconds of the one thread, which other processes disturb less than wall time.
    """
    model = endless()
    text, _ = prompt_of(model)
    engine = LocalGenerator(model, device="cpu")
    flops, bandwidth = peak_flops(), peak_bandwidth()
    steps = {}
    for rows in (1, 16, 64):
        few, many = (
            [request(text, rows, Decoding(1.0, max_tokens=n, top_k=None))] for n in (NEW_TOKENS, 3 * NEW_TOKENS)
        )  # fmt: skip
        engine.generate(many)
        times = [
            (cpu_seconds(lambda a=many: engine.generate(a)), cpu_seconds(lambda a=few: engine.generate(a)))
            for _ in range(11)
        ]
        step = sorted((long - short) / (2 * NEW_TOKENS) for long, short in times)[len(times) // 2]
        context = PROMPT_TOKENS + 2 * NEW_TOKENS
        arithmetic = rows * engine.cost.decode(context) / flops
        traffic = engine.cost.step_bytes(rows, context, shared=PROMPT_TOKENS) / bandwidth
        steps[f"rows={rows}"] = {
            "step_ms": 1e3 * step, "limit_ms": 1e3 * max(arithmetic, traffic),
            "bound_by": "arithmetic" if arithmetic > traffic else "memory",
            "share_of_limit": max(arithmetic, traffic) / step,
            "gflops": rows * engine.cost.decode(context) / step / 1e9,
        }  # fmt: skip
    return {
        "ratio": 1 / steps["rows=64"]["share_of_limit"], "limit": 2.0, "steps": steps,
        "peak_gflops": flops / 1e9, "read_gb_per_s": bandwidth / 1e9,
        "held_back_by": (
            "packed products of 64 rows reach less of the peak than those of thousands; the rest is attention in many "
            "small products, norms, and the passes over the logits that picking a token takes"
        ),
        "setting": f"64 rows; {SETTING}",
    }  # fmt: skip


def peak_flops() -> float:
    """FLOP/s of a large float32 matrix product by oneDNN with packed weights, best of 20."""
    x, weight = torch.randn(1024, 576), torch.randn(1536, 576)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, 1024)
    with torch.inference_mode():
        best = min(
            cpu_seconds(lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")) for _ in range(20)
        )
    return 2 * x.numel() * weight.shape[0] / best


def peak_bandwidth() -> float:
    """Bytes/s of reading 512 MB, best of 10."""
    x = torch.ones(128 * 2**20)
    return 4 * x.numel() / min(cpu_seconds(lambda: x.sum()) for _ in range(10))


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call, in one thread."""
    start = time.process_time()
    work()
    return time.process_time() - start


def changed_by_regrouping() -> dict[str, Any]:
    """Share of texts that change when the same samples are drawn in batches of 13 rows and not of 64.

    Their noise is the same; what differs is rounding, since matrix kernels change with the number of rows.
    """
    torch.set_num_threads(1)
    model = tts.load_model("pip:smollm2-135m")
    assert isinstance(model, LanguageModel)
    data = tts.load_data("arithmetic:products_small", n=24)
    decoding = Decoding(0.8, max_tokens=24)
    asked = [
        Request(item, "plain", render(data, at, PLAIN), decoding, tuple(range(16)))
        for at, item in enumerate(data.item_ids)
    ]
    drawn = []
    for batch_size in (64, 13):
        engine = LocalGenerator(model, device="cpu", batch_size=batch_size)
        engine.prepare(asked)
        drawn.append([one for answered in engine.generate(asked) for one in answered.completions])
    pairs = list(zip(*drawn, strict=True))
    same = [(a, b) for a, b in pairs if a.text == b.text]
    return {
        "ratio": 1 - len(same) / len(pairs), "limit": 0.02, "texts": len(pairs),
        "largest_change_of_sum_logprob": max(abs(a.sum_logprob - b.sum_logprob) for a, b in same),
        "setting": "SmolLM2-135M float32, 24 problems, 16 samples of 24 tokens, T = 0.8",
    }  # fmt: skip


def time_in_problems() -> dict[str, Any]:
    """Sampling 4 n problems over n problems: arithmetic, 16 samples and greedy."""
    torch.set_num_threads(1)
    model = tts.load_model("pip:smollm2-135m")

    def collect(n: int) -> None:
        data = tts.load_data("arithmetic:products_small", n=n)
        with tempfile.TemporaryDirectory() as out:
            tts.collect(model, data, draws=sampling(16, 0.8), out=out, progress=False)

    row = paired_ratio(lambda: collect(64), lambda: collect(16))
    return row | {"limit": 4.2, "setting": "SmolLM2-135M, 16 and 64 problems, 17 draws each, one thread"}


def memory_in_problems() -> dict[str, Any]:
    """Peak memory of collecting n and 10 n problems, each in a process of its own."""
    small, large = (in_process("collect_problems", n, module="language") for n in (200, 2_000))
    return {
        "ratio": large["peak_mib"] / small["peak_mib"], "peak_mib": [small["peak_mib"], large["peak_mib"]],
        "problems": [200, 2_000], "limit": 1.10, "setting": "a tiny random model, 17 draws a problem",
    }  # fmt: skip


def collect_problems(n: int) -> int:
    """A tiny model, so that what grows with the problems would show."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from language_example import tiny_language_model

    torch.set_num_threads(1)
    data = tts.load_data("arithmetic:sums_two_digit", n=n)
    with tempfile.TemporaryDirectory() as out:
        tts.collect(tiny_language_model(), data, draws=sampling(16, 0.8), out=out, progress=False)
    return n


ROWS = {
    "samples_over_generate_16": samples_over_generate_16,
    "samples_over_generate_64": samples_over_generate_64,
    "samples_over_cached_generate": samples_over_cached_generate,
    "decode_over_machine_limit": decode_over_machine_limit,
    "changed_by_regrouping": changed_by_regrouping,
    "time_in_problems": time_in_problems,
    "memory_in_problems": memory_in_problems,
}
