"""Prompts, and their variants: test-time augmentation for language. The same problem, asked another way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice
from math import comb, factorial

import numpy as np

from ttscale.data.problems import Example, Problems, Template
from ttscale.draws import keyed
from ttscale.errors import TtscaleError

Picked = tuple[int, ...]


@dataclass(frozen=True)
class Prompt:
    """What a language model reads for one item under one variant.

    Attributes:
        shared: its beginning, the same for all items of one family under the variant: instruction and examples.
        own: the item's own question.
        chat: put ``shared + own`` into the model's chat template as the user's message; else it is plain text to
            continue.
    """

    shared: str
    own: str
    chat: bool = False

    @property
    def text(self) -> str:
        return self.shared + self.own


@dataclass(frozen=True)
class PromptVariant:
    """One way to ask.

    Attributes:
        name: unique in a run, in the grammar of :func:`ttscale.draws.phrasing.prompt_variants`: ``plain``, ``order1``,
            ``choice2``, ``choice1*order2``, …
        shots: number of examples; None is what the data suggest.
        choice: which examples of the pool: 0 are the first, every other number a keyed selection of its own.
        order: of the chosen examples: 0 as they come, every other number a keyed permutation of its own.
        template: position among the data's templates (0 is the plain one).
    """

    name: str
    shots: int | None = None
    choice: int = 0
    order: int = 0
    template: int = 0


PLAIN = PromptVariant("plain")


def render(problems: Problems, position: int, variant: PromptVariant = PLAIN) -> Prompt:
    """The prompt of the item at ``position`` under a variant.

    Examples are those of the item's family and those of none. A variant is the same on every machine and in every run:
    its selections and permutations depend on its numbers alone.

    Raises:
        TtscaleError: the set cannot give this variant (see :func:`check_variants`).
    """
    family = None if problems.families is None else str(problems.families[position])
    shared = _shared(problems.templates, problems.examples, problems.shots, family, variant, problems.name)
    own = _fill(problems.templates[variant.template].query, question=problems.questions[position])
    return Prompt(shared, own, problems.chat)


def check_variants(problems: Problems, variants: Sequence[PromptVariant]) -> None:
    """Raise unless every family of the set can give every variant.

    Raises:
        TtscaleError: names the first variant that asks for a template, for more examples, or for more selections or
            orders of them than the set has.
    """
    families = [None] if problems.families is None else [str(family) for family in np.unique(problems.families)]
    for variant in variants:
        for family in families:
            _shared(problems.templates, problems.examples, problems.shots, family, variant, problems.name)


@lru_cache(maxsize=1024)
def _shared(
    templates: tuple[Template, ...], examples: tuple[Example, ...], shots: int, family: str | None,
    variant: PromptVariant, name: str,
) -> str:  # fmt: skip
    """Instruction and examples; everything that the items of one family share."""
    if variant.template >= len(templates):
        raise _lacking(variant, name, f"{variant.template + 1} templates", f"{len(templates)}")
    pool = [example for example in examples if example.family in (None, family)]
    shots = shots if variant.shots is None else variant.shots
    where = name if family is None else f"family {family} of {name}"
    if shots > len(pool):
        raise _lacking(variant, where, f"{shots} examples", f"{len(pool)}")
    if variant.choice >= comb(len(pool), shots):
        wanted = f"{variant.choice + 1} selections of {shots} among its {len(pool)} examples"
        raise _lacking(variant, where, wanted, f"{comb(len(pool), shots)}")
    if variant.order >= factorial(shots):
        raise _lacking(variant, where, f"{variant.order + 1} orders of {shots} examples", f"{factorial(shots)}")
    chosen = nth_choice(len(pool), shots, variant.choice)
    ordered = [pool[chosen[at]] for at in nth_order(shots, variant.order)]
    template = templates[variant.template]
    written = [_fill(template.example, question=one.question, answer=one.answer) for one in ordered]
    return template.instruction + "".join(written)


def _lacking(variant: PromptVariant, where: str, wanted: str, has: str) -> TtscaleError:
    return TtscaleError(
        f"variant {variant.name}", expected=f"{wanted} in {where}", got=has,
        fix="Leave this variant out, ask for fewer of its kind, or give the data more examples or templates.",
    )  # fmt: skip


def _fill(text: str, **values: str) -> str:
    """Each ``{name}`` replaced in one pass: braces in a question stay as they are."""
    return re.sub("|".join(rf"\{{{name}\}}" for name in values), lambda found: values[found[0][1:-1]], text)


@lru_cache(maxsize=1024)
def nth_order(n: int, number: int) -> Picked:
    """The ``number``-th permutation of ``range(n)``: 0 is the identity, the others are keyed and all different."""
    return _nth(tuple(range(n)), number, lambda ranks: tuple(np.argsort(ranks).tolist()), f"order of {n}", n)


@lru_cache(maxsize=1024)
def nth_choice(pool: int, n: int, number: int) -> Picked:
    """The ``number``-th selection of n positions of a pool, ascending: 0 are the first, all are different sets."""
    pick: Callable[[np.ndarray], Picked] = lambda ranks: tuple(sorted(np.argsort(ranks)[:n].tolist()))  # noqa: E731
    return _nth(tuple(range(n)), number, pick, f"choice of {n} of {pool}", pool)


def _nth(first: Picked, number: int, pick: Callable[[np.ndarray], Picked], what: str, n: int) -> Picked:
    def distinct() -> Iterator[Picked]:
        seen = {first}
        yield first
        keys = keyed.item_keys(f"prompt {what}: {i}" for i in range(n))
        for attempt in count():
            picked = pick(keyed.uniforms(0, keys, stream=keyed.VIEWS, variant=attempt))
            if picked not in seen:
                seen.add(picked)
                yield picked

    return next(islice(distinct(), number, None))
