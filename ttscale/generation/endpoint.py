"""Repeated sampling from a language model behind an OpenAI-compatible server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ttscale.draws.sampling import Decoding
from ttscale.errors import TtscaleError
from ttscale.generation.endpoint_client import Ask, Client, Refused, Stopped, Unanswered
from ttscale.generation.endpoint_costs import prompts_paid
from ttscale.generation.endpoint_features import Features, trials
from ttscale.generation.endpoint_reply import Choice, Reply, split_tokens
from ttscale.generation.journal import Journal
from ttscale.generation.request import Answered, Completion, Request
from ttscale.models.language import Endpoint
from ttscale.records.schema import nan_if_none

FINAL = (401, 403, 404, 429)  # refusals that no other way of asking can mend: key, name, credit
PATIENCE = 10.0  # seconds in which answers under way may still come after an interrupt: they are paid for


@dataclass(frozen=True)
class Call:
    """Samples of a request that are still to be asked for.

    Attributes:
        features: how to ask, where it is not as the server is known to take it: one of the ``trials`` after a refusal.
        trials: the ways to ask that are left if this one is refused too. refusal: the first one, raised in the end.
    """

    request: int
    samples: tuple[int, ...]
    features: Features | None = None
    trials: tuple[Features, ...] = ()
    refusal: Exception | None = None


class EndpointGenerator:
    """A server at work; see :class:`ttscale.generation.request.Generator`.

    A prompt's samples are asked for in one request (``n``). A server that gives fewer is asked for the rest, and from
    then on for no more at a time than it gave; one that refuses ``n``, log-probs or seeds is asked without them. At
    most ``endpoint.concurrency`` requests are under way. Each sample is written into the journal when it comes, and
    read back instead of being asked for again.

    A sample has ``2 · n_params`` FLOPs a token, and its prompt the same for every request that brought samples of it
    (:func:`ttscale.generation.endpoint_costs.prompts_paid`): once from a server that takes ``n``, with every sample
    from one that does not. NaN where ``n_params`` is unknown. What a server keeps of a prompt between requests it does
    not tell, so nothing is taken off for it. Tokens are those of ``usage``
    (:func:`ttscale.generation.endpoint_reply.split_tokens` for requests of several samples). Log-probs are the
    server's: most give those of the model at temperature 1. Single samples are sent with a seed of their own, which a
    server may ignore: what it gives cannot be had twice. Seconds are not measured: they depend on who else asks.

    When a run breaks off, answers under way are waited for and kept; after an interrupt for at most ``PATIENCE``
    seconds, and not after a second one.

    Args:
        endpoint: the server. seed: of the run.
        journal: file of the samples, for a run that can be interrupted; None remembers them until they are returned.
    """

    def __init__(self, endpoint: Endpoint, *, seed: int, journal: Path | None = None) -> None:
        self.endpoint, self.seed = endpoint, seed
        head = {"journal": 2, "url": endpoint.url, "model": endpoint.model, "api": endpoint.api, "seed": seed}
        self._journal = Journal(journal, head)
        self._features = Features()
        self._proved: set[str] = set()

    def prepare(self, requests: Sequence[Request]) -> None:
        """Refuse prompts that no server can answer; whether one is too long, only the server knows.

        Raises:
            TtscaleError: an empty prompt, or a decoding that asks for more tokens than the context holds.
        """
        for request in requests:
            if not request.prompt.text:
                raise TtscaleError(
                    "data", expected="a prompt with text", got=f"an empty one for item {request.item_id!r}",
                    fix="Give every problem a question.",
                )  # fmt: skip
            context, wanted = self.endpoint.context, request.decoding.max_tokens or 0
            if context is not None and wanted >= context:
                raise TtscaleError(
                    "max_tokens", expected=f"fewer than the {context} of {self.endpoint.name}'s context",
                    got=f"{wanted} for item {request.item_id!r}", fix="Ask for fewer.",
                )  # fmt: skip

    def plan(self) -> Mapping[str, Any]:
        """Its number of parameters too: the FLOPs of all blocks of a run are of one scale."""
        return {"engine": "endpoint", "api": self.endpoint.api, "n_params": self.endpoint.n_params}

    def generate(self, requests: Sequence[Request], on_done: Callable[[int], None]) -> list[Answered]:
        """Answer the requests.

        Raises:
            TtscaleError: the server answers as another model, refuses a request, or does not answer after all tries.
                What was answered until then is kept.
        """
        missing = [[s for s in r.samples if self._journal.get(self._key(r, s)) is None] for r in requests]
        known = sum(len(request.samples) for request in requests) - sum(map(len, missing))
        if known:
            on_done(known)
        todo = deque(Call(i, tuple(samples)) for i, samples in enumerate(missing) if samples)
        if todo:
            self._work(requests, todo, on_done)
        answered = self._answers(requests)
        self._journal.forget(self._key(request, sample) for request in requests for sample in request.samples)
        return answered

    def _work(self, requests: Sequence[Request], todo: deque[Call], on_done: Callable[[int], None]) -> None:
        running: dict[Future[Reply], tuple[Call, Ask]] = {}
        with Client(self.endpoint) as client:
            try:
                while todo or running:
                    while todo and len(running) < self.endpoint.concurrency:
                        call, ask = self._next(requests, todo)
                        running[_sent(client, ask)] = call, ask
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        todo.extendleft(self._settle(requests, *running[future], future, on_done))
                        del running[future]
            except BaseException as error:
                client.stop()
                for future in wait(running, timeout=None if isinstance(error, Exception) else PATIENCE).done:
                    with contextlib.suppress(Exception, Stopped):  # the first error is the one to tell
                        self._keep(requests[running[future][0].request], *running[future], future.result())
                raise

    def _next(self, requests: Sequence[Request], todo: deque[Call]) -> tuple[Call, Ask]:
        """The first call, cut to as many samples as the server gives at a time, and how to ask for them."""
        call = todo.popleft()
        features = self._features if call.features is None else self._features.both(call.features)
        if len(call.samples) > features.choices:
            todo.appendleft(replace(call, samples=call.samples[features.choices :]))
            call = replace(call, samples=call.samples[: features.choices])
        request, n = requests[call.request], len(call.samples)
        seeded = "seed" in features.used(n, request.decoding.greedy)
        seed = self._sample_seed(request, call.samples[0]) if seeded else None
        once = isinstance(call.refusal, Unanswered)
        return call, Ask(request.prompt, request.decoding, n, seed, features, once)

    def _settle(
        self, requests: Sequence[Request], call: Call, ask: Ask, future: Future[Reply], on_done: Callable[[int], None]
    ) -> list[Call]:
        """Keep what a request brought; what is still to be asked for because of it."""
        request = requests[call.request]
        try:
            kept = self._keep(request, call, ask, future.result())
        except Refused as refusal:
            return [self._ask_otherwise(request, call, ask, refusal)]
        except Unanswered as failure:
            if failure.slow and ask.n > 1:
                self._features = replace(self._features, choices=min(self._features.choices, ask.n // 2))
                return [Call(call.request, call.samples)]
            if failure.broken:
                return [self._ask_otherwise(request, call, ask, failure)]
            raise self._failed(request, call.refusal or failure) from None
        on_done(kept)
        return [Call(call.request, call.samples[kept:])] if kept < ask.n else []

    def _keep(self, request: Request, call: Call, ask: Ask, reply: Reply) -> int:
        """Write the samples of a reply down and learn from it; their number."""
        self._check_model(reply)
        tokens = split_tokens(reply, request.decoding.max_tokens or 0)
        if tokens is None or reply.prompt_tokens is None:
            raise TtscaleError(
                "models", expected=f"the numbers of tokens (`usage`) in the answers of {self.endpoint.name}",
                got="none", fix="Let the server report usage: costs are never guessed.",
            )  # fmt: skip
        self._features = self._features.both(ask.features)
        self._proved |= ask.features.used(ask.n, request.decoding.greedy)
        if len(reply.choices) < ask.n:
            self._features = replace(self._features, choices=min(len(reply.choices), self._features.choices))
        pairs = list(zip(call.samples, reply.choices, tokens, strict=False))
        for sample, choice, n_tokens in pairs:
            self._journal.add(self._key(request, sample), _record(request, call, sample, choice, n_tokens, reply))
        return len(pairs)

    def _check_model(self, reply: Reply) -> None:
        """Servers answer as NAME, as NAME@REVISION, or say nothing; another name is another model."""
        wanted = self.endpoint.model
        if reply.model is not None and reply.model != wanted and not reply.model.startswith(f"{wanted}@"):
            raise TtscaleError(
                "models", expected=f"answers of {wanted!r}", got=f"answers of {reply.model!r} from {self.endpoint.url}",
                fix=f"Write ?model={reply.model} if that is the model you mean.",
            )  # fmt: skip

    def _ask_otherwise(self, request: Request, call: Call, ask: Ask, failure: Refused | Unanswered) -> Call:
        """The call, asked in another way that the server may take; raises the first refusal when none is left.

        What is left out is left out for the whole run only after an answer came without it.
        """
        left = call.trials
        if call.refusal is None:
            said = failure.said if isinstance(failure, Refused) else ""
            left = trials(ask.features, ask.n, request.decoding.greedy, self._proved, said)
        if not left or (isinstance(failure, Refused) and failure.status in FINAL):
            raise self._failed(request, call.refusal or failure) from None
        return replace(call, features=left[0], trials=left[1:], refusal=call.refusal or failure)

    def _failed(self, request: Request, failure: Exception) -> TtscaleError:
        endpoint = self.endpoint
        kept = f"what was answered is kept in {self._journal.path}: run it again" if self._journal.path else "try again"
        fix = f"See that the server runs and can be reached, then go on ({kept})."
        if isinstance(failure, Refused):
            fix = {
                401: f"Put the API key into the environment variable {endpoint.key_variable}.",
                403: f"See that the key in the environment variable {endpoint.key_variable} may use the model.",
                404: "Check the model's name, the address (most end in /v1) and api=chat or api=completions.",
                429: "The account behind the key has no credit left.",
            }.get(failure.status, f"Change what the server objects to ({kept}).")
        return TtscaleError(
            "models", expected=f"an answer of {endpoint.model} at {endpoint.url} for item {request.item_id!r}",
            got=str(failure), fix=fix,
        )  # fmt: skip

    def _answers(self, requests: Sequence[Request]) -> list[Answered]:
        """What is in the journal, with the prompts charged by the requests that its samples came in."""
        kept = [[self._journal.get(self._key(one, sample)) or {} for sample in one.samples] for one in requests]
        prompts: dict[tuple[str, str], list[int]] = {}
        for at, request in enumerate(requests):
            prompts.setdefault((request.item_id, request.variant), []).append(at)
        answered: dict[int, Answered] = {}
        for places in prompts.values():
            counts = [(len(kept[at]), len({record["request"] for record in kept[at]})) for at in places]
            once, each = prompts_paid(counts)
            answered |= {at: self._answered(kept[at], once, share) for at, share in zip(places, each, strict=True)}
        return [answered[at] for at in range(len(requests))]

    def _answered(self, records: Sequence[Mapping[str, Any]], once: float, each: float) -> Answered:
        """Of one request; ``once`` and ``each``: prompts charged for all of its samples, and with every one."""
        per_token = math.nan if self.endpoint.n_params is None else 2.0 * self.endpoint.n_params
        completions = tuple(
            Completion(
                sample=record["sample"], text=record["text"], n_tokens=record["n_tokens"],
                sum_logprob=nan_if_none(record["sum_logprob"]), mean_logprob=nan_if_none(record["mean_logprob"]),
                self_certainty=math.nan, finish_reason=record["finish_reason"],
                flops=per_token * (record["n_tokens"] + each * record["prompt_tokens"]),
            )
            for record in records
        )  # fmt: skip
        prompt_tokens = records[0]["prompt_tokens"]
        return Answered(completions, prompt_tokens, 0, per_token * once * prompt_tokens, 0.0)

    def _key(self, request: Request, sample: int) -> str:
        """Of a sample in the journal: all that its text depends on, but for the server and the run's seed."""
        asked = [asdict(request.prompt), asdict(_resolved(request.decoding))]
        parts = [request.item_id, request.variant, request.decoding.id, sample, asked]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def _sample_seed(self, request: Request, sample: int) -> int:
        """31 bits, of the run's seed, the member, the item, the variant, the decoding and the sample."""
        parts = [self.seed, self.endpoint.name, request.item_id, request.variant, request.decoding.id, sample]
        return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:4], "big") >> 1


