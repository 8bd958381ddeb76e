"""Graded draws: the answers of language draws as numbers, ready for votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np


class TextDraw(NamedTuple):
    """Which draw of an item: the columns of its row in the table of draws."""

    member: str
    variant: str
    decoding: str
    sample: int


VERDICTS = "verdicts"  # the grader of draws of which only right and wrong are known

Pool = tuple[str, str, str]  # member, variant, decoding: the samples of it are exchangeable


def pool_of(draw: TextDraw) -> Pool:
    return draw.member, draw.variant, draw.decoding


def pools_of(draws: Sequence[TextDraw]) -> dict[Pool, list[int]]:
    """The columns of each pool, in order of their sample numbers; pools in order of first appearance."""
    out: dict[Pool, list[int]] = {}
    for column in sorted(range(len(draws)), key=lambda column: draws[column].sample):
        out.setdefault(pool_of(draws[column]), []).append(column)
    first = {pool: min(columns) for pool, columns in out.items()}
    return {pool: out[pool] for pool in sorted(out, key=first.__getitem__)}


@dataclass(frozen=True, eq=False)
class Graded:
    """The draws of a language run under one grader, over all members.

    Equal answers of an item have one number, whichever member gave them; numbers follow first appearance.

    Attributes:
        grader: id of extractor and checker. draws: the columns of the arrays below.
        answers: ``int32 [item, draw]``, −1 where no answer could be extracted (the draw abstains).
        correct: ``bool [item, answer]``, padded with False to the largest number of answers.
        texts: per item, its different answers as text, in the order of their numbers.
        n_tokens: ``int32 [item, draw]``, generated; −1 where unknown (see :attr:`tokens`).
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
        drawn: ``bool [item, draw]``, which draws exist, where items have different numbers of samples; None: all do. A
            draw that does not exist abstains, has 0 tokens, and stands behind the item's own in its pool (the samples
            of one member, variant and decoding, by number).
        answers_known: False where only right and wrong are known, as from counts: a right draw then has answer 0, a
            wrong one 1, ``scores["correct"]`` is 1.0 and 0.0, and the grader is ``VERDICTS``; votes over answers mean
            nothing.
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
    drawn: np.ndarray | None = None
    answers_known: bool = True

    @cached_property
    def pools(self) -> Mapping[Pool, list[int]]:
        """The columns of each pool of its draws, see :func:`pools_of`: asked for by every curve."""
        return pools_of(self.draws)

    @property
    def n_items(self) -> int:
        return len(self.answers)

    @property
    def exists(self) -> np.ndarray:
        """``bool [item, draw]``: :attr:`drawn`, all True where it is None."""
        return np.ones(self.answers.shape, bool) if self.drawn is None else self.drawn

    @property
    def n_draws(self) -> int:
        """Draws that exist, over all items."""
        return self.answers.size if self.drawn is None else int(self.drawn.sum())

    @property
    def abstained(self) -> int:
        """Draws without an extractable answer."""
        return self.n_draws - int((self.answers >= 0).sum())

    @property
    def tokens(self) -> np.ndarray:
        """``float64 [item, draw]``: :attr:`n_tokens` with NaN where unknown."""
        return np.where(self.n_tokens < 0, np.nan, self.n_tokens.astype(np.float64))

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
            drawn=None if self.drawn is None else self.drawn[positions],
        )  # fmt: skip
