"""What the luck of training adds to comparisons of rungs, beside the luck of their items.

Two or three seeds are too few to be drawn from, so that normal deviates stand for them: all budgets of a rung move
alike by the standard deviation between its training seeds, over the root of their number (``Rung.seed_sd``; see
:mod:`ttscale.scaling.tradeoff.seed_noise`). Where no rung has two seeds nothing is known of it, and nothing is added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ttscale.scaling.tradeoff.ladder import Rung

_END = 1e-3  # accuracies nearer to 0 or 1 are taken for it where a deviation is turned into log-odds


def noise_of(rung: Rung) -> float:
    """Standard deviation that training seeds leave in a rung's mean accuracy, as a fraction; 0 where unknown."""
    spread = rung.seed_sd / math.sqrt(rung.n_seeds)
    return spread if math.isfinite(spread) else 0.0


def noise_between(pairs: Iterable[tuple[Rung, Rung]]) -> float:
    """Standard deviation that training seeds add to a difference of accuracies, as a fraction.

    Args:
        pairs: the two rungs that are compared; of a cross-fitted difference those of each fold, which count by their
            root mean square, as if all folds were of one luck. Two of one rung are of the same seeds: 0.
    """
    apart = [
        0.0 if one.name == other.name else noise_of(one) ** 2 + noise_of(other) ** 2 for one, other in pairs
    ]  # fmt: skip
    return math.sqrt(math.fsum(apart) / len(apart)) if apart else 0.0


def with_seeds(accuracy: np.ndarray, rung: Rung, seed: int) -> np.ndarray:
    """Resampled accuracies of a rung's budgets, each resample with other training seeds.

    Args:
        accuracy: ``[boot, k]``, fractions.
        seed: of the deviates, one a resample, which are the rung's own whatever is done with its draws.

    Returns:
        The same moved in log-odds, by what ``seed_sd`` is at the accuracy of one plain decision.
    """
    plain = min(max(rung.accuracy.value, _END), 1 - _END)
    deviation = noise_of(rung) / (plain * (1 - plain))
    if not deviation > 0:
        return accuracy
    key = [seed & 0xFFFFFFFFFFFFFFFF, *rung.name.encode()]
    odds = np.exp(-deviation * np.random.default_rng(key).standard_normal((len(accuracy), 1)))
    return accuracy * odds / (accuracy * odds + (1 - accuracy))