def _sent(client: Client, ask: Ask) -> Future[Reply]:
    """The answer to come, in a thread that does not keep an interrupted process alive."""
    future: Future[Reply] = Future()

    def work() -> None:
        try:
            future.set_result(client.send(ask))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def _record(
    request: Request, call: Call, sample: int, choice: Choice, n_tokens: int, reply: Reply
) -> dict[str, Any]:  # fmt: skip
    """A line of the journal; ``request`` names what it came in, among the requests of its prompt and decoding."""
    text = _before_stop(choice.text, request.decoding.stop or ())
    logprobs = choice.logprobs
    return {
        "item": request.item_id, "variant": request.variant, "decoding": request.decoding.id, "sample": sample,
        "request": call.samples[0], "text": text, "n_tokens": n_tokens,
        "sum_logprob": None if logprobs is None else math.fsum(logprobs),
        "mean_logprob": None if not logprobs else math.fsum(logprobs) / len(logprobs),
        "finish_reason": choice.finish_reason if text == choice.text else "stop",
        "prompt_tokens": reply.prompt_tokens, "served": reply.model,
    }  # fmt: skip


def _resolved(decoding: Decoding) -> Decoding:
    return replace(decoding, stop=tuple(decoding.stop or ()))


def _before_stop(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop string, for servers that leave it in."""
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]
