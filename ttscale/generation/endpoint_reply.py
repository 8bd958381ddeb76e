"""What a server of the OpenAI-compatible API says: its answers, read without trust."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class Malformed(Exception):
    """The body is not an answer: cut off, not JSON, or without choices."""


@dataclass(frozen=True)
class Choice:
    """One sample as the server gives it.

    Attributes:
        text: valid Unicode. logprobs: of its tokens, or None where the server does not tell.
        finish_reason: as said, ``"unknown"`` where nothing is.
    """

    text: str
    finish_reason: str
    logprobs: tuple[float, ...] | None


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        model: the name that answered, if it says so. choices: at least one.
        prompt_tokens, completion_tokens: of ``usage``, of all choices together; None where the server does not tell.
    """

    model: str | None
    choices: tuple[Choice, ...]
    prompt_tokens: int | None
    completion_tokens: int | None


def read_reply(body: bytes) -> Reply:
    """The answer in the body of a chat or a completions response; bytes that are not UTF-8 become U+FFFD.

    Raises:
        Malformed: it holds no answer.
    """
    try:
        said = json.loads(body.decode("utf-8", errors="replace"))
    except ValueError as error:
        raise Malformed(f"a body that is not JSON: {error}") from None
    listed = said.get("choices") if isinstance(said, dict) else None
    if not isinstance(listed, list) or not listed:
        raise Malformed(f"a body without choices: {json.dumps(said)[:200]}")
    usage = said.get("usage")
    return Reply(
        model=said["model"] if isinstance(said.get("model"), str) and said["model"] else None,
        choices=tuple(_choice(one) for one in listed),
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def words_of_error(body: bytes) -> str:
    """What the body of an error says, in OpenAI's form, FastAPI's or any other."""
    text = body.decode("utf-8", errors="replace")
    try:
        said = json.loads(text)
    except ValueError:
        return text
    while isinstance(said, dict) and (inner := [said[key] for key in ("error", "message", "detail") if said.get(key)]):
        said = inner[0]
    return said if isinstance(said, str) else json.dumps(said)


def split_tokens(reply: Reply, max_tokens: int) -> tuple[int, ...] | None:
    """Generated tokens of each choice; their sum is what ``usage`` says. None where the server tells nothing.

    One choice has them all. Of several, the numbers of log-probs are the shares; without log-probs a choice that was
    cut off at ``max_tokens`` has so many, and the rest is shared out by the length of the texts, with one token of each
    for its end (largest remainders).
    """
    counted = [len(choice.logprobs) for choice in reply.choices if choice.logprobs is not None]
    complete = len(counted) == len(reply.choices)
    total = reply.completion_tokens
    if total is None:
        return tuple(counted) if complete else None
    if complete and sum(counted) > 0:
        return apportion(total, counted)
    cut = [choice.finish_reason == "length" for choice in reply.choices]
    rest = total - max_tokens * sum(cut)
    lengths = [len(choice.text.encode()) + 1 for choice in reply.choices]
    if rest < 0 or all(cut):
        return apportion(total, lengths)
    shares = iter(apportion(rest, [length for length, was_cut in zip(lengths, cut, strict=True) if not was_cut]))
    return tuple(max_tokens if was_cut else next(shares) for was_cut in cut)


def apportion(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """``total`` in whole numbers in proportion to ``weights`` (largest remainders; the first of equals wins)."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: -remainders[i])
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return tuple(shares)


def _choice(said: Any) -> Choice:
    if not isinstance(said, Mapping) or not ("text" in said or isinstance(said.get("message"), Mapping)):
        raise Malformed(f"a choice without text: {json.dumps(said)[:200]}")
    text = said["text"] if "text" in said else said["message"].get("content")
    reason = said.get("finish_reason")
    return Choice(
        text=_valid(text) if isinstance(text, str) else "",
        finish_reason=reason if isinstance(reason, str) and reason else "unknown",
        logprobs=_logprobs(said.get("logprobs")),
    )


def _valid(text: str) -> str:
    """Half surrogate pairs, which JSON can carry and no file can, as U+FFFD."""
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


def _logprobs(said: Any) -> tuple[float, ...] | None:
    """Of chat (``content``, a list of tokens) or of completions (``token_logprobs``)."""
    if not isinstance(said, Mapping):
        return None
    if isinstance(tokens := said.get("content"), list):
        values = [token.get("logprob") if isinstance(token, Mapping) else None for token in tokens]
    elif isinstance(said.get("token_logprobs"), list):
        values = said["token_logprobs"]
    else:
        return None
    good = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and not math.isnan(v)]
    return tuple(good) if len(good) == len(values) else None


def _count(usage: Any, key: str) -> int | None:
    value = usage.get(key) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
