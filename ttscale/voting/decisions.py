"""From log-scores to a decision: which classes are tied for best, the credit they share, the one that is picked."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

# Two scores closer than this, in nats, are tied. It is far below the spacing of float32 log-probabilities (6e-8 near
# log ½) and far above the rounding of the float64 sums inside a vote, so the order in which draws are added, and the
# library that adds them, cannot make or break a tie.
TIE_TOLERANCE = 1e-9


def tied_best(log_scores: Any) -> Any:
    """Which classes share the best score: ``bool [..., class]``.

    Args:
        log_scores: ``[..., class]``, without NaN, with at least one finite value per row.
    """
    xp = array_namespace(log_scores)
    return log_scores >= xp.max(log_scores, axis=-1, keepdims=True) - TIE_TOLERANCE


def credit(log_scores: Any, labels: Any) -> Any:
    """Expected correctness of a decision whose ties are broken at random: ``float64 [...]``, in [0, 1].

    A label among ``m`` tied best classes earns ``1/m``, any other label 0. This is the tie rule of every analysis.

    Args:
        log_scores: ``[..., class]`` from :func:`ttscale.voting.merges.merge`.
        labels: class indices of a shape that broadcasts against ``log_scores.shape[:-1]``.
    """
    xp = array_namespace(log_scores)
    best = tied_best(log_scores)
    classes = xp.arange(log_scores.shape[-1], dtype=labels.dtype, device=device(log_scores))
    hit = best & (labels[..., None] == classes)
    wide = _float64(xp, log_scores)
    return xp.astype(xp.any(hit, axis=-1), wide) / xp.sum(xp.astype(best, wide), axis=-1)


def decide(log_scores: Any, uniforms: Any) -> Any:
    """One class per item, ties broken by the item's own uniform: integers ``[...]``.

    With ``m`` tied best classes and uniform ``u``, the tied class of rank ``⌊u m⌋`` in class order is picked. This is
    the tie rule of a deployed decision. Nothing here depends on values through Python, so it runs on a device without
    waiting for it.

    Args:
        log_scores: ``[..., class]`` from :func:`ttscale.voting.merges.merge`.
        uniforms: ``[...]`` in [0, 1), from ``draws.keyed.uniforms`` with the stream ``TIES``.
    """
    xp = array_namespace(log_scores)
    best = tied_best(log_scores)
    rank = xp.cumulative_sum(xp.astype(best, xp.int64), axis=-1)
    count = rank[..., -1]
    pick = xp.astype(xp.floor(uniforms * xp.astype(count, uniforms.dtype)), xp.int64)
    pick = xp.where(pick < count, pick, count - 1)
    return xp.argmax(xp.astype(best & (rank == pick[..., None] + 1), xp.int8), axis=-1)


def _float64(xp: Any, like: Any) -> Any:
    """float64, or float32 on the one kind of device that has no float64 (Apple's ``mps``)."""
    return xp.float32 if str(device(like)).startswith("mps") else xp.float64
