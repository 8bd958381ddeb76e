"""The scores of every item under a strategy at some budgets, raw and after cross-fitted temperatures, streamed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ttscale.records.records import Records
from ttscale.scaling.curves.credits import prefix_log_scores
from ttscale.scaling.intervals.halves import TO_CALIBRATE, keyed_sample
from ttscale.scaling.learning import temperature
from ttscale.scaling.quality import scoring
from ttscale.scaling.strategy import Strategy
from ttscale.voting.decisions import credit
from ttscale.voting.merges import tempered

_MOST_VALUES = 32_000_000  # log-scores kept to fit temperatures: 256 MB

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ItemScores:
    """The scores of every item at each budget, ``float64 [k, item]`` each but for the last.

    Attributes:
        credit, top5: shares of the credit of the best class, and of the five best (NaN with five classes or fewer).
        nll, brier, confidence: of the probabilities as they are; see :mod:`ttscale.scaling.quality.scoring`.
        calibrated_nll, calibrated_brier, calibrated_confidence: after temperature scaling.
        temperatures: ``float64 [k, 2]``: fitted on the first half of the items, by which the second is scored, and the
            other way round.
    """

    credit: Floats
    top5: Floats
    nll: Floats
    brier: Floats
    confidence: Floats
    calibrated_nll: Floats
    calibrated_brier: Floats
    calibrated_confidence: Floats
    temperatures: Floats


def item_scores(
    records: Records, halves: tuple[Strategy, Strategy], budgets: np.ndarray, first: np.ndarray
) -> ItemScores:
    """Score every item, with nothing that was learned from its own half.

    Args:
        records: of images.
        halves: what was learned on the first half of the items and scores the second, and the other way round; the
            same strategy twice where nothing was learned.
        budgets: increasing, ``int64 [k]``.
        first: the first half, ``bool [item]``. Temperatures are fitted by likelihood on the half that does not score,
            or on a keyed sample of it where its merged log-scores would not fit in memory.
    """
    names = [one.name for one in fields(ItemScores)]
    out = {name: np.empty((len(budgets), records.n_items)) for name in names[:-1]}
    temperatures = np.empty((len(budgets), 2))
    row_of = {int(k): row for row, k in enumerate(budgets)}
    for column, (strategy, learner) in enumerate(zip(halves, (first, ~first), strict=True)):
        temperatures[:, column] = _temperatures(
            records.take(_sample(records, learner, len(budgets))), strategy, budgets
        )
        positions = np.flatnonzero(~learner)
        half = records.take(positions)
        for items, k, log_scores in prefix_log_scores(half, strategy, budgets.tolist()):
            row, at = row_of[k], positions[items]
            for name, values in _scores(log_scores, half.labels[items], temperatures[row, column]).items():
                out[name][row, at] = values
    return ItemScores(**out, temperatures=temperatures)


def _scores(log_scores: np.ndarray, labels: np.ndarray, divisor: float) -> dict[str, np.ndarray]:
    """All attributes of :class:`ItemScores` but the temperatures, ``[item]``, of one block of items and budget."""
    top5 = scoring.top_credit(log_scores, labels, 5) if log_scores.shape[1] > 5 else np.full(len(labels), np.nan)
    out = {"credit": credit(log_scores, labels), "top5": top5}
    for prefix, scores in (("", log_scores), ("calibrated_", tempered(log_scores, divisor))):
        out[f"{prefix}nll"] = scoring.nll(scores, labels)
        out[f"{prefix}brier"] = scoring.brier(scores, labels)
        out[f"{prefix}confidence"] = scoring.confidence(scores)
    return out


def _sample(records: Records, items: np.ndarray, n_budgets: int) -> np.ndarray:
    """Positions of some of these items, at most as many as memory is meant for, in order."""
    positions = np.flatnonzero(items)
    most = max(2, _MOST_VALUES // (records.n_classes * n_budgets))
    return positions[keyed_sample(records.item_ids[positions], most, seed=0, part=TO_CALIBRATE)]


def _temperatures(records: Records, strategy: Strategy, budgets: np.ndarray) -> list[float]:
    """One a budget, fitted to all items of these Records."""
    kept: dict[int, list[np.ndarray]] = {int(k): [] for k in budgets}
    for _, k, log_scores in prefix_log_scores(records, strategy, budgets.tolist()):
        kept[k].append(log_scores)
    labels = np.concatenate([records.labels[items] for items in records.blocks()])
    return [temperature.fit(np.concatenate(several), labels) for several in kept.values()]
