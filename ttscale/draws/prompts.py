"""Prompt variants: test-time augmentation for language. The same problem, asked another way."""

from __future__ import annotations

from dataclasses import dataclass


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
        name: unique in a run, with the grammar of :func:`prompt_variants`: ``plain``, ``order1``, ``choice2``, …
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


def prompt_variants(spec: str) -> tuple[PromptVariant, ...]:
    raise NotImplementedError
