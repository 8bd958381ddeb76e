"""Sampling from a local language model: prompts prefilled once, all their samples stepped together in full batches."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ttscale.cost.language import LanguageCost
from ttscale.draws.prompts import Prompt
from ttscale.draws.sampling import Decoding
from ttscale.errors import TtscaleError
from ttscale.generation import room
from ttscale.generation.attention import shared_attention
from ttscale.generation.checks import check_settings, checked_length
from ttscale.generation.packed import PackedLinears, can_pack
from ttscale.generation.placement import numeric_format, placed
from ttscale.generation.plain import PlainRunner
from ttscale.generation.probe import takes_shared_attention
from ttscale.generation.request import Answered, Completion, Request
from ttscale.generation.rows import PromptTokens, Row, rows_of
from ttscale.generation.schedule import Runner, Schedule, batches
from ttscale.generation.shared import SharedRunner
from ttscale.generation.tokens import Reader, beginnings, encode, end_tokens, shared_length
from ttscale.generation.verdict import answer_tokens, yes_shares
from ttscale.models.language import LanguageModel

VERDICT = "yes or no"  # stands for the variant where a prompt has none
ONE_TOKEN = Decoding(0.0, max_tokens=1)
Prompts = dict[tuple[str, Prompt], PromptTokens]  # by variant and prompt


class LocalGenerator:
    """One local member at work: a :class:`~ttscale.generation.request.Generator`.

    A prompt is computed once, whatever the number of its samples and decodings, and the beginning that it shares with
    others (the tokens of ``Prompt.shared``) once as long as it is in use, from call to call. Rows attend to these by
    shared-prefix attention where the model can take it (tried when the generator is made); else nothing is shared
    between prompts, and each prompt's rows run by themselves on the model's own cache.
    Noise is keyed by seed, member, item, variant, sample and step, and so does not depend on batches. Floating-point
    results do: they are the same to the bit for the same calls under the same plan, and else within rounding.

    Args:
        model: its module is left as it is; another device or numeric format works on a copy of the weights.
        seed: of the run.
        device: default: a GPU if there is one.
        batch_size: rows at a time; None is from free memory, at the first ``prepare``. It is halved when memory runs
            out, and :meth:`plan` tells what it is now.
        dtype: ``"auto"`` (float32 on a CPU, bfloat16 on a GPU), ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        compile: record decode steps as CUDA graphs: ``"auto"`` does on a GPU.

    Raises:
        TtscaleError: a batch size below 1, an unknown dtype, or ``compile=True`` without a GPU.
    """

    def __init__(
        self, model: LanguageModel, *, seed: int = 0, device: torch.device | str | None = None,
        batch_size: int | None = None, dtype: str = "auto", compile: str | bool = "auto",
    ) -> None:  # fmt: skip
        self.model, self.seed = model, seed
        self.device = torch.device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
        check_settings(batch_size, compile, self.device)
        self.batch_size = batch_size
        self.dtype = numeric_format(dtype, self.device)
        self.module: Any = placed(model.module, self.device, self.dtype)
        self.cost = LanguageCost.of(self.module).checked(self.module)
        self.ends, self.reader = end_tokens(model), Reader(model.tokenizer)
        self.packed = PackedLinears(self.module) if can_pack(self.module) else None
        self.graphs = bool(compile) and self.device.type == "cuda"
        with self._running():
            shared = takes_shared_attention(self.module, self.device)
        self.runner: Runner = (
            SharedRunner(self.module, self.device, graphs=self.graphs)
            if shared
            else PlainRunner(self.module, self.device)
        )
        self.prompts: Prompts = {}

    def prepare(self, requests: Sequence[Request]) -> None:
        """Tokenise every prompt of the run, check that each fits, and find the beginnings that prompts share. Prompts
        of an earlier run are forgotten.

        Raises:
            TtscaleError: an empty prompt, one that does not fit the context with its completion (the item is named), a
                decoding without a number of tokens, or a prompt for a chat template that the tokenizer does not have.
        """
        self.prompts = self._tokenised(requests)

    def _tokenised(self, requests: Sequence[Request]) -> Prompts:
        distinct = list(dict.fromkeys((request.variant, request.prompt) for request in requests))
        encoded = dict(zip(distinct, encode(self.model, [prompt for _, prompt in distinct]), strict=True))
        longest = 0
        for request in requests:
            length = len(encoded[request.variant, request.prompt])
            longest = max(longest, checked_length(request, length, self.model.context))
        begins = beginnings(self.model, (prompt for _, prompt in distinct)) if self.runner.shares else {}
        prompts: Prompts = {}
        for one, tokens in encoded.items():
            shared = shared_length(tokens, begins.get(one[1], ()))
            prompts[one] = PromptTokens(tokens, shared, _name(tokens[:shared]) if shared else "")
        if self.batch_size is None and requests:
            vocabulary = self.module.get_output_embeddings().weight.shape[0]
            self.batch_size = room.seats(
                self.cost, tokens=longest, vocabulary=vocabulary, item_bytes=self.dtype.itemsize, device=self.device
            )
        return prompts

    def plan(self) -> Mapping[str, Any]:
        """What can change an outcome: batch size (None before ``prepare``), device, numeric format, and the ways that
        attention, matrix products and decode steps are computed. ``flops_source`` says where FLOPs come from."""
        return {
            "batch_size": self.batch_size,
            "device": self.device.type,
            "dtype": str(self.dtype).removeprefix("torch."),
            "attention": "shared" if isinstance(self.runner, SharedRunner) else "plain",
            "products": "onednn-packed" if self.packed is not None else "torch",
            "decode": "cuda-graph" if self.graphs and isinstance(self.runner, SharedRunner) else "eager",
            "flops_source": self.cost.source,
        }

    def generate(self, requests: Sequence[Request], on_done: Callable[[int], None] = lambda n: None) -> list[Answered]:
        """Answer the requests, in their order; ``on_done`` hears how many samples were finished since it was last
        called. Requests that ``prepare`` has not seen are checked now, and forgotten afterwards.

        Raises:
            TtscaleError: as ``prepare``; the model gives numbers that are not finite (member, item, variant and sample
                are named); or memory runs out with a single row.
        """
        unseen = [request for request in requests if (request.variant, request.prompt) not in self.prompts]
        prompts = {**self.prompts, **self._tokenised(unseen)} if unseen else self.prompts
        asked = [(request.item_id, request.variant, request.prompt) for request in requests]
        order = sorted(dict.fromkeys(asked), key=lambda one: _place(prompts[one[1:]]))
        number = {one: at for at, one in enumerate(order)}
        rows = rows_of(requests, [number[one] for one in asked], self.model.name, self.seed)
        self._run([prompts[one[1:]] for one in order], sorted(rows, key=lambda row: row.prompt), on_done)
        mine: list[list[Row]] = [[] for _ in requests]
        for row in rows:
            mine[row.request].append(row)
        return [
            self._answered(prompts[request.variant, request.prompt], done)
            for request, done in zip(requests, mine, strict=True)
        ]

    def yes_probability(
        self, prompts: Sequence[Prompt], yes: Sequence[str] = ("Yes", "yes", " Yes", " yes"),
        no: Sequence[str] = ("No", "no", " No", " no"), *, labels: Sequence[str] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """How sure the model is that the next word is yes: a verifier.

        Args:
            yes, no: words, each read as its first token; tokens that begin words of both kinds are left out.
            labels: item of each prompt, for errors; default: its number.

        Returns:
            float64 ``[prompt]``: P(yes) / (P(yes) + P(no)), and the FLOPs of each, a shared beginning split evenly.

        Raises:
            TtscaleError: as ``prepare``; no token tells yes from no; the model gives numbers that are not finite; or
                memory runs out with a single prompt.
        """
        words = answer_tokens(self.model, yes, no)
        names = [str(at) for at in range(len(prompts))] if labels is None else list(labels)
        known = self._tokenised(
            [Request(name, VERDICT, prompt, ONE_TOKEN, (0,)) for name, prompt in zip(names, prompts, strict=True)]
        )
        tokens = [known[VERDICT, prompt] for prompt in prompts]
        order = sorted(set(tokens), key=lambda one: (*_place(one), one.tokens))
        found: dict[PromptTokens, float] = {}

        def judge(seats: int) -> None:
            left = order[len(found) :]
            for batch in batches(left, seats):
                shares = yes_shares(self.runner.prefill(left[batch])[1], *words)
                found.update(zip(left[batch], shares, strict=True))

        self._with_room(judge)
        for name, one in zip(names, tokens, strict=True):
            if math.isnan(found[one]):
                raise TtscaleError(
                    f"verifier {self.model.name!r}, item {name!r}", expected="finite logits", got="NaN or infinity",
                    fix="Check the weights; if they are sound, take a wider numeric format (dtype=float32).",
                )  # fmt: skip
        users = Counter(one.prefix for one in tokens)
        flops = [self._prompt_flops(one) + self._prefix_flops(one) / users[one.prefix] for one in tokens]
        return np.array([found[one] for one in tokens]), np.array(flops)

    def _run(self, prompts: Sequence[PromptTokens], rows: Sequence[Row], on_done: Callable[[int], None]) -> None:
        """All rows to their end."""

        def sample(seats: int) -> None:
            left = [row for row in rows if not row.reason]
            for row in left:
                row.restart()
            Schedule(self.runner, prompts, left, seats=seats, ends=self.ends, reader=self.reader, on_done=on_done).run()

        self._with_room(sample)

    def _with_room(self, work: Callable[[int], None]) -> None:
        """Do the work in batches of the size that it is told; with half of it, for what is left, each time that memory
        runs out."""
        while True:
            try:
                with self._running():
                    return work(self.batch_size or 1)
            except (RuntimeError, MemoryError) as error:
                if not room.out_of_memory(error):
                    raise
                said = str(error)
            self._halve(said)  # out of the handler, which holds on to the tensors of the work

    def _halve(self, said: str) -> None:
        assert self.batch_size is not None
        self.runner.forget()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.batch_size == 1:
            raise TtscaleError(
                "memory", expected="room for one row", got=said.splitlines()[0],
                fix="Use fewer tokens (max_tokens, examples), a smaller model, or a device with more memory.",
            )  # fmt: skip
        self.batch_size //= 2

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Shared attention and packed products are in place, and nothing is recorded for gradients."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.packed is not None:
                stack.enter_context(self.packed.installed())
            if isinstance(getattr(self, "runner", None), SharedRunner):
                stack.enter_context(shared_attention(self.module))
            yield

    def _answered(self, prompt: PromptTokens, rows: Sequence[Row]) -> Answered:
        return Answered(
            tuple(self._completion(prompt, row) for row in rows), len(prompt.tokens), prompt.shared,
            self._prompt_flops(prompt), self._prefix_flops(prompt), prompt.prefix,
        )  # fmt: skip

    def _prompt_flops(self, prompt: PromptTokens) -> float:
        own = len(prompt.own)
        return self.cost.prefill(own, cached=prompt.shared, logits_at=own if self.runner.all_logits else 1)

    def _prefix_flops(self, prompt: PromptTokens) -> float:
        return self.cost.prefill(prompt.shared, logits_at=0) if prompt.shared else 0.0

    def _completion(self, prompt: PromptTokens, row: Row) -> Completion:
        n = len(row.tokens)
        flops = self.cost.generate(len(prompt.tokens), n)
        if self.runner.recomputes and n > 1:  # a row that its first token ends is never fed
            flops += self._prompt_flops(prompt)
        return Completion(row.sample, row.text, n, row.log_prob, row.log_prob / n, row.certainty / n, row.reason, flops)


def _place(prompt: PromptTokens) -> tuple[tuple[int, ...], int]:
    """Sorts prompts so that neighbours share their beginning and are about as long."""
    return prompt.beginning, len(prompt.own)


def _name(tokens: Sequence[int]) -> str:
    """Of a shared beginning: the same for the same tokens."""
    return hashlib.blake2b(np.asarray(tokens, np.int64).tobytes(), digest_size=8).hexdigest()
