"""Weights of draws under which the labels are most likely, shrunk towards alike weights.

The likelihood is that of the weighted vote at its own temperature, the calibrated likelihood that a greedy selection
compares too (:mod:`ttscale.scaling.learning.greedy`): without a temperature, the mean of unlike draws is less sure than
it may be, and weights would go to the draws that are most sure, not to those that tell most. Under the mean of
log-probabilities it is concave in the weights times the inverse temperature; under the mean of probabilities the search
starts from alike weights. Weights may differ between classes, as the per-class variant of Shanmugam, Blalock,
Balakrishnan and Guttag, "Better aggregation in test-time augmentation", ICCV 2021; ours add up to 1.

Weights have a symmetric Dirichlet prior: a penalty of so many labels' worth of relative entropy from alike weights to
them, so that few labels cannot move them far. How strong it is, cross-validation within the items learned from chooses,
and alike weights are kept unless others are better there by more than a standard error (the one-standard-error rule of
Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984, section 3.4.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from ttscale.scaling.learning import temperature

STRENGTHS = (math.inf, 1.0, 0.1, 0.01)  # of the prior, in labels a label learned from; the first leaves weights alike
_SEARCH = {"maxiter": 40, "ftol": 1e-5, "gtol": 1e-4}  # of L-BFGS; in nats an item
_INVERSES = (-math.log(temperature.MOST), -math.log(temperature.LEAST))  # logarithms of 1/T
_LEAST = 1e-30  # probabilities below this are taken as this: float32, and no label is impossible


@dataclass(frozen=True, eq=False)
class Shrunk:
    """Weights, and how far they were shrunk.

    Attributes:
        weights: ``float64 [draw]`` or ``[draw, class]``, of sum 1 over the draws.
        strength: of the prior, in labels a label learned from; infinite: alike weights.
        temperature: that calibrates the weighted vote.
    """

    weights: np.ndarray
    strength: float
    temperature: float


def learn_weights(
    log_probs: np.ndarray, labels: np.ndarray, folds: np.ndarray, *, vote: str = "mean", per_class: bool = False,
    strength: float | None = None,
) -> Shrunk:  # fmt: skip
    """Weights of most likelihood under the prior.

    Args:
        log_probs: ``[draw, item, class]``. labels: ``[item]``.
        folds: of the inner cross-validation, ``int [item]``; see :func:`ttscale.scaling.intervals.halves.folds`.
        vote: ``mean`` or ``log_mean``.
        per_class: a weight for each class.
        strength: of the prior, where it is known already.
    """
    x = np.ascontiguousarray(np.maximum(log_probs, math.log(_LEAST)).transpose(2, 1, 0), dtype=np.float32)
    votes = _Votes(np.exp(x, out=x) if vote == "mean" else x, labels, vote == "mean", len(x) if per_class else 1)
    chosen = _strength(votes, folds) if strength is None else strength
    found = votes.search(votes.alike(), chosen)
    weights = votes.weights(found)
    return Shrunk(weights.T if per_class else weights[0], chosen, votes.temperature(found))


def _strength(votes: _Votes, folds: np.ndarray) -> float:
    """The strongest prior whose loss on items left out is within a standard error of the least.

    Priors are weakened as long as the loss falls: it falls and then rises with what the weights may take in.
    """
    parts = [(votes.of(folds != fold), votes.of(folds == fold), folds == fold) for fold in np.unique(folds)]
    found = [learned.alike() for learned, _, _ in parts]
    losses: list[np.ndarray] = []
    for strength in STRENGTHS:
        found = [learned.search(start, strength) for (learned, _, _), start in zip(parts, found, strict=True)]
        loss = np.empty(len(folds))
        for (_, left, out), parameters in zip(parts, found, strict=True):
            loss[out] = left.loss(parameters)
        losses.append(loss)
        if loss.mean() > losses[max(0, len(losses) - 2)].mean():
            break
    excess = np.array(losses) - min(losses, key=np.mean)
    error = excess.std(axis=1, ddof=1) / math.sqrt(len(folds))
    return STRENGTHS[int(np.flatnonzero(excess.mean(axis=1) <= error)[0])]


@dataclass(frozen=True, eq=False)
class _Votes:
    """Weighted votes on some items, by parameters: the logarithms of the weights, up to a constant for each set of
    weights, and of the inverse temperature. Steps of L-BFGS in these keep weights positive and of sum 1.

    Attributes:
        outcomes: ``float32 [class, item, draw]``: probabilities, or their logarithms.
        labels: ``[item]``.
        probabilities: whether the outcomes are these.
        n_sets: of weights: 1, or the number of classes.
    """

    outcomes: np.ndarray
    labels: np.ndarray
    probabilities: bool
    n_sets: int

    def of(self, items: np.ndarray) -> _Votes:
        """Those on some of the items, ``bool [item]``."""
        at = np.flatnonzero(items)
        return replace(self, outcomes=self.outcomes.take(at, axis=1), labels=self.labels[at])

    def alike(self) -> np.ndarray:
        """The parameters of alike weights, at the temperature of most likelihood."""
        mean = self.outcomes.mean(axis=2)
        inverse = 1 / temperature.fit((np.log(mean) if self.probabilities else mean).T, self.labels)
        return np.append(np.zeros(self.n_sets * self.outcomes.shape[2]), math.log(inverse))

    def search(self, start: np.ndarray, strength: float) -> np.ndarray:
        """The parameters of most likelihood under the prior; an infinite one, or one draw, leaves the start."""
        if math.isinf(strength) or self.outcomes.shape[2] == 1:
            return start
        bounds = [(None, None)] * (len(start) - 1) + [_INVERSES]
        return minimize(self._objective, start, (strength,), "L-BFGS-B", jac=True, bounds=bounds, options=_SEARCH).x

    def loss(self, parameters: np.ndarray) -> np.ndarray:
        """Minus the log-likelihood of each item, ``float64 [item]``."""
        _, scores = self._scores(parameters)
        scores = scores * np.float32(math.exp(parameters[-1]))
        scores -= scores.max(axis=0)
        return (np.log(np.exp(scores).sum(axis=0)) - self._given(scores)).astype(np.float64)

    def temperature(self, parameters: np.ndarray) -> float:
        """The temperature of most likelihood of the weighted votes."""
        return temperature.fit(self._scores(parameters)[1].T, self.labels, start=math.exp(-parameters[-1]))

    def weights(self, parameters: np.ndarray) -> np.ndarray:
        """``float64 [set, draw]``."""
        logits = parameters[:-1].reshape(self.n_sets, -1)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def _scores(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The weighted sum of the outcomes, and the log-scores that it stands for: ``float32 [class, item]`` each."""
        each = np.broadcast_to(
            self.weights(parameters).astype(np.float32), (len(self.outcomes), self.outcomes.shape[2])
        )
        sums = np.matmul(self.outcomes, each[..., None])[..., 0]
        return sums, np.log(sums) if self.probabilities else sums

    def _given(self, values: np.ndarray) -> np.ndarray:
        """Those of each item's label."""
        return values[self.labels, np.arange(len(self.labels))]

    def _objective(self, parameters: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
        """Mean loss of an item with the penalty, and its gradient in the parameters."""
        n_items, at = len(self.labels), np.arange(len(self.labels))
        weights, inverse = self.weights(parameters), math.exp(parameters[-1])
        sums, scores = self._scores(parameters)
        residual = scores * np.float32(inverse)
        residual -= residual.max(axis=0)
        given = self._given(residual)
        np.exp(residual, out=residual)
        total = residual.sum(axis=0)
        residual /= total
        residual[self.labels, at] -= 1
        scale = float((residual * scores).sum(dtype=np.float64))
        if self.probabilities:
            residual /= sums
        slope = inverse / n_items * np.matmul(residual[:, None, :], self.outcomes)[:, 0].astype(np.float64)
        if self.n_sets == 1:
            slope = slope.sum(axis=0, keepdims=True)
        slope = weights * (slope - (slope * weights).sum(axis=1, keepdims=True))
        penalty = strength / weights.size
        slope -= penalty * (1 - weights.shape[1] * weights)
        loss = float((np.log(total) - given).mean(dtype=np.float64)) - penalty * float(np.log(weights).sum())
        return loss, np.append(slope.ravel(), inverse / n_items * scale)
