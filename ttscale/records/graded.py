"""Graded draws: the answers of language draws as numbers, ready for votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np


class TextDraw(NamedTuple):
    """Which draw of an item: the columns of its row in the table of draws."""

    member: str
    variant: str
    decoding: str
    sample: int


@dataclass(frozen=True, eq=False)
class Graded:
    """The draws of a language run under one grader, over all members.

    Equal answers of an item have one number, whichever member gave them; numbers follow first appearance.

    Attributes:
        grader: id of extractor and checker. draws: the columns of the arrays below.
        answers: ``int32 [item, draw]``, −1 where no answer could be extracted (the draw abstains).
        correct: ``bool [item, answer]``, padded with False to the largest number of answers.
        texts: per item, its different answers as text, in the order of their numbers.
        n_tokens: ``int32 [item, draw]``, generated.
        flops: ``float64 [item, draw]``, marginal; NaN where unknown.
        scores: per name ``float64 [item, draw]``: ``sum_logprob``, ``mean_logprob``, ``self_certainty`` and the names
            of verifiers; NaN where unknown.
        score_flops: per verifier ``float64 [item, draw]``, what a score cost; a score without an entry was free.
        prompt_flops: per (member, variant), ``float64 [item]``: the prefill that the item pays itself, once; where the
            run's ``prefill`` is ``"per_sample"``, that of its whole prompt, with every sample. What a server read again
            for further requests is in the ``flops`` of their samples.
        prompt_tokens: per (member, variant), ``int64 [item]``: of the whole prompt.
        prefix_flops: per (member, variant), ``float64 [item]``: the item's share of the prefill of its shared
            beginning (equal shares among the run's prompts that begin with it); 0 for ``"per_sample"``.
        beginning_flops: per (member, variant), ``float64 [item]``: all of that prefill, which a question that comes
            alone pays; 0 for ``"per_sample"``.
    """

    grader: str
    draws: tuple[TextDraw, ...]
    answers: np.ndarray
    correct: np.ndarray
    texts: tuple[tuple[str, ...], ...]
    n_tokens: np.ndarray
    flops: np.ndarray
    scores: Mapping[str, np.ndarray]
    score_flops: Mapping[str, np.ndarray]
    prompt_flops: Mapping[tuple[str, str], np.ndarray]
    prompt_tokens: Mapping[tuple[str, str], np.ndarray]
    prefix_flops: Mapping[tuple[str, str], np.ndarray]
    beginning_flops: Mapping[tuple[str, str], np.ndarray]

    @property
    def n_items(self) -> int:
        return len(self.answers)

    @property
    def abstained(self) -> int:
        """Draws without an extractable answer."""
        return int((self.answers < 0).sum())

    def take(self, positions: np.ndarray) -> Graded:
        """The items at these positions, in this order."""

        def rows(columns: Mapping) -> dict:
            return {key: values[positions] for key, values in columns.items()}

        return replace(
            self, answers=self.answers[positions], correct=self.correct[positions],
            texts=tuple(self.texts[i] for i in positions), n_tokens=self.n_tokens[positions],
            flops=self.flops[positions], scores=rows(self.scores), score_flops=rows(self.score_flops),
            prompt_flops=rows(self.prompt_flops), prompt_tokens=rows(self.prompt_tokens),
            prefix_flops=rows(self.prefix_flops), beginning_flops=rows(self.beginning_flops),
        )  # fmt: skip
