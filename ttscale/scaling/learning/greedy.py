"""Greedy forward selection of draws: which to take first, by labels.

Of all draws the one is added that makes the vote of those chosen so far best, again and again. Best is the calibrated
log-likelihood: the likelihood of the labels under the vote after temperature scaling (Molchanov, Lyzhov, Molchanova,
Ashukha and Vetrov, "Greedy policy search: a simple baseline for learnable test-time augmentation", UAI 2020, algorithm
1; why calibrated: Ashukha, Lyzhov, Molchanov and Vetrov, "Pitfalls of in-domain uncertainty estimation and ensembling
in deep learning", ICLR 2020), or else accuracy.

The temperature is fitted to the vote of every step, and candidates are compared each at its own: those of the first
step at a fitted one, those of others at that of a Newton step from the temperature of the step before, whose gain in
likelihood the slope and curvature there tell (draws that are not equally sure want unlike temperatures).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.learning import temperature

OBJECTIVES = ("log_likelihood", "accuracy")
REPEATS = 4  # with replacement, so many steps a draw; each that none of them chose is then chosen once
_LEAST = 1e-30  # probabilities below this are taken as this: float32, and no label is impossible
# Candidate × class × item; temporaries then stay in cache, rows are not too short.
_VALUES_AT_ONCE, _LEAST_ITEMS = 65_536, 128
_TIED = 1e-6  # of a score in nats: the rounding of float32
_SHORTEST, _LONGEST = -0.5, 1.0  # Newton steps of 1/T, relative: half of it, twice as much


@dataclass(frozen=True, eq=False)
class Path:
    """The steps of a greedy selection.

    Attributes:
        chosen: position of the draw added by each step, ``int64 [step]``.
        score: of the vote after each step: mean log-likelihood of an item in nats, or accuracy; ``float64 [step]``.
        temperature: fitted to the vote after each step, ``float64 [step]``.
    """

    chosen: np.ndarray
    score: np.ndarray
    temperature: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """The draws in the order in which they were first chosen, ``int64 [draw]``."""
        _, first = np.unique(self.chosen, return_index=True)
        return self.chosen[np.sort(first)]

    def counts(self, k: int) -> tuple[np.ndarray, float]:
        """How often each of the first k draws in ``order`` was chosen, ``int64 [k]``, and the temperature of that vote.

        Of all steps with k different draws, the one that scored best.
        """
        new = np.zeros(len(self.chosen), dtype=np.int64)
        new[np.unique(self.chosen, return_index=True)[1]] = 1
        steps = np.flatnonzero(new.cumsum() == k)
        step = int(steps[np.argmax(self.score[steps])])
        taken = self.chosen[: step + 1]
        return (taken[:, None] == self.order[:k]).sum(0), float(self.temperature[step])


def greedy_path(
    log_probs: np.ndarray, labels: np.ndarray, *, vote: str = "mean", objective: str = "log_likelihood",
    replacement: bool = False,
) -> Path:  # fmt: skip
    """Choose draws one by one.

    Args:
        log_probs: ``[draw, item, class]``. labels: ``[item]``.
        vote: ``mean``, ``log_mean`` or ``plurality``; of the last, whose shares are no probabilities, only the accuracy
            is compared.
        objective: ``log_likelihood`` (calibrated) or ``accuracy``.
        replacement: let a draw be chosen again, which costs nothing and makes it count more.

    Raises:
        TtscaleError: no such objective.
    """
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    by_accuracy = objective == "accuracy" or vote == "plurality"
    search = _Search(_states(log_probs, vote), labels, vote == "log_mean", by_accuracy)
    left = list(range(len(log_probs)))
    path: list[tuple[int, float, float]] = []
    while left:
        again = replacement and len(path) < REPEATS * len(log_probs)
        candidates = list(range(len(log_probs))) if again else left
        scores, inverse = search.first() if not path and not by_accuracy else search.scores(candidates)
        at = int(np.flatnonzero(scores >= scores.max() - _TIED)[0])
        left = [draw for draw in left if draw != candidates[at]]
        path.append((candidates[at], *search.add(candidates[at], float(inverse[at]))))
    chosen, score, fitted = zip(*path, strict=True)
    return Path(np.array(chosen), np.array(score), np.array(fitted))


class _Search:
    """The draws chosen so far, summed, and what every further one would make of them.

    Args:
        states: what is summed, ``float32 [draw, class, item]``. logs: whether these are logarithms already.
    """

    def __init__(self, states: np.ndarray, labels: np.ndarray, logs: bool, by_accuracy: bool) -> None:
        self.states, self.labels, self.logs, self.by_accuracy = states, labels, logs, by_accuracy
        self.total, self.n, self.inverse = np.zeros_like(states[0]), 0, 1.0

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        """The score of each draw alone at its own temperature, and the inverse of that: ``float64 [draw]`` each."""
        out, inverse = np.empty(len(self.states)), np.ones(len(self.states))
        for draw, state in enumerate(self.states):
            scores = (state if self.logs else np.log(state)).T
            fitted = temperature.fit(scores, self.labels, start=1 / inverse[draw - 1])
            out[draw] = temperature.log_likelihood(scores, self.labels, fitted).mean()
            inverse[draw] = 1 / fitted
        return out, inverse

    def scores(self, candidates: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """The score of the draws so far with each candidate, and about its 1/T: ``float64 [candidate]`` each."""
        out = np.zeros((len(candidates), 3))
        n_classes, n_items = self.total.shape
        step = min(n_items, max(_LEAST_ITEMS, _VALUES_AT_ONCE // n_classes))
        at_once = max(1, _VALUES_AT_ONCE // (n_classes * step))
        for start in range(0, n_items, step):
            items = slice(start, start + step)
            right = _right(self.labels[items])
            for first in range(0, len(candidates), at_once):
                some = slice(first, first + at_once)
                totals = self.states[candidates[some], :, items]
                totals += self.total[:, items]
                out[some] += self._of(totals, right)
        score, slope, curvature = out.T
        newton = np.divide(slope, curvature, out=np.zeros_like(slope), where=curvature > 0)
        newton = newton.clip(_SHORTEST, _LONGEST)
        return (score + newton * slope - newton**2 * curvature / 2) / n_items, self.inverse * (1 + newton)

    def add(self, draw: int, inverse: float) -> tuple[float, float]:
        """Choose a draw: the score of the vote with it, and its temperature; the inverse of that is about this."""
        self.total += self.states[draw]
        self.n += 1
        scores = (self.total / self.n if self.logs else np.log(self.total)).T
        fitted = temperature.fit(scores, self.labels, start=1 / inverse)
        self.inverse = 1 / fitted
        if self.by_accuracy:
            return float(self._of(self.total[None].copy(), _right(self.labels))[0, 0]) / len(self.labels), fitted
        return float(temperature.log_likelihood(scores, self.labels, fitted).mean()), fitted

    def _of(self, totals: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Summed score of some items by totals ``[candidate, class, item]``, which are overwritten; of the likelihood,
        which is that at the temperature so far, also its slope and minus its curvature in 1/T, in units of 1/T so far:
        ``float64 [candidate, 3]``."""
        scores = totals if self.logs else np.log(totals, out=totals)
        scores -= scores.max(axis=1, keepdims=True)
        given = scores.reshape(len(scores), -1).take(right, axis=1)
        if self.by_accuracy:
            credit = (given >= -_TIED) / (scores >= -_TIED).sum(axis=1)
            return np.pad(credit.sum(axis=1, keepdims=True), ((0, 0), (0, 2)))
        inverse = np.float32(self.inverse / (self.n + 1) if self.logs else self.inverse)
        scores *= inverse
        given *= inverse
        weight = np.exp(scores)
        total = weight.sum(axis=1)
        weight *= scores
        mean = weight.sum(axis=1) / total
        weight *= scores
        variance = weight.sum(axis=1) / total - mean * mean
        return np.stack(
            [part.sum(axis=1, dtype=np.float64) for part in (given - np.log(total), given - mean, variance)], axis=1
        )


def _right(labels: np.ndarray) -> np.ndarray:
    """Where the labels' scores are in ``[class, item]``, as one long row."""
    return labels * len(labels) + np.arange(len(labels))


def _states(log_probs: np.ndarray, vote: str) -> np.ndarray:
    """What a vote sums over draws, ``float32 [draw, class, item]``: probabilities, their logarithms, or votes."""
    x = np.array(log_probs.transpose(0, 2, 1), dtype=np.float32, order="C")
    if vote == "mean":
        np.exp(x, out=x)
        return np.maximum(x, _LEAST, out=x)
    if vote == "log_mean":
        return np.maximum(x, np.log(_LEAST), out=x)
    if vote == "plurality":
        best = x == x.max(axis=1, keepdims=True)
        return np.maximum(best / best.sum(axis=1, keepdims=True), _LEAST, dtype=np.float32)
    raise TtscaleError("vote", expected="mean, log_mean or plurality", got=repr(vote), fix="Choose one of these.")
