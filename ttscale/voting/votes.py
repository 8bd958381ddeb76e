"""All votes by name: those that merge log-probabilities and those over answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from ttscale.errors import TtscaleError, unknown_name
from ttscale.voting.answers import ABSTAINS
from ttscale.voting.merges import VOTES, Vote

AUTO = "auto"
DEFAULT = {"log_probs": "mean", "text": "plurality", "verdicts": "best:correct"}
"""The default vote of each kind of outcome: class log-probabilities, text with its answers, and text of which only
right and wrong are known. There a perfect checker picks the draw, so that the accuracy of k draws is pass@k."""

OWN_SCORES = ("mean_logprob", "sum_logprob", "self_certainty")  # every language draw has them; verifiers add others
MORE_SCORES = "Scores of other tools come in with ttscale import scores=COLUMN, a verifier's with ttscale verify."
_LOGARITHMS = ("mean_logprob", "sum_logprob")
_RULES = ("weighted", "best")


@dataclass(frozen=True)
class AnswerVote:
    """A vote over answers.

    Attributes:
        name: ``plurality``, ``weighted:SCORE`` or ``best:SCORE``.
        score: of the draws, None for the plurality.
        best: the answer of the best draw counts (best-of-n), not the sum of its draws.
    """

    name: str
    score: str | None = None
    best: bool = False

    def log_weights(self, answers: Any, scores: Mapping[str, Any]) -> Any:
        """What each draw adds to its answer, as a logarithm: ``float64`` of the shape of ``answers``.

        The plurality gives every draw the weight 1. A weighted vote takes the exponential of a log-probability, and
        any other score as it is; best-of-n compares the scores themselves.

        Args:
            answers: integers, −1 where a draw abstains (its score may be NaN: it does not vote).
            scores: per name an array of the same shape.

        Raises:
            TtscaleError: a score that is not known, NaN or infinite where a draw answers, or negative where it is a
                weight.
        """
        xp = array_namespace(answers)
        if self.score is None:
            return xp.zeros(answers.shape, dtype=xp.float64)
        if self.score not in scores:
            raise unknown_name("vote", self.name, self.at_hand(answers, scores), fix=MORE_SCORES)
        values = xp.astype(scores[self.score], xp.float64)
        answered = answers != ABSTAINS
        if missing := int(xp.sum(xp.astype(_unknown(answered, values), xp.int64))):
            raise TtscaleError(
                "vote", expected=f"a known score {self.score!r} of every draw that answers",
                got=f"{missing} {'draw' if missing == 1 else 'draws'} without one",
                fix=f"The server or verifier did not give it. Known: {', '.join(self.at_hand(answers, scores))}.",
            )  # fmt: skip
        values = xp.where(answered, values, xp.zeros_like(values))
        if not self._is_weight:
            return values
        if bool(xp.any(values < 0)):
            raise TtscaleError(
                "vote", expected=f"a score {self.score!r} that is never negative, as a weight",
                got=f"{float(xp.min(values)):g}", fix=f"Use best:{self.score}, or score on a scale from 0.",
            )  # fmt: skip
        positive = values > 0
        return xp.where(positive, xp.log(xp.where(positive, values, xp.ones_like(values))), -np.inf)

    def possible(self, answers: Any, scores: Mapping[str, Any]) -> bool:
        """Whether :meth:`log_weights` has what it needs: the score of every draw that answers, none of them negative
        where it is a weight. Arguments as there."""
        if self.score is None:
            return True
        if self.score not in scores:
            return False
        xp = array_namespace(answers)
        values, answered = xp.astype(scores[self.score], xp.float64), answers != ABSTAINS
        below = answered & (values < 0)
        return not bool(xp.any(_unknown(answered, values))) and not (self._is_weight and bool(xp.any(below)))

    def at_hand(self, answers: Any, scores: Mapping[str, Any]) -> list[str]:
        """The votes of this one's rule whose scores all draws have, and the plurality, which needs none."""
        rule = self.name.partition(":")[0]
        others = [AnswerVote(f"{rule}:{score}", score, self.best) for score in scores]
        return ["plurality", *(vote.name for vote in others if vote.possible(answers, scores))]

    @property
    def _is_weight(self) -> bool:
        """Whether the score itself is the weight, not the logarithm of one and not only compared."""
        return self.score is not None and not self.best and self.score not in _LOGARITHMS


def _unknown(answered: Any, values: Any) -> Any:
    xp = array_namespace(values)
    return answered & ~xp.isfinite(values)


def get_vote(name: str, outcome: str | None = None, scores: Iterable[str] = OWN_SCORES) -> Vote | AnswerVote:
    """The vote of this name.

    Args:
        name: ``mean``, ``log_mean`` or ``plurality`` for log-probabilities; ``plurality``, ``weighted:SCORE`` or
            ``best:SCORE`` for answers, where SCORE is ``mean_logprob``, ``sum_logprob``, ``self_certainty`` or a
            verifier's name; ``auto`` is the default of the outcome (see ``DEFAULT``).
        outcome: ``"log_probs"``, ``"text"``, ``"verdicts"`` (see ``Records.vote_kind``), or None when it is not known.
        scores: those at hand, which an error names votes by; any other may be asked for all the same.

    Raises:
        TtscaleError: none such (the nearest names are given), or one for the other kind of outcome.
    """
    name = resolve(name, outcome or "log_probs")
    if outcome not in ("text", "verdicts") and isinstance(name, str) and name in VOTES:
        return VOTES[name]
    found = answer_vote(name)
    if outcome == "verdicts" and found is not None and not found.best:
        raise TtscaleError(
            "vote", expected="best:SCORE, since only right and wrong are known of these draws", got=repr(found.name),
            fix="Use best:correct, which is pass@k, or import Records with the answers of their draws.",
        )  # fmt: skip
    if found is None or (outcome == "log_probs" and name not in VOTES):
        raise unknown_name("vote", name, vote_names(outcome, scores))
    return found


def answer_vote(name: str) -> AnswerVote | None:
    """The vote over answers of this name, or None."""
    if name == "plurality":
        return AnswerVote("plurality")
    rule, _, score = name.partition(":") if isinstance(name, str) else ("", "", "")
    return AnswerVote(name, score, rule == "best") if rule in _RULES and score else None


def resolve(name: str, outcome: str) -> str:
    """``auto`` as the vote that it stands for."""
    return DEFAULT[outcome] if isinstance(name, str) and name == AUTO else name


def vote_names(outcome: str | None, scores: Iterable[str] = OWN_SCORES) -> list[str]:
    """The votes there are; for answers, with these scores."""
    if outcome == "verdicts":
        return list(dict.fromkeys(f"best:{score}" for score in ("correct", *scores)))
    answers = ["plurality", *(f"{rule}:{score}" for score in scores for rule in _RULES)]
    return list(dict.fromkeys([*(VOTES if outcome != "text" else ()), *(answers if outcome != "log_probs" else ())]))
