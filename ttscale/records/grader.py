"""Grades: the answer of every draw, which answers are the same, and which are right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.data.answers import extractor, written
from ttscale.data.equality import EQUALITIES, canonical
from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.callable_key import callable_key
from ttscale.records.mathematics import same_mathematics

Checker = Callable[[str, str], bool]


@dataclass(frozen=True)
class Grader:
    """How completions are graded; grades can be made again from the Records under another one.

    Attributes:
        extract: rule that reads the answer, see :func:`ttscale.data.answers.extractor`.
        checker: ``checker(answer, gold) -> bool`` says which answers are right; None: those equal to the gold.
        equality: which answers are the same, for votes (and, without a checker, for golds): ``"numeric"`` (see
            :mod:`ttscale.data.equality`), ``"text"`` (character by character), ``"math"`` (the library math-verify,
            pair by pair: ``x+1`` is ``1+x``).

    Raises:
        TtscaleError: an unknown rule or equality, or a checker that cannot be called.
    """

    extract: str = "last_number"
    checker: Checker | None = None
    equality: str = "numeric"

    def __post_init__(self) -> None:
        if not isinstance(self.extract, str):
            raise TtscaleError("extract", expected="a rule", got=repr(self.extract), fix="For example 'last_number'.")
        extractor(self.extract)
        if self.equality not in EQUALITIES:
            raise unknown_name("equality", self.equality, EQUALITIES)
        if self.checker is not None and not callable(self.checker):
            raise TtscaleError(
                "checker", expected="a function of (answer, gold)", got=repr(self.checker), fix="Give one, or none."
            )

    @property
    def id(self) -> str:
        """Hash of the settings, the checker's own code included: equal graders have equal ids in every process."""
        settings = json.dumps([self.extract, self.checker_key, self.equality])
        return hashlib.sha256(settings.encode()).hexdigest()[:12]

    @property
    def checker_key(self) -> str | None:
        """Names the checker and its code; None where there is none."""
        return None if self.checker is None else callable_key(self.checker)

    def answer(self, text: str) -> str | None:
        """The answer in a completion, as it is written there; None: the draw abstains."""
        return extractor(self.extract)(text)

    def equal(self, gold: str, answer: str) -> bool:
        """Whether two answers are the same answer (math-verify takes the gold, or the earlier one, first)."""
        if self.equality == "math":
            return gold == answer or same_mathematics(gold, answer)
        return self._key(gold) == self._key(answer)

    def correct(self, answer: str, gold: str) -> bool:
        """Whether an answer is right; what a checker raises is passed on.

        Raises:
            TtscaleError: the checker gives something else than True or False (or 1 or 0).
        """
        if self.checker is None:
            return self.equal(gold, answer)
        said = self.checker(answer, gold)
        if not isinstance(said, bool | int | np.bool_ | np.integer) or said not in (0, 1):
            raise TtscaleError(
                "checker", expected=f"True or False for answer {answer[:80]!r} to gold {gold[:80]!r}",
                got=repr(said)[:80], fix="Return a bool: text and NaN would count as right.",
            )  # fmt: skip
        return bool(said)

    def verdicts(self, answers: Sequence[str], gold: str, item_id: str) -> list[bool]:
        """Whether each answer to an item is right.

        Raises:
            TtscaleError: names item and answer where the checker raised, or gave something else than True or False.
        """
        out = []
        for answer in answers:
            try:
                out.append(self.correct(answer, gold))
            except TtscaleError:
                raise
            except Exception as error:  # the user's checker may raise anything
                raise TtscaleError(
                    "checker", expected=f"True or False for answer {answer[:80]!r} of item {item_id}",
                    got=f"{type(error).__name__}: {error}", fix="Make it return False for answers it cannot read.",
                ) from error  # fmt: skip
        return out

    def check_golds(self, item_ids: Sequence[str], golds: Sequence[str]) -> None:
        """Raise unless a completion that states the gold would be graded as right, for every item.

        Under a ``regex:`` rule, whose form of an answer is unknown, golds must only not be empty; golds of a checker
        are its own business.

        Raises:
            TtscaleError: names the first item whose gold the rule cannot read.
        """
        for item_id, gold in zip(item_ids, golds, strict=True):
            completion = written(self.extract, gold)
            found = self.answer(completion) if completion is not None else gold.strip() or None
            if self.checker is None and (found is None or not self.correct(found, gold)):
                raise TtscaleError(
                    f"gold of item {item_id}", expected=f"an answer that extract={self.extract!r} reads",
                    got=repr(gold[:80]), fix="Correct the gold, or choose another extract.",
                )  # fmt: skip

    def same_answers(self, answers: Sequence[str | None]) -> tuple[np.ndarray, tuple[str, ...]]:
        """Number the different answers by first appearance.

        Returns:
            ``int32 [answer]``, −1 for None, and each different answer as it was first written.
        """
        numbers: dict[str, int] = {}
        texts: list[str] = []
        numbered = np.full(len(answers), -1, np.int32)
        for at, answer in enumerate(answers):
            if answer is None:
                continue
            key = self._key(answer)
            if key not in numbers:
                same_as = self._earlier(answer, texts)
                numbers[key] = len(texts) if same_as is None else same_as
                texts += [answer] if same_as is None else []
            numbered[at] = numbers[key]
        return numbered, tuple(texts)

    def _earlier(self, answer: str, texts: Sequence[str]) -> int | None:
        if self.equality != "math":
            return None
        return next((number for number, text in enumerate(texts) if self.equal(text, answer)), None)

    def _key(self, answer: str) -> str:
        return canonical(answer) if self.equality == "numeric" else answer


def grade(
    grader: Grader, texts: Sequence[Sequence[str | None]], golds: Sequence[str], item_ids: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[tuple[str, ...], ...]]:
    """Grade every draw of every item.

    Args:
        texts: completions ``[item][draw]``, as many of every item; None where there is no draw.
        golds: per item.
        item_ids: for errors; by default the items' positions.

    Returns:
        ``int32 [item, draw]`` the number of the draw's answer within its item, −1 where it abstains; ``bool [item,
        answer]`` whether an answer is right, padded with False; and per item its different answers, as first written.

    Raises:
        TtscaleError: names item and answer where the checker raised.
    """
    names = [str(i) for i in range(len(texts))] if item_ids is None else item_ids
    graded = [grader.same_answers([None if text is None else grader.answer(text) for text in row]) for row in texts]
    different = tuple(answers for _, answers in graded)
    correct = np.zeros((len(texts), max(map(len, different), default=0)), bool)
    for at, (answers, gold, item_id) in enumerate(zip(different, golds, names, strict=True)):
        correct[at, : len(answers)] = grader.verdicts(answers, gold, item_id)
    numbers = np.stack([row for row, _ in graded]) if graded else np.zeros((0, 0), np.int32)
    return numbers, correct, different
