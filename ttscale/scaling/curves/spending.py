"""What a budget costs an item: the mean, quantiles over items and over which samples are taken, and the worst case.

A mean tells the bill; the 99 % quantile tells who waits. Text differs from item to item and from sample to sample, so
quantiles are over both, with every item counted alike. Seconds are those of the items that a profile timed, each with
its first samples. The views of an image cost the same for every image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttscale.draws import keyed
from ttscale.records.records import Records
from ttscale.scaling.checks import check_records
from ttscale.scaling.curves.budgets import check_budgets
from ttscale.scaling.curves.curve import default_strategy
from ttscale.scaling.curves.image_costs import image_flops, image_seconds
from ttscale.scaling.curves.random_orders import alike_items, permuted, whole_rounds
from ttscale.scaling.curves.sampled_credits import Part, draw_keys, parts_of, samples_of_pool
from ttscale.scaling.curves.text_costs import (
    DrawCosts,
    begun,
    bytes_of,
    flops_of,
    item_seconds,
    mean_cost,
    mean_seconds,
    running,
    tokens_of,
    worst_cost,
)  # fmt: skip
from ttscale.scaling.intervals.bootstrap import check_seed
from ttscale.scaling.strategy import Strategy, check_draws

QUANTILES = (0.5, 0.9, 0.99)
MEASURES = ("flops", "tokens", "bytes", "seconds")
_ORDERS = 256  # of each item's samples, fewer where items are many
_POINTS = 50_000  # items × orders
_WORK = 50_000_000  # items × orders × samples
_CELLS = 4_000_000  # numbers in memory at once: items × orders × samples, or × budgets


@dataclass(frozen=True, eq=False)
class Cost:
    """One measure of cost per item at each budget; NaN where unknown.

    Attributes:
        mean: over items and over which samples are taken, ``float64 [k]``.
        quantiles: ``float64 [quantile, k]``, each a cost that was met; of text over random orders of the samples.
        worst: of the costliest item with its costliest samples, ``float64 [k]``; of FLOPs and bytes for an item that is
            asked by itself, and pays the whole of a beginning that prompts share.
    """

    mean: np.ndarray
    quantiles: np.ndarray
    worst: np.ndarray


@dataclass(frozen=True, eq=False)
class Spending:
    """Cost per item at each budget.

    Attributes:
        strategy: its name. budgets: ``int64 [k]``. quantiles: which.
        flops: 1 multiply-add = 2 FLOPs.
        tokens: generated; NaN for images.
        bytes: moved between memory and processor. Of images the bytes of each view's forward; of text those of the
            weights, read once for each prompt and once for each token after a sample's first, as if samples ran one
            by one: samples that run together share a reading.
        seconds: of one item alone on the device of the latest profile, its members one after another. For images,
            whose views take the same time, of any image. For text of the items that were timed, each with its first
            samples as numbered: the mean, quantiles and the slowest of these, with nothing guessed about other items
            or samples (of fewer than 100 items the 99 % quantile is the slowest). NaN where it was not profiled, and
            but for the mean where the profile is of an older version, which kept no more.
        timed_items: how many items the quantiles and the worst of ``seconds`` are of; 0 where these are unknown; None
            for images.
    """

    strategy: str
    budgets: np.ndarray
    quantiles: tuple[float, ...]
    flops: Cost
    tokens: Cost
    bytes: Cost
    seconds: Cost
    timed_items: int | None

    def as_dict(self) -> dict[str, Any]:
        """``budgets``, ``quantiles``, ``timed_items``, and per measure ``mean [k]``, ``quantiles [quantile, k]`` and
        ``worst [k]``."""
        costs = {measure: vars(getattr(self, measure)) for measure in MEASURES}
        return {
            "budgets": self.budgets, "quantiles": list(self.quantiles), "timed_items": self.timed_items, **costs
        }  # fmt: skip


def spending(
    records: Records, strategy: Strategy | None = None, *, budgets: Sequence[int] | None = None, seed: int = 0
) -> Spending:
    """What each budget of a strategy costs.

    Args:
        strategy, budgets: as in :func:`ttscale.scaling.curves.curve.accuracy_curve`.
        seed: of the random orders of an item's samples that quantiles are over.

    Raises:
        TtscaleError: unknown names, a budget larger than the draws at hand, or a seed that is no whole number.
    """
    check_records(records)
    check_seed(seed)
    chosen = strategy if strategy is not None else default_strategy(records)
    check_draws(records, chosen)
    ks = check_budgets(budgets, len(chosen.draws))
    if records.outcome != "text":
        return Spending(chosen.name, ks, QUANTILES, **_of_images(records, chosen, ks), timed_items=None)
    seconds = item_seconds(records, chosen, ks)
    costs = _of_text(records, chosen, ks, seed) | {"seconds": _of_timed(mean_seconds(records, chosen, ks), seconds)}
    return Spending(chosen.name, ks, QUANTILES, **costs, timed_items=len(seconds))


def _of_images(records: Records, strategy: Strategy, budgets: np.ndarray) -> dict[str, Cost]:
    seconds = image_seconds(records, strategy, budgets)
    moved = np.cumsum([_view_bytes(records, draw[0], draw[1]) for draw in strategy.draws])[budgets - 1]
    return {
        "flops": _same(image_flops(records, strategy, budgets)), "tokens": _unknown(len(budgets)),
        "bytes": _same(moved), "seconds": _unknown(len(budgets)) if seconds is None else _same(seconds),
    }  # fmt: skip


def _view_bytes(records: Records, member: str, variant: str) -> float:
    """Bytes of a forward, which are known of the member's own input size: of the views that cost its FLOPs."""
    known = records.member(member)
    return known.bytes if records.draw_flops(member, variant) == known.flops else math.nan


