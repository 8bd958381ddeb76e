"""Requests of a block of problems, and their answers as columns of the tables of draws and costs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ttscale.data.problem_checks import is_utf8
from ttscale.data.problems import Example, Problems, Template
from ttscale.draws.prompts import PromptVariant, render
from ttscale.draws.sampling import Decoding, Sampling
from ttscale.errors import TtscaleError
from ttscale.generation.request import Answered, Generator, Request

Asked = tuple[PromptVariant, Decoding, Sequence[int]]  # the numbers of the samples wanted
Columns = dict[str, list[Any]]

_OF_A_COMPLETION = (
    "sample", "text", "n_tokens", "sum_logprob", "mean_logprob", "self_certainty", "finish_reason", "flops",
)  # fmt: skip
_OF_A_DRAW = ("item_id", "member", "variant", "decode_id", "cost_group", *_OF_A_COMPLETION)
_OF_A_COST = ("scope", "key", "flops", "member", "variant", "item_id", "prefix", "tokens")


def everything(asked: Sampling) -> list[Asked]:
    """All samples, variant by variant and then decoding by decoding: the order of the draws."""
    return [(variant, decoding, range(n)) for variant in asked.variants for decoding, n in asked.decodings]


def requests_of(data: Problems, asked: Sequence[Asked]) -> list[list[Request]]:
    """What is asked on each item, in the order of ``asked``."""
    variants = {variant.name: variant for variant, _, _ in asked}
    prompts = [{name: render(data, at, variant) for name, variant in variants.items()} for at in range(len(data))]
    return [
        [
            Request(item_id, variant.name, prompts[at][variant.name], decoding, tuple(samples))
            for variant, decoding, samples in asked
        ]
        for at, item_id in enumerate(data.item_ids)
    ]


def problems_of(
    prompting: Mapping[str, Any], questions: Sequence[str], item_ids: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
) -> Problems:  # fmt: skip
    """New questions, to be asked as a run asked its own; their golds are unknown (empty).

    Args:
        prompting: of the run's manifest. families: of each question, where the run's examples belong to families.
        item_ids: by default made from the questions, so that equal questions have equal ids.

    Raises:
        TtscaleError: no questions, lists of different lengths, or an unknown family.
    """
    listed = isinstance(questions, Sequence | np.ndarray) and not isinstance(questions, str)
    if not listed or not len(questions) or not all(isinstance(one, str) and is_utf8(one) for one in questions):
        raise TtscaleError(
            "questions", expected="a list of texts that UTF-8 can write", got=repr(questions)[:80], fix="Give a list."
        )
    for name, given in (("item_ids", item_ids), ("families", families)):
        if given is not None and len(given) != len(questions):
            raise TtscaleError(
                name, expected=f"{len(questions)}, one a question", got=str(len(given)), fix="Give one each."
            )
    known = sorted({example["family"] for example in prompting["examples"]} - {None})
    if known and (families is None or not set(families) <= set(known)):
        raise TtscaleError(
            "families", expected=f"one of {', '.join(known)} for each question: the examples belong to them",
            got=repr(families)[:80], fix="Say of which family each question is.",
        )  # fmt: skip
    ids = item_ids if item_ids is not None else [_content_id(question) for question in questions]
    return Problems(
        name=prompting["name"], item_ids=tuple(ids), questions=tuple(questions), golds=("",) * len(questions),
        templates=tuple(Template(**template) for template in prompting["templates"]),
        examples=tuple(Example(**example) for example in prompting["examples"]), shots=prompting["shots"],
        chat=prompting["chat"], families=None if families is None else np.asarray(families, dtype=object),
    )  # fmt: skip


def answer_block(
    member: str, generator: Generator, items: Sequence[Sequence[Request]], on_done: Callable[[int], None]
) -> tuple[Columns, Columns]:
    """Columns of ``schema.DRAWS`` and of ``schema.COSTS`` of one member on a block of items."""
    requests = [request for item in items for request in item]
    answers = generator.generate(requests, on_done)
    draws: Columns = {name: [] for name in _OF_A_DRAW}
    costs: Columns = {name: [] for name in _OF_A_COST}
    charged: set[tuple[str, ...]] = set()
    for request, answered in zip(requests, answers, strict=True):
        _check(member, request, answered)
        group = f"{request.variant}/{request.item_id}"
        for completion in answered.completions:
            row = [request.item_id, member, request.variant, request.decoding.id, group]
            row += [getattr(completion, name) for name in _OF_A_COMPLETION]
            for name, value in zip(_OF_A_DRAW, row, strict=True):
                draws[name].append(value)
        for cost in _costs(member, request, answered, group):
            if cost[:2] not in charged:
                charged.add(cost[:2])
                for name, value in zip(_OF_A_COST, cost, strict=True):
                    costs[name].append(value)
    return draws, costs


def _costs(member: str, request: Request, answered: Answered, group: str) -> list[tuple[Any, ...]]:
    own = answered.prompt_tokens - answered.prefix_tokens
    prefix = answered.prefix or None
    rows: list[tuple[Any, ...]] = [
        ("prompt", group, answered.prompt_flops, member, request.variant, request.item_id, prefix, own)
    ]
    if prefix:
        rows.append(("prefix", prefix, answered.prefix_flops, member, None, None, None, answered.prefix_tokens))
    return rows


def _check(member: str, request: Request, answered: Answered) -> None:
    got = tuple(completion.sample for completion in answered.completions)
    if got != request.samples:
        raise TtscaleError(
            "models", expected=f"samples {request.samples} of item {request.item_id!r}, variant {request.variant!r}",
            got=f"{got} from member {member!r}", fix="This is a fault of its generator: please report it.",
        )  # fmt: skip


def _content_id(question: str) -> str:
    return f"question:{hashlib.sha256(question.encode()).hexdigest()}"
