"""Greedy forward selection of draws: which to take first, by labels.

Of all draws the one is added that makes the vote of those chosen so far best, again and again. Best is the calibrated
log-likelihood: the likelihood of the labels under the vote after temperature scaling (Molchanov, Lyzhov, Molchanova,
Ashukha and Vetrov, "Greedy policy search: a simple baseline for learnable test-time augmentation", UAI 2020, algorithm
1; why calibrated: Ashukha, Lyzhov, Molchanov and Vetrov, "Pitfalls of in-domain uncertainty estimation and ensembling
in deep learning", ICLR 2020), or else accuracy.

The temperature is fitted to the vote of every step. Candidates of a step are compared at that of the step before, and
those of the first step each at its own: the fitted temperature maximises the likelihood, so that a small change of it
changes the comparison in second order only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling import temperature

OBJECTIVES = ("log_likelihood", "accuracy")
REPEATS = 4  # with replacement, at most so many steps a draw
_LEAST = 1e-30  # probabilities below this are taken as this: float32, and no label is impossible
_VALUES_AT_ONCE, _LEAST_ITEMS = 65_536, 128  # class × item; temporaries then stay in cache, rows are not too short
_TIED = 1e-6  # of a score in nats: the rounding of float32


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
    while left and len(path) < REPEATS * len(log_probs):
        candidates = list(range(len(log_probs))) if replacement else left
        scores = search.first() if not path and not by_accuracy else search.scores(candidates)
        best = candidates[int(np.flatnonzero(scores >= scores.max() - _TIED)[0])]
        left = [draw for draw in left if draw != best]
        path.append((best, *search.add(best)))
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

    def first(self) -> np.ndarray:
        """The score of each draw alone, at its own temperature: ``float64 [draw]``."""
        out, fitted = np.empty(len(self.states)), 1.0
        for draw, state in enumerate(self.states):
            scores = (state if self.logs else np.log(state)).T
            fitted = temperature.fit(scores, self.labels, start=fitted)
            out[draw] = temperature.log_likelihood(scores, self.labels, fitted).mean()
        return out

    def scores(self, candidates: list[int]) -> np.ndarray:
        """The score of the draws so far with each candidate, ``float64 [candidate]``, at the temperature so far."""
        out = np.zeros(len(candidates))
        n_classes, n_items = self.total.shape
        step = max(_LEAST_ITEMS, _VALUES_AT_ONCE // n_classes)
        for start in range(0, n_items, step):
            items = slice(start, min(start + step, n_items))
            totals = np.empty((n_classes, items.stop - start), np.float32)
            for number, draw in enumerate(candidates):
                np.add(self.states[draw, :, items], self.total[:, items], out=totals)
                out[number] += self._of(totals, self.labels[items])
        return out / n_items

    def add(self, draw: int) -> tuple[float, float]:
        """Choose a draw: the score of the vote with it, and its temperature."""
        self.total += self.states[draw]
        self.n += 1
        scores = (self.total / self.n if self.logs else np.log(self.total)).T
        fitted = temperature.fit(scores, self.labels, start=1 / self.inverse)
        self.inverse = 1 / fitted
        if self.by_accuracy:
            return self._of(self.total.copy(), self.labels) / len(self.labels), fitted
        return float(temperature.log_likelihood(scores, self.labels, fitted).mean()), fitted

    def _of(self, totals: np.ndarray, labels: np.ndarray) -> float:
        """Summed score of some items by their totals ``[class, item]``, which are overwritten."""
        if not self.logs:
            np.log(totals, out=totals)
        totals -= totals.max(axis=0)
        given = totals[labels, np.arange(len(labels))]
        if self.by_accuracy:
            return float(((given >= -_TIED) / (totals >= -_TIED).sum(axis=0)).sum())
        scale = np.float32(self.inverse / (self.n + 1) if self.logs else self.inverse)
        totals *= scale
        np.exp(totals, out=totals)
        return float((scale * given - np.log(totals.sum(axis=0))).sum(dtype=np.float64))


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
