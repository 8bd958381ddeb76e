"""Problems: questions with a gold answer, the examples that may stand before them, and how answers are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Example:
    """A solved question for the prompt; ``family`` limits it to items of that family (None: for all)."""

    question: str
    answer: str
    family: str | None = None


@dataclass(frozen=True)
class Template:
    """How a question is put into words.

    Attributes:
        example: of one example, with ``{question}`` and ``{answer}``; its end separates it from the next.
        query: of the question to answer, with ``{question}``.
        instruction: before the examples; may be empty.
    """

    name: str
    example: str
    query: str
    instruction: str = ""


@dataclass(frozen=True, eq=False)
class Problems:
    """A finite, ordered set of problems: what :class:`ttscale.data.dataset.Dataset` is for images.

    Attributes:
        item_ids: unique and stable, like those of a Dataset.
        questions, golds: text per item; the gold is the answer alone (``"84"``, ``"B"``).
        examples: pool for few-shot prompts, never items of the set.
        templates: at least one; the first is the plain one, the others are phrasings for prompt variants.
        shots: examples of a plain prompt.
        extract: rule that reads an answer out of a completion, see :mod:`ttscale.data.answers`.
        checker: ``checker(answer, gold) -> bool``; None is equality with the gold.
        equality: which answers are the same, ``"numeric"``, ``"text"`` or ``"math"``, see
            :mod:`ttscale.data.equality`.
        max_tokens, stop: of a completion, unless the decoding says otherwise.
        chat: whether prompts go through the chat template.
    """

    name: str
    item_ids: tuple[str, ...]
    questions: tuple[str, ...]
    golds: tuple[str, ...]
    templates: tuple[Template, ...]
    examples: tuple[Example, ...] = ()
    shots: int = 0
    extract: str = "last_number"
    checker: Callable[[str, str], bool] | None = None
    equality: str = "numeric"
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    chat: bool = False
    clusters: np.ndarray | None = None
    families: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.item_ids)

    def digest(self) -> str:
        """SHA-256 over ids, questions, golds, examples and templates in order, and over families and clusters: the
        family of an item chooses its examples, and both are kept with the Records."""
        digest = hashlib.sha256()
        groups = [None if one is None else [str(name) for name in one] for one in (self.families, self.clusters)]
        for part in (self.item_ids, self.questions, self.golds, self.examples, self.templates, *groups):
            digest.update(repr(part).encode())
        return digest.hexdigest()

    def subset(self, positions: Sequence[int] | np.ndarray) -> Problems:
        """The items at these positions, in this order, with their ids unchanged."""
        at = np.asarray(positions, dtype=np.int64)
        return replace(
            self,
            item_ids=tuple(self.item_ids[i] for i in at),
            questions=tuple(self.questions[i] for i in at),
            golds=tuple(self.golds[i] for i in at),
            clusters=None if self.clusters is None else self.clusters[at],
            families=None if self.families is None else self.families[at],
        )