def _of_text(records: Records, strategy: Strategy, budgets: np.ndarray, seed: int) -> dict[str, Cost]:
    graded, parts = records.graded(), parts_of(records.graded(), strategy)
    of = {
        "flops": flops_of(records, strategy), "tokens": tokens_of(records), "bytes": bytes_of(records, strategy),
    }  # fmt: skip
    met = _met(records, parts, list(of.values()), budgets, seed)
    return {
        measure: Cost(
            mean_cost(graded, parts, one, budgets), _quantiles(points), worst_cost(graded, parts, one, budgets)
        )
        for (measure, one), points in zip(of.items(), met, strict=True)
    }


def _of_timed(mean: np.ndarray, seconds: np.ndarray) -> Cost:
    """Of the seconds of each timed item, ``[item, k]``."""
    if not len(seconds):
        unknown = _unknown(len(mean))
        return Cost(mean, unknown.quantiles, unknown.worst)
    return Cost(mean, _quantiles(seconds.T), seconds.max(axis=0))


def _met(
    records: Records, parts: Sequence[Part], costs: Sequence[DrawCosts], budgets: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Per measure, the cost of each budget in each of some orders of each item's samples: ``float64 [k, item, order]``.

    The orders are rotations of random permutations (see :mod:`ttscale.scaling.curves.random_orders`), so that every
    sample comes first equally often: of one sample, and of all, the costs are exact. Items have equally many.
    """
    graded = records.graded()
    keys = keyed.item_keys(records.item_ids.tolist())
    names = draw_keys(graded)
    held = np.stack([samples_of_pool(graded, part) for part in parts])
    most = [int(part.taken(budgets).max()) for part in parts]
    points = min(_POINTS, _CELLS // len(budgets), _WORK // sum(most))
    n_orders = whole_rounds(int(np.clip(points // graded.n_items, 1, _ORDERS)), int(held.max()))
    out = [np.zeros((len(budgets), graded.n_items, n_orders)) for _ in costs]
    step = max(1, _CELLS // (n_orders * int(held.max())))
    for alike in alike_items(held):
        for start in range(0, len(alike), step):
            items = alike[start : start + step]
            for part, n, last in zip(parts, held[:, alike[0]], most, strict=True):
                order = permuted(part.columns[:n], names, keys[items], n_orders, seed)[:last]
                taken = part.taken(budgets)
                for total, one in zip(out, costs, strict=True):
                    total[:, items] += running(one.own[items[None, :, None], order], axis=0)[taken]
    for total, one in zip(out, costs, strict=True):
        for prompt, used in begun(parts, one, budgets).items():
            total[used] += one.once[prompt][0][:, None]
    return out


def _quantiles(points: np.ndarray) -> np.ndarray:
    """Of costs ``[k, item, order]``: ``float64 [quantile, k]``, NaN where one is unknown."""
    flat = points.reshape(len(points), -1)
    out = np.full((len(QUANTILES), len(flat)), math.nan)
    known = np.isfinite(flat).all(axis=1)
    out[:, known] = np.quantile(flat[known], QUANTILES, axis=1, method="inverted_cdf")
    return out


def _same(costs: np.ndarray) -> Cost:
    """A cost that every item has."""
    return Cost(costs, np.tile(costs, (len(QUANTILES), 1)), costs)


def _unknown(n: int) -> Cost:
    return _same(np.full(n, math.nan))
