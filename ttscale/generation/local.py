"""Sampling from a local language model: prompts prefilled once, all their samples stepped together in full batches."""

from __future__ import annotations

import contextlib
import gc
import hashlib
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
from ttscale.generation.schedule import Runner, Schedule
from ttscale.generation.shared import SharedRunner
from ttscale.generation.tokens import Reader, common_beginning, encode, end_tokens
from ttscale.generation.verdict import answer_tokens, yes_share
from ttscale.models.language import LanguageModel

VERDICT = "yes or no"  # stands for the variant where a prompt has none


class LocalGenerator:
    """One local member at work: a :class:`~ttscale.generation.request.Generator`.

    A prompt is computed once, whatever the number of its samples and decodings; a beginning that prompts share (of one
    variant and one ``Prompt.shared``), once a run. Rows attend to these by shared-prefix attention where the model can
    take it (tried when the generator is made); else each prompt's rows run by themselves on the model's own cache.
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
        self.prompts: dict[tuple[str, Prompt], PromptTokens] = {}

    def prepare(self, requests: Sequence[Request]) -> None:
        """Tokenise every prompt of the run, check that each fits, and find the beginnings that prompts share.

        Raises:
            TtscaleError: an empty prompt, one that does not fit the context with its completion (the item is named), a
                decoding without a number of tokens, or a prompt for a chat template that the tokenizer does not have.
        """
        distinct = list(dict.fromkeys((request.variant, request.prompt) for request in requests))
        encoded = dict(zip(distinct, encode(self.model, [prompt for _, prompt in distinct]), strict=True))
        longest = 0
        for request in requests:
            length = len(encoded[request.variant, request.prompt])
            longest = max(longest, checked_length(request, length, self.model.context))
        groups: dict[tuple[str, str], list[tuple[str, Prompt]]] = {}
        for variant, prompt in distinct:
            groups.setdefault((variant, prompt.shared), []).append((variant, prompt))
        for members in groups.values():
            shared = common_beginning(encoded[one] for one in members)
            for one in members:
                name = _name(encoded[one][:shared]) if shared else ""
                self.prompts[one] = PromptTokens(encoded[one], shared, name)
        if self.batch_size is None and requests:
            vocabulary = self.module.get_output_embeddings().weight.shape[0]
            self.batch_size = room.seats(
                self.cost, tokens=longest, vocabulary=vocabulary, item_bytes=self.dtype.itemsize, device=self.device
            )

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
        called. Requests that ``prepare`` has not seen are prepared now, with beginnings of their own.

        Raises:
            TtscaleError: as ``prepare``; or memory runs out with a single row.
        """
        unseen = [request for request in requests if (request.variant, request.prompt) not in self.prompts]
        if unseen:
            self.prepare(unseen)
        asked = [(request.item_id, request.variant, request.prompt) for request in requests]
        order = sorted(dict.fromkeys(asked), key=lambda one: self._place(one[1:]))  # neighbours share and are as long
        number = {one: at for at, one in enumerate(order)}
        rows = rows_of(requests, [number[one] for one in asked], self.model.name, self.seed)
        self._run([self.prompts[one[1:]] for one in order], sorted(rows, key=lambda row: row.prompt), on_done)
        mine: list[list[Row]] = [[] for _ in requests]
        for row in rows:
            mine[row.request].append(row)
        return [
            self._answered(self.prompts[request.variant, request.prompt], done)
            for request, done in zip(requests, mine, strict=True)
        ]

    def yes_probability(
        self, prompts: Sequence[Prompt], yes: Sequence[str] = ("Yes", "yes", " Yes", " yes"),
        no: Sequence[str] = ("No", "no", " No", " no"),
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """How sure the model is that the next word is yes: a verifier.

        Args:
            yes, no: words, each read as its first token; tokens that begin words of both kinds are left out.

        Returns:
            float64 ``[prompt]``: P(yes) / (P(yes) + P(no)), and the FLOPs of each, a shared beginning split evenly.

        Raises:
            TtscaleError: as ``prepare``; or no token tells yes from no.
        """
        positive, negative = answer_tokens(self.model, yes, no)
        tokens = self._verdict_tokens(prompts)
        logits: dict[tuple[int, ...], torch.Tensor] = {}
        order = sorted(set(tokens), key=lambda one: (one.beginning, len(one.own), one.tokens))
        with self._running():
            for at in range(0, len(order), self.batch_size or 1):
                batch = order[at : at + (self.batch_size or 1)]
                found = self.runner.prefill(batch)[1]
                logits |= {one.tokens: row for one, row in zip(batch, found, strict=True)}
        shares = np.array([yes_share(logits[one.tokens], positive, negative) for one in tokens])
        users = {one.prefix: sum(other.prefix == one.prefix for other in tokens) for one in tokens}
        flops = [self._prompt_flops(one) + self._prefix_flops(one) / users[one.prefix] for one in tokens]
        return shares, np.array(flops)

    def _verdict_tokens(self, prompts: Sequence[Prompt]) -> list[PromptTokens]:
        one_token = Decoding(0.0, max_tokens=1)
        self.prepare([Request(str(at), VERDICT, prompt, one_token, (0,)) for at, prompt in enumerate(prompts)])
        found = [self.prompts[VERDICT, prompt] for prompt in prompts]
        for prompt in set(prompts):
            del self.prompts[VERDICT, prompt]
        return found

    def _place(self, one: tuple[str, Prompt]) -> tuple[Any, ...]:
        tokens = self.prompts[one]
        return tokens.beginning, len(tokens.own)

    def _run(self, prompts: Sequence[PromptTokens], rows: Sequence[Row], on_done: Callable[[int], None]) -> None:
        """All rows to their end, in smaller batches each time that memory runs out."""
        left = list(rows)
        while left:
            assert self.batch_size is not None
            try:
                with self._running():
                    Schedule(
                        self.runner, prompts, left, seats=self.batch_size, ends=self.ends, reader=self.reader,
                        on_done=on_done,
                    ).run()  # fmt: skip
            except (RuntimeError, MemoryError) as error:
                if not room.out_of_memory(error):
                    raise
                full = str(error)
            else:
                return
            self._halve(full)
            left = [row for row in left if not row.reason]
            for row in left:
                row.restart()

    def _halve(self, said: str) -> None:
        assert self.batch_size is not None
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
        return self.cost.prefill(len(prompt.own), cached=prompt.shared, logits_at=1)

    def _prefix_flops(self, prompt: PromptTokens) -> float:
        return self.cost.prefill(prompt.shared, logits_at=0) if prompt.shared else 0.0

    def _completion(self, prompt: PromptTokens, row: Row) -> Completion:
        n = len(row.tokens)
        flops = self.cost.generate(len(prompt.tokens), n)
        return Completion(row.sample, row.text, n, row.log_prob, row.log_prob / n, row.certainty / n, row.reason, flops)


def _name(tokens: Sequence[int]) -> str:
    """Of a shared beginning: the same for the same tokens."""
    return hashlib.blake2b(np.asarray(tokens, np.int64).tobytes(), digest_size=8).hexdigest()
